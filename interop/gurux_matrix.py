"""gurux-dlms as a peer of the matrix: one combination of framing, mechanism and protection."""

from __future__ import annotations

from typing import Any

from gurux_dlms import GXDLMSClient
from gurux_dlms.enums import Authentication, Conformance, DataType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSDisconnectControl, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

from interop.gurux_client import SYSTEM_TITLE, GuruxSession, addressed
from interop.places import DEDICATED_KEY, PAST_ALL, PUBLIC, Offer, instant, moment
from sim.reference import load_profile, objects

AUTHENTICATION = {
    "none": Authentication.NONE,
    "lls": Authentication.LOW,
    "hls-md5": Authentication.HIGH_MD5,
    "hls-sha1": Authentication.HIGH_SHA1,
    "hls-gmac": Authentication.HIGH_GMAC,
    "hls-sha256": Authentication.HIGH_SHA256,
    "hls-ecdsa": Authentication.HIGH_ECDSA,
}
SECURITY = {
    "plain": Security.NONE,
    "authenticated": Security.AUTHENTICATION,
    "encrypted": Security.ENCRYPTION,
    "both": Security.AUTHENTICATION_ENCRYPTION,
}
KEYS_ALONE = ("none", "hls-gmac", "hls-ecdsa")
"""Mechanisms without a secret."""


def make_client(offer: Offer, combination: dict[str, Any], entry: dict[str, Any]) -> GXDLMSClient:
    address, framing = addressed(offer)
    mechanism, protection, scope = (combination[name] for name in ("mechanism", "protection", "scope"))
    secret = None if mechanism in KEYS_ALONE else offer["test_keys"]["password"]
    client = GXDLMSSecureClient(True, entry["client_sap"], address, AUTHENTICATION[mechanism], secret, framing)
    keys = offer["setups"][str(entry["setup"])]
    cipher = client.ciphering
    cipher.securitySuite = SecuritySuite(combination["suite"])
    cipher.security = SECURITY[protection]
    cipher.systemTitle = bytearray(SYSTEM_TITLE)
    cipher.blockCipherKey = bytearray.fromhex(keys["encryption_key"])
    cipher.authenticationKey = bytearray.fromhex(keys["authentication_key"])
    cipher.invocationCounter = counter(offer, entry["setup"]) + PAST_ALL
    if scope in ("ded", "general-ded"):
        cipher.dedicatedKey = bytearray(DEDICATED_KEY)
    if not scope.startswith("general"):
        client.proposedConformance &= ~Conformance.GENERAL_PROTECTION
    client.useProtectedRelease = protection != "plain"
    return client


def counter(offer: Offer, setup: int) -> int:
    """The meter's invocation counter, by the public client."""
    address, framing = addressed(offer)
    session = GuruxSession(offer, GXDLMSClient(True, PUBLIC, address, Authentication.NONE, None, framing))
    session.open()
    value = int(session.read(GXDLMSData(f"0.0.43.1.{setup}.255"), 2))
    session.close()
    return value


class GuruxPeer:
    """`interop.outcomes.Peer`."""

    def __init__(self, offer: Offer, combination: dict[str, Any], entry: dict[str, Any]) -> None:
        self.session = GuruxSession(offer, make_client(offer, combination, entry))
        self.client = self.session.client

    def open(self) -> None:
        self.session.open()

    def close(self) -> None:
        self.session.close()

    def abandon(self) -> None:
        self.session.line.close()

    def clock(self) -> float:
        clock = GXDLMSClock(str(load_profile.CLOCK))
        self.session.read(clock, 2)
        return instant(clock.time.value)

    def register(self) -> tuple[int, int, int]:
        register = GXDLMSRegister(str(load_profile.IMPORT))
        value = self.session.read(register, 2)
        self.session.read(register, 3)
        factor = float(register.scaler)  # gurux has the power of ten in place of the exponent
        return int(value), 0 if factor == 1 else -99, int(register.unit)

    def rows_by_range(self, first_s: int, last_s: int) -> list[list[Any]]:
        profile = self._profile()
        return self._rows(profile, self.client.readRowsByRange(profile, moment(first_s), moment(last_s)))

    def rows_by_entry(self, first: int, count: int) -> list[list[Any]]:
        profile = self._profile()
        return self._rows(profile, self.client.readRowsByEntry(profile, first, count))

    def _profile(self) -> GXDLMSProfileGeneric:
        profile = GXDLMSProfileGeneric(str(objects.LOAD_PROFILE))
        self.session.read(profile, 3)
        return profile

    def _rows(self, profile: GXDLMSProfileGeneric, frames: Any) -> list[list[Any]]:
        value = self.client.updateValue(profile, 2, self.session.ask(frames).value)
        return [[instant(row[0].value), *row[1:]] for row in value]

    def write(self, octets: bytes) -> None:
        item = GXDLMSData(str(objects.WRITTEN))
        item.value = bytearray(octets)
        item.setDataType(2, DataType.OCTET_STRING)
        self.session.ask(self.client.write(item, 2))

    def written(self) -> bytes:
        return bytes(self.session.read(GXDLMSData(str(objects.WRITTEN)), 2))

    def long_value(self) -> bytes:
        return bytes(self.session.read(GXDLMSData(str(objects.LONG_VALUE)), 2))

    def switch(self, method: int) -> int:
        relay = GXDLMSDisconnectControl(str(objects.RELAY))
        self.session.ask(self.client.method(relay, method, 0, DataType.INT8))
        return int(self.session.read(relay, 3))

    def clock_and_export(self) -> tuple[float, int]:
        clock, register = GXDLMSClock(str(load_profile.CLOCK)), GXDLMSRegister(str(load_profile.EXPORT))
        wanted = [(clock, 2), (register, 2)]
        for frames in self.client.readList(wanted):
            self.client.updateValues(wanted, self.session.ask(frames).value)
        return instant(clock.time.value), int(register.value)

    def object_names(self) -> set[str]:
        reply = self.session.ask(self.client.getObjectsRequest())
        return {str(item.logicalName) for item in self.client.parseObjects(reply.data, False)}


make_peer = GuruxPeer
