"""The reader's side of a sign-on: octets in, what to do out; time is an argument, `next_deadline` says when to call.

The confirmation of the meter comes at 300 Bd from some and at the new speed from others, where it is noise to a line
that still runs at 300. So it is waited for and never insisted on: when its time is over the speed changes all the same,
and whether the meter came along is shown by its answer to the first HDLC frame.

An optical head that sends our own octets back does no harm: a request is no identification, and an option select that
comes back looks like the confirmation that it asks for.

Source: docs/protocols/mode-e.md §3.
"""

from __future__ import annotations

from hes.dlms.mode_e.events import ChangeLine, HandedOver, SignOnEvent, SignOnFailed, Transmit
from hes.dlms.mode_e.messages import (
    BAUD_RATES,
    MODE_E,
    OPENING_BAUD,
    Identification,
    LineReader,
    OptionSelect,
    decode_identification,
    decode_option_select,
    encode_request,
)
from hes.dlms.mode_e.settings import SignOnSettings
from hes.dlms.mode_e.states import Event, State, step
from hes.errors import RemoteProtocolError

CHARACTER_S = 10 / OPENING_BAUD  # 7E1: start, seven bits, parity, stop


class ClientSignOn:
    """One sign-on, until HandedOver or SignOnFailed."""

    def __init__(self, settings: SignOnSettings) -> None:
        self.state = State.IDLE
        self._settings = settings
        self._reader = LineReader()
        self._request = encode_request(settings.address)
        self._attempts = 0
        self._deadline_s: float | None = None
        self._identification: Identification | None = None
        self._select = OptionSelect(protocol=MODE_E, baud_id="0", mode=MODE_E)
        self._is_settling = False
        self._heard: bytes = b""

    def start(self, now_s: float) -> list[SignOnEvent]:
        """What to do first: the line at 300 Bd, and the request."""
        return [ChangeLine(baud=OPENING_BAUD, seven_bits=True), *self._ask(now_s)]

    def next_deadline(self) -> float | None:
        """When `timed_out` wants to be called; None when nothing is waited for."""
        return self._deadline_s

    def receive(self, octets: bytes, now_s: float) -> list[SignOnEvent]:
        """Take octets from the line. Noise is passed over."""
        if self._deadline_s is None or self._is_settling:
            return []
        if self.state is State.REQUESTED:  # the first octet is in time, so the next ones get theirs
            self._deadline_s = max(self._deadline_s, now_s + self._settings.response_s)
        events: list[SignOnEvent] = []
        for line in self._reader.feed(octets):
            events += self._take(line, now_s)
        return events

    def timed_out(self, now_s: float) -> list[SignOnEvent]:
        """Called at `next_deadline` or later."""
        if self._deadline_s is None or now_s < self._deadline_s:
            return []
        if self._is_settling:
            return self._over()
        if self.state is State.SELECTED:
            return self._change_speed(now_s)
        if self.state is State.REQUESTED:
            self.state = step(self.state, Event.TIMED_OUT)
            self._deadline_s = now_s + self._settings.rest_s
            if self._attempts >= self._settings.attempts_max:
                return self._failed(self._silence())
            return []
        return self._ask(now_s)

    def _ask(self, now_s: float) -> list[SignOnEvent]:
        self.state = step(self.state, Event.REQUEST)
        self._attempts += 1
        self._reader.clear()
        self._deadline_s = now_s + len(self._request) * CHARACTER_S + self._settings.response_s
        return [Transmit(self._request)]

    def _take(self, line: bytes, now_s: float) -> list[SignOnEvent]:
        if self.state is State.REQUESTED and line + b"\r\n" != self._request:
            return self._identified(line, now_s)
        if self.state is State.SELECTED and decode_option_select(line) == self._select:
            return self._change_speed(now_s)
        return []

    def _identified(self, line: bytes, now_s: float) -> list[SignOnEvent]:
        try:
            found = decode_identification(line)
        except RemoteProtocolError:
            self._heard = line
            return []
        self.state = step(self.state, Event.IDENTIFICATION)
        baud_id = self._rate(found)
        if not found.offers_mode_e or baud_id is None:
            self.state = step(self.state, Event.REFUSED)
            what = f"offers no mode E (\\{MODE_E})" if baud_id else f"names a speed that is not known, {found.baud_id}"
            return self._failed(f"the meter ({found.manufacturer} {found.ident}) {what}".rstrip())
        self._identification = found
        self._select = OptionSelect(protocol=MODE_E, baud_id=baud_id, mode=MODE_E)
        self.state = step(self.state, Event.SELECTION)
        octets = self._select.encode()
        self._deadline_s = now_s + 2 * len(octets) * CHARACTER_S + self._settings.response_s
        return [Transmit(octets)]

    def _rate(self, found: Identification) -> str | None:
        """The fastest rate that both sides know, None when the meter's is unknown."""
        offered = BAUD_RATES.get(found.baud_id)
        if offered is None:
            return None
        limit = min(offered, self._settings.baud_max)
        return next(baud_id for baud_id, baud in reversed(BAUD_RATES.items()) if baud <= limit)

    def _change_speed(self, now_s: float) -> list[SignOnEvent]:
        self._is_settling = True
        self._deadline_s = now_s + self._settings.settle_s
        return [ChangeLine(baud=BAUD_RATES[self._select.baud_id], seven_bits=False)]

    def _over(self) -> list[SignOnEvent]:
        assert self._identification is not None  # state SELECTED says so
        self.state = step(self.state, Event.HAND_OVER)
        self._deadline_s = None
        return [HandedOver(identification=self._identification, baud=BAUD_RATES[self._select.baud_id])]

    def _failed(self, reason: str) -> list[SignOnEvent]:
        self._deadline_s = None
        return [SignOnFailed(reason)]

    def _silence(self) -> str:
        if self._heard:
            return f"what answered the sign-on at {OPENING_BAUD} Bd is no identification: {self._heard!r}"
        asked = f"device {self._settings.address}" if self._settings.address else "any device"
        return f"nothing answered the sign-on to {asked} at {OPENING_BAUD} Bd, asked {self._attempts} times"
