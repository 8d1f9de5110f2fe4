import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import axdr
from hes.dlms.codes import ApduTag
from hes.dlms.security import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    ENCRYPTED,
    INVOCATION_COUNTER_MAX,
    EncryptionKeys,
    SecurityControl,
    seal,
)
from hes.dlms.security.ciphering import (
    PROTECTED_TAGS,
    Ciphering,
    CipheringStyle,
    InvocationCounterError,
    KeyScope,
    ReplayWindow,
    SecurityError,
    SendCounter,
    is_protected,
    read_general,
)
from hes.dlms.tests import published
from hes.dlms.tests.strategies import damaged
from hes.errors import LocalProtocolError, RemoteProtocolError

KEYS = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
BROADCAST_KEYS = EncryptionKeys(published.MASTER_KEY, published.AUTHENTICATION_KEY)
DEDICATED_KEY = bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF")
CLIENT, SERVER = published.CLIENT_TITLE, published.SERVER_TITLE
STYLES = [CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO, CipheringStyle.GENERAL_DED]
CONTROLS = [AUTHENTICATED, ENCRYPTED, AUTHENTICATED_ENCRYPTED]


def client(**settings):
    chosen = {"system_title": CLIENT, "global_keys": KEYS, "send_counter": 1, "peer_system_title": SERVER} | settings
    return Ciphering(**chosen)


def server(**settings):
    return client(**{"system_title": SERVER, "peer_system_title": CLIENT} | settings)


# -- octets


@pytest.mark.parametrize(
    ("control", "style", "octets"),
    [
        (AUTHENTICATED, CipheringStyle.SERVICE_SPECIFIC, published.GLO_GET_AUTHENTICATED),
        (ENCRYPTED, CipheringStyle.SERVICE_SPECIFIC, published.GLO_GET_ENCRYPTED),
        (AUTHENTICATED_ENCRYPTED, CipheringStyle.SERVICE_SPECIFIC, published.GLO_GET),
        (AUTHENTICATED_ENCRYPTED, CipheringStyle.GENERAL_GLO, published.GENERAL_GLO_GET),
    ],
)
def test_published_apdus_are_protected_and_opened(control, style, octets):
    # the example lets the title 4D4D4D0000BC614E ask
    sender = client(system_title=SERVER, send_counter=published.COUNTER, control=control, style=style)
    assert sender.protect(published.GET_CLOCK) == octets
    opened = server(peer_system_title=SERVER).unprotect(octets)
    assert opened[:6] == (published.GET_CLOCK, control, published.COUNTER, KeyScope.GLOBAL, style, SERVER)


def test_the_published_initiate_apdus_are_protected_and_opened():
    side = client(system_title=SERVER, send_counter=published.COUNTER, style=CipheringStyle.GENERAL_DED)
    assert side.protect_initiate(published.INITIATE_REQUEST_DEDICATED) == published.GLO_INITIATE_REQUEST
    answer = server(send_counter=published.COUNTER)
    assert answer.protect_initiate(published.INITIATE_RESPONSE_RELEASE) == published.GLO_INITIATE_RESPONSE
    opened = server(peer_system_title=SERVER).unprotect(published.GLO_INITIATE_REQUEST)
    assert opened.apdu == published.INITIATE_REQUEST_DEDICATED


def test_the_published_push_is_protected_and_opened():
    meter = server(send_counter=0x100)
    assert meter.protect(published.DATA_NOTIFICATION) == published.GENERAL_GLO_DATA_NOTIFICATION
    head = read_general(published.GENERAL_GLO_DATA_NOTIFICATION)
    assert (head.tag, head.system_title) == (ApduTag.GENERAL_GLO_CIPHERING, SERVER)
    intake = client(peer_system_title=None)
    assert intake.unprotect(published.GENERAL_GLO_DATA_NOTIFICATION).apdu == published.DATA_NOTIFICATION
    assert intake.peer_system_title == SERVER


@pytest.mark.parametrize("plain", sorted(PROTECTED_TAGS))
def test_each_service_has_the_tags_that_its_name_says(plain):
    name = ApduTag(plain).name
    glo, ded = PROTECTED_TAGS[plain]
    assert (ApduTag(glo).name, ApduTag(ded).name) == (f"GLO_{name}", f"DED_{name}")
    assert is_protected(bytes((glo,)))
    assert is_protected(memoryview(bytes((ded,))))
    assert not is_protected(bytes((plain,)))


def test_nothing_else_counts_as_protected():
    protected = {tag for tag in range(256) if is_protected(bytes((tag,)))}
    assert protected == {tag for pair in PROTECTED_TAGS.values() for tag in pair} | {0xDB, 0xDC, 0xDD, 0xDF}
    assert not is_protected(b"")


@given(
    apdu=st.sampled_from(sorted(PROTECTED_TAGS)).flatmap(
        lambda tag: st.binary(max_size=300).map(lambda rest: bytes((tag,)) + rest)
    ),
    style=st.sampled_from(STYLES),
    control=st.sampled_from(CONTROLS),
    scope=st.sampled_from((KeyScope.GLOBAL, KeyScope.DEDICATED)),
)
def test_what_one_side_protects_the_other_opens(apdu, style, control, scope):
    sender, receiver = client(dedicated_key=DEDICATED_KEY), server(dedicated_key=DEDICATED_KEY)
    octets = sender.protect(apdu, key=scope, style=style, control=control)
    opened = receiver.unprotect(bytearray(octets))
    assert (opened.apdu, opened.control, opened.scope, opened.system_title) == (apdu, control, scope, CLIENT)
    # an answer in kind
    answer = receiver.protect(apdu, key=opened.scope, style=opened.style, control=opened.control)
    assert sender.unprotect(answer).apdu == apdu
    assert answer[0] == octets[0]


def test_the_dedicated_key_is_the_default_of_its_style_only():
    side = client(dedicated_key=DEDICATED_KEY)
    assert side.protect(published.GET_CLOCK)[0] == ApduTag.GLO_GET_REQUEST
    assert side.protect(published.GET_CLOCK, style=CipheringStyle.GENERAL_DED)[0] == ApduTag.GENERAL_DED_CIPHERING
    assert side.protect(published.GET_CLOCK, key=KeyScope.DEDICATED)[0] == ApduTag.DED_GET_REQUEST


def test_a_general_apdu_may_leave_out_a_title_that_is_known():
    octets = bytes.fromhex("DB00") + published.GENERAL_GLO_GET[10:]
    assert server(peer_system_title=SERVER).unprotect(octets).apdu == published.GET_CLOCK


# -- counters


def test_every_apdu_takes_the_next_counter_of_its_key():
    side = client(send_counter=41, dedicated_key=DEDICATED_KEY, dedicated_send_counter=7)
    counters = [side.protect(published.GET_CLOCK)[3:7] for _ in range(2)]
    counters += [side.protect(published.GET_CLOCK, key=KeyScope.DEDICATED)[3:7]]
    counters += [side.protect_initiate(published.INITIATE_REQUEST)[3:7]]
    assert [int.from_bytes(counter, "big") for counter in counters] == [41, 42, 7, 43]
    assert side.take_counter() == 44


def test_a_counter_may_come_from_outside():
    issued = iter((5, 9))
    side = client(send_counter=lambda: next(issued))
    assert [side.protect(published.GET_CLOCK)[6] for _ in range(2)] == [5, 9]


def test_a_used_up_key_protects_nothing_more():
    counter = SendCounter(INVOCATION_COUNTER_MAX - 1)
    assert counter() == INVOCATION_COUNTER_MAX - 1
    with pytest.raises(LocalProtocolError, match="change the key"):
        counter()
    with pytest.raises(LocalProtocolError):
        client(send_counter=lambda: INVOCATION_COUNTER_MAX).protect(published.GET_CLOCK)


def test_an_apdu_that_was_opened_does_not_open_again():
    octets = client(send_counter=41).protect(published.GET_CLOCK)
    receiver = server()
    receiver.unprotect(octets)
    with pytest.raises(InvocationCounterError) as caught:
        receiver.unprotect(octets)
    assert (caught.value.expected, caught.value.received) == (42, 41)
    assert isinstance(caught.value, RemoteProtocolError)


def test_the_first_counter_of_a_new_key_may_be_zero():
    assert server().unprotect(client(send_counter=0).protect(published.GET_CLOCK)).invocation_counter == 0


def test_counters_may_leave_gaps_but_not_go_back():
    receiver = server(receive_counter=10)
    for counter, taken in ((9, False), (10, True), (500, True), (499, False), (501, True)):
        octets = client(send_counter=counter).protect(published.GET_CLOCK)
        if taken:
            receiver.unprotect(octets)
        else:
            with pytest.raises(InvocationCounterError):
                receiver.unprotect(octets)
    assert receiver.windows[KeyScope.GLOBAL].expected == 502


def test_each_key_has_its_own_window():
    sender = client(send_counter=1000, dedicated_key=DEDICATED_KEY)
    receiver = server(dedicated_key=DEDICATED_KEY)
    receiver.unprotect(sender.protect(published.GET_CLOCK))
    receiver.unprotect(sender.protect(published.GET_CLOCK, key=KeyScope.DEDICATED))
    assert receiver.windows[KeyScope.GLOBAL].expected == 1001
    assert receiver.windows[KeyScope.DEDICATED].expected == 2


def test_an_altered_apdu_moves_no_window():
    octets = bytearray(client(send_counter=41).protect(published.GET_CLOCK))
    octets[3:7] = bytes.fromhex("FFFFFFF0")
    receiver = server()
    with pytest.raises(SecurityError, match="tag is wrong"):
        receiver.unprotect(octets)
    assert receiver.windows[KeyScope.GLOBAL].expected == 0


def test_an_unauthenticated_apdu_cannot_lock_the_window_but_cannot_be_replayed_either():
    receiver = server()
    forged = client(send_counter=0xFFFFFFF0, control=ENCRYPTED).protect(published.GET_CLOCK)
    receiver.unprotect(forged)
    with pytest.raises(InvocationCounterError):
        receiver.unprotect(forged)
    assert receiver.windows[KeyScope.GLOBAL].expected == 0
    receiver.unprotect(client(send_counter=1).protect(published.GET_CLOCK))
    with pytest.raises(InvocationCounterError):
        receiver.unprotect(client(send_counter=1, control=ENCRYPTED).protect(published.GET_CLOCK))


@given(counters=st.lists(st.integers(0, 20), max_size=30))
def test_a_window_takes_exactly_the_counters_above_all_before_them(counters):
    window, highest = ReplayWindow(), -1
    for counter in counters:
        if counter > highest:
            window.accept(counter)
            highest = counter
        else:
            with pytest.raises(InvocationCounterError):
                window.accept(counter)
        assert window.expected == highest + 1


def test_the_highest_counter_is_refused_so_that_the_expected_one_always_fits_four_octets():
    window = ReplayWindow()
    with pytest.raises(SecurityError, match="used up"):
        window.accept(INVOCATION_COUNTER_MAX)
    window.accept(INVOCATION_COUNTER_MAX - 1)
    assert window.expected == INVOCATION_COUNTER_MAX


# -- what must not be believed


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("", "not a general"),
        ("C001C100080000010000FF0200", "not a general"),
        ("DE00", "not a general"),
        ("C81F" + published.GLO_GET[2:].hex(), "31 octets announced, 30 are there"),
        ("C81D" + published.GLO_GET[2:].hex(), "29 octets announced, 30 are there"),
        ("C8", "the octets end"),
        ("C800", "head of 5 octets"),
        ("DB084D4D", "the octets end"),
        ("DB074D4D4D0000BC61" + published.GENERAL_GLO_GET[10:].hex(), "system title of 7 octets"),
        ("DB084D4D4D0000000009" + published.GENERAL_GLO_GET[10:].hex(), "is not the peer's"),
        ("D01E" + published.GLO_GET[2:].hex(), "dedicated key, which this association has not"),
        ("DC084D4D4D0000BC614E" + published.GENERAL_GLO_GET[10:].hex(), "dedicated key"),
        ("C91E" + published.GLO_GET[2:].hex(), "tag C9 does not protect what it says"),
    ],
)
def test_a_protected_apdu_that_breaks_a_rule_is_refused(octets, complaint):
    with pytest.raises(RemoteProtocolError, match=complaint):
        server(peer_system_title=SERVER).unprotect(bytes.fromhex(octets))


def test_nothing_opens_before_the_peer_has_said_its_title():
    with pytest.raises(SecurityError, match="has not said its system title"):
        server(peer_system_title=None).unprotect(published.GLO_GET)


def test_an_unauthenticated_apdu_does_not_introduce_its_sender():
    receiver = server(peer_system_title=None)
    octets = client(control=ENCRYPTED, style=CipheringStyle.GENERAL_GLO).protect(published.GET_CLOCK)
    assert receiver.unprotect(octets).system_title == CLIENT
    assert receiver.peer_system_title is None


def test_an_empty_apdu_is_neither_protected_nor_opened():
    with pytest.raises(LocalProtocolError):
        client().protect(b"")
    sealed = seal(AUTHENTICATED_ENCRYPTED, KEYS, CLIENT, 1, b"")
    with pytest.raises(SecurityError, match="does not protect what it says"):
        server().unprotect(b"\xc8" + axdr.encode_length(len(sealed)) + sealed)


def test_a_broadcast_opens_with_the_broadcast_key_only():
    sealed = seal(SecurityControl(0x70), BROADCAST_KEYS, CLIENT, 5, published.SET_CLOCK)
    octets = bytes((ApduTag.GLO_SET_REQUEST,)) + axdr.encode_length(len(sealed)) + sealed
    receiver = server(broadcast_keys=BROADCAST_KEYS)
    opened = receiver.unprotect(octets)
    assert (opened.apdu, opened.scope, opened.control.broadcast) == (published.SET_CLOCK, KeyScope.BROADCAST, True)
    assert receiver.windows[KeyScope.GLOBAL].expected == 0
    with pytest.raises(SecurityError, match="broadcast key, which this association has not"):
        server().unprotect(octets)
    with pytest.raises(SecurityError, match="never a broadcast key"):
        receiver.unprotect(bytes((ApduTag.DED_SET_REQUEST,)) + octets[1:])


def test_sending_with_a_key_that_is_not_there_is_our_own_mistake():
    with pytest.raises(LocalProtocolError, match="no dedicated key"):
        client().protect(published.GET_CLOCK, key=KeyScope.DEDICATED)
    with pytest.raises(LocalProtocolError, match="8 octets"):
        client(system_title=b"short")


@given(
    octets=st.binary(max_size=60)
    | damaged(
        st.sampled_from(
            [published.GLO_GET, published.GENERAL_GLO_GET, published.GLO_GET_ENCRYPTED, published.GLO_INITIATE_REQUEST]
        )
    )
)
@example(bytes.fromhex("DB84FFFFFFFF"))
@example(bytes.fromhex("C884FFFFFFFF00"))
def test_random_octets_give_an_apdu_or_one_error(octets):
    receiver = server(peer_system_title=SERVER, dedicated_key=DEDICATED_KEY, broadcast_keys=BROADCAST_KEYS)
    try:
        receiver.unprotect(octets)
    except RemoteProtocolError:
        return


# -- the short way of the usual form, held against the long one

LONG_KEYS = EncryptionKeys(bytes(range(32)), bytes(range(32, 64)))
SUITES_AND_KEYS = [(0, KEYS), (1, KEYS), (2, LONG_KEYS)]
SERVICES = st.sampled_from([*sorted(PROTECTED_TAGS), ApduTag.DATA_NOTIFICATION, ApduTag.GENERAL_SIGNING])
PLAIN_APDUS = st.builds(lambda tag, rest: bytes((tag,)) + rest, SERVICES, st.binary(max_size=130))


def refusal_or(action, *arguments, **named):
    try:
        return action(*arguments, **named)
    except (LocalProtocolError, RemoteProtocolError) as error:
        return type(error), str(error)


@given(
    apdu=PLAIN_APDUS | st.just(b""),
    suite_and_keys=st.sampled_from(SUITES_AND_KEYS),
    control=st.sampled_from([*CONTROLS, SecurityControl(0)]),
    counter=st.integers(0, INVOCATION_COUNTER_MAX + 1) | st.just(-1),
)
@example(apdu=bytes((0xC0,)) + bytes(109), suite_and_keys=(0, KEYS), control=AUTHENTICATED_ENCRYPTED, counter=1)
@example(apdu=bytes((0xC0,)) + bytes(110), suite_and_keys=(0, KEYS), control=AUTHENTICATED_ENCRYPTED, counter=1)
@example(apdu=b"\xc0", suite_and_keys=(0, KEYS), control=AUTHENTICATED_ENCRYPTED, counter=INVOCATION_COUNTER_MAX)
def test_the_usual_form_is_made_as_any_form_is(apdu, suite_and_keys, control, counter):
    suite, keys = suite_and_keys
    settings = {"global_keys": keys, "control": SecurityControl(control | suite), "send_counter": lambda: counter}
    form = {"key": KeyScope.GLOBAL, "style": CipheringStyle.SERVICE_SPECIFIC}
    expected = refusal_or(client(**settings).protect, apdu, **form)
    assert refusal_or(client(**settings).protect_usual, apdu) == expected


@given(
    octets=damaged(
        st.builds(
            lambda apdu, settings, form: client(dedicated_key=DEDICATED_KEY, **settings).protect(apdu, **form),
            PLAIN_APDUS,
            st.fixed_dictionaries(
                {
                    "send_counter": st.sampled_from((0, 6, 7, 8, INVOCATION_COUNTER_MAX - 1)),
                    "control": st.sampled_from([*CONTROLS, SecurityControl(0x31), SecurityControl(0x70)]),
                }
            ),
            st.fixed_dictionaries({"style": st.sampled_from(STYLES)}),
        )
    ),
    knows_title=st.booleans(),
)
@example(octets=client(send_counter=7).protect(published.GET_CLOCK), knows_title=True)
@example(octets=client(send_counter=6).protect(published.GET_CLOCK), knows_title=True)
@example(  # another service inside than the tag says
    octets=b"\xc9" + client(send_counter=7).protect(published.GET_CLOCK)[1:], knows_title=True
)
def test_what_is_opened_the_short_way_is_opened_the_same_by_the_long_one(octets, knows_title):
    settings = {"receive_counter": 7, "peer_system_title": CLIENT if knows_title else None}
    short, long = server(**settings), server(**settings)
    plain = refusal_or(short.open_usual, octets)
    if plain is None:
        assert short.windows[KeyScope.GLOBAL].expected == 7
        return
    expected = refusal_or(long.unprotect, octets)
    assert (plain if isinstance(plain, tuple) else short.as_usual(octets, plain)) == expected
    assert short.windows[KeyScope.GLOBAL].expected == long.windows[KeyScope.GLOBAL].expected


@pytest.mark.parametrize(("suite", "keys"), SUITES_AND_KEYS)
@pytest.mark.parametrize("plain_octets", [1, 110])
def test_the_usual_form_takes_the_short_way(suite, keys, plain_octets):
    settings = {"global_keys": keys, "control": SecurityControl(AUTHENTICATED_ENCRYPTED | suite)}
    apdu = b"\xc4" + bytes(plain_octets - 1)
    assert client(**settings).open_usual(server(**settings).protect_usual(apdu)) == apdu


def test_neither_keys_nor_counters_are_shown():
    side = client(dedicated_key=DEDICATED_KEY)
    for shown in (repr(side), str(side)):
        assert DEDICATED_KEY.hex() not in shown
        assert published.ENCRYPTION_KEY.hex() not in shown
    with pytest.raises(SecurityError) as caught:
        side.unprotect(published.GLO_GET[:-1] + b"\0")
    assert published.ENCRYPTION_KEY.hex() not in repr((caught.value, caught.value.fields)).lower()


def test_a_dedicated_key_that_comes_later_starts_both_counters_anew():
    sender, receiver = client(), server()
    for side in (sender, receiver):
        assert not side.has_dedicated_key
        side.use_dedicated_key(DEDICATED_KEY)
        assert side.has_dedicated_key
    octets = sender.protect(published.GET_CLOCK, key=KeyScope.DEDICATED)
    assert receiver.unprotect(octets).invocation_counter == 1
    for side in (sender, receiver):
        side.use_dedicated_key(DEDICATED_KEY[::-1])
    assert receiver.unprotect(sender.protect(published.GET_CLOCK, key=KeyScope.DEDICATED)).invocation_counter == 1
