"""Defects of gurux-dlms 1.0.203 that keep cells of the live matrix from being green, each shown in the peer alone."""

from __future__ import annotations

import pytest

pytest.importorskip("gurux_dlms")

from gurux_dlms import GXDLMSAccessItem, GXDLMSClient, GXReplyData
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.ecdsa import GXEcdsa, GXPrivateKey, GXPublicKey
from gurux_dlms.enums import AccessServiceCommandType, Authentication, Conformance, DataType, InterfaceType, Security
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.objects import GXDLMSData
from gurux_dlms.secure import GXDLMSSecureClient

from interop.known_defects import DEFECTS

SERVER_TAKES = 640
WRAPPER_OCTETS = 8
WRITTEN = "0.0.96.13.1.255"


def associated(
    conformance: Conformance, security: Security = Security.AUTHENTICATION_ENCRYPTION, *, names: bool = True
) -> GXDLMSSecureClient:
    """A client as it is once a server that takes 640 octets has let it in."""
    client = GXDLMSSecureClient(names, 1, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    client.ciphering.security = security
    client.negotiatedConformance = conformance
    client.settings.connected = ConnectionState.DLMS
    client.maxReceivePDUSize = SERVER_TAKES
    return client


def a_value(octets: bytes) -> GXDLMSData:
    item = GXDLMSData(WRITTEN)
    item.value = bytearray(octets)
    item.setDataType(2, DataType.OCTET_STRING)
    return item


def longest_apdu(client: GXDLMSSecureClient) -> int:
    return max(len(frame) for frame in client.write(a_value(bytes(1500)), 2)) - WRAPPER_OCTETS


SERVICES = Conformance.SET | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE | Conformance.ACCESS


def test_gurux_sends_longer_apdus_than_the_server_takes_under_general_ciphering() -> None:
    assert longest_apdu(associated(SERVICES)) <= SERVER_TAKES
    assert longest_apdu(associated(SERVICES | Conformance.GENERAL_PROTECTION)) > SERVER_TAKES


def test_gurux_sends_general_blocks_longer_than_the_server_takes() -> None:
    general_blocks = associated(SERVICES | Conformance.GENERAL_BLOCK_TRANSFER, Security.NONE)
    assert longest_apdu(associated(SERVICES, Security.NONE)) <= SERVER_TAKES
    assert longest_apdu(general_blocks) == SERVER_TAKES + 2


def test_gurux_cannot_make_an_access_request_that_writes() -> None:
    client = associated(SERVICES, Security.NONE)
    assert client.accessRequest(None, [GXDLMSAccessItem(AccessServiceCommandType.GET, a_value(b"x"), 2)])
    with pytest.raises(AttributeError, match="settings"):
        client.accessRequest(None, [GXDLMSAccessItem(AccessServiceCommandType.SET, a_value(b"x"), 2)])


def aare(responding_ae_qualifier: bytes) -> bytes:
    """An AARE that accepts, with an octet-string as responding AE qualifier: A5 len 04 len octets."""
    qualifier = b"\xa5" + bytes((2 + len(responding_ae_qualifier), 4, len(responding_ae_qualifier)))
    context, result = bytes.fromhex("a109060760857405080101"), bytes.fromhex("a203020100a305a103020100")
    initiate = bytes.fromhex("be10040e0800065f1f0400007e1f04b00007")
    body = context + result + (qualifier + responding_ae_qualifier if responding_ae_qualifier else b"") + initiate
    return b"\x61" + bytes((len(body),)) + body


def test_gurux_takes_a_certificate_in_the_aare_for_an_invocation_id() -> None:
    def user_of(octets: bytes) -> int:
        client = GXDLMSClient(True, 1, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
        client.parseAareResponse(GXByteBuffer(octets))
        return int(client.settings.userId)

    assert user_of(aare(b"")) == -1
    assert user_of(aare(b"\x30")) == 0x30  # the first octet of a certificate becomes the id of a user
    with pytest.raises(Exception, match=r".+"):  # and where there are more octets, all the rest is misread
        user_of(aare(b"\x30" + bytes(range(0xF0, 0xFF))))


def test_gurux_cannot_sign_on_p_384() -> None:
    assert GXEcdsa(GXPrivateKey.fromRawBytes(bytearray(range(1, 33)))).sign(b"x")
    with pytest.raises(ValueError, match="Invalid private key scheme"):
        GXEcdsa(GXPrivateKey.fromRawBytes(bytearray(range(1, 49)))).sign(b"x")


def test_gurux_offers_a_challenge_of_16_octets_with_ecdsa_which_wants_32() -> None:
    client = GXDLMSSecureClient(True, 1, 1, Authentication.HIGH_ECDSA, None, InterfaceType.WRAPPER)
    client.aarqRequest()
    assert len(client.ctoSChallenge) == 16


def test_gurux_asserts_that_no_request_with_short_names_is_ciphered() -> None:
    item = GXDLMSData(WRITTEN, 0x100)
    assert associated(Conformance.READ, Security.NONE, names=False).read(item, 2)
    with pytest.raises(AssertionError):
        associated(Conformance.READ, names=False).read(item, 2)


def test_gurux_cannot_take_the_blocks_of_a_long_read_with_short_names() -> None:
    client = associated(Conformance.READ, Security.NONE, names=False)
    client.read(GXDLMSData(WRITTEN, 0x100), 2)
    block = bytes.fromhex("0C 01 02 01 0001 0F 01 00 0A 0B") + b"KFM00000001"  # docs/protocols/short-names.md §6
    frame = bytes.fromhex("0001 0001 0001") + len(block).to_bytes(2, "big") + block
    with pytest.raises(AttributeError, match="setTotalCount"):
        client.getData(bytearray(frame), GXReplyData())


def test_gurux_calls_the_first_block_of_a_long_write_the_last() -> None:
    client = associated(Conformance.WRITE, Security.NONE, names=False)
    item = GXDLMSData(WRITTEN, 0x100)
    item.value = bytearray(1500)
    item.setDataType(2, DataType.OCTET_STRING)
    first, *others = client.write(item, 2)
    assert first[WRAPPER_OCTETS:].hex() == "0601070100010109040982" + "05dc"  # "last block", number 1, the head alone
    assert others


def test_gurux_replies_to_hls_by_write_with_short_names() -> None:
    client = GXDLMSSecureClient(False, 1, 1, Authentication.HIGH_MD5, "secret", InterfaceType.WRAPPER)
    client.settings.setStoCChallenge(bytearray(16))
    (frame,) = client.getApplicationAssociationRequest()
    assert frame[WRAPPER_OCTETS:].hex().startswith("060102fa58")  # a WriteRequest; its response holds results only


def test_gurux_misreads_a_public_key_as_dlms_writes_it() -> None:
    key = GXPrivateKey.fromRawBytes(bytearray(range(1, 33)))
    with_tag = bytes(key.getPublicKey().rawValue)
    message, signature = b"x", GXEcdsa(key).sign(b"x")
    assert GXEcdsa(GXPublicKey.fromRawBytes(bytearray(with_tag))).verify(signature, message)
    assert not verifies(bytearray(with_tag[1:]), signature, message)


def verifies(public: bytearray, signature: bytes, message: bytes) -> bool:
    try:
        return bool(GXEcdsa(GXPublicKey.fromRawBytes(public)).verify(signature, message))
    except ValueError:  # from its arithmetic
        return False


def test_every_defect_of_the_matrix_is_reproduced_here() -> None:
    assert {defect.reproduction for defect in DEFECTS if defect.sign[0] == "G"} <= set(globals())
