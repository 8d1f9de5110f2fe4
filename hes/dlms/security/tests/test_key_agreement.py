import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import (
    P_256,
    P_384,
    curve_of,
    private_key_from_entropy,
    private_key_from_octets,
    public_key_from_octets,
    public_octets_of,
)
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.key_agreement import (
    Algorithm,
    check_signed_public_key,
    derive_key,
    party_u_with_nonce,
    shared_secret,
    signed_public_key,
)
from hes.dlms.security.signatures import sign, verify
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

CLIENT, SERVER = published.AGREEMENT_CLIENT_TITLE, published.AGREEMENT_SERVER_TITLE
CURVES = pytest.mark.parametrize("curve", [P_256, P_384], ids=lambda curve: curve.name)


def p256(octets):
    return private_key_from_octets(P_256, octets)


@pytest.mark.parametrize(
    ("curve", "keys"), [(P_256, published.RFC_5903_P256), (P_384, published.RFC_5903_P384)], ids=["P-256", "P-384"]
)
def test_both_sides_come_to_the_secret_of_rfc_5903(curve, keys):
    one, other, secret = private_key_from_octets(curve, keys[0]), private_key_from_octets(curve, keys[1]), keys[2]
    assert shared_secret(one, other.public_key()) == secret
    assert shared_secret(other, public_key_from_octets(curve, public_octets_of(one))) == secret


def test_keys_are_derived_as_computed_elsewhere():
    client, server = published.CLIENT_TITLE, published.SERVER_TITLE
    secret, suite = published.RFC_5903_P256[2], SUITES[1]
    assert derive_key(suite, secret, client, server) == published.DERIVED_SUITE_1
    assert derive_key(suite, secret, server, client) == published.DERIVED_SUITE_1_SWAPPED
    nonce = b"\x08" + bytes.fromhex("0123456789012345")
    assert derive_key(suite, secret, client, nonce + server) == published.DERIVED_SUITE_1_NONCE
    assert derive_key(SUITES[2], published.RFC_5903_P384[2], client, server) == published.DERIVED_SUITE_2


def test_a_nonce_between_the_titles_is_the_same_on_either_side_of_the_border():
    """Gurux gives the nonce to party V in front of its title, the Green Book to party U behind its title."""
    nonce = bytes.fromhex("0123456789012345")
    party_u = party_u_with_nonce(published.CLIENT_TITLE, nonce)
    derived = derive_key(SUITES[1], published.RFC_5903_P256[2], party_u, published.SERVER_TITLE)
    assert derived == published.DERIVED_SUITE_1_NONCE
    for wrong in (b"", bytes(128)):
        with pytest.raises(SecurityError):
            party_u_with_nonce(published.CLIENT_TITLE, wrong)


def test_the_published_example_of_the_ephemeral_unified_scheme():
    signer = public_key_from_octets(P_256, published.SIGNING_PUBLIC_CLIENT)
    sent = published.EPHEMERAL_PUBLIC_CLIENT + published.EPHEMERAL_SIGNATURE_CLIENT
    ephemeral = check_signed_public_key(sent, P_256, signer, prefix=b"\x00")
    assert shared_secret(p256(published.EPHEMERAL_KEY_SERVER), ephemeral) == published.UNIFIED_SECRET
    with pytest.raises(SecurityError):  # signed for another key id
        check_signed_public_key(sent, P_256, signer, prefix=b"\x02")


def test_the_published_examples_of_the_one_pass_scheme():
    signer = public_key_from_octets(P_256, published.SIGNING_PUBLIC_CLIENT)
    sent = published.ONE_PASS_PUBLIC_CLIENT + published.ONE_PASS_SIGNATURE_CLIENT
    ephemeral = check_signed_public_key(sent, P_256, signer)
    assert public_octets_of(p256(published.ONE_PASS_KEY_CLIENT)) == published.ONE_PASS_PUBLIC_CLIENT
    secret = shared_secret(p256(published.STATIC_KEY_SERVER), ephemeral)
    assert secret == published.ONE_PASS_SECRET
    assert derive_key(SUITES[1], secret, CLIENT, SERVER) == published.ONE_PASS_DERIVED
    back = public_key_from_octets(P_256, published.ONE_PASS_PUBLIC_SERVER)
    secret = shared_secret(p256(published.STATIC_KEY_CLIENT), back)
    assert secret == published.ONE_PASS_SECRET_BACK
    assert derive_key(SUITES[1], secret, SERVER, CLIENT) == published.ONE_PASS_DERIVED_BACK


@given(secret=st.binary(min_size=32, max_size=48), party_u=st.binary(max_size=20), party_v=st.binary(max_size=20))
def test_the_derivation_is_the_concatenation_kdf_of_cryptography(secret, party_u, party_v):
    for number, algorithm in ((1, Algorithm.AES_WRAP_128), (2, Algorithm.AES_WRAP_256)):
        suite = SUITES[number]
        other_info = bytes.fromhex("608574050803") + bytes((algorithm,)) + party_u + party_v
        expected = ConcatKDFHash(suite.curve.hash, suite.key_octets, other_info).derive(secret)
        assert derive_key(suite, secret, party_u, party_v, algorithm) == expected


def test_suite_0_agrees_on_nothing():
    with pytest.raises(LocalProtocolError, match="suite 0 has no public keys"):
        derive_key(SUITES[0], bytes(32), CLIENT, SERVER)


def test_published_signatures_are_taken_and_altered_ones_are_not():
    public = p256(published.SIGNING_KEY_CLIENT).public_key()
    assert public_octets_of(public) == published.SIGNING_PUBLIC_CLIENT
    message, signature = b"\x00" + published.EPHEMERAL_PUBLIC_CLIENT, published.EPHEMERAL_SIGNATURE_CLIENT
    verify(public, message, signature)
    for wrong in (signature[:-1], signature + b"\0", bytes(64), signature[32:] + signature[:32], b"\xff" * 64):
        with pytest.raises(SecurityError):
            verify(public, message, wrong)
    other = private_key_from_octets(P_384, published.SIGNING_KEY_P384).public_key()
    verify(other, published.SIGNED_TEXT_P384, published.SIGNATURE_P384)
    with pytest.raises(SecurityError):
        verify(other, published.SIGNED_TEXT_P384 + b".", published.SIGNATURE_P384)


def test_a_signature_follows_from_key_and_message_as_rfc_6979_says():
    """RFC 6979 A.2.5: P-256, SHA-256, the message "sample"."""
    key = p256(bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"))
    expected = (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )
    assert sign(key, b"sample").hex().upper() == expected


@CURVES
@settings(max_examples=10)
@given(octets=st.binary(min_size=56, max_size=56), message=st.binary(max_size=50))
def test_entropy_becomes_a_key_that_signs_and_agrees(curve, octets, message):
    key = private_key_from_entropy(curve, octets[: curve.entropy_octets])
    assert public_octets_of(key) == public_octets_of(private_key_from_entropy(curve, octets[: curve.entropy_octets]))
    signature = sign(key, message)
    assert len(signature) == curve.signature_octets
    verify(key.public_key(), message, signature)
    sent = signed_public_key(key, key, prefix=b"\x02")
    assert (
        public_octets_of(check_signed_public_key(sent, curve, key.public_key(), prefix=b"\x02"))
        == sent[: len(sent) // 2]
    )


@CURVES
def test_the_ends_of_the_range_become_valid_private_keys(curve):
    size = curve.entropy_octets
    lowest = private_key_from_entropy(curve, bytes(size))
    assert lowest.private_numbers().private_value == 1
    highest = private_key_from_entropy(curve, (curve.order - 2).to_bytes(size, "big"))
    assert highest.private_numbers().private_value == curve.order - 1
    for wrong in (bytes(size - 1), b""):
        with pytest.raises(LocalProtocolError):
            private_key_from_entropy(curve, wrong)
    for wrong in (bytes(curve.coordinate_octets), curve.order.to_bytes(curve.coordinate_octets, "big"), b"\x01"):
        with pytest.raises(LocalProtocolError):
            private_key_from_octets(curve, wrong)


@CURVES
def test_octets_that_are_no_point_are_refused(curve):
    for wrong in (b"", bytes(curve.public_octets), b"\x01" * curve.public_octets, bytes(curve.public_octets - 1)):
        with pytest.raises(SecurityError):
            public_key_from_octets(curve, wrong)


def test_keys_on_different_curves_agree_on_nothing():
    one, other = p256(published.SIGNING_KEY_CLIENT), private_key_from_octets(P_384, published.SIGNING_KEY_P384)
    with pytest.raises(SecurityError):
        shared_secret(one, other.public_key())
    with pytest.raises(SecurityError):
        curve_of(ec.generate_private_key(ec.SECP521R1()))
    with pytest.raises(SecurityError):
        check_signed_public_key(bytes(127), P_256, one.public_key())
