"""Damaged APDUs: the server always answers, the client gives an event or one kind of error, and both go on."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hes.dlms import acse, apdu
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.association import State
from hes.dlms.client.events import Associated, ClientEvent, SendNext
from hes.dlms.selective_access import by_entry, by_range
from hes.dlms.server.tests.server_wire import Wire, ciphered_wire, managing_wire, plain_wire
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.dlms.tests.bench_meter import Bench
from hes.dlms.tests.strategies import damaged
from hes.errors import RemoteProtocolError

CLOCK = AttributeDescriptor(8, bm.CLOCK, 2)
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
BUFFER = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
ECHO = MethodDescriptor(1, bm.ECHO, 1)
RANGE = by_range(CLOCK, bm.AMSTERDAM.octets(bm.NOW_S - 3600), bm.AMSTERDAM.octets(bm.NOW_S), (ENERGY,))

REQUESTS = [
    published.GET_CLOCK,
    published.SET_CLOCK,
    published.DISCONNECT,
    published.KEY_TRANSFER,
    published.RLRQ_PLAIN,
    published.AARQ_HLS5,
    published.AARQ_PLAIN,
    published.AARQ_LLS_CIPHERED,
    published.GLO_GET,
    published.GENERAL_GLO_GET,
    apdu.GetRequestNormal(0xC1, BUFFER).encode(),
    apdu.GetRequestNormal(0xC1, BUFFER, RANGE).encode(),
    apdu.GetRequestNormal(0xC1, BUFFER, by_entry(2, 9, 1, 3)).encode(),
    apdu.GetRequestNext(0xC1, 1).encode(),
    apdu.GetRequestWithList(0xC1, ((ENERGY, b""), (BUFFER, RANGE))).encode(),
    apdu.SetRequestNormal(0xC1, MESSAGE, b"\x09\x03abc").encode(),
    apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", False, 1, b"\x09\x03a").encode(),
    apdu.SetRequestBlock(0xC1, True, 2, b"bc").encode(),
    apdu.SetRequestWithList(0xC1, ((MESSAGE, b""), (ENERGY, b"")), (b"\x09\x01a", b"\x00")).encode(),
    apdu.SetRequestWithListFirstBlock(0xC1, ((MESSAGE, b""),), False, 1, b"\x01").encode(),
    apdu.ActionRequestNormal(0xC1, ECHO, b"\x09\x02ab").encode(),
    apdu.ActionRequestFirstBlock(0xC1, ECHO, False, 1, b"\x09").encode(),
    apdu.ActionRequestBlock(0xC1, True, 2, b"\x02ab").encode(),
    apdu.ActionRequestNextBlock(0xC1, 1).encode(),
    apdu.ActionRequestWithList(0xC1, (ECHO, ECHO), (b"\x00", b"\x11\x01")).encode(),
    apdu.ActionRequestNormal(0xC1, MethodDescriptor(8, bm.CLOCK, 6), b"\x10\x00\x05").encode(),
]
LARGE = bm.device(max_receive_pdu_size=4000)  # takes the damaged APDUs once they are ciphered
STREAMS = st.lists(damaged(st.sampled_from(REQUESTS)) | st.binary(max_size=60), min_size=1, max_size=6)


@given(STREAMS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_server_answers_whatever_comes(stream):
    for wire in (plain_wire(), managing_wire(), Wire(bm.PUBLIC), Wire(bm.PLAIN_HLS)):
        for octets in stream:
            answer = wire(octets)
            assert answer is None or readable(answer)


@given(STREAMS)
def test_a_server_answers_whatever_comes_out_of_valid_ciphering(stream):
    wire, ciphering = ciphered_wire(device=LARGE)
    for octets in stream:
        if not octets or wire.server.idle:
            continue
        answer = wire(ciphering.protect(octets))
        if answer is None or answer[0] == 0xD8:
            continue
        assert readable(ciphering.unprotect(answer).apdu)


def readable(answer):
    """The server's answer is one that our own decoders take, exactly."""
    decode = acse.decode if answer[0] in (0x61, 0x63) else apdu.decode
    return decode(answer) is not None


def after(requests):
    """Octets of the server's answers to these requests, of a client that is then asked again."""
    bench = Bench(bm.lls(max_receive_pdu_size=200))
    bench.associate()
    bench.wire.clear()
    for request in requests:
        bench.run(request(bench.client))
    return [octets for side, octets in bench.wire if side == "S"]


ANSWERS = [
    published.AARE_ACCEPTED,
    published.AARE_HLS5_PENDING,
    published.AARE_CONTEXT_REFUSED,
    published.RLRE_PLAIN,
    published.RLRE_CIPHERED,
    published.DATA_NOTIFICATION,
    published.GENERAL_GLO_DATA_NOTIFICATION,
    bytes.fromhex("D801060000002A"),
    bytes.fromhex("0E010601"),
    bytes.fromhex("C501C103"),
    bytes.fromhex("C502C100000001"),
    bytes.fromhex("C503C10000000001"),
    bytes.fromhex("C504C1010000000001"),
    bytes.fromhex("C505C10100"),
    bytes.fromhex("C701C10000"),
    bytes.fromhex("C702C101000000010411020903"),
    bytes.fromhex("C704C100000001"),
    *after([lambda client: client.get(ENERGY), lambda client: client.get(BUFFER)])[:4],
    *after([lambda client: client.get_list((ENERGY, CLOCK))]),
]
ASKING = [
    lambda client: client.get(ENERGY),
    lambda client: client.get_list((ENERGY, CLOCK)),
    lambda client: client.set(MESSAGE, b"\x09\x01a"),
    lambda client: client.set(MESSAGE, b"\x09\x82\x08\x00" + bytes(2048)),
    lambda client: client.act(ECHO, b"\x09\x82\x08\x00" + bytes(2048)),
    lambda client: client.release(),
]


@given(
    st.sampled_from([bm.lls(), bm.hls(), bm.hls(bm.PLAIN_HLS, ciphered=False)]),
    st.sampled_from(ASKING),
    st.lists(damaged(st.sampled_from(ANSWERS)) | st.binary(max_size=40), min_size=1, max_size=6),
)
def test_a_client_gives_an_event_or_one_kind_of_error(settings, ask, stream):
    bench = Bench(settings)
    assert isinstance(bench.associate(), Associated)
    ask_if_it_may(bench, ask)
    for octets in stream:
        try:
            event = bench.client.receive(octets)
        except RemoteProtocolError:
            continue
        assert isinstance(event, ClientEvent)
        if isinstance(event, SendNext):
            assert event.octets
    # and it still can be used: from the start at worst
    bench.client.abandon()
    if bench.client.state is State.IDLE:
        bench.server.link_lost()
        assert isinstance(bench.associate(), Associated)
    assert bench.run(bench.client.get(ENERGY)) is not None


def ask_if_it_may(bench, ask):
    octets = ask(bench.client)
    assert octets


@given(st.lists(damaged(st.sampled_from(ANSWERS)), min_size=1, max_size=6), st.booleans())
def test_a_client_that_is_associating_gives_an_event_or_one_kind_of_error(stream, high_level):
    bench = Bench(bm.hls() if high_level else bm.lls())
    bench.client.associate(challenge=published.CLIENT_CHALLENGE if high_level else b"")
    for octets in stream:
        try:
            assert isinstance(bench.client.receive(octets), ClientEvent)
        except RemoteProtocolError:
            continue
        assert not (high_level and bench.client.state is State.ASSOCIATED)
    bench.client.abandon() if bench.client.state is not State.ASSOCIATED else bench.client.link_lost()
    assert isinstance(bench.associate(), Associated)


@pytest.mark.parametrize("octets", REQUESTS)
def test_every_request_of_the_corpus_is_one_the_server_takes(octets):
    """So that the fuzzing starts from what is really handled."""
    wire = managing_wire()
    answer = wire(octets)
    assert answer is not None
    assert answer not in (bytes.fromhex("D80202"), bytes.fromhex("D80103"))
