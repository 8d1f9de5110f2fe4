"""What holds for every xDLMS APDU: it comes back as it was sent, and nothing but a value or one error comes out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import apdu
from hes.dlms.apdu import CHOICES, SINGLE, UnknownApduError
from hes.dlms.codes import ApduTag
from hes.dlms.tests import published
from hes.dlms.tests.strategies import outcome
from hes.dlms.xdlms.tests.apdu_strategies import APDUS
from hes.errors import RemoteProtocolError

HEADS = [bytes((tag, choice)) for tag, forms in CHOICES.items() for choice in forms] + [bytes((tag,)) for tag in SINGLE]


@given(sent=APDUS)
def test_every_apdu_comes_back_as_it_was_sent(sent):
    received = apdu.decode(sent.encode())
    assert received == sent
    assert type(received) is type(sent)


@given(sent=APDUS)
def test_any_kind_of_buffer_gives_the_same_apdu(sent):
    octets = sent.encode()
    assert apdu.decode(bytearray(octets)) == apdu.decode(memoryview(octets)) == sent


@given(sent=APDUS, extra=st.binary(min_size=1, max_size=4))
def test_octets_left_over_are_refused(sent, extra):
    with pytest.raises(RemoteProtocolError):
        apdu.decode(sent.encode() + extra)


@given(sent=APDUS, draw=st.data())
def test_an_apdu_cut_short_is_refused(sent, draw):
    octets = sent.encode()
    cut = draw.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(RemoteProtocolError):
        apdu.decode(octets[:cut])


@given(octets=st.binary(max_size=80) | st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=80)))
@example(b"")
@example(b"\xc0")
@example(bytes.fromhex("C003C184FFFFFFFF"))
@example(bytes.fromhex("C402C1010000000100847FFFFFFF00"))
def test_random_octets_give_an_apdu_or_one_error(octets):
    try:
        received = apdu.decode(octets)
    except RemoteProtocolError:
        return
    assert apdu.decode(received.encode()) == received


@given(sent=APDUS, draw=st.data())
def test_a_damaged_apdu_gives_an_apdu_or_one_error(sent, draw):
    octets = bytearray(sent.encode())
    octets[draw.draw(st.integers(0, len(octets) - 1))] ^= draw.draw(st.integers(1, 255))
    outcome(apdu.decode, octets)


@pytest.mark.parametrize("tag", [ApduTag.GENERAL_CIPHERING, ApduTag.GENERAL_SIGNING])
def test_a_service_without_an_entry_is_named_so_that_a_server_can_answer_it(tag):
    with pytest.raises(UnknownApduError) as caught:
        apdu.decode(bytes((tag, 0, 0)))
    assert (caught.value.tag, caught.value.choice, caught.value.known_service) == (tag, None, False)


def test_an_unknown_form_of_a_known_service_is_told_apart_from_an_unknown_service():
    with pytest.raises(UnknownApduError) as caught:
        apdu.decode(bytes.fromhex("C009C100080000010000FF0200"))
    assert (caught.value.tag, caught.value.choice, caught.value.known_service) == (0xC0, 9, True)


def test_a_ciphered_apdu_is_not_taken_for_a_plain_one():
    with pytest.raises(UnknownApduError):
        apdu.decode(published.GLO_GET)


def test_a_list_that_claims_more_than_is_there_is_refused_before_it_is_read():
    with pytest.raises(RemoteProtocolError, match="4294967295 attributes announced but only 0 octets follow"):
        apdu.decode(bytes.fromhex("C003C184FFFFFFFF"))


def test_decoding_a_new_service_needs_one_entry_only(monkeypatch):
    monkeypatch.setitem(SINGLE, 0xEE, lambda reader: reader.take(len(reader.octets) - 1, "service"))
    assert apdu.decode(b"\xee\x81\x00") == b"\x81\x00"
