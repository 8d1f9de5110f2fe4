"""Every attribute of every class, read by a client from a server; then the same device works for a day."""

import pytest

from hes.dlms import axdr
from hes.dlms.client import Client
from hes.dlms.client.events import ActDone, Associated, Got, SendNext, SetDone
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import object_list_from_value
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.tests.reference_device import ReferenceMeter, device, name_of
from hes.dlms.cosem.value_types import Meaning
from hes.dlms.server import Server
from hes.dlms.xdlms.common import AttributeDescriptor, MethodDescriptor

NOW_S = 1_734_264_000.0
DEVICE = device()


class Wire:
    """A client and a server, APDU by APDU."""

    def __init__(self):
        self.meter, self.now_s = ReferenceMeter(), NOW_S
        self.server = Server(DEVICE, self.meter, entropy=bytes)
        self.client = Client(ClientSettings(client_sap=1), send_counter=1)
        assert isinstance(self.run(self.client.associate()), Associated)

    def run(self, octets):
        for _ in range(1000):
            event = self.client.receive(self.server.receive(1, octets, self.now_s))
            if not isinstance(event, SendNext):
                return event
            octets = event.octets
        raise AssertionError("no outcome")

    def get(self, target, index):
        descriptor = AttributeDescriptor(target.interface_class.class_id, target.logical_name, index)
        return self.run(self.client.get(descriptor))


@pytest.fixture(scope="module")
def wire():
    return Wire()


@pytest.mark.parametrize("target", list(DEVICE), ids=repr)
def test_every_attribute_is_read_and_has_its_type(wire, target):
    declared = target.interface_class
    for index, kind in enumerate(declared.attribute_types, 1):
        event = wire.get(target, index)
        if kind.meaning is Meaning.SECRET or index not in target.attributes:
            assert not isinstance(event, Got), (index, event)
            continue
        assert isinstance(event, Got), (index, event)
        value = axdr.decode_all(event.data)
        assert declared.mismatch(index, value) is None
        if index == 1:
            assert value.value == target.logical_name


def test_the_device_holds_every_class_in_every_version(wire):
    association = DEVICE.find(bytes((0, 0, 40, 0, 0, 255)))
    event = wire.get(association, 2)
    listed = object_list_from_value(axdr.decode_value(event.data)[0])
    there = {(element.class_id, element.version) for element in listed}
    assert set(CLASSES) <= there


def test_attributes_are_written_back_as_they_were_read(wire):
    """What a client may write it may also write unchanged: reading and writing agree on types."""
    written = 0
    for target in DEVICE:
        for index, declared in target.attributes.items():
            if declared.set is None or declared.get is None:
                continue
            event = wire.get(target, index)
            if not isinstance(event, Got):
                continue
            descriptor = AttributeDescriptor(target.interface_class.class_id, target.logical_name, index)
            done = wire.run(wire.client.set(descriptor, event.data))
            assert isinstance(done, SetDone)
            assert done.results[0] in (DataAccessResult.SUCCESS, DataAccessResult.OTHER_REASON), (target, index)
            if done.results[0] is DataAccessResult.SUCCESS:
                written += 1
                again = wire.get(target, index)
                assert again.data == event.data, (target, index)
    assert written > 200


def test_methods_without_a_meaning_here_are_refused_and_none_breaks_the_server(wire):
    for target in DEVICE:
        for index in range(1, len(target.interface_class.methods) + 2):
            descriptor = MethodDescriptor(target.interface_class.class_id, target.logical_name, index)
            event = wire.run(wire.client.act(descriptor, b"\x0f\x00"))
            assert isinstance(event, ActDone), (target, index)
            if index not in target.methods:
                assert event.result in (ActionResult.READ_WRITE_DENIED, ActionResult.OBJECT_UNDEFINED)


def test_a_day_passes_and_an_idle_meter_remembers_little():
    meter = ReferenceMeter()
    for hour in range(25):
        DEVICE.run_due(meter, NOW_S + 3600 * hour)
    touched = {bytes(name) for name, _state in meter.states}
    assert touched <= {name_of(4), name_of(7, 1), name_of(21), name_of(71)}
