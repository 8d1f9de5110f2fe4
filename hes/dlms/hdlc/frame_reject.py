"""What FRMR says: the control octet that was not taken, where the sender's counters stood, and why.

Devices write these three octets in more than one way (one stack mirrors the bits), so they are shown to people and
nothing depends on them. Source: docs/protocols/hdlc.md §4 [M][S1].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

_OCTETS: Final = 3


class RejectReason(IntFlag):
    """Fourth to first bit of the last octet: z, y, x, w."""

    UNDEFINED_CONTROL = 1
    INFORMATION_NOT_ALLOWED = 2
    INFORMATION_TOO_LONG = 4
    WRONG_ACKNOWLEDGEMENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReject:
    """control: the octet that was not taken. next_send, next_receive: V(S) and V(R) of who says FRMR."""

    control: int
    next_send: int
    next_receive: int
    reason: RejectReason

    def encode(self) -> bytes:
        return bytes((self.control, self.next_send << 1 | self.next_receive << 5, self.reason))

    def __str__(self) -> str:
        reasons = " and ".join(str(flag.name).lower().replace("_", " ") for flag in self.reason)
        return f"control {self.control:02X}, {reasons or 'no reason given'}"


def decode(information: bytes) -> FrameReject | None:
    """None for an information field that is not three octets, which is as good an FRMR as any."""
    if len(information) != _OCTETS:
        return None
    control, numbers, reason = information
    return FrameReject(
        control=control,
        next_send=numbers >> 1 & 7,
        next_receive=numbers >> 5,
        reason=RejectReason(reason & 0x0F),
    )
