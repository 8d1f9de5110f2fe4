"""The client of dlms-cosem 21.3.2 against our server, in-process, inside what that client does right.

It sends general-glo only, reads whole profiles or ranges with all columns, and uses the counter of its HLS proof once
more for the APDU around it: we report that, and do not refuse it.
"""

import datetime
import logging

import pytest
from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.enumerations import AuthenticationMechanism, CosemInterface

from hes.dlms import axdr, data
from hes.dlms.cosem import ControlState
from hes.dlms.findings import FindingKind
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

CLOCK = cosem.CosemAttribute(CosemInterface.CLOCK, cosem.Obis(0, 0, 1, 0, 0), 2)
ENERGY = cosem.CosemAttribute(CosemInterface.REGISTER, cosem.Obis(1, 0, 1, 8, 0), 2)
BUFFER = cosem.CosemAttribute(CosemInterface.PROFILE_GENERIC, cosem.Obis(1, 0, 99, 1, 0), 2)
MESSAGE = cosem.CosemAttribute(CosemInterface.DATA, cosem.Obis(0, 0, 96, 13, 0), 2)
DISCONNECT = cosem.CosemMethod(CosemInterface.DISCONNECT_CONTROL, cosem.Obis(0, 0, 96, 3, 10), 1)

LLS = {"authentication_method": AuthenticationMechanism.LLS, "password": published.PASSWORD}
KEYS = {
    "encryption_key": published.ENCRYPTION_KEY,
    "authentication_key": published.AUTHENTICATION_KEY,
    "client_system_title": published.CLIENT_TITLE,
    "client_initial_invocation_counter": 5,
}
GMAC = {"authentication_method": AuthenticationMechanism.HLS_GMAC, **KEYS}
CLIENTS = {
    "no security": (bm.PUBLIC, {}),
    "LLS": (bm.READER, LLS),
    "LLS ciphered": (bm.CIPHERED_LLS, {**LLS, **KEYS}),
    "HLS-GMAC": (bm.MANAGEMENT, GMAC),
    "HLS-GMAC, policy 3": (bm.PROTECTED_HLS, GMAC),
}


@pytest.fixture(autouse=True)
def quiet():
    """Its log shows keys and costs more than the exchange."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class InProcess:
    """The five lines that their client wants of a transport."""

    client_logical_address, server_logical_address, timeout = 0, 1, 1

    def __init__(self, server, client_sap):
        self.server, self.client_sap, self.answers = server, client_sap, 0

    def connect(self):
        """Nothing to connect."""

    def disconnect(self):
        """Nothing to disconnect."""

    def send(self, octets):
        self.answers += 1
        return self.server.receive(self.client_sap, octets, bm.NOW_S)


def opened(name, max_pdu_size=65535):
    client_sap, settings = CLIENTS[name]
    meter = bm.BenchMeter()
    meter.security._setups[1].send_counter = 1  # it refuses a meter that starts at 0
    server = Server(bm.DEVICE, meter, entropy=bm.challenge, challenge_octets=16)
    client = DlmsClient(client_sap, 1, InProcess(server, client_sap), max_pdu_size=max_pdu_size, **settings)
    aare = client.associate()
    assert aare.result is enumerations.AssociationResult.ACCEPTED
    return client, server


def read(client, attribute, selection=None):
    return utils.parse_as_dlms_data(client.get(attribute, selection))


every_client = pytest.mark.parametrize("name", CLIENTS)
readers = pytest.mark.parametrize("name", list(CLIENTS)[1:])


@every_client
def test_clock_and_register_are_read_and_the_association_released(name):
    client, server = opened(name)
    assert read(client, CLOCK) == bm.AMSTERDAM.octets(bm.NOW_S)
    assert read(client, ENERGY) == bm.NOW_S // 900
    client.release_association()
    assert server.idle
    reused = [FindingKind.HLS_COUNTER_REUSED] if name.startswith("HLS") else []
    assert [finding.kind for finding in server.findings] == reused


@readers
@pytest.mark.parametrize("max_pdu_size", [200, 1024, 65535])
def test_a_profile_is_read_whole_and_by_range(name, max_pdu_size):
    client, server = opened(name, max_pdu_size)
    before = client.io_interface.answers
    whole = read(client, BUFFER)
    expected = [list(axdr.decode_value(row)[0]) for row in bm.rows(server.instance, bm.NOW_S, None, None)]
    assert [[bytes(row[0]), *row[1:]] for row in whole] == expected
    assert (client.io_interface.answers - before > 1) == (max_pdu_size < 65535)
    now = datetime.datetime(2024, 12, 15, 13, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    hour = RangeDescriptor(CaptureObject(CLOCK, 0), now - datetime.timedelta(hours=1), now)
    assert [row[2] for row in read(client, BUFFER, hour)] == [row[2] for row in expected[-5:]]


@readers
def test_a_list_is_read(name):
    client, _ = opened(name)
    selected = [cosem.CosemAttributeWithSelection(attribute, None) for attribute in (ENERGY, CLOCK)]
    response = client.get_many(selected)
    values = [item.value for item in response.response_data]
    assert values == [bm.NOW_S // 900, bm.AMSTERDAM.octets(bm.NOW_S)]


@pytest.mark.parametrize("name", ["HLS-GMAC", "HLS-GMAC, policy 3"])
def test_a_value_is_written_and_a_method_invoked(name):
    client, server = opened(name)
    response = client.set(MESSAGE, axdr.encode(data.octets(b"hello")))
    assert response.result == enumerations.DataAccessResult.SUCCESS
    assert server.instance.message == b"hello"
    client.action(DISCONNECT, b"\x0f\x00")
    assert server.instance.relay is ControlState.DISCONNECTED


def test_what_is_refused_is_understood():
    client, _ = opened("no security")
    with pytest.raises(Exception, match="READ_WRITE_DENIED"):
        client.get(BUFFER)
    client, server = opened("LLS")
    client.release_association()
    server.link_lost()
