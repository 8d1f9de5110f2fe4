"""How long both sides of a sign-on wait, and what they offer."""

from __future__ import annotations

from dataclasses import dataclass

from hes.dlms.mode_e.messages import BAUD_RATES, Identification
from hes.errors import LocalProtocolError

NO_METER = Identification(manufacturer="AML", baud_id="5", ident="METER")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnSettings:
    """address: of the device, "" asks whoever is there (client) or answers every address (server).

    also: further addresses that a server answers, where several meters are behind one port.
    baud_max: the fastest rate that the client takes. response_s: how long the other side may take before its first
    octet, and between two. settle_s: rest after the change of speed, before the first HDLC frame. rest_s: silence
    before another attempt. attempts_max: requests that a client sends. select_s: how long a meter waits for the option.
    identification: who the meter says it is.

    Source: docs/protocols/mode-e.md §3, of which response_s is [S2] and the rest is [M] or ours [A].
    """

    address: str = ""
    also: tuple[str, ...] = ()
    baud_max: int = 19_200
    response_s: float = 1.5
    settle_s: float = 0.2
    rest_s: float = 2.0
    attempts_max: int = 3
    select_s: float = 2.0
    identification: Identification = NO_METER

    def __post_init__(self) -> None:
        if self.baud_max not in BAUD_RATES.values():
            rates = ", ".join(map(str, BAUD_RATES.values()))
            raise LocalProtocolError(f"mode E knows no {self.baud_max} Bd: the rates are {rates}")
        if self.attempts_max < 1:
            raise LocalProtocolError("a sign-on takes one attempt at least")
