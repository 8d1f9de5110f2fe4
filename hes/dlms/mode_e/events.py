"""What the machines of a sign-on ask of whoever owns the line, in the order in which it has to be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hes.dlms.mode_e.messages import Identification


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these octets at the present speed."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """When everything sent so far has left, go on at this speed. seven_bits: 7E1, else 8N1."""

    baud: int
    seven_bits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """From here on the line carries HDLC. identification: of the meter."""

    identification: Identification
    baud: int


@dataclass(frozen=True, slots=True)
class SignOnFailed:
    """No mode E here. reason: one sentence without a full stop."""

    reason: str


SignOnEvent: TypeAlias = Transmit | ChangeLine | HandedOver | SignOnFailed
