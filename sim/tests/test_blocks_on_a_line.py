"""A wrapper line carries a window of general blocks back for one request."""

import asyncio
from types import SimpleNamespace

from hes.dlms import wrapper
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import Got, SendNext
from hes.dlms.client.settings import CLIENT_CONFORMANCE
from hes.dlms.codes import Conformance
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from sim.meter_lines import Door, Station, WrapperLine

BUFFER = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)


class Endpoint:
    def __init__(self) -> None:
        self.server = Server(bm.DEVICE, bm.BenchMeter(), entropy=bm.challenge, challenge_octets=8)

    def ask(self, client_sap: int, apdu: bytes, now_epoch_s: float, *, at_once: int = 1) -> bytes | None:
        return self.server.receive(client_sap, apdu, now_epoch_s, at_once=at_once)

    def take_findings(self):
        return []

    def take_further(self) -> list[bytes]:
        return self.server.take_further()

    def link_lost(self, client_sap: int | None = None) -> None:
        self.server.link_lost(client_sap)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


def test_a_window_of_general_blocks_comes_back_for_one_request() -> None:
    async def talk() -> None:
        clock = SimpleNamespace(epoch_s=lambda: float(bm.NOW_S))
        line = WrapperLine(Door((Station(Endpoint(), 1, 17),), clock))  # type: ignore[arg-type]
        transport = Transport()
        line.connection_made(transport)
        settings = bm.lls(
            max_receive_pdu_size=100,
            conformance=CLIENT_CONFORMANCE & ~Conformance.BLOCK_TRANSFER_GET,
            general_block_window=10,
        )
        client = Client(settings)
        sent, answers = 0, 0

        def say(octets: bytes) -> list[bytes]:
            transport.written.clear()
            line.data_received(wrapper.encode(settings.client_sap, 1, octets))
            return [bytes(apdu) for _source, _destination, apdu in wrapper.Receiver().feed(bytes(transport.written))]

        client.receive(*say(client.associate()))
        octets: bytes | None = client.get(BUFFER)
        event = None
        while octets is not None:
            sent += 1
            came = say(octets)
            answers += len(came)
            octets = None
            for apdu in came:
                event = client.receive(apdu)
                if isinstance(event, SendNext):
                    octets = event.octets
        assert isinstance(event, Got)
        assert answers > 5 * sent

    asyncio.run(talk())
