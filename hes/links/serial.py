"""Serial ports: `serial:///dev/ttyUSB0?baud=9600&format=8N1&rs485_turnaround_ms=5`, and `serial-listen://`.

pyserial sets the port up; from then on the event loop reads and writes its descriptor, without a thread. Opening takes
the lock that pyserial and others respect (flock), so that a port which somebody uses is busy instead of shared.

With `rs485_turnaround_ms` the line is half duplex: for that long after the last octet from the other side nothing is
sent. Switching the driver's direction is left to the adapter or the kernel.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import fcntl
import os
import stat
import struct
import termios
from contextlib import suppress
from typing import Any, Final

import serial

from hes.dlms.mode_e import SignOnSettings
from hes.errors import ConfigError, LinkError
from hes.links.facts import LinkFacts
from hes.links.line import Line
from hes.links.line_listener import LineListener, enlist, join
from hes.links.line_pacer import CharacterFormat, LineSettings
from hes.links.line_timing import UartTiming
from hes.links.options import Options, line_settings
from hes.links.registry import LISTEN_SUFFIX, LinkUrl, Pair, ProtocolFactory
from hes.links.sign_on import opened, sign_on_settings

TURNAROUND_MS_MAX: Final = 10_000.0
PTY_MAJORS: Final = range(136, 144)
"""Device numbers of pseudo terminals under Linux. They carry octets and take no other format than 8N1; asked for one,
the C library says EINVAL, but not the first time."""
_GONE: Final = "it was unplugged, or its other end was closed"


class SerialPort:
    """An open and locked serial port. Made by `open_port`."""

    def __init__(self, port: Any, name: str, *, is_pty: bool) -> None:
        self.name = name
        self._is_pty = is_pty
        self._port = port
        self._fd: int = port.fileno()

    @property
    def read_fd(self) -> int:
        return self._fd

    @property
    def write_fd(self) -> int:
        return self._fd

    def read(self, octets_max: int) -> bytes:
        try:
            octets = os.read(self._fd, octets_max)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise OSError(error.errno, _GONE) from error
        if not octets:  # a port that waits for one octet (VMIN) reads as nothing only when it hung up
            raise OSError(errno.ENODEV, _GONE)
        return octets

    def write(self, octets: memoryview) -> int:
        try:
            return os.write(self._fd, octets)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise OSError(error.errno, _GONE) from error

    def unsent_octets(self) -> int:
        try:
            answer = fcntl.ioctl(self._fd, termios.TIOCOUTQ, struct.pack("i", 0))
        except OSError:  # a driver that does not say, or a port that is gone
            return 0
        return int(struct.unpack("i", answer)[0])

    def configure(self, settings: LineSettings) -> None:
        """Raises ConfigError when the driver cannot, OSError when the port is gone."""
        character = CharacterFormat() if self._is_pty else settings.character
        try:
            self._port.apply_settings(
                {
                    "baudrate": settings.baud,
                    "bytesize": character.data_bits,
                    "parity": character.parity,
                    "stopbits": character.stop_bits,
                }
            )
        except (ValueError, termios.error) as error:
            raise ConfigError(f"{self.name} cannot be set to {settings}: its driver does not do that") from error

    def close(self, *, discard: bool) -> None:
        """discard: without it, closing waits in the kernel until the last octets have left."""
        if discard:
            with suppress(termios.error):  # of a port that is gone
                termios.tcflush(self._fd, termios.TCOFLUSH)
        self._port.close()


async def connect(url: LinkUrl, protocol_factory: ProtocolFactory) -> Pair:
    """Open `serial://PATH`. Raises LinkError or ConfigError with one sentence that says what to look at."""
    settings, facts, _, signing = _read_url(url)
    return await opened(
        lambda factory: connect_port(url, settings, facts, factory), url, settings, signing, protocol_factory
    )


def connect_port(url: LinkUrl, settings: LineSettings, facts: LinkFacts, protocol_factory: ProtocolFactory) -> Pair:
    """Be the one station at our end of the port that `url` names. Raises like `connect`."""
    line = _open_line(url, settings, facts)
    transport = line.attach(protocol_factory, contextvars.copy_context())
    return transport, transport.get_protocol()


async def listen(url: LinkUrl, protocol_factory: ProtocolFactory) -> LineListener:
    """Be a station at `serial-listen://PATH`. Raises LinkError or ConfigError like `connect`."""
    settings, facts, shared, _ = _read_url(url)
    line = join(url, settings, shared=shared)
    if line is None:
        line = _open_line(url, settings, facts, shared=shared)
        enlist(line, url.place)
    return LineListener(line, line.sit(protocol_factory), url.text.replace(LISTEN_SUFFIX, "", 1))


def _read_url(url: LinkUrl) -> tuple[LineSettings, LinkFacts, bool, SignOnSettings | None]:
    """Settings, facts, whether the place is shared, and how to sign on."""
    options = Options(url)
    turnaround_ms = options.number("rs485_turnaround_ms", -1.0, 0.0, TURNAROUND_MS_MAX)
    turnaround_s = max(0.0, turnaround_ms) / 1000
    settings = line_settings(options, turnaround_s=turnaround_s)
    listens = url.scheme.endswith(LISTEN_SUFFIX)
    shared = listens and options.yes_or_no("shared")
    signing = None if listens else sign_on_settings(options, url, settings.baud)
    options.done()
    facts = LinkFacts(
        kind="serial",
        half_duplex=turnaround_ms >= 0,
        turnaround_s=turnaround_s,
        connectionless=True,
        exclusive=True,
    )
    return settings, facts, shared, signing


def _open_line(url: LinkUrl, settings: LineSettings, facts: LinkFacts, *, shared: bool = False) -> Line:
    port = open_port(url, settings)
    return Line(port, facts, settings, UartTiming(asyncio.get_running_loop(), settings), shared=shared)


def open_port(url: LinkUrl, settings: LineSettings) -> SerialPort:
    """Open, lock and set up the port that `url` names. Raises LinkError or ConfigError."""
    path = url.place
    if not path.startswith("/"):
        raise ConfigError(f"link {url.text!r} needs the path of a port, such as {url.scheme}:///dev/ttyUSB0")
    try:
        status = os.stat(path)
        if not stat.S_ISCHR(status.st_mode):
            raise LinkError(f"{path} is no serial port: {_LOOK}", url=url.text)
        is_pty = os.major(status.st_rdev) in PTY_MAJORS
        character = CharacterFormat() if is_pty else settings.character
        port = serial.Serial(
            path,
            baudrate=settings.baud,
            bytesize=character.data_bits,
            parity=character.parity,
            stopbits=character.stop_bits,
            timeout=0,
            write_timeout=0,
            inter_byte_timeout=0,  # sets VMIN to 1, see SerialPort.read
            exclusive=True,
        )
    except OSError as error:
        raise LinkError(_why_not_opened(url, error), url=url.text, errno=error.errno) from error
    except (ValueError, termios.error) as error:
        raise ConfigError(f"{path} cannot be set to {settings}: its driver does not do that", url=url.text) from error
    return SerialPort(port, path, is_pty=is_pty)


_LOOK: Final = "look for the right name in /dev/serial/by-id"


def _why_not_opened(url: LinkUrl, error: OSError) -> str:
    path = url.place
    if error.errno == errno.ENOENT and url.scheme == "pty":
        return f"{path} does not exist: start what listens there"
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}:
        return f"{path} does not exist: plug it in, or {_LOOK}"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{path} may not be opened by this user: join the group that owns it, often dialout"
    if error.errno in {errno.EAGAIN, errno.EBUSY}:
        return f"{path} is busy: another program has it open, close that one first"
    if error.errno in {None, errno.ENOTTY, errno.EINVAL}:  # pyserial's own sentence has no number
        return f"{path} is no serial port: {_LOOK}"
    return f"{path} cannot be opened: {error.strerror or error}"
