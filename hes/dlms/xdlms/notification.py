"""Notifications: what a meter or concentrator says without being asked.

DataNotification (0F) is today's push, EventNotification (C2) the older form with one attribute. Both carry an optional
time of 12 octets, and devices in the field put it on the wire in more than one way: `tagged_time` remembers that the
octet-string tag stood before it, so that what was received can be written again octet for octet. A push of the second
version may ask to be confirmed (bit 30 of the long invoke octets); data-notification-confirm (10) answers it.

Source: docs/protocols/dlms-application.md §3 (notifications).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.xdlms.common import (
    AttributeDescriptor,
    Reader,
    encode_descriptor,
    encode_u32,
)
from hes.errors import LocalProtocolError, RemoteProtocolError

TIME_OCTETS: Final = 12
_TAGGED: Final = b"\x09\x0c"


@dataclass(frozen=True, slots=True)
class DataNotification:
    """invoke: long-invoke-id-and-priority, 32 bits. time: b"" or 12 octets. data: encoded Data."""

    invoke: int
    time: bytes
    data: bytes
    tagged_time: bool = False

    def encode(self) -> bytes:
        head = b"\x0f" + encode_u32(self.invoke, "long invoke id and priority")
        return head + encode_time(self.time, tagged=self.tagged_time) + self.data


@dataclass(frozen=True, slots=True)
class EventNotification:
    """One attribute that changed. time: b"" or 12 octets. data: encoded Data."""

    time: bytes
    attribute: AttributeDescriptor
    data: bytes
    tagged_time: bool = False

    def encode(self) -> bytes:
        time = b"\x00"
        if self.time:
            time = (_TAGGED if self.tagged_time else b"\x01\x0c") + _time(self.time)
        return b"\xc2" + time + encode_descriptor(self.attribute) + self.data


@dataclass(frozen=True, slots=True)
class DataNotificationConfirm:
    """The head-end has taken a confirmed data-notification: the same invoke octets, and a time, b"" or 12 octets."""

    invoke: int
    time: bytes = b""
    tagged_time: bool = False

    def encode(self) -> bytes:
        head = b"\x10" + encode_u32(self.invoke, "long invoke id and priority")
        return head + encode_time(self.time, tagged=self.tagged_time)


def _time(time: bytes) -> bytes:
    if len(time) != TIME_OCTETS:
        raise LocalProtocolError(f"the time of a notification has {TIME_OCTETS} octets, this has {len(time)}")
    return time


def encode_time(time: bytes, *, tagged: bool = False) -> bytes:
    """An octet-string of no or 12 octets, with the tag before it where a peer does so."""
    if not time:
        return b"\x00"
    return (_TAGGED if tagged else b"\x0c") + _time(time)


def read_time(reader: Reader, untagged: bytes = b"\x0c") -> tuple[bytes, bool]:
    """The time and whether a tag stood before it. untagged: the octets before a time in the standard's own form."""
    octets, start = reader.octets, reader.offset
    for prefix, tagged in ((b"\x00", False), (untagged, False), (_TAGGED, True)):
        if octets.startswith(prefix, start):
            reader.offset = start + len(prefix)
            return (b"" if prefix == b"\x00" else reader.take(TIME_OCTETS, "time")), tagged
    raise RemoteProtocolError(
        f"neither no time nor one of {TIME_OCTETS} octets: {octets[start : start + 2].hex()}", octet_offset=start
    )


def read_data_notification(reader: Reader) -> DataNotification:
    invoke = reader.u32("long invoke id and priority")
    time, tagged = read_time(reader)
    return DataNotification(invoke, time, reader.data(), tagged)


def read_event_notification(reader: Reader) -> EventNotification:
    time, tagged = read_time(reader, b"\x01\x0c")
    return EventNotification(time, reader.attribute(), reader.data(), tagged)


def read_data_notification_confirm(reader: Reader) -> DataNotificationConfirm:
    invoke = reader.u32("long invoke id and priority")
    return DataNotificationConfirm(invoke, *read_time(reader))
