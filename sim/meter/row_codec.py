"""Rows of a profile as A-XDR octets: one `struct.Struct` for all columns, stamps from tables.

A row is a structure: 02 n, then the clock as 12 octets of date-time, then status and registers with their tags.
Nothing is encoded value by value: tags are constants of the layout, and the parts of a stamp that repeat every day
are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from itertools import repeat, starmap
from typing import Final

from hes.devices.profiles import CapturedProfile, DataItem
from hes.dlms.cosem_time import STATUS_DST
from hes.errors import ConfigError
from sim.meter.civil import DAY_MS, EPOCH_ORDINAL, Zone

_STRUCTURE: Final = 0x02
_CLOCK_TAGS: Final = {"octet-string": b"\x09\x0c", "date-time": b"\x19"}
# type -> tag, struct letter, mask of what a register of that size can show before it starts again at 0
_NUMBERS: Final = {
    "unsigned": (0x11, "B", 0xFF),
    "long-unsigned": (0x12, "H", 0xFFFF),
    "double-long-unsigned": (0x06, "I", 0xFFFF_FFFF),
    "long64-unsigned": (0x15, "Q", 0xFFFF_FFFF_FFFF_FFFF),
}


class RowCodec:
    """Encodes rows of one profile."""

    __slots__ = ("_head", "_masks", "_pack", "_period_ms", "_sign", "_tags", "_zone")

    def __init__(self, profile: CapturedProfile, zone: Zone, *, deviation_sign: int = 1) -> None:
        clock, *others = profile.columns
        numbers = [_number(column.item) for column in others]
        self._head = bytes((_STRUCTURE, len(profile.columns))) + clock_tags(clock.item)
        layout = ">" + f"{len(self._head) + 5}s7s" + "".join(f"B{letter}" for _, letter, _ in numbers)
        self._pack = struct.Struct(layout).pack
        self._tags = [tag for tag, _, _ in numbers]
        self._masks = [mask for _, _, mask in numbers]
        self._zone = zone
        self._sign = deviation_sign
        self._period_ms = 1000 * profile.capture_period_s

    def encode(self, stamps_ms: Sequence[int], columns: Sequence[Iterable[int]]) -> list[bytes]:
        """Rows for rising stamps. columns: the numbers of every column but the clock."""
        dates, times = self._stamps(stamps_ms)
        fields: list[Iterable[object]] = [dates, times]
        for tag, mask, numbers in zip(self._tags, self._masks, columns, strict=True):
            fields.append(repeat(tag))
            if isinstance(numbers, list) and numbers and max(numbers) > mask:
                numbers = [number & mask for number in numbers]
            fields.append(numbers)
        return list(starmap(self._pack, zip(*fields, strict=False)))

    def _stamps(self, stamps_ms: Sequence[int]) -> tuple[list[bytes], list[bytes]]:
        """Head and date, time and deviation of each stamp."""
        dates: list[bytes] = []
        times: list[bytes] = []
        at, count = 0, len(stamps_ms)
        while at < count:
            offset_ms = self._zone.offset_ms(stamps_ms[at])
            day, in_day = divmod(stamps_ms[at] + offset_ms, DAY_MS)
            rows = min(count - at, -((in_day - DAY_MS) // self._period_ms))
            if rows > 1 and self._zone.offset_ms(stamps_ms[at + rows - 1]) != offset_ms:
                rows = 1  # the day on which clocks change
            phase_ms = in_day % self._period_ms
            deviation_min = self._sign * -offset_ms // 60_000
            table = _times_of_day(self._period_ms, phase_ms, deviation_min, summer=self._zone.is_summer(stamps_ms[at]))
            first = in_day // self._period_ms
            dates += [self._head + _date(day)] * rows
            times += table[first : first + rows]
            at += rows
        return dates, times


def clock_tags(item: DataItem) -> bytes:
    """The octets before the 12 of a date-time."""
    try:
        return _CLOCK_TAGS[item.type]
    except KeyError:
        raise ConfigError(f"{item.name}: {item.type} is no way to write a date-time") from None


def number_octets(item: DataItem, number: int) -> bytes:
    """A number as its item's type; it starts again at 0 where the type ends."""
    tag, letter, mask = _number(item)
    return struct.pack(f">B{letter}", tag, number & mask)


def _number(item: DataItem) -> tuple[int, str, int]:
    try:
        return _NUMBERS[item.type]
    except KeyError:
        raise ConfigError(f"{item.name}: the simulator writes no {item.type} as a number") from None


@lru_cache(maxsize=4096)
def _date(day: int) -> bytes:
    civil = date.fromordinal(EPOCH_ORDINAL + day)
    return struct.pack(">HBBB", civil.year, civil.month, civil.day, civil.isoweekday())


@lru_cache(maxsize=256)
def _times_of_day(step_ms: int, phase_ms: int, deviation_min: int, *, summer: bool) -> list[bytes]:
    """Hour, minute, second, hundredths 0, deviation and status for phase, phase + step, ... of a day."""
    out = []
    for second in range(phase_ms // 1000, DAY_MS // 1000, max(1, step_ms // 1000)):
        minute, sec = divmod(second, 60)
        status = STATUS_DST if summer else 0
        out.append(struct.pack(">BBBBhB", minute // 60, minute % 60, sec, 0, deviation_min, status))
    return out


def stamp_octets(zone: Zone, stamp_ms: int, *, deviation_sign: int = 1, status: int = 0) -> bytes:
    """One stamp as 12 octets, to the second."""
    offset_ms = zone.offset_ms(stamp_ms)
    day, in_day = divmod(stamp_ms + offset_ms, DAY_MS)
    minute, second = divmod(in_day // 1000, 60)
    status |= STATUS_DST if zone.is_summer(stamp_ms) else 0
    deviation_min = deviation_sign * -offset_ms // 60_000
    return _date(day) + struct.pack(">BBBBhB", minute // 60, minute % 60, second, 0, deviation_min, status)
