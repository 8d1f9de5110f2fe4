"""general-ciphering and general-signing: their octets, every way of giving a key, and what is refused."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.security import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    ENCRYPTED,
    EncryptionKeys,
    InvocationCounterError,
    SecurityControl,
    SecurityError,
)
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, KeyScope
from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import P_256, private_key_from_entropy, private_key_from_octets, public_key_from_octets
from hes.dlms.security.forms import protection_octets
from hes.dlms.security.fresh_keys import KEYS_REMEMBERED_MAX, FreshKeys
from hes.dlms.security.general import (
    AgreedKey,
    Head,
    IdentifiedKey,
    WrappedKey,
    encode_general_ciphering,
    encode_general_signing,
    read_general_ciphering,
    read_general_signing,
    signed_octets,
)
from hes.dlms.tests import published
from hes.errors import LocalProtocolError, RemoteProtocolError

CLIENT, SERVER = published.CLIENT_TITLE, published.SERVER_TITLE
GET = published.GET_CLOCK
DD, DF = CipheringStyle.GENERAL_CIPHERING, CipheringStyle.GENERAL_SIGNING
FRESH = (KeyScope.WRAPPED, KeyScope.ONE_PASS, KeyScope.STATIC)


class Entropy:
    """Octets that never come twice, and the same in every run."""

    def __init__(self, seed):
        self.count = seed << 32

    def __call__(self, count):
        self.count += 1
        return (
            self.count.to_bytes(8, "big") + bytes(range(count - 8)) if count > 8 else self.count.to_bytes(count, "big")
        )


def private(suite, seed):
    curve = SUITES[suite].curve
    return private_key_from_entropy(curve, bytes((seed,)) * curve.entropy_octets)


def keys(suite):
    count = SUITES[suite].key_octets
    return EncryptionKeys(bytes(range(count)), bytes(range(0xD0, 0xD0 + count)))


def side(suite=1, *, client=True, fresh=True, **changes):
    own, other = (1, 3) if client else (3, 1)
    pairs = AsymmetricKeys(
        signing_key=private(suite, own),
        agreement_key=private(suite, own + 1),
        peer_signing_key=private(suite, other).public_key(),
        peer_agreement_key=private(suite, other + 1).public_key(),
    )
    fresh_keys = FreshKeys(
        suite=suite,
        authentication_key=keys(suite).authentication,
        master_key=bytes(range(50, 50 + SUITES[suite].key_octets)),
        pairs=changes.pop("pairs", pairs),
        entropy=Entropy(own),
    )
    fields = {
        "system_title": CLIENT if client else SERVER,
        "peer_system_title": SERVER if client else CLIENT,
        "global_keys": keys(suite),
        "send_counter": 1,
        "control": SecurityControl(suite | int(AUTHENTICATED_ENCRYPTED)),
        "fresh": fresh_keys if fresh else None,
    }
    return Ciphering(**{**fields, **changes})


# -- octets


def test_the_published_general_ciphering_is_protected_and_opened():
    plain = {"control": AUTHENTICATED_ENCRYPTED, "fresh": None}
    global_keys = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
    sender = Ciphering(
        system_title=SERVER, peer_system_title=CLIENT, global_keys=global_keys, send_counter=published.COUNTER, **plain
    )
    transaction = bytes.fromhex("0123456789012345")
    assert sender.protect(GET, style=DD, transaction_id=transaction) == published.GENERAL_CIPHERING_IDENTIFIED
    receiver = Ciphering(
        system_title=CLIENT, peer_system_title=SERVER, global_keys=global_keys, send_counter=1, **plain
    )
    opened = receiver.unprotect(published.GENERAL_CIPHERING_IDENTIFIED)
    assert opened.apdu == GET
    assert (opened.scope, opened.style, opened.transaction_id) == (KeyScope.GLOBAL, DD, transaction)


def test_the_published_one_pass_example_gives_its_key_and_its_access_request():
    """Its tag does not fit any reading of the head (docs §5), so the plaintext is taken out without it."""
    received = read_general_ciphering(published.GENERAL_CIPHERING_ONE_PASS)
    title, meter = published.AGREEMENT_CLIENT_TITLE, published.AGREEMENT_SERVER_TITLE
    assert received.head == Head(bytes.fromhex("0102030405060708"), title, meter)
    signer = public_key_from_octets(P_256, published.SIGNING_PUBLIC_CLIENT)
    own = private_key_from_octets(P_256, published.STATIC_KEY_SERVER)
    pairs = AsymmetricKeys(agreement_key=own, peer_signing_key=signer)
    fresh = FreshKeys(suite=1, authentication_key=published.AUTHENTICATION_KEY, pairs=pairs)
    scope, found = fresh.find(received.key_info, received.head)
    assert (scope, found.encryption) == (KeyScope.ONE_PASS, published.ONE_PASS_DERIVED)
    nonce = title + received.sealed[1:5]
    plain = AESGCM(found.encryption).encrypt(nonce, received.sealed[5:-12], None)[:-16]
    assert plain.startswith(bytes.fromhex("D940000000000401000100 00600100FF02"))
    again = encode_general_ciphering(received.associated, received.key_info, received.sealed)
    assert again == published.GENERAL_CIPHERING_ONE_PASS


FIELD = st.binary(max_size=20)
TITLE = st.sampled_from((b"", CLIENT, SERVER))
HEADS = st.builds(Head, FIELD, TITLE, TITLE, FIELD, FIELD)
KEY_INFOS = (
    st.builds(IdentifiedKey, st.integers(0, 255))
    | st.builds(WrappedKey, st.integers(0, 255), st.binary(max_size=40))
    | st.builds(AgreedKey, FIELD, st.binary(max_size=200))
)


@given(head=HEADS, key_info=KEY_INFOS, sealed=st.binary(max_size=300))
def test_general_ciphering_comes_back_as_it_went(head, key_info, sealed):
    octets = encode_general_ciphering(head.encode(), key_info, sealed)
    assert read_general_ciphering(memoryview(octets)) == (head, head.encode(), key_info, sealed)


@given(head=HEADS, content=st.binary(max_size=300), signature=st.binary(max_size=200))
def test_general_signing_comes_back_as_it_went(head, content, signature):
    signed = signed_octets(head.encode(), content)
    assert read_general_signing(encode_general_signing(signed, signature)) == (head, content, signed, signature)


@given(octets=st.binary(max_size=60), tag=st.sampled_from((0xDD, 0xDF)), cut=st.integers(0, 420))
def test_octets_give_a_value_or_the_one_error(octets, tag, cut):
    receiver = side(client=False)
    for received in (bytes((tag,)) + octets, published.GENERAL_CIPHERING_ONE_PASS[:cut] + octets[:3]):
        try:
            receiver.unprotect(received)
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize("cut", range(1, len(published.GENERAL_CIPHERING_IDENTIFIED)))
def test_a_general_ciphering_that_is_cut_off_is_refused(cut):
    with pytest.raises(RemoteProtocolError):
        read_general_ciphering(published.GENERAL_CIPHERING_IDENTIFIED[:cut])


# -- every way of giving a key


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("control", [AUTHENTICATED, ENCRYPTED, AUTHENTICATED_ENCRYPTED])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("scope", [KeyScope.GLOBAL, *FRESH], ids=lambda scope: scope.value)
def test_what_one_side_protects_the_other_opens_and_answers_alike(scope, signed, control, suite):
    client, server = side(suite), side(suite, client=False)
    control = SecurityControl(control | suite)
    octets = client.protect(GET, key=scope, style=DD, control=control, signed=signed)
    opened = server.unprotect(octets)
    assert opened[:2] == (GET, control)
    assert (opened.scope, opened.style, opened.signed) == (scope, DD, signed)
    answer = server.protect(
        b"\xc4answer", key=opened.scope, style=opened.style, control=control, signed=signed,
        transaction_id=opened.transaction_id,
    )  # fmt: skip
    back = client.unprotect(answer)
    assert (back.apdu, back.scope, back.signed, back.transaction_id) == (
        b"\xc4answer", scope, signed, opened.transaction_id,
    )  # fmt: skip


@pytest.mark.parametrize("style", [CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO, DF])
def test_a_signed_apdu_in_any_other_form(style):
    client, server = side(), side(client=False)
    opened = server.unprotect(client.protect(GET, style=style, signed=True))
    assert (opened.apdu, opened.signed) == (GET, True)
    assert opened.style is (DF if style is DF else CipheringStyle.GENERAL_GLO)
    assert bool(opened.control & 0x30) is (style is not DF)


def test_what_is_ciphered_first_and_signed_then_is_opened_too():
    client, server = side(), side(client=False)
    opened = server.unprotect(client.protect(client.protect(GET), style=DF))
    assert (opened.apdu, opened.signed, opened.control) == (GET, True, 0x31)


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_a_wrapped_key_needs_no_public_keys(suite):
    fresh = FreshKeys(
        suite=suite,
        authentication_key=keys(suite).authentication,
        master_key=bytes(SUITES[suite].key_octets),
        entropy=Entropy(1),
    )
    control = SecurityControl(suite | 0x30)
    sender = Ciphering(
        system_title=CLIENT, peer_system_title=SERVER, global_keys=keys(suite), send_counter=1, control=control,
        fresh=fresh,
    )  # fmt: skip
    receiver = Ciphering(
        system_title=SERVER, peer_system_title=CLIENT, global_keys=keys(suite), send_counter=1, control=control,
        fresh=replace(fresh, entropy=None),
    )  # fmt: skip
    assert receiver.unprotect(sender.protect(GET, key=KeyScope.WRAPPED, style=DD)).scope is KeyScope.WRAPPED


def test_the_head_carries_time_and_other_information_and_both_are_authenticated():
    client, server = side(), side(client=False)
    client.date_time, client.other_information = bytes(range(12)), b"as agreed"
    octets = client.protect(GET, style=DD)
    head = read_general_ciphering(octets).head
    assert (head.date_time, head.other_information) == (bytes(range(12)), b"as agreed")
    altered = octets.replace(b"as agreed", b"AS AGREED")
    with pytest.raises(SecurityError, match="tag is wrong"):
        server.unprotect(altered)
    assert server.unprotect(octets).apdu == GET


# -- what is refused


@pytest.mark.parametrize("scope", FRESH, ids=lambda scope: scope.value)
def test_an_apdu_with_its_own_key_is_taken_once(scope):
    client, server = side(), side(client=False)
    octets = client.protect(GET, key=scope, style=DD)
    server.unprotect(octets)
    with pytest.raises(InvocationCounterError):
        server.unprotect(octets)
    assert server.unprotect(client.protect(GET, key=scope, style=DD)).apdu == GET


def test_a_signed_apdu_is_taken_once():
    client, server = side(), side(client=False)
    octets = client.protect(GET, style=DF)
    server.unprotect(octets)
    with pytest.raises(SecurityError, match="come before"):
        server.unprotect(octets)


def test_a_chosen_transaction_never_makes_the_static_scheme_use_a_nonce_twice():
    server = side(client=False)
    answers = [server.protect(GET, key=KeyScope.STATIC, style=DD, transaction_id=b"the same") for _ in range(3)]
    counters = [read_general_ciphering(answer).sealed[1:5] for answer in answers]
    assert len(set(counters)) == 3


def test_what_is_remembered_is_bounded():
    client, server = side(), side(client=False)
    for _ in range(KEYS_REMEMBERED_MAX + 10):
        server.unprotect(client.protect(GET, key=KeyScope.STATIC, style=DD))
    assert len(server._fresh._windows) == KEYS_REMEMBERED_MAX


@pytest.mark.parametrize("scope", [KeyScope.GLOBAL, *FRESH], ids=lambda scope: scope.value)
def test_every_altered_octet_is_noticed(scope):
    client = side()
    octets = client.protect(GET, key=scope, style=DD)
    for place in range(1, len(octets), 7):
        altered = bytearray(octets)
        altered[place] ^= 0x08  # not the bit that asks for less protection: the policy judges that
        with pytest.raises(RemoteProtocolError):
            side(client=False).unprotect(bytes(altered))


def test_an_apdu_for_somebody_else_is_refused():
    octets = side(peer_system_title=b"OTHER\0\0\1").protect(GET, style=DD)
    with pytest.raises(SecurityError, match="not for"):
        side(client=False).unprotect(octets)


def test_an_ephemeral_key_that_somebody_else_signed_is_refused():
    pairs = AsymmetricKeys(signing_key=private(1, 9), peer_agreement_key=private(1, 4).public_key())
    octets = side(pairs=pairs).protect(GET, key=KeyScope.ONE_PASS, style=DD)
    with pytest.raises(SecurityError, match="signature is wrong"):
        side(client=False).unprotect(octets)


@pytest.mark.parametrize("lacking", ["agreement_key", "peer_signing_key"])
def test_a_key_that_cannot_be_computed_is_refused(lacking):
    octets = side().protect(GET, key=KeyScope.ONE_PASS, style=DD)
    whole = side(client=False)._fresh.pairs
    with pytest.raises(SecurityError, match="needs"):
        side(client=False, pairs=replace(whole, **{lacking: None})).unprotect(octets)


def test_without_anything_to_find_keys_with_they_are_refused():
    client, server = side(), side(client=False, fresh=False)
    assert server.unprotect(client.protect(GET, style=DD)).apdu == GET  # the global key needs nothing
    for octets in (client.protect(GET, key=KeyScope.WRAPPED, style=DD), client.protect(GET, style=DF)):
        with pytest.raises(SecurityError, match="not taken"):
            server.unprotect(octets)


def test_sending_what_cannot_be_made_is_our_own_mistake():
    none = side(pairs=AsymmetricKeys())
    for scope in (KeyScope.ONE_PASS, KeyScope.STATIC, KeyScope.DEDICATED):
        with pytest.raises(LocalProtocolError):
            none.protect(GET, key=scope, style=DD)
    with pytest.raises(LocalProtocolError, match="sign with"):
        none.protect(GET, style=DF)
    with pytest.raises(LocalProtocolError, match="title is not known"):
        side(peer_system_title=None).protect(GET, style=DD)
    with pytest.raises(LocalProtocolError, match="nothing to make"):
        side(fresh=False).protect(GET, key=KeyScope.WRAPPED, style=DD)


@pytest.mark.parametrize(("key_info", "complaint"), [
    (IdentifiedKey(2), "key id 2"),
    (IdentifiedKey(1), "broadcast key"),
    (WrappedKey(1, bytes(24)), "not here"),
    (WrappedKey(0, bytes(40)), "does not open"),
    (WrappedKey(0, bytes(7)), "24 or 40"),
    (AgreedKey(b"\x03", b""), "not known"),
    (AgreedKey(b"\x01", bytes(128)), "signature"),
])  # fmt: skip
def test_a_key_info_that_leads_nowhere_is_refused(key_info, complaint):
    received = read_general_ciphering(side().protect(GET, style=DD))
    octets = encode_general_ciphering(received.associated, key_info, received.sealed)
    with pytest.raises(SecurityError, match=complaint):
        side(client=False).unprotect(octets)


def test_a_key_info_that_is_left_out_means_the_global_key():
    received = read_general_ciphering(side().protect(GET, style=DD))
    octets = b"\xdd" + received.associated + b"\x00" + bytes((len(received.sealed),)) + received.sealed
    assert side(client=False).unprotect(octets).scope is KeyScope.GLOBAL


@pytest.mark.parametrize("control", [0x71, 0x30, 0x32, 0xB1, 0x01])
def test_a_control_octet_that_may_not_stand_there_is_refused(control):
    received = read_general_ciphering(side().protect(GET, style=DD))
    octets = encode_general_ciphering(received.associated, received.key_info, bytes((control,)) + received.sealed[1:])
    with pytest.raises(SecurityError):
        side(client=False).unprotect(octets)


def test_nesting_ends():
    client, server = side(), side(client=False)
    twice = client.protect(client.protect(GET, style=DF), style=DF)
    with pytest.raises(SecurityError, match="signed twice"):
        server.unprotect(twice)
    inside = client.protect(client.protect(client.protect(GET), style=DF), style=DD)
    with pytest.raises(SecurityError, match="more than once"):
        server.unprotect(inside)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("scope", [KeyScope.GLOBAL, *FRESH], ids=lambda scope: scope.value)
def test_protection_is_never_longer_than_foreseen(scope, signed, suite):
    coordinate = SUITES[suite].curve.coordinate_octets
    for style in (DD, DF, CipheringStyle.GENERAL_GLO):
        apdu = bytes(300)
        used = KeyScope.GLOBAL if style is CipheringStyle.GENERAL_GLO else scope
        octets = side(suite).protect(apdu, key=used, style=style, signed=signed)
        foreseen = protection_octets(style, scope=used, curve_octets=coordinate, signed=signed)
        assert foreseen - 30 <= len(octets) - len(apdu) <= foreseen


def test_nothing_secret_is_shown():
    client = side()
    shown = repr(client) + repr(client._fresh) + repr(client._fresh.pairs)
    assert client._fresh.master_key.hex() not in shown
    assert "2345" not in shown
    assert keys(1).authentication.hex() not in shown
