"""Our own client as a peer of the matrix, against servers that others wrote; all through the product's sessions."""

from __future__ import annotations

import asyncio
from typing import Any

from hes.dlms import axdr, data, selective_access
from hes.dlms.apdu import AccessKind, AccessSpecification, AttributeDescriptor, MethodDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import AccessOutcome
from hes.dlms.client.settings import CLIENT_CONFORMANCE, ClientSecurity, ClientSettings
from hes.dlms.codes import Conformance, Mechanism
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED, AUTHENTICATED_ENCRYPTED, ENCRYPTED
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import CertificateType
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.security.hls import TITLED
from hes.entropy import SystemEntropy
from hes.errors import AccessDenied
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.hdlc_session import HdlcSession
from hes.protocols.wrapper_session import WrapperSession
from interop.places import PUBLIC, TIME_LIMIT_S, Offer, place
from sim.reference import known_keys, load_profile, objects

CONTROLS = {"authenticated": AUTHENTICATED, "encrypted": ENCRYPTED, "both": AUTHENTICATED_ENCRYPTED}
GENERAL = {
    "general-glo": CipheringStyle.GENERAL_GLO,
    "general-ded": CipheringStyle.GENERAL_GLO,
    "general-ciphering": CipheringStyle.GENERAL_CIPHERING,
}
DATA, REGISTER, PROFILE, CLOCK, ASSOCIATION, RELAY = 1, 3, 7, 8, 15, 70
OBJECTS = {str(column.obis): column.class_id for column in load_profile.COLUMNS} | {
    str(objects.LOAD_PROFILE): PROFILE,
    str(objects.RELAY): RELAY,
}
COUNTER = Obis.parse("0.0.43.1.0.255")


class OurPeer:
    """`interop.outcomes.Peer`: one connection, one association."""

    def __init__(self, offer: Offer, settings: ClientSettings, counter: int = 0) -> None:
        self._runner = asyncio.Runner()
        self._offer = offer
        self._settings = settings
        self._counter = counter
        self._dlms: DlmsSession | None = None
        self._line: WrapperSession | HdlcSession | None = None

    def open(self) -> None:
        self._runner.run(self._open())

    async def _open(self) -> None:
        settings = self._settings
        if self._offer["framing"] == "hdlc":
            line: Any = HdlcSession(
                client_sap=settings.client_sap, server=ServerAddress(settings.server_sap), timeout_s=TIME_LIMIT_S
            )
        else:
            line = WrapperSession(
                client_sap=settings.client_sap, server_sap=settings.server_sap, timeout_s=TIME_LIMIT_S
            )
        await asyncio.get_running_loop().create_connection(lambda: line, *place(self._offer))
        self._line = line
        entropy = SystemEntropy()
        self._dlms = DlmsSession(
            Client(settings, send_counter=self._counter, entropy=entropy.octets),
            line.exchange,
            entropy,
            next_answer=line.next_answer,
        )
        await self.dlms.open()

    @property
    def dlms(self) -> DlmsSession:
        assert self._dlms is not None
        return self._dlms

    def close(self) -> None:
        self._runner.run(self.dlms.release())
        self.abandon()

    def abandon(self) -> None:
        if self._line is not None:
            self._line.close()
        self._runner.close()

    def value(self, class_id: int, obis: bytes, attribute: int = 2, selection: bytes = b"") -> Any:
        encoded = self._runner.run(self.dlms.get(class_id, obis, attribute, selection))
        value, end = axdr.decode_value(encoded)
        assert end == len(encoded)
        return value

    def set(self, class_id: int, obis: bytes, attribute: int, encoded: bytes) -> None:
        self._runner.run(self.dlms.set(class_id, obis, attribute, encoded))

    def act(self, class_id: int, obis: bytes, method: int, encoded: bytes) -> None:
        self._runner.run(self.dlms.act(class_id, obis, method, encoded))

    def clock(self) -> float:
        return UTC.epoch_s(self.value(CLOCK, load_profile.CLOCK))

    def register(self) -> tuple[int, int, int]:
        value = self.value(REGISTER, load_profile.IMPORT)
        unit = ScalerUnit.from_value(self.value(REGISTER, load_profile.IMPORT, 3))
        return value, unit.scaler, unit.unit

    def rows_by_range(self, first_s: int, last_s: int) -> list[list[Any]]:
        ends = UTC.octets(first_s), UTC.octets(last_s)
        return self._rows(selective_access.by_range(load_profile.COLUMNS[0], *ends))

    def rows_by_entry(self, first: int, count: int) -> list[list[Any]]:
        return self._rows(selective_access.by_entry(first, first + count - 1))

    def _rows(self, selection: bytes) -> list[list[Any]]:
        rows = self.value(PROFILE, objects.LOAD_PROFILE, 2, selection)
        return [[UTC.epoch_s(row[0]), *row[1:]] for row in rows]

    def write(self, octets: bytes) -> None:
        self.set(DATA, objects.WRITTEN, 2, axdr.encode(data.octets(octets)))

    def written(self) -> bytes:
        return bytes(self.value(DATA, objects.WRITTEN))

    def long_value(self) -> bytes:
        return bytes(self.value(DATA, objects.LONG_VALUE))

    def switch(self, method: int) -> int:
        self.act(RELAY, objects.RELAY, method, axdr.encode(data.i8(0)))
        return int(self.value(RELAY, objects.RELAY, 3))

    def clock_and_export(self) -> tuple[float, int]:
        wanted = [
            AttributeDescriptor(CLOCK, load_profile.CLOCK, 2),
            AttributeDescriptor(REGISTER, load_profile.EXPORT, 2),
        ]
        clock, value = (axdr.decode_value(octets)[0] for _, octets in self._runner.run(self.dlms.get_list(wanted)))
        return UTC.epoch_s(clock), value

    def access_get(self) -> tuple[float, int]:
        clock, value = self._access([read(CLOCK, load_profile.CLOCK), read(REGISTER, load_profile.EXPORT)])
        return UTC.epoch_s(axdr.decode_value(clock.data)[0]), int(axdr.decode_value(value.data)[0])

    def access(self, octets: bytes) -> tuple[float, bool]:
        writing = AccessSpecification(AccessKind.SET, AttributeDescriptor(DATA, objects.WRITTEN, 2))
        invoking = AccessSpecification(AccessKind.ACTION, MethodDescriptor(RELAY, objects.RELAY, 2))
        outcomes = self._access(
            [
                read(CLOCK, load_profile.CLOCK),
                (writing, axdr.encode(data.octets(octets))),
                (invoking, axdr.encode(data.i8(0))),
            ]
        )
        clock = UTC.epoch_s(axdr.decode_value(outcomes[0].data)[0])
        return clock, all(outcome.succeeded for outcome in outcomes)

    def _access(self, asked: list[tuple[AccessSpecification, bytes | None]]) -> tuple[AccessOutcome, ...]:
        return self._runner.run(self.dlms.access(asked))

    def object_names(self) -> set[str]:
        if self._settings.short_names:
            return {name for name in OBJECTS if self._has(name)}
        value = self.value(ASSOCIATION, CURRENT_ASSOCIATION)
        return {str(entry.logical_name) for entry in object_list_from_value(value)}

    def _has(self, name: str) -> bool:
        """Whether the list that was read when the association was opened names it."""
        names = self.dlms.client.names
        assert names is not None
        try:
            names.attribute(AttributeDescriptor(OBJECTS[name], Obis.parse(name), 2))
        except AccessDenied:
            return False
        return True


def read(class_id: int, obis: bytes) -> tuple[AccessSpecification, None]:
    return AccessSpecification(AccessKind.GET, AttributeDescriptor(class_id, obis, 2)), None


def mechanism_of(name: str) -> Mechanism:
    """HLS_GMAC for hls-gmac."""
    return Mechanism[name.upper().replace("-", "_")]


def settings(combination: dict[str, Any], client_sap: int) -> ClientSettings:
    mechanism = mechanism_of(combination["mechanism"])
    protection, scope = combination["protection"], combination["scope"]
    security, suite = None, combination["suite"]
    pairs = AsymmetricKeys()
    if suite:
        kind = CertificateType.DIGITAL_SIGNATURE
        pairs = AsymmetricKeys(
            signing_key=known_keys.private_key("client", kind, suite),
            peer_signing_key=known_keys.private_key("meter", kind, suite).public_key(),
        )
    if protection != "plain" or mechanism in TITLED:
        security = ClientSecurity(
            system_title=known_keys.CLIENT_SYSTEM_TITLE,
            keys=known_keys.global_keys(0, suite),
            suite=suite,
            pairs=pairs,
            control=CONTROLS.get(protection, AUTHENTICATED_ENCRYPTED),
            style=GENERAL.get(scope, CipheringStyle.SERVICE_SPECIFIC),
            signed=protection == "signed",
            dedicated=scope in ("ded", "general-ded"),
            ciphered=protection != "plain",
        )
    return ClientSettings(
        client_sap=client_sap,
        mechanism=mechanism,
        password=b"" if mechanism is Mechanism.NONE else known_keys.PASSWORD,
        security=security,
        manufacturer_hls=known_keys.manufacturer_proof if mechanism is Mechanism.HLS else None,
        short_names=combination["style"] == "sn",
        **general_blocks(combination["style"]),
    )


def general_blocks(style: str) -> dict[str, Any]:
    if style != "gbt":
        return {}
    offered = CLIENT_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER
    return {"conformance": offered, "prefers_general_blocks": True, "general_block_window": 3}


def counter(offer: Offer) -> int:
    """The server's invocation counter, by the public client."""
    peer = OurPeer(offer, ClientSettings(client_sap=PUBLIC))
    peer.open()
    value = int(peer.value(DATA, COUNTER))
    peer.close()
    return value
