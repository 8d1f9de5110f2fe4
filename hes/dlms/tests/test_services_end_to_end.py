"""Client and server over a line that loses and repeats: the same value arrives, or nothing is asked at all."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hes.dlms import apdu, axdr, data
from hes.dlms.apdu import AccessKind, AccessSpecification, AttributeDescriptor, MethodDescriptor
from hes.dlms.client.events import (
    AccessDone,
    AccessOutcome,
    ActDone,
    ActListDone,
    Associated,
    Got,
    GotList,
    Notified,
    ServiceRefused,
    SetDone,
    TransferEnded,
)
from hes.dlms.client.settings import CLIENT_CONFORMANCE, ClientSettings
from hes.dlms.codes import ActionResult, Conformance, DataAccessResult, Mechanism
from hes.dlms.findings import FindingKind
from hes.dlms.general_blocks import ABORT, cut_unconfirmed
from hes.dlms.security import AUTHENTICATED, AUTHENTICATED_ENCRYPTED
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests.lossy_services import Conversation
from hes.errors import LocalProtocolError, RemoteProtocolError

MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
BUFFER = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
RELAY_ALL = AttributeDescriptor(70, bm.RELAY, 0)
ENERGY_ALL = AttributeDescriptor(3, bm.ENERGY, 0)
ECHO = MethodDescriptor(1, bm.ECHO, 1)
RECONNECT = MethodDescriptor(70, bm.RELAY, 2)
SUCCESS = DataAccessResult.SUCCESS
BLOCKS = Conformance.BLOCK_TRANSFER_GET | Conformance.BLOCK_TRANSFER_SET | Conformance.BLOCK_TRANSFER_ACTION
GENERAL = Conformance.GENERAL_BLOCK_TRANSFER
NULL = b"\x00"
NOTHING = Conformance(0)
FIRST_ENTRY = bytes.fromhex("0202040600000001060000000112000112 0000")

PROTECTIONS = st.sampled_from(
    (
        None,
        (AUTHENTICATED_ENCRYPTED, CipheringStyle.SERVICE_SPECIFIC),
        (AUTHENTICATED, CipheringStyle.SERVICE_SPECIFIC),
        (AUTHENTICATED_ENCRYPTED, CipheringStyle.GENERAL_GLO),
    )
)
FATES = st.lists(st.sampled_from((1, 1, 1, 1, 1, 0, 2)), max_size=40)
LOSSES = st.lists(st.sampled_from((1, 1, 1, 1, 0)), max_size=40)  # what is ciphered and comes twice is a replay
TEXTS = st.binary(max_size=700)


def encoded(text):
    return axdr.encode(data.octets(text))


def manager(*, protection=None, without=NOTHING, client_size=400, **changes):
    """Settings of a client that may do everything."""
    control, style = protection or (AUTHENTICATED_ENCRYPTED, CipheringStyle.SERVICE_SPECIFIC)
    return ClientSettings(
        client_sap=bm.MANAGEMENT if protection else bm.PLAIN_HLS,
        mechanism=Mechanism.HLS_GMAC,
        security=bm.client_security(control=control, style=style, ciphered=protection is not None),
        conformance=CLIENT_CONFORMANCE & ~without,
        max_receive_pdu_size=client_size,
        **changes,
    )


def conversation(*, server_size=400, fates=(), at_once=1, **changes):
    talk = Conversation(
        manager(**changes), device=bm.device(max_receive_pdu_size=server_size), fates=fates, at_once=at_once
    )
    assert isinstance(talk.associated, Associated)
    return talk


@st.composite
def conversations(draw, lossy=True):
    """Any sizes, protection, windows and kind of blocks."""
    protection = draw(PROTECTIONS)
    smallest = 160 if protection else 90  # the AARQ and the proof of HLS go in one piece
    sizes = draw(st.tuples(st.integers(60, 300), st.integers(smallest, 300)))
    kinds = draw(st.sampled_from(("own", "general", "preferred")))
    without = {"own": GENERAL, "general": BLOCKS, "preferred": NOTHING}[kinds]
    settings = manager(
        protection=protection,
        without=without,
        client_size=sizes[0],
        prefers_general_blocks=kinds == "preferred",
        general_block_window=draw(st.integers(1, 63)),
        general_blocks_at_once=draw(st.integers(1, 5)),
    )
    talk = Conversation(
        settings,
        device=bm.device(max_receive_pdu_size=sizes[1]),
        fates=draw(LOSSES if protection else FATES) if lossy and draw(st.booleans()) else (),
        at_once=draw(st.integers(1, 5)),
    )
    assert isinstance(talk.associated, Associated)
    return talk, sizes


def within(talk, sizes):
    """No APDU was longer than its receiver takes."""
    client_takes, server_takes = sizes
    assert talk.longest["C"] <= server_takes
    assert talk.longest["S"] <= client_takes


@settings(deadline=None, max_examples=80)
@given(which=conversations(), text=TEXTS)
def test_a_value_that_is_written_is_read_again_once_it_was_written_once(which, text):
    talk, sizes = which
    assert talk.run(talk.client.set(MESSAGE, encoded(text))) == SetDone(results=(SUCCESS,))
    assert talk.meter.message == text
    assert talk.run(talk.client.get(MESSAGE)) == Got(data=encoded(text))
    within(talk, sizes)


@settings(deadline=None, max_examples=80)
@given(which=conversations(), text=TEXTS)
def test_a_method_returns_what_it_was_given_whatever_its_length(which, text):
    talk, sizes = which
    done = talk.run(talk.client.act(ECHO, encoded(text)))
    assert done == ActDone(result=ActionResult.SUCCESS, data=encoded(text))
    within(talk, sizes)


@settings(deadline=None, max_examples=80)
@given(which=conversations(), texts=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_lists_keep_their_order_in_blocks_of_any_kind(which, texts):
    talk, sizes = which
    size_of_first_block = 40 + 10 * len(texts)
    assume(sizes[1] > size_of_first_block + 60)
    written = talk.run(talk.client.set_list([(MESSAGE, encoded(text)) for text in texts]))
    assert written == SetDone(results=(SUCCESS,) * len(texts))
    assert talk.meter.message == texts[-1]
    done = talk.run(talk.client.act_list([(ECHO, encoded(text)) for text in texts]))
    assert done == ActListDone(
        outcomes=tuple(ActDone(result=ActionResult.SUCCESS, data=encoded(text)) for text in texts)
    )
    read = talk.run(talk.client.get_list([MESSAGE, ENERGY] * 2))
    assert isinstance(read, GotList)
    assert [value for _result, value in read.results][::2] == [encoded(texts[-1])] * 2
    within(talk, sizes)


def asked(kind, target, encoded_value=None, selection=b""):
    return AccessSpecification(kind, target, selection), encoded_value


@settings(deadline=None, max_examples=80)
@given(which=conversations(lossy=False), text=TEXTS, described=st.booleans())
def test_access_does_everything_in_order(which, text, described):
    talk, sizes = which
    everything = [
        asked(AccessKind.GET, MESSAGE),
        asked(AccessKind.SET, MESSAGE, encoded(text)),
        asked(AccessKind.GET, MESSAGE),
        asked(AccessKind.ACTION, ECHO, encoded(text)),
        asked(
            AccessKind.GET_WITH_SELECTION, BUFFER, selection=bytes.fromhex("020204060000000106000000011200011200 00")
        ),
    ]
    if GENERAL not in talk.client.conformance:
        with pytest.raises(LocalProtocolError, match="octets, the server takes"):
            talk.client.access([*everything, asked(AccessKind.SET, MESSAGE, encoded(bytes(300)))])
        return
    done = talk.run(talk.client.access(everything, self_descriptive=described))
    assert isinstance(done, AccessDone)
    assert done.succeeded
    before, written, after, echoed, entry = done.outcomes
    assert before == AccessOutcome(AccessKind.GET, SUCCESS, encoded(b""))
    assert written == AccessOutcome(AccessKind.SET, SUCCESS, NULL)
    assert after.data == echoed.data == encoded(text)
    assert entry.data.startswith(b"\x01\x01")
    within(talk, sizes)


def test_the_published_access_request_is_sent_and_answered():
    talk = conversation()
    request = talk.client.access([asked(AccessKind.GET, ENERGY)])
    assert request == bytes.fromhex("D9C0000001000101000301000108 00FF020100")
    assert talk.run(request).outcomes[0].data == b"\x06" + (int(bm.NOW_S) // bm.PERIOD_S).to_bytes(4, "big")


def test_access_goes_on_behind_a_failure_or_stops_as_it_was_told():
    talk = conversation()
    everything = [
        asked(AccessKind.GET, MESSAGE),
        asked(AccessKind.SET, ENERGY, b"\x11\x01"),
        asked(AccessKind.ACTION, RECONNECT, b"\x0f\x00"),
        asked(AccessKind.SET, MESSAGE, encoded(b"x")),
    ]
    done = talk.run(talk.client.access(everything))
    assert [outcome.result for outcome in done.outcomes] == [0, 3, 0, 0]
    assert (talk.meter.message, talk.meter.relay) == (b"x", 1)
    talk = conversation()
    done = talk.run(talk.client.access(everything, break_on_error=True))
    assert [outcome.result for outcome in done.outcomes] == [0, 3, 250, 250]
    assert talk.meter.message == b""
    assert not done.succeeded


def test_a_window_lets_the_server_send_several_blocks_for_one_acknowledgement():
    talk = conversation(without=BLOCKS, client_size=60, general_block_window=10, at_once=10)
    assert isinstance(talk.run(talk.client.get(BUFFER)), Got)
    asked_for, answered = [[side for side, _ in talk.sent].count(which) for which in "CS"]
    assert answered > 4 * asked_for


def test_a_server_that_prefers_general_blocks_uses_them():
    talk = conversation(client_size=60)
    assert isinstance(talk.run(talk.client.get(BUFFER)), Got)
    assert not any(octets[0] == 0xE0 for _side, octets in talk.sent)
    talk.server.device.prefers_general_blocks = True
    try:
        talk.run(talk.client.release())
        assert isinstance(talk.run(talk.client.associate(challenge=b"K56iVagY")), Associated)
        assert isinstance(talk.run(talk.client.get(BUFFER)), Got)
    finally:
        talk.server.device.prefers_general_blocks = False
    assert talk.sent[-1][1][0] == 0xE0


def test_attribute_0_is_all_of_them():
    talk = conversation()
    got = axdr.decode_all(talk.run(talk.client.get(ENERGY_ALL)).data)
    assert [element.tag for element in got.value] == [0x09, 0x06, 0x02]
    refused = talk.run(talk.client.get(AttributeDescriptor(1, bm.ECHO, 0)))
    assert isinstance(refused, Got)  # its name, and null for the value that it has not
    message_all = AttributeDescriptor(1, bm.MESSAGE, 0)
    values = data.structure(data.null(), data.octets(b"by number 0"))
    assert talk.run(talk.client.set(message_all, axdr.encode(values))).succeeded
    assert talk.meter.message == b"by number 0"
    for wrong in (b"\x00", b"\x02\x01\x00", b"\x02\x03\x00\x00\x00", b"\x01\x02\x00\x00"):
        assert talk.run(talk.client.set(message_all, wrong)).results == (DataAccessResult.TYPE_UNMATCHED,)
    named = axdr.encode(data.structure(data.octets(bytes(6)), data.null()))
    assert talk.run(talk.client.set(message_all, named)).results == (DataAccessResult.READ_WRITE_DENIED,)


def test_the_unconfirmed_class_is_carried_out_and_not_answered():
    talk = conversation()
    client = talk.client
    everything = [
        client.set(MESSAGE, encoded(b"a"), confirmed=False),
        client.set_list([(MESSAGE, encoded(b"b"))], confirmed=False),
        client.act(RECONNECT, b"\x0f\x00", confirmed=False),
        client.act_list([(RECONNECT, b"\x0f\x00")], confirmed=False),
        client.access([asked(AccessKind.SET, MESSAGE, encoded(b"c"))], confirmed=False),
    ]
    assert not client.busy
    for octets in everything:
        assert talk.server.receive(bm.PLAIN_HLS, octets, bm.NOW_S) is None
    assert (talk.meter.message, talk.meter.writes, talk.meter.relay) == (b"c", 3, 1)
    with pytest.raises(LocalProtocolError, match="the server takes"):
        client.set(MESSAGE, encoded(bytes(500)), confirmed=False)


CALLS = {
    Conformance.ACCESS: lambda client: client.access([asked(AccessKind.GET, ENERGY)]),
    Conformance.MULTIPLE_REFERENCES: lambda client: client.act_list([(ECHO, NULL)]),
    Conformance.ATTRIBUTE0_GET: lambda client: client.get(ENERGY_ALL),
    Conformance.ATTRIBUTE0_SET: lambda client: client.set(RELAY_ALL, NULL),
    Conformance.SELECTIVE_ACCESS: lambda client: client.get(BUFFER, bytes.fromhex("0200")),
    Conformance.GET: lambda client: client.get(ENERGY),
    Conformance.SET: lambda client: client.set(MESSAGE, NULL),
    Conformance.ACTION: lambda client: client.act(ECHO),
}


@pytest.mark.parametrize("missing", CALLS, ids=lambda bit: bit.name)
def test_what_was_not_negotiated_is_neither_asked_nor_answered(missing):
    client = conversation(without=missing).client
    with pytest.raises(LocalProtocolError, match="was not negotiated"):
        CALLS[missing](client)
    assert not client.busy
    talk = conversation(without=missing, checked=False)
    refused = talk.run(CALLS[missing](talk.client))
    if missing in (Conformance.ATTRIBUTE0_GET, Conformance.ATTRIBUTE0_SET):
        result = refused.result if isinstance(refused, ServiceRefused) else refused.results[0]
        assert result == DataAccessResult.OBJECT_UNDEFINED
    else:
        assert refused.refusal.encode() == bytes.fromhex("D80102")


def test_general_blocks_that_were_not_negotiated_are_refused_by_both():
    talk = conversation(without=GENERAL)
    block = apdu.GeneralBlock(True, False, 1, 1, 0, talk.client.get(ENERGY)).encode()
    assert talk.server.receive(bm.PLAIN_HLS, block, bm.NOW_S) == bytes.fromhex("D80102")
    with pytest.raises(RemoteProtocolError, match="none were negotiated"):
        talk.client.receive(block)


def test_priority_is_said_only_where_it_was_agreed():
    assert conversation().client.get(ENERGY)[2] & 0x80
    assert not conversation(without=Conformance.PRIORITY_MANAGEMENT).client.get(ENERGY)[2] & 0x80


# -- general blocks, and what goes wrong with them


def test_a_transfer_that_the_server_breaks_off_ends_the_request():
    talk = conversation(without=BLOCKS, server_size=90)
    first = talk.client.set(MESSAGE, encoded(bytes(200)))
    assert talk.client.transferring
    talk.server.receive(bm.PLAIN_HLS, first, bm.NOW_S)
    event = talk.client.receive(ABORT)
    assert isinstance(event, TransferEnded)
    assert not talk.client.busy
    assert talk.run(talk.client.get(ENERGY)).data


def test_a_transfer_that_is_given_up_is_broken_off_at_the_server_too():
    talk = conversation(without=BLOCKS, server_size=90)
    assert talk.client.break_off() == b""
    talk.server.receive(bm.PLAIN_HLS, talk.client.set(MESSAGE, encoded(bytes(200))), bm.NOW_S)
    assert talk.server.receive(bm.PLAIN_HLS, talk.client.break_off(), bm.NOW_S) is None
    assert not talk.client.busy
    second = apdu.GeneralBlock(last=True, streaming=False, window=1, number=2, acknowledged=1, data=b"x").encode()
    assert apdu.decode(talk.server.receive(bm.PLAIN_HLS, second, bm.NOW_S)).acknowledged == 0
    assert talk.meter.writes == 0


def test_a_server_tells_who_breaks_the_rules_of_blocks():
    talk = conversation(without=BLOCKS, client_size=60)
    first = talk.server.receive(bm.PLAIN_HLS, talk.client.get(BUFFER), bm.NOW_S)
    assert first[0] == 0xE0
    wrong = apdu.GeneralBlock(True, False, 1, 1, 9).encode()
    assert talk.server.receive(bm.PLAIN_HLS, wrong, bm.NOW_S) == ABORT
    assert talk.server.take_findings()[-1].kind is FindingKind.BLOCK_TRANSFER_ENDED
    assert talk.server.receive(bm.PLAIN_HLS, b"\xe0\x01\x00", bm.NOW_S) == bytes.fromhex("D80103")


def test_silence_in_a_transfer_is_met_by_the_client_that_knows_the_time():
    talk = conversation(without=BLOCKS, client_size=60)
    assert talk.client.timed_out(0.0) is None
    answer = talk.server.receive(bm.PLAIN_HLS, talk.client.get(BUFFER), bm.NOW_S)
    asked_next = talk.client.receive(answer, 5.0)
    deadline_s = talk.client.next_deadline()
    assert talk.client.timed_out(deadline_s) == asked_next
    for _ in range(2):
        talk.client.timed_out(talk.client.next_deadline())
    assert isinstance(talk.client.timed_out(talk.client.next_deadline()), TransferEnded)
    assert (talk.client.next_deadline(), talk.client.busy) == (None, False)


def test_a_plain_answer_ends_a_transfer():
    talk = conversation(without=BLOCKS, server_size=90)
    talk.client.set(MESSAGE, encoded(bytes(200)))
    assert isinstance(talk.client.receive(bytes.fromhex("D80101")), ServiceRefused)
    assert not talk.client.transferring


def test_a_request_that_comes_in_the_middle_of_a_transfer_ends_it():
    talk = conversation(without=BLOCKS, client_size=60)
    first = talk.server.receive(bm.PLAIN_HLS, talk.client.get(BUFFER), bm.NOW_S)
    acknowledged = talk.client.receive(first).octets
    assert talk.server.receive(bm.PLAIN_HLS, bytes.fromhex("C001C500030100010800FF0200"), bm.NOW_S)[0] == 0xC4
    assert talk.server.receive(bm.PLAIN_HLS, acknowledged, bm.NOW_S) == ABORT


@pytest.mark.parametrize("window", [0, 1])
def test_a_push_in_blocks_is_a_notification_beside_the_request_under_way(window):
    talk = conversation(client_size=60)
    notification = apdu.DataNotification(0x40000001, b"", encoded(bytes(range(200))))
    request = talk.client.get(ENERGY)
    blocks = cut_unconfirmed(notification.encode(), 60)
    if window:
        blocks = [apdu.decode(octets) for octets in blocks]
        blocks = [
            apdu.GeneralBlock(block.last, False, 1, block.number, block.number - 1, block.data).encode()
            for block in blocks
        ]
    event = [talk.client.receive(octets) for octets in blocks][-1]
    assert event == Notified(notification=notification, protected=False)
    assert talk.client.busy
    assert talk.run(request) == Got(data=b"\x06" + (int(bm.NOW_S) // bm.PERIOD_S).to_bytes(4, "big"))


def test_a_push_is_confirmed_and_the_server_hears_of_it():
    talk = conversation()
    confirmation = talk.client.confirm(apdu.DataNotification(0x40000007, b"", NULL))
    assert confirmation == bytes.fromhex("104000000700")
    assert talk.server.receive(bm.PLAIN_HLS, confirmation, bm.NOW_S) is None
    assert talk.server.take_confirmations() == [0x40000007]
    assert talk.server.take_confirmations() == []


@pytest.mark.parametrize("octet_count", range(20, 32))
def test_a_ciphered_access_around_what_the_server_takes_arrives_whole(octet_count):
    """ACCESS is ciphered with a longer head than GET: a request that just fits without it goes in blocks."""
    talk = conversation(server_size=160, client_size=60, protection=(AUTHENTICATED, CipheringStyle.SERVICE_SPECIFIC))
    text = encoded(bytes(octet_count))
    everything = [asked(AccessKind.GET, MESSAGE), asked(AccessKind.SET, MESSAGE, text), asked(AccessKind.GET, MESSAGE)]
    everything += [asked(AccessKind.ACTION, ECHO, text), asked(AccessKind.GET, ENERGY), asked(AccessKind.GET, ENERGY)]
    assert isinstance(talk.run(talk.client.access(everything)), AccessDone)
    within(talk, (60, 160))
