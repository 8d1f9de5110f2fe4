"""The client with short names: against our server, against a recorded meter, and against answers that do not fit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu, axdr, data
from hes.dlms.apdu import (
    AttributeDescriptor,
    DataAccessError,
    DataBlock,
    InformationReport,
    MethodDescriptor,
    ParameterizedAccess,
    ReadBlockNumber,
    ReadData,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteBlockNumber,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import (
    ActDone,
    Associated,
    Got,
    GotList,
    Ignored,
    Notified,
    Released,
    SendNext,
    ServiceRefused,
    SetDone,
)
from hes.dlms.client.settings import ClientSettings
from hes.dlms.client.short_names import ObjectNames
from hes.dlms.codes import ActionResult, ApplicationContext, Conformance, DataAccessResult, Mechanism
from hes.dlms.cosem import ClientAccess, ControlState, LogicalDevice, Role
from hes.dlms.cosem.access import SHORT_NAME_CONFORMANCE
from hes.dlms.cosem.association_sn import SnObjectListElement, sn_object_list_from_value
from hes.dlms.obis import Obis
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.selective_access import by_entry
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import bench_short_names as bs
from hes.dlms.tests import published
from hes.dlms.xdlms.tests import apdu_strategies
from hes.errors import AccessDenied, LocalProtocolError, RemoteProtocolError

ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
PROFILE = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
SUCCESS = DataAccessResult.SUCCESS
SHORT_NAMES = st.one_of(apdu_strategies.SHORT_NAMES)
UNDEFINED = DataAccessResult.OBJECT_UNDEFINED

SETTINGS = {
    "no security": ClientSettings(client_sap=bs.PUBLIC, short_names=True),
    "LLS": ClientSettings(client_sap=bs.READER, short_names=True, mechanism=Mechanism.LLS, password=published.PASSWORD),
    "HLS-GMAC in the clear": ClientSettings(
        client_sap=bs.MANAGEMENT,
        short_names=True,
        mechanism=Mechanism.HLS_GMAC,
        security=bm.client_security(ciphered=False),
    ),
    "HLS-GMAC, ciphered": ClientSettings(
        client_sap=bs.MANAGEMENT, short_names=True, mechanism=Mechanism.HLS_GMAC, security=bm.client_security()
    ),
    "HLS-GMAC, dedicated key": ClientSettings(
        client_sap=bs.MANAGEMENT,
        short_names=True,
        mechanism=Mechanism.HLS_GMAC,
        security=bm.client_security(dedicated=True),
    ),
    "HLS-GMAC, general-glo": ClientSettings(
        client_sap=bs.MANAGEMENT,
        short_names=True,
        mechanism=Mechanism.HLS_GMAC,
        security=bm.client_security(style=CipheringStyle.GENERAL_GLO),
    ),
}
every_way = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
managing = pytest.mark.parametrize("settings", list(SETTINGS.values())[2:], ids=list(SETTINGS)[2:])


def opened(settings, **changes):
    """A client that has read its object list, on a bench."""
    bench = bm.Bench(settings, device=changes.pop("device", bs.DEVICE), **changes)
    event = bench.associate()
    assert isinstance(event, Associated)
    event = bench.run(bench.client.read_object_list())
    bench.client.names = ObjectNames(sn_object_list_from_value(axdr.decode_value(event.data)[0]))
    return bench


def value(event):
    assert isinstance(event, Got)
    return axdr.decode_value(event.data)[0]


@every_way
def test_the_same_calls_read_by_short_names(settings):
    bench = opened(settings)
    assert value(bench.run(bench.client.get(ENERGY))) == bm.NOW_S // bm.PERIOD_S
    secret = bs.attribute(bm.SECRET_TEXT, 2)
    denied = DataAccessResult.READ_WRITE_DENIED if settings.client_sap != bs.MANAGEMENT else SUCCESS
    assert [result for result, _data in bench.run(bench.client.read([secret])).results] == [denied]
    ldn = AttributeDescriptor(1, Obis.parse("0.0.42.0.0.255"), 2)
    listed = bench.run(bench.client.get_list([ENERGY, ldn]))
    assert [result for result, _data in listed.results] == [SUCCESS, SUCCESS]
    assert isinstance(bench.run(bench.client.release()), Released)
    assert bench.server.idle
    assert bench.server.findings == []


@managing
def test_the_same_calls_write_and_switch_by_short_names(settings):
    bench = opened(settings)
    client = bench.client
    assert bench.run(client.set(MESSAGE, axdr.encode(data.octets(b"hello")))) == SetDone(results=(SUCCESS,))
    both = [(MESSAGE, axdr.encode(data.octets(b"again"))), (ENERGY, b"\x11\x01")]
    assert bench.run(client.set_list(both)) == SetDone(results=(SUCCESS, DataAccessResult.READ_WRITE_DENIED))
    assert bench.meter.message == b"again"
    relay = MethodDescriptor(70, bm.RELAY, 1)
    assert bench.run(client.act(relay, b"\x0f\x00")) == ActDone(result=ActionResult.SUCCESS)
    assert bench.meter.relay is ControlState.DISCONNECTED
    reset = MethodDescriptor(3, bm.EXPORT, 1)
    assert bench.run(client.act(reset)) == ActDone(result=ActionResult.SUCCESS)
    denied = bench.run(client.act(MethodDescriptor(3, bm.ENERGY, 1), b"\x0f\x00"))
    assert denied == ActDone(result=ActionResult.READ_WRITE_DENIED)


@every_way
def test_a_profile_comes_in_blocks_and_by_entry(settings):
    bench = opened(replace(settings, max_receive_pdu_size=200))
    if settings.client_sap == bs.PUBLIC:
        with pytest.raises(AccessDenied, match="the device lists no object"):
            bench.client.get(PROFILE)
        return
    assert len(value(bench.run(bench.client.get(PROFILE)))) == bm.ROWS
    assert all(len(octets) <= 200 for side, octets in bench.wire if side == "S")
    assert len(value(bench.run(bench.client.get(PROFILE, by_entry(3, 5))))) == 3


def test_a_long_write_and_a_long_list_go_in_blocks():
    device = bs.device(max_receive_pdu_size=100)
    bench = opened(SETTINGS["HLS-GMAC, ciphered"], device=device)
    text = bytes(range(250))
    assert bench.run(bench.client.set(MESSAGE, axdr.encode(data.octets(text)))) == SetDone(results=(SUCCESS,))
    assert (bench.meter.message, bench.meter.writes) == (text, 1)
    listed = bench.run(bench.client.get_list([ENERGY] * 60))
    assert len(listed.results) == 60
    assert all(len(octets) <= 100 for side, octets in bench.wire[2:] if side == "C")


def test_read_and_write_by_name_need_no_object_list():
    bench = bm.Bench(SETTINGS["LLS"], device=bs.DEVICE)
    bench.associate()
    event = bench.run(bench.client.read([0xFD08, ParameterizedAccess(0xFA20, 1, axdr.encode(data.u16(8)))]))
    assert isinstance(event, GotList)
    (result, name), (_, clocks) = event.results
    assert (result, axdr.decode_value(name)[0]) == (SUCCESS, b"AML0000000000001")
    assert len(axdr.decode_value(clocks)[0]) == 1
    assert bench.run(bench.client.write([(0xE000, b"\0")])) == SetDone(results=(DataAccessResult.OBJECT_UNDEFINED,))
    with pytest.raises(LocalProtocolError, match="no object list yet"):
        bench.client.get(ENERGY)


def test_a_method_with_parameters_is_written_where_parameters_cannot_be_read_with():
    conformance = Conformance.READ | Conformance.WRITE | Conformance.BLOCK_TRANSFER_GET
    bench = opened(replace(SETTINGS["HLS-GMAC, ciphered"], conformance=conformance))
    relay = MethodDescriptor(70, bm.RELAY, 1)
    assert bench.run(bench.client.act(relay, b"\x0f\x00")) == ActDone(result=ActionResult.SUCCESS)
    assert bench.meter.relay is ControlState.DISCONNECTED
    with pytest.raises(LocalProtocolError, match="MULTIPLE_REFERENCES"):
        bench.client.get_list([ENERGY, ENERGY])


def test_objects_that_are_not_listed_keep_their_place_in_a_list():
    bench = opened(SETTINGS["LLS"])
    nothing = AttributeDescriptor(3, bytes(6), 2)
    event = bench.run(bench.client.get_list([nothing, ENERGY, nothing]))
    assert [result for result, _data in event.results] == [UNDEFINED, SUCCESS, UNDEFINED]
    with pytest.raises(AccessDenied, match="none of the objects"):
        bench.client.get_list([nothing])


def test_only_services_of_the_context_are_proposed():
    settings = SETTINGS["no security"]
    assert settings.context is ApplicationContext.SN
    assert SETTINGS["HLS-GMAC, ciphered"].context is ApplicationContext.SN_CIPHERED
    assert Conformance.READ in settings.proposed
    assert not settings.proposed & (Conformance.GET | Conformance.ACTION)
    assert Conformance.READ not in ClientSettings().proposed


def test_a_recorded_meter_is_read():
    """docs/protocols/short-names.md §6."""
    client = Client(ClientSettings(short_names=True))
    client.associate()
    aare = "6128A109060760857405080102A203020100A305A103020100BE0F040D0800065F04001802200960FA00"
    event = client.receive(bytes.fromhex(aare))
    assert isinstance(event, Associated)
    assert event.server_max_receive_pdu_size == 0x0960
    assert client.read([0xFD08, 0xFF08]) == bytes.fromhex("050202FD0802FF08")
    event = client.receive(bytes.fromhex("0C020009104C475A35313238323338300000000000000A03423332"))
    assert [axdr.decode_value(encoded)[0] for _result, encoded in event.results] == [b"LGZ51282380" + bytes(5), "B32"]
    assert client.read([0x5A88]) == bytes.fromhex("0501025A88")
    event = client.receive(bytes.fromhex("0C01000A083531323832333830"))
    assert axdr.decode_value(event.results[0][1])[0] == "51282380"


# -- answers that do not fit


def accepted(conformance, pdu_octets):
    """An AARE that opens an association with short names."""
    head = "6128A109060760857405080102A203020100A305A103020100BE0F040D0800065F0400"
    return bytes.fromhex(f"{head}{conformance:06X}{pdu_octets:04X}FA00")


def asked(*variables, **changes):
    """A client in the clear that has just asked for variables."""
    client = Client(ClientSettings(short_names=True, **changes))
    client.associate()
    client.receive(accepted(0x1C1320, 0x0960))
    client.read(variables or [8])
    return client


def test_a_server_of_logical_names_is_not_taken():
    client = Client(ClientSettings(short_names=True))
    client.associate()
    with pytest.raises(RemoteProtocolError, match="VAA name 0007 is not that of short names"):
        client.receive(
            bytes.fromhex("6129A109060760857405080102A203020100A305A103020100BE10040E0800065F1F040018132000000007")
        )


def test_an_information_report_is_a_notification_and_disturbs_nothing():
    client = asked()
    report = InformationReport((VariableName(8),), (b"\x11\x05",))
    assert client.receive(report.encode()) == Notified(notification=report, protected=False)
    assert isinstance(client.receive(ReadResponse((ReadData(b"\x11\x05"),)).encode()), GotList)


@pytest.mark.parametrize(
    "answer",
    [
        ReadResponse(()),
        ReadResponse((ReadData(b"\0"), ReadData(b"\0"))),
        ReadResponse((DataBlock(last=True, block=2, raw=b"\x01\x00\x00"),)),
        ReadResponse((DataBlock(last=True, block=1, raw=b"\x01\x00"),)),
        ReadResponse((ReadBlockNumber(1),)),
        WriteResponse((WriteSuccess(),)),
        apdu.GetResponseNormal(0x01, SUCCESS, b"\0"),
    ],
)
def test_an_answer_that_does_not_fit_raises_and_the_right_one_may_still_come(answer):
    client = asked()
    if isinstance(answer, apdu.GetResponseNormal):
        assert isinstance(client.receive(answer.encode()), Ignored)
    else:
        with pytest.raises(RemoteProtocolError):
            client.receive(answer.encode())
    assert client.busy
    event = client.receive(ReadResponse((DataAccessError(DataAccessResult.HARDWARE_FAULT),)).encode())
    assert event == GotList(results=((DataAccessResult.HARDWARE_FAULT, b""),))


def test_one_error_for_many_variables_is_a_refusal_of_the_whole():
    client = asked(8, 16)
    event = client.receive(ReadResponse((DataAccessError(DataAccessResult.LONG_GET_ABORTED),)).encode())
    assert event == ServiceRefused(result=DataAccessResult.LONG_GET_ABORTED)


def test_a_block_that_comes_again_is_passed_over():
    client = asked()
    block = ReadResponse((DataBlock(last=False, block=1, raw=b"\x01\x00"),)).encode()
    event = client.receive(block)
    assert isinstance(event, SendNext)
    assert event.octets == bytes.fromhex("0501050001")
    assert isinstance(client.receive(block), Ignored)
    assert client.repeat() == event.octets
    last = client.receive(ReadResponse((DataBlock(last=True, block=2, raw=b"\x11\x05"),)).encode())
    assert last == GotList(results=((SUCCESS, b"\x11\x05"),))


def test_who_gives_up_waiting_closes_the_association():
    client = asked()
    client.abandon()
    assert client.state is State.IDLE
    late = ReadResponse((ReadData(b"\0"),)).encode()
    assert client.receive(late) == Ignored(reason="nothing was asked", apdu=late)


def test_write_blocks_are_acknowledged_in_their_turn():
    client = Client(ClientSettings(short_names=True))
    client.associate()
    client.receive(accepted(0x181B20, 0x20))
    text = axdr.encode(data.octets(bytes(50)))
    first = client.write([(8, text)])
    assert len(first) == 0x20
    with pytest.raises(RemoteProtocolError, match="success before the last block was sent"):
        client.receive(WriteResponse((WriteSuccess(),)).encode())
    with pytest.raises(RemoteProtocolError, match="block 2 is acknowledged, which was not sent"):
        client.receive(WriteResponse((WriteBlockNumber(2),)).encode())
    assert isinstance(client.receive(WriteResponse((WriteBlockNumber(1),)).encode()), SendNext)
    assert isinstance(client.receive(WriteResponse((WriteBlockNumber(1),)).encode()), Ignored)
    refused = client.receive(WriteResponse((DataAccessError(DataAccessResult.LONG_SET_ABORTED),)).encode())
    assert refused == SetDone(results=(DataAccessResult.LONG_SET_ABORTED,))


def test_names_are_found_by_class_and_logical_name():
    clock = Obis.parse("0.0.1.0.0.255")
    names = ObjectNames([SnObjectListElement(0x2BC0, 8, 0, clock), SnObjectListElement(0x2BB0, 9999, 0, clock)])
    assert names.attribute(AttributeDescriptor(8, clock, 2)) == 0x2BC8
    assert names.method(MethodDescriptor(8, clock, 1)) == 0x2C20
    with pytest.raises(AccessDenied, match="the device lists no object"):
        names.attribute(AttributeDescriptor(3, clock, 2))
    assert names.attribute(AttributeDescriptor(9999, clock, 2)) == 0x2BB8
    for beyond in (
        AttributeDescriptor(8, clock, 10),
        AttributeDescriptor(8, clock, 0),
        AttributeDescriptor(9999, clock, 3),
    ):
        with pytest.raises(
            AccessDenied, match=r"has no attribute 10|has no attribute 0|belongs to the next object, at 2BC0"
        ):
            names.attribute(beyond)
    last = ObjectNames([SnObjectListElement(0xFFF0, 9999, 0, clock)])
    with pytest.raises(AccessDenied, match="belongs to the next object, at 10000"):
        last.attribute(AttributeDescriptor(9999, clock, 3))
    with pytest.raises(AccessDenied, match="has no method 7"):
        names.method(MethodDescriptor(8, clock, 7))
    assert ReadRequest((VariableName(0x2BC8),)).encode().hex() == "0501022bc8"


# -- what goes beyond one request and its answer


def test_without_blocks_of_their_own_long_reads_and_writes_go_in_general_blocks():
    conformance = SHORT_NAME_CONFORMANCE & ~(Conformance.BLOCK_TRANSFER_GET | Conformance.BLOCK_TRANSFER_SET)
    device = bs.device(max_receive_pdu_size=100, conformance=conformance | Conformance.GENERAL_BLOCK_TRANSFER)
    settings = replace(SETTINGS["HLS-GMAC, ciphered"], max_receive_pdu_size=200)
    bench = opened(settings, device=device)
    text = bytes(range(250))
    assert bench.run(bench.client.set(MESSAGE, axdr.encode(data.octets(text)))) == SetDone(results=(SUCCESS,))
    assert bench.meter.message == text
    assert len(value(bench.run(bench.client.get(PROFILE)))) == bm.ROWS
    assert all(len(octets) <= 200 for side, octets in bench.wire if side == "S")
    assert all(len(octets) <= 100 for side, octets in bench.wire[2:] if side == "C")


def test_unconfirmed_requests_by_class_and_name_are_unconfirmed_writes():
    bench = opened(SETTINGS["HLS-GMAC, ciphered"])
    client, server = bench.client, bench.server
    octets = client.set(MESSAGE, axdr.encode(data.octets(b"quietly")), confirmed=False)
    assert (octets[0], server.receive(bs.MANAGEMENT, octets, bm.NOW_S)) == (0x36, None)
    octets = client.act(MethodDescriptor(70, bm.RELAY, 1), b"\x0f\x00", confirmed=False)
    assert server.receive(bs.MANAGEMENT, octets, bm.NOW_S) is None
    assert (bench.meter.message, bench.meter.relay) == (b"quietly", ControlState.DISCONNECTED)
    assert not client.busy


def test_the_server_reports_in_an_association_that_agreed_to_it():
    bench = opened(SETTINGS["HLS-GMAC, ciphered"])
    report = InformationReport((VariableName(bs.attribute(bm.ENERGY, 2)),), (b"\x11\x05",), b"20260101120000")
    octets = bench.server.report(bs.MANAGEMENT, report)
    assert octets[0] == 0x38
    assert bench.client.receive(octets) == Notified(notification=report, protected=True)
    with pytest.raises(LocalProtocolError, match="no association that is open"):
        bench.server.report(bs.READER, report)
    silent = opened(replace(SETTINGS["LLS"], conformance=SHORT_NAME_CONFORMANCE & ~Conformance.INFORMATION_REPORT))
    with pytest.raises(LocalProtocolError, match="has not agreed to information reports"):
        silent.server.report(bs.READER, report)
    narrow = opened(replace(SETTINGS["LLS"], max_receive_pdu_size=20))
    with pytest.raises(LocalProtocolError, match="the client takes 20"):
        narrow.server.report(bs.READER, report)


def test_a_client_changes_its_own_secret():
    meter = bm.BenchMeter()
    meter.security.secrets[bs.BOTH_NAMES] = published.PASSWORD
    settings = replace(SETTINGS["LLS"], client_sap=bs.BOTH_NAMES)
    bench = bm.Bench(settings, device=bs.DEVICE, meter=meter)
    bench.associate()
    denied = bench.run(bench.client.write([(0xFA40, b"\x09\x00")]))
    assert denied == SetDone(results=(DataAccessResult.TYPE_UNMATCHED,))
    new = axdr.encode(data.octets(b"87654321"))
    assert bench.run(bench.client.write([(0xFA40, new)])) == SetDone(results=(SUCCESS,))
    bench.run(bench.client.release())
    assert not isinstance(bench.associate(), Associated)
    again = bm.Bench(replace(settings, password=b"87654321"), device=bs.DEVICE, meter=meter)
    assert isinstance(again.associate(), Associated)
    gmac = opened(SETTINGS["HLS-GMAC, ciphered"])
    refused = gmac.run(gmac.client.write([(0xFA40, new)]))
    assert refused == SetDone(results=(DataAccessResult.READ_WRITE_DENIED,))


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256])
def test_every_secret_proves_itself_with_short_names(mechanism):
    device = LogicalDevice(
        name=lambda _meter: b"AML",
        clients=[
            ClientAccess(
                client_sap=7,
                role=Role.READER,
                mechanism=mechanism,
                contexts=frozenset({ApplicationContext.SN}),
                conformance=SHORT_NAME_CONFORMANCE,
                security_setup=0,
            )
        ],
        objects=bm.objects(),
        security=lambda meter: meter.security,
    )
    meter = bm.BenchMeter()
    meter.security.secrets[7] = b"sesame, open"
    settings = ClientSettings(
        client_sap=7,
        short_names=True,
        mechanism=mechanism,
        password=b"sesame, open",
        security=bm.client_security(ciphered=False) if mechanism is Mechanism.HLS_SHA256 else None,
    )
    server = Server(device, meter, entropy=bm.challenge, challenge_octets=32)
    client = Client(settings)
    octets = client.associate(challenge=bytes(range(32)))
    event = client.receive(server.receive(7, octets, bm.NOW_S))
    assert isinstance(event, SendNext)
    event = client.receive(server.receive(7, event.octets, bm.NOW_S))
    assert isinstance(event, Associated)


@given(octets=st.one_of(SHORT_NAMES.map(lambda sent: sent.encode()), st.binary(max_size=60)), cut=st.integers(0, 60))
def test_whatever_comes_is_an_event_or_one_error(octets, cut):
    client = asked(8, 16)
    for received in (octets, octets[:cut]):
        try:
            client.receive(received)
        except RemoteProtocolError:
            continue
