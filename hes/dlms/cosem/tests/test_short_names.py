"""Which short name stands for what."""

import pytest

from hes.dlms import axdr
from hes.dlms.codes import ApplicationContext
from hes.dlms.cosem import CLASSES, ClientAccess, DataObject, LogicalDevice
from hes.dlms.cosem.access import Role
from hes.dlms.cosem.association_sn import encode_access_rights, encode_sn_object_list, sn_object_list_from_value
from hes.dlms.cosem.short_names import (
    ASSOCIATION_SN_BASE,
    BASE_FIRST,
    ShortNames,
    attribute_name,
    method_name,
    method_offset,
)
from hes.dlms.obis import Obis
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import bench_short_names as bs
from hes.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("class_id", "version", "method", "offset"),
    [
        (12, 2, 3, 0x30),  # the three that two sources give
        (12, 2, 5, 0x40),
        (12, 2, 8, 0x58),
        (20, 0, 1, 0x50),
        (11, 0, 2, 0x18),
        (72, 1, 8, 0xA8),
        (3, 0, 1, 0x28),
        (7, 1, 2, 0x60),
        (70, 0, 2, 0x28),
    ],
)
def test_methods_lie_where_the_sources_say(class_id, version, method, offset):
    assert method_name(0x1000, class_id, version, method) == 0x1000 + offset


def test_no_method_lies_on_an_attribute():
    for declared in CLASSES.values():
        offset = method_offset(declared.class_id, declared.version)
        if offset is not None and declared.class_id != 15:
            assert offset >= 8 * len(declared.attributes), declared.name


def test_a_class_without_a_source_has_no_method_names():
    with pytest.raises(LocalProtocolError, match="no short name is known for method 1 of class 111"):
        method_name(0x1000, 111, 0, 1)
    with pytest.raises(LocalProtocolError, match="attribute 0 has no short name"):
        attribute_name(0x1000, 0)
    with pytest.raises(LocalProtocolError, match="not one of 16 bits"):
        attribute_name(0xFFF8, 3)


def test_special_objects_have_the_reserved_names_and_the_rest_follows_in_order():
    names = {entry.interface_class.class_id: base for base, entry in bs.NAMES.objects if base >= ASSOCIATION_SN_BASE}
    assert names == {12: 0xFA00, 17: 0xFC00, 1: 0xFD00}
    bases = [base for base, _entry in bs.NAMES.objects if base < ASSOCIATION_SN_BASE]
    assert bases == sorted(bases)
    assert bases[0] == BASE_FIRST
    assert not any(base % 8 for base in bases)
    assert [base for base, _ in bs.device().short_names.objects] == [base for base, _ in bs.NAMES.objects]


def test_every_attribute_and_method_is_found_by_its_name_and_by_no_other():
    seen = set()
    for base, entry in bs.NAMES.objects:
        declared = entry.interface_class
        for index in range(1, len(declared.attributes) + 1):
            name = attribute_name(base, index)
            assert bs.NAMES.find(name) == (entry, index, False)
            assert name not in seen
            seen.add(name)
        if method_offset(declared.class_id, declared.version) is None:
            continue
        for index in range(1, len(declared.methods) + 1):
            name = method_name(base, declared.class_id, declared.version, index)
            assert bs.NAMES.find(name) == (entry, index, True)
            assert name not in seen
            seen.add(name)
    assert all(bs.NAMES.find(name) is None for name in range(0x10000) if name not in seen)


def test_a_device_with_more_objects_than_names_cannot_offer_short_names():
    many = [DataObject(Obis(bytes((0, 0, 96, 128 + i // 250, i % 250, 255))), b"\x00") for i in range(4000)]
    LogicalDevice(name=lambda _meter: b"AML", clients=(), objects=many)
    client = ClientAccess(client_sap=16, role=Role.PUBLIC, contexts=frozenset({ApplicationContext.SN}))
    with pytest.raises(LocalProtocolError, match="too many objects for short names"):
        LogicalDevice(name=lambda _meter: b"AML", clients=(client,), objects=many)


def test_the_lists_show_what_a_role_may_use():
    everything = sn_object_list_from_value(
        axdr.decode_value(encode_sn_object_list(bs.NAMES.objects, Role.MANAGEMENT))[0]
    )
    public = sn_object_list_from_value(axdr.decode_value(encode_sn_object_list(bs.NAMES.objects, Role.PUBLIC))[0])
    assert {element.base_name for element in public} < {element.base_name for element in everything}
    secret = next(element for element in everything if element.logical_name == bm.SECRET_TEXT)
    assert (secret.class_id, secret.version, secret.base_name) == (1, 0, bs.BASES[bm.SECRET_TEXT])
    assert not any(element.class_id == 15 for element in everything)
    rights = {row[0] & 0xFFFF: row for row in axdr.decode_value(encode_access_rights(bs.NAMES.objects, Role.READER))[0]}
    _base, attributes, methods = rights[bs.BASES[bm.LOAD_PROFILE]]
    assert attributes[1] == (2, 1, [1, 2])
    assert [mode for _index, mode in methods] == [0, 0]


@pytest.mark.parametrize("value", [None, [(1, 2, 3)], [(1, 2, 3, b"short")], [("x", 1, 0, bytes(6))], 5])
def test_anything_else_is_no_object_list(value):
    with pytest.raises(RemoteProtocolError, match="not an object list"):
        sn_object_list_from_value(value)


def test_names_need_no_device():
    assert ShortNames(bm.objects()).find(BASE_FIRST).number == 1
