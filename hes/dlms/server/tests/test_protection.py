"""The usual form of a ciphered APDU, which `Protection` reads and writes by itself, against `Ciphering`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms.cosem.access import SecurityPolicy
from hes.dlms.cosem.security_state import SecurityMemory
from hes.dlms.security import EncryptionKeys, SecurityControl
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, Unprotected
from hes.dlms.server.protection import Protection
from hes.errors import LocalProtocolError, RemoteProtocolError

KEYS = EncryptionKeys(bytes(range(16)), bytes(range(16, 32)))
SERVER, CLIENT = b"AMISERV1", b"AMICLNT1"
GET = bytes.fromhex("c00181000301000108 00ff0200")
GOT = bytes.fromhex("c401810006 00000001")
EXPECTED = 100
UNSIGNED = [SecurityPolicy(bits) for bits in range(0, 128, 4) if not bits & SecurityPolicy.SIGNED_REQUEST]


def protection(policy: SecurityPolicy = SecurityPolicy.NONE) -> Protection:
    memory = SecurityMemory(system_title=SERVER)
    memory.add_setup(0, KEYS, policy=policy, send_counter=7, receive_counter=EXPECTED)
    return Protection(memory, 0, CLIENT)


def client(counter: int, keys: EncryptionKeys = KEYS, title: bytes = CLIENT) -> Ciphering:
    return Ciphering(system_title=title, global_keys=keys, send_counter=lambda: counter, peer_system_title=SERVER)


def outcome(one: Protection, octets: bytes, *, shortly: bool) -> tuple[object, int]:
    """What comes of a request, and the counter that is expected after it."""
    opened: object
    try:
        opened = one.open(octets) if shortly else one.ciphering.unprotect(octets)
    except RemoteProtocolError as error:
        opened = type(error), error.message
    return opened, one.lowest_counter


@given(st.data())
@settings(max_examples=300)
def test_whatever_comes_is_opened_or_refused_as_the_long_way_does_it(data: st.DataObject) -> None:
    counter = data.draw(st.sampled_from((0, EXPECTED - 1, EXPECTED, EXPECTED + 5, 0xFFFF_FFFE)))
    plain = data.draw(st.sampled_from((GET, b"\xc3\x01\x81", b"\x01\x00\x00", b"\xc0", GET * 8, GET * 20, b"\xdf\x00")))
    style = data.draw(st.sampled_from((CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO)))
    control = SecurityControl(data.draw(st.sampled_from((0x30, 0x10, 0x20, 0x31, 0x70))))
    octets = bytearray(client(counter).protect(plain, style=style, control=control))
    if data.draw(st.booleans()):
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    request = bytes(octets[: data.draw(st.integers(1, len(octets)))] if data.draw(st.booleans()) else octets)
    assert outcome(protection(), request, shortly=True) == outcome(protection(), request, shortly=False)


@pytest.mark.parametrize("policy", UNSIGNED)
@pytest.mark.parametrize("answer", [GOT, GOT * 30, GOT * 40, b"\xd8\x01\x02", b"\x08\x00\x06"])
def test_an_answer_in_the_usual_form_has_the_octets_that_the_long_way_gives(
    policy: SecurityPolicy, answer: bytes
) -> None:
    request = client(EXPECTED).protect(GET)
    one, other = protection(policy), protection(policy)
    long_way = other.ciphering.unprotect(request)
    assert one.protect_like(answer, one.open(request)) == other.ciphering.protect(
        answer, key=long_way.scope, style=long_way.style, control=SecurityControl(0x30)
    )
    assert one.state.take_send_counter(0) == other.state.take_send_counter(0)


def test_an_answer_that_the_policy_wants_signed_goes_the_long_way() -> None:
    one = protection(SecurityPolicy.SIGNED_RESPONSE)
    with pytest.raises(LocalProtocolError, match="signatures"):  # suite 0 has none
        one.protect_like(GOT, one.open(client(EXPECTED).protect(GET)))


def test_a_request_in_another_form_is_answered_in_that_form() -> None:
    one = protection()
    request = client(EXPECTED).protect(GET, style=CipheringStyle.GENERAL_GLO)
    assert one.protect_like(GOT, one.open(request))[0] == 0xDB


@pytest.mark.parametrize("usual", [CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO])
def test_new_keys_open_what_comes_next_and_the_old_ones_do_not(usual: CipheringStyle) -> None:
    one = protection()
    one.open(client(EXPECTED).protect(GET, style=usual))
    one.state.replace_keys(0, encryption=bytes(16), authentication=None)
    one.take_new_keys()
    fresh = EncryptionKeys(bytes(16), KEYS.authentication)
    opened: Unprotected = one.open(client(0, fresh).protect(GET, style=usual))
    assert opened.apdu == GET
    with pytest.raises(RemoteProtocolError):
        one.open(client(EXPECTED + 9).protect(GET, style=usual))


@pytest.mark.parametrize("policy", [SecurityPolicy(bits) for bits in range(0, 256, 4)])
def test_what_is_in_the_usual_form_is_enough_for_the_policy_or_left_alone(policy: SecurityPolicy) -> None:
    one = protection(policy)
    opened = one.open_usual(client(EXPECTED).protect(GET))
    assert (opened is None) == bool(policy & SecurityPolicy.SIGNED_REQUEST)
    assert one.lowest_counter == (EXPECTED if opened is None else EXPECTED + 1)
    assert opened is None or one.sufficient(opened)
