"""TCP: `tcp://host:port` and `tcp-listen://host:port` (port 0 takes a free one).

The protocol that users write talks to the operating system's transport directly; only writing passes through a thin
wrapper that knows the link's facts, because the event loops' own transports (uvloop's above all) cannot carry them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from hes.errors import LinkError
from hes.links.facts import LINK_FACTS, LinkFacts
from hes.links.network_errors import url_of, why_not_connected, why_not_listening
from hes.links.options import Options
from hes.links.registry import LinkUrl, Pair, ProtocolFactory

TCP_FACTS = LinkFacts(kind="tcp")
BACKLOG_CONNECTIONS = 4096
"""After an outage thousands of concentrators dial in at once."""


class TcpTransport(asyncio.Transport):
    """A stream transport of the running loop, plus the facts of its link."""

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self._inner = inner
        self.write = inner.write  # type: ignore[method-assign] # no call in between: this is the hot path

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return TCP_FACTS if name == LINK_FACTS else self._inner.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._inner.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._inner.get_protocol()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def close(self) -> None:
        self._inner.close()

    def abort(self) -> None:
        self._inner.abort()

    def is_reading(self) -> bool:
        return self._inner.is_reading()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self._inner.writelines(list_of_data)

    def can_write_eof(self) -> bool:
        return self._inner.can_write_eof()

    def write_eof(self) -> None:
        self._inner.write_eof()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._inner.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._inner.get_write_buffer_size()


class _Handover(asyncio.Protocol):
    """Stands in for the user's protocol until the connection is made, then steps aside for good."""

    def __init__(self, factory: ProtocolFactory) -> None:
        self._factory = factory
        self.pair: Pair | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        inner = cast("asyncio.Transport", transport)
        protocol = self._factory()
        wrapped = TcpTransport(inner)
        self.pair = wrapped, protocol
        inner.set_protocol(protocol)
        protocol.connection_made(wrapped)


async def connect(url: LinkUrl, protocol_factory: ProtocolFactory) -> Pair:
    """Open `tcp://host:port`. Raises LinkError with one sentence that says what to look at."""
    if url.options:
        Options(url).done()  # there are none to take: it says so
    host, port = url.host_and_port()
    try:
        _, handover = await asyncio.get_running_loop().create_connection(
            lambda: _Handover(protocol_factory), host, port
        )
    except OSError as error:
        raise LinkError(why_not_connected(host, port, error), url=url.text, errno=error.errno) from error
    return cast("Pair", handover.pair)


class TcpListener:
    """A listening TCP port."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.addresses = tuple(url_of("tcp", listener.getsockname()) for listener in server.sockets)

    def close(self) -> None:
        self._server.close()

    async def wait_closed(self) -> None:
        """The port is free when `close` returns; connections accepted earlier are not waited for."""


async def listen(url: LinkUrl, protocol_factory: ProtocolFactory) -> TcpListener:
    """Listen on `tcp-listen://host:port`. Raises LinkError with one sentence that says what to look at."""
    Options(url).done()
    host, port = url.host_and_port()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Handover(protocol_factory), host, port, backlog=BACKLOG_CONNECTIONS
        )
    except OSError as error:
        raise LinkError(why_not_listening(host, port, error), url=url.text, errno=error.errno) from error
    return TcpListener(server)
