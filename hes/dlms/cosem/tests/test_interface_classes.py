"""The declarations beside each other and beside an independent list of classes."""

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSClient, ValueEventArgs
from gurux_dlms.enums import ObjectType
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from gurux_dlms.objects import GXDLMSObject

from hes.dlms import axdr, data
from hes.dlms.cosem import CLASSES, conforms, interface_class, name_of, name_of_method
from hes.dlms.cosem.interface_classes import attribute_type, method_type
from hes.dlms.cosem.units import UNITS
from hes.dlms.cosem.value_types import ANYTHING, ENUM, Meaning, ValueType, array, default_of, enum, mismatch
from hes.dlms.data import CompactArray, Data, Tag, TypeDescription

# gurux knows these classes in another version only, or counts otherwise (docs/protocols/cosem-objects.md §1)
OTHER_AT_GURUX = {(7, 0), (24, 0), (29, 0), (29, 1), (65, 1), (91, 4), (92, 4), (151, 0)}
# and of these no method, where the fact base has one
METHODS_MISSING_AT_GURUX = {4}
# gurux says array where it sends and takes a structure
ARRAY_AT_GURUX = {(4, 3), (5, 4), (7, 6), (21, 3), (22, 2), (28, 6), (45, 4)}
# gurux wants more than the declaration says: columns first, an address, a known option; or has not implemented it
NOT_TAKEN_BY_GURUX = {(7, 2), (28, 7), (44, 3), (48, 4), (48, 5), (48, 6)}

each_class = pytest.mark.parametrize(
    "declared", CLASSES.values(), ids=lambda declared: f"{declared.class_id}v{declared.version}"
)


def _at_gurux(declared):
    """The object of that class and version; None where gurux has nothing to compare with."""
    if (declared.class_id, declared.version) in OTHER_AT_GURUX:
        return None
    try:
        theirs = GXDLMSClient.createObject(ObjectType(declared.class_id))
    except ValueError:
        return None
    if type(theirs) is GXDLMSObject:
        return None
    theirs.version = declared.version
    return theirs


COMPARED = [declared for declared in CLASSES.values() if _at_gurux(declared) is not None]
compared = pytest.mark.parametrize("declared", COMPARED, ids=lambda declared: f"{declared.class_id}v{declared.version}")


def _sample(kind: ValueType) -> Data:
    """A value of that type, with one element in every array."""
    if kind.choices:
        return _sample(kind.choices[0])
    if kind.members:
        return Data(Tag.STRUCTURE, tuple(_sample(member) for _name, member in kind.members))
    return data.array([_sample(kind.each)]) if kind.each is not None else default_of(kind)


def _tags(kind: ValueType) -> set[Tag]:
    return set(kind.tags).union(*(_tags(choice) for choice in kind.choices))


@each_class
def test_every_declaration_is_well_formed(declared):
    assert declared.attributes[0] == "logical_name"
    assert len(set(declared.attributes)) == len(declared.attributes) == len(declared.attribute_types)
    assert len(set(declared.methods)) == len(declared.methods) == len(declared.method_types)
    assert declared.attribute_index("logical_name") == 1
    for index, name in enumerate(declared.methods, 1):
        assert declared.method_index(name) == index
    assert interface_class(declared.class_id, declared.version) is declared


@each_class
def test_every_type_takes_the_values_that_it_describes_and_they_can_be_sent(declared):
    for kind in (*declared.attribute_types, *declared.method_types):
        for value in (default_of(kind), _sample(kind)):
            assert mismatch(kind, value) is None, str(kind)
            assert axdr.decode_all(axdr.encode(value)) == value


def test_most_declarations_have_an_independent_counterpart():
    assert len(COMPARED) >= 60


@compared
def test_counts_agree_with_gurux(declared):
    theirs = _at_gurux(declared)
    assert len(declared.attributes) == theirs.getAttributeCount()
    if declared.class_id not in METHODS_MISSING_AT_GURUX:
        assert len(declared.methods) == theirs.getMethodCount()


@compared
def test_types_agree_with_gurux(declared):
    theirs = _at_gurux(declared)
    for index, kind in enumerate(declared.attribute_types, 1):
        expected = int(theirs.getDataType(index) or 0)
        if expected and _tags(kind) and (declared.class_id, index) not in ARRAY_AT_GURUX:
            assert expected in _tags(kind), declared.attributes[index - 1]


@compared
def test_gurux_reads_values_of_the_declared_types(declared):
    settings = GXDLMSClient(True).settings
    theirs = _at_gurux(declared)
    for index, kind in enumerate(declared.attribute_types, 1):
        if (declared.class_id, index) in NOT_TAKEN_BY_GURUX:
            continue
        value = ValueEventArgs(settings, theirs, index)
        value.value = _GXCommon.getData(settings, GXByteBuffer(axdr.encode(_sample(kind))), _GXDataInfo())
        theirs.setValue(settings, value)
        assert not int(value.error), declared.attributes[index - 1]


def test_names_for_people():
    assert name_of(3, 2) == "Register.value"
    assert name_of(15, 9, 1) == "Association LN.security_setup_reference"
    assert name_of(3, 9) == "Register attribute 9"
    assert name_of(9999, 3) == "class 9999 attribute 3"
    assert name_of(3, 2, version=7) == "class 3 attribute 2"
    assert name_of_method(70, 1) == "Disconnect control.remote_disconnect"
    assert name_of_method(70, 3) == "Disconnect control method 3"
    assert name_of_method(9999, 1) == "class 9999 method 1"


def test_the_newest_version_stands_for_the_class():
    assert interface_class(15).version == 3
    assert interface_class(64).version == 1
    assert interface_class(4242) is None
    assert attribute_type(4242, 2) is ANYTHING
    assert method_type(70, 9) is ANYTHING


SCALER_UNIT = data.structure(data.i8(-1), data.enum(30))


@pytest.mark.parametrize(
    ("class_id", "attribute", "value", "reason"),
    [
        (3, 3, SCALER_UNIT, None),
        (3, 3, data.structure(data.u8(0), data.enum(30)), "scaler_unit.scaler is unsigned, not integer"),
        (3, 3, data.structure(data.i8(0)), "scaler_unit has 1 members, not 2"),
        (3, 3, data.array([data.i8(0), data.enum(30)]), "scaler_unit is array, not structure"),
        (3, 2, data.structure(), "value is structure, not null or bit-string or"),
        (3, 9, data.null(), "Register version 0 has no attribute 9"),
        (8, 2, data.octets(bytes(12)), None),
        (8, 2, data.date_time(bytes(12)), None),
        (8, 2, data.octets(bytes(11)), "time is octet-string, not octet-string[12] or date-time"),
        (8, 1, data.octets(bytes(5)), "logical_name has 5 octets, not 6"),
        (7, 3, data.array([data.structure(data.u16(8), data.octets(bytes(6)), data.i8(2), data.u16(0))]), None),
        (7, 3, data.array([data.null()]), "capture_objects[0] is null, not structure"),
        (15, 5, data.structure(*[data.null()] * 6), "xDLMS_context_info.conformance is null"),
        (4242, 2, data.null(), None),
        (3, -1, data.null(), None),
    ],
)
def test_data_of_another_type_is_refused_with_the_place(class_id, attribute, value, reason):
    found = conforms(class_id, None, attribute, value)
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(reason)


def test_a_compact_array_is_an_array_whose_type_is_said_once():
    kind = array(enum(one=1))
    held = CompactArray(TypeDescription(Tag.ENUM), (data.enum(1), data.enum(2)))
    assert mismatch(kind, Data(Tag.COMPACT_ARRAY, held)) is None
    wrong = CompactArray(TypeDescription(Tag.UNSIGNED), (data.u8(1),))
    assert mismatch(kind, Data(Tag.COMPACT_ARRAY, wrong)) == "[0] is unsigned, not enum"


def test_types_are_written_as_people_write_them():
    assert str(attribute_type(3, 3)) == "structure {scaler integer, unit enum}"
    assert str(attribute_type(8, 2)) == "octet-string[12] or date-time"
    assert str(ANYTHING) == "anything"
    assert str(attribute_type(71, 9)) == "array of long-unsigned"
    assert ENUM.words == {}


def test_numbers_have_words():
    assert attribute_type(70, 3).words[2] == "ready for reconnection"
    assert attribute_type(64, 2, 1).meaning is Meaning.FLAGS
    assert attribute_type(3, 3).members[1][1].words is not None
    assert dict(attribute_type(3, 3).members[1][1].words) == UNITS
    assert (UNITS[30], UNITS[255]) == ("Wh", "")
    assert len(UNITS) == len(set(UNITS.values()))
