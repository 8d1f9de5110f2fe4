"""What the reference meter measures, and the rows it has stored of it.

The measurements are arithmetic over time, so that whoever reads the meter can check what it says: `import_wh` and its
siblings are the truth. The rows are really stored, one at each quarter of an hour.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from hes.dlms import axdr, data
from hes.dlms.cosem.local_time import UTC
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject

PERIOD_S: Final = 900
ROWS_AT_START: Final = 120
ROWS_MAX: Final = 960
"""Ten days."""
BORN_S: Final = 1_704_067_200  # 2024-01-01 UTC: all registers stood at 0 [A]

CLOCK: Final = Obis.parse("0.0.1.0.0.255")
STATUS: Final = Obis.parse("0.0.96.10.1.255")
IMPORT: Final = Obis.parse("1.0.1.8.0.255")
EXPORT: Final = Obis.parse("1.0.2.8.0.255")
VOLTAGE: Final = Obis.parse("1.0.32.7.0.255")
COLUMNS: Final = (
    CaptureObject(8, CLOCK, 2),
    CaptureObject(1, STATUS, 2),
    CaptureObject(3, IMPORT, 2),
    CaptureObject(3, EXPORT, 2),
    CaptureObject(3, VOLTAGE, 2),
)


def import_wh(at_s: int) -> int:
    return (at_s - BORN_S) * 19 // 300  # 228 W, day and night


def export_wh(at_s: int) -> int:
    return (at_s - BORN_S) // 400  # 9 W


def voltage_dv(at_s: int) -> int:
    """In 0.1 V: it wanders by the quarter of an hour."""
    return 2300 + at_s // PERIOD_S % 37 - 18


def status(at_s: int) -> int:
    """AMR profile status: bit 3 in every row captured at a full hour, so that something differs [A]."""
    return 0x08 if at_s % 3600 == 0 else 0


def row(stamp_s: int) -> bytes:
    """One encoded row."""
    return axdr.encode(
        data.structure(
            data.octets(UTC.octets(stamp_s)),
            data.u8(status(stamp_s)),
            data.u32(import_wh(stamp_s)),
            data.u32(export_wh(stamp_s)),
            data.u16(voltage_dv(stamp_s)),
        )
    )


def true_row(stamp_s: int) -> list[int]:
    """One row as plain numbers, its stamp in seconds since 1970 UTC."""
    return [stamp_s, status(stamp_s), import_wh(stamp_s), export_wh(stamp_s), voltage_dv(stamp_s)]


class LoadProfile:
    """The buffer: the newest ROWS_MAX rows, oldest first."""

    def __init__(self, now_s: float) -> None:
        newest = int(now_s) // PERIOD_S * PERIOD_S
        self.stamps_s = [newest - PERIOD_S * ago for ago in range(ROWS_AT_START - 1, -1, -1)]
        self.rows = [row(stamp_s) for stamp_s in self.stamps_s]
        self._due_s = newest + PERIOD_S

    @property
    def due_s(self) -> int:
        """When the next row is captured."""
        return self._due_s

    def advance(self, now_s: float) -> None:
        """Capture every row that is due."""
        while self._due_s <= now_s:
            self._append(self._due_s)
            self._due_s += PERIOD_S

    def capture(self, now_s: float) -> None:
        """One more row, now."""
        self._append(int(now_s))

    def clear(self) -> None:
        self.stamps_s, self.rows = [], []

    def between(self, from_s: int | None, to_s: int | None) -> Sequence[bytes]:
        first = 0 if from_s is None else bisect_left(self.stamps_s, from_s)
        last = len(self.rows) if to_s is None else bisect_right(self.stamps_s, to_s)
        return self.rows[first:last]

    def _append(self, stamp_s: int) -> None:
        self.stamps_s.append(stamp_s)
        self.rows.append(row(stamp_s))
        if len(self.rows) > ROWS_MAX:
            del self.stamps_s[0], self.rows[0]
