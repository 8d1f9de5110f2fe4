"""The archive: the devices the head-end answers for, and how each is reached."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NewType, Protocol

from hes.devices import profiles
from hes.devices.profiles import DeviceProfile
from hes.dlms.client.settings import NO_PAIRS
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.store.store import DeviceKind, Store

DeviceId = NewType("DeviceId", int)
"""The store's number of a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dcu:
    """A data concentrator. terminal_id: its Q/GDW 376.1 identity as printed, such as 07310001.

    name: unique; where two have been given the same, or none, their terminal IDs are in it.
    """

    device_id: DeviceId
    name: str
    terminal_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter behind a concentrator.

    number: the meter number, which is also its physical address in the gateway header (ASCII).
    system_title: 8 octets. key_ref: where its secrets are found; the archive itself holds none.
    """

    device_id: DeviceId
    number: str
    dcu: str
    profile: DeviceProfile
    system_title: bytes
    key_ref: str


@dataclass(frozen=True, slots=True)
class MeterSecrets:
    """What a client needs to open a meter. Never printed, never stored beside the device.

    encryption_key, authentication_key: b"" where nothing is ciphered. pairs: the head-end's own key pairs and the
    meter's public keys, for suites 1 and 2. authorities: certificates (DER) of those who may certify a meter's key.
    """

    encryption_key: bytes
    authentication_key: bytes
    password: bytes = b""
    pairs: AsymmetricKeys = NO_PAIRS
    authorities: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return "MeterSecrets(***)"


class KeyProvider(Protocol):
    """Where secrets come from: a vault, a file, or the simulated world's seed."""

    def secrets(self, key_ref: str) -> MeterSecrets:
        """Raises ConfigError when nothing is known under that reference."""
        ...


class Archive:
    """Devices by what they are looked up by. Insertion order is kept: it reaches the wire."""

    def __init__(self, dcus: list[Dcu], meters: list[Meter]) -> None:
        self.dcus = {dcu.name: dcu for dcu in dcus}
        self.meters = {meter.device_id: meter for meter in meters}
        self.dcu_by_terminal = {dcu.terminal_id: dcu for dcu in dcus}
        self.meters_of: dict[str, list[Meter]] = {dcu.name: [] for dcu in dcus}
        for meter in meters:
            self.meters_of[meter.dcu].append(meter)


async def load_archive(store: Store) -> Archive:
    """The archive as the store has it; profiles are found by name. Raises ConfigError for a profile nobody knows."""
    devices = await store.devices(kind=DeviceKind.DCU)
    named = Counter(device.name for device in devices)
    dcus = [
        Dcu(
            device_id=DeviceId(device.id),
            name=device.name if device.name and named[device.name] == 1 else f"{device.name} {device.number}".lstrip(),
            terminal_id=device.number,
        )
        for device in devices
    ]
    names = {dcu.device_id: dcu.name for dcu in dcus}
    meters = [
        Meter(
            device_id=DeviceId(device.id),
            number=device.number,
            dcu=names[DeviceId(device.dcu_id)],
            profile=profiles.load(device.profile),
            system_title=device.system_title or b"",
            key_ref=device.key_ref or "",
        )
        for device in await store.devices(kind=DeviceKind.METER)
        if device.dcu_id is not None
    ]
    return Archive(dcus, meters)
