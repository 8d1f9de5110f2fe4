"""pydlms-client (imported as `pydlms`) as a peer of the matrix: one combination of framing, mechanism and protection.

It is GPL-3.0-only (or commercial), so it runs in a process of its own, with none of the GPL-2.0 peers in it.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from pydlms import DlmsClient, Mechanism, SecurityContext
from pydlms.apdu.xdlms import date_time_value, entry_descriptor, range_descriptor
from pydlms.client import AccessAction, AccessGet, AccessSet
from pydlms.cosem.data import DlmsData
from pydlms.cosem.time import CosemDateTime
from pydlms.security.ec import load_public_key
from pydlms.security.suites import SecurityPolicy

from interop.places import PAST_ALL, PUBLIC, TIME_LIMIT_S, Offer, instant, moment, place
from sim.reference import load_profile, objects

MECHANISMS = {
    "none": Mechanism.NONE,
    "lls": Mechanism.LLS,
    "hls": Mechanism.HLS,
    "hls-md5": Mechanism.HLS_MD5,
    "hls-sha1": Mechanism.HLS_SHA1,
    "hls-gmac": Mechanism.HLS_GMAC,
    "hls-sha256": Mechanism.HLS_SHA256,
    "hls-ecdsa": Mechanism.HLS_ECDSA,
}
POLICIES = {
    "plain": SecurityPolicy.NONE,
    "authenticated": SecurityPolicy.AUTHENTICATED,
    "encrypted": SecurityPolicy.ENCRYPTED,
    "both": SecurityPolicy.AUTHENTICATED_ENCRYPTED,
    "signed": SecurityPolicy.AUTHENTICATED_ENCRYPTED,
}
ENVELOPES = {
    "": "glo",
    "glo": "glo",
    "ded": "glo",
    "general-glo": "general-glo",
    "general-ded": "general-glo",
    "general-ciphering": "general-ciphering",
    "general-signing": "general-signing",
}
READING = {"general_aad": "with-header", "signing_form": "length-prefixed-content"}
"""The Green Book's reading of general-ciphering and general-signing, which is ours; its default is Gurux's
(docs/interop.md)."""
P_256_OCTETS = 32
DATA, REGISTER, PROFILE, CLOCK, RELAY = 1, 3, 7, 8, 70


def reach(offer: Offer, client_sap: int, **settings: Any) -> DlmsClient:
    host, port = place(offer)
    where: dict[str, Any] = {}
    if offer["framing"] == "hdlc":
        where = {"hdlc": True, "server_physical": offer["hdlc_address"]["lower"]}
    return DlmsClient.tcp(
        host,
        port,
        client_sap=client_sap,
        server_logical=offer["server_sap"],
        timeout=TIME_LIMIT_S,
        **where,
        **settings,
    )


def counter(offer: Offer, setup: int) -> int:
    with reach(offer, PUBLIC) as client:
        return int(client.get(f"0.0.43.1.{setup}.255", DATA).value)


def make_client(offer: Offer, combination: dict[str, Any], entry: dict[str, Any]) -> DlmsClient:
    mechanism, protection, scope = (combination[name] for name in ("mechanism", "protection", "scope"))
    keys = offer["setups"][str(entry["setup"])]
    settings: dict[str, Any] = {"mechanism": MECHANISMS[mechanism]}
    settings["logical_names"] = combination["style"] != "sn"
    if combination["style"] == "gbt":
        settings |= {"propose_gbt": True, "gbt_window": 3}
    else:
        settings["propose_access"] = combination["style"] == "ln"
    if mechanism not in ("none", "hls-gmac", "hls-ecdsa"):
        settings["password"] = offer["test_keys"]["password"]
    title = bytes.fromhex(offer["client_system_title"])
    signing: dict[str, Any] = {}
    if combination["suite"]:
        signing = {
            "signing_key": private_key(bytes.fromhex(keys["client_signing_key"])),
            "peer_signing_key": load_public_key(combination["suite"], bytes.fromhex(keys["meter_signing_key"])),
        }
        settings |= {"signing_key": signing["signing_key"], "server_public_key": signing["peer_signing_key"]}
    if protection != "plain" or mechanism == "hls-gmac":
        settings["security"] = SecurityContext(
            bytes.fromhex(keys["encryption_key"]),
            bytes.fromhex(keys["authentication_key"]),
            client_system_title=title,
            invocation_counter=counter(offer, entry["setup"]) + PAST_ALL,
            suite=combination["suite"],
            policy=POLICIES[protection],
            **READING,
            **signing,
        )
        settings["ciphered_context"] = protection != "plain"
        settings["protection"] = ENVELOPES[scope]
        settings["use_dedicated_key"] = scope in ("ded", "general-ded")
    else:
        settings["client_system_title"] = title
    return reach(offer, entry["client_sap"], **settings)


def private_key(octets: bytes) -> ec.EllipticCurvePrivateKey:
    curve = ec.SECP256R1() if len(octets) == P_256_OCTETS else ec.SECP384R1()
    return ec.derive_private_key(int.from_bytes(octets, "big"), curve)


class PydlmsPeer:
    """`interop.outcomes.Peer`."""

    def __init__(self, offer: Offer, combination: dict[str, Any], entry: dict[str, Any]) -> None:
        self.client = make_client(offer, combination, entry)

    def open(self) -> None:
        self.client.connect()

    def close(self) -> None:
        self.client.close()

    def abandon(self) -> None:
        self.client.link.transport.close()

    def clock(self) -> float:
        return epoch_s(self.client.get_clock(str(load_profile.CLOCK)))

    def register(self) -> tuple[int, int, int]:
        found = self.client.get_register(str(load_profile.IMPORT))
        return found.raw, found.scaler, int(found.unit)

    def rows_by_range(self, first_s: int, last_s: int) -> list[list[Any]]:
        ends = (date_time_value(moment(first_s)), date_time_value(moment(last_s)))
        return self._rows(range_descriptor(*ends))

    def rows_by_entry(self, first: int, count: int) -> list[list[Any]]:
        return self._rows(entry_descriptor(first, first + count - 1))

    def _rows(self, access: Any) -> list[list[Any]]:
        profile = self.client.read_profile(str(objects.LOAD_PROFILE), access)
        return [[epoch_s(CosemDateTime.from_bytes(bytes(row[0]))), *row[1:]] for row in profile.rows]

    def write(self, octets: bytes) -> None:
        self.client.set(str(objects.WRITTEN), DATA, 2, DlmsData.octet_string(octets))

    def written(self) -> bytes:
        return bytes(self.client.get(str(objects.WRITTEN), DATA).value)

    def long_value(self) -> bytes:
        return bytes(self.client.get(str(objects.LONG_VALUE), DATA).value)

    def switch(self, method: int) -> int:
        self.client.action(str(objects.RELAY), RELAY, method, DlmsData.int8(0))
        return int(self.client.get(str(objects.RELAY), RELAY, 3).value)

    def clock_and_export(self) -> tuple[float, int]:
        wanted = [(str(load_profile.CLOCK), CLOCK, 2), (str(load_profile.EXPORT), REGISTER, 2)]
        clock, value = self.client.get_many(wanted)
        return epoch_s(CosemDateTime.from_bytes(bytes(clock.value))), int(value.value)

    def access_get(self) -> tuple[float, int]:
        wanted = [AccessGet(str(load_profile.CLOCK), CLOCK, 2), AccessGet(str(load_profile.EXPORT), REGISTER, 2)]
        clock, value = (outcome.data for outcome in self.client.access(wanted))
        return epoch_s(CosemDateTime.from_bytes(bytes(clock.value))), int(value.value)

    def access(self, octets: bytes) -> tuple[float, bool]:
        outcomes = self.client.access(
            [
                AccessGet(str(load_profile.CLOCK), CLOCK, 2),
                AccessSet(str(objects.WRITTEN), DATA, 2, DlmsData.octet_string(octets)),
                AccessAction(str(objects.RELAY), RELAY, 2, DlmsData.int8(0)),
            ]
        )
        clock = CosemDateTime.from_bytes(bytes(outcomes[0].data.value))
        return epoch_s(clock), all(outcome.ok for outcome in outcomes)

    def object_names(self) -> set[str]:
        return {str(entry.logical_name) for entry in self.client.get_association_view()}


def epoch_s(when: CosemDateTime) -> float:
    return instant(when.to_datetime())


make_peer = PydlmsPeer
