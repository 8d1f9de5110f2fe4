"""Device profiles: what kind of meter this is, as data that simulator, head-end and certification read alike.

A profile says which objects a meter has, what its load profile captures and how often, how it numbers its events, which
associations it offers and how a concentrator addresses it. Anything on which meters of different makers differ belongs
here and nowhere in code: event numbers, the sign of the clock's deviation, the address in the gateway header.

Files: fixtures/profiles/*.toml. Facts: docs/protocols/cosem-objects.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from hes import resources
from hes.devices.profile_file import (
    AddressFormat,
    ItemType,
    MechanismName,
    ProfileFile,
    Rights,
    object_name,
    read_profile_file,
    unit_number,
)
from hes.dlms.obis import Obis
from hes.errors import ConfigError

FOLDER = "fixtures/profiles"

CLASS_CLOCK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DataItem:
    """One attribute that a meter can be asked for: its address, how it is encoded and what the number means.

    quantity = value on the wire x 10^scaler, in `unit` (a DLMS unit number; 255 for none).
    """

    name: str
    class_id: int
    obis: Obis
    attribute: int
    type: ItemType
    scaler: int
    unit: int
    unit_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileColumn:
    """One capture object of a profile, at `index` (from 0) in each row."""

    index: int
    item: DataItem

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def is_clock(self) -> bool:
        return self.item.class_id == CLASS_CLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedProfile:
    """A profile generic filled by time: the load profile, the billing profile.

    capture_period_s: seconds; rows stand on multiples of it in the meter's local time and are stamped with the end
    of their interval. entries: rows the meter keeps before the oldest is overwritten.
    """

    name: str
    obis: Obis
    capture_period_s: int
    entries: int
    columns: tuple[ProfileColumn, ...]

    def column(self, name: str) -> ProfileColumn:
        """The column called `name`; KeyError when the profile does not capture it."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def channels(self) -> tuple[ProfileColumn, ...]:
        """The columns that measure: neither the clock nor the status word."""
        return tuple(column for column in self.columns if not column.is_clock and column.name != "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """A profile generic filled by events. codes: what happened -> the number this kind of meter writes for it."""

    name: str
    obis: Obis
    entries: int
    columns: tuple[ProfileColumn, ...]
    codes: Mapping[str, int] = field(hash=False)

    def event(self, code: int) -> str | None:
        """The name of an event number, None when this kind of meter does not define it."""
        return next((name for name, number in self.codes.items() if number == code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationOffer:
    """One association the meter offers: which client, how it proves itself, what it may do.

    invocation_counter: where its counter is, None where it is that of the device.
    """

    name: str
    client_sap: int
    mechanism: MechanismName
    rights: Rights
    ciphered: bool
    short_names: bool = False
    invocation_counter: Obis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownObject:
    """One object as a client of the device sees it: which attributes it may read and write, which methods call."""

    class_id: int
    version: int
    obis: Obis
    read: tuple[int, ...]
    write: tuple[int, ...]
    call: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffBand:
    """`rate` (1 or 2) applies from `from_s` to `to_s`, seconds of the local day, on these weekdays (Monday is 0)."""

    rate: int
    weekdays: tuple[int, ...]
    from_s: int
    to_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectOffer:
    """The relay: where, and in which control mode (0..6)."""

    obis: Obis
    control_mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAddressing:
    """How a concentrator's gateway header names a meter: defined by nobody (docs/protocols/wrapper-and-gateway.md)."""

    network_id: int
    format: AddressFormat

    def address(self, meter_number: str) -> bytes:
        """The address octets of the meter with this decimal number.

        "12 digits" in "ascii" are 12 octets, in "bcd" 6 octets (most significant digit first).
        """
        if not (meter_number.isascii() and meter_number.isdigit()):
            raise ConfigError(f"meter number {meter_number!r} is not decimal digits")
        if self.format == "ascii":
            return meter_number.encode("ascii")
        return bytes.fromhex(meter_number.zfill(len(meter_number) + len(meter_number) % 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """A kind of meter. See the module for what it is for, docs of each part for units.

    A profile that was written by a scan may lack parts: `gaps` names them, and who asks for one gets a ConfigError.
    objects: as the scanning client saw them; () in a profile that was written by hand.
    """

    name: str
    title: str
    origin: str
    licence: str
    manufacturer: str
    firmware: str
    phases: Literal[1, 3]
    server_sap: int
    max_pdu_octets: int
    clock: DataItem
    deviation_sign: Literal[1, -1]
    security_suite: int
    security_setup: Obis
    invocation_counter: Obis
    disconnect: DisconnectOffer | None
    items: tuple[DataItem, ...]
    profiles: tuple[CapturedProfile, ...]
    event_logs: tuple[EventLog, ...]
    associations: tuple[AssociationOffer, ...]
    tariff_default_rate: int
    tariff_bands: tuple[TariffBand, ...]
    gateway: GatewayAddressing
    objects: tuple[KnownObject, ...] = ()

    @property
    def counter_client(self) -> int | None:
        """Client SAP that reads the invocation counter without authentication, None where there is none."""
        open_to_all = [offer for offer in self.associations if offer.mechanism == "none"]
        counting = [offer for offer in open_to_all if offer.rights == "counters"]
        return next((offer.client_sap for offer in counting + open_to_all), None)

    def item(self, name: str) -> DataItem:
        """The data item called `name`; KeyError when the meter has none."""
        for item in self.items:
            if item.name == name:
                return item
        raise KeyError(name)

    def counter_object(self, client_sap: int) -> Obis:
        """Where the invocation counter of that client is: a meter has one for each security setup."""
        for offer in self.associations:
            if offer.client_sap == client_sap and offer.invocation_counter is not None:
                return offer.invocation_counter
        return self.invocation_counter

    def association(self, name: str) -> AssociationOffer:
        """The association called `name`; KeyError when the meter offers none."""
        for offer in self.associations:
            if offer.name == name:
                return offer
        raise KeyError(name)

    def event_log(self, name: str) -> EventLog:
        """The event log called `name`; KeyError when the meter keeps none."""
        for log in self.event_logs:
            if log.name == name:
                return log
        raise KeyError(name)

    @property
    def load_profile(self) -> CapturedProfile:
        return self._captured("load-profile")

    @property
    def billing(self) -> CapturedProfile:
        return self._captured("billing")

    def with_captured(self, captured: CapturedProfile) -> DeviceProfile:
        """The same kind of meter with another profile in place of the one of that name."""
        return replace(self, profiles=tuple(captured if each.name == captured.name else each for each in self.profiles))

    def _captured(self, name: str) -> CapturedProfile:
        for captured in self.profiles:
            if captured.name == name:
                return captured
        raise self._lacks(f"[{name.replace('-', '_')}]")

    @property
    def disconnect_control(self) -> Obis:
        return self._switch().obis

    @property
    def disconnect_mode(self) -> int:
        return self._switch().control_mode

    def _switch(self) -> DisconnectOffer:
        if self.disconnect is None:
            raise self._lacks("[disconnect]")
        return self.disconnect

    def _lacks(self, part: str) -> ConfigError:
        return ConfigError(f"the device profile {self.name} has no {part}: add it, or take another profile.")

    @property
    def gaps(self) -> tuple[str, ...]:
        """What a meter of this kind would have to have and the profile does not say, as keys of its file."""
        held = {captured.name for captured in self.profiles}
        said = {
            "manufacturer": bool(self.manufacturer),
            "firmware": bool(self.firmware),
            "load_profile": "load-profile" in held,
            "billing": "billing" in held,
            "disconnect": self.disconnect is not None,
        }
        return tuple(part for part, there in said.items() if not there)


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with amiloop."""
    return tuple(path.stem for path in resources.files(FOLDER))


def load(name_or_path: str) -> DeviceProfile:
    """A device profile by the name of a shipped one or by the path of a file; ConfigError lists every fault."""
    return _load_file(resources.file_or_shipped(name_or_path, FOLDER))


@cache
def _load_file(path: Path) -> DeviceProfile:
    return build(read_profile_file(path))


def build(source: ProfileFile) -> DeviceProfile:
    """The frozen profile of a validated file."""
    items = {entry.name: _item(entry) for entry in source.item}
    return DeviceProfile(
        name=source.name,
        title=source.title,
        origin=source.origin,
        licence=source.licence,
        manufacturer=source.manufacturer,
        firmware=source.firmware,
        phases=source.phases,
        server_sap=source.server_sap,
        max_pdu_octets=source.max_pdu_octets,
        clock=items["clock"],
        deviation_sign=source.clock.deviation_sign,
        security_suite=source.security.suite,
        security_setup=Obis.parse(source.security.setup),
        invocation_counter=Obis.parse(source.security.invocation_counter),
        disconnect=None
        if source.disconnect is None
        else DisconnectOffer(obis=Obis.parse(source.disconnect.obis), control_mode=source.disconnect.control_mode),
        items=tuple(items.values()),
        profiles=tuple(
            _captured(name, captured, items)
            for name, captured in (("load-profile", source.load_profile), ("billing", source.billing))
            if captured is not None
        ),
        event_logs=tuple(
            EventLog(
                name=log.name,
                obis=Obis.parse(log.obis),
                entries=log.entries,
                columns=_columns(log.columns, items),
                codes=MappingProxyType(dict(log.codes)),
            )
            for log in source.event_log
        ),
        associations=tuple(
            AssociationOffer(
                name=offer.name,
                client_sap=offer.client_sap,
                mechanism=offer.mechanism,
                rights=offer.rights,
                ciphered=offer.mechanism == "hls-gmac" if offer.ciphered is None else offer.ciphered,
                short_names=offer.short_names,
                invocation_counter=None if offer.invocation_counter is None else Obis.parse(offer.invocation_counter),
            )
            for offer in source.association
        ),
        tariff_default_rate=source.tariff.default_rate,
        tariff_bands=tuple(
            TariffBand(rate=band.rate, weekdays=band.weekdays, from_s=band.from_s, to_s=band.to_s)
            for band in source.tariff.band
        ),
        gateway=GatewayAddressing(network_id=source.gateway.network_id, format=source.gateway.address),
        objects=tuple(_known_object(where, each) for where, each in source.objects.items()),
    )


def _known_object(where: str, entry: ProfileFile.Object) -> KnownObject:
    class_id, obis = object_name(where)
    return KnownObject(
        class_id=class_id, version=entry.version, obis=obis, read=entry.read, write=entry.write, call=entry.call
    )


def _item(entry: ProfileFile.Item) -> DataItem:
    return DataItem(
        name=entry.name,
        class_id=entry.class_id,
        obis=Obis.parse(entry.obis),
        attribute=entry.attribute,
        type=entry.type,
        scaler=entry.scaler,
        unit=unit_number(entry.unit),
        unit_name=entry.unit,
    )


def _captured(name: str, source: ProfileFile.Captured, items: Mapping[str, DataItem]) -> CapturedProfile:
    return CapturedProfile(
        name=name,
        obis=Obis.parse(source.obis),
        capture_period_s=source.capture_period_s,
        entries=source.entries,
        columns=_columns(source.columns, items),
    )


def _columns(names: Iterable[str], items: Mapping[str, DataItem]) -> tuple[ProfileColumn, ...]:
    return tuple(ProfileColumn(index=index, item=items[name]) for index, name in enumerate(names))
