import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.security import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    ENCRYPTED,
    INVOCATION_COUNTER_MAX,
    EncryptionKeys,
    SecurityControl,
    SecurityError,
    check_gmac_challenge,
    gmac_challenge,
    seal,
    unseal,
    unwrap_key,
    wrap_key,
)
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

KEYS = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
OTHER_KEYS = EncryptionKeys(published.MASTER_KEY, published.AUTHENTICATION_KEY)
OTHER_AUTHENTICATION = EncryptionKeys(published.ENCRYPTION_KEY, published.MASTER_KEY)
TITLE = published.SERVER_TITLE
CONTROLS = st.sampled_from((AUTHENTICATED, ENCRYPTED, AUTHENTICATED_ENCRYPTED, SecurityControl(0x70)))
COUNTERS = st.integers(0, INVOCATION_COUNTER_MAX - 1)


@pytest.mark.parametrize(
    ("control", "plaintext", "protected"),
    [
        (AUTHENTICATED, published.GET_CLOCK, published.GLO_GET_AUTHENTICATED),
        (ENCRYPTED, published.GET_CLOCK, published.GLO_GET_ENCRYPTED),
        (AUTHENTICATED_ENCRYPTED, published.GET_CLOCK, published.GLO_GET),
        (AUTHENTICATED_ENCRYPTED, published.INITIATE_REQUEST_DEDICATED, published.GLO_INITIATE_REQUEST),
        (AUTHENTICATED_ENCRYPTED, published.INITIATE_RESPONSE_RELEASE, published.GLO_INITIATE_RESPONSE),
    ],
)
def test_published_apdus_are_sealed_and_opened(control, plaintext, protected):
    sealed = protected[2:]
    assert seal(control, KEYS, TITLE, published.COUNTER, plaintext) == sealed
    assert unseal(sealed, KEYS, TITLE) == (control, published.COUNTER, plaintext)


@given(control=CONTROLS, counter=COUNTERS, plaintext=st.binary(min_size=1, max_size=300))
def test_what_is_sealed_opens(control, counter, plaintext):
    sealed = seal(control, KEYS, TITLE, counter, plaintext)
    assert unseal(sealed, KEYS, TITLE) == (control, counter, plaintext)
    assert unseal(memoryview(sealed), KEYS, TITLE) == (control, counter, plaintext)


@given(counter=COUNTERS, plaintext=st.binary(max_size=100))
def test_opening_agrees_with_the_streaming_cipher_that_checks_short_tags_itself(counter, plaintext):
    nonce = TITLE + counter.to_bytes(4, "big")
    encryptor = Cipher(algorithms.AES(published.ENCRYPTION_KEY), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(b"\x30" + published.AUTHENTICATION_KEY)
    content = encryptor.update(plaintext) + encryptor.finalize()
    sealed = b"\x30" + nonce[8:] + content + encryptor.tag[:12]
    assert seal(AUTHENTICATED_ENCRYPTED, KEYS, TITLE, counter, plaintext) == sealed
    assert unseal(sealed, KEYS, TITLE)[2] == plaintext


@given(draw=st.data(), control=st.sampled_from((AUTHENTICATED, AUTHENTICATED_ENCRYPTED)))
def test_an_authenticated_apdu_that_was_altered_does_not_open(draw, control):
    sealed = bytearray(seal(control, KEYS, TITLE, 7, published.GET_CLOCK))
    at = draw.draw(st.integers(1, len(sealed) - 1))
    sealed[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(SecurityError, match="tag is wrong"):
        unseal(sealed, KEYS, TITLE)


@pytest.mark.parametrize("control", [AUTHENTICATED, AUTHENTICATED_ENCRYPTED])
@pytest.mark.parametrize(
    ("keys", "title"), [(OTHER_KEYS, TITLE), (OTHER_AUTHENTICATION, TITLE), (KEYS, published.CLIENT_TITLE)]
)
def test_other_keys_or_another_title_do_not_open(control, keys, title):
    sealed = seal(control, KEYS, TITLE, 7, published.GET_CLOCK)
    with pytest.raises(SecurityError, match="tag is wrong"):
        unseal(sealed, keys, title)


def test_dropping_the_encryption_bit_does_not_turn_ciphertext_into_an_apdu():
    sealed = seal(AUTHENTICATED_ENCRYPTED, KEYS, TITLE, 7, published.GET_CLOCK)
    with pytest.raises(SecurityError):
        unseal(b"\x10" + sealed[1:], KEYS, TITLE)


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("", "head of 5 octets"),
        ("30000000", "head of 5 octets"),
        ("3000000001", "tag of 12 octets"),
        ("30000000010102030405060708090A0B", "tag of 12 octets"),
        ("0000000001" + "00" * 12, "neither authenticates nor encrypts"),
        ("B000000001" + "00" * 12, "compressed"),
        ("3300000001" + "00" * 12, "suite 3 is not supported"),
        ("3F00000001" + "00" * 12, "suite 15 is not supported"),
        ("3000000001" + "00" * 12, "tag is wrong"),
    ],
)
def test_a_protection_that_cannot_be_is_refused(octets, complaint):
    with pytest.raises(SecurityError, match=complaint):
        unseal(bytes.fromhex(octets), KEYS, TITLE)


@given(octets=st.binary(max_size=60))
def test_random_octets_do_not_open(octets):
    try:
        control, counter, _ = unseal(octets, KEYS, TITLE)
    except SecurityError:
        return
    assert not control.authenticated
    assert counter == int.from_bytes(octets[1:5], "big")


@pytest.mark.parametrize(
    ("control", "keys", "title", "counter"),
    [
        (0x33, KEYS, TITLE, 1),
        (0x00, KEYS, TITLE, 1),
        (0xB0, KEYS, TITLE, 1),
        (0x130, KEYS, TITLE, 1),
        (-1, KEYS, TITLE, 1),
        (0x30, EncryptionKeys(bytes(32), bytes(32)), TITLE, 1),
        (0x30, KEYS, TITLE[:7], 1),
        (0x30, KEYS, TITLE, -1),
        (0x30, KEYS, TITLE, INVOCATION_COUNTER_MAX),
    ],
)
def test_sealing_what_may_not_be_sealed_is_our_own_mistake(control, keys, title, counter):
    with pytest.raises(LocalProtocolError):
        seal(control, keys, title, counter, b"\0")


@pytest.mark.parametrize(
    ("suite", "key_octets", "protected"),
    [(1, 16, published.GENERAL_GLO_GET_SUITE_1), (2, 32, published.GENERAL_GLO_GET_SUITE_2)],
)
def test_published_apdus_of_suites_1_and_2_are_sealed_and_opened(suite, key_octets, protected):
    keys = EncryptionKeys(bytes(range(key_octets)), bytes(range(0xD0, 0xD0 + key_octets)))
    control, sealed = SecurityControl.of(suite=suite), protected[11:]
    assert unseal(sealed, keys, TITLE) == (control, published.COUNTER, published.GET_CLOCK)
    assert seal(control, keys, TITLE, published.COUNTER, published.GET_CLOCK) == sealed


def test_keys_of_suite_2_do_not_serve_suite_1():
    with pytest.raises(LocalProtocolError, match="takes keys of 16 octets"):
        seal(0x31, EncryptionKeys(bytes(32), bytes(32)), TITLE, 1, b"\0")
    with pytest.raises(SecurityError, match="takes keys of 32 octets"):
        unseal(published.GENERAL_GLO_GET_SUITE_2[11:], KEYS, TITLE)


def test_compression_is_refused_by_its_name():
    with pytest.raises(SecurityError, match=r"V\.44"):
        unseal(b"\xb0" + bytes(40), KEYS, TITLE)


@pytest.mark.parametrize("octets", [0, 15, 24, 33])
def test_a_key_of_another_length_is_our_own_mistake(octets):
    with pytest.raises(LocalProtocolError):
        EncryptionKeys(bytes(octets), bytes(16))
    with pytest.raises(LocalProtocolError):
        EncryptionKeys(bytes(16), bytes(octets))


def test_keys_are_never_shown():
    secret = b"a secret of ours"
    keys = EncryptionKeys(secret, b"another of ours!")
    seal(AUTHENTICATED_ENCRYPTED, keys, TITLE, 1, b"\0")
    for shown in (repr(keys), str(keys), f"{keys}", repr(keys._contexts)):
        for part in ("secret", "another", secret.hex()):
            assert part not in shown


def test_a_key_pair_is_expanded_once_for_all_kinds_of_protection():
    keys = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
    for control in (AUTHENTICATED, ENCRYPTED, AUTHENTICATED_ENCRYPTED):
        seal(control, keys, TITLE, 1, b"\0")
    ciphers = {id(context.encrypt.__self__) for context in keys._contexts.values()}
    assert len(ciphers) == 1
    assert keys == KEYS


@pytest.mark.parametrize(
    ("has", "needs", "covers"),
    [
        (0x30, 0x10, True),
        (0x30, 0x30, True),
        (0x10, 0x30, False),
        (0x20, 0x10, False),
        (0x70, 0x30, True),
        (0, 0, True),
    ],
)
def test_protection_is_compared_by_what_it_protects(has, needs, covers):
    assert SecurityControl(has).covers(SecurityControl(needs)) is covers


def test_the_security_control_octet_reads_as_its_bits():
    control = SecurityControl.of(suite=2, authenticated=True, encrypted=False, broadcast=True)
    assert control == 0x52
    assert (control.suite, control.authenticated, control.encrypted, control.broadcast) == (2, True, False, True)
    assert not control.compressed
    assert repr(control) == "SecurityControl(0x52)"


# -- high level security


def test_the_published_proofs_of_mechanism_5_are_made_and_checked():
    stoc = gmac_challenge(KEYS, published.CLIENT_TITLE, 1, published.SERVER_CHALLENGE)
    assert stoc == bytes.fromhex("1000000001") + published.PROOF_STOC
    assert check_gmac_challenge(stoc, KEYS, published.CLIENT_TITLE, published.SERVER_CHALLENGE) == 1
    ctos = gmac_challenge(KEYS, TITLE, published.COUNTER, published.CLIENT_CHALLENGE)
    assert ctos == bytes.fromhex("1001234567") + published.PROOF_CTOS
    assert check_gmac_challenge(ctos, KEYS, TITLE, published.CLIENT_CHALLENGE) == published.COUNTER


def test_a_proof_is_good_for_one_challenge_one_sender_and_one_pair_of_keys():
    proof = gmac_challenge(KEYS, TITLE, 1, published.CLIENT_CHALLENGE)
    for keys, title, challenge in (
        (KEYS, TITLE, published.SERVER_CHALLENGE),
        (KEYS, published.CLIENT_TITLE, published.CLIENT_CHALLENGE),
        (OTHER_KEYS, TITLE, published.CLIENT_CHALLENGE),
        (OTHER_AUTHENTICATION, TITLE, published.CLIENT_CHALLENGE),
    ):
        with pytest.raises(SecurityError, match="proof is wrong"):
            check_gmac_challenge(proof, keys, title, challenge)


@pytest.mark.parametrize("octets", [b"", bytes(16), bytes(18), b"\x30" + bytes(16), b"\x11" + bytes(16)])
def test_what_is_no_proof_at_all_is_refused(octets):
    with pytest.raises(SecurityError):
        check_gmac_challenge(octets, KEYS, TITLE, published.CLIENT_CHALLENGE)


@pytest.mark.parametrize("count", [0, 7, 65])
def test_a_challenge_has_8_to_64_octets(count):
    with pytest.raises(LocalProtocolError, match="8 to 64"):
        gmac_challenge(KEYS, TITLE, 1, bytes(count))


# -- key wrap


@pytest.mark.parametrize(
    ("master_key", "key", "wrapped"),
    [
        (published.MASTER_KEY, published.ENCRYPTION_KEY, published.WRAPPED_ENCRYPTION_KEY),
        (published.MASTER_KEY, published.AUTHENTICATION_KEY, published.WRAPPED_AUTHENTICATION_KEY),
        (  # RFC 3394, 4.1
            bytes(range(16)),
            published.MASTER_KEY,
            bytes.fromhex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
        ),
    ],
)
def test_published_keys_are_wrapped_and_unwrapped(master_key, key, wrapped):
    assert wrap_key(master_key, key) == wrapped
    assert unwrap_key(master_key, memoryview(wrapped)) == key


def test_the_wrapped_key_of_the_published_key_transfer_unwraps():
    assert unwrap_key(published.MASTER_KEY, published.KEY_TRANSFER[-24:]) == published.ENCRYPTION_KEY


@given(wrapped=st.binary(max_size=48))
def test_random_octets_are_no_wrapped_key(wrapped):
    with pytest.raises(SecurityError):
        unwrap_key(published.MASTER_KEY, wrapped)


@pytest.mark.parametrize(("master_octets", "key_octets"), [(15, 16), (16, 24), (16, 15)])
def test_wrapping_a_key_of_another_length_is_our_own_mistake(master_octets, key_octets):
    with pytest.raises(LocalProtocolError):
        wrap_key(bytes(master_octets), bytes(key_octets))
