"""For tests of timing without waiting: a loop whose clock jumps to the next timer, and a descriptor in hand."""

import asyncio
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hes.links.line_pacer import LineSettings

START_S = 1000.0


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: what is not ready now moves the clock of its loop."""

    jump: Callable[[float], None]

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing is left to happen"
            if timeout > 0:
                self.jump(timeout)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """late_s: how much later than asked the clock arrives, jump by jump."""

    def __init__(self, late_s: Callable[[], float] = lambda: 0.0) -> None:
        self._now_s = START_S
        self._late_s = late_s
        selector = _JumpingSelector()
        selector.jump = self._jump
        super().__init__(selector)

    def time(self) -> float:
        return self._now_s

    def _jump(self, timeout_s: float) -> None:
        self._now_s += timeout_s + self._late_s()


class Wire:
    """A `hes.links.line.Descriptor` whose other end is in the test's hand.

    taken: what the line has written, with the time. unsent: what `unsent_octets` answers, one after another.
    closed: with which `discard` it was closed. gone: what reading and writing raise.
    """

    name = "wire"

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._gate_near, self._gate_far = socket.socketpair()  # writable while there is room
        self._gate_near.setblocking(False)
        self._gate_far.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self.configured: list[tuple[float, LineSettings]] = []
        self._room = 1 << 30
        self.taken: list[tuple[float, bytes]] = []
        self.unsent: list[int] = []
        self.closed: list[bool] = []
        self.gone: OSError | None = None

    @property
    def read_fd(self) -> int:
        return self._near.fileno()

    @property
    def write_fd(self) -> int:
        return self._gate_near.fileno()

    def read(self, octets_max: int) -> bytes:
        if self.gone is not None:
            raise self.gone
        return self._near.recv(octets_max)

    def write(self, octets: memoryview) -> int:
        if self.gone is not None:
            raise self.gone
        count = min(len(octets), self._room)
        self.make_room(self._room - count)
        if count:
            self.taken.append((self._loop.time(), bytes(octets[:count])))
        return count

    def unsent_octets(self) -> int:
        return self.unsent.pop(0) if self.unsent else 0

    def configure(self, settings: LineSettings) -> None:
        self.configured.append((self._loop.time(), settings))

    def close(self, *, discard: bool) -> None:
        self.closed.append(discard)
        for end in (self._near, self._far, self._gate_near, self._gate_far):
            end.close()

    def make_room(self, octets_count: int) -> None:
        """Take so many octets from now on."""
        self._room = octets_count
        with suppress(BlockingIOError):
            while octets_count == 0:
                self._gate_near.send(bytes(65536))
            while True:
                self._gate_far.recv(65536)

    def bring(self, octets: bytes) -> None:
        """The other end sends."""
        self._far.sendall(octets)

    @property
    def octets(self) -> bytes:
        return b"".join(octets for _, octets in self.taken)
