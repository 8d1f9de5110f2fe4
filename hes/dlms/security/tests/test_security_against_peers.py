"""Agreement on ciphering with gurux-dlms, which does AES, GCM and key wrap itself, and with dlms-cosem 21.3.2."""

import contextlib
import io

import pytest
from dlms_cosem import security as their
from dlms_cosem.protocol.xdlms import GeneralGlobalCipher
from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Security
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMSChippering import GXDLMSChippering
from gurux_dlms.objects.enums.SecuritySuite import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms.security import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    ENCRYPTED,
    EncryptionKeys,
    gmac_challenge,
    wrap_key,
)
from hes.dlms.security.ciphering import Ciphering, CipheringStyle
from hes.dlms.security.control import SUITES, SecurityControl

KEY = st.binary(min_size=16, max_size=16)
TITLE = st.binary(min_size=8, max_size=8)
COUNTER = st.integers(0, 0xFFFFFFFE)
BODY = st.binary(max_size=100)
STYLES = {0xC8: CipheringStyle.SERVICE_SPECIFIC, 0xDB: CipheringStyle.GENERAL_GLO}
CONTROLS = {
    AUTHENTICATED: Security.AUTHENTICATION,
    ENCRYPTED: Security.ENCRYPTION,
    AUTHENTICATED_ENCRYPTED: Security.AUTHENTICATION_ENCRYPTION,
}


def ours(key, authentication_key, title, counter, **settings):
    return Ciphering(
        system_title=title,
        peer_system_title=title,
        global_keys=EncryptionKeys(key, authentication_key),
        send_counter=counter,
        **settings,
    )


@pytest.mark.parametrize("tag", STYLES)
@pytest.mark.parametrize("control", CONTROLS)
@settings(max_examples=20)  # AES in Python
@given(key=KEY, authentication_key=KEY, title=TITLE, counter=COUNTER, body=BODY)
def test_gurux_protects_the_same_apdu_to_the_same_octets(tag, control, key, authentication_key, title, counter, body):
    get = b"\xc0" + body
    parameter = AesGcmParameter(tag, title, key, authentication_key)
    parameter.security = CONTROLS[control]
    parameter.invocationCounter = counter
    octets = bytes(GXDLMSChippering.encryptAesGcm(parameter, bytearray(get)))
    side = ours(key, authentication_key, title, counter, control=control, style=STYLES[tag])
    assert side.protect(get) == octets
    assert side.unprotect(octets).apdu == get


@settings(max_examples=20)
@given(key=KEY, authentication_key=KEY, title=TITLE, counter=COUNTER, challenge=st.binary(min_size=8, max_size=64))
def test_both_peers_prove_themselves_with_the_same_octets(key, authentication_key, title, counter, challenge):
    cipher = GXCiphering(title)
    cipher.blockCipherKey, cipher.authenticationKey = key, authentication_key
    cipher.invocationCounter = counter
    proof = gmac_challenge(EncryptionKeys(key, authentication_key), title, counter, challenge)
    with contextlib.redirect_stdout(io.StringIO()):
        assert bytes(cipher.generateGmacPassword(challenge)) == proof
    control = their.SecurityControlField(0, authenticated=True)
    assert their.gmac(control, title, counter, key, authentication_key, challenge) == proof[5:]


@settings(max_examples=20)
@given(master_key=KEY, key=KEY)
def test_both_peers_wrap_a_key_to_the_same_octets(master_key, key):
    wrapped = wrap_key(master_key, key)
    assert bytes(GXDLMSSecureClient.encrypt(bytearray(master_key), bytearray(key))) == wrapped
    assert their.wrap_key(their.SecurityControlField(0), master_key, key) == wrapped


@given(key=KEY, authentication_key=KEY, title=TITLE, counter=COUNTER, body=BODY)
def test_dlms_cosem_opens_what_we_protect_and_the_other_way_round(key, authentication_key, title, counter, body):
    get = b"\xc0" + body
    side = ours(key, authentication_key, title, counter, style=CipheringStyle.GENERAL_GLO)
    octets = side.protect(get)
    received = GeneralGlobalCipher.from_bytes(octets)
    assert (bytes(received.system_title), received.invocation_counter) == (title, counter)
    assert received.to_plain_apdu(key, authentication_key) == get
    control = their.SecurityControlField(0, authenticated=True, encrypted=True)
    sealed = their.encrypt(control, title, counter, key, get, authentication_key)
    assert side.unprotect(GeneralGlobalCipher(title, control, counter, sealed).to_bytes()).apdu == get


@pytest.mark.parametrize("suite", [SecuritySuite.SUITE_1, SecuritySuite.SUITE_2], ids=["suite 1", "suite 2"])
@pytest.mark.parametrize("control", list(CONTROLS))
@settings(max_examples=5)
@given(title=TITLE, counter=COUNTER, body=BODY, seed=st.integers(0, 255))
def test_gurux_protects_suites_1_and_2_to_the_same_octets(suite, control, title, counter, body, seed):
    octets = SUITES[int(suite)].key_octets
    key, authentication_key = bytes((seed,)) * octets, bytes((seed ^ 0xFF,)) * octets
    parameter = AesGcmParameter(0xDB, title, key, authentication_key)
    parameter.security, parameter.securitySuite = CONTROLS[control], suite
    parameter.invocationCounter = counter
    protected = bytes(GXDLMSChippering.encryptAesGcm(parameter, bytearray(b"\xc0" + body)))
    side = ours(
        key, authentication_key, title, counter,
        control=SecurityControl(control | int(suite)), style=CipheringStyle.GENERAL_GLO,
    )  # fmt: skip
    assert side.protect(b"\xc0" + body) == protected
    assert side.unprotect(protected).apdu == b"\xc0" + body
