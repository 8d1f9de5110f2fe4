"""The security cases of suite 0 by their ids, seen from the server.

Ids: table of contents of the DLMS UA's conformance tests (Yellow Book Ed. 5); what each expects is our reading of its
title. They are written against our own client and server and certify nothing.
"""

import pytest

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.acse import Aarq, Rlrq
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import ActionResult, ApplicationContext, AssociationResult, Conformance, Mechanism, ReleaseReason
from hes.dlms.cosem.key_management import transfer_parameters
from hes.dlms.initiate import InitiateRequest
from hes.dlms.obis import Obis
from hes.dlms.security import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    ENCRYPTED,
    EncryptionKeys,
    SecurityControl,
    gmac_challenge,
)
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, KeyScope, is_protected
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

SETUP = Obis.parse("0.0.43.0.0.255")
STA1, STA2 = AttributeDescriptor(1, bm.MESSAGE, 2), AttributeDescriptor(3, bm.ENERGY, 2)
DEDICATED = bytes(range(64, 80))
REPLAYED, NOT_DECIPHERED, NOT_POSSIBLE = b"\xd8\x01\x06", bytes.fromhex("D80105"), bytes.fromhex("D80101")
CONTROLS = {"auth": AUTHENTICATED, "encr": ENCRYPTED, "both": AUTHENTICATED_ENCRYPTED}
STYLES = {
    "glo": (CipheringStyle.SERVICE_SPECIFIC, KeyScope.GLOBAL),
    "ded": (CipheringStyle.SERVICE_SPECIFIC, KeyScope.DEDICATED),
    "general-glo": (CipheringStyle.GENERAL_GLO, KeyScope.GLOBAL),
    "general-ded": (CipheringStyle.GENERAL_DED, KeyScope.DEDICATED),
}


class Probe:
    """A conformance tester with keys of its own, which may send what a client would not."""

    def __init__(self, meter=None, keys=None, counter=1):
        self.meter = meter or bm.BenchMeter()
        self.server = Server(bm.DEVICE, self.meter, entropy=bm.challenge, challenge_octets=8)
        self.ciphering = Ciphering(
            system_title=published.CLIENT_TITLE,
            peer_system_title=published.SERVER_TITLE,
            global_keys=keys or bm.keys(),
            send_counter=counter,
        )

    def send(self, octets):
        return self.server.receive(bm.MANAGEMENT, octets, bm.NOW_S)

    def aarq(self, dedicated_key=b"", protect=True):
        conformance = bm.METER_CONFORMANCE & ~Conformance.GENERAL_BLOCK_TRANSFER
        information = InitiateRequest(conformance, 1200, dedicated_key).encode()
        request = Aarq(
            context=ApplicationContext.LN_CIPHERED,
            calling_ap_title=published.CLIENT_TITLE,
            authentication=True,
            mechanism=Mechanism.HLS_GMAC,
            authentication_value=published.CLIENT_CHALLENGE,
            user_information=self.ciphering.protect_initiate(information) if protect else information,
        )
        answer = self.send(request.encode())
        return acse.decode(answer) if answer[0] == 0x61 else answer

    def open(self, dedicated_key=DEDICATED):
        aare = self.aarq(dedicated_key)
        assert aare.result == AssociationResult.ACCEPTED
        self.ciphering.unprotect(aare.user_information)
        if dedicated_key:
            self.ciphering.use_dedicated_key(dedicated_key)
        keys, counter = self.ciphering._keys[KeyScope.GLOBAL], self.ciphering.take_counter()
        tag = gmac_challenge(keys, published.CLIENT_TITLE, counter, aare.authentication_value)
        method = MethodDescriptor(15, Obis.parse("0.0.40.0.0.255"), 1)
        pass_3 = apdu.ActionRequestNormal(0xC1, method, axdr.encode(data.octets(tag))).encode()
        assert apdu.decode(self.ask(pass_3).apdu).result == ActionResult.SUCCESS
        return self

    def ask(self, plain, **protection):
        return self.ciphering.unprotect(self.send(self.ciphering.protect(plain, **protection)))

    def act(self, index, parameters):
        request = apdu.ActionRequestNormal(0xC1, MethodDescriptor(64, SETUP, index), parameters).encode()
        return apdu.decode(self.ask(request).apdu).result

    def transfer(self, keys):
        return self.act(2, transfer_parameters(published.MASTER_KEY, keys))


def get(attribute=STA2):
    return apdu.GetRequestNormal(0xC1, attribute).encode()


def write(text):
    return apdu.SetRequestNormal(0xC1, STA1, axdr.encode(data.octets(text))).encode()


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("control", list(CONTROLS))
def test_symsec_0_basic_cap_1_every_declared_protection_works(control, style):
    form, key = STYLES[style]
    answer = Probe().open().ask(get(), style=form, key=key, control=CONTROLS[control])
    assert apdu.decode(answer.apdu).result == 0
    assert (answer.control, answer.scope, answer.style) == (CONTROLS[control], key, form)


@pytest.mark.parametrize("key", [KeyScope.GLOBAL, KeyScope.DEDICATED])
def test_symsec_0_fra_count_1_a_counter_that_does_not_rise_is_not_executed(key):
    probe = Probe().open()
    first = probe.ciphering.protect(write(b"one"), key=key)
    second = probe.ciphering.protect(write(b"two"), key=key)
    probe.send(second)
    for old in (second, first):
        assert probe.send(old)[:3] == REPLAYED
    assert (probe.meter.message, probe.meter.writes) == (b"two", 1)
    assert apdu.decode(probe.ask(write(b"three"), key=key).apdu).result == 0
    assert probe.meter.message == b"three"


def test_symsec_0_fra_count_3_the_counter_of_the_server_rises_by_one_with_every_apdu():
    probe = Probe().open()
    counters = [probe.ask(get()).invocation_counter for _ in range(3)]
    assert [counter - counters[0] for counter in counters] == [0, 1, 2]
    dedicated = [probe.ask(get(), key=KeyScope.DEDICATED).invocation_counter for _ in range(2)]
    assert dedicated == [1, 2]
    again = Probe(probe.meter, counter=1000).open()
    assert again.ask(get(), key=KeyScope.DEDICATED).invocation_counter == 1  # a new key starts anew
    assert again.ask(get()).invocation_counter > counters[-1]


NEW_EK, NEW_AK = bytes(range(16, 32)), bytes(range(32, 48))
TRANSFERS = {
    "Key_Tx_P1": ({0: NEW_EK}, EncryptionKeys(NEW_EK, published.AUTHENTICATION_KEY)),
    "Key_Tx_P2": ({2: NEW_AK}, EncryptionKeys(published.ENCRYPTION_KEY, NEW_AK)),
    "Key_Tx_P3": ({0: NEW_EK, 2: NEW_AK}, EncryptionKeys(NEW_EK, NEW_AK)),
}


@pytest.mark.parametrize("case", list(TRANSFERS))
def test_symsec_0_key_tx_p_a_new_key_works_the_old_one_does_not_and_it_can_be_restored(case):
    keys, expected = TRANSFERS[case]
    probe = Probe().open()
    assert probe.transfer(keys) == ActionResult.SUCCESS
    assert probe.send(probe.ciphering.protect(get())) == NOT_DECIPHERED
    renewed = Probe(probe.meter, expected, counter=5000).open()
    assert apdu.decode(renewed.ask(get()).apdu).result == 0
    back = {key_id: {0: published.ENCRYPTION_KEY, 2: published.AUTHENTICATION_KEY}[key_id] for key_id in keys}
    assert renewed.transfer(back) == ActionResult.SUCCESS
    assert probe.meter.security.keys(0) == bm.keys()
    assert Probe(probe.meter, counter=9000).open()


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(transfer_parameters(published.MASTER_KEY, {9: NEW_EK}), id="Key_Tx_N1"),
        pytest.param(transfer_parameters(published.MASTER_KEY, {0: NEW_EK, 9: NEW_AK}), id="Key_Tx_N1-one-of-two"),
        pytest.param(transfer_parameters(bytes(16), {0: NEW_EK}), id="Key_Tx_N2"),
        pytest.param(transfer_parameters(published.MASTER_KEY, {0: NEW_EK})[:-1] + b"\x00", id="Key_Tx_N2-altered"),
    ],
)
def test_symsec_0_key_tx_n_a_faulty_transfer_is_an_error_and_changes_nothing(parameters):
    probe = Probe().open()
    assert probe.act(2, parameters) != ActionResult.SUCCESS
    assert probe.meter.security.keys(0) == bm.keys()
    assert apdu.decode(probe.ask(get()).apdu).result == 0


@pytest.mark.parametrize(
    ("key", "protect"), [(bytes(15), True), (bytes(17), True), (bytes(32), True), (DEDICATED, False)]
)
def test_symsec_0_ded_key_n1_a_faulty_dedicated_key_is_refused(key, protect):
    answer = Probe().aarq(key, protect=protect)
    assert answer.result == AssociationResult.REJECTED_PERMANENT


@pytest.mark.parametrize("key", [KeyScope.GLOBAL, KeyScope.DEDICATED])
def test_symsec_0_sec_data_x_p1_test_attributes_are_read_and_written(key):
    probe = Probe().open()
    assert apdu.decode(probe.ask(write(b"STA1"), key=key).apdu).result == 0
    assert apdu.decode(probe.ask(get(STA1), key=key).apdu).data == axdr.encode(data.octets(b"STA1"))
    assert apdu.decode(probe.ask(get(STA2), key=key).apdu).result == 0


def wrong_key(probe, plain):
    other = Probe(keys=EncryptionKeys(bytes(16), published.AUTHENTICATION_KEY), counter=700)
    return other.ciphering.protect(plain)


WRONG = {
    "in the clear": lambda probe, plain: plain,
    "less than the policy": lambda probe, plain: probe.ciphering.protect(plain, control=AUTHENTICATED),
    "not authenticated": lambda probe, plain: probe.ciphering.protect(plain, control=ENCRYPTED),
    "wrong key": wrong_key,
    "altered": lambda probe, plain: probe.ciphering.protect(plain)[:-1] + b"\x00",
    "another suite": lambda probe, plain: probe.ciphering.protect(plain, control=SecurityControl(0x31)),
    "broadcast bit": lambda probe, plain: probe.ciphering.protect(plain, control=SecurityControl(0x70)),
}


@pytest.mark.parametrize("fault", list(WRONG))
def test_symsec_0_sec_data_x_n1_wrong_protection_is_refused_and_changes_nothing(fault):
    probe = Probe().open()
    probe.act(1, b"\x16\x03")
    answer = probe.send(WRONG[fault](probe, write(b"wrong")))
    assert answer in (NOT_POSSIBLE, NOT_DECIPHERED)
    assert probe.meter.message == b""
    assert apdu.decode(probe.ask(write(b"right")).apdu).result == 0


@pytest.mark.parametrize("protected", [None, AUTHENTICATED, ENCRYPTED])
def test_symsec_rel_n1_a_weak_release_leaves_the_association_open(protected):
    probe = Probe().open()
    probe.act(1, b"\x16\x03")
    information = b""
    if protected is not None:
        initiate = InitiateRequest(bm.METER_CONFORMANCE, 1200).encode()
        information = probe.ciphering.protect(initiate, control=protected)
    answer = probe.send(Rlrq(user_information=information).encode())
    assert answer == NOT_POSSIBLE or acse.decode(answer).reason == ReleaseReason.NOT_FINISHED
    assert apdu.decode(probe.ask(get()).apdu).result == 0
    whole = probe.ciphering.protect_initiate(InitiateRequest(bm.METER_CONFORMANCE, 1200).encode())
    assert acse.decode(probe.send(Rlrq(user_information=whole).encode())).reason == ReleaseReason.NORMAL


@pytest.mark.parametrize(
    ("policy", "refused", "served"),
    [
        (1, (None, ENCRYPTED), (AUTHENTICATED, AUTHENTICATED_ENCRYPTED)),
        (2, (None, AUTHENTICATED), (ENCRYPTED, AUTHENTICATED_ENCRYPTED)),
        (3, (None, AUTHENTICATED, ENCRYPTED), (AUTHENTICATED_ENCRYPTED,)),
    ],
    ids=["SecPol_1", "SecPol_2", "SecPol_3"],
)
def test_symsec_0_sec_pol_weaker_apdus_are_refused_and_the_policy_cannot_be_lowered(policy, refused, served):
    probe = Probe().open()
    assert probe.act(1, bytes((0x16, policy))) == ActionResult.SUCCESS
    for control in refused:
        request = get() if control is None else probe.ciphering.protect(get(), control=control)
        assert probe.send(request) == NOT_POSSIBLE
    for control in served:
        answer = probe.send(probe.ciphering.protect(get(), control=control))
        assert is_protected(answer)
        assert probe.ciphering.unprotect(answer).control == control
    for lower in (0, 1, 2):
        if lower & policy != policy:
            assert probe.act(1, bytes((0x16, lower))) == ActionResult.READ_WRITE_DENIED
    assert probe.act(1, bytes((0x16, policy))) == ActionResult.SUCCESS  # the same again is no lowering


def test_what_comes_under_the_broadcast_key_has_counters_of_its_own_and_is_answered_under_the_unicast_key():
    meter, gbek = bm.BenchMeter(), bytes(range(80, 96))
    probe = Probe(meter).open()
    assert probe.transfer({1: gbek}) == ActionResult.SUCCESS
    broadcaster = Ciphering(
        system_title=published.CLIENT_TITLE, global_keys=EncryptionKeys(gbek, published.AUTHENTICATION_KEY),
        send_counter=3, control=SecurityControl(0x70),
    )  # fmt: skip
    octets = broadcaster.protect(write(b"to all"))
    answer = probe.ciphering.unprotect(probe.send(octets))
    assert (answer.scope, meter.message) == (KeyScope.GLOBAL, b"to all")
    assert probe.send(octets)[:3] == REPLAYED
    assert (meter.security.broadcast_counter(0), meter.writes) == (4, 1)
