"""gurux-dlms as a peer of the matrix: one combination of framing, mechanism and protection."""

from __future__ import annotations

from typing import Any

from gurux_dlms import GXDLMSAccessItem, GXDLMSClient
from gurux_dlms.ecdsa import GXPrivateKey, GXPublicKey
from gurux_dlms.enums import AccessServiceCommandType, Authentication, Conformance, DataType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSDisconnectControl, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

from interop.gurux_client import GuruxSession, addressed
from interop.places import DEDICATED_KEYS, PAST_ALL, PUBLIC, Offer, instant, moment
from sim.reference import load_profile, objects

AUTHENTICATION = {
    "none": Authentication.NONE,
    "lls": Authentication.LOW,
    "hls": Authentication.HIGH,
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
CHALLENGE = bytes(range(32))
"""For ECDSA, which wants 32 octets: left alone, gurux sends 16 (test_gurux_defects.py)."""
KEYS_ALONE = ("none", "hls-gmac", "hls-ecdsa")
"""Mechanisms without a secret."""


def make_client(offer: Offer, combination: dict[str, Any], entry: dict[str, Any]) -> GXDLMSClient:
    address, framing = addressed(offer)
    mechanism, protection, scope = (combination[name] for name in ("mechanism", "protection", "scope"))
    secret = None if mechanism in KEYS_ALONE else offer["test_keys"]["password"]
    names = combination["style"] != "sn"
    client = GXDLMSSecureClient(names, entry["client_sap"], address, AUTHENTICATION[mechanism], secret, framing)
    keys = offer["setups"][str(entry["setup"])]
    cipher = client.ciphering
    cipher.securitySuite = SecuritySuite(combination["suite"])
    cipher.security = SECURITY[protection]
    cipher.systemTitle = bytearray.fromhex(offer["client_system_title"])
    cipher.blockCipherKey = bytearray.fromhex(keys["encryption_key"])
    cipher.authenticationKey = bytearray.fromhex(keys["authentication_key"])
    cipher.invocationCounter = counter(offer, entry["setup"]) + PAST_ALL
    if scope in ("ded", "general-ded"):
        cipher.dedicatedKey = bytearray(DEDICATED_KEYS[combination["suite"]])
    if scope.startswith("general"):
        client.proposedConformance |= Conformance.GENERAL_PROTECTION
    else:
        client.proposedConformance &= ~Conformance.GENERAL_PROTECTION
    if combination["style"] == "sn":
        client.proposedConformance |= Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
        client.proposedConformance |= Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    if combination["style"] == "gbt":
        client.proposedConformance |= Conformance.GENERAL_BLOCK_TRANSFER
        client.gbtWindowSize = 3
    if combination["suite"]:
        private = GXPrivateKey.fromRawBytes(bytearray.fromhex(keys["client_signing_key"]))
        public = GXPublicKey.fromRawBytes(bytearray.fromhex("04" + keys["meter_signing_key"]))
        cipher.signingKeyPair = (public, private)
        if mechanism == "hls-ecdsa":
            client.ctoSChallenge = bytearray(CHALLENGE)
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

    def _item(self, kind: type, obis: object) -> Any:
        """An object to work with; with short names, the one that the meter's list named."""
        if self.client.useLogicalNameReferencing:
            return kind(str(obis))
        if not self.client.objects:
            self.object_names()
        item = kind(str(obis))
        item.shortName = self.client.objects.findByLN(item.objectType, str(obis)).shortName
        return item

    def clock(self) -> float:
        clock = self._item(GXDLMSClock, load_profile.CLOCK)
        self.session.read(clock, 2)
        return instant(clock.time.value)

    def register(self) -> tuple[int, int, int]:
        register = self._item(GXDLMSRegister, load_profile.IMPORT)
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
        profile = self._item(GXDLMSProfileGeneric, objects.LOAD_PROFILE)
        self.session.read(profile, 3)
        return profile

    def _rows(self, profile: GXDLMSProfileGeneric, frames: Any) -> list[list[Any]]:
        value = self.client.updateValue(profile, 2, self.session.ask(frames).value)
        return [[instant(row[0].value), *row[1:]] for row in value]

    def write(self, octets: bytes) -> None:
        item = self._item(GXDLMSData, objects.WRITTEN)
        item.value = bytearray(octets)
        item.setDataType(2, DataType.OCTET_STRING)
        self.session.ask(self.client.write(item, 2))

    def written(self) -> bytes:
        return bytes(self.session.read(self._item(GXDLMSData, objects.WRITTEN), 2))

    def long_value(self) -> bytes:
        return bytes(self.session.read(self._item(GXDLMSData, objects.LONG_VALUE), 2))

    def switch(self, method: int) -> int:
        relay = self._item(GXDLMSDisconnectControl, objects.RELAY)
        self.session.ask(self.client.method(relay, method, 0, DataType.INT8))
        return int(self.session.read(relay, 3))

    def clock_and_export(self) -> tuple[float, int]:
        clock, register = self._item(GXDLMSClock, load_profile.CLOCK), self._item(GXDLMSRegister, load_profile.EXPORT)
        wanted = [(clock, 2), (register, 2)]
        for frames in self.client.readList(wanted):
            self.client.updateValues(wanted, self.session.ask(frames).value)
        return instant(clock.time.value), int(register.value)

    def access_get(self) -> tuple[float, int]:
        clock, register = self._item(GXDLMSClock, load_profile.CLOCK), self._item(GXDLMSRegister, load_profile.EXPORT)
        kind = AccessServiceCommandType.GET
        items = [GXDLMSAccessItem(kind, clock, 2), GXDLMSAccessItem(kind, register, 2)]
        self.client.parseAccessResponse(items, self.session.ask(self.client.accessRequest(None, items)).data)
        return instant(clock.time.value), int(register.value)

    def access(self, octets: bytes) -> tuple[float, bool]:
        clock, written = self._item(GXDLMSClock, load_profile.CLOCK), self._item(GXDLMSData, objects.WRITTEN)
        written.value = bytearray(octets)
        written.setDataType(2, DataType.OCTET_STRING)
        kinds = AccessServiceCommandType
        items = [GXDLMSAccessItem(kinds.GET, clock, 2), GXDLMSAccessItem(kinds.SET, written, 2)]
        reply = self.session.ask(self.client.accessRequest(None, items))
        self.client.parseAccessResponse(items, reply.data)
        return instant(clock.time.value), all(int(item.error) == 0 for item in items)

    def object_names(self) -> set[str]:
        reply = self.session.ask(self.client.getObjectsRequest())
        return {str(item.logicalName) for item in self.client.parseObjects(reply.data, False)}


make_peer = GuruxPeer
