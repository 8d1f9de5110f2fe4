"""Two serial ports joined by a cable, for tests: what goes in at one comes out at the other."""

import asyncio
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_OCTETS = 4096


class NullModem:
    """Two pseudo terminals whose inner ends are joined on the running loop. ports: paths of the outer ends."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inner: list[int] = []
        self._held: list[int] = []  # keeps the outer ends from hanging up when nobody has them open
        self.ports: list[str] = []
        for _ in range(2):
            inner, outer = os.openpty()
            tty.setraw(outer)
            os.set_blocking(inner, False)
            self._inner.append(inner)
            self._held.append(outer)
            self.ports.append(os.ttyname(outer))
        for here, there in (self._inner, reversed(self._inner)):
            self._loop.add_reader(here, self._carry, here, there)

    def unplug(self) -> None:
        """Take both inner ends away, as pulling out an adapter does."""
        for inner in self._inner:
            self._loop.remove_reader(inner)
            self._loop.remove_writer(inner)
            os.close(inner)
        self._inner = []

    def close(self) -> None:
        self.unplug()
        for outer in self._held:
            os.close(outer)

    async def until_waiting(self, port: int, octets_count: int) -> None:
        """Until so many octets have come through and nobody has read them at `port` (0 or 1)."""
        outer = self._held[port]
        while struct.unpack("i", fcntl.ioctl(outer, termios.FIONREAD, bytes(4)))[0] < octets_count:
            readable = asyncio.Event()
            self._loop.add_reader(outer, readable.set)
            await readable.wait()
            self._loop.remove_reader(outer)

    def _carry(self, here: int, there: int) -> None:
        self._pass_on(here, there, os.read(here, CHUNK_OCTETS))

    def _pass_on(self, here: int, there: int, octets: bytes) -> None:
        self._loop.remove_writer(there)
        try:
            count = os.write(there, octets)
        except BlockingIOError:
            count = 0
        if count < len(octets):
            self._loop.remove_reader(here)
            self._loop.add_writer(there, self._pass_on, here, there, octets[count:])
        else:
            self._loop.add_reader(here, self._carry, here, there)


def open_descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def null_modem() -> Iterator[NullModem]:
    modem = NullModem()
    try:
        yield modem
    finally:
        modem.close()
