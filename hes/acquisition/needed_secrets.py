"""Whether a meter's secrets are enough for an association, said before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator

from hes.devices.archive import Meter, MeterSecrets
from hes.devices.profiles import AssociationOffer
from hes.dlms.security import SUITES
from hes.dlms.security.certificates import read_certificate
from hes.dlms.security.curves import curve_of
from hes.errors import ConfigError

_WITH_PASSWORD = frozenset({"lls", "hls-md5", "hls-sha1", "hls-sha256"})


def check_secrets(meter: Meter, offer: AssociationOffer, secrets: MeterSecrets, system_title: bytes) -> None:
    """Raises ConfigError that names what is missing or does not fit, by its entry in the secrets file.

    system_title: the head-end's own.
    """
    trouble = next(_troubles(offer, meter.profile.security_suite, secrets, system_title), "")
    if trouble:
        raise ConfigError(
            f"meter {meter.number}, association {offer.name} of profile {meter.profile.name}: {trouble}.",
            meter=meter.number,
            profile=meter.profile.name,
        )


def _troubles(offer: AssociationOffer, suite: int, secrets: MeterSecrets, system_title: bytes) -> Iterator[str]:
    if offer.mechanism == "hls":
        yield "it authenticates in a manufacturer's own way, which the head-end does not know: take another association"
    if offer.mechanism in _WITH_PASSWORD and not secrets.password:
        yield f"{offer.mechanism} needs the meter's password in its secrets"
    if offer.ciphered or offer.mechanism == "hls-gmac":
        yield from _key_troubles(suite, secrets)
    if offer.mechanism == "hls-ecdsa":
        yield from _pair_troubles(suite, secrets, system_title)


def _key_troubles(suite: int, secrets: MeterSecrets) -> Iterator[str]:
    wanted = SUITES[suite].key_octets
    given = {"encryption_key": secrets.encryption_key, "authentication_key": secrets.authentication_key}
    for entry, key in given.items():
        if not key:
            yield f"it needs {entry} in the meter's secrets"
        elif len(key) != wanted:
            yield (
                f"security suite {suite} takes keys of {2 * wanted} hex digits, and {entry} in the meter's secrets has "
                f"{2 * len(key)}: correct the key, or suite in [security] of the profile"
            )


def _pair_troubles(suite: int, secrets: MeterSecrets, system_title: bytes) -> Iterator[str]:
    curve, pairs = SUITES[suite].curve, secrets.pairs
    if curve is None:
        yield "hls-ecdsa needs security suite 1 or 2: correct suite in [security] of the profile"
        return
    if pairs.signing_key is None:
        yield "hls-ecdsa needs the head-end's own signing key: name it as signing_key_file in the secrets"
    if pairs.peer_signing_key is None and not secrets.authorities:
        yield (
            "hls-ecdsa needs to know the meter's signing key: give signing_certificate_file or signing_public_key of "
            "the meter, or authorities_file, in the secrets"
        )
    keys = {"the head-end's signing key": pairs.signing_key, "the meter's signing key": pairs.peer_signing_key}
    for whose, key in keys.items():
        if key is not None and (found := curve_of(key)) is not curve:
            yield (
                f"security suite {suite} signs on {curve.name}, and {whose} is on {found.name}: give the one on "
                f"{curve.name} in the secrets, or correct suite in [security] of the profile"
            )
    owner = read_certificate(pairs.certificate).system_title if pairs.certificate else b""
    if owner not in (b"", system_title):
        yield (
            f"certificate_file in the secrets belongs to system title {owner.hex().upper()}, and the head-end's is "
            f"{system_title.hex().upper()}: give both the same"
        )
