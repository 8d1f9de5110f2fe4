"""The meter's side of a sign-on: it answers a request at 300 Bd and agrees to HDLC, and to nothing else.

Readout and programming (modes A to D) are not offered: an option select for them is answered with silence, and the
meter waits for the next request [A]. `link_ended` brings the port back to 300 Bd.

Source: docs/protocols/mode-e.md §3.
"""

from __future__ import annotations

from hes.dlms.mode_e.events import ChangeLine, HandedOver, SignOnEvent, Transmit
from hes.dlms.mode_e.messages import (
    BAUD_RATES,
    OPENING_BAUD,
    LineReader,
    OptionSelect,
    decode_option_select,
    decode_request,
)
from hes.dlms.mode_e.settings import SignOnSettings
from hes.dlms.mode_e.states import Event, State, step
from hes.errors import LocalProtocolError


class ServerSignOn:
    """The port of one meter: sign-on after sign-on."""

    def __init__(self, settings: SignOnSettings) -> None:
        """Raises LocalProtocolError when the identification is none, or does not offer mode E."""
        identification = settings.identification
        self._identification = identification.encode()
        if not identification.offers_mode_e or identification.baud_id not in BAUD_RATES:
            raise LocalProtocolError(f"{self._identification!r} does not offer mode E at a known speed")
        self.state = State.IDLE
        self._settings = settings
        self._reader = LineReader()
        self._deadline_s: float | None = None

    def next_deadline(self) -> float | None:
        return self._deadline_s

    def receive(self, octets: bytes, now_s: float) -> list[SignOnEvent]:
        """Take octets from the line; nothing to do with them once it carries HDLC."""
        events: list[SignOnEvent] = []
        for line in self._reader.feed(octets):
            events += self._take(line, now_s)
        return events

    def timed_out(self, now_s: float) -> list[SignOnEvent]:
        """Called at `next_deadline` or later: nobody selected an option."""
        if self._deadline_s is not None and now_s >= self._deadline_s:
            self._deadline_s = None
            self.state = step(self.state, Event.TIMED_OUT)
        return []

    def link_ended(self) -> list[SignOnEvent]:
        """HDLC is over, or was never taken up: back to 300 Bd."""
        if self.state is not State.HANDED_OVER:
            return []
        self.state = step(self.state, Event.ENDED)
        self._reader.clear()
        return [ChangeLine(baud=OPENING_BAUD, seven_bits=True)]

    def _take(self, line: bytes, now_s: float) -> list[SignOnEvent]:
        if self.state is State.HANDED_OVER:
            return []
        address = decode_request(line)
        if address is not None:
            return self._identify(address, now_s)
        selected = decode_option_select(line)
        if selected is not None and self.state is State.IDENTIFIED:
            return self._selected(selected)
        return []

    def _identify(self, address: str, now_s: float) -> list[SignOnEvent]:
        """A request for us: leading zeros of an address do not count, and an empty one means everybody."""
        own = self._settings.address
        answered = {each.lstrip("0") for each in (own, *self._settings.also)}
        if address and own and address.lstrip("0") not in answered:
            return []
        self.state = step(step(self.state, Event.REQUEST), Event.IDENTIFICATION)
        characters_s = len(self._identification) * 10 / OPENING_BAUD
        self._deadline_s = now_s + characters_s + self._settings.select_s
        return [Transmit(self._identification)]

    def _selected(self, selected: OptionSelect) -> list[SignOnEvent]:
        self._deadline_s = None
        baud = BAUD_RATES.get(selected.baud_id)
        offered = BAUD_RATES[self._settings.identification.baud_id]
        if not selected.is_mode_e or baud is None or baud > offered:
            self.state = step(self.state, Event.REFUSED)
            return []
        self.state = step(step(self.state, Event.SELECTION), Event.HAND_OVER)
        return [
            Transmit(selected.encode()),
            ChangeLine(baud=baud, seven_bits=False),
            HandedOver(identification=self._settings.identification, baud=baud),
        ]
