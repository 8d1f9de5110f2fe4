"""The client of gurux-dlms against our server, in-process through the wrapper.

An independent implementation of the client role: it makes its own requests and reads our answers. Its Python server
cannot be used as released, so it says nothing about our client (docs/protocols/README.md).
"""

import datetime

import pytest
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, DataType, InterfaceType, ObjectType, Security
from gurux_dlms.enums import Conformance as GuruxConformance
from gurux_dlms.objects import (
    GXDLMSAssociationLogicalName,
    GXDLMSClock,
    GXDLMSData,
    GXDLMSDisconnectControl,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.secure import GXDLMSSecureClient

from hes.dlms import apdu, axdr, wrapper
from hes.dlms.cosem import ControlState
from hes.dlms.findings import FindingKind
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

UTC_NOW = datetime.datetime(2024, 12, 15, 12, 0, tzinfo=datetime.UTC)


class Peer:
    """A gurux client that exchanges wrapper PDUs with a server of ours."""

    reply = GXReplyData

    def __init__(self, client, device=bm.DEVICE):
        self.client = client
        self.meter = bm.BenchMeter()
        self.server = Server(device, self.meter, entropy=bm.challenge, challenge_octets=16)
        self.answers = 0

    def exchange(self, frame):
        header = wrapper.decode_header(frame)
        answer = self.server.receive(header.source, bytes(frame[wrapper.HEADER_OCTETS :]), bm.NOW_S)
        self.answers += 1
        return bytearray(wrapper.encode(header.destination, header.source, answer))

    def run(self, frames):
        reply = self.reply()
        for frame in frames if isinstance(frames, list) else [frames]:
            self.client.getData(self.exchange(frame), reply)
            while reply.isMoreData():
                self.client.getData(self.exchange(self.client.receiverReady(reply)), reply)
        return reply

    def open(self):
        self.client.parseAareResponse(self.run(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            reply = self.run(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(reply.data)
        return self

    def read(self, item, index):
        reply = self.run(self.client.read(item, index))
        assert reply.error == 0
        return self.client.updateValue(item, index, reply.value)


def gmac_client(client_sap, *, dedicated=False, security=Security.AUTHENTICATION_ENCRYPTION):
    client = GXDLMSSecureClient(True, client_sap, 1, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)
    client.ciphering.security = security
    client.ciphering.systemTitle = bytearray(published.CLIENT_TITLE)
    client.ciphering.blockCipherKey = bytearray(published.ENCRYPTION_KEY)
    client.ciphering.authenticationKey = bytearray(published.AUTHENTICATION_KEY)
    client.ciphering.invocationCounter = 1
    if dedicated:
        client.ciphering.dedicatedKey = bytearray(published.MASTER_KEY)
    return client


CLIENTS = {
    "no security": lambda: GXDLMSClient(True, bm.PUBLIC, 1, Authentication.NONE, None, InterfaceType.WRAPPER),
    "LLS": lambda: GXDLMSClient(True, bm.READER, 1, Authentication.LOW, "12345678", InterfaceType.WRAPPER),
    "HLS-GMAC": lambda: gmac_client(bm.MANAGEMENT),
    "HLS-GMAC, authenticated": lambda: gmac_client(bm.MANAGEMENT, security=Security.AUTHENTICATION),
    "HLS-GMAC, encrypted": lambda: gmac_client(bm.MANAGEMENT, security=Security.ENCRYPTION),
    "HLS-GMAC, dedicated key": lambda: gmac_client(bm.MANAGEMENT, dedicated=True),
    "HLS-GMAC, policy 3": lambda: gmac_client(bm.PROTECTED_HLS),
}
every_client = pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
readers = pytest.mark.parametrize("make", [CLIENTS[name] for name in list(CLIENTS)[1:]], ids=list(CLIENTS)[1:])
managers = pytest.mark.parametrize("make", [CLIENTS[name] for name in list(CLIENTS)[2:]], ids=list(CLIENTS)[2:])


def instant(row_time):
    return row_time.value.astimezone(datetime.UTC)


@every_client
def test_clock_and_register_are_read(make):
    peer = Peer(make()).open()
    assert instant(peer.read(GXDLMSClock(), 2)) == UTC_NOW
    register = GXDLMSRegister(str(bm.ENERGY))
    peer.read(register, 3)  # gurux scales the value once it knows how
    assert peer.read(register, 2) == bm.NOW_S // 900
    assert (register.scaler, register.unit) == (1, 30)
    assert peer.server.findings == []


@every_client
def test_the_object_list_is_understood(make):
    peer = Peer(make()).open()
    objects = peer.client.parseObjects(peer.run(peer.client.getObjectsRequest()).data, True)
    found = {(int(item.objectType), str(item.logicalName)) for item in objects}
    assert (int(ObjectType.CLOCK), str(bm.CLOCK)) in found
    assert (len(found) > 15) == (peer.client.clientAddress != bm.PUBLIC)
    for item in objects:  # every object says its own name
        if item.objectType != ObjectType.NONE:
            assert peer.read(item, 1) == str(item.logicalName)


@readers
def test_a_profile_is_read_whole_by_range_and_by_entry(make):
    peer = Peer(make()).open()
    profile = GXDLMSProfileGeneric(str(bm.LOAD_PROFILE))
    peer.read(profile, 3)
    assert [str(column.logicalName) for column, _ in profile.captureObjects] == [str(c.obis) for c in bm.COLUMNS]
    whole = peer.read(profile, 2)
    assert len(whole) == bm.ROWS
    assert peer.answers > 2
    expected = [axdr.decode_value(row)[0] for row in bm.rows(peer.meter, bm.NOW_S, None, None)]
    assert [row[1:] for row in whole] == [list(row[1:]) for row in expected]
    assert instant(whole[-1][0]) == UTC_NOW

    reply = peer.run(peer.client.readRowsByEntry(profile, 1, 3))
    assert [row[2] for row in peer.client.updateValue(profile, 2, reply.value)] == [row[2] for row in expected[:3]]

    start = UTC_NOW - datetime.timedelta(hours=2)
    reply = peer.run(peer.client.readRowsByRange(profile, start, UTC_NOW))
    rows = peer.client.updateValue(profile, 2, reply.value)
    assert [instant(row[0]) for row in rows] == [start + datetime.timedelta(minutes=15 * step) for step in range(9)]


@readers
def test_a_long_answer_is_taken_in_blocks(make):
    client = make()
    client.maxReceivePDUSize = 200
    peer = Peer(client).open()
    before = peer.answers
    profile = GXDLMSProfileGeneric(str(bm.LOAD_PROFILE))
    peer.read(profile, 3)
    assert len(peer.read(profile, 2)) == bm.ROWS
    assert peer.answers - before > 15


@readers
def test_a_list_is_read(make):
    peer = Peer(make()).open()
    wanted = [(GXDLMSClock(), 2), (GXDLMSRegister(str(bm.ENERGY)), 2)]
    (frames,) = peer.client.readList(wanted)
    reply = peer.run(frames)
    peer.client.updateValues(wanted, reply.value)
    assert instant(wanted[0][0].time) == UTC_NOW
    assert wanted[1][0].value == bm.NOW_S // 900


@managers
def test_values_are_written_and_methods_invoked(make):
    peer = Peer(make()).open()
    message = GXDLMSData(str(bm.MESSAGE))
    message.value = bytearray(b"to be continued " * 20)
    message.setDataType(2, DataType.OCTET_STRING)
    assert peer.run(peer.client.write(message, 2)).error == 0
    assert peer.meter.message == bytes(message.value)
    relay = GXDLMSDisconnectControl(str(bm.RELAY))
    assert peer.run(peer.client.method(relay, 1, 0, DataType.INT8)).error == 0
    assert peer.meter.relay is ControlState.DISCONNECTED
    assert peer.read(relay, 3) == 0


def test_long_values_are_written_in_blocks():
    client = gmac_client(bm.PLAIN_HLS, security=Security.NONE)
    peer = Peer(client, bm.device(max_receive_pdu_size=150)).open()
    message = GXDLMSData(str(bm.MESSAGE))
    message.value = bytearray(bytes(range(256)) * 3)
    message.setDataType(2, DataType.OCTET_STRING)
    frames = peer.client.write(message, 2)
    assert len(frames) > 4
    assert peer.run(frames).error == 0
    assert peer.meter.message == bytes(message.value)


@every_client
def test_the_association_is_released(make):
    peer = Peer(make())
    peer.client.useProtectedRelease = isinstance(peer.client, GXDLMSSecureClient)
    peer.open()
    peer.run(peer.client.releaseRequest())
    assert peer.server.idle


def test_an_unprotected_release_does_not_close_a_protected_association():
    peer = Peer(gmac_client(bm.PROTECTED_HLS)).open()
    peer.exchange(peer.client.releaseRequest()[0])
    assert not peer.server.idle


def test_a_wrong_key_is_refused():
    client = gmac_client(bm.MANAGEMENT)
    client.ciphering.blockCipherKey = bytearray(16)
    peer = Peer(client)
    with pytest.raises(Exception, match=r".+"):
        peer.open()
    assert peer.server.idle
    assert FindingKind.AUTHENTICATION_FAILED in {finding.kind for finding in peer.server.findings}


# -- general block transfer, which 1.0.203 cannot do in either direction


def in_general_blocks(client, own):
    client.proposedConformance = (client.proposedConformance | GuruxConformance.GENERAL_BLOCK_TRANSFER) & ~own
    return client


def test_it_takes_the_first_general_block_of_an_answer_and_fails_to_acknowledge_it():
    client = gmac_client(bm.PLAIN_HLS, security=Security.NONE)
    client.maxReceivePDUSize = 100
    peer = Peer(in_general_blocks(client, GuruxConformance.BLOCK_TRANSFER_WITH_GET_OR_READ)).open()
    with pytest.raises(AttributeError, match="blockNumber"):
        peer.run(peer.client.read(GXDLMSAssociationLogicalName("0.0.40.0.0.255"), 2))


def test_its_general_blocks_are_longer_than_agreed_and_acknowledge_what_never_came():
    client = gmac_client(bm.PLAIN_HLS, security=Security.NONE)
    client = in_general_blocks(client, GuruxConformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE)
    peer = Peer(client, bm.device(max_receive_pdu_size=150)).open()
    message = GXDLMSData(str(bm.MESSAGE))
    message.value = bytearray(range(256)) * 2
    message.setDataType(2, DataType.OCTET_STRING)
    apdus = [bytes(frame[wrapper.HEADER_OCTETS :]) for frame in peer.client.write(message, 2)]
    assert len(apdus[0]) > 150
    assert apdu.decode(apdus[2]).acknowledged == 0xFFFF
    assert peer.server.receive(bm.PLAIN_HLS, apdus[0], bm.NOW_S) == bytes.fromhex("D80104")
