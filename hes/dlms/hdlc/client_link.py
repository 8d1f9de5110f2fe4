"""The client's side of one HDLC link: octets in, events out, no clock and no I/O.

    octets = link.connect(now_s)                    SNRM; LinkUp comes with the UA
    octets = link.send(apdu, now_s)                 as many I frames as the window holds
    for event in link.receive(octets, now_s): ...   Transmit, Received, LinkDown, ...
    for event in link.timed_out(now_s): ...         when next_deadline() has come

The server speaks when it is polled: what the client sends ends with the P bit, and then the turn is the server's until
a frame with the F bit comes back. Where things stand is in the numbers alone. After every F the client looks at them:
segments without acknowledgement are sent (again), a server in the middle of an APDU is asked for more, one without an
answer yet is asked again later, and else the turn is the client's own. After silence the server is polled with RR; its
N(R) says what it lacks, and it repeats on its own what we lack. So a lost frame costs one time-out and nothing is
carried out twice.

A frame with the F bit that answers an earlier poll (the line repeats, or the answer came after the time-out) must not
be taken for the answer to the last one, or everything would be sent twice from there on. Two rules see to it: nothing
is sent when nothing is awaited, and an I frame is old that came before, or that leaves a gap and does not acknowledge
what we sent last: an answer to our last poll begins with the number that we expect.

Every wait has a deadline and every repetition a limit; frames of other stations on the line are ignored.

Source: docs/protocols/hdlc.md §5-§7; what is not said there about repetitions is ours [A].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import frame_reject, parameters
from hes.dlms.hdlc.address import CLIENT_ALL_STATIONS, ServerAddress, encode_client_address
from hes.dlms.hdlc.frame import POLL_FINAL, Frame, Kind
from hes.dlms.hdlc.link import Event, State, allows, step
from hes.dlms.hdlc.link_events import (
    Delivered,
    DownReason,
    LinkDown,
    LinkEvent,
    LinkFinding,
    LinkFindingKind,
    LinkUp,
    Received,
    ReceivedUnnumbered,
    Transmit,
)
from hes.dlms.hdlc.link_flow import LLC_COMMAND, Flow
from hes.dlms.hdlc.link_settings import CLIENT_DEFAULTS, ClientLinkSettings, Recovery
from hes.dlms.hdlc.parameters import DEFAULTS, INFORMATION_OCTETS_DEFAULT, Parameters
from hes.dlms.hdlc.push import UnnumberedAssembler, unnumbered_frames
from hes.dlms.hdlc.receiver import Octets, Receiver
from hes.errors import LocalProtocolError, RemoteProtocolError

_EVERYBODY = encode_client_address(CLIENT_ALL_STATIONS)
_DM_MEANS = {
    State.CONNECTING: DownReason.REFUSED,
    State.CONNECTED: DownReason.DISCONNECTED_MODE,
    State.DISCONNECTING: DownReason.CLOSED_BY_US,
}
_EVENTS = {
    Kind.UA: Event.UA,
    Kind.DM: Event.DM,
    Kind.FRMR: Event.FRMR,
    Kind.I: Event.INFORMATION,
    Kind.RR: Event.SUPERVISION,
    Kind.RNR: Event.SUPERVISION,
}


@dataclass(slots=True)
class _Turn:
    """Who may speak, and what is awaited. awaiting: a frame with the F bit; the turn is the server's until it comes.

    waiting: an APDU until the turn is ours, and whether it is answered. answer_awaited: an APDU. silences: response
    time-outs since the numbers moved last; repeats: rows, and requests for them, since then; polls: answers without
    news since then.
    """

    awaiting: bool = False
    waiting: tuple[bytes, bool] | None = None
    answer_awaited: bool = False
    delivery_awaited: bool = False
    server_busy: bool = False
    silences: int = 0
    repeats: int = 0
    polls: int = 0
    deadline_s: float | None = None
    poll_s: float | None = None


class ClientLink:
    """One link to one server; it may be set up again after it went down.

    state: see hes.dlms.hdlc.link. receiver: where octets become frames, with its counters. elsewhere: frames for other
    stations.
    """

    def __init__(
        self, *, client_sap: int, server: ServerAddress, settings: ClientLinkSettings = CLIENT_DEFAULTS
    ) -> None:
        self.settings = settings
        self.state = State.DISCONNECTED
        self.receiver = Receiver(inter_octet_s=settings.inter_octet_s)
        self.elsewhere = 0
        self._own = encode_client_address(client_sap)
        self._peer = server.encode()
        self._turn = _Turn()
        self._unnumbered = UnnumberedAssembler(apdu_octets_max=settings.apdu_octets_max)
        self._flow = self._new_flow(DEFAULTS)
        self._handlers: dict[Event, Callable[[Frame, float, list[LinkEvent]], None]] = {
            Event.UA: self._ua_came,
            Event.DM: self._dm_came,
            Event.FRMR: self._frmr_came,
            Event.INFORMATION: self._numbered_came,
            Event.SUPERVISION: self._numbered_came,
        }

    @property
    def parameters(self) -> Parameters:
        """What holds on this link, as the client sees it."""
        return self._flow.parameters

    @property
    def idle(self) -> bool:
        """Whether the link is up and an APDU may be sent: none is under way and no answer is awaited."""
        return self.state is State.CONNECTED and not (
            self._flow.outgoing.unfinished or self._turn.answer_awaited or self._turn.waiting is not None
        )

    # -- what the user asks for: each returns the octets to send

    def connect(self, now_s: float) -> bytes:
        """SNRM. The link is set up anew where there was one. Raises LocalProtocolError in no state."""
        self.state = step(self.state, Event.SNRM)
        self._flow = self._new_flow(DEFAULTS)
        self._turn = _Turn()
        return self._ask(self._snrm(), now_s)

    def send(self, apdu: bytes, now_s: float, *, answered: bool = True) -> bytes:
        """An APDU, or as much of it as may go out now: the rest comes as Transmit.

        answered: whether the server answers it; if not, Delivered says that it has all of it.
        Raises LocalProtocolError unless the link is `idle`.
        """
        self.state = step(self.state, Event.INFORMATION)
        if not self.idle:
            raise LocalProtocolError("an APDU is under way on this HDLC link already")
        if not 0 < len(apdu) <= self.settings.apdu_octets_max:
            raise LocalProtocolError(f"an APDU of 1..{self.settings.apdu_octets_max} octets, not {len(apdu)}")
        self._turn.waiting = (bytes(apdu), answered)
        return b"" if self._turn.awaiting else self._send_waiting(now_s)

    def expect_answer(self, now_s: float) -> None:
        """What came was not the answer (a notification, say): go on asking for it. Raises LocalProtocolError without
        a link."""
        self.state = step(self.state, Event.SUPERVISION)
        self._turn.answer_awaited = True
        if not self._turn.awaiting and self._turn.poll_s is None:
            self._turn.poll_s = now_s + self.settings.busy_poll_s

    def keep_alive(self, now_s: float) -> bytes:
        """RR, so that the server's inactivity time-out starts again. Nothing while the server has the turn."""
        self.state = step(self.state, Event.SUPERVISION)
        return b"" if self._turn.awaiting or not self.idle else self._ask(self._flow.ready(), now_s)

    def disconnect(self, now_s: float) -> bytes:
        """DISC, whatever is under way. LinkDown comes with the UA or DM, or when the server stays silent."""
        self.state = step(self.state, Event.DISC)
        self._turn = _Turn()
        return self._ask(self._disc(), now_s)

    def send_unnumbered(self, apdu: bytes, destination: ServerAddress | None = None) -> bytes:
        """UI frames to this server or to another (such as all stations): no link is needed, and no answer comes."""
        octets = self.parameters.transmit_octets if self.state is State.CONNECTED else INFORMATION_OCTETS_DEFAULT
        peer = self._peer if destination is None else destination.encode()
        return unnumbered_frames(peer, self._own, LLC_COMMAND + apdu, octets_max=octets, last_final=False)

    # -- what the edge reports

    def receive(self, octets: Octets, now_s: float) -> list[LinkEvent]:
        """What `octets` from the line mean. Never raises for what a peer does."""
        events: list[LinkEvent] = []
        for frame in self.receiver.feed(octets, now_s):
            self._take(frame, now_s, events)
        return events

    def receive_frame(self, frame: Frame, now_s: float) -> list[LinkEvent]:
        """The same for a frame that somebody else found, such as the owner of a line with several links."""
        events: list[LinkEvent] = []
        self._take(frame, now_s, events)
        return events

    def next_deadline(self) -> float | None:
        """When `timed_out` wants to be called, None while nothing is awaited."""
        in_frame_s = self.receiver.next_deadline()
        wait_s = self._turn.poll_s
        if self._turn.deadline_s is not None:
            wait_s = self._late_s()
        if wait_s is None or in_frame_s is None:
            return in_frame_s if wait_s is None else wait_s
        return min(in_frame_s, wait_s)

    def timed_out(self, now_s: float) -> list[LinkEvent]:
        """What time has brought about. Nothing happens before the deadline."""
        events: list[LinkEvent] = []
        deadline_s = self.next_deadline()
        if deadline_s is None or now_s < deadline_s:
            return events
        for frame in self.receiver.timed_out(now_s):
            self._take(frame, now_s, events)
        if self._turn.deadline_s is not None and now_s >= self._late_s():
            for frame in self.receiver.line_silent():
                self._take(frame, now_s, events)
        if self._turn.deadline_s is not None and now_s >= self._late_s():
            self._silence(now_s, events)
        elif self._turn.poll_s is not None and now_s >= self._turn.poll_s:
            events.append(Transmit(self._ask(self._flow.ready(), now_s)))
        return events

    def _late_s(self) -> float:
        """When the answer is late. One that has begun may take as long again, but no longer: it may be noise."""
        assert self._turn.deadline_s is not None  # both callers have looked
        begun = self.receiver.next_deadline() is not None
        return self._turn.deadline_s + self.settings.response_s if begun else self._turn.deadline_s

    def line_lost(self) -> list[LinkEvent]:
        """What lies below is gone. LinkDown unless the link was known to be down already."""
        was = self.state
        self.state = step(self.state, Event.LINE_LOST)
        self._turn = _Turn()
        return [] if was in (State.DISCONNECTED, State.REJECTED) else [LinkDown(DownReason.LINE_LOST)]

    # -- frames

    def _take(self, frame: Frame, now_s: float, events: list[LinkEvent]) -> None:
        kind = frame.kind
        if kind is Kind.UI and frame.destination in (self._own, _EVERYBODY):
            apdu = self._unnumbered.take(frame, now_s)
            if apdu is not None:
                events.append(ReceivedUnnumbered(apdu, frame.destination, frame.source))
            return
        if frame.source != self._peer or frame.destination != self._own:
            self.elsewhere += 1
            return
        if kind is None:
            events.append(LinkFinding(LinkFindingKind.UNDEFINED_CONTROL, frame))
            return
        event = _EVENTS.get(kind)
        if event is None or not allows(self.state, event):
            events.append(LinkFinding(LinkFindingKind.UNEXPECTED, frame))
            return
        self._handlers[event](frame, now_s, events)

    def _ua_came(self, frame: Frame, now_s: float, events: list[LinkEvent]) -> None:
        if self.state is State.DISCONNECTING:
            self._down(Event.UA, DownReason.CLOSED_BY_US, events)
            return
        try:
            said = parameters.decode(frame.information)
        except RemoteProtocolError as error:
            self._down(Event.GIVEN_UP, DownReason.WRONG_PARAMETERS, events, error.message)
            return
        self.state = step(self.state, Event.UA)
        self._flow = self._new_flow(parameters.agree(self.settings.proposal, said))
        self._turn = _Turn()
        events.append(LinkUp(self.parameters))

    def _dm_came(self, frame: Frame, now_s: float, events: list[LinkEvent]) -> None:
        reason = _DM_MEANS.get(self.state)
        if reason is None:
            self.state = step(self.state, Event.DM)
            events.append(LinkFinding(LinkFindingKind.UNEXPECTED, frame))
        else:
            self._down(Event.DM, reason, events)

    def _frmr_came(self, frame: Frame, now_s: float, events: list[LinkEvent]) -> None:
        if self.state is State.REJECTED:
            events.append(LinkFinding(LinkFindingKind.UNEXPECTED, frame))
            return
        reject = frame_reject.decode(frame.information)
        self._down(Event.FRMR, DownReason.FRAME_REJECTED, events, str(reject or ""))

    def _numbered_came(self, frame: Frame, now_s: float, events: list[LinkEvent]) -> None:
        outgoing, incoming = self._flow.outgoing, self._flow.incoming
        is_information = not frame.control & 1
        in_sequence = is_information and frame.send == incoming.expected
        gap = False
        if is_information and not in_sequence:
            gap = frame.receive == outgoing.next and incoming.is_ahead(frame.send, self.parameters.receive_window)
            repeated = not gap and incoming.came(frame.send)
            kind = LinkFindingKind.REPEATED if repeated else LinkFindingKind.OUT_OF_SEQUENCE
            events.append(LinkFinding(kind, frame))
            if not gap:
                return
        before = outgoing.acknowledged
        if not outgoing.acknowledge(frame.receive):
            events.append(LinkFinding(LinkFindingKind.WRONG_ACKNOWLEDGEMENT, frame))
            return
        if in_sequence or outgoing.acknowledged != before:
            self._turn.silences = self._turn.repeats = self._turn.polls = 0
        if in_sequence:
            self._information_came(frame, events)
            if self.state is not State.CONNECTED:
                return
        self._turn.server_busy = frame.kind is Kind.RNR
        if not self._turn.awaiting:
            return
        if frame.final:
            self._turn.awaiting, self._turn.deadline_s = False, None
            self._take_turn(now_s, events, is_information=is_information, gap=gap)
        else:
            self._turn.deadline_s = now_s + self.settings.response_s

    def _information_came(self, frame: Frame, events: list[LinkEvent]) -> None:
        """The I frame with the expected number. One that is too long is taken: a meter cannot be told to cut better."""
        if len(frame.information) > self.parameters.receive_octets:
            events.append(LinkFinding(LinkFindingKind.TOO_LONG, frame, taken=True))
        whole = self._flow.incoming.take(frame)
        if self._flow.incoming.too_long:
            self._down(Event.GIVEN_UP, DownReason.APDU_TOO_LONG, events)
        elif whole is not None:
            self._turn.answer_awaited = False
            if whole.startswith(self._flow.llc_in):
                events.append(Received(whole[len(self._flow.llc_in) :]))
            else:
                events.append(LinkFinding(LinkFindingKind.WRONG_LLC, frame))

    # -- whose turn it is

    def _take_turn(self, now_s: float, events: list[LinkEvent], *, is_information: bool, gap: bool) -> None:
        """The server has given the turn back: what is to be done with it follows from the numbers."""
        outgoing, incoming = self._flow.outgoing, self._flow.incoming
        if outgoing.unfinished and not self._turn.server_busy:
            self._go_on(self._flow.row, now_s, events)
        elif gap or (incoming.partial and is_information):
            self._go_on(self._flow.ready, now_s, events)
        elif self._turn.answer_awaited or outgoing.unfinished or incoming.partial:
            self._poll_later(now_s, events)
        elif self._turn.waiting is not None:
            events.append(Transmit(self._send_waiting(now_s)))
        elif self._turn.delivery_awaited:
            self._turn.delivery_awaited = False
            events.append(Delivered())

    def _go_on(self, octets: Callable[[], bytes], now_s: float, events: list[LinkEvent]) -> None:
        """Say what comes next, or the same again if the numbers have not moved."""
        if self._turn.repeats > self.settings.retries_max:
            self._down(Event.GIVEN_UP, DownReason.NO_PROGRESS, events)
        else:
            self._turn.repeats += 1
            events.append(Transmit(self._ask(octets(), now_s)))

    def _poll_later(self, now_s: float, events: list[LinkEvent]) -> None:
        self._turn.silences = self._turn.repeats = 0
        self._turn.polls += 1
        if self._turn.polls > self.settings.busy_polls_max:
            self._down(Event.GIVEN_UP, DownReason.BUSY, events)
        else:
            self._turn.poll_s = now_s + self.settings.busy_poll_s

    def _silence(self, now_s: float, events: list[LinkEvent]) -> None:
        """The response time-out has passed."""
        settings = self.settings
        self._turn.silences += 1
        if self._turn.silences > settings.retries_max:
            text = f"asked {self._turn.silences} times, {settings.response_s:g} s each"
            self._down(Event.GIVEN_UP, DownReason.NO_ANSWER, events, text)
        elif self.state is State.CONNECTING:
            self.state = step(self.state, Event.SNRM)
            events.append(Transmit(self._ask(self._snrm(), now_s)))
        elif self.state is State.DISCONNECTING:
            self.state = step(self.state, Event.DISC)
            events.append(Transmit(self._ask(self._disc(), now_s)))
        elif settings.recovery is Recovery.RESEND and self._flow.outgoing.unfinished:
            events.append(Transmit(self._ask(self._flow.row(), now_s)))
        else:
            events.append(Transmit(self._ask(self._flow.ready(), now_s)))

    def _send_waiting(self, now_s: float) -> bytes:
        assert self._turn.waiting is not None  # send() has put it there
        apdu, answered = self._turn.waiting
        self._turn.waiting = None
        self._turn.answer_awaited, self._turn.delivery_awaited = answered, not answered
        self._turn.silences = self._turn.polls = 0
        self._turn.repeats = 1
        self._flow.load(apdu)
        return self._ask(self._flow.row(), now_s)

    def _ask(self, octets: bytes, now_s: float) -> bytes:
        """Octets that end with a P bit: from now on the turn is the server's."""
        self._turn.awaiting = True
        self._turn.poll_s = None
        self._turn.deadline_s = now_s + self.settings.response_s
        return octets

    def _down(self, event: Event, reason: DownReason, events: list[LinkEvent], text: str = "") -> None:
        self.state = step(self.state, event)
        self._turn = _Turn()
        events.append(LinkDown(reason, text))

    def _new_flow(self, agreed: Parameters) -> Flow:
        return Flow(agreed, self._own, self._peer, is_client=True, apdu_octets_max=self.settings.apdu_octets_max)

    def _snrm(self) -> bytes:
        settings = self.settings
        said = b"" if settings.proposal == DEFAULTS and not settings.says_defaults else settings.proposal.encode()
        return frames.encode(self._peer, self._own, Kind.SNRM | POLL_FINAL, said)

    def _disc(self) -> bytes:
        return frames.encode(self._peer, self._own, Kind.DISC | POLL_FINAL)
