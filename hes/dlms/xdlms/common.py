"""What every xDLMS APDU shares: descriptors, the invoke octet, access selection, and a strict reader.

Source: docs/protocols/dlms-application.md §3.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Protocol

from hes.dlms import axdr
from hes.errors import LocalProtocolError, RemoteProtocolError

INVOKE_ID_MASK: Final = 0x0F
INVOKE_CONFIRMED: Final = 0x40
INVOKE_HIGH_PRIORITY: Final = 0x80

LONG_INVOKE_ID_MASK: Final = 0x00FF_FFFF
LONG_INVOKE_SELF_DESCRIPTIVE: Final = 0x1000_0000
LONG_INVOKE_BREAK_ON_ERROR: Final = 0x2000_0000
LONG_INVOKE_CONFIRMED: Final = 0x4000_0000
LONG_INVOKE_HIGH_PRIORITY: Final = 0x8000_0000

DESCRIPTOR_OCTETS: Final = 9

_DESCRIPTOR = struct.Struct(">H6sb")

Octets = bytes | bytearray | memoryview


class UnknownApduError(RemoteProtocolError):
    """The APDU, or the choice inside it, is not one that this side knows. `tag`: first octet, `choice`: second or None.

    A server answers it with an exception-response; `known_service` says whether the service itself is known.
    """

    def __init__(self, message: str, *, tag: int, choice: int | None = None, known_service: bool = False):
        super().__init__(message, octet_offset=0 if choice is None else 1, tag=tag, choice=choice)
        self.tag = tag
        self.choice = choice
        self.known_service = known_service


class Apdu(Protocol):
    """An xDLMS APDU as a value."""

    def encode(self) -> bytes:
        """The octets on the wire. Raises LocalProtocolError for a field out of its range."""
        ...


class AttributeDescriptor(NamedTuple):
    """One attribute. class_id: 0..65535. obis: 6 octets. attribute: -128..127 (negative: manufacturer's own)."""

    class_id: int
    obis: bytes
    attribute: int


class MethodDescriptor(NamedTuple):
    """One method. class_id: 0..65535. obis: 6 octets. method: -128..127."""

    class_id: int
    obis: bytes
    method: int


def invoke_id(invoke: int) -> int:
    """The id 0..15 inside an invoke-id-and-priority octet."""
    return invoke & INVOKE_ID_MASK


def long_invoke_id(invoke: int) -> int:
    """The id 0..16777215 inside a long-invoke-id-and-priority."""
    return invoke & LONG_INVOKE_ID_MASK


# -- encoding --------------------------------------------------------------------------------------------------------


def encode_descriptor(descriptor: AttributeDescriptor | MethodDescriptor) -> bytes:
    class_id, obis, index = descriptor
    if len(obis) != 6:
        raise LocalProtocolError(f"a logical name has 6 octets, this has {len(obis)}: {bytes(obis).hex()}")
    try:
        return _DESCRIPTOR.pack(class_id, obis, index)
    except struct.error:
        raise LocalProtocolError(
            f"class {class_id} must be 0..65535 and attribute or method {index} -128..127", class_id=class_id
        ) from None


def encode_selection(selection: bytes) -> bytes:
    """Access selection: b"" becomes 00 (none), selector octet and parameters become 01 and themselves."""
    return b"\x01" + selection if selection else b"\x00"


def encode_u8(value: int, what: str) -> bytes:
    if not 0 <= value <= 0xFF:
        raise LocalProtocolError(f"{what} {value} does not fit one octet")
    return value.to_bytes(1, "big")


def encode_u32(value: int, what: str) -> bytes:
    if not 0 <= value <= 0xFFFF_FFFF:
        raise LocalProtocolError(f"{what} {value} does not fit four octets")
    return value.to_bytes(4, "big")


def encode_octets(octets: bytes) -> bytes:
    """An octet string with its length before it."""
    return axdr.encode_length(len(octets)) + octets


def encode_block(last: bool, block: int, raw: bytes) -> bytes:
    """last-block, block-number, raw-data: the part that SET and ACTION blocks share."""
    return (b"\x01" if last else b"\x00") + encode_u32(block, "block number") + encode_octets(raw)


# -- decoding --------------------------------------------------------------------------------------------------------


class Reader:
    """Walks one APDU from `offset`; every step checks that the octets are there. `end()` refuses left-over octets."""

    __slots__ = ("octets", "offset")

    def __init__(self, octets: bytes, offset: int = 0) -> None:
        self.octets = octets
        self.offset = offset

    def take(self, count: int, what: str) -> bytes:
        start = self.offset
        end = start + count
        if end > len(self.octets):
            raise RemoteProtocolError(
                f"the APDU ends inside {what}: {count} octets needed, {len(self.octets) - start} left",
                octet_offset=start,
            )
        self.offset = end
        return self.octets[start:end]

    def u8(self, what: str) -> int:
        return self.take(1, what)[0]

    def u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "big")

    def flag(self, what: str) -> bool:
        """The octet before an OPTIONAL field or a CHOICE of two: 00 or 01 and nothing else."""
        octet = self.u8(what)
        if octet > 1:
            raise RemoteProtocolError(f"{what} is {octet:02X}, not 00 or 01", octet_offset=self.offset - 1)
        return octet == 1

    def boolean(self, what: str) -> bool:
        """A BOOLEAN: any octet but 00 is true."""
        return self.u8(what) != 0

    def octet_string(self, what: str) -> bytes:
        count, self.offset = axdr.decode_length(self.octets, self.offset)
        return self.take(count, what)

    def data(self) -> bytes:
        """The octets of exactly one Data, tag included."""
        start = self.offset
        self.offset = axdr.skip(self.octets, start)
        return self.octets[start : self.offset]

    def selection(self) -> bytes:
        """Access selection: b"" when absent, else selector octet and parameters as they stand."""
        if not self.flag("access selection"):
            return b""
        start = self.offset
        self.u8("access selector")
        self.data()
        return self.octets[start : self.offset]

    def attribute(self) -> AttributeDescriptor:
        return AttributeDescriptor(*_DESCRIPTOR.unpack(self.take(DESCRIPTOR_OCTETS, "attribute descriptor")))

    def method(self) -> MethodDescriptor:
        return MethodDescriptor(*_DESCRIPTOR.unpack(self.take(DESCRIPTOR_OCTETS, "method descriptor")))

    def count(self, item_octets_min: int, what: str) -> int:
        """How many items follow; refused at once when the octets present cannot hold so many."""
        start = self.offset
        count, self.offset = axdr.decode_length(self.octets, start)
        left = len(self.octets) - self.offset
        if count * item_octets_min > left:
            raise RemoteProtocolError(f"{count} {what} announced but only {left} octets follow", octet_offset=start)
        return count

    def end(self) -> None:
        left = len(self.octets) - self.offset
        if left:
            raise RemoteProtocolError(f"{left} octets left over after the APDU", octet_offset=self.offset)


def read_block(reader: Reader) -> tuple[bool, int, bytes]:
    """last-block, block-number, raw-data."""
    last = reader.boolean("last-block")
    block = reader.u32("block number")
    return last, block, reader.octet_string("raw data")
