"""Client and server talking through a plain function: whole sessions in every kind of association."""

import dataclasses

import pytest

from hes.dlms import axdr, data, profile_buffer
from hes.dlms.apdu import AttributeDescriptor, DataNotification, ExceptionResponse, MethodDescriptor
from hes.dlms.association import State
from hes.dlms.client.events import (
    ActDone,
    Associated,
    AssociationRefused,
    Got,
    GotList,
    Ignored,
    Notified,
    Released,
    ReleaseRefused,
    ServiceRefused,
    SetDone,
)
from hes.dlms.client.settings import CLIENT_CONFORMANCE, ClientSettings
from hes.dlms.codes import (
    AcseDiagnostic,
    ActionResult,
    Conformance,
    DataAccessResult,
    InitiateError,
    ReleaseReason,
    ServiceError,
    StateError,
)
from hes.dlms.cosem import ControlState, object_list_from_value
from hes.dlms.findings import FindingKind
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED, ENCRYPTED, EncryptionKeys, InvocationCounterError
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.selective_access import by_entry, by_range
from hes.dlms.server import protect_notification
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.dlms.tests.bench_meter import Bench
from hes.errors import LocalProtocolError

CLOCK = AttributeDescriptor(8, bm.CLOCK, 2)
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
BUFFER = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
DISCONNECT = MethodDescriptor(70, bm.RELAY, 1)
RECONNECT = MethodDescriptor(70, bm.RELAY, 2)
ENERGY_NOW = bm.NOW_S // 900

KINDS = {
    "none": bm.public(),
    "LLS": bm.lls(),
    "LLS ciphered": bm.lls(client_sap=bm.CIPHERED_LLS, security=bm.client_security()),
    "HLS-GMAC in the clear": bm.hls(bm.PLAIN_HLS, ciphered=False),
    "HLS-GMAC glo": bm.hls(),
    "HLS-GMAC glo, authenticated": bm.hls(control=AUTHENTICATED),
    "HLS-GMAC glo, encrypted": bm.hls(control=ENCRYPTED),
    "HLS-GMAC dedicated key": bm.hls(dedicated=True),
    "HLS-GMAC general-glo": bm.hls(style=CipheringStyle.GENERAL_GLO),
    "HLS-GMAC general-ded": bm.hls(style=CipheringStyle.GENERAL_GLO, dedicated=True),
    "HLS-GMAC policy 3": bm.hls(bm.PROTECTED_HLS),
}
every_kind = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
with_rights = pytest.mark.parametrize(
    "settings", [KINDS[kind] for kind in KINDS if kind != "none"], ids=[kind for kind in KINDS if kind != "none"]
)
managing = pytest.mark.parametrize(
    "settings",
    [KINDS[kind] for kind in KINDS if kind.startswith("HLS")],
    ids=[kind for kind in KINDS if kind.startswith("HLS")],
)


def opened(settings: ClientSettings, **changes: object) -> Bench:
    bench = Bench(settings, **changes)
    event = bench.associate()
    assert isinstance(event, Associated)
    assert event.findings == ()
    bench.wire.clear()
    return bench


def got(bench: Bench, attribute: AttributeDescriptor, selection: bytes = b"") -> object:
    event = bench.run(bench.client.get(attribute, selection))
    assert isinstance(event, Got), event
    value, end = axdr.decode_value(event.data)
    assert end == len(event.data)
    return value


# -- whole sessions


@every_kind
def test_a_session_reads_and_releases(settings):
    bench = opened(settings)
    assert got(bench, ENERGY) == ENERGY_NOW
    assert got(bench, CLOCK) == bm.AMSTERDAM.octets(bm.NOW_S)
    assert bench.run(bench.client.release()) == Released(reason=ReleaseReason.NORMAL)
    assert bench.client.state is State.IDLE
    assert bench.server.idle
    assert bench.server.findings == []


@every_kind
def test_a_session_can_be_opened_again(settings):
    bench = opened(settings)
    bench.run(bench.client.release())
    assert isinstance(bench.associate(), Associated)
    assert got(bench, ENERGY) == ENERGY_NOW


@every_kind
def test_what_is_sent_is_protected_exactly_when_the_settings_say_so(settings):
    bench = opened(settings)
    got(bench, ENERGY)
    (_, request), (_, answer) = bench.wire
    if settings.security is None or not settings.security.ciphered:
        assert (request[0], answer[0]) == (0xC0, 0xC4)
    else:
        tags = {
            (CipheringStyle.SERVICE_SPECIFIC, False): (0xC8, 0xCC),
            (CipheringStyle.SERVICE_SPECIFIC, True): (0xD0, 0xD4),
            (CipheringStyle.GENERAL_GLO, False): (0xDB, 0xDB),
            (CipheringStyle.GENERAL_GLO, True): (0xDC, 0xDC),
        }
        assert (request[0], answer[0]) == tags[settings.security.style, settings.security.dedicated]


@with_rights
def test_a_load_profile_is_read_whole_by_range_by_entry_and_by_column(settings):
    bench = opened(settings)
    whole = bench.run(bench.client.get(BUFFER))
    assert isinstance(whole, Got)
    rows = profile_buffer.decode_rows(whole.data)
    assert len(rows) == bm.ROWS
    assert rows[-1] == axdr.decode_value(bm.row(bm.NOW_S))[0]
    hour = by_range(CLOCK, bm.AMSTERDAM.octets(bm.NOW_S - 3600), bm.AMSTERDAM.octets(bm.NOW_S))
    assert got(bench, BUFFER, hour) == rows[-5:]
    two = by_range(CLOCK, bm.AMSTERDAM.octets(bm.NOW_S - 900), bm.AMSTERDAM.octets(bm.NOW_S), (CLOCK, ENERGY))
    assert got(bench, BUFFER, two) == [(row[0], row[2]) for row in rows[-2:]]
    assert got(bench, BUFFER, by_entry(3, 5)) == rows[2:5]
    assert got(bench, BUFFER, by_entry(90, 0, 3, 4)) == [row[2:4] for row in rows[89:]]


@with_rights
def test_a_list_is_answered_item_by_item(settings):
    bench = opened(settings)
    unknown = AttributeDescriptor(3, Obis.parse("1.0.99.99.99.255"), 2)
    other_class = AttributeDescriptor(1, bm.ENERGY, 2)
    event = bench.run(bench.client.get_list((ENERGY, unknown, (BUFFER, by_entry(1, 1, 3, 3)), other_class)))
    assert isinstance(event, GotList)
    assert [result for result, _ in event.results] == [
        DataAccessResult.SUCCESS,
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.SUCCESS,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
    ]
    first = bm.NOW_S // 900 - bm.ROWS + 1
    assert axdr.decode_value(event.results[2][1])[0] == [(first * 11,)]


@with_rights
@pytest.mark.parametrize("size", [60, 100, 1024])
def test_a_long_answer_comes_in_blocks_that_fit(settings, size):
    bench = opened(dataclasses.replace(settings, max_receive_pdu_size=size))
    event = bench.run(bench.client.get(BUFFER))
    assert isinstance(event, Got)
    assert len(profile_buffer.decode_rows(event.data)) == bm.ROWS
    answers = [octets for side, octets in bench.wire if side == "S"]
    assert len(answers) > 3
    assert max(map(len, answers)) <= size
    assert min(map(len, answers[:-1])) >= size - 14  # room is kept for a tag, which not every answer has


def test_a_long_list_comes_in_blocks():
    bench = opened(dataclasses.replace(bm.lls(), max_receive_pdu_size=100))
    event = bench.run(bench.client.get_list((ENERGY, BUFFER, CLOCK)))
    assert isinstance(event, GotList)
    assert len(profile_buffer.decode_rows(event.results[1][1])) == bm.ROWS
    assert axdr.decode_value(event.results[2][1])[0] == bm.AMSTERDAM.octets(bm.NOW_S)


@managing
def test_a_long_write_goes_in_blocks_that_the_server_takes(settings):
    bench = opened(settings, device=bm.device(max_receive_pdu_size=120))
    text = bytes(range(256)) * 4
    event = bench.run(bench.client.set(MESSAGE, axdr.encode(data.octets(text))))
    assert event == SetDone(results=(DataAccessResult.SUCCESS,))
    assert (bench.meter.message, bench.meter.writes) == (text, 1)
    assert max(len(octets) for side, octets in bench.wire if side == "C") <= 120
    assert got(bench, MESSAGE) == text


@managing
def test_long_parameters_of_a_method_go_and_come_in_blocks(settings):
    bench = opened(dataclasses.replace(settings, max_receive_pdu_size=90), device=bm.device(max_receive_pdu_size=120))
    parameters = axdr.encode(data.octets(bytes(range(256)) * 3))
    event = bench.run(bench.client.act(MethodDescriptor(1, bm.ECHO, 1), parameters))
    assert event == ActDone(result=ActionResult.SUCCESS, data=parameters)
    assert bench.meter.writes == 1
    assert max(len(octets) for side, octets in bench.wire if side == "S") <= 90


@managing
def test_a_list_of_writes_goes_in_blocks_too(settings):
    bench = opened(settings, device=bm.device(max_receive_pdu_size=120))
    long = axdr.encode(data.octets(bytes(400)))
    event = bench.run(bench.client.set_list(((MESSAGE, long), (ENERGY, long), (MESSAGE, b"\x09\x01A"))))
    assert event == SetDone(
        results=(DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED, DataAccessResult.SUCCESS)
    )
    assert bench.meter.message == b"A"


@managing
def test_a_short_list_of_writes_goes_in_one_apdu(settings):
    bench = opened(settings)
    event = bench.run(bench.client.set_list(((MESSAGE, b"\x09\x01B"), (MESSAGE, b"\x06\0\0\0\0"))))
    assert event == SetDone(results=(DataAccessResult.SUCCESS, DataAccessResult.TYPE_UNMATCHED))
    assert not event.succeeded


@managing
def test_the_relay_is_switched_and_read_back(settings):
    bench = opened(settings)
    state = AttributeDescriptor(70, bm.RELAY, 3)
    assert bench.run(bench.client.act(DISCONNECT, b"\x0f\x00")) == ActDone(result=ActionResult.SUCCESS)
    assert got(bench, state) == ControlState.DISCONNECTED
    assert bench.run(bench.client.act(RECONNECT, b"\x0f\x00")) == ActDone(result=ActionResult.SUCCESS)
    assert got(bench, state) == ControlState.CONNECTED


@managing
def test_the_clock_is_set_and_shifted(settings):
    bench = opened(settings)
    new = bm.AMSTERDAM.octets(bm.NOW_S + 300)
    assert bench.run(bench.client.set(CLOCK, b"\x09\x0c" + new)) == SetDone(results=(DataAccessResult.SUCCESS,))
    assert got(bench, CLOCK) == new
    shift = MethodDescriptor(8, bm.CLOCK, 6)
    assert bench.run(bench.client.act(shift, axdr.encode(data.i16(-290)))) == ActDone(result=ActionResult.SUCCESS)
    assert got(bench, CLOCK) == bm.AMSTERDAM.octets(bm.NOW_S + 10)


# -- rights and refusals


def test_the_public_client_sees_clock_names_and_counters_only():
    bench = opened(bm.public())
    listed = object_list_from_value(got(bench, AttributeDescriptor(15, Obis.parse("0.0.40.0.0.255"), 2)))
    assert {(element.class_id, str(element.logical_name)) for element in listed} == {
        (8, "0.0.1.0.0.255"),
        (3, "1.0.1.8.0.255"),
        (1, "0.0.42.0.0.255"),
        (1, "0.0.43.1.0.255"),
        (1, "0.0.43.1.1.255"),
        (15, "0.0.40.0.0.255"),
        (17, "0.0.41.0.0.255"),
    }
    for attribute in (BUFFER, MESSAGE):
        event = bench.run(bench.client.get(attribute))
        assert event == ServiceRefused(result=DataAccessResult.READ_WRITE_DENIED)


def test_the_object_list_says_what_the_services_then_allow():
    bench = opened(bm.hls())
    listed = object_list_from_value(got(bench, AttributeDescriptor(15, Obis.parse("0.0.40.0.0.255"), 2)))
    assert len(listed) > 15
    for element in listed:
        for index, mode in element.attributes.items():
            event = bench.run(bench.client.get(AttributeDescriptor(element.class_id, element.logical_name, index)))
            if mode in (1, 3):
                assert isinstance(event, Got), (element, index)
            else:
                assert event == ServiceRefused(result=DataAccessResult.READ_WRITE_DENIED)


def test_the_invocation_counter_read_in_public_lets_a_client_catch_up():
    meter = bm.BenchMeter()
    meter.security.advance_receive_counter(0, 500)
    refused = Bench(bm.hls(), meter=meter, send_counter=1).associate()
    assert isinstance(refused, AssociationRefused)
    assert refused.refusal == ExceptionResponse(
        StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, 500
    )
    counter = got(opened(bm.public(), meter=meter), AttributeDescriptor(1, Obis.parse("0.0.43.1.0.255"), 2))
    assert counter == 500
    assert isinstance(Bench(bm.hls(), meter=meter, send_counter=counter).associate(), Associated)


def test_a_wrong_password_is_refused_and_reported():
    bench = Bench(bm.lls(password=b"00000000"))
    event = bench.associate()
    assert isinstance(event, AssociationRefused)
    assert event.diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE
    assert "AUTHENTICATION_FAILURE" in event.error().message
    assert bench.client.state is State.IDLE
    assert bench.server.idle
    assert [finding.kind for finding in bench.server.take_findings()] == [FindingKind.AUTHENTICATION_FAILED]


@pytest.mark.parametrize("keys", [bytes(16) + published.AUTHENTICATION_KEY, published.ENCRYPTION_KEY + bytes(16)])
def test_a_wrong_key_is_refused_and_reported(keys):
    wrong = EncryptionKeys(keys[:16], keys[16:])
    for settings in (bm.hls(keys=wrong), bm.hls(bm.PLAIN_HLS, keys=wrong, ciphered=False)):
        bench = Bench(settings)
        event = bench.associate()
        assert isinstance(event, AssociationRefused)
        assert bench.client.state is State.IDLE
        assert bench.server.idle
        assert FindingKind.AUTHENTICATION_FAILED in {finding.kind for finding in bench.server.findings}


def test_a_wrong_proof_of_the_server_is_not_believed():
    bench = Bench(bm.hls(bm.PLAIN_HLS, ciphered=False))
    proof = bench.client.receive(bench.ask(bench.client.associate(challenge=published.CLIENT_CHALLENGE)))
    answer = bytearray(bench.ask(proof.octets))
    answer[-1] ^= 1
    with pytest.raises(Exception, match="the HLS proof is wrong"):
        bench.client.receive(bytes(answer))
    assert bench.client.state is State.IDLE


@pytest.mark.parametrize("settings", [bm.hls(), bm.hls(dedicated=True), bm.hls(style=CipheringStyle.GENERAL_GLO)])
def test_a_replayed_request_is_not_executed(settings):
    bench = opened(settings)
    bench.run(bench.client.set(MESSAGE, b"\x09\x01A"))
    _, request = bench.wire[0]
    answer = bench.ask(request)
    assert answer[:3] == bytes.fromhex("D80106")
    expected = int.from_bytes(answer[3:], "big")
    assert bench.meter.writes == 1
    assert [finding.kind for finding in bench.server.findings] == [FindingKind.REPLAYED]
    assert expected == bench.meter.security.receive_counter(0) or settings.security.dedicated
    assert got(bench, MESSAGE) == b"A"  # and the association goes on


def test_a_replayed_answer_is_refused_by_the_client():
    bench = opened(bm.hls())
    got(bench, ENERGY)
    _, answer = bench.wire[-1]
    bench.client.get(ENERGY)
    with pytest.raises(InvocationCounterError):
        bench.client.receive(answer)


@every_kind
def test_a_late_answer_is_never_taken_for_the_next_one(settings):
    bench = opened(settings)
    late = bench.ask(bench.client.get(CLOCK))
    bench.client.abandon()
    wanted = bench.ask(bench.client.get(ENERGY))
    event = bench.client.receive(late)
    assert isinstance(event, Ignored)
    assert "invoke id" in event.reason
    event = bench.client.receive(wanted)
    assert isinstance(event, Got)
    assert axdr.decode_value(event.data)[0] == ENERGY_NOW


@every_kind
def test_an_answer_without_a_question_is_ignored(settings):
    bench = opened(settings)
    answer = bench.ask(bench.client.get(ENERGY))
    bench.client.abandon()
    assert isinstance(bench.client.receive(answer), Ignored)
    assert got(bench, ENERGY) == ENERGY_NOW


def test_a_lost_block_is_asked_for_again():
    bench = opened(dataclasses.replace(bm.hls(), max_receive_pdu_size=200))
    octets = bench.client.get(BUFFER)
    for count in range(1000):
        answer = bench.ask(octets)
        if count in (2, 3, 7):  # lost on the way back
            answer = bench.ask(bench.client.repeat())
        event = bench.client.receive(answer)
        if isinstance(event, Got):
            break
        octets = event.octets
    assert len(profile_buffer.decode_rows(event.data)) == bm.ROWS


def test_a_lost_acknowledgement_does_not_write_a_block_twice():
    bench = opened(bm.hls(), device=bm.device(max_receive_pdu_size=120))
    text = bytes(range(256))
    octets = bench.client.set(MESSAGE, axdr.encode(data.octets(text)))
    for _ in range(100):
        bench.ask(octets)
        event = bench.client.receive(bench.ask(bench.client.repeat()))
        if isinstance(event, SetDone):
            break
        octets = event.octets
    assert event.succeeded
    assert (bench.meter.message, bench.meter.writes) == (text, 1)


def test_a_service_that_was_not_negotiated_is_refused_on_both_sides():
    device = bm.device(conformance=Conformance.GET)
    bench = opened(bm.lls(), device=device)
    with pytest.raises(LocalProtocolError, match="MULTIPLE_REFERENCES"):
        bench.client.get_list((ENERGY,))
    with pytest.raises(LocalProtocolError, match="SELECTIVE_ACCESS"):
        bench.client.get(BUFFER, by_entry(1))
    bench = opened(bm.lls(checked=False), device=device)
    refused = ServiceRefused(
        refusal=ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)
    )
    assert bench.run(bench.client.get_list((ENERGY,))) == refused
    assert bench.run(bench.client.get(BUFFER, by_entry(1))) == refused
    assert bench.run(bench.client.set(MESSAGE, b"\x00")) == refused
    assert bench.run(bench.client.act(DISCONNECT)) == refused
    assert got(bench, ENERGY) == ENERGY_NOW  # the association survives


def test_a_pdu_size_below_the_minimum_is_refused():
    event = Bench(bm.lls(max_receive_pdu_size=11)).associate()
    assert isinstance(event, AssociationRefused)
    assert event.refusal is not None
    assert event.refusal.code == InitiateError.PDU_SIZE_TOO_SHORT
    assert "PDU_SIZE_TOO_SHORT" in event.error().message


def test_an_answer_too_long_for_a_client_without_blocks_is_refused():
    conformance = CLIENT_CONFORMANCE & ~(Conformance.BLOCK_TRANSFER_GET | Conformance.GENERAL_BLOCK_TRANSFER)
    bench = opened(bm.lls(max_receive_pdu_size=100, conformance=conformance))
    event = bench.run(bench.client.get(BUFFER))
    assert event == ServiceRefused(refusal=ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG))


def test_a_request_too_long_for_the_server_is_not_sent_without_blocks():
    without = Conformance.BLOCK_TRANSFER_SET | Conformance.GENERAL_BLOCK_TRANSFER
    device = bm.device(max_receive_pdu_size=100, conformance=bm.METER_CONFORMANCE & ~without)
    bench = opened(bm.hls(bm.PLAIN_HLS, ciphered=False), device=device)
    with pytest.raises(LocalProtocolError, match="no block transfer was negotiated"):
        bench.client.set(MESSAGE, axdr.encode(data.octets(bytes(200))))
    assert got(bench, ENERGY) == ENERGY_NOW


def test_even_the_smallest_pdu_gets_its_answer_in_blocks():
    bench = opened(bm.lls(max_receive_pdu_size=12))
    assert got(bench, AttributeDescriptor(1, Obis.parse("0.0.42.0.0.255"), 2)) == b"AML0000000000001"


def test_an_unknown_object_is_undefined():
    bench = opened(bm.lls())
    unknown = Obis.parse("1.1.1.1.1.1")
    event = bench.run(bench.client.get(AttributeDescriptor(3, unknown, 2)))
    assert event == ServiceRefused(result=DataAccessResult.OBJECT_UNDEFINED)
    assert event.error().fields["result"] is DataAccessResult.OBJECT_UNDEFINED
    event = bench.run(bench.client.set(AttributeDescriptor(3, unknown, 2), b"\x00"))
    assert event == SetDone(results=(DataAccessResult.OBJECT_UNDEFINED,))
    event = bench.run(bench.client.act(MethodDescriptor(3, unknown, 1)))
    assert event == ActDone(result=ActionResult.OBJECT_UNDEFINED)


def test_a_reset_that_is_not_declared_is_refused():
    bench = opened(bm.hls())
    denied = bench.run(bench.client.act(MethodDescriptor(3, bm.ENERGY, 1), b"\x0f\x00"))
    assert denied == ActDone(result=ActionResult.READ_WRITE_DENIED)
    declared = bench.run(bench.client.act(MethodDescriptor(3, bm.EXPORT, 1), b"\x0f\x00"))
    assert declared == ActDone(result=ActionResult.SUCCESS)
    beyond = bench.run(bench.client.act(MethodDescriptor(3, bm.EXPORT, 2), b"\x0f\x00"))
    assert beyond == ActDone(result=ActionResult.OBJECT_UNDEFINED)


# -- release


def test_a_weakly_protected_release_is_refused_and_the_association_stays():
    bench = opened(bm.hls(bm.PROTECTED_HLS))
    bench.client.release()
    event = bench.client.receive(bench.ask(published.RLRQ_PLAIN))
    assert event == ReleaseRefused(reason=ReleaseReason.NOT_FINISHED)
    assert bench.client.state is State.ASSOCIATED
    assert got(bench, ENERGY) == ENERGY_NOW


def test_after_a_release_data_are_refused():
    bench = opened(bm.lls())
    request = bench.client.get(ENERGY)
    bench.client.abandon()
    bench.run(bench.client.release())
    assert bench.ask(request) == bytes.fromhex("D80101")


def test_two_clients_are_associated_at_once():
    reader = opened(bm.lls())
    manager = Bench(bm.hls(), meter=reader.meter)
    manager.server = reader.server
    assert isinstance(manager.associate(), Associated)
    status = AttributeDescriptor(15, Obis.parse("0.0.40.0.3.255"), 8)
    assert got(manager, status) == 2
    assert got(reader, ENERGY) == got(manager, ENERGY)
    reader.server.link_lost(bm.READER)
    assert got(manager, status) == 0
    assert not reader.server.idle


# -- notifications


def test_a_push_is_recognised_in_the_middle_of_an_exchange():
    bench = opened(bm.hls())
    push = DataNotification(1, b"", axdr.encode(data.u32(42)))
    answer = bench.ask(bench.client.get(ENERGY))
    protected = protect_notification(bench.meter.security, 0, push)
    assert bench.client.receive(push.encode()) == Notified(notification=push, protected=False)
    assert isinstance(bench.client.receive(answer), Got)
    assert bench.client.receive(protected) == Notified(notification=push, protected=True)
