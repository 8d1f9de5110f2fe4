import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.setup_objects import (
    Counters,
    G3MacSetup,
    HdlcSetup,
    Ipv4Setup,
    Ipv6Setup,
    MbusClient,
    NtpSetup,
    SetupObject,
)
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.hdlc.parameters import Parameters, agree, decode
from hes.dlms.obis import Obis

NAME = "0.0.25.1.0.255"


def entry(meter):
    return meter.device.find(Obis.parse(NAME))


def test_an_ipv4_setup_adds_deletes_and_counts_multicast_addresses():
    meter = ObjectBench(Ipv4Setup(CLASSES[42, 0], NAME, {"IP_address": data.u32(0xC0A80001)}))
    for address in (0xE0000001, 0xE0000002, 0xE0000001):
        assert meter.act(NAME, 1, data.u32(address)) is ActionResult.SUCCESS
    assert meter.get(NAME, 4) == [0xE0000001, 0xE0000002]
    assert axdr.decode_value(meter.ask(NAME, 3).data)[0] == 2
    assert meter.act(NAME, 2, data.u32(0xE0000001)) is ActionResult.SUCCESS
    assert meter.act(NAME, 2, data.u32(0xE0000001)) is ActionResult.OTHER_REASON
    assert meter.act(NAME, 1, data.u16(1)) is ActionResult.TYPE_UNMATCHED
    assert meter.get(NAME, 4) == [0xE0000002]


def test_a_list_of_addresses_has_an_end():
    meter = ObjectBench(Ipv4Setup(CLASSES[42, 0], NAME))
    results = [meter.act(NAME, 1, data.u32(address)) for address in range(65)]
    assert results == [ActionResult.SUCCESS] * 64 + [ActionResult.OTHER_REASON]


@pytest.mark.parametrize(("kind", "attribute"), [(0, 4), (1, 5), (2, 6)])
def test_an_ipv6_setup_keeps_addresses_by_kind(kind, attribute):
    meter = ObjectBench(Ipv6Setup(CLASSES[48, 0], NAME))
    address = data.structure(data.enum(kind), data.octets(bytes(range(16))))
    assert meter.act(NAME, 1, address) is ActionResult.SUCCESS
    assert meter.get(NAME, attribute) == [bytes(range(16))]
    assert meter.act(NAME, 2, address) is ActionResult.SUCCESS
    assert meter.get(NAME, attribute) == []
    for wrong in (
        data.structure(data.enum(3), data.octets(bytes(16))),
        data.structure(data.enum(0), data.octets(b"1")),
    ):
        assert meter.act(NAME, 1, wrong) is ActionResult.TYPE_UNMATCHED


def test_an_ntp_setup_replaces_and_deletes_keys_and_synchronizes_by_its_host():
    def synchronize(meter, _now_s, _parameters):
        meter.done.append("synchronized")
        return ActionResult.SUCCESS

    meter = ObjectBench(NtpSetup(CLASSES[100, 0], NAME, methods={"synchronize": synchronize}))

    def key(key_id, octets):
        return data.structure(data.u32(key_id), data.octets(octets))

    for key_id, octets in ((1, b"a"), (2, b"b"), (1, b"c")):
        assert meter.act(NAME, 2, key(key_id, octets)) is ActionResult.SUCCESS
    kept = entry(meter).get_value(meter.context, "authentication_keys")
    assert axdr.plain(kept) == [(2, b"b"), (1, b"c")]
    assert meter.act(NAME, 3, data.u32(2)) is ActionResult.SUCCESS
    assert meter.act(NAME, 3, data.u32(2)) is ActionResult.OTHER_REASON
    assert meter.act(NAME, 1) is ActionResult.SUCCESS
    assert meter.meter.done == ["synchronized"]


def test_what_needs_hardware_is_refused_without_it():
    meter = ObjectBench(NtpSetup(CLASSES[100, 0], NAME))
    assert meter.act(NAME, 1) is ActionResult.READ_WRITE_DENIED
    connect = ObjectBench(SetupObject(CLASSES[29, 2], NAME))
    assert connect.act(NAME, 1) is ActionResult.READ_WRITE_DENIED
    bus = ObjectBench(MbusClient(NAME))
    for method in (3, 5, 6, 7, 8):
        assert bus.act(NAME, method) is ActionResult.READ_WRITE_DENIED


def test_an_mbus_slave_is_installed_once_and_forgotten_when_it_goes():
    meter = ObjectBench(MbusClient(NAME, {"alarm": data.u8(4), "identification_number": data.u32(7)}))
    assert meter.act(NAME, 2) is ActionResult.OTHER_REASON
    assert meter.act(NAME, 1, data.u8(0)) is ActionResult.OTHER_REASON
    assert meter.act(NAME, 1, data.u8(3)) is ActionResult.SUCCESS
    assert meter.act(NAME, 1, data.u8(4)) is ActionResult.OTHER_REASON
    assert meter.act(NAME, 4) is ActionResult.SUCCESS
    assert [meter.get(NAME, attribute) for attribute in (5, 6, 12)] == [3, 7, 0]
    assert meter.act(NAME, 2) is ActionResult.SUCCESS
    assert [meter.get(NAME, attribute) for attribute in (5, 6)] == [0, 0]


def test_keys_of_an_mbus_slave_go_to_the_host_and_the_status_says_how_far():
    def keys(meter, _now_s, octets):
        meter.done.append(octets)
        return ActionResult.SUCCESS if len(octets) == 16 else ActionResult.OTHER_REASON

    meter = ObjectBench(MbusClient(NAME, keys=keys))
    assert meter.act(NAME, 7, data.octets(b"short")) is ActionResult.OTHER_REASON
    assert meter.get(NAME, 14) == 0
    assert meter.act(NAME, 7, data.octets(bytes(16))) is ActionResult.SUCCESS
    assert meter.get(NAME, 14) == 1
    meter.act(NAME, 8, data.octets(bytes(16)))
    assert meter.get(NAME, 14) == 3
    assert len(meter.meter.done) == 3


@pytest.mark.parametrize("key", [(77, 0), (90, 1)])
def test_counters_are_reset_and_nothing_else(key):
    declared = CLASSES[key]
    counters = {name: data.u32(9) for name in declared.attributes[1:] if name.endswith(("counter", "count"))}
    counters.pop("broadcast_frames_counter", None)
    more = {"channel_id": data.u8(3)} if key == (77, 0) else {}
    meter = ObjectBench(Counters(declared, NAME, counters | more))
    assert counters
    assert meter.act(NAME, 1) is ActionResult.SUCCESS
    assert [meter.get(NAME, declared.attribute_index(name)) for name in counters] == [0] * len(counters)
    for name, value in more.items():
        assert meter.get(NAME, declared.attribute_index(name)) == value.value


def test_a_neighbour_is_found_by_its_short_address():
    neighbour = data.structure(
        data.u16(0x1234), data.boolean(True), data.bits("11"), data.enum(1), data.i8(0), data.enum(0), data.bits("0"),
        data.u8(80), data.i8(0), data.u8(1), data.u8(1),
    )  # fmt: skip
    meter = ObjectBench(G3MacSetup(CLASSES[91, 3], NAME, {"mac_neighbour_table": data.array([neighbour])}))
    reply = meter.ask(NAME, 1, data.u16(0x1234))
    assert (reply.result, reply.data) == (ActionResult.SUCCESS, axdr.encode(neighbour))
    assert meter.act(NAME, 1, data.u16(1)) is ActionResult.OBJECT_UNAVAILABLE
    assert meter.act(NAME, 2, data.u16(1)) is ActionResult.OBJECT_UNAVAILABLE
    older = ObjectBench(G3MacSetup(CLASSES[91, 2], NAME))
    assert older.act(NAME, 2, data.u16(1)) is ActionResult.OBJECT_UNDEFINED


def test_a_hdlc_setup_says_how_the_link_behaves():
    meter = ObjectBench(HdlcSetup(NAME))
    assert entry(meter).link_settings(meter.context).limits == Parameters()
    for attribute, value in (
        (3, data.u8(7)),
        (4, data.u8(5)),
        (5, data.u16(512)),
        (6, data.u16(256)),
        (8, data.u16(0)),
    ):
        assert meter.set(NAME, attribute, value) is DataAccessResult.SUCCESS
    settings = entry(meter).link_settings(meter.context)
    assert settings.inactivity_s is None
    assert settings.limits == Parameters(transmit_octets=512, receive_octets=256, transmit_window=7, receive_window=5)
    meter.set(NAME, 3, data.u8(99))
    meter.set(NAME, 6, data.u16(0))
    assert entry(meter).link_settings(meter.context).limits.transmit_window == 7
    assert entry(meter).link_settings(meter.context).limits.receive_octets == 1


def test_what_the_hdlc_setup_says_is_what_a_client_is_granted():
    meter = ObjectBench(HdlcSetup(NAME, {"max_info_field_length_transmit": data.u16(300)}))
    limits = entry(meter).link_settings(meter.context).limits
    generous = Parameters(transmit_octets=1024, receive_octets=1024, transmit_window=3, receive_window=3)
    agreed = agree(limits, decode(generous.encode()))
    assert agreed == Parameters(transmit_octets=300, receive_octets=128, transmit_window=1, receive_window=1)
