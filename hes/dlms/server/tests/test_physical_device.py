"""Several logical devices in one physical device, several clients in each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.apdu import AttributeDescriptor, GetRequestNormal, SetRequestNormal
from hes.dlms.client import Client
from hes.dlms.client.events import Associated, Got
from hes.dlms.client.settings import ClientSettings
from hes.dlms.cosem import ClientAccess, DataObject, LogicalDevice, Role, public_client, sap_list_from_value
from hes.dlms.cosem.access import PreEstablished
from hes.dlms.findings import FindingKind
from hes.dlms.server import PhysicalDevice, PhysicalServer
from hes.dlms.server.physical_device import ALL_STATIONS, goes_to_all
from hes.dlms.tests import bench_meter as bm
from hes.errors import LocalProtocolError

MANAGEMENT, GAS, WATER, BROADCASTER = 1, 18, 19, 0x30
LDN = AttributeDescriptor(1, b"\x00\x00\x2a\x00\x00\xff", 2)
SAPS = AttributeDescriptor(17, b"\x00\x00\x29\x00\x00\xff", 2)
NAMES = {MANAGEMENT: b"AML-E", GAS: b"AML-G", WATER: b"AML-W"}
HELLO = axdr.encode(data.octets(b"to all"))


class Meter:
    def __init__(self):
        self.written = {}


def logical_device(sap):
    def write(meter, _now_s, value):
        meter.written[sap] = value.value
        return 0

    return LogicalDevice(
        name=lambda _meter: NAMES[sap],
        clients=[
            public_client(),
            ClientAccess(client_sap=2, role=Role.READER),
            ClientAccess(client_sap=BROADCASTER, role=Role.MANAGEMENT, pre_established=PreEstablished()),
        ],
        objects=[DataObject(bm.MESSAGE, b"\x00", write=write)],
        server_sap=sap,
    )


DEVICE = PhysicalDevice([logical_device(sap) for sap in NAMES])


class Talk:
    """Clients of one meter, each with its own association."""

    def __init__(self):
        self.meter = Meter()
        self.server = PhysicalServer(DEVICE, self.meter, entropy=bm.challenge)

    def ask(self, server_sap, client_sap, octets):
        return self.server.receive(server_sap, client_sap, octets, bm.NOW_S)

    def open(self, server_sap, client_sap=16):
        client = Client(ClientSettings(client_sap=client_sap, server_sap=server_sap))
        event = client.receive(self.ask(server_sap, client_sap, client.associate()))
        assert isinstance(event, Associated)
        return client

    def get(self, client, attribute):
        settings = client.settings
        event = client.receive(self.ask(settings.server_sap, settings.client_sap, client.get(attribute)))
        assert isinstance(event, Got)
        return axdr.decode_value(event.data)[0]


def test_every_logical_device_answers_at_its_own_sap():
    talk = Talk()
    clients = [talk.open(sap) for sap in NAMES]
    assert [talk.get(client, LDN) for client in clients] == list(NAMES.values())
    for client in clients:
        client.receive(talk.ask(client.settings.server_sap, 16, client.release()))
    assert talk.server.idle


def test_the_management_logical_device_lists_them_all():
    talk = Talk()
    assert sap_list_from_value(talk.get(talk.open(MANAGEMENT), SAPS)) == NAMES
    assert sap_list_from_value(talk.get(talk.open(GAS), SAPS)) == {GAS: NAMES[GAS]}


def test_clients_have_associations_of_their_own_in_each_logical_device():
    talk = Talk()
    kept, lost, other = talk.open(MANAGEMENT), talk.open(MANAGEMENT, 2), talk.open(GAS, 2)
    talk.server.link_lost(2, server_sap=MANAGEMENT)
    assert talk.get(kept, LDN) == NAMES[MANAGEMENT]
    assert talk.get(other, LDN) == NAMES[GAS]
    assert talk.ask(MANAGEMENT, 2, lost.get(LDN)) == bytes.fromhex("D80101")
    talk.server.link_lost()
    assert talk.server.idle
    (left,) = talk.server.take_findings()
    assert (left.kind, left.client_sap) == (FindingKind.NO_ASSOCIATION, 2)


@pytest.mark.parametrize("sap", [0, 17, 0xFFFF])
def test_nobody_answers_for_no_station_and_for_unknown_ones(sap):
    assert Talk().ask(sap, 16, Client(ClientSettings()).associate()) is None


@pytest.mark.parametrize("sap", sorted(ALL_STATIONS))
def test_what_goes_to_all_is_carried_out_by_each_and_never_answered(sap):
    talk = Talk()
    for invoke in (0x81, 0xC1):  # the line says that it is unconfirmed, whatever the service class
        talk.meter.written.clear()
        request = SetRequestNormal(invoke, AttributeDescriptor(1, bm.MESSAGE, 2), HELLO).encode()
        assert talk.ask(sap, BROADCASTER, request) is None
        assert talk.meter.written == dict.fromkeys(NAMES, b"to all")
    assert talk.server.idle


def test_nobody_opens_or_closes_an_association_with_all():
    talk = Talk()
    assert talk.ask(0x7F, 16, Client(ClientSettings()).associate()) is None
    assert talk.server.idle
    client = talk.open(MANAGEMENT)
    assert talk.ask(0x7F, 16, client.release()) is None
    assert not talk.server.idle
    assert not goes_to_all(b"")


def test_a_request_to_all_without_an_association_changes_nothing():
    talk = Talk()
    assert talk.ask(0x7F, 2, GetRequestNormal(0xC1, LDN).encode()) is None
    assert talk.server.idle


@pytest.mark.parametrize(
    ("saps", "complaint"),
    [
        ((18, 19), "has a management logical device"),
        ((1, 18, 18), "has a SAP of its own"),
        ((1, 0x7F), "SAP 127 is nobody's, or everybody's"),
        ((1, 0), "SAP 0 is nobody's, or everybody's"),
        (tuple(range(1, 66)), "has a SAP of its own"),
    ],
)
def test_a_physical_device_that_cannot_be_is_refused(saps, complaint):
    devices = [LogicalDevice(name=lambda _meter: b"", clients=(), objects=(), server_sap=sap) for sap in saps]
    with pytest.raises(LocalProtocolError, match=complaint):
        PhysicalDevice(devices)


@given(
    server_sap=st.sampled_from([0, 1, 18, 0x7F, 0x3FFF]) | st.integers(0, 0xFFFF),
    client_sap=st.sampled_from([2, 16, BROADCASTER]) | st.integers(0, 0xFFFF),
    octets=st.binary(max_size=40),
)
def test_no_octets_make_it_raise(server_sap, client_sap, octets):
    answer = Talk().ask(server_sap, client_sap, octets)
    assert answer is None or (answer and server_sap in NAMES)
