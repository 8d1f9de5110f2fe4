"""Pseudo terminals as serial lines: `pty-listen://auto?baud=9600` makes one, `pty://PATH` opens its other end.

Whoever listens is the line as well: octets of both directions cross it one behind the other, half duplex, no earlier
than baud and format allow. So any program that opens the other end like a serial port sees a line at its true speed,
and `pty://` does nothing but that.

`auto` takes the name that the kernel gives; with a path, that path becomes a symbolic link to it while the listener is
open. What is sent while nobody has the other end open is lost, as on a wire that ends nowhere.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import tty
from contextlib import suppress
from dataclasses import replace
from typing import Final

from hes.dlms.mode_e import SignOnSettings
from hes.errors import ConfigError, LinkError
from hes.links.facts import LinkFacts
from hes.links.line import Line
from hes.links.line_listener import LineListener, enlist, join
from hes.links.line_pacer import LineSettings
from hes.links.line_timing import MediumTiming
from hes.links.options import Options, line_settings
from hes.links.registry import LISTEN_SUFFIX, LinkUrl, Pair, ProtocolFactory
from hes.links.serial import TURNAROUND_MS_MAX, connect_port
from hes.links.sign_on import opened, sign_on_settings

AUTO: Final = "auto"


class PtyMaster:
    """Our end of a new pseudo terminal. device: the path of the other end.

    As long as nobody has the other end open, the kernel reports a hang-up whenever it is asked. So the loop does not
    watch the descriptor itself but an edge-triggered epoll on it, which speaks once per change.
    """

    def __init__(self) -> None:
        self._fd, other_fd = os.openpty()
        try:
            self.device = os.ttyname(other_fd)
            tty.setraw(other_fd)  # no echo, nothing translated, whoever opens it
            os.set_blocking(self._fd, False)
            self._edges = select.epoll()
            self._edges.register(self._fd, select.EPOLLIN | select.EPOLLET)
        except BaseException:
            os.close(self._fd)
            raise
        finally:
            os.close(other_fd)
        self._presence = select.poll()
        self._presence.register(self._fd, 0)  # hang-ups are always reported
        self.name = self.device

    @property
    def read_fd(self) -> int:
        return self._edges.fileno()

    @property
    def write_fd(self) -> int:
        return self._fd

    def read(self, octets_max: int) -> bytes:
        octets = self._read_now(octets_max)
        if not octets:  # first take note of the edge, then look again: what comes in between makes a new edge
            self._edges.poll(0)
            octets = self._read_now(octets_max)
        return octets

    def _read_now(self, octets_max: int) -> bytes:
        try:
            return os.read(self._fd, octets_max)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno == errno.EIO:  # nobody has the other end open
                return b""
            raise

    def write(self, octets: memoryview) -> int:
        if self._presence.poll(0):  # the kernel would keep it for the next one who opens the other end
            return len(octets)
        try:
            return os.write(self._fd, octets)
        except BlockingIOError:
            return 0

    def unsent_octets(self) -> int:
        """What the kernel took is at the other end."""
        return 0

    def configure(self, settings: LineSettings) -> None:
        """The speed is the pacer's business: a pseudo terminal has none."""

    def close(self, *, discard: bool) -> None:
        self._edges.close()
        os.close(self._fd)


async def connect(url: LinkUrl, protocol_factory: ProtocolFactory) -> Pair:
    """Open `pty://PATH` like a serial port. Raises LinkError or ConfigError with one sentence."""
    settings, _, signing = _read_url(url)
    paced = replace(settings, turnaround_s=0.0)  # by whoever listens
    return await opened(
        lambda factory: connect_port(url, paced, _facts(settings), factory), url, settings, signing, protocol_factory
    )


async def listen(url: LinkUrl, protocol_factory: ProtocolFactory) -> LineListener:
    """Make a pseudo terminal at `pty-listen://auto` or `pty-listen://PATH`, or join one that is shared.

    Raises LinkError or ConfigError with one sentence that says what to look at.
    """
    settings, shared, _ = _read_url(url)
    line = None if url.place == AUTO else join(url, settings, shared=shared)
    path = url.place
    if line is None:
        master = _make(url)
        if path == AUTO:
            path = master.device
        line = _open_line(master, path, settings, shared=shared)
    return LineListener(line, line.sit(protocol_factory), _address(path, settings))


def _read_url(url: LinkUrl) -> tuple[LineSettings, bool, SignOnSettings | None]:
    """Settings, whether the place is shared, and how to sign on."""
    options = Options(url)
    settings = line_settings(options, turnaround_s=options.number("turnaround_ms", 0.0, 0.0, TURNAROUND_MS_MAX) / 1000)
    listens = url.scheme.endswith(LISTEN_SUFFIX)
    shared = listens and options.yes_or_no("shared")
    signing = None if listens else sign_on_settings(options, url, settings.baud)
    options.done()
    return settings, shared, signing


def _facts(settings: LineSettings) -> LinkFacts:
    return LinkFacts(
        kind="pty", half_duplex=True, turnaround_s=settings.turnaround_s, connectionless=True, exclusive=True
    )


def _address(path: str, settings: LineSettings) -> str:
    address = f"pty://{path}?baud={settings.baud}&format={settings.character}"
    if settings.turnaround_s:
        address += f"&turnaround_ms={settings.turnaround_s * 1000:.12g}"
    return address


def _open_line(master: PtyMaster, path: str, settings: LineSettings, *, shared: bool) -> Line:
    timing = MediumTiming(asyncio.get_running_loop(), settings)
    line = Line(master, _facts(settings), settings, timing, shared=shared, on_shut=lambda: _unlink(path, master.device))
    enlist(line, master.device)
    return line


def _make(url: LinkUrl) -> PtyMaster:
    """A pseudo terminal that can be found at the place of `url`."""
    path = url.place
    if path != AUTO and not path.startswith("/"):
        raise ConfigError(f"link {url.text!r} needs a path, such as pty-listen:///tmp/line1, or pty-listen://{AUTO}")
    if not hasattr(select, "epoll"):
        raise LinkError("pseudo terminals can be listened on under Linux only", url=url.text)
    try:
        master = PtyMaster()
    except OSError as error:
        reason = error.strerror or error
        raise LinkError(f"this machine gives no pseudo terminal: {reason}", url=url.text, errno=error.errno) from error
    if path != AUTO:
        try:
            _link(path, master.device)
        except OSError as error:
            master.close(discard=True)
            raise LinkError(_why_not_linked(path, error), url=url.text, errno=error.errno) from error
    return master


def _link(path: str, device: str) -> None:
    """Make `path` a symbolic link to `device`; one that a crash has left behind is replaced.

    Such a link leads nowhere, or to `device` itself: the kernel gives numbers that have become free again.
    """
    if os.path.islink(path) and (not os.path.exists(path) or os.readlink(path) == device):
        os.unlink(path)
    os.symlink(device, path)


def _unlink(path: str, device: str) -> None:
    """Take the link away again, if it is still ours."""
    with suppress(OSError):  # somebody else has taken it away, or the folder with it
        if path != device and os.readlink(path) == device:
            os.unlink(path)


def _why_not_linked(path: str, error: OSError) -> str:
    if error.errno == errno.EEXIST:
        return _why_taken(path)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"the folder of {path} does not exist: make it first"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{path} cannot be made by this user: choose a path in a folder that can be written to"
    return f"{path} cannot be made: {error.strerror or error}"


def _why_taken(path: str) -> str:
    """What stands at `path` already, and whether it may go."""
    if not os.path.islink(path):
        return f"{path} is there already and is no link to a pseudo terminal: choose another path"
    with suppress(OSError):
        return (
            f"{path} leads to {os.readlink(path)}, which is in use, by another meter perhaps: "
            "stop that one or choose another path"
        )
    return f"{path} is there already: choose another path"
