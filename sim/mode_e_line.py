"""A meter's local port: it signs on at 300 Bd and then speaks HDLC, until the last link on it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from hes.dlms.hdlc.line_dispatcher import LineEvent
from hes.dlms.mode_e import ChangeLine, HandedOver, ServerSignOn, SignOnEvent, SignOnSettings, Transmit
from hes.links.line_pacer import CharacterFormat
from hes.links.line_speed import SEVEN_BITS, change_speed
from sim.meter_lines import Door, HdlcLine, MakeLine

EIGHT_BITS: Final = CharacterFormat()
UNUSED_S: Final = 2.0
"""So long the port stays at its speed without an HDLC link: one client may follow another. Then it is at 300 Bd [A]."""


class ModeELine(HdlcLine):
    """An HDLC line behind a sign-on. It runs at 300 Bd while nobody has signed on."""

    def __init__(self, door: Door, settings: SignOnSettings) -> None:
        super().__init__(door)
        self._sign_on = ServerSignOn(settings)
        self._is_open = False
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait(self._sign_on.next_deadline())

    def take(self, data: bytes) -> None:
        if self._is_open:
            super().take(data)
        else:
            self._follow(self._sign_on.receive(data, self._loop.time()))
            self._wait(self._loop.time() + UNUSED_S if self._is_open else self._sign_on.next_deadline())

    def over(self) -> None:
        super().over()
        self._wait(None)

    def _act(self, events: Iterable[LineEvent]) -> None:
        super()._act(events)
        if self._dispatcher.links:
            self._wait(None)
        elif self._waiting is None:
            self._wait(self._loop.time() + UNUSED_S)

    def _follow(self, events: Iterable[SignOnEvent]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self.write(event.octets)
            elif isinstance(event, ChangeLine) and self._transport is not None:
                character = SEVEN_BITS if event.seven_bits else EIGHT_BITS
                change_speed(self._transport, baud=event.baud, character=character)
            elif isinstance(event, HandedOver):
                self._is_open = True

    def _wait(self, until_s: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if until_s is not None and self._transport is not None:
            self._waiting = self._loop.call_at(until_s, self._waited_for_nothing, until_s)

    def _waited_for_nothing(self, until_s: float) -> None:
        """Nobody selected an option, or nobody uses the port any more."""
        self._waiting = None
        if self._is_open:
            self._is_open = False
            self._follow(self._sign_on.link_ended())
        else:
            self._follow(self._sign_on.timed_out(until_s))


def mode_e_line(settings: SignOnSettings) -> MakeLine:
    """What makes the lines of a port that signs on."""
    return partial(ModeELine, settings=settings)
