"""The bench meter of hes.dlms behind a TCP port of this machine, in a thread with a loop of its own."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from hes.dlms import wrapper
from hes.dlms.cosem import LogicalDevice
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter
from hes.dlms.tests.bench_meter import DEVICE, BenchMeter

SILENCE, HANG_UP = b"silence", b"hang up"


class MeterOnTcp:
    """`url` says where. silent: answer nothing. answer: what to do in place of the meter, None for its own answer.

    What `answer` gives may be SILENCE or HANG_UP as well.
    """

    def __init__(
        self,
        *,
        silent: bool = False,
        answer: Callable[[bytes], bytes | None] | None = None,
        device: LogicalDevice[BenchMeter] = DEVICE,
    ) -> None:
        self.meter = BenchMeter()
        self.server = Server(device, self.meter, entropy=bench_meter.challenge, challenge_octets=8)
        self.silent = silent
        self.answer = answer
        self.url = ""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        listening = self._loop.run_until_complete(self._loop.create_server(lambda: _Line(self), "127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        listening.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def respond(self, source: int, destination: int, apdu: bytes) -> bytes | None:
        if self.silent or destination != DEVICE.server_sap:
            return None
        own = self.answer(apdu) if self.answer is not None else None
        return own if own is not None else self.server.receive(source, apdu, bench_meter.NOW_S)


class _Line(asyncio.Protocol):
    def __init__(self, meter: MeterOnTcp) -> None:
        self._meter = meter
        self._receiver = wrapper.Receiver()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for source, destination, apdu in self._receiver.feed(data):
            answer = self._meter.respond(source, destination, apdu)
            if answer == HANG_UP:
                self._transport.close()
            elif answer is not None and answer != SILENCE:
                self._transport.write(wrapper.encode(destination, source, answer))

    def connection_lost(self, exc: Exception | None) -> None:
        self._meter.server.link_lost()
