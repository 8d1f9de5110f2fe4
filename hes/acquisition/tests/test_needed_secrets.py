"""Secrets that are not enough for an association are named before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hes.acquisition.causes import Cause
from hes.acquisition.reader import AssociationChoice, client_settings, failure_of
from hes.acquisition.tests.test_bundle import METER
from hes.devices.archive import Meter, MeterSecrets
from hes.devices.profile_file import MechanismName
from hes.dlms.codes import Mechanism
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import Authority, CertificateType, name_of_title
from hes.dlms.security.curves import P_256, P_384, Curve, PrivateKey, private_key_from_octets
from hes.errors import ConfigError

TITLE = b"AMLHES\x00\x01"
CURVES = {1: P_256, 2: P_384}


def key(number: int, curve: Curve) -> PrivateKey:
    return private_key_from_octets(curve, number.to_bytes(curve.coordinate_octets, "big"))


def pairs_on(curve: Curve, theirs: Curve | None = None) -> AsymmetricKeys:
    return AsymmetricKeys(signing_key=key(5, curve), peer_signing_key=key(6, theirs or curve).public_key())


def meter(mechanism: MechanismName, suite: int, *, ciphered: bool) -> Meter:
    (offer,) = [each for each in METER.profile.associations if each.name == "management"]
    offer = replace(offer, mechanism=mechanism, ciphered=ciphered)
    return replace(METER, profile=replace(METER.profile, associations=(offer,), security_suite=suite))


def enough(suite: int) -> MeterSecrets:
    octets = 32 if suite == 2 else 16
    pairs = pairs_on(CURVES[suite]) if suite else AsymmetricKeys()
    return MeterSecrets(bytes(octets), bytes(octets), b"12345678", pairs=pairs)


MECHANISMS: tuple[MechanismName, ...] = ("none", "lls", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256", "hls-ecdsa")


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_that_a_suite_has_makes_settings(mechanism: MechanismName, suite: int, ciphered: bool) -> None:
    if (mechanism, suite) == ("hls-ecdsa", 0):
        return
    choice = AssociationChoice(dedicated_key=True, system_title=TITLE)
    settings = client_settings(meter(mechanism, suite, ciphered=ciphered), choice, enough(suite))
    assert settings.mechanism is Mechanism[mechanism.upper().replace("-", "_")]
    assert (settings.security is not None and settings.security.ciphered) == ciphered
    assert bool(settings.password) == (mechanism in {"lls", "hls-md5", "hls-sha1", "hls-sha256"}), "no more than needed"


def certified_for(title: bytes) -> AsymmetricKeys:
    issued = Authority(name="Root", key=key(9, P_256)).issue(
        name_of_title(title), key(5, P_256).public_key(), CertificateType.DIGITAL_SIGNATURE, serial_number=1
    )
    return replace(pairs_on(P_256), certificate=issued)


@pytest.mark.parametrize(
    ("mechanism", "suite", "ciphered", "changes", "says"),
    [
        ("hls", 0, True, {}, "a manufacturer's own way"),
        ("lls", 0, False, {"password": b""}, "lls needs the meter's password"),
        ("hls-sha256", 1, False, {"password": b""}, "hls-sha256 needs the meter's password"),
        ("hls-gmac", 0, False, {"encryption_key": b""}, "it needs encryption_key"),
        ("none", 1, True, {"authentication_key": b""}, "it needs authentication_key"),
        ("hls-gmac", 2, True, {"encryption_key": bytes(16)}, "keys of 64 hex digits, and encryption_key .* has 32"),
        ("hls-gmac", 0, True, {"authentication_key": bytes(32)}, "keys of 32 hex digits, .* has 64"),
        ("hls-ecdsa", 0, False, {}, "needs security suite 1 or 2: correct suite in"),
        ("hls-ecdsa", 1, True, {"encryption_key": b""}, "it needs encryption_key"),
        ("hls-ecdsa", 1, False, {"pairs": AsymmetricKeys()}, "needs the head-end's own signing key: name it as"),
        (
            "hls-ecdsa",
            1,
            False,
            {"pairs": AsymmetricKeys(signing_key=key(5, P_256))},
            "needs to know the meter's signing key",
        ),
        (
            "hls-ecdsa",
            2,
            False,
            {"pairs": pairs_on(P_256)},
            "suite 2 signs on P-384, and the head-end's signing key is on P-256",
        ),
        (
            "hls-ecdsa",
            1,
            False,
            {"pairs": pairs_on(P_256, P_384)},
            "suite 1 signs on P-256, and the meter's signing key is on P-384",
        ),
        (
            "hls-ecdsa",
            1,
            False,
            {"pairs": certified_for(b"AMLOTHER")},
            "belongs to system title 414D4C4F54484552, and the head-end's is 414D4C4845530001",
        ),
    ],
)
def test_what_is_missing_or_does_not_fit_is_one_sentence_and_not_configured(
    mechanism: MechanismName, suite: int, ciphered: bool, changes: dict[str, object], says: str
) -> None:
    secrets = replace(enough(suite), **changes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=says) as caught:
        client_settings(meter(mechanism, suite, ciphered=ciphered), AssociationChoice(system_title=TITLE), secrets)
    message = caught.value.message
    assert message.startswith(f"meter {METER.number}, association management of profile {METER.profile.name}: ")
    assert message.endswith(".")
    failure = failure_of(caught.value)
    assert (failure.cause, failure.retriable) == (Cause.NOT_CONFIGURED, False)


def test_an_authority_stands_in_for_the_meters_key_and_a_certificate_of_ours_goes_along() -> None:
    pairs = AsymmetricKeys(signing_key=key(5, P_256), certificate=certified_for(TITLE).certificate)
    secrets = replace(enough(1), pairs=pairs, authorities=(b"root",))
    settings = client_settings(meter("hls-ecdsa", 1, ciphered=True), AssociationChoice(system_title=TITLE), secrets)
    assert settings.security is not None
    assert settings.security.authorities == (b"root",)
    assert settings.security.pairs is pairs
