"""Push setup, class 40: its parameters as values, and how each version writes them.

| version | object list element | repetition delay | protection | operation method, confirmation |
|---|---|---|---|---|
| 0 | class, name, attribute, data index | seconds | - | - |
| 1 | the same and a restriction | seconds | yes | - |
| 2 | the same and columns | minimum, exponent, maximum | yes | yes |

Restrictions and columns other than "none" and keys that are wrapped or agreed are refused: we have seen no meter that
uses them, and found no text that says what they mean for other classes than profiles.

Source: docs/protocols/cosem-objects.md §6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from hes.dlms import data
from hes.dlms.cosem.clock import date_time_of
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number, octet_string
from hes.dlms.cosem.push.time_windows import TimeWindow
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject
from hes.errors import RemoteProtocolError

OBJECTS_MAX: Final = 128  # attributes in one push [A]
WINDOWS_MAX: Final = 32  # [A]
PROTECTIONS_MAX: Final = 4  # layers of protection [A]
DESTINATION_OCTETS_MAX: Final = 256  # [A]
DELAY_S_MAX: Final = 0xFFFF


class TransportService(IntEnum):
    """How a push travels. Source: docs/protocols/cosem-objects.md §6; 200 and more are the manufacturer's."""

    TCP = 0
    UDP = 1
    FTP = 2
    SMTP = 3
    SMS = 4
    HDLC = 5
    M_BUS = 6
    ZIGBEE = 7
    DLMS_GATEWAY = 8
    COAP_RELIABLE = 9
    COAP_UNRELIABLE = 10


class MessageType(IntEnum):
    """128 and more are the manufacturer's."""

    A_XDR = 0
    XML = 1


class OperationMethod(IntEnum):
    """When a push has succeeded. Version 2; the others work as UNCONFIRMED_RETRY_ON_FAILURE [A]."""

    UNCONFIRMED_RETRY_ON_FAILURE = 0
    UNCONFIRMED_RETRY_WITHOUT_LOWER_CONFIRMATION = 1
    CONFIRMED = 2


class RestrictionType(IntEnum):
    NONE = 0
    BY_DATE = 1
    BY_ENTRY = 2


class ProtectionType(IntEnum):
    AUTHENTICATION = 0
    ENCRYPTION = 1
    AUTHENTICATION_AND_ENCRYPTION = 2
    DIGITAL_SIGNATURE = 3


class KeyInfoType(IntEnum):
    IDENTIFIED = 0
    WRAPPED = 1
    AGREED = 2


@dataclass(frozen=True, slots=True)
class Destination:
    """Attribute 3. transport, message: numbers of the tables above, or the manufacturer's own."""

    transport: int = TransportService.TCP
    address: bytes = b""
    message: int = MessageType.A_XDR

    def to_data(self) -> Data:
        return data.structure(data.enum(self.transport), data.octets(self.address), data.enum(self.message))

    @classmethod
    def from_data(cls, value: Data) -> Destination:
        """Raises RemoteProtocolError for any other shape."""
        transport, address, message = members(value, 3)
        octets = octet_string(address)
        if len(octets) > DESTINATION_OCTETS_MAX:
            raise RemoteProtocolError(f"a destination of {len(octets)} octets")
        return cls(number(transport, Tag.ENUM), octets, number(message, Tag.ENUM))


@dataclass(frozen=True, slots=True)
class RepetitionDelay:
    """Seconds before each retry: min_s x (exponent / 100) ** n for the n-th retry from 0, never more than max_s.

    exponent: percent; 100 for a delay that stays the same, as in versions 0 and 1.
    """

    min_s: int = 0
    exponent: int = 100
    max_s: int = DELAY_S_MAX

    def of_retry(self, index: int) -> float:
        delay_s = float(self.min_s)
        for _ in range(index):
            if delay_s >= self.max_s:
                break
            delay_s *= self.exponent / 100
        return min(delay_s, self.max_s)

    def to_data(self, version: int) -> Data:
        if version < 2:
            return data.u16(self.min_s)
        return data.structure(data.u16(self.min_s), data.u16(self.exponent), data.u16(self.max_s))

    @classmethod
    def from_data(cls, value: Data, version: int) -> RepetitionDelay:
        """Raises RemoteProtocolError for the shape of another version."""
        if version < 2:
            return cls(number(value, Tag.LONG_UNSIGNED))
        parts = members(value, 3)
        return cls(*(number(part, Tag.LONG_UNSIGNED) for part in parts))


@dataclass(frozen=True, slots=True)
class PushProtection:
    """One layer of attribute 10. key: 0 the global unicast, 1 the global broadcast encryption key (identified keys)."""

    protection: ProtectionType
    transaction_id: bytes = b""
    originator: bytes = b""
    recipient: bytes = b""
    other_information: bytes = b""
    key: int = 0

    def to_data(self) -> Data:
        texts = (self.transaction_id, self.originator, self.recipient, self.other_information)
        key_info = data.structure(data.enum(KeyInfoType.IDENTIFIED), data.structure(data.enum(self.key)))
        return data.structure(data.enum(self.protection), data.structure(*map(data.octets, texts), key_info))

    @classmethod
    def from_data(cls, value: Data) -> PushProtection:
        """Raises RemoteProtocolError for any other shape, and for keys that are wrapped or agreed."""
        protection, options = members(value, 2)
        *texts, key_info = members(options, 5)
        key_type, key_options = members(key_info, 2)
        if number(key_type, Tag.ENUM) != KeyInfoType.IDENTIFIED:
            raise RemoteProtocolError("only identified keys protect a push")
        (key,) = members(key_options, 1)
        try:
            kind = ProtectionType(number(protection, Tag.ENUM))
        except ValueError as error:
            raise RemoteProtocolError(f"protection type {protection.value}") from error
        transaction, originator, recipient, other = map(octet_string, texts)
        return cls(kind, transaction, originator, recipient, other, number(key, Tag.ENUM))

    @property
    def authenticates(self) -> bool:
        return self.protection in (ProtectionType.AUTHENTICATION, ProtectionType.AUTHENTICATION_AND_ENCRYPTION)

    @property
    def encrypts(self) -> bool:
        return self.protection in (ProtectionType.ENCRYPTION, ProtectionType.AUTHENTICATION_AND_ENCRYPTION)


NO_DESTINATION: Final = Destination()
NO_DELAY: Final = RepetitionDelay()


def object_data(entry: CaptureObject, version: int) -> Data:
    """One element of attribute 2."""
    parts = [
        data.u16(entry.class_id),
        data.octets(entry.obis),
        data.i8(entry.attribute),
        data.u16(entry.data_index),
    ]
    if version >= 1:
        parts.append(data.structure(data.enum(RestrictionType.NONE), data.null()))
    if version >= 2:
        parts.append(data.array(()))
    return data.structure(*parts)


def object_from_data(value: Data, version: int) -> CaptureObject:
    """Raises RemoteProtocolError for the shape of another version, a restriction or columns."""
    class_id, name, attribute, data_index, *more = members(value, 4 + min(version, 2))
    if version >= 1:
        kind, held = members(more[0], 2)
        if number(kind, Tag.ENUM) != RestrictionType.NONE or held.tag is not Tag.NULL:
            raise RemoteProtocolError("restrictions of a pushed attribute are not offered")
    if version >= 2 and elements(more[1], OBJECTS_MAX):
        raise RemoteProtocolError("columns of a pushed attribute are not offered")
    return CaptureObject(
        number(class_id, Tag.LONG_UNSIGNED),
        logical_name_of(name),
        number(attribute, Tag.INTEGER),
        number(data_index, Tag.LONG_UNSIGNED),
    )


def objects_data(entries: tuple[CaptureObject, ...], version: int) -> Data:
    return data.array(object_data(entry, version) for entry in entries)


def objects_from_data(value: Data, version: int) -> tuple[CaptureObject, ...]:
    return tuple(object_from_data(element, version) for element in elements(value, OBJECTS_MAX))


def windows_data(windows: tuple[TimeWindow, ...]) -> Data:
    return data.array(data.structure(data.octets(window.start), data.octets(window.end)) for window in windows)


def _date_time(value: Data) -> bytes:
    octets = date_time_of(value)
    if octets is None:
        raise RemoteProtocolError("a date-time was wanted")
    CosemDateTime.from_octets(octets)
    return octets


def windows_from_data(value: Data) -> tuple[TimeWindow, ...]:
    windows = []
    for element in elements(value, WINDOWS_MAX):
        start, end = (_date_time(part) for part in members(element, 2))
        windows.append(TimeWindow(start, end))
    return tuple(windows)


def protections_data(protections: tuple[PushProtection, ...]) -> Data:
    return data.array(entry.to_data() for entry in protections)


def protections_from_data(value: Data) -> tuple[PushProtection, ...]:
    return tuple(PushProtection.from_data(element) for element in elements(value, PROTECTIONS_MAX))


def of(tag: Tag) -> Callable[[Data], int]:
    """A decoder of numbers of one type."""
    return lambda value: number(value, tag)


def method_from_data(value: Data) -> OperationMethod:
    try:
        return OperationMethod(number(value, Tag.ENUM))
    except ValueError as error:
        raise RemoteProtocolError(f"push operation method {value.value}") from error


def name_from_data(value: Data) -> Obis:
    return logical_name_of(value)


def confirmation_data(held: tuple[bytes, int]) -> Data:
    return data.structure(data.date_time(held[0]), data.u32(held[1]))


def confirmation_from_data(value: Data) -> Any:
    start, interval_s = members(value, 2)
    return _date_time(start), number(interval_s, Tag.DOUBLE_LONG_UNSIGNED)
