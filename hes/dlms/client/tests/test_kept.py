"""What is kept from one association for the next says the same as what is worked out anew each time."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hes.dlms import acse, acse_form, apdu
from hes.dlms.acse import Aare, Rlre, Rlrq
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import ActDone, Associated, Got, Released, SendNext
from hes.dlms.client.exchange import ActionExchange
from hes.dlms.codes import AcseDiagnostic, ActionResult, ApplicationContext, AssociationResult, Mechanism, ReleaseReason
from hes.dlms.initiate import InitiateResponse
from hes.dlms.security.ciphering import Ciphering
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.dlms.tests.strategies import damaged
from hes.errors import LocalProtocolError, RemoteProtocolError

CHALLENGES = [bytes(range(n, n + 16)) for n in range(1, 4)]
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
GRANTED = InitiateResponse(bm.hls().proposed, 500).encode()


def server_side(first_counter):
    return Ciphering(
        system_title=published.SERVER_TITLE,
        peer_system_title=published.CLIENT_TITLE,
        global_keys=bm.keys(),
        send_counter=first_counter,
    )


def aare(first_counter=1, challenge=CHALLENGES[2], granted=GRANTED, **changes):
    fields = {
        "context": ApplicationContext.LN_CIPHERED,
        "result": AssociationResult.ACCEPTED,
        "diagnostic": AcseDiagnostic.AUTHENTICATION_REQUIRED,
        "responding_ap_title": published.SERVER_TITLE,
        "authentication": True,
        "mechanism": Mechanism.HLS_GMAC,
        "authentication_value": challenge,
        "user_information": server_side(first_counter).protect_initiate(granted),
    }
    return Aare(**{**fields, **changes}).encode()


def pending(chosen, challenge=CHALLENGES[0]):
    client = Client(chosen, send_counter=1)
    client.associate(challenge=challenge)
    return client


def with_experience():
    """Settings of a client that has been answered before."""
    chosen = bm.hls()
    assert isinstance(pending(chosen).receive(aare()), SendNext)
    assert chosen.kept.accepted is not None
    return chosen


@pytest.mark.parametrize(
    "make", [bm.hls, lambda: bm.hls(dedicated=True), lambda: bm.hls(ciphered=False), lambda: bm.hls(suite=1)]
)
def test_aarqs_of_one_client_are_what_each_would_be_alone(make):
    kept = make()
    key = {"dedicated_key": published.MASTER_KEY} if kept.security.dedicated else {}
    for counter, challenge in [*enumerate(CHALLENGES), (9, bytes(64)), (10, CHALLENGES[0])]:
        alone = Client(make(), send_counter=counter).associate(challenge=challenge, **key)
        assert Client(kept, send_counter=counter).associate(challenge=challenge, **key) == alone
    assert kept.kept.aarq_form is not None


def outcome(client, octets):
    try:
        event = client.receive(octets)
    except RemoteProtocolError as error:
        event = type(error), error.message
    return event, client.state, client.receive_counter, client.conformance, client.server_max_receive_pdu_size


OTHER_GRANTS = [
    InitiateResponse(bm.hls().proposed, 1024).encode(),
    InitiateResponse(bm.hls().proposed, 500, 0xFA00).encode(),
    GRANTED[:-1],
    b"\xc4" + GRANTED[1:],
]


@settings(deadline=None)
@given(
    octets=damaged(
        st.builds(
            aare,
            st.integers(0, 3),
            st.sampled_from([*CHALLENGES, b"short", bytes(64)]),
            st.sampled_from([GRANTED, *OTHER_GRANTS]),
        )
    )
)
@example(aare(2, CHALLENGES[1]))
@example(aare(2, CHALLENGES[0]))  # the client's own challenge
@example(aare(2, CHALLENGES[1], OTHER_GRANTS[0]))
@example(aare(2, CHALLENGES[1], OTHER_GRANTS[1]))
@example(aare(2, CHALLENGES[1], responding_ap_title=b"OTHER\0\0\1"))
@example(aare(2, CHALLENGES[1], user_information=GRANTED))
def test_an_answer_means_the_same_to_a_client_with_and_without_experience(octets):
    new, experienced = pending(bm.hls()), pending(with_experience())
    assert outcome(experienced, octets) == outcome(new, octets)
    sound = aare(9, CHALLENGES[2])
    assert outcome(experienced, sound) == outcome(new, sound)


def test_the_answer_of_a_server_with_experience_takes_the_short_way(monkeypatch):
    client = pending(with_experience())
    monkeypatch.setattr(acse, "decode", lambda octets: pytest.fail("the AARE was taken apart"))
    assert isinstance(client.receive(aare(2, CHALLENGES[1])), SendNext)


def test_a_session_is_the_same_whether_or_not_somebody_looks_on():
    """An observer of what goes ciphered sends every APDU the long way."""
    told = []
    sessions = [session(None), session(lambda *seen: told.append(seen))]
    assert sessions[0] == sessions[1]
    assert len(told) == 2 * 3  # pass 3 and 4, two reads


def session(on_plain):
    bench = bm.Bench(bm.hls(), send_counter=1)
    assert isinstance(bench.associate(), Associated)
    assert bench.client.settings.kept.accepted is not None
    bench.run(bench.client.release())
    bench.client = Client(bench.client.settings, send_counter=100, on_plain=on_plain)
    bench.wire.clear()
    assert isinstance(bench.associate(), Associated)
    assert isinstance(bench.run(bench.client.get(ENERGY)), Got)
    assert isinstance(bench.run(bench.client.get(ENERGY)), Got)
    assert bench.run(bench.client.release()) == Released(reason=ReleaseReason.NORMAL)
    assert bench.client.state is State.IDLE
    return bench.wire, bench.client.receive_counter


# -- single APDUs


@given(st.binary(max_size=140))
def test_a_protected_release_is_encoded_as_the_object_is(information):
    assert acse_form.encode_protected_rlrq(information) == Rlrq(user_information=information).encode()


@given(damaged(st.binary(max_size=140).map(lambda information: Rlre(user_information=information).encode())))
@example(Rlre(user_information=bytes(120)).encode())
def test_what_counts_as_a_normal_release_reads_as_one(octets):
    if acse_form.is_normal_rlre(octets):
        assert acse.decode(octets) == Rlre(user_information=octets[9:])


@given(
    invoke=st.integers(-1, 256),
    method=st.builds(
        MethodDescriptor, st.integers(-1, 0x10000), st.binary(min_size=5, max_size=7), st.integers(-129, 128)
    ),
    parameter=st.none() | st.just(b"\x00"),
)
@example(invoke=0xC1, method=MethodDescriptor(15, bytes(6), 1), parameter=b"\x09\x01\x00")
def test_an_action_request_is_encoded_as_the_object_is(invoke, method, parameter):
    def outcome_of(encode):
        try:
            return encode()
        except LocalProtocolError as error:
            return error.message

    expected = outcome_of(lambda: apdu.ActionRequestNormal(invoke, method, parameter).encode())
    assert outcome_of(lambda: apdu.encode_action_request(invoke, method, parameter)) == expected


@given(damaged(st.binary(max_size=140).map(lambda value: bytes((0xC7, 1, 0xC1, 0, 1, 0, 9, len(value) % 256)) + value)))
@example(bytes.fromhex("C701C100010009"))
@example(bytes.fromhex("C701C10001000900"))
@example(bytes.fromhex("C701C1000100090100"))
def test_a_short_answer_to_an_action_is_read_as_the_object_is(octets):
    exchange = ActionExchange(
        0xC1, (MethodDescriptor(15, bytes(6), 1),), (None,), as_list=False, limit=100, blocks_allowed=False
    )
    try:
        answer = exchange.answer(octets)
    except RemoteProtocolError:
        answer = None
    try:
        expected = apdu.decode(octets)
    except RemoteProtocolError:
        expected = None
    if isinstance(expected, apdu.ActionResponseNormal):
        done = ActDone(result=expected.result, data=expected.data, data_result=expected.data_result)
        assert answer == done
    else:
        assert not (isinstance(answer, ActDone) and answer.result == ActionResult.SUCCESS)


def test_the_window_of_the_server_moves_on_the_short_way_too():
    client = pending(with_experience())
    client.receive(aare(7, CHALLENGES[1]))
    assert client.receive_counter == 8
