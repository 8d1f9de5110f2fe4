"""What SNRM and UA agree on, against published frames and from both sides."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import parameters
from hes.dlms.hdlc.parameters import DEFAULTS, Parameters, Said, agree
from hes.dlms.hdlc.tests import published
from hes.errors import LocalProtocolError, RemoteProtocolError

PARAMETERS = st.builds(
    Parameters,
    transmit_octets=st.integers(1, 2030),
    receive_octets=st.integers(1, 2030),
    transmit_window=st.integers(1, 7),
    receive_window=st.integers(1, 7),
)


def said(name: str) -> tuple[int | None, int | None, int | None, int | None]:
    found = parameters.decode(frames.decode(published.body(name)).information)
    assert (found.unknown, found.user_data) == ({}, b"")
    return found.transmit_octets, found.receive_octets, found.transmit_window, found.receive_window


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SNRM empty", (None, None, None, None)),
        ("UA bare", (None, None, None, None)),
        ("SNRM 128/128/1/1", (128, 128, 1, 1)),
        ("SNRM 2030/2030/7/7", (2030, 2030, 7, 7)),
        ("UA 154/154, LD 1 of 17", (154, 154, 1, 1)),
        ("SNRM, client 1 to a concentrator", (230, 230, 1, 1)),
        ("UA 128 transmit 62 receive, client 48", (128, 62, 1, 1)),
        ("UA lengths in 2 octets", (116, 116, 1, 1)),
        ("UA 126/126, client 100", (126, 126, 1, 1)),
    ],
)
def test_published_parameters_are_read(name: str, expected: tuple[int | None, ...]) -> None:
    assert said(name) == expected


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("SNRM 128/128/1/1", DEFAULTS),
        ("UA 128/128/1/1", DEFAULTS),
        (
            "SNRM 2030/2030/7/7",
            Parameters(transmit_octets=2030, receive_octets=2030, transmit_window=7, receive_window=7),
        ),
        ("UA 128 transmit 62 receive, client 48", Parameters(receive_octets=62)),
    ],
)
def test_parameters_are_written_as_published(name: str, own: Parameters) -> None:
    assert own.encode() == frames.decode(published.body(name)).information


@given(PARAMETERS)
def test_parameters_are_read_as_they_were_written(own: Parameters) -> None:
    octets = own.encode()
    assert octets[2] in (0x12, 0x14)
    assert octets[2] == len(octets) - 3
    assert parameters.decode(octets) == Said(
        transmit_octets=own.transmit_octets,
        receive_octets=own.receive_octets,
        transmit_window=own.transmit_window,
        receive_window=own.receive_window,
    )


@given(proposal=PARAMETERS, limits=PARAMETERS)
def test_both_sides_come_to_mirror_images_that_neither_side_minds(proposal: Parameters, limits: Parameters) -> None:
    at_server = agree(limits, parameters.decode(proposal.encode()))
    at_client = agree(proposal, parameters.decode(at_server.encode()))
    assert at_client.transmit_octets == at_server.receive_octets <= limits.receive_octets
    assert at_client.receive_octets == at_server.transmit_octets <= proposal.receive_octets
    assert at_client.transmit_window == at_server.receive_window <= limits.receive_window
    assert at_client.receive_window == at_server.transmit_window <= proposal.receive_window


@given(PARAMETERS)
def test_nothing_said_means_128_octets_and_a_window_of_1_at_most(own: Parameters) -> None:
    agreed = agree(own, parameters.decode(b""))
    assert agreed.transmit_octets == min(own.transmit_octets, 128)
    assert agreed.receive_octets == min(own.receive_octets, 128)
    assert (agreed.transmit_window, agreed.receive_window) == (1, 1)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("8180 06 070107 080107", Said(transmit_window=7, receive_window=7)),
        ("8180 08 08020003 05020080", Said(receive_window=3, transmit_octets=128)),
        ("8180 06 050400001000"[:-2] + "00", Said(transmit_octets=4096)),
        ("8180 07 0901AA 06020100", Said(receive_octets=256, unknown={9: b"\xaa"})),
        ("8180 03 050180 F0014D", Said(transmit_octets=128, user_data=bytes.fromhex("F0014D"))),
        ("8180 06 050180 050140", Said(transmit_octets=64)),
        ("8180 05 0500 060100", Said()),
        ("8180 00", Said()),
        ("8180 04 0502FFFF", Said(transmit_octets=65535)),
    ],
)
def test_other_ways_of_writing_the_same_are_read(octets: str, expected: Said) -> None:
    assert parameters.decode(bytes.fromhex(octets)) == expected


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("01", "begin with 81 80"),
        ("8180", "begin with 81 80"),
        ("81F000", "begin with 81 80"),
        ("8180 06 0501", "past the information field"),
        ("8180 03 050280", "past its group"),
        ("8180 01 05", "past its group"),
    ],
)
def test_what_is_no_parameter_group_is_refused(octets: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint) as caught:
        parameters.decode(bytes.fromhex(octets))
    assert caught.value.octet_offset is not None


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x81\x80" + rest))
def test_random_octets_are_parameters_or_the_one_error(octets: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        agree(DEFAULTS, parameters.decode(octets))


@pytest.mark.parametrize("wrong", [{"transmit_octets": 0}, {"receive_octets": 2031}, {"transmit_window": 8}])
def test_parameters_beyond_the_limits_are_our_own_mistake(wrong: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError, match="HDLC"):
        Parameters(**wrong)
