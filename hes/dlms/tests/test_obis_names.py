"""Names of OBIS codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import obis_names
from hes.dlms.cosem.interface_classes import interface_class
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("0.0.1.0.0.255", "clock"),
        ("1.0.1.8.0.255", "active energy import (+A), total"),
        ("1.0.2.8.4.255", "active energy export (-A), rate 4"),
        ("1.0.1.7.0.255", "active power import (+P), instantaneous"),
        ("1.0.61.7.0.255", "active power import (+P) L3, instantaneous"),
        ("1.0.52.7.0.255", "voltage L2, instantaneous"),
        ("1.0.71.7.124.255", "current L3, instantaneous, total harmonic distortion"),
        ("1.0.33.7.0.255", "power factor L1, instantaneous"),
        ("1.0.81.7.10.255", "phase angle, instantaneous, angle 10"),
        ("1.0.1.6.0.255", "active power import (+P), maximum demand"),
        ("1.0.52.36.0.255", "voltage L2, number of swells"),
        ("0.0.96.1.3.255", "device identifier 4"),
        ("0.0.43.1.2.255", "invocation counter 2"),
        ("0.3.24.1.0.255", "M-Bus client, channel 3"),
        ("7.0.3.0.0.255", ""),
        ("1.0.199.199.0.255", ""),
    ],
)
def test_a_code_has_the_name_that_the_field_uses(code: str, name: str) -> None:
    assert obis_names.name(Obis.parse(code)) == name


@given(st.binary(max_size=8))
def test_any_octets_have_a_name_or_none(octets: bytes) -> None:
    assert isinstance(obis_names.name(octets), str)


def test_short_names_stand_for_objects_and_codes_are_taken_as_well() -> None:
    assert obis_names.parse("Clock") == Obis.parse("0.0.1.0.0.255")
    assert obis_names.parse("1-0:1.8.0*255") == Obis.parse("1.0.1.8.0.255")
    with pytest.raises(LocalProtocolError, match=r"'clok'.*, clock,"):
        obis_names.parse("clok")


@pytest.mark.parametrize("known", obis_names.NAMED_OBJECTS, ids=lambda known: known.alias)
def test_a_short_name_reads_an_attribute_that_its_class_has(known: obis_names.NamedObject) -> None:
    declared = interface_class(known.class_id)
    assert declared is not None
    assert 2 <= known.attribute <= len(declared.attributes)
