"""A device as a whole: standard objects, object list, security setup, registers."""

import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import ApplicationContext, Conformance, DataAccessResult
from hes.dlms.cosem import (
    AssociationStatus,
    ClientAccess,
    Context,
    DataObject,
    LogicalDevice,
    Register,
    Role,
    ScalerUnit,
    SecurityPolicy,
    object_list_from_value,
    public_client,
    sap_list_from_value,
    security_policy_from_value,
)
from hes.dlms.obis import Obis
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import LocalProtocolError, RemoteProtocolError

MANAGER = bm.DEVICE.clients[bm.MANAGEMENT]


def context(client=MANAGER, **changes):
    return Context(
        instance=bm.BenchMeter(),
        device=bm.DEVICE,
        client=client,
        application_context=ApplicationContext.LN_CIPHERED,
        conformance=Conformance(0x00501F),
        max_send_pdu_size=500,
        client_system_title=published.CLIENT_TITLE,
        status={bm.MANAGEMENT: AssociationStatus.ASSOCIATED},
        now_s=bm.NOW_S,
        **changes,
    )


def read(name, index, client=MANAGER):
    found = bm.DEVICE.find(Obis.parse(name))
    value = found.get(context(client), index)
    return axdr.decode_value(value)[0] if isinstance(value, bytes) else value


def test_the_device_says_its_name_and_where_it_stands():
    assert read("0.0.42.0.0.255", 2) == b"AML0000000000001"
    assert sap_list_from_value(read("0.0.41.0.0.255", 2)) == {1: b"AML0000000000001"}


def test_the_current_association_says_what_was_agreed():
    name = "0.0.40.0.0.255"
    assert read(name, 3) == (bm.MANAGEMENT, 1)
    assert read(name, 4) == bytes.fromhex("60857405080103")
    conformance, receive, send, version, quality, ciphering = read(name, 5)
    assert int(conformance, 2) == 0x00501F
    assert len(conformance) == 24
    assert (receive, send, version, quality, ciphering) == (1224, 500, 6, 0, b"")
    assert read(name, 6) == bytes.fromhex("60857405080205")
    assert read(name, 7) is DataAccessResult.READ_WRITE_DENIED
    assert read(name, 8) == 2
    assert read(name, 9) == Obis.parse("0.0.43.0.0.255")


def test_every_declared_association_has_its_object():
    names = {3: "0.0.40.0.3.255", 1: "0.0.40.0.1.255"}
    assert read(names[3], 3) == (bm.READER, 1)
    assert read(names[3], 6)[-1] == 1
    assert read(names[3], 8) == 0
    assert read(names[3], 9) == b""
    assert read(names[1], 3) == (bm.PUBLIC, 1)
    assert int(read(names[1], 5)[0], 2) == int(bm.DEVICE.clients[bm.PUBLIC].conformance)
    public = object_list_from_value(read(names[1], 2))
    assert len(public) < len(object_list_from_value(read("0.0.40.0.0.255", 2)))


def test_the_object_list_gives_rights_by_role():
    listed = {
        role: {element.logical_name: element for element in object_list_from_value(axdr.decode_value(octets)[0])}
        for role, octets in ((role, bm.DEVICE.object_list(role)) for role in (Role.READER, Role.MANAGEMENT))
    }
    reader, manager = listed[Role.READER], listed[Role.MANAGEMENT]
    assert bm.SECRET_TEXT in manager
    assert bm.SECRET_TEXT not in reader
    assert (reader[bm.MESSAGE].attributes[2], manager[bm.MESSAGE].attributes[2]) == (1, 3)
    assert (reader[bm.RELAY].methods, manager[bm.RELAY].methods) == ({1: 0, 2: 0}, {1: 1, 2: 1})
    assert (reader[bm.ENERGY].methods, manager[bm.ENERGY].methods) == ({1: 0}, {1: 0})
    assert manager[bm.EXPORT].methods == {1: 1}
    assert manager[bm.LOAD_PROFILE].version == 1
    assert bm.DEVICE.object_list(Role.READER) is bm.DEVICE.object_list(Role.READER)  # made once


def test_the_profile_lists_its_selectors():
    elements = axdr.decode_value(bm.DEVICE.object_list(Role.READER))[0]
    (profile,) = [element for element in elements if element[2] == bm.LOAD_PROFILE]
    assert profile[3][0][1] == (2, 1, [1, 2])
    assert profile[3][0][2] == (3, 1, None)


@pytest.mark.parametrize("value", [5, [(1, 2)], [(1, 0, b"short", ([], []))], [(1, 0, bm.CLOCK, ([(1,)], []))]])
def test_an_object_list_of_another_shape_is_an_error(value):
    with pytest.raises(RemoteProtocolError, match="not an object list"):
        object_list_from_value(value)


@pytest.mark.parametrize("value", [5, [(1, 2, 3)], ["x"]])
def test_a_sap_list_of_another_shape_is_an_error(value):
    with pytest.raises(RemoteProtocolError):
        sap_list_from_value(value)


def test_the_security_setup_is_readable():
    setup, asked = bm.DEVICE.find(Obis.parse("0.0.43.0.1.255")), context()
    shown = [axdr.decode_value(setup.get(asked, index))[0] for index in (2, 3, 4, 5)]
    assert shown == [3, 0, b"", published.SERVER_TITLE]
    asked.instance.security.note_client(1, b"ANOTHER1")  # not the one that reads
    assert axdr.decode_value(setup.get(asked, 4))[0] == b"ANOTHER1"
    assert security_policy_from_value(3, version=0) == bm.PROTECTED
    assert security_policy_from_value(0x6C, version=1) == bm.PROTECTED
    for value in (4, None):
        with pytest.raises(RemoteProtocolError):
            security_policy_from_value(value, version=0)


def test_a_newer_security_setup_speaks_of_policies_in_bits():
    device = LogicalDevice(
        name=lambda _meter: b"AML",
        clients=(ClientAccess(client_sap=1, role=Role.MANAGEMENT, security_setup=0),),
        objects=(),
        security=lambda meter: meter.security,
        security_setup_version=1,
    )
    setup = device.find(Obis.parse("0.0.43.0.0.255"))
    asking = Context(instance=bm.BenchMeter(), device=device, client=device.clients[1])
    assert setup.act(asking, 1, b"\x16\x24").result == 0
    assert setup.get(asking, 2) == b"\x16\x24"
    assert setup.act(asking, 1, b"\x16\x6c").result == 0
    assert setup.act(asking, 1, b"\x16\x24").result == 3  # weaker
    assert setup.act(asking, 1, b"\x16\x10").result == 250  # signatures belong to other suites
    assert setup.act(asking, 1, b"\x16\x01").result == 250
    assert setup.act(asking, 3, b"\x01\x00").result == 250  # no key pairs here
    assert setup.get(asking, 6) == b"\x01\x00"


def test_the_invocation_counter_is_the_lowest_still_acceptable():
    meter = bm.BenchMeter()
    asking = Context(instance=meter, device=bm.DEVICE, client=bm.DEVICE.clients[bm.PUBLIC])
    counter = bm.DEVICE.find(Obis.parse("0.0.43.1.0.255"))
    assert counter.get(asking, 2) == b"\x06\x00\x00\x00\x00"
    meter.security.advance_receive_counter(0, 77)
    assert counter.get(asking, 2) == b"\x06\x00\x00\x00\x4d"


def test_given_objects_take_the_place_of_the_standard_ones():
    own = DataObject("0.0.42.0.0.255", data.octets(b"own"))
    device = LogicalDevice(name=lambda _meter: b"AML", clients=(public_client(),), objects=(own,))
    assert device.find(Obis.parse("0.0.42.0.0.255")) is own
    assert next(iter(device)) is own


@pytest.mark.parametrize(
    ("clients", "objects", "message"),
    [
        ((public_client(), public_client()), (), "SAP is declared twice"),
        (
            (public_client(),),
            (DataObject("1.0.0.0.0.255", data.null()), Register("1.0.0.0.0.255", data.null(), ScalerUnit(0, 30))),
            "1.0.0.0.0.255 is declared twice",
        ),
    ],
)
def test_what_is_declared_twice_is_refused(clients, objects, message):
    with pytest.raises(LocalProtocolError, match=message):
        LogicalDevice(name=lambda _meter: b"AML", clients=clients, objects=objects)


@pytest.mark.parametrize(
    ("name", "count"), [(bm.EXPORT, 3), (bm.MAX_DEMAND, 5), (bm.DEMAND, 9), (bm.MESSAGE, 2), (bm.RELAY, 4)]
)
def test_every_attribute_of_the_register_family_is_read(name, count):
    found = bm.DEVICE.find(name)
    assert len(found.interface_class.attributes) == count
    for index in range(1, count + 1):
        value = found.get(context(), index)
        assert isinstance(value, bytes)
        assert axdr.skip(value, 0) == len(value)


def test_scaler_and_unit_are_exact():
    assert ScalerUnit.from_value((-1, 27)) == ScalerUnit(-1, 27)
    assert str(ScalerUnit(-3, 30).scaled(1_234_567)) == "1234.567"
    assert ScalerUnit(3, 30).scaled(2) == 2000
    assert (ScalerUnit(0, 30).unit_name, ScalerUnit(0, 199).unit_name) == ("Wh", "unit 199")
    for value in (None, (1,), (1, "30"), [1, 30]):
        with pytest.raises(RemoteProtocolError):
            ScalerUnit.from_value(value)


def test_policies_cover_what_the_numbers_say():
    from hes.dlms.cosem.access import NUMBER_OF_POLICY, POLICY_OF_NUMBER

    assert {number: int(policy) for number, policy in POLICY_OF_NUMBER.items()} == {0: 0, 1: 0x24, 2: 0x48, 3: 0x6C}
    assert {NUMBER_OF_POLICY[policy] for policy in POLICY_OF_NUMBER.values()} == {0, 1, 2, 3}
    assert SecurityPolicy.NONE in POLICY_OF_NUMBER.values()
