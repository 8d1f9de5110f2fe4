"""One combination of the matrix, done by gurux-dlms against the reference meter: every operation, checked.

The truth is the meter's own arithmetic (`sim.reference.load_profile`) for what it measures, and what was written for
what it keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gurux_dlms import GXDLMSClient
from gurux_dlms.enums import Authentication, Conformance, DataType, Security
from gurux_dlms.objects import (
    GXDLMSClock,
    GXDLMSData,
    GXDLMSDisconnectControl,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

from interop.gurux_client import SYSTEM_TITLE, GuruxSession, addressed
from interop.places import Offer, instant, moment
from sim.reference import load_profile, objects
from sim.reference.load_profile import PERIOD_S, export_wh, import_wh, status, voltage_dv
from sim.reference.meter import MESSAGE_OCTETS

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
DEDICATED_KEY = bytes(range(0x40, 0x50))
PAST_ALL = 1000
LONG_OCTETS = 1500
ROWS_BACK = 24


def association(offer: Offer, mechanism: str, suite: int) -> dict[str, Any] | None:
    """The association that the meter offers for it, None when it offers none."""
    for entry in offer["associations"]:
        serves = entry["name"].startswith("by-") and entry["authentication"] == mechanism
        if serves and offer["setups"][str(entry["setup"])]["suite"] == suite:
            return dict(entry)
    return None


def make_client(offer: Offer, combination: dict[str, Any], entry: dict[str, Any]) -> GXDLMSClient:
    address, framing = addressed(offer)
    mechanism, protection, scope = (combination[name] for name in ("mechanism", "protection", "scope"))
    secret = None if mechanism in ("none", "hls-gmac", "hls-ecdsa") else offer["test_keys"]["password"]
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
    session = GuruxSession(offer, GXDLMSClient(True, 16, address, Authentication.NONE, None, framing))
    session.open()
    value = int(session.read(GXDLMSData(f"0.0.43.1.{setup}.255"), 2))
    session.close()
    return value


class Operations:
    """What is done in one session; each raises when anything is not as it should be."""

    def __init__(self, session: GuruxSession, label: str) -> None:
        self.session = session
        self.label = label

    def register(self) -> None:
        before = import_wh(int(time.time()))
        register = GXDLMSRegister(str(load_profile.IMPORT))
        value = self.session.read(register, 2)
        assert before <= value <= import_wh(int(time.time()) + 1), value
        self.session.read(register, 3)
        assert (register.scaler, int(register.unit)) == (1, 30), (register.scaler, register.unit)

    def clock(self) -> None:
        clock = GXDLMSClock(str(load_profile.CLOCK))
        self.session.read(clock, 2)
        assert abs(instant(clock.time.value) - time.time()) < 5, clock.time.value

    def profile(self) -> GXDLMSProfileGeneric:
        profile = GXDLMSProfileGeneric(str(objects.LOAD_PROFILE))
        self.session.read(profile, 3)
        names = [str(column.logicalName) for column, _ in profile.captureObjects]
        assert names == [str(column.obis) for column in load_profile.COLUMNS], names
        return profile

    def rows(self, profile: GXDLMSProfileGeneric, frames: Any) -> list[list[Any]]:
        value = self.session.client.updateValue(profile, 2, self.session.ask(frames).value)
        return [[instant(row[0].value), *row[1:]] for row in value]

    def range(self) -> None:
        profile = self.profile()
        last_s = int(time.time()) // PERIOD_S * PERIOD_S
        first_s = last_s - ROWS_BACK * PERIOD_S
        found = self.rows(profile, self.session.client.readRowsByRange(profile, moment(first_s), moment(last_s)))
        assert found == [true_row(stamp_s) for stamp_s in range(first_s, last_s + 1, PERIOD_S)], found[:2]

    def entry(self) -> None:
        profile = self.profile()
        found = self.rows(profile, self.session.client.readRowsByEntry(profile, 2, 5))
        assert len(found) == 5, len(found)
        first_s = int(found[0][0])
        assert found == [true_row(first_s + place * PERIOD_S) for place in range(5)], found[:2]

    def set(self) -> None:
        self.written(self.label.encode())

    def long_set(self) -> None:
        self.written(bytes(place % 256 for place in range(LONG_OCTETS)))

    def written(self, octets: bytes) -> None:
        item = GXDLMSData(str(objects.WRITTEN))
        item.value = bytearray(octets)
        item.setDataType(2, DataType.OCTET_STRING)
        self.session.ask(self.session.client.write(item, 2))
        assert bytes(self.session.read(GXDLMSData(str(objects.WRITTEN)), 2)) == octets

    def long_get(self) -> None:
        value = bytes(self.session.read(GXDLMSData(str(objects.LONG_VALUE)), 2))
        assert value == bytes(place % 251 for place in range(MESSAGE_OCTETS)), len(value)

    def action(self) -> None:
        relay = GXDLMSDisconnectControl(str(objects.RELAY))
        for method, state in ((1, 0), (2, 1)):
            self.session.ask(self.session.client.method(relay, method, 0, DataType.INT8))
            found = self.session.read(relay, 3)
            assert int(found) == state, found

    def read_list(self) -> None:
        clock, register = GXDLMSClock(str(load_profile.CLOCK)), GXDLMSRegister(str(load_profile.EXPORT))
        wanted = [(clock, 2), (register, 2)]
        for frames in self.session.client.readList(wanted):
            self.session.client.updateValues(wanted, self.session.ask(frames).value)
        assert abs(instant(clock.time.value) - time.time()) < 5, clock.time.value
        assert abs(register.value - export_wh(int(time.time()))) <= 1, register.value

    def object_list(self) -> None:
        reply = self.session.ask(self.session.client.getObjectsRequest())
        found = {str(item.logicalName) for item in self.session.client.parseObjects(reply.data, False)}
        wanted = {str(name) for name in (load_profile.CLOCK, load_profile.IMPORT, objects.LOAD_PROFILE, objects.RELAY)}
        assert wanted <= found, found


def true_row(stamp_s: int) -> list[Any]:
    return [stamp_s, status(stamp_s), import_wh(stamp_s), export_wh(stamp_s), voltage_dv(stamp_s)]


def run(offer: Offer, combination: dict[str, Any], operations: list[str]) -> dict[str, str]:
    """ "ok", "not offered" or what went wrong, by operation. After a failure the session is opened again."""
    entry = association(offer, combination["mechanism"], combination["suite"])
    if entry is None:
        return dict.fromkeys([*operations, "release"], "not offered")
    outcome: dict[str, str] = {}
    session: GuruxSession | None = None
    for name in operations:
        try:
            if session is None:
                session = GuruxSession(offer, make_client(offer, combination, entry))
                session.open()
            doing: Callable[[], None] = getattr(Operations(session, f"{combination}"), name)
            doing()
            outcome[name] = "ok"
        except Exception as error:
            outcome[name] = f"{type(error).__name__}: {error}"
            if session is not None:
                session.line.close()
            session = None
    if session is not None:
        outcome |= closed(session)
    return outcome


def closed(session: GuruxSession) -> dict[str, str]:
    """How the release went, as an operation of its own."""
    try:
        session.close()
    except Exception as error:
        session.line.close()
        return {"release": f"{type(error).__name__}: {error}"}
    return {"release": "ok"}
