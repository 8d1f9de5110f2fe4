"""The one door to a device: `links.connect(url, ...)` and `links.listen(url, ...)`, by URL scheme.

An opener is a coroutine function that takes a `LinkUrl` and a protocol factory, the same shape for every kind of link:
- a connector (scheme `tcp`) gives `(transport, protocol)`, an asyncio pair, after `connection_made`;
- a listener (scheme ending in `-listen`) gives a `Listener`.
`hes.links.checks` states what both must do; run it over any opener of your own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from hes.errors import ConfigError

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

LISTEN_SUFFIX = "-listen"
URLS_KEPT: Final = 4096
"""Read URLs that are kept: a head-end dials the same devices again and again."""
ENTRY_POINT_GROUP = "amiloop.links"
"""A package adds a kind of link with an entry point `scheme = "module:opener"` in this group."""


BUILT_IN: Final = {
    "tcp": "hes.links.tcp:connect",
    "tcp-listen": "hes.links.tcp:listen",
    "udp": "hes.links.udp:connect",
    "udp-listen": "hes.links.udp:listen",
    "serial": "hes.links.serial:connect",
    "serial-listen": "hes.links.serial:listen",
    "pty": "hes.links.pty:connect",
    "pty-listen": "hes.links.pty:listen",
}
"""Openers that every registry knows, loaded on first use: some need modules that not every system has."""


@dataclass(frozen=True, slots=True)
class LinkUrl:
    """A parsed link URL. `place` is what stands between `://` and `?`, upper and lower case kept."""

    text: str
    scheme: str
    place: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> LinkUrl:
        """Raises ConfigError unless `text` is `scheme://place` with optional `?name=value&...`."""
        scheme, separator, rest = text.partition("://")
        place, _, query = rest.partition("?")
        if not separator or not scheme or not place:
            raise ConfigError(
                f"link {text!r} is not of the form scheme://place, such as tcp://192.0.2.7:4059", url=text
            )
        return cls(text, scheme.lower(), place, tuple(parse_qsl(query, keep_blank_values=True)))

    def host_and_port(self) -> tuple[str, int]:
        """`place` as host and port (0 = any free one, for listeners). Raises ConfigError when it is neither."""
        found = _host_and_port(self.place)
        if found is None:
            raise ConfigError(f"link {self.text!r} needs a host and a port (0..65535), such as 192.0.2.7:4059")
        return found


@lru_cache(maxsize=URLS_KEPT)
def _host_and_port(place: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:  # urllib's answer to brackets that do not match and to ports beyond 65535
        return None
    if host is None or port is None or parts.path or parts.username is not None:
        return None
    return host, port


_parsed = lru_cache(maxsize=URLS_KEPT)(LinkUrl.parse)


class Listener(Protocol):
    """An open door: what `listen` gives. Connections that it has accepted outlive it."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """URLs to connect to, with what was really taken: a port, a device.

        Where the other end is out of sight, as behind the cable of a serial port, it is the place that was taken.
        """
        ...

    def close(self) -> None:
        """Accept no more connections."""
        ...

    async def wait_closed(self) -> None: ...


ProtocolFactory = Callable[[], asyncio.BaseProtocol]
Pair = tuple[asyncio.Transport, asyncio.BaseProtocol]
ConnectOpener = Callable[[LinkUrl, ProtocolFactory], Awaitable[Pair]]
ListenOpener = Callable[[LinkUrl, ProtocolFactory], Awaitable[Listener]]


class Links:
    """Openers by scheme. A new registry knows those of BUILT_IN; installed packages add theirs on first use."""

    def __init__(self) -> None:
        self._openers: dict[str, ConnectOpener | ListenOpener] = {}

    @property
    def schemes(self) -> tuple[str, ...]:
        return tuple(sorted({*BUILT_IN, *self._openers}))

    def register(self, scheme: str, opener: ConnectOpener | ListenOpener) -> None:
        """Add or replace a kind of link. A scheme that ends in `-listen` is a listener's."""
        self._openers[scheme] = opener

    async def connect(self, url: str, protocol_factory: Callable[[], ProtocolT]) -> tuple[asyncio.Transport, ProtocolT]:
        """Open a way to the device at `url`.

        Returns transport and protocol, `connection_made` done. Raises LinkError when the way cannot be opened,
        ConfigError when the URL is wrong. There is no time-out in here: put `asyncio.timeout` around it.
        """
        link_url = _parsed(url)
        if link_url.scheme.endswith(LISTEN_SUFFIX):
            raise ConfigError(f"link {url!r} is one to listen on, not to connect to", url=url)
        opener = cast("ConnectOpener", self._opener(link_url))
        transport, protocol = await opener(link_url, protocol_factory)
        return transport, cast("ProtocolT", protocol)

    async def listen(self, url: str, protocol_factory: ProtocolFactory) -> Listener:
        """Wait for devices at `url`; the factory is called once per connection. Raises LinkError or ConfigError."""
        link_url = _parsed(url)
        if not link_url.scheme.endswith(LISTEN_SUFFIX):
            raise ConfigError(
                f"link {url!r} is one to connect to; to listen, write {link_url.scheme}-listen://", url=url
            )
        opener = cast("ListenOpener", self._opener(link_url))
        return await opener(link_url, protocol_factory)

    def _opener(self, url: LinkUrl) -> Any:
        opener: Any = self._openers.get(url.scheme)
        if opener is None and url.scheme in BUILT_IN:
            opener = self._openers[url.scheme] = resolve_name(BUILT_IN[url.scheme])
        if opener is None:
            for entry_point in entry_points(group=ENTRY_POINT_GROUP, name=url.scheme):
                opener = self._openers[url.scheme] = entry_point.load()
        if opener is None:
            known = ", ".join(self.schemes)
            raise ConfigError(f"no kind of link is called {url.scheme!r} (known: {known})", url=url.text)
        return opener
