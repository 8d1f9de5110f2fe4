"""What `ClientLink`, `ServerLink` and `LineDispatcher` give: some of these for everything that happens, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from hes.dlms.hdlc.frame import Frame
from hes.dlms.hdlc.parameters import Parameters


class DownReason(Enum):
    """Why a link is down."""

    CLOSED_BY_US = "we disconnected"
    CLOSED_BY_PEER = "the other side disconnected"
    REFUSED = "the other side refused the link (DM)"
    DISCONNECTED_MODE = "the other side knows of no link (DM)"
    FRAME_REJECTED = "a frame was rejected (FRMR)"
    RESET = "the other side set the link up anew"
    NO_ANSWER = "the other side fell silent"
    NO_PROGRESS = "the other side answers but takes nothing"
    BUSY = "the other side stayed busy"
    INACTIVE = "nobody spoke for the inactivity time-out"
    WRONG_PARAMETERS = "the parameters in UA cannot be read"
    APDU_TOO_LONG = "the other side sends more than an APDU can be"
    LINE_LOST = "the line is gone"


class LinkFindingKind(Enum):
    """What a peer did that is worth telling although the link goes on, or that was not taken."""

    UNEXPECTED = "a frame that means nothing in this state"
    UNDEFINED_CONTROL = "a control octet that nobody defines"
    NOT_POLLED = "SNRM or DISC without the P bit"
    REPEATED = "an I frame again"
    OUT_OF_SEQUENCE = "an I frame with a gap before it"
    WRONG_ACKNOWLEDGEMENT = "N(R) acknowledges what was not sent"
    TOO_LONG = "an information field longer than agreed"
    APDU_TOO_LONG = "segments of more than an APDU can be"
    WRONG_LLC = "an APDU without its LLC header"
    WRONG_PARAMETERS = "parameters in SNRM that cannot be read"
    NOT_READY = "an I frame while the last request is being worked on"
    LINKS_FULL = "SNRM from one client too many"


_HDLC: Final = "docs/protocols/hdlc.md"
LINK_CLAUSES: Final[dict[LinkFindingKind, str]] = {
    LinkFindingKind.UNEXPECTED: f"IEC 62056-46, link states ({_HDLC} §5)",
    LinkFindingKind.UNDEFINED_CONTROL: f"IEC 62056-46, control field ({_HDLC} §4), case HDLC_FRAME_N5",
    LinkFindingKind.NOT_POLLED: f"IEC 62056-46, P/F bit ({_HDLC} §4)",
    LinkFindingKind.REPEATED: f"IEC 62056-46, sequence numbers ({_HDLC} §7)",
    LinkFindingKind.OUT_OF_SEQUENCE: f"IEC 62056-46, sequence numbers ({_HDLC} §7), case HDLC_INFO_N3",
    LinkFindingKind.WRONG_ACKNOWLEDGEMENT: f"IEC 62056-46, sequence numbers ({_HDLC} §7), case HDLC_INFO_N2",
    LinkFindingKind.TOO_LONG: f"IEC 62056-46, maximum information field length ({_HDLC} §6), case HDLC_INFO_N1",
    LinkFindingKind.APDU_TOO_LONG: f"IEC 62056-46, segmentation ({_HDLC} §7)",
    LinkFindingKind.WRONG_LLC: f"IEC 62056-46, LLC header ({_HDLC} §7)",
    LinkFindingKind.WRONG_PARAMETERS: f"IEC 62056-46, negotiation in SNRM and UA ({_HDLC} §6)",
    LinkFindingKind.NOT_READY: f"IEC 62056-46, window and flow control ({_HDLC} §7)",
    LinkFindingKind.LINKS_FULL: f"IEC 62056-46, links of a station ({_HDLC} §5)",
}
"""Which rule each kind is about, as areas of the standard and sections of our fact page: see `hes.dlms.findings`."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these octets now."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The link is set up. parameters: what holds, as this side sees it. Any association from before is gone."""

    parameters: Parameters


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link is gone, and the association with it. text: what is known beyond the reason, or ""."""

    reason: DownReason
    text: str = ""

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.text}" if self.text else self.reason.value


@dataclass(frozen=True, slots=True)
class Received:
    """A whole APDU in I frames, without its LLC header. number: counts a server's requests, see `ServerLink.answer`."""

    apdu: bytes
    number: int = 0


@dataclass(frozen=True, slots=True)
class ReceivedUnnumbered:
    """An APDU in UI frames: a push, or a broadcast. It is not answered. destination, source: as on the wire."""

    apdu: bytes
    destination: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server has the whole of an APDU that needs no answer."""


@dataclass(frozen=True, slots=True)
class LinkFinding:
    """kind: for programs. taken: whether the frame was used all the same. frame: what was received."""

    kind: LinkFindingKind
    frame: Frame = field(repr=False)
    taken: bool = False
    text: str = ""

    @property
    def clause(self) -> str:
        """Which rule, as in `hes.dlms.findings`."""
        return LINK_CLAUSES[self.kind]

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.kind.value}: {self.text}" if self.text else self.kind.value


LinkEvent: TypeAlias = Transmit | LinkUp | LinkDown | Received | ReceivedUnnumbered | Delivered | LinkFinding
