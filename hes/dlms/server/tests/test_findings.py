"""Whoever breaks a rule gets the answer of docs/protocols/dlms-roles.md, and the rule is named: octets, kind, case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hes.dlms import acse, apdu
from hes.dlms.acse import Rlrq
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.codes import ApplicationContext, Conformance, Mechanism
from hes.dlms.cosem import SecurityPolicy
from hes.dlms.cosem.logical_device import GENERAL_BLOCK_WINDOW, LogicalDevice
from hes.dlms.findings import CLAUSES, Finding, FindingKind
from hes.dlms.initiate import InitiateRequest
from hes.dlms.security import AUTHENTICATED, ENCRYPTED
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.server.tests import test_access_protection as guards
from hes.dlms.server.tests import test_short_name_services as short
from hes.dlms.server.tests.server_wire import (
    ENERGY,
    Wire,
    aarq,
    ciphered_wire,
    client_side,
    initiating,
    lls_aarq,
    plain_wire,
    small_meter,
)
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.dlms.xdlms.general_block import WINDOW_MAX
from hes.errors import RemoteProtocolError

K = FindingKind
ROOT = Path(__file__).parents[4]
GET_ENERGY = apdu.GetRequestNormal(0xC1, ENERGY).encode()
SELECTED = apdu.GetRequestNormal(0xC1, AttributeDescriptor(7, bm.LOAD_PROFILE, 2), bytes.fromhex("0200")).encode()


def small_wire():
    """An association to which only GET, SET, ACTION, blocks and selective access of the published AARE were granted."""
    wire = Wire(2, device=small_meter())
    granted = Conformance.GET | Conformance.SET
    wire(lls_aarq(user_information=InitiateRequest(granted, 1200).encode()).encode())
    return wire


def hls_wire():
    wire = Wire(bm.PLAIN_HLS)
    wire(published.AARQ_HLS5)
    return wire


def reader():
    return Wire(bm.READER)


def protected(change: Callable[[bytes], bytes] = bytes, policy: int = 0, **how: object):
    """A ciphered association, and what is sent in it: a protected GET, changed on the way."""

    def made():
        meter = bm.BenchMeter()
        wire, ciphering = ciphered_wire(meter=meter)
        if policy:
            meter.security.raise_policy(0, SecurityPolicy(policy))
        return wire, change(ciphering.protect(published.GET_CLOCK, **how) if how or not policy else published.GET_CLOCK)

    return made


def twice():
    wire, ciphering = ciphered_wire()
    octets = ciphering.protect(published.GET_CLOCK)
    wire(octets)
    return wire, octets


def reflected():
    wire, _ciphering = ciphered_wire()
    mirror = client_side(counter=9, system_title=published.SERVER_TITLE, peer_system_title=published.CLIENT_TITLE)
    return wire, mirror.protect(published.GET_CLOCK, style=CipheringStyle.GENERAL_GLO)


def weak_release():
    meter = bm.BenchMeter()
    wire, _ciphering = ciphered_wire(meter=meter)
    meter.security.raise_policy(0, SecurityPolicy.AUTHENTICATED_REQUEST)
    return wire, published.RLRQ_PLAIN


def weak_for_a_right():
    wire, _ciphering = guards.opened(SecurityPolicy.AUTHENTICATED_REQUEST)
    return wire, guards.GET


def counter_used_up():
    wire, ciphering = ciphered_wire()
    wire.meter.security._setups[0].send_counter = 1 << 32
    return wire, ciphering.protect(published.GET_CLOCK)


def weak_aarq():
    meter = bm.BenchMeter()
    meter.security.raise_policy(0, SecurityPolicy.AUTHENTICATED_REQUEST)
    title = {"context": ApplicationContext.LN_CIPHERED, "calling_ap_title": published.CLIENT_TITLE}
    return Wire(bm.CIPHERED_LLS, meter=meter), lls_aarq(**title).encode()


def undeciphered_aarq():
    sealed = bytearray(client_side().protect_initiate(initiating()))
    sealed[-1] ^= 1
    title = {"context": ApplicationContext.LN_CIPHERED, "calling_ap_title": published.CLIENT_TITLE}
    return Wire(bm.CIPHERED_LLS), lls_aarq(user_information=bytes(sealed), **title).encode()


def streamed(number: int) -> bytes:
    return apdu.GeneralBlock(False, True, 1, number, 0, b"x").encode()


def beyond(blocks: int) -> tuple[Wire, bytes]:
    wire = plain_wire()
    for number in range(1, blocks + 1):
        wire(streamed(number))
    return wire, streamed(blocks + 1)


def beyond_the_window():
    return beyond(GENERAL_BLOCK_WINDOW)


def beyond_any_window():
    return beyond(WINDOW_MAX)


def too_long(client: int = 0xFFFF, server: int = 0):
    """A long answer to one that has no blocks agreed, and the request for it."""

    def made():
        device = LogicalDevice(
            name=lambda _meter: b"AML",
            clients=(bm.DEVICE.clients[bm.READER],),
            objects=bm.objects(),
            security=lambda meter: meter.security,
            max_send_pdu_size=server,
        )
        wire = Wire(bm.READER, device=device)
        proposal = InitiateRequest(Conformance.GET, client).encode()
        wire(lls_aarq(user_information=proposal).encode())
        return wire, apdu.GetRequestNormal(0xC1, AttributeDescriptor(7, bm.LOAD_PROFILE, 2)).encode()

    return made


def proposing(**changes: object) -> bytes:
    return lls_aarq(user_information=initiating(**changes)).encode()


def on(wire: Callable[[], Wire], octets: bytes | str):
    return lambda: (wire(), bytes.fromhex(octets) if isinstance(octets, str) else octets)


SILENCE = None
CASES: dict[str, tuple[Callable[[], tuple[Wire, bytes]], str | None, FindingKind, str]] = {
    # opening
    "client not declared": (on(lambda: Wire(77), published.AARQ_PLAIN), SILENCE, K.UNKNOWN_CLIENT, ""),
    "nothing at all": (on(reader, b""), SILENCE, K.MALFORMED_APDU, ""),
    "no AARQ behind its tag": (on(reader, "6003010203"), "D80103", K.MALFORMED_APDU, ""),
    "context unknown": (
        on(reader, lls_aarq(context=ApplicationContext.SN).encode()), "A203020101", K.AARQ_REFUSED, "APPL_OPEN_5",
    ),
    "mechanism of another kind": (on(reader, aarq().encode()), "A203020101", K.AARQ_REFUSED, "APPL_OPEN_7"),
    "wrong password": (
        on(reader, lls_aarq(authentication_value=b"hunter2!").encode()),
        "A203020101", K.AUTHENTICATION_FAILED, "APPL_OPEN_7",
    ),
    "version too low": (on(reader, proposing(dlms_version=5)), "0E010601", K.AARQ_REFUSED, "APPL_OPEN_12"),
    "nothing in common": (
        on(reader, proposing(conformance=Conformance(0))), "0E010602", K.AARQ_REFUSED, "APPL_OPEN_13",
    ),
    "PDU too short": (
        on(reader, proposing(client_max_receive_pdu_size=11)), "0E010603", K.AARQ_REFUSED, "APPL_OPEN_14",
    ),
    "AARQ protected too little": (weak_aarq, "A305A10302010D", K.PROTECTION_TOO_WEAK, "SYMSEC_0_SecPol"),
    "AARQ that does not decipher": (undeciphered_aarq, "0E010006", K.AUTHENTICATION_FAILED, "APPL_OPEN_7"),
    # before there is anything
    "GET without an association": (on(reader, GET_ENERGY), "D80101", K.NO_ASSOCIATION, "APPL_IDLE_N1"),
    "release without an association": (on(reader, published.RLRQ_PLAIN), "D80101", K.NO_ASSOCIATION, "APPL_IDLE_N1"),
    "GET before pass 3": (on(hls_wire, GET_ENERGY), "D80101", K.SERVICE_BEFORE_HLS, "APPL_OPEN_3"),
    "release before pass 3": (on(hls_wire, published.RLRQ_PLAIN), "D80101", K.SERVICE_BEFORE_HLS, "APPL_OPEN_3"),
    # services
    "GET cut off": (on(plain_wire, GET_ENERGY[:9]), "D80103", K.MALFORMED_APDU, "APPL_DATA_LN_N1"),
    "SET cut off": (on(plain_wire, "C101C1"), "D80103", K.MALFORMED_APDU, "APPL_DATA_LN_N3"),
    "a form of GET that is none": (on(plain_wire, "C0FFC1"), "D80202", K.UNKNOWN_SERVICE, "APPL_DATA_LN_N1"),
    "a tag that is none": (on(plain_wire, "FF00"), "D80202", K.UNKNOWN_SERVICE, "APPL_DATA_LN_N4"),
    "an answer as a request": (on(plain_wire, "C401C10000"), "D80202", K.UNKNOWN_SERVICE, "APPL_DATA_LN_N4"),
    "ACTION, not agreed": (on(small_wire, published.DISCONNECT), "D80102", K.NOT_NEGOTIATED, "APPL_DATA_LN_N4"),
    "selection, not agreed": (on(small_wire, SELECTED), "D80102", K.NOT_NEGOTIATED, "APPL_DATA_LN_N4"),
    "general block, not agreed": (
        on(small_wire, "E0810001000002C001"), "D80102", K.NOT_NEGOTIATED, "APPL_DATA_LN_N4",
    ),
    "longer than the server takes": (
        on(lambda: Wire(2, device=small_meter()), bytes(501)), "D80104", K.REQUEST_TOO_LONG, "",
    ),
    # blocks
    "next block of nothing": (on(plain_wire, "C002C100000001"), "C402C101000000010110", K.BLOCK_OUT_OF_TURN, ""),
    "a block of a SET that nobody began": (on(plain_wire, "C103C1010000000200"), "C503C1", K.BLOCK_OUT_OF_TURN, ""),
    "a general block acknowledged": (on(plain_wire, "E0000000000100"), None, K.BLOCK_TRANSFER_ENDED, ""),
    "more blocks than the window": (beyond_the_window, SILENCE, K.BLOCK_WINDOW_EXCEEDED, ""),
    "more blocks than any window": (beyond_any_window, "E0800000000000", K.BLOCK_TRANSFER_ENDED, ""),
    # lengths
    "longer than the client takes": (too_long(client=100), "D80104", K.ANSWER_TOO_LONG, ""),
    "longer than the server sends": (too_long(server=100), "D80104", K.SEND_LIMIT_REACHED, ""),
    # protection
    "used before": (twice, "D80106", K.REPLAYED, "SYMSEC_0_FraCount_1"),
    "a tag that is wrong": (protected(lambda octets: octets[:-1] + b"\0"), "D80105", K.DECIPHERING_FAILED, ""),
    "our own title": (reflected, "D80105", K.REFLECTED, ""),
    "ciphered without keys": (on(plain_wire, published.GLO_GET), "D80105", K.UNEXPECTED_PROTECTION, ""),
    "in the clear": (protected(policy=4), "D80101", K.PROTECTION_TOO_WEAK, "SYMSEC_0_SecPol"),
    "encrypted, not authenticated": (
        protected(policy=4, control=ENCRYPTED), "D80101", K.PROTECTION_TOO_WEAK, "SYMSEC_0_SecPol",
    ),
    "less than a right": (weak_for_a_right, "C401C10103", K.PROTECTION_TOO_WEAK, "SYMSEC_0_SecDataX_N1"),
    "release protected too little": (weak_release, "6303800101", K.RELEASE_REFUSED, "SYMSEC_REL_N1"),
    "counter of the server used up": (counter_used_up, "D80101", K.COUNTER_USED_UP, ""),
    # short names
    "Read cut off": (on(short.open_wire, "0501"), "0E050300", K.MALFORMED_APDU, "APPL_DATA_SN_N1"),
    "Write cut off": (on(short.open_wire, "0601"), "0E060300", K.MALFORMED_APDU, "APPL_DATA_SN_N2"),
    "GET with short names": (on(short.open_wire, GET_ENERGY), "D80202", K.UNKNOWN_SERVICE, "APPL_DATA_SN_N3"),
    "Write, not agreed": (
        on(lambda: short.open_wire(Conformance.READ), "06010220010100"), "0E060302",
        K.NOT_NEGOTIATED, "APPL_DATA_SN_N3",
    ),
    "next block of no Read": (on(short.open_wire, "0501050001"), "0C010110", K.BLOCK_OUT_OF_TURN, ""),
}  # fmt: skip


@pytest.mark.parametrize(("made", "answer", "kind", "case"), CASES.values(), ids=CASES)
def test_who_breaks_a_rule_is_answered_and_the_rule_is_named(made, answer, kind, case):
    wire, octets = made()
    wire.server.take_findings()
    answered = wire(octets)
    if answer is not SILENCE:
        assert bytes.fromhex(answer.replace(" ", "")) in answered
    (finding,) = wire.server.take_findings()
    assert (finding.kind, finding.client_sap) == (kind, wire.sap)
    assert finding.clause.startswith("IEC 62056-5-3, ")
    assert finding.clause.endswith(case) if case else "case" not in finding.clause
    assert "docs/protocols/" in finding.clause


def test_a_malformed_apdu_is_told_with_the_decoders_sentence_and_the_octet():
    wire = plain_wire()
    wire(GET_ENERGY[:9])
    (finding,) = wire.server.take_findings()
    with pytest.raises(RemoteProtocolError) as caught:
        apdu.decode(GET_ENERGY[:9])
    assert caught.value.message in finding.text
    assert f"octet {caught.value.octet_offset}" in finding.text


def test_neither_passwords_nor_keys_are_told():
    wire = reader()
    wire(lls_aarq(authentication_value=b"hunter2!").encode())
    (finding,) = wire.server.take_findings()
    assert "hunter2" not in str(finding)
    assert b"hunter2!".hex() not in str(finding)


def test_who_keeps_to_the_rules_is_never_told_of():
    wire, ciphering = ciphered_wire()
    for _ in range(3):
        assert ciphering.unprotect(wire(ciphering.protect(published.GET_CLOCK, control=AUTHENTICATED))).apdu[0] == 0xC4
    assert plain_wire().server.findings == wire.server.findings == []


def test_what_is_told_is_bounded_where_no_association_is_open_too():
    wire = reader()
    for _ in range(500):
        wire(GET_ENERGY)
        wire.server.receive(77, GET_ENERGY, bm.NOW_S)
    assert len(wire.server.findings) == 64


def test_every_kind_has_its_clause_and_every_page_that_one_names_is_there():
    assert set(CLAUSES) == set(FindingKind)
    for kind in FindingKind:
        clause = Finding(kind, "", 1).clause
        page, section = clause.split("(")[1].split(")")[0].split(" ", 1)
        text = (ROOT / page).read_text(encoding="utf-8")
        for number in section.replace("§", "").split(", "):
            assert f"\n## {number}. " in text, clause


def test_an_aarq_of_a_client_that_is_refused_leaves_one_finding():
    wire = reader()
    for mechanism in (Mechanism.HLS_GMAC, Mechanism.HLS_MD5):
        acse.decode(wire(lls_aarq(mechanism=mechanism).encode()))
    assert [finding.kind for finding in wire.server.take_findings()] == [K.AARQ_REFUSED] * 2


def test_a_protected_release_that_is_cut_off_is_malformed():
    wire = plain_wire()
    assert wire(Rlrq().encode()[:-1]).hex() == "d80103"
    (finding,) = wire.server.take_findings()
    assert finding.kind is K.MALFORMED_APDU
    assert finding.text.startswith("RLRQ: ")
