"""Taking turns between connections, and not reading from a peer that does not read.

A transport hands over up to 256 KiB at once, the answers to that may be a hundred times as long, and while one
connection is answered all others wait. So one turn takes `turn_octets` at most. What is left waits until everybody else
had a turn; until then nothing more is read, nor while too many answers wait for a peer that does not take them. What is
kept for one connection is bounded so: what a transport hands over at once, and its write buffer with one turn on top.

A protocol that takes turns asks for the length of what came itself, so that the usual case costs nothing more:

    def data_received(self, data):
        if len(data) > self.turn_octets:
            self.take_in_turns(data)
        else:
            self.take(data)
"""

from __future__ import annotations

import asyncio


class TakesTurns(asyncio.Protocol):
    """What a protocol inherits that is to take turns. Once `_transport` is None, or closing, nothing is taken.

    turn_octets: so many are taken at once [A]: short requests in them are answered in some 10 ms.
    """

    turn_octets = 2048

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._is_full = False
        self._turn: asyncio.Handle | None = None

    def take(self, data: bytes) -> None:
        """Octets whose turn it is; at most `turn_octets`."""
        raise NotImplementedError

    def take_waiting(self, data: bytes) -> None:
        """The same, for octets that had to wait for it."""
        self.take(data)

    def take_in_turns(self, data: bytes) -> None:
        """Take the first of `data` now and the rest later. Nothing more comes before all of it was taken."""
        self._unread += data
        if self._transport is not None:
            self._transport.pause_reading()
        if self._turn is None:
            self._go_on()

    def pause_writing(self) -> None:
        """So much waits for the peer that it gets no further answers before it has read these."""
        self._is_full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_full = False
        self._next_turn()

    def _go_on(self) -> None:
        self._turn = None
        if self._transport is None or self._transport.is_closing():
            self._unread.clear()
        if self._is_full or not self._unread:
            return
        octets = bytes(self._unread[: self.turn_octets])
        del self._unread[: self.turn_octets]
        try:
            self.take_waiting(octets)
        except BaseException:  # as a transport does when `data_received` fails
            if self._transport is not None:
                self._transport.abort()
            raise
        self._next_turn()

    def _next_turn(self) -> None:
        if self._transport is None or self._is_full or self._turn is not None:
            return
        if self._unread:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)
        elif not self._transport.is_closing():
            self._transport.resume_reading()
