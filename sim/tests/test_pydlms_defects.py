"""Defects of pydlms-client 0.1.0 that keep cells of the live matrix from being green, each shown in the peer alone."""

from __future__ import annotations

import pytest

pytest.importorskip("pydlms")

from cryptography.hazmat.primitives.asymmetric import ec
from pydlms.apdu import sn
from pydlms.apdu.acse import AARE, AARQ, ApplicationContext
from pydlms.apdu.xdlms import (
    ActionRequestNormal,
    AttributeDescriptor,
    Conformance,
    GetRequestNormal,
    InitiateRequest,
    MethodDescriptor,
    decode_apdu,
)
from pydlms.association import Association, AssociationSettings
from pydlms.cosem.data import DlmsData
from pydlms.exceptions import DecodeError
from pydlms.hdlc.address import HdlcAddress
from pydlms.hdlc.connection import HdlcLink
from pydlms.hdlc.framing import PF_BIT, FrameReader, FrameType, HdlcFrame, control_rr, encode_frame
from pydlms.obis import ObisCode
from pydlms.security.ciphering import wrap_general_glo
from pydlms.security.context import SecurityContext
from pydlms.security.general import wrap_general_signing
from pydlms.security.hls import Mechanism, hls_gmac
from pydlms.simulator import ClientProfile, MeterSimulator, _Session
from pydlms.transports.base import LoopbackTransport
from pydlms.wrapper import WrapperLink

from interop.known_defects import DEFECTS

RECORDED = bytes.fromhex("0C 01 02 01 0001 0F 01 00 0A 0B") + b"KFM00000001" + b""
"""The head as a meter sent it (docs/protocols/short-names.md §6): one result, the last block, number 1, 15 octets; in
it one result, a value, a visible string of 11. The name is ours."""
ENCRYPTION, AUTHENTICATION, TITLE = bytes(range(16)), bytes(range(16, 32)), b"PYDCLIEN"


def test_pydlms_wants_the_bare_value_in_the_blocks_of_a_long_read() -> None:
    association = Association(WrapperLink(None, 16, 1), AssociationSettings(logical_names=False))
    bare = bytes.fromhex("0C 01 02 01 0001 0D 0A 0B") + RECORDED[-11:]
    assert association.sn_read_value(sn.decode_sn_apdu(bare), "a name").value == "KFM00000001"
    with pytest.raises(DecodeError):
        association.sn_read_value(sn.decode_sn_apdu(RECORDED), "a name")


def test_the_simulator_of_pydlms_puts_the_bare_value_in_the_blocks_of_a_long_read() -> None:
    meter = MeterSimulator(b"PYDSERVR", max_pdu=64, conformance=Conformance.default_sn())
    meter.add_object(1, "0.0.96.13.0.255", {2: DlmsData.octet_string(bytes(100))}, base_name=0x100)
    session = _Session(client_sap=16)
    aarq = AARQ(ApplicationContext.SN, InitiateRequest(Conformance.default_sn()).to_bytes())
    meter.handle(aarq.to_bytes(), session)
    (block,) = sn.decode_sn_apdu(meter.handle(sn.ReadRequest([sn.VariableName(0x108)]).to_bytes(), session)).results
    assert not block.block_last
    assert block.raw_data[:2] == b"\x09\x64"  # and not 01 00 09 64, as RECORDED begins


def test_the_simulator_of_pydlms_proves_itself_with_suite_0_under_every_suite() -> None:
    meter = MeterSimulator(b"PYDSERVR")
    meter.encryption_key, meter.authentication_key = ENCRYPTION, AUTHENTICATION
    meter.security = SecurityContext(ENCRYPTION, AUTHENTICATION, client_system_title=b"PYDSERVR", suite=1)
    meter.clients[1] = ClientProfile(Mechanism.HLS_GMAC)
    session = _Session(client_sap=1)
    aarq = AARQ(ApplicationContext.LN, InitiateRequest().to_bytes(), int(Mechanism.HLS_GMAC), b"challenge", TITLE)
    challenge = AARE.from_bytes(meter.handle(aarq.to_bytes(), session)).responding_authentication_value
    proof = hls_gmac(ENCRYPTION, AUTHENTICATION, TITLE, 1, challenge)
    method = MethodDescriptor(15, ObisCode(0, 0, 40, 0, 0, 255), 1)
    answer = meter.handle(ActionRequestNormal(1, method, DlmsData.octet_string(proof)).to_bytes(), session)
    assert bytes(decode_apdu(answer).return_data.data.value)[0] == 0x10  # and not 0x11


def test_the_simulator_of_pydlms_takes_no_signature_inside_of_ciphering() -> None:
    """The Green Book signs first and ciphers then; here only the other order is known."""
    pair = ec.derive_private_key(7, ec.SECP256R1())
    keys = {"suite": 1, "signing_key": pair, "peer_signing_key": pair.public_key()}
    meter = MeterSimulator(b"PYDSERVR")
    meter.security = SecurityContext(ENCRYPTION, AUTHENTICATION, b"PYDSERVR", server_system_title=TITLE, **keys)
    session = _Session(client_sap=16, associated=True, ciphered=True, client_title=TITLE)
    client = SecurityContext(ENCRYPTION, AUTHENTICATION, TITLE, invocation_counter=1, **keys)
    request = GetRequestNormal(1, AttributeDescriptor(1, ObisCode(0, 0, 42, 0, 0, 255), 2)).to_bytes()
    sealed = wrap_general_glo(client, request)
    assert meter.handle(sealed, session)[0] == 0xDB
    signed_inside = wrap_general_glo(client, wrap_general_signing(client, request, b"PYDSERVR"))
    assert meter.handle(signed_inside, session)[0] == 0xD8


class LateLine:
    """A meter that answers every polled I-frame with RR, the first one only when the next has come."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.held = b""

    def __call__(self, octets: bytes) -> bytes:
        (frame,) = FrameReader().feed(octets)
        if frame.kind is FrameType.SNRM:
            return encode_frame(HdlcFrame(frame.src, frame.dest, FrameType.UA | PF_BIT))
        number = frame.control >> 1 & 7
        self.sent.append(number)
        ready = encode_frame(HdlcFrame(frame.src, frame.dest, control_rr((number + 1) % 8)))
        if len(self.sent) == 1:
            self.held = ready
            return b""
        held, self.held = self.held, b""
        return held + ready


def test_pydlms_sends_a_frame_again_where_the_answer_to_a_general_block_of_a_window_comes_late() -> None:
    """It awaits no answer to the last frame of a block that is not the last of its window, and then takes it for that
    to the first frame of the next block."""
    line = LateLine()
    link = HdlcLink(LoopbackTransport(line), 16, HdlcAddress.server(1), timeout=0.2)
    link.connect()
    link.send_apdu(bytes(10))  # a block in one frame, to be followed at once
    link.send_apdu(bytes(200))  # the next one, in two
    assert line.sent == [0, 1, 1, 2]


def test_every_defect_of_the_matrix_is_reproduced_here() -> None:
    assert {defect.reproduction for defect in DEFECTS if defect.sign[0] == "P"} <= set(globals())
