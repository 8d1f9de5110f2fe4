"""Proofs of every mechanism: against published octets, against gurux-dlms, and against each other."""

import io
from contextlib import redirect_stdout
from types import SimpleNamespace

import pytest
from gurux_dlms.enums import Authentication
from gurux_dlms.GXSecure import GXSecure
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms.codes import Mechanism
from hes.dlms.security import EncryptionKeys, SecurityError, check_hls_response, hls_response
from hes.dlms.security.curves import P_256, P_384, private_key_from_octets
from hes.dlms.security.hls import HLS_CHECKS, HLS_PROOFS, HlsInputs, HlsSide
from hes.dlms.security.signatures import verify
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

KEYS = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
CLIENT_KEY = private_key_from_octets(P_256, published.SIGNING_KEY_CLIENT)
SERVER_KEY = private_key_from_octets(P_256, published.SIGNING_KEY_SERVER)
MECHANISMS = pytest.mark.parametrize("mechanism", list(HLS_PROOFS), ids=lambda mechanism: mechanism.name)


def twisted(inputs):
    """Some manufacturer's secret way."""
    return bytes([octet ^ 0x5A for octet in inputs.challenge + inputs.own_challenge]) + inputs.secret[:2]


def side(mechanism, *, client, **changes):
    counter = iter((1,) if client else (published.COUNTER,))
    fields = {
        "mechanism": mechanism,
        "challenge": published.CLIENT_CHALLENGE if client else published.SERVER_CHALLENGE,
        "peer_challenge": published.SERVER_CHALLENGE if client else published.CLIENT_CHALLENGE,
        "system_title": published.CLIENT_TITLE if client else published.SERVER_TITLE,
        "peer_system_title": published.SERVER_TITLE if client else published.CLIENT_TITLE,
        "secret": published.PASSWORD,
        "keys": KEYS,
        "take_counter": lambda: next(counter),
        "signing_key": CLIENT_KEY if client else SERVER_KEY,
        "peer_public_key": (SERVER_KEY if client else CLIENT_KEY).public_key(),
        "manufacturer": twisted,
    }
    return HlsSide(**{**fields, **changes})


PUBLISHED = {  # pass 3, pass 4; None where only one is known
    Mechanism.HLS_MD5: ("53D4537E37DAB4FF089629E25557AF9F", None),
    Mechanism.HLS_SHA1: ("6DBD949D1B1EFDD6FE5F9EA627877E986E8708CB", None),
    Mechanism.HLS_GMAC: ("10000000011A52FE7DD3E72748973C1E28", "1001234567FE1466AFB3DBCD4F9389E2B7"),
    Mechanism.HLS_SHA256: (
        "67342BAA6815DA654EEFBB879B6A23DA0D2BB0404ABBB1A738631241A6B96516",
        "5DA97807E1B30B5D95A5B48BDA34C4232130F761E57C316CCDEF70322605A90D",
    ),
}


@pytest.mark.parametrize(("mechanism", "proofs"), PUBLISHED.items(), ids=lambda value: getattr(value, "name", ""))
def test_proofs_are_those_that_others_computed(mechanism, proofs):
    assert side(mechanism, client=True).proof().hex().upper() == proofs[0]
    assert proofs[1] in (None, side(mechanism, client=False).proof().hex().upper())


@MECHANISMS
def test_each_side_believes_the_other_and_nobody_else(mechanism):
    client, server = side(mechanism, client=True), side(mechanism, client=False)
    of_client, of_server = client.proof(), server.proof()
    gmac = mechanism is Mechanism.HLS_GMAC
    assert server.check(of_client) == (1 if gmac else None)
    assert client.check(of_server) == (published.COUNTER if gmac else None)
    for receiver, wrong in (
        (server, of_server),  # sent back to whom it came from
        (client, of_client),
        (server, of_client[:-1]),
        (server, of_client[:-1] + bytes((of_client[-1] ^ 1,))),
        (server, b""),
    ):
        with pytest.raises(SecurityError):
            receiver.check(wrong)


@MECHANISMS
def test_a_proof_holds_for_its_challenge_only(mechanism):
    proof = side(mechanism, client=True).proof()
    with pytest.raises(SecurityError):
        side(mechanism, client=False, challenge=b"another1").check(proof)


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_SHA256, Mechanism.HLS_ECDSA, Mechanism.HLS_GMAC])
def test_titles_take_part_where_the_mechanism_says_so(mechanism):
    proof = side(mechanism, client=True).proof()
    with pytest.raises(SecurityError):
        side(mechanism, client=False, peer_system_title=b"OTHER\0\0\1").check(proof)


@pytest.mark.parametrize(
    ("mechanism", "missing"),
    [
        (Mechanism.HLS, "manufacturer"),
        (Mechanism.HLS_MD5, "secret"),
        (Mechanism.HLS_SHA1, "secret"),
        (Mechanism.HLS_SHA256, "secret"),
        (Mechanism.HLS_GMAC, "keys"),
        (Mechanism.HLS_GMAC, "take_counter"),
        (Mechanism.HLS_ECDSA, "signing_key"),
    ],
)
def test_what_is_missing_is_our_own_mistake(mechanism, missing):
    with pytest.raises(LocalProtocolError, match=r"need|give"):
        side(mechanism, client=True, **{missing: b"" if missing == "secret" else None}).proof()


def test_a_signature_is_not_believed_without_the_key_of_the_other_side():
    proof = side(Mechanism.HLS_ECDSA, client=True).proof()
    with pytest.raises(SecurityError, match="not known"):
        side(Mechanism.HLS_ECDSA, client=False, peer_public_key=None).check(proof)


def test_a_gmac_of_another_suite_is_refused():
    proof = side(Mechanism.HLS_GMAC, client=True, suite=1).proof()
    assert proof[0] == 0x11
    assert side(Mechanism.HLS_GMAC, client=False, suite=1).check(proof) == 1
    with pytest.raises(SecurityError, match="suite 1"):
        side(Mechanism.HLS_GMAC, client=False).check(proof)


def test_ecdsa_signs_both_titles_and_both_challenges():
    key = private_key_from_octets(P_384, published.SIGNING_KEY_P384)
    proof = side(Mechanism.HLS_ECDSA, client=True, signing_key=key).proof()
    titles = published.CLIENT_TITLE + published.SERVER_TITLE
    verify(key.public_key(), titles + published.SERVER_CHALLENGE + published.CLIENT_CHALLENGE, proof)


def test_mechanisms_without_passes_have_no_proofs():
    for mechanism in (Mechanism.NONE, Mechanism.LLS):
        with pytest.raises(LocalProtocolError, match="no proofs"):
            hls_response(mechanism, HlsInputs(challenge=bytes(8)))
        with pytest.raises(LocalProtocolError, match="no proofs"):
            check_hls_response(mechanism, b"", HlsInputs(challenge=bytes(8)))
    assert HLS_PROOFS.keys() == HLS_CHECKS.keys() == {mechanism for mechanism in Mechanism if mechanism.high_level}


def test_nothing_secret_is_shown():
    shown = repr(side(Mechanism.HLS_MD5, client=True)) + repr(HlsInputs(challenge=bytes(8), secret=published.PASSWORD))
    assert "12345678" not in shown


GURUX = {
    Mechanism.HLS_MD5: Authentication.HIGH_MD5,
    Mechanism.HLS_SHA1: Authentication.HIGH_SHA1,
    Mechanism.HLS_SHA256: Authentication.HIGH_SHA256,
}


@pytest.mark.parametrize("mechanism", list(GURUX), ids=lambda mechanism: mechanism.name)
@settings(max_examples=20)
@given(
    challenge=st.binary(min_size=8, max_size=64),
    own=st.binary(min_size=8, max_size=64),
    secret=st.binary(min_size=1, max_size=32),
)
def test_gurux_computes_the_same_proofs(mechanism, challenge, own, secret):
    inputs = HlsInputs(
        challenge=challenge,
        own_challenge=own,
        secret=secret,
        system_title=published.CLIENT_TITLE,
        peer_system_title=published.SERVER_TITLE,
    )
    given_secret = secret
    if mechanism is Mechanism.HLS_SHA256:  # its caller puts titles and challenges behind the secret
        given_secret = secret + published.CLIENT_TITLE + published.SERVER_TITLE + challenge + own
    theirs = SimpleNamespace(authentication=GURUX[mechanism])
    with redirect_stdout(io.StringIO()):
        proof = bytes(GXSecure.secure(theirs, None, 0, bytearray(challenge), bytearray(given_secret)))
    assert proof == hls_response(mechanism, inputs)
