"""What `amiloop scan` found: logical devices, their objects, rights and values, as plain facts."""

from __future__ import annotations

from dataclasses import dataclass, field

from hes.cli.read_values import ProfileTable, Reading
from hes.dlms.client.events import Associated
from hes.dlms.cosem.access_rights import AccessRight
from hes.dlms.cosem.interface_classes import interface_class
from hes.dlms.obis import Obis
from hes.dlms.obis_names import name


@dataclass(slots=True)
class ScannedAttribute:
    """mode: as listed, None where the list says none. reading: None when it was not tried. mismatch: in what the value
    is not of the type that its class declares, "" where it is or nobody knows.
    """

    index: int
    name: str
    mode: int | None
    right: AccessRight
    reading: Reading | None = None
    mismatch: str = ""


@dataclass(frozen=True, slots=True)
class ScannedMethod:
    index: int
    name: str
    mode: int
    right: AccessRight


@dataclass(slots=True)
class BufferSummary:
    """Of a profile's buffer. table: its columns and the rows that were read (the first and the last, in their order).

    error: why there are no rows, "" otherwise. entries: rows in use, None where the device does not say.
    """

    table: ProfileTable | None = None
    entries: int | None = None
    error: str = ""


@dataclass(slots=True)
class ScannedObject:
    class_id: int
    version: int
    obis: Obis
    attributes: list[ScannedAttribute] = field(default_factory=list)
    methods: list[ScannedMethod] = field(default_factory=list)
    buffer: BufferSummary | None = None

    @property
    def class_name(self) -> str:
        known = interface_class(self.class_id, self.version) or interface_class(self.class_id)
        return known.name if known is not None else f"class {self.class_id}"

    @property
    def name(self) -> str:
        return name(self.obis)

    def attribute(self, index: int) -> ScannedAttribute | None:
        return next((each for each in self.attributes if each.index == index), None)

    def reading(self, index: int) -> Reading | None:
        """The value of that attribute, None when it was not read."""
        found = self.attribute(index)
        return None if found is None or found.reading is None or found.reading.error else found.reading


@dataclass(slots=True)
class ScannedDevice:
    """One logical device as one client sees it. error: why it could not be opened or listed, "" when it was.

    association_version: of the Association LN whose modes the rights are read by. complete: the scan reached its end.
    """

    server_sap: int
    client_sap: int
    sap_name: str = ""
    associated: Associated | None = None
    association_version: int = 0
    objects: list[ScannedObject] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    error: str = ""
    complete: bool = False

    def object(self, class_id: int, obis: bytes) -> ScannedObject | None:
        return next((each for each in self.objects if each.class_id == class_id and each.obis == obis), None)

    @property
    def mismatches(self) -> int:
        """Values that are not of the type that their class declares."""
        return sum(1 for each in self.objects for attribute in each.attributes if attribute.mismatch)

    @property
    def unread(self) -> int:
        """Attributes that the list says may be read and that were not given."""
        refused = sum(
            1
            for each in self.objects
            for attribute in each.attributes
            if attribute.reading is not None and attribute.reading.error
        )
        return refused + sum(1 for each in self.objects if each.buffer is not None and each.buffer.error)


@dataclass(slots=True)
class Scan:
    """devices: those that were looked into; saps: every logical device that the SAP assignment names.

    interrupted: somebody stopped it, what is here was found before.
    """

    url: str
    framing: str
    devices: list[ScannedDevice] = field(default_factory=list)
    saps: dict[int, str] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def objects_listed(self) -> int:
        return sum(len(device.objects) for device in self.devices)

    @property
    def values_read(self) -> int:
        """Attributes that gave a value."""
        listed = (attribute for device in self.devices for each in device.objects for attribute in each.attributes)
        return sum(1 for attribute in listed if attribute.reading is not None and not attribute.reading.error)

    @property
    def complete(self) -> bool:
        """Whether everything that the device offers to this client was read."""
        return not self.interrupted and all(
            device.complete and not device.error and not device.unread for device in self.devices
        )
