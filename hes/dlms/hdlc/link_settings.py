"""What the two sides of a link may be told. Source of the defaults: docs/protocols/hdlc.md §6, §7."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hes.dlms.hdlc.link_flow import APDU_OCTETS_MAX
from hes.dlms.hdlc.parameters import DEFAULTS, Parameters
from hes.errors import LocalProtocolError

INTER_OCTET_S: Final = 0.5
"""Most octets pass a buffer, a modem or a concentrator on their way; who sits on the wire itself takes class 23's
0.025 s. Source: docs/protocols/hdlc.md §7 [S2] for both numbers."""
INACTIVITY_S: Final = 120.0


class Recovery(Enum):
    """What a client does about silence: ask where the server stands, or say the same again."""

    POLL = "RR"
    RESEND = "the same I frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLinkSettings:
    """How a client sets a link up and how long it waits.

    proposal: what SNRM proposes. says_defaults: whether it says so where that is 128 octets and window 1 (else the
    frame is empty, which means the same).
    response_s: silence after which the server is asked again, counted from the last frame; 5..10 s on a serial line,
    30..120 s through a concentrator. retries_max: how often it is asked again before the link is given up.
    recovery: see there. busy_poll_s: how soon a server is asked again that is busy (RNR) or has no answer yet;
    busy_polls_max: how often.
    inter_octet_s: silence inside a frame that ends it; None never.
    """

    proposal: Parameters = DEFAULTS
    says_defaults: bool = False
    response_s: float = 5.0
    retries_max: int = 3
    recovery: Recovery = Recovery.POLL
    busy_poll_s: float = 0.5
    busy_polls_max: int = 120
    inter_octet_s: float | None = INTER_OCTET_S
    apdu_octets_max: int = APDU_OCTETS_MAX

    def __post_init__(self) -> None:
        if self.response_s <= 0 or self.busy_poll_s <= 0 or self.retries_max < 0 or self.busy_polls_max < 0:
            raise LocalProtocolError("times of an HDLC link are more than 0 s, and counts at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLinkSettings:
    """How a server behaves on its links.

    limits: the most it takes and sends. inactivity_s: silence after which a link is forgotten; None never.
    rejects_frames: whether it answers FRMR to what it cannot take, or nothing; both are found in the field.
    says_disconnected: whether it answers DM to I frames without a link, or nothing.
    """

    limits: Parameters = DEFAULTS
    inactivity_s: float | None = INACTIVITY_S
    rejects_frames: bool = True
    says_disconnected: bool = True
    apdu_octets_max: int = APDU_OCTETS_MAX


CLIENT_DEFAULTS: Final = ClientLinkSettings()
SERVER_DEFAULTS: Final = ServerLinkSettings()
