import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import axdr
from hes.dlms.block_transfer import (
    BLOCK_TRANSFER_OCTETS_MAX,
    Block,
    BlockNumberError,
    Incoming,
    Outgoing,
    capacity,
    plain_limit,
)
from hes.dlms.security.ciphering import Ciphering, CipheringStyle
from hes.dlms.tests import bench_meter, published
from hes.errors import RemoteProtocolError


@given(st.binary(max_size=600), st.integers(1, 300))
@example(b"", 1)
def test_what_is_cut_is_put_together_again(octets, size):
    outgoing, incoming = Outgoing(octets), Incoming()
    while True:
        block = outgoing.next(size)
        assert len(block.raw) <= size
        whole = incoming.add(block)
        if whole is not None:
            break
    assert whole == octets
    assert block.last
    assert block.number == max(1, -(-len(octets) // size))


def test_a_block_out_of_turn_is_refused_and_changes_nothing():
    incoming = Incoming()
    for number in (0, 2):
        with pytest.raises(BlockNumberError):
            incoming.add(Block(last=False, number=number, raw=b"x"))
    assert incoming.add(Block(last=False, number=1, raw=b"a")) is None
    with pytest.raises(BlockNumberError):
        incoming.add(Block(last=False, number=1, raw=b"a"))
    assert incoming.add(Block(last=True, number=2, raw=b"b")) == b"ab"


def test_a_value_without_end_is_refused():
    incoming = Incoming()
    incoming.add(Block(last=False, number=1, raw=bytes(BLOCK_TRANSFER_OCTETS_MAX)))
    with pytest.raises(RemoteProtocolError, match="not taken"):
        incoming.add(Block(last=False, number=2, raw=b"x"))


@given(st.integers(0, 70_000), st.integers(0, 40))
def test_a_block_of_full_capacity_fits_exactly(limit, head):
    octets = capacity(limit, head)
    assert octets >= 0
    if octets:
        assert head + len(axdr.encode_length(octets)) + octets <= limit
    if 0 < octets < 0xFFFF:
        # one more does not fit, but where the length itself grows by an octet
        assert head + len(axdr.encode_length(octets + 1)) + octets + 1 > limit


STYLES = (CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO, CipheringStyle.GENERAL_DED)


@given(st.integers(40, 3000), st.sampled_from(STYLES))
def test_an_apdu_of_the_plain_limit_fits_once_it_is_ciphered(limit, style):
    ciphering = Ciphering(
        system_title=published.CLIENT_TITLE,
        global_keys=bench_meter.keys(),
        send_counter=1,
        dedicated_key=published.MASTER_KEY,
        style=style,
    )
    octets = plain_limit(limit, ciphered=True, style=style)
    assert limit - 2 <= len(ciphering.protect(b"\xc0" + bytes(octets - 1))) <= limit


def test_no_limit_means_what_the_wrapper_can_carry():
    assert plain_limit(0, ciphered=False) == 0xFFFF
