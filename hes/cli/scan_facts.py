"""What a scanned logical device says about itself, by what a device profile wants to know."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from hes.cli.read_plan import PUBLIC_CLIENT, ConnectPlan
from hes.cli.read_values import CLOCK_CLASS, PROFILE_CLASS, Reading
from hes.cli.scan_items import Items
from hes.cli.scan_result import ScannedDevice, ScannedObject
from hes.cli.send_counter import counter_of
from hes.devices.profile_file import COLUMNS_MAX, DAY_S, PDU_OCTETS_MIN
from hes.dlms import acse, axdr
from hes.dlms.codes import ApplicationContext, Mechanism
from hes.dlms.cosem.access_rights import attribute_right, method_right
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.object_list import ObjectListElement, object_list_from_value
from hes.dlms.cosem.profile_generic import capture_objects_from_value
from hes.dlms.cosem_time import CosemDateTime, epoch_s
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

ASSOCIATION_CLASS, SECURITY_CLASS, DISCONNECT_CLASS = 15, 64, 70
FIRMWARE: Final = (Obis.parse("1.0.0.2.0.255"), Obis.parse("0.0.0.2.0.255"))
LOAD_PROFILES: Final = (Obis.parse("1.0.99.1.0.255"),)
LOAD_PERIODS_S: Final = frozenset({60, 300, 600, 900, 1800, 3600})
BILLING: Final = (Obis.parse("0.0.98.1.0.255"), Obis.parse("1.0.99.2.0.255"))
PHASE_CODES: Final = (52, 72, 51, 71)  # C of voltages and currents of L2 and L3
CLOCK_ERROR_S: Final = 900  # a quarter of what a wrong sense of the deviation makes of half an hour's zone [A]
COUNTERS_MAX: Final = 8  # a client that sees no more objects than that is taken to be there for counters [A]
LOG_NAMES: Final = {0: "standard", 1: "fraud", 2: "disconnector", 3: "m-bus"}


_MECHANISMS: Final = {mechanism: mechanism.name.lower().replace("_", "-") for mechanism in Mechanism}


def plain_value(reading: Reading | None) -> Any:
    """What was read as a plain value; None when it was not."""
    return None if reading is None or reading.data is None else axdr.plain(reading.data)


class Facts:
    """What one logical device says about itself, by what a profile wants to know."""

    def __init__(self, device: ScannedDevice, plan: ConnectPlan) -> None:
        self._device, self._plan = device, plan

    def value(self, class_id: int, obis: bytes, attribute: int = 2) -> Any:
        found = self._device.object(class_id, obis)
        return plain_value(found.reading(attribute)) if found is not None else None

    def text(self, class_id: int, obis: bytes) -> str:
        value = self.value(class_id, obis)
        if isinstance(value, bytes):
            value = value.decode("ascii", "replace")
        return value if isinstance(value, str) and value.isprintable() and value.isascii() else ""

    def manufacturer(self, logical_device_name: str) -> str:
        agreed = self._device.associated
        title = agreed.server_system_title[:3].decode("ascii", "replace") if agreed is not None else ""
        return next((each[:3] for each in (logical_device_name, title) if re.fullmatch("[A-Z]{3}", each[:3])), "")

    def firmware(self) -> str:
        return next((said[:32] for said in (self.text(1, obis) for obis in FIRMWARE) if said), "")

    def has_phases(self) -> bool:
        return any(each.obis[0] == 1 and each.obis[2] in PHASE_CODES for each in self._device.objects)

    def pdu_octets(self) -> int:
        agreed = self._device.associated
        size = agreed.server_max_receive_pdu_size if agreed is not None else 0
        return max(size, PDU_OCTETS_MIN) if size else 0xFFFF

    def deviation_sign(self, now_epoch_s: float, remarks: list[str]) -> Literal[1, -1]:
        """By which sense of the deviation the device's clock is nearer to ours."""
        moment = next(
            (self.value(CLOCK_CLASS, each.obis) for each in self._device.objects if each.class_id == CLOCK_CLASS), None
        )
        if not isinstance(moment, bytes):
            remarks.append("The sense of the clock's deviation is not known: the clock could not be read.")
            return 1
        try:
            deviation_min = CosemDateTime.from_octets(moment).deviation_min
            usual_s = epoch_s(moment)
        except RemoteProtocolError:
            deviation_min = None
        if not deviation_min:
            remarks.append("The sense of the clock's deviation is not known: the clock shows none.")
            return 1
        other_s = usual_s - 2 * 60 * deviation_min
        for sign, at_s in ((1, usual_s), (-1, other_s)):
            if abs(at_s - now_epoch_s) < CLOCK_ERROR_S:
                return 1 if sign == 1 else -1
        remarks.append("The sense of the clock's deviation is not known: the clock is wrong in either.")
        return 1

    def security(self) -> dict[str, Any]:
        """Of the setup that the scanning association belongs to, else of the first there is."""
        setups = [each for each in self._device.objects if each.class_id == SECURITY_CLASS]
        own = self.value(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, 9)
        setups.sort(key=lambda each: each.obis != own)  # stable: the first one stays first
        counter = counter_of(own)
        if setups and counter is None:
            counter = counter_of(setups[0].obis)
        if counter is None or self._device.object(1, counter) is None:
            counter = self._plan.counter_object
        said: dict[str, Any] = {"invocation_counter": str(counter)}
        if setups:
            said["setup"] = str(setups[0].obis)
            suite = plain_value(setups[0].reading(3))
            if suite in (0, 1, 2):
                said["suite"] = suite
        return said

    def associations(self, remarks: list[str]) -> Iterator[dict[str, Any]]:
        """Those that Association LN objects tell of, and the one that was scanned through."""
        entries: dict[int, dict[str, Any]] = {}
        own = self._plan.settings
        ciphered = own.security is not None and own.security.ciphered
        entries[own.client_sap] = _association(
            own.client_sap, own.mechanism, ciphered, _rights_word(self._own_elements())
        ) | ({"short_names": True} if own.short_names else {})
        for each in self._device.objects:
            if each.class_id != ASSOCIATION_CLASS or each.obis == CURRENT_ASSOCIATION:
                continue
            found = self._association_of(each)
            if found is None:
                remarks.append(f"Association {each.obis} does not say which client it is for.")
            elif found["client_sap"] not in entries:
                entries[found["client_sap"]] = found | self._own_counter(each)
        for _, entry in sorted(entries.items()):
            yield entry | {"name": _association_name(entry)}

    def _own_counter(self, association: ScannedObject) -> dict[str, str]:
        """The counter of an association with another security setup than the one that was scanned through."""
        counter = counter_of(plain_value(association.reading(9)))
        if counter is None or self._device.object(1, counter) is None:
            return {}
        return {} if str(counter) == self.security()["invocation_counter"] else {"invocation_counter": str(counter)}

    def _own_elements(self) -> list[tuple[bool, bool, bool]]:
        return [
            (
                True,
                any(one.right.can_write for one in each.attributes),
                any(one.right.can_invoke for one in each.methods),
            )
            for each in self._device.objects
        ]

    def _association_of(self, each: ScannedObject) -> dict[str, Any] | None:
        partners = plain_value(each.reading(3))
        mechanism = acse.MECHANISM_NAMES.get(plain_value(each.reading(6)) or b"")
        context = acse.CONTEXT_NAMES.get(plain_value(each.reading(4)) or b"")
        if not (isinstance(partners, tuple) and partners and type(partners[0]) is int and mechanism is not None):
            return None
        ciphered = context in (ApplicationContext.LN_CIPHERED, ApplicationContext.SN_CIPHERED)
        if not 1 <= partners[0] <= 0xFF:
            return None
        return _association(partners[0], mechanism, ciphered, _rights_word(_elements_of(each)))

    def captured(self, items: Items) -> dict[str, dict[str, Any]]:
        """The load profile and the billing profile, by where they stand or else by how often they capture."""
        found: dict[str, dict[str, Any]] = {}
        for key, codes, periods_s in (("load_profile", LOAD_PROFILES, LOAD_PERIODS_S), ("billing", BILLING, {DAY_S})):
            for each in self._candidates(codes, periods_s):
                period_s = _number(each, 4)
                columns = self._columns(each, items)
                if columns and 60 <= period_s <= DAY_S and DAY_S % period_s == 0 and _number(each, 8):
                    entries = min(_number(each, 8), 100_000)
                    found[key] = {
                        "obis": str(each.obis), "capture_period_s": period_s, "entries": entries, "columns": columns,
                    }  # fmt: skip
                    break
        return found

    def _candidates(self, codes: Sequence[Obis], periods_s: Collection[int]) -> list[ScannedObject]:
        """Profiles where the standard puts them, then those that capture as often."""
        placed = [each for code in codes if (each := self._device.object(PROFILE_CLASS, code)) is not None]
        others = [
            each
            for each in self._device.objects
            if each.class_id == PROFILE_CLASS and each not in placed and _number(each, 4) in periods_s
        ]
        return placed + others

    def event_logs(self, items: Items) -> Iterator[dict[str, Any]]:
        for each in self._device.objects:
            if each.class_id != PROFILE_CLASS or each.obis[:4] != b"\x00\x00\x63\x62":
                continue
            columns = self._columns(each, items)
            if columns:
                yield {
                    "name": LOG_NAMES.get(each.obis[4], f"log_{each.obis[4]}"),
                    "obis": str(each.obis),
                    "entries": min(max(_number(each, 8), 1), 10_000),
                    "columns": columns,
                }

    def _columns(self, each: ScannedObject, items: Items) -> list[str]:
        """The names of a profile's columns; [] where they cannot stand in a file: not the clock first, too many."""
        try:
            columns = capture_objects_from_value(plain_value(each.reading(3)))
        except RemoteProtocolError:
            return []
        if not 2 <= len(columns) <= COLUMNS_MAX or columns[0].class_id != CLOCK_CLASS:
            return []
        names = [items.name_of(column) for column in columns]
        return [] if None in names else [name for name in names if name is not None]

    def disconnect(self) -> dict[str, Any]:
        for each in self._device.objects:
            mode = plain_value(each.reading(4)) if each.class_id == DISCONNECT_CLASS else None
            if type(mode) is int and 0 <= mode <= 6:
                return {"obis": str(each.obis), "control_mode": mode}
        return {}


def _number(each: ScannedObject, attribute: int) -> int:
    value = plain_value(each.reading(attribute))
    return value if type(value) is int else 0


def _association(sap: int, mechanism: Mechanism, ciphered: bool, rights: str) -> dict[str, Any]:
    said: dict[str, Any] = {"name": "", "client_sap": sap, "mechanism": _MECHANISMS[mechanism], "rights": rights}
    if ciphered != (mechanism is Mechanism.HLS_GMAC):
        said["ciphered"] = ciphered
    return said


def _association_name(entry: Mapping[str, Any]) -> str:
    if entry["client_sap"] == PUBLIC_CLIENT and entry["mechanism"] == "none":
        return "public"
    return f"client-{entry['client_sap']}"


def _elements_of(each: ScannedObject) -> list[tuple[bool, bool, bool]] | None:
    """Of each object in another association's list: listed, may be written, called; None where it was not read."""
    value = plain_value(each.reading(2))
    if value is None:
        return None
    try:
        elements: list[ObjectListElement] = object_list_from_value(value)
    except RemoteProtocolError:
        return None
    version = each.version
    return [
        (
            True,
            any(attribute_right(mode, version).can_write for mode in element.attributes.values()),
            any(method_right(mode, version).can_invoke for mode in element.methods.values()),
        )
        for element in elements
    ]


def _rights_word(elements: Sequence[tuple[bool, bool, bool]] | None) -> str:
    """ "counters", "read" or "manage", by what a client may do. Reading where nobody says."""
    if elements is None:
        return "read"
    if sum(1 for _, written, called in elements if written or called) > 1:  # replying to HLS is no management
        return "manage"
    return "counters" if len(elements) <= COUNTERS_MAX else "read"
