import pytest
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import InterfaceType
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSData, GXDLMSPushSetup

from hes.dlms import apdu, axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Clock
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.push.settings import (
    Destination,
    MessageType,
    OperationMethod,
    ProtectionType,
    PushProtection,
    RepetitionDelay,
    TransportService,
)
from hes.dlms.cosem.push.setup import PushSetup, PushState, outgoing
from hes.dlms.cosem.push.time_windows import TimeWindow
from hes.dlms.cosem.tests.gurux_octets import gurux_octets
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench, number
from hes.dlms.cosem.tests.test_time_windows import NIGHTLY
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED_ENCRYPTED
from hes.dlms.selective_access import CaptureObject
from hes.dlms.server import protect_notification
from hes.dlms.tests import published
from hes.dlms.tests.bench_meter import security
from hes.errors import LocalProtocolError

PUSH, ENERGY = "0.0.25.9.0.255", "1.0.1.8.0.255"
OBJECTS = (
    CaptureObject(40, Obis.parse(PUSH), 1),
    CaptureObject(1, Obis.parse("0.0.42.0.0.255"), 2),
    CaptureObject(1, Obis.parse(ENERGY), 2),
)
START = PushState(
    objects=OBJECTS,
    destination=Destination(TransportService.TCP, b"hes.example:4059", MessageType.A_XDR),
    retries=2,
    delay=RepetitionDelay(30),
)


def bench(version=0, start_delay=None, **changes):
    fields = {field: getattr(START, field) for field in START.__slots__} | changes
    push = PushSetup(PUSH, PushState(**fields), version=version, start_delay=start_delay)
    return ObjectBench(Clock(time=lambda _meter, now_s: now_s), number(ENERGY), push)


def messages(meter):
    return outgoing(meter.device, meter.meter, meter.now_s)


def body(message):
    return axdr.plain(axdr.decode_all(message.notification.data))


def setup(meter):
    return meter.device.find(Obis.parse(PUSH))


def test_a_push_carries_the_listed_attributes_as_a_structure():
    meter = bench()
    meter.set(ENERGY, 2, data.u32(4711))
    assert meter.act(PUSH, 1) is ActionResult.SUCCESS
    meter.wait(1)
    (message,) = messages(meter)
    assert body(message) == (Obis.parse(PUSH), b"AML1", 4711)
    assert message.destination.address == b"hes.example:4059"
    decoded = apdu.decode(message.notification.encode())
    assert (decoded.invoke, decoded.data) == (0, message.notification.data)
    assert messages(meter) == []


def test_gurux_reads_the_body_with_its_push_object_list():
    meter = bench()
    meter.set(ENERGY, 2, data.u32(4711))
    meter.act(PUSH, 1)
    meter.wait(1)
    (message,) = messages(meter)
    client = GXDLMSClient(True)
    client.interfaceType = InterfaceType.PDU
    notified = GXReplyData()
    client.getData(GXByteBuffer(message.notification.encode()), GXReplyData(), notified)
    value = notified.value
    assert [bytes(value[0]), bytes(value[1]), value[2]] == [Obis.parse(PUSH), b"AML1", 4711]


def test_values_are_those_of_the_moment_of_sending_and_repeated_as_they_were():
    meter = bench(start_delay=lambda _meter, _now_s, interval_s: interval_s / 2, randomisation_s=100)
    meter.act(PUSH, 1)
    assert meter.deadline() == 50
    meter.set(ENERGY, 2, data.u32(1))
    meter.wait(50)
    (first,) = messages(meter)
    meter.set(ENERGY, 2, data.u32(2))
    setup(meter).failed(meter.context, first.number)
    assert meter.deadline() == 30
    meter.wait(30)
    (second,) = messages(meter)
    assert (body(first)[2], second.notification, second.attempt) == (1, first.notification, 2)


def test_a_push_is_given_up_after_its_retries():
    meter = bench()
    meter.act(PUSH, 1)
    attempts = []
    for _ in range(6):
        meter.wait(30)
        for message in messages(meter):
            attempts.append(message.attempt)
            setup(meter).failed(meter.context, message.number)
    assert attempts == [1, 2, 3]
    assert meter.deadline() is None


def test_outside_its_window_a_push_waits_for_the_next_one():
    meter = bench(windows=(NIGHTLY,))  # 12:00 UTC now
    meter.act(PUSH, 1)
    assert meter.deadline() == 13 * 3600
    meter.wait(13 * 3600)
    assert len(messages(meter)) == 1


def test_a_confirmed_push_is_repeated_until_confirmed_and_says_when():
    meter = bench(version=2, method=OperationMethod.CONFIRMED, delay=RepetitionDelay(10, 200, 3600))
    meter.act(PUSH, 1)
    meter.wait(1)
    (first,) = messages(meter)
    assert first.confirmed
    assert first.notification.invoke == 1 << 30
    assert meter.deadline() == pytest.approx(9.01, abs=0.02)
    meter.wait(10)
    (second,) = messages(meter)
    assert (second.attempt, second.number) == (2, first.number)
    assert meter.get(PUSH, 13) == NO_DATE_TIME
    setup(meter).delivered(meter.context, second.number)
    assert meter.get(PUSH, 13)[:9].hex() == "07e80c0f070c000b00"
    assert meter.deadline() is None
    assert meter.act(PUSH, 2) is ActionResult.SUCCESS
    assert meter.get(PUSH, 13) == NO_DATE_TIME


def test_reset_forgets_the_pushes_at_hand():
    meter = bench(version=2, windows=(NIGHTLY,))
    meter.act(PUSH, 1)
    assert meter.deadline() is not None
    meter.act(PUSH, 2)
    assert meter.deadline() is None
    assert bench(version=1).act(PUSH, 2) is ActionResult.OBJECT_UNDEFINED


def test_an_element_all_attributes_and_what_cannot_be_read():
    lists = "1.0.99.2.0.255"
    objects = (
        CaptureObject(1, Obis.parse(lists), 2, 2),
        CaptureObject(1, Obis.parse(lists), 2, 3),
        CaptureObject(1, Obis.parse(lists), 0),
        CaptureObject(3, Obis.parse(lists), 2),
        CaptureObject(1, Obis.parse("9.9.9.9.9.9"), 2),
        CaptureObject(1, Obis.parse(lists), 2, 0x1001),
    )
    meter = ObjectBench(number(lists), PushSetup(PUSH, PushState(objects=objects)))
    meter.set(lists, 2, data.structure(data.u8(1), data.octets(b"two")))
    meter.act(PUSH, 1)
    meter.wait(1)
    (message,) = messages(meter)
    assert body(message) == (b"two", None, (Obis.parse(lists), (1, b"two")), None, None, None)


def test_a_protected_push_is_sealed_by_the_server_and_opened_by_its_reader():
    protection = PushProtection(ProtectionType.AUTHENTICATION_AND_ENCRYPTION, originator=published.SERVER_TITLE)
    meter = bench(version=1, protections=(protection,))
    meter.act(PUSH, 1)
    meter.wait(1)
    (message,) = messages(meter)
    assert message.control == AUTHENTICATED_ENCRYPTED
    sealed = protect_notification(security(), 0, message.notification, control=message.control)
    assert sealed[0] == 0xDB
    assert message.notification.data not in sealed
    signed = bench(version=1, protections=(PushProtection(ProtectionType.DIGITAL_SIGNATURE),))
    signed.act(PUSH, 1)
    signed.wait(1)
    with pytest.raises(LocalProtocolError):
        assert messages(signed)[0].control


def test_without_protection_there_is_no_control():
    meter = bench()
    meter.act(PUSH, 1)
    meter.wait(1)
    assert messages(meter)[0].control is None


VALUES = {
    2: data.array(
        [data.structure(data.u16(1), data.octets(Obis.parse(ENERGY)), data.i8(2), data.u16(0))],
    ),
    3: data.structure(data.enum(1), data.octets(b"10.0.0.1"), data.enum(0)),
    4: data.array([data.structure(data.octets(NIGHTLY.start), data.octets(NIGHTLY.end))]),
    5: data.u16(60),
    6: data.u8(3),
    7: data.u16(90),
}
NO_RESTRICTION = data.structure(data.enum(0), data.null())
OBJECT = VALUES[2].value[0].value
IDENTIFIED = data.structure(data.enum(0), data.structure(data.enum(0)))
LAYER = data.structure(
    data.enum(2),
    data.structure(data.octets(b"t"), data.octets(b"12345678"), data.octets(b""), data.octets(b""), IDENTIFIED),
)
MORE = {
    0: {},
    1: {2: data.array([data.structure(*OBJECT, NO_RESTRICTION)]), 9: data.i8(16), 10: data.array([LAYER])},
    2: {
        2: data.array([data.structure(*OBJECT, NO_RESTRICTION, data.array(()))]),
        7: data.structure(data.u16(1), data.u16(200), data.u16(60)),
        8: data.octets(Obis.parse("0.0.25.0.0.255")),
        10: data.array([LAYER]),
        11: data.enum(2),
        12: data.structure(data.date_time(NO_DATE_TIME), data.u32(3600)),
    },
}


@pytest.mark.parametrize("version", [0, 1, 2])
def test_parameters_are_read_as_they_were_written(version):
    meter = bench(version)
    for attribute, value in (VALUES | MORE[version]).items():
        assert meter.set(PUSH, attribute, value) is DataAccessResult.SUCCESS, attribute
        assert meter.encoded(PUSH, attribute) == axdr.encode(value)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_shape_of_another_version_is_refused(version):
    meter = bench(version)
    for other in {0, 1, 2} - {version}:
        assert meter.set(PUSH, 2, (VALUES | MORE[other])[2]) is DataAccessResult.TYPE_UNMATCHED
    wrong = VALUES[7] if version == 2 else MORE[2][7]
    assert meter.set(PUSH, 7, wrong) is DataAccessResult.TYPE_UNMATCHED
    if version == 0:
        assert meter.set(PUSH, 9, data.i8(1)) is DataAccessResult.OBJECT_UNDEFINED


def test_what_is_not_offered_is_refused():
    by_entry = data.structure(data.enum(2), data.structure(data.u16(1), data.u16(2)))
    wrapped = data.structure(data.enum(1), data.structure(data.enum(0), data.octets(b"")))
    options = data.structure(*[data.octets(b"")] * 4, wrapped)
    for version, attribute, value in (
        (1, 2, data.array([data.structure(*OBJECT, by_entry)])),
        (2, 2, data.array([data.structure(*OBJECT, NO_RESTRICTION, VALUES[2])])),
        (1, 10, data.array([data.structure(data.enum(0), options)])),
        (1, 10, data.array([data.structure(data.enum(9), LAYER.value[1])])),
        (2, 11, data.enum(3)),
        (0, 4, data.array([data.structure(data.octets(b"\xff" * 12), data.octets(bytes(12)))])),
        (0, 3, data.structure(data.enum(0), data.octets(bytes(257)), data.enum(0))),
    ):
        assert bench(version).set(PUSH, attribute, value) is DataAccessResult.TYPE_UNMATCHED
    with pytest.raises(LocalProtocolError):
        PushSetup(PUSH, START, version=3)


def test_gurux_writes_the_same_octets():
    peer = GXDLMSPushSetup(PUSH)
    peer.version = 0
    peer.destination, peer.randomisationStartInterval = "hes", 60
    capture = GXDLMSCaptureObject(2, 0)
    peer.pushObjectList.append((GXDLMSData(ENERGY), capture))
    meter = bench(
        objects=(CaptureObject(1, Obis.parse(ENERGY), 2),),
        destination=Destination(address=b"hes"),
        randomisation_s=60,
        retries=0,
        delay=RepetitionDelay(0),
    )
    for attribute in range(2, 8):
        assert gurux_octets(peer, attribute) == meter.encoded(PUSH, attribute)


def test_windows_go_by_the_meters_own_clock():
    fast = Clock(time=lambda _meter, now_s: now_s + 3600)
    push = PushSetup(PUSH, PushState(windows=(TimeWindow(NIGHTLY.start, NIGHTLY.end),)))
    meter = ObjectBench(fast, push)
    meter.act(PUSH, 1)
    assert meter.deadline() == pytest.approx(12 * 3600)
    assert meter.now_s == NOW_S
