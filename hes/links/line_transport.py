"""One station's end of a line, as asyncio knows transports."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from hes.errors import LinkError, LocalProtocolError
from hes.links.facts import LINK_FACTS

if TYPE_CHECKING:
    from hes.links.line import Line
    from hes.links.line_pacer import CharacterFormat

HIGH_WATER_OCTETS: Final = 65536
"""asyncio's own default for `pause_writing`."""
WRITE_OCTETS_MAX: Final = 16 * 1024 * 1024
"""More than this unsent ends the station: it does not heed `pause_writing`. Hours at any speed of a line [A]."""


class LineTransport(asyncio.Transport):
    """What a protocol on a line writes to. Made by `Line.attach`."""

    def __init__(self, line: Line, context: contextvars.Context) -> None:
        super().__init__()
        self.is_lost = False
        self.is_used = False
        """Octets have come or gone."""
        self.unsent_octets = 0
        self.unread_octets = 0
        self.leaving: asyncio.Handle | None = None
        """The line's: what to look at next while this station closes."""
        self._line = line
        self._context = context
        self._protocol: Any = None
        self._is_closing = False
        self._is_paused = False
        self._is_writing_paused = False
        self._unread: deque[bytes] = deque()
        self._high_octets, self._low_octets = HIGH_WATER_OCTETS, HIGH_WATER_OCTETS // 4

    # -- asyncio's side

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == LINK_FACTS:
            return self._line.facts
        if name in {"peername", "sockname"}:
            return self._line.name
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._protocol)

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not (self._is_paused or self._is_closing)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._line.loop.call_soon(self._drain)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_octets = (HIGH_WATER_OCTETS if low is None else 4 * low) if high is None else high
        self._low_octets = self._high_octets // 4 if low is None else low
        if not 0 <= self._low_octets <= self._high_octets:
            raise LocalProtocolError(f"low water {self._low_octets} must be from 0 to high water {self._high_octets}")
        self._pause_if_full()

    def get_write_buffer_size(self) -> int:
        return self.unsent_octets

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low_octets, self._high_octets

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        octets = bytes(data)
        self.is_used = True
        self.unsent_octets += len(octets)
        if self.unsent_octets > WRITE_OCTETS_MAX:
            self.lose(
                LinkError(f"{self._line.name}: {self.unsent_octets} octets wait to be sent, the line is too slow")
            )
            return
        self._line.send(self, octets)
        self._pause_if_full()

    def change_line(self, baud: int, character: CharacterFormat) -> None:
        """Go on at another speed and format, the whole line, when what was written so far has left."""
        if not self._is_closing:
            self._line.change(replace(self._line.settings, baud=baud, character=character))

    def close(self) -> None:
        if not self._is_closing:
            self._stop_reading()
            self._line.leave(self)

    def abort(self) -> None:
        self.lose(None)

    # -- the line's side

    def made(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._call(protocol.connection_made, self)

    def receive(self, octets: bytes) -> None:
        """Octets are here: hand them over, or keep them while the protocol does not read."""
        if self._is_closing:
            return
        self.is_used = True
        if self._is_paused or self._unread:
            self._unread.append(octets)
            self.unread_octets += len(octets)
        else:
            self._call(self._protocol.data_received, octets)

    def sent(self, octets_count: int) -> None:
        """The descriptor took octets of ours. Called from the loop, never from inside `write`."""
        self.unsent_octets -= octets_count
        if self._is_writing_paused and self.unsent_octets <= self._low_octets and not self.is_lost:
            self._is_writing_paused = False
            self._call(self._protocol.resume_writing)

    def lose(self, error: Exception | None, *, orderly: bool = False) -> None:
        """This end is over; the protocol hears it soon. orderly: everything was sent, and nothing is to be dropped."""
        if self.is_lost:
            return
        self.is_lost = True
        self._stop_reading()
        self._line.detach(self, orderly=orderly)
        self._line.loop.call_soon(self._call, self._protocol.connection_lost, error)

    # -- inside

    def _stop_reading(self) -> None:
        self._is_closing = True
        self._unread.clear()
        self.unread_octets = 0

    def _drain(self) -> None:
        while self._unread and not self._is_paused:
            octets = self._unread.popleft()
            self.unread_octets -= len(octets)
            self._call(self._protocol.data_received, octets)
        self._line.watch()

    def _pause_if_full(self) -> None:
        if self.unsent_octets > self._high_octets and not self._is_writing_paused:
            self._is_writing_paused = True
            self._tell(self._protocol.pause_writing)

    def _call(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call the protocol in its own context, from a callback of the loop."""
        self._context.run(self._tell, callback, *args)

    def _tell(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call the protocol; what it raises ends this end only, as on asyncio's own loops."""
        try:
            callback(*args)
        except Exception as error:
            self._line.loop.call_exception_handler(
                {"message": f"{callback!r} failed", "exception": error, "transport": self, "protocol": self._protocol}
            )
            self.lose(error)
