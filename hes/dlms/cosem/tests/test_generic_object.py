"""Objects of any declared class: values by name, types checked, changes kept with the instance."""

from dataclasses import dataclass, field

import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import (
    CLASSES,
    ClientAccess,
    Context,
    GenericObject,
    LogicalDevice,
    ObjectStates,
    Role,
    interface_class,
)
from hes.errors import LocalProtocolError

IPV4, NTP = interface_class(42), interface_class(100)
READER = ClientAccess(client_sap=2, role=Role.READER)
MANAGER = ClientAccess(client_sap=1, role=Role.MANAGEMENT)


@dataclass(eq=False)
class Meter:
    states: ObjectStates = field(default_factory=ObjectStates)
    synchronized: int = 0


def _synchronize(meter, _now_s, _parameters):
    meter.synchronized += 1
    return ActionResult.SUCCESS


IP = GenericObject(
    IPV4,
    "0.0.25.1.0.255",
    {"IP_address": data.u32(0xC0A80001), "use_DHCP_flag": data.boolean(True)},
    writable={"IP_address": Role.MANAGEMENT, "use_DHCP_flag": Role.MANAGEMENT},
)
CLOCKS = GenericObject(
    NTP,
    "0.0.25.10.0.255",
    {"server_address": data.octets(b"ntp.example"), "client_key": data.octets(b"k")},
    writable={"client_key": Role.MANAGEMENT},
    methods={"synchronize": _synchronize},
)
DEVICE = LogicalDevice(
    name=lambda _meter: b"AML1", clients=(READER, MANAGER), objects=[IP, CLOCKS], states=lambda meter: meter.states
)


def _as(client, meter):
    return Context(instance=meter, device=DEVICE, client=client)


def test_values_are_read_by_the_index_of_their_name_and_the_others_are_empty():
    context = _as(READER, Meter())
    assert IP.get(context, 3) == axdr.encode(data.u32(0xC0A80001))
    assert IP.get(context, 4) == axdr.encode(data.array(()))
    assert IP.get(context, 2) == axdr.encode(data.octets(bytes(6)))
    assert IP.get(context, 11) is DataAccessResult.OBJECT_UNDEFINED


def test_a_change_is_kept_with_the_instance():
    meter, other = Meter(), Meter()
    assert IP.set(_as(MANAGER, meter), 3, axdr.encode(data.u32(7))) is DataAccessResult.SUCCESS
    assert IP.set(_as(MANAGER, meter), 8, axdr.encode(data.boolean(False))) is DataAccessResult.SUCCESS
    assert IP.get(_as(READER, meter), 3) == axdr.encode(data.u32(7))
    assert IP.get(_as(READER, other), 3) == axdr.encode(data.u32(0xC0A80001))
    assert len(meter.states) == 1
    assert len(other.states) == 0


def test_another_type_another_role_and_another_attribute_are_refused():
    meter = Meter()
    assert IP.set(_as(MANAGER, meter), 3, axdr.encode(data.u16(7))) is DataAccessResult.TYPE_UNMATCHED
    assert IP.set(_as(READER, meter), 3, axdr.encode(data.u32(7))) is DataAccessResult.READ_WRITE_DENIED
    assert IP.set(_as(MANAGER, meter), 6, axdr.encode(data.u32(7))) is DataAccessResult.READ_WRITE_DENIED
    assert len(meter.states) == 0


def test_a_secret_can_be_written_and_never_read():
    meter = Meter()
    context = _as(MANAGER, meter)
    assert CLOCKS.set(context, 7, axdr.encode(data.octets(b"new"))) is DataAccessResult.SUCCESS
    assert CLOCKS.get(context, 7) is DataAccessResult.READ_WRITE_DENIED
    assert CLOCKS.value(context, 7) == data.octets(b"new")


def test_methods_do_what_the_profile_gave_them():
    meter = Meter()
    assert CLOCKS.act(_as(MANAGER, meter), 1, axdr.encode(data.i8(0))).result is ActionResult.SUCCESS
    assert meter.synchronized == 1
    assert CLOCKS.act(_as(MANAGER, meter), 2, None).result is ActionResult.READ_WRITE_DENIED


@pytest.mark.parametrize(
    "arguments",
    [
        {"values": {"IP_adress": data.u32(1)}},
        {"values": {"IP_address": data.u8(1)}},
        {"values": {}, "writable": {"nothing": Role.MANAGEMENT}},
        {"values": {}, "methods": {"nothing": _synchronize}},
    ],
)
def test_a_wrong_declaration_is_refused_when_it_is_made(arguments):
    with pytest.raises(LocalProtocolError, match="IPv4 setup"):
        GenericObject(IPV4, "0.0.25.1.0.255", **arguments)


def test_every_declared_class_can_be_served():
    objects = [GenericObject(declared, bytes_name(index), {}) for index, declared in enumerate(CLASSES.values())]
    device = LogicalDevice(name=lambda _meter: b"AML1", clients=(READER,), objects=objects)
    context = Context(instance=Meter(), device=device, client=READER)
    for entry in objects:
        for index in range(2, len(entry.interface_class.attributes) + 1):
            encoded = entry.get(context, index)
            secret = entry.attributes[index].readable is Role.NOBODY
            assert encoded is DataAccessResult.READ_WRITE_DENIED if secret else axdr.decode_all(encoded)
    assert device.object_list(Role.READER)


def bytes_name(index):
    return f"0.0.{200 + index // 100}.{index % 100}.0.255"
