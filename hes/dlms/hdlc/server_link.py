"""The server's side of one HDLC link: frames in, events out, no clock and no I/O.

    for event in link.receive_frame(frame, now_s): ...     Transmit, Received, LinkUp, LinkDown, ...
    octets = link.answer(apdu, now_s, number)               to what came as Received(apdu, number); None for no answer

A server speaks only when it is polled, and then once, with the F bit in its last frame. What it owes after a poll
follows from the numbers: I frames that the client's N(R) does not acknowledge go out (again), else RR. An I frame that
came before is therefore never handed on a second time, and its answer is repeated from what is still stored. A gap is
answered by RR with the number that is expected.

While the application works on a request the poll stays open and is answered by `answer`. A client that asks meanwhile
hears RR; one that sends another request hears RNR, and the frame is not taken.

A link begins as disconnected; `LineDispatcher` makes one for the first frame of a client and drops it when it is
disconnected again.

Source: docs/protocols/hdlc.md §4, §5, §7.
"""

from __future__ import annotations

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import parameters
from hes.dlms.hdlc.frame import POLL_FINAL, Frame, Kind
from hes.dlms.hdlc.frame_reject import FrameReject, RejectReason
from hes.dlms.hdlc.link import Event, State, step
from hes.dlms.hdlc.link_events import (
    DownReason,
    LinkDown,
    LinkEvent,
    LinkFinding,
    LinkFindingKind,
    LinkUp,
    Received,
    Transmit,
)
from hes.dlms.hdlc.link_flow import Flow
from hes.dlms.hdlc.link_settings import SERVER_DEFAULTS, ServerLinkSettings
from hes.dlms.hdlc.parameters import DEFAULTS, Parameters
from hes.errors import LocalProtocolError, RemoteProtocolError


class ServerLink:
    """One link from one client. server, client: address octets; frames of others are not for this object.

    state: see hes.dlms.hdlc.link.
    """

    def __init__(self, *, server: bytes, client: bytes, settings: ServerLinkSettings = SERVER_DEFAULTS) -> None:
        self.settings = settings
        self.state = State.DISCONNECTED
        self._own = server
        self._peer = client
        self._flow = self._new_flow(DEFAULTS)
        self._number = 0  # of the last request
        self._heard_s = 0.0
        self._reject: FrameReject | None = None
        self._working = False  # the application has a request
        self._polled = False  # and the client's poll is open
        self._client_busy = False

    @property
    def parameters(self) -> Parameters:
        """What holds on this link, as the server sees it."""
        return self._flow.parameters

    def receive_frame(self, frame: Frame, now_s: float) -> list[LinkEvent]:
        """What a frame from the client means. Never raises for what it holds."""
        events: list[LinkEvent] = []
        self._heard_s = now_s
        kind = frame.kind
        if kind is Kind.SNRM or kind is Kind.DISC:
            if not frame.final:
                events.append(LinkFinding(LinkFindingKind.NOT_POLLED, frame))
            elif kind is Kind.SNRM:
                self._snrm_came(frame, events)
            else:
                self._disc_came(events)
        elif self.state is State.DISCONNECTED:
            self._without_link(frame, events)
        elif self.state is State.REJECTED:
            events.append(LinkFinding(LinkFindingKind.UNEXPECTED, frame))
            self._say_rejected(frame, events)
        elif kind is Kind.I:
            self._information_came(frame, events)
        elif kind is Kind.RR or kind is Kind.RNR:
            self._supervision_came(frame, events)
        else:
            known = LinkFindingKind.UNDEFINED_CONTROL if kind is None else LinkFindingKind.UNEXPECTED
            events.append(LinkFinding(known, frame))
            self._refuse(frame, RejectReason.UNDEFINED_CONTROL, events)
        return events

    def answer(self, apdu: bytes | None, now_s: float, number: int | None = None) -> bytes:
        """The octets to send in answer to a request; None when it has no answer.

        number: that of `Received`; an answer to another request than the last one, or to one of a link that is gone,
        comes too late and gives no octets. Raises LocalProtocolError when no request waits for an answer.
        """
        if number is not None and (number != self._number or not self._working):
            return b""
        if not self._working:
            raise LocalProtocolError("no request on this HDLC link waits for an answer")
        self._working = False
        self._heard_s = now_s
        if apdu:
            self._flow.load(apdu)
        if not self._polled:
            return b""
        self._polled = False
        return self._owed()

    @property
    def working(self) -> bool:
        """Whether a request waits for `answer`."""
        return self._working

    def next_deadline(self) -> float | None:
        """When the link is forgotten for inactivity."""
        if self.settings.inactivity_s is None or self.state is State.DISCONNECTED:
            return None
        return self._heard_s + self.settings.inactivity_s

    def timed_out(self, now_s: float) -> list[LinkEvent]:
        """The end of the link if its inactivity time-out has passed."""
        deadline_s = self.next_deadline()
        if deadline_s is None or now_s < deadline_s:
            return []
        return self._end(Event.INACTIVE, DownReason.INACTIVE)

    def line_lost(self) -> list[LinkEvent]:
        """What lies below is gone."""
        if self.state is State.DISCONNECTED:
            return []
        return self._end(Event.LINE_LOST, DownReason.LINE_LOST)

    # -- frames without numbers

    def _snrm_came(self, frame: Frame, events: list[LinkEvent]) -> None:
        if self.state is State.CONNECTED:
            events.append(LinkDown(DownReason.RESET))
        self.state = step(self.state, Event.SNRM)
        try:
            said = parameters.decode(frame.information)
        except RemoteProtocolError as error:
            events.append(LinkFinding(LinkFindingKind.WRONG_PARAMETERS, frame, text=error.message))
            self.state = step(self.state, Event.DM)
            self._start_again()
            events.append(Transmit(self._unnumbered(Kind.DM)))
            return
        self.state = step(self.state, Event.UA)
        self._flow = self._new_flow(parameters.agree(self.settings.limits, said))
        self._start_again()
        events += (Transmit(self._unnumbered(Kind.UA, self.parameters.encode())), LinkUp(self.parameters))

    def _disc_came(self, events: list[LinkEvent]) -> None:
        was = self.state
        without = was is State.DISCONNECTED
        self.state = step(self.state, Event.DISC)
        self.state = step(self.state, Event.DM if without else Event.UA)
        self._start_again()
        events.append(Transmit(self._unnumbered(Kind.DM if without else Kind.UA)))
        if was is State.CONNECTED:
            events.append(LinkDown(DownReason.CLOSED_BY_PEER))

    def _without_link(self, frame: Frame, events: list[LinkEvent]) -> None:
        events.append(LinkFinding(LinkFindingKind.UNEXPECTED, frame))
        if frame.kind in frames.NUMBERED and frame.final and self.settings.says_disconnected:
            self.state = step(self.state, Event.DM)
            events.append(Transmit(self._unnumbered(Kind.DM)))

    def _refuse(self, frame: Frame, reason: RejectReason, events: list[LinkEvent]) -> None:
        """A frame that cannot be taken: say so and nothing else until the link is set up again, or be silent."""
        if not self.settings.rejects_frames:
            return
        self._reject = FrameReject(
            control=frame.control,
            next_send=self._flow.outgoing.next,
            next_receive=self._flow.incoming.expected,
            reason=reason,
        )
        self.state = step(self.state, Event.FRMR)
        self._start_again()
        events.append(LinkDown(DownReason.FRAME_REJECTED, str(self._reject)))
        self._say_rejected(frame, events)

    def _say_rejected(self, frame: Frame, events: list[LinkEvent]) -> None:
        assert self._reject is not None  # the state says that a frame was rejected
        if frame.final:
            events.append(Transmit(self._unnumbered(Kind.FRMR, self._reject.encode())))

    # -- frames with numbers

    def _information_came(self, frame: Frame, events: list[LinkEvent]) -> None:
        incoming = self._flow.incoming
        if len(frame.information) > self.parameters.receive_octets:
            events.append(LinkFinding(LinkFindingKind.TOO_LONG, frame))
            self._refuse(frame, RejectReason.INFORMATION_TOO_LONG, events)
            return
        if not self._acknowledged(frame, events):
            return
        self.state = step(self.state, Event.INFORMATION)
        if frame.send != incoming.expected:
            gap = incoming.is_ahead(frame.send, self.parameters.receive_window)
            repeated = not gap and incoming.came(frame.send)
            kind = LinkFindingKind.REPEATED if repeated else LinkFindingKind.OUT_OF_SEQUENCE
            events.append(LinkFinding(kind, frame))
            self._respond(frame, events)
        elif self._working:
            events.append(LinkFinding(LinkFindingKind.NOT_READY, frame))
            self._polled = False
            if frame.final:
                events.append(Transmit(self._flow.ready(Kind.RNR)))
        else:
            self._take(frame, events)

    def _take(self, frame: Frame, events: list[LinkEvent]) -> None:
        """The I frame with the expected number."""
        whole = self._flow.incoming.take(frame)
        if self._flow.incoming.too_long:
            events.append(LinkFinding(LinkFindingKind.APDU_TOO_LONG, frame))
            if self.settings.rejects_frames:
                self._refuse(frame, RejectReason.INFORMATION_TOO_LONG, events)
            else:
                events += self._end(Event.GIVEN_UP, DownReason.APDU_TOO_LONG)
        elif whole is None:
            self._respond(frame, events)
        elif not whole.startswith(self._flow.llc_in):
            events.append(LinkFinding(LinkFindingKind.WRONG_LLC, frame))
            self._respond(frame, events)
        else:
            self._working, self._polled = True, frame.final
            self._number += 1
            self._flow.outgoing.load(b"")  # whoever asks anew has no use for the rest of an answer
            events.append(Received(whole[len(self._flow.llc_in) :], self._number))

    def _supervision_came(self, frame: Frame, events: list[LinkEvent]) -> None:
        if self._acknowledged(frame, events):
            self.state = step(self.state, Event.SUPERVISION)
            self._respond(frame, events)

    def _acknowledged(self, frame: Frame, events: list[LinkEvent]) -> bool:
        """Take N(R). False when it acknowledges what was not sent: then the frame is refused."""
        if self._flow.outgoing.acknowledge(frame.receive):
            self._client_busy = frame.kind is Kind.RNR
            return True
        events.append(LinkFinding(LinkFindingKind.WRONG_ACKNOWLEDGEMENT, frame))
        self._refuse(frame, RejectReason.WRONG_ACKNOWLEDGEMENT, events)
        return False

    def _respond(self, frame: Frame, events: list[LinkEvent]) -> None:
        """What a poll is owed at once. It closes the poll that a request under work may have left open."""
        if frame.final:
            self._polled = False
            events.append(Transmit(self._owed()))

    def _owed(self) -> bytes:
        if self._flow.outgoing.unfinished and not self._client_busy:
            return self._flow.row()
        return self._flow.ready()

    # -- inside

    def _end(self, event: Event, reason: DownReason) -> list[LinkEvent]:
        was = self.state
        self.state = step(self.state, event)
        self._start_again()
        return [] if was is State.REJECTED else [LinkDown(reason)]

    def _start_again(self) -> None:
        self._working = self._polled = self._client_busy = False
        if self.state is not State.REJECTED:
            self._reject = None

    def _new_flow(self, agreed: Parameters) -> Flow:
        return Flow(agreed, self._own, self._peer, is_client=False, apdu_octets_max=self.settings.apdu_octets_max)

    def _unnumbered(self, kind: Kind, information: bytes = b"") -> bytes:
        return frames.encode(self._peer, self._own, kind | POLL_FINAL, information)
