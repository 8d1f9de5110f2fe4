"""The reference meter pushes over a socket, plain and ciphered, and software that nobody here wrote reads it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("gurux_dlms")
pytest.importorskip("pydlms")

from hes.clock import SystemClock
from hes.dlms import axdr, data, wrapper
from hes.dlms.client.settings import ClientSettings
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.push.settings import Destination
from hes.dlms.obis import Obis
from interop.meter_process import Offer, Worker, served
from interop.our_client import OurPeer
from sim.reference.behaviours import PUSH_PLAIN, PUSH_SEALED
from sim.reference.device import NAMES
from sim.reference.load_profile import import_wh

CLOCK = SystemClock()
PATIENCE_S = 10
MANAGER = 32  # without authentication, all rights
GENERAL_GLO, DATA_NOTIFICATION = 0xDB, 0x0F


@pytest.fixture(scope="module")
def offer() -> Iterator[Offer]:
    with served("wrapper", "--model", "reference") as printed:
        yield printed


def pushed(offer: Offer, setup: Obis) -> bytes:
    """The frame that comes when a client has said where to push to, and then to push."""
    with socket.create_server(("127.0.0.1", 0)) as head_end:
        head_end.settimeout(PATIENCE_S)
        place = Destination(address=f"127.0.0.1:{head_end.getsockname()[1]}".encode())
        peer = OurPeer(offer, ClientSettings(client_sap=MANAGER))
        peer.open()
        peer.set(40, setup, 3, axdr.encode(place.to_data()))
        peer.act(40, setup, 1, axdr.encode(data.i8(0)))
        line, _ = head_end.accept()
        with line:
            line.settimeout(PATIENCE_S)
            octets = b""
            while len(octets) < wrapper.HEADER_OCTETS or len(octets) < frame_octets(octets):
                octets += line.recv(2000)
        peer.close()
    return octets


def frame_octets(octets: bytes) -> int:
    return wrapper.HEADER_OCTETS + wrapper.decode_header(octets).payload_octets


@pytest.mark.parametrize("peer", ["gurux-dlms", "pydlms-client"])
@pytest.mark.parametrize(("setup", "tag"), [(PUSH_PLAIN, DATA_NOTIFICATION), (PUSH_SEALED, GENERAL_GLO)])
def test_a_push_is_read_by_software_that_nobody_here_wrote(offer: Offer, peer: str, setup: Obis, tag: int) -> None:
    before_s = int(CLOCK.epoch_s())
    frame = pushed(offer, setup)
    assert frame[wrapper.HEADER_OCTETS] == tag
    worker = Worker()
    try:
        values = worker.ask({"what": "push", "peer": peer, "octets": frame.hex(), "offer": offer})
    finally:
        worker.kill()
    name, device, clock, energy = values
    assert (name, device) == (setup.hex(), NAMES[1].hex())
    assert before_s <= UTC.epoch_s(bytes.fromhex(clock)) <= CLOCK.epoch_s()
    assert import_wh(before_s) <= int(energy) <= import_wh(int(CLOCK.epoch_s()))
