"""How a meter writes instants: its zone, its summer time and the habits of its market.

Source: docs/protocols/axdr.md (date-time): deviation is what must be added to local time to get UTC, some markets send
the opposite sign.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from hes.dlms import cosem_time

_HOUR_S: Final = 3600


def _never(_epoch_s: float) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    """Civil time of one profile.

    standard_deviation_min: minutes from local standard time to UTC (Amsterdam: -60). dst_shift_min: minutes that
    summer time puts the clock forward. is_dst: whether summer time is in force at an instant (seconds since 1970 UTC).
    deviation_sign: -1 for markets that send minutes from UTC to local time.
    deviation_sent: False for meters that leave the deviation unspecified.
    """

    standard_deviation_min: int = 0
    dst_shift_min: int = 60
    is_dst: Callable[[float], bool] = _never
    deviation_sign: Literal[1, -1] = 1
    deviation_sent: bool = True

    def deviation_min(self, epoch_s: int) -> int:
        """Minutes from local time to UTC at that instant."""
        return self.standard_deviation_min - (self.dst_shift_min if self.is_dst(epoch_s) else 0)

    def octets(self, epoch_s: int, status: int = 0) -> bytes:
        """The 12 octets of an instant; the clock status bit for summer time is set here."""
        deviation_min = self.standard_deviation_min
        if self.is_dst(epoch_s):
            deviation_min -= self.dst_shift_min
            status |= cosem_time.STATUS_DST
        written = cosem_time.date_time_octets(epoch_s, deviation_min, status)
        if self.deviation_sent and self.deviation_sign == 1:
            return written
        sent = -deviation_min if self.deviation_sent else cosem_time.DEVIATION_ANY
        return written[:9] + struct.pack(">h", sent) + written[11:]

    def epoch_s(self, octets: bytes) -> int:
        """Seconds since 1970 UTC of 12 octets that this meter was sent. Raises RemoteProtocolError for wildcards.

        Without a deviation the stamp is local time; in the hour that happens twice the status bit decides, and where
        it says nothing the earlier of both is meant.
        """
        standard = cosem_time.epoch_s(
            octets, deviation_default_min=self.standard_deviation_min, deviation_sign=self.deviation_sign
        )
        if octets[9:11] != b"\x80\x00":
            return standard
        summer = standard - 60 * self.dst_shift_min
        if not self.is_dst(summer):
            return standard
        status = octets[11]
        said_standard = status != cosem_time.ANY and not status & cosem_time.STATUS_DST
        return standard if said_standard and not self.is_dst(standard) else summer


UTC: Final = LocalTime()
