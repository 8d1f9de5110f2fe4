"""What a device profile says in place of options, so that only secrets are left to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hes.cli.read_plan import MECHANISMS, Credentials
from hes.devices.profiles import AssociationOffer, DeviceProfile

SAFEST_FIRST: Final = ("hls-ecdsa", "hls-gmac", "hls-sha256", "hls-sha1", "hls-md5", "lls", "none")


def choose_association(
    profile: DeviceProfile, name: str | None, *, auth: str | None, client: int | None, credentials: Credentials
) -> AssociationOffer:
    """The association to open: the one called `name`, else the safest that the secrets given are enough for.

    auth, client: what was asked for beside it; an association that is chosen here agrees with both. Where several are
    left, the profile's order decides. Raises ValueError that lists what the profile offers.
    """
    if name is not None:
        try:
            return profile.association(name)
        except KeyError:
            raise ValueError(
                f"profile {profile.name} has no association {name!r}; it has {_listed(profile)}."
            ) from None
    fitting = [
        offer
        for offer in profile.associations
        if offer.mechanism in MECHANISMS
        and (auth is None or MECHANISMS[offer.mechanism] is MECHANISMS[auth])
        and client in (None, offer.client_sap)
    ]
    if not fitting:
        raise ValueError(
            f"profile {profile.name} has no association for this --client and --auth; it has {_listed(profile)}."
        )
    return _safest(fitting, credentials)


def _safest(offers: Sequence[AssociationOffer], credentials: Credentials) -> AssociationOffer:
    keys, password = bool(credentials.key and credentials.auth_key), bool(credentials.password)
    pair = credentials.key_files.pairs.signing_key is not None
    has = dict.fromkeys(SAFEST_FIRST, password) | {"hls-ecdsa": pair, "hls-gmac": keys, "none": True}
    for mechanism in SAFEST_FIRST:
        for offer in offers:
            if offer.mechanism == mechanism and has[mechanism] and (keys or not offer.ciphered):
                return offer
    return offers[0]


def _listed(profile: DeviceProfile) -> str:
    return ", ".join(f"{offer.name} (client {offer.client_sap}, {offer.mechanism})" for offer in profile.associations)


def secrets_for(offer: AssociationOffer, credentials: Credentials) -> Credentials:
    """Without the keys where the association is in the clear: a file of secrets may know more than is wanted."""
    return credentials if offer.ciphered else replace(credentials, key=b"", auth_key=b"")


def known_classes(profile: DeviceProfile) -> dict[bytes, int]:
    """The class of every object that the profile knows, by logical name: what is in it need not be looked up."""
    items = {bytes(item.obis): item.class_id for item in profile.items}
    return items | {bytes(each.obis): each.class_id for each in profile.objects}
