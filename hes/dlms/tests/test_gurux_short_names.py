"""The client of gurux-dlms 1.0.203 with short names against our server, in-process through the wrapper.

What it cannot do is not asked of it: with ciphering it stops at an assertion of its own before anything is sent
(`getSNPdu`: `assert not tmp`); its pass 3 of HLS goes as a Write, whose answer has no place for pass 4; its translator
writes the count of the data of a Write twice. It cannot read blocks: it calls methods that its reply does not have
(`GXReplyData.setTotalCount`, `getMoreData`), forgets which service to go on with (`settings.command`), and does not
look into what the blocks held. `Reply` and `ShortNamePeer` add that much; the rest is its own affair.
"""

import datetime

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXDLMSTranslator, GXReplyData
from gurux_dlms.enums import Authentication, Command, Conformance, DataType, InterfaceType, ObjectType
from gurux_dlms.objects import (
    GXDLMSAssociationShortName,
    GXDLMSClock,
    GXDLMSData,
    GXDLMSDisconnectControl,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.SingleReadResponse import SingleReadResponse

from hes.dlms import apdu, axdr
from hes.dlms.apdu import (
    DataAccessError,
    ParameterizedAccess,
    ReadData,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import ControlState
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import bench_short_names as bs
from hes.dlms.tests import published
from hes.dlms.tests.test_gurux_client import UTC_NOW, Peer, gmac_client, instant


class Reply(GXReplyData):
    def setTotalCount(self, count):  # noqa: N802 - its name
        self.totalCount = count

    def getMoreData(self):  # noqa: N802
        return self.moreData


class ShortNamePeer(Peer):
    reply = Reply

    def run(self, frames):
        self.client.settings.command = Command.READ_REQUEST
        reply = super().run(frames)
        if reply.commandType == SingleReadResponse.DATA_BLOCK_RESULT:
            held = bytes(reply.data.array())
            assert held[:2] == b"\x01\x00"
            reply.data = GXByteBuffer(held[2:])
            reply.value = self.client.getValue(GXByteBuffer(held[2:]), useUtc=False)
        return reply


def lls_peer(client_sap=bs.BOTH_NAMES, pdu_octets=None, **changes):
    client = GXDLMSClient(False, client_sap, 1, Authentication.LOW, "12345678", InterfaceType.WRAPPER)
    if pdu_octets:
        client.maxReceivePDUSize = pdu_octets
    client.proposedConformance |= Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    peer = ShortNamePeer(client, changes.pop("device", bs.DEVICE))
    peer.meter.security.secrets[client_sap] = published.PASSWORD
    return peer.open()


def named(item, logical_name):
    """The object with its base name, as an object list would give it."""
    item.shortName = bs.BASES[logical_name]
    return item


def test_an_association_without_security_reads_the_clock():
    peer = Peer(GXDLMSClient(False, bs.PUBLIC, 1, Authentication.NONE, None, InterfaceType.WRAPPER), bs.DEVICE).open()
    assert instant(peer.read(named(GXDLMSClock(), bm.CLOCK), 2)) == UTC_NOW
    assert peer.server.findings == []


def test_the_object_list_gives_every_object_its_name():
    peer = lls_peer(pdu_octets=300)
    objects = peer.client.parseObjects(peer.run(peer.client.getObjectsRequest()).data, True)
    found = {str(item.logicalName): item for item in objects}
    assert len(found) > 12
    assert found[str(bm.CLOCK)].shortName == bs.BASES[bm.CLOCK]
    for item in objects:
        if item.objectType != ObjectType.NONE:
            assert peer.read(item, 1) == str(item.logicalName)
    register = found[str(bm.ENERGY)]
    peer.read(register, 3)
    assert peer.read(register, 2) == bm.NOW_S // bm.PERIOD_S


def test_access_rights_are_understood():
    peer = lls_peer()
    peer.client.parseObjects(peer.run(peer.client.getObjectsRequest()).data, True)
    association = GXDLMSAssociationShortName()
    association.objectList = peer.client.objects
    association.shortName = 0xFA00
    value = peer.run(peer.client.read(association, 3)).value
    rights = {row[0] & 0xFFFF: row[1] for row in value}
    assert [right[1] for right in rights[bs.BASES[bm.MESSAGE]]] == [1, 3]


def test_a_profile_is_read_whole_by_range_and_by_entry():
    peer = lls_peer(bs.READER, pdu_octets=250)
    profile = named(GXDLMSProfileGeneric(str(bm.LOAD_PROFILE)), bm.LOAD_PROFILE)
    peer.read(profile, 3)
    before = peer.answers
    whole = peer.read(profile, 2)
    assert len(whole) == bm.ROWS
    assert peer.answers - before > 10
    expected = [axdr.decode_value(row)[0] for row in bm.rows(peer.meter, bm.NOW_S, None, None)]
    assert [row[1:] for row in whole] == [list(row[1:]) for row in expected]
    reply = peer.run(peer.client.readRowsByEntry(profile, 1, 3))
    assert [row[2] for row in peer.client.updateValue(profile, 2, reply.value)] == [row[2] for row in expected[:3]]
    start = UTC_NOW - datetime.timedelta(hours=2)
    reply = peer.run(peer.client.readRowsByRange(profile, start, UTC_NOW))
    rows = peer.client.updateValue(profile, 2, reply.value)
    assert [instant(row[0]) for row in rows] == [start + datetime.timedelta(minutes=15 * step) for step in range(9)]


def test_a_list_is_read():
    peer = lls_peer()
    wanted = [(named(GXDLMSClock(), bm.CLOCK), 2), (named(GXDLMSRegister(str(bm.ENERGY)), bm.ENERGY), 2)]
    (frames,) = peer.client.readList(wanted)
    reply = peer.run(frames)
    peer.client.updateValues(wanted, reply.value)
    assert instant(wanted[0][0].time) == UTC_NOW
    assert wanted[1][0].value == bm.NOW_S // bm.PERIOD_S


def test_values_are_written_and_methods_invoked():
    peer = lls_peer()
    message = named(GXDLMSData(str(bm.MESSAGE)), bm.MESSAGE)
    message.value = bytearray(b"to be continued ")
    message.setDataType(2, DataType.OCTET_STRING)
    assert peer.run(peer.client.write(message, 2)).error == 0
    assert peer.meter.message == bytes(message.value)
    energy = named(GXDLMSRegister(str(bm.ENERGY)), bm.ENERGY)
    energy.value = 5
    energy.setDataType(2, DataType.UINT8)
    assert peer.run(peer.client.write(energy, 2)).error == DataAccessResult.READ_WRITE_DENIED
    relay = named(GXDLMSDisconnectControl(str(bm.RELAY)), bm.RELAY)
    assert peer.run(peer.client.method(relay, 1, 0, DataType.INT8)).error == 0
    assert peer.meter.relay is ControlState.DISCONNECTED
    assert peer.read(relay, 3) == 0


def test_its_pass_3_of_hls_is_taken_as_a_write():
    client = gmac_client(bs.MANAGEMENT)
    client.useLogicalNameReferencing = False
    client.ciphering.security = 0
    client.proposedConformance = client.getInitialConformance(False)
    peer = Peer(client, bs.DEVICE)
    client.parseAareResponse(peer.run(client.aarqRequest()).data)
    assert client.getIsAuthenticationRequired()
    reply = peer.run(client.getApplicationAssociationRequest())
    assert reply.error == 0
    assert peer.read(named(GXDLMSRegister(str(bm.ENERGY)), bm.ENERGY), 2) == bm.NOW_S // bm.PERIOD_S
    assert not peer.server.idle


def test_the_association_is_released():
    peer = lls_peer()
    peer.run(peer.client.releaseRequest())
    assert peer.server.idle


@pytest.mark.parametrize(
    ("value", "writes_again"),
    [
        (ReadRequest((VariableName(0xFA08),)), True),
        (ReadRequest((VariableName(0x2BC8), VariableName(0xFD08))), True),
        (ReadRequest((ParameterizedAccess(0x0708, 2, b"\x11\x05"),)), False),
        (ReadResponse((ReadData(b"\x11\x05"),)), True),
        (ReadResponse((ReadData(b"\x11\x05"), DataAccessError(DataAccessResult.READ_WRITE_DENIED))), True),
        (WriteRequest((VariableName(0x0708),), (b"\x11\x05",)), False),
        (WriteResponse((WriteSuccess(), DataAccessError(DataAccessResult.OBJECT_UNDEFINED))), True),
    ],
)
def test_its_translator_reads_what_we_write_and_writes_it_again(value, writes_again):
    translator = GXDLMSTranslator()
    text = translator.pduToXml(GXByteBuffer(value.encode()))
    assert text
    if writes_again:
        assert apdu.decode(bytes.fromhex(translator.xmlToHexPdu(text))) == value
