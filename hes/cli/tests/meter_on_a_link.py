"""The bench meter of hes.dlms behind any link, on HDLC or the wrapper, in a thread with a loop of its own."""

import asyncio
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from hes.dlms import wrapper
from hes.dlms.hdlc.address import ServerAddress, encode_client_address
from hes.dlms.hdlc.frame import POLL_FINAL, Frame, Kind
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, LineEvent
from hes.dlms.hdlc.link_events import LinkDown, Received, Transmit
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter
from hes.dlms.tests.bench_meter import DEVICE, BenchMeter
from hes.links.registry import Links

LOWER = 17
ADDRESSES = (
    ServerAddress(DEVICE.server_sap),
    ServerAddress(DEVICE.server_sap, LOWER, 2),
    ServerAddress(DEVICE.server_sap, LOWER, 4),
)


REFUSAL = Frame(encode_client_address(16), ADDRESSES[1].encode(), Kind.DM | POLL_FINAL).encode()


class MeterOnALink:
    """Listens at `listen_url`; `url` says where to connect. addresses: those it answers to on HDLC.

    refuses: answer DM to client 16 at upper/lower, whatever it says. disconnects: links that a client released.
    """

    def __init__(
        self,
        listen_url: str,
        *,
        hdlc: bool = True,
        addresses: tuple[ServerAddress, ...] = ADDRESSES,
        refuses: bool = False,
    ) -> None:
        self.meter = BenchMeter()
        self.server = Server(DEVICE, self.meter, entropy=bench_meter.challenge, challenge_octets=8)
        self.addresses = addresses
        self.refuses = refuses
        self.disconnects = 0
        self.url = ""
        self._listen_url = listen_url
        self._hdlc = hdlc
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        lines: list[_Line] = []

        def make() -> _Line:
            lines.append(_HdlcLine(self) if self._hdlc else _WrapperLine(self))
            return lines[-1]

        listener = await Links().listen(self._listen_url, make)
        self.url = listener.addresses[0]
        self._ready.set()
        await self._stop.wait()
        listener.close()
        for line in lines:
            line.transport.close()
        await asyncio.sleep(0)

    def respond(self, client: int, apdu: bytes) -> bytes | None:
        return self.server.receive(client, apdu, bench_meter.NOW_S)


class _Line(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, meter: MeterOnALink) -> None:
        self.meter = meter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport


class _WrapperLine(_Line):
    def __init__(self, meter: MeterOnALink) -> None:
        super().__init__(meter)
        self.receiver = wrapper.Receiver()

    def data_received(self, data: bytes) -> None:
        for source, destination, apdu in self.receiver.feed(data):
            answer = self.meter.respond(source, bytes(apdu))
            if answer is not None:
                self.transport.write(wrapper.encode(destination, source, answer))


class _HdlcLine(_Line):
    def __init__(self, meter: MeterOnALink) -> None:
        super().__init__(meter)
        self.dispatcher = LineDispatcher(dict.fromkeys(meter.addresses, ServerLinkSettings()))

    def data_received(self, data: bytes) -> None:
        if self.meter.refuses:
            self.transport.write(REFUSAL)
            return
        self._act(self.dispatcher.receive(data, 0.0))

    def _act(self, events: Iterable[LineEvent]) -> None:
        for peer, event in events:
            if isinstance(event, Transmit):
                self.transport.write(event.octets)
            elif isinstance(event, Received):
                answer = self.meter.respond(peer.client_sap, event.apdu)
                self.transport.write(self.dispatcher.answer(peer, answer, 0.0, event.number))
            elif isinstance(event, LinkDown):
                self.meter.disconnects += 1
                self.meter.server.link_lost()
