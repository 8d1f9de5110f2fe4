"""OBIS codes: every way of writing one, and that nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError

ACTIVE_ENERGY = bytes.fromhex("0100010800FF")


@pytest.mark.parametrize(
    "text",
    ["1.0.1.8.0.255", "1.0.1.8.0", "1-0:1.8.0*255", "1-0:1.8.0.255", "1-0:1.8.0", "1-0:1.8.0&255", "0100010800ff",
     " 1.0.1.8.0.255\n"],
)  # fmt: skip
def test_every_way_of_writing_a_code_gives_the_same_octets(text):
    assert Obis.parse(text) == ACTIVE_ENERGY


@given(st.binary(min_size=6, max_size=6))
def test_codes_survive_print_and_parse_and_stay_octets(octets):
    code = Obis(octets)
    assert Obis.parse(str(code)) == octets
    assert Obis.parse(octets.hex()) == code
    assert {octets: "found"}[code] == "found"
    assert f"{code}" == str(code) == ".".join(map(str, octets))
    assert str(code) in repr(code)


@pytest.mark.parametrize(
    "text",
    ["", "1.8.0", "1.0.1.8", "1.0.1.8.0.256", "1.0.1.8.0.255.1", "a.0.1.8.0.255", "0100010800", "1..1.8.0.255",
     "1.0.1.8.0.\u0661", "-1.0.1.8.0.255", "1 0 1 8 0 255"],
)  # fmt: skip
def test_what_is_not_a_code_is_refused(text):
    with pytest.raises(LocalProtocolError):
        Obis.parse(text)


@pytest.mark.parametrize("octets", [b"", bytes(5), bytes(7)])
def test_a_code_has_six_octets(octets):
    with pytest.raises(LocalProtocolError):
        Obis(octets)
