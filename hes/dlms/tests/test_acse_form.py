"""Forms of ACSE APDUs against `acse`, which reads and writes all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import acse
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.acse_form import encode_release_answer, form_of, release_information
from hes.dlms.codes import AcseDiagnostic, ApplicationContext, AssociationResult, Mechanism, ReleaseReason
from hes.errors import RemoteProtocolError

AARQ = Aarq(
    context=ApplicationContext.LN_CIPHERED,
    calling_ap_title=b"AMICLNT1",
    authentication=True,
    mechanism=Mechanism.HLS_GMAC,
    authentication_value=bytes(16),
    user_information=bytes(33),
)
AARE = Aare(
    context=ApplicationContext.LN_CIPHERED,
    result=AssociationResult.ACCEPTED,
    diagnostic=AcseDiagnostic.AUTHENTICATION_REQUIRED,
    responding_ap_title=b"AMISERV1",
    authentication=True,
    mechanism=Mechanism.HLS_GMAC,
    authentication_value=bytes(16),
    user_information=bytes(33),
)


@pytest.mark.parametrize("apdu", [AARQ, AARE])
@given(value=st.binary(max_size=64), information=st.binary(max_size=200), also=st.data())
def test_a_form_reads_and_writes_what_acse_does(apdu: Aarq | Aare, value: bytes, information: bytes, also) -> None:
    first = replace(apdu, authentication_value=value, user_information=information)
    form = form_of(first, first.encode())
    assert (form is not None) == (0 < len(information) <= 125)
    if form is None:
        return
    value, information = (also.draw(st.binary(min_size=len(x), max_size=len(x))) for x in (value, information))
    octets = replace(first, authentication_value=value, user_information=information).encode()
    assert form.write(value, information) == octets
    assert form.read(octets) == (value, information)
    assert form.write(value + b"x", information) is None
    changed = bytearray(octets)
    changed[also.draw(st.integers(0, len(octets) - 1))] ^= also.draw(st.integers(1, 255))
    read = form.read(bytes(changed))
    if read is not None:  # then only what is left open has changed
        decoded = acse.decode(bytes(changed))
        assert decoded == replace(first, authentication_value=read[0], user_information=read[1])


def test_an_aarq_in_another_order_or_with_more_in_it_has_no_form() -> None:
    octets = AARQ.encode()
    assert form_of(AARQ, octets) is not None
    value, information = octets[-37 - 20 : -37], octets[-37:]
    moved = octets[: -37 - 20] + information + value
    assert acse.decode(moved) == AARQ
    assert form_of(AARQ, moved) is None
    more = replace(AARQ, other=((0xA7, b"\x04\x01\x00"),))
    assert form_of(more, more.encode()) is None


@pytest.mark.parametrize("count", [0, 1, 30, 100, 116, 117, 120, 121, 125, 126, 300])
def test_a_release_with_user_information_has_the_octets_that_acse_gives(count: int) -> None:
    information = bytes(range(count % 256)) + bytes(count - count % 256)
    octets = Rlre(user_information=information).encode()
    assert encode_release_answer(information) == octets
    brought = release_information(Rlrq(user_information=information).encode())
    assert brought == (information if 0 < count <= 120 else None)
    assert release_information(octets) is None  # that is the answer


@given(st.binary(min_size=40, max_size=40), st.integers(0, 48), st.integers(1, 255))
def test_a_release_that_is_read_shortly_is_read_alike_by_acse(information: bytes, place: int, change: int) -> None:
    octets = bytearray(Rlrq(user_information=information).encode())
    octets[place] ^= change
    read = release_information(bytes(octets))
    if read is not None and octets[0] == 0x62:
        assert acse.decode(bytes(octets)) == Rlrq(reason=ReleaseReason.NORMAL, user_information=read)
    elif octets[0] == 0x62 and place < 9:
        try:
            decoded = acse.decode(bytes(octets))
        except RemoteProtocolError:
            return
        assert decoded != Rlrq(user_information=information)
