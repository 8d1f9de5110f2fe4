"""What SNRM and UA agree on: how long information fields and how many I frames in a row each side takes.

    81 80 length { 05 transmit octets | 06 receive octets | 07 transmit window | 08 receive window }

Each frame says it from its own sender's side: what one side may transmit is what the other receives. The client
proposes, the server answers with the smaller of the proposal and its own limit, item by item, and what nobody says is
128 octets and a window of 1. `Parameters` are always seen by the station that holds them.

Reading is tolerant, since meters write these 20 octets in many ways: items in any order, values of any length, items
nobody knows, other data behind the group. A value of 0 counts as not said, and more than the standard's limit as much
as one pleases, because the smaller one wins anyway [A].

Source: docs/protocols/hdlc.md §6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hes.errors import LocalProtocolError, RemoteProtocolError

INFORMATION_OCTETS_DEFAULT: Final = 128
INFORMATION_OCTETS_MAX: Final = 2030
WINDOW_DEFAULT: Final = 1
WINDOW_MAX: Final = 7

_FORMAT: Final = 0x81
_GROUP: Final = 0x80
_TRANSMIT_OCTETS: Final = 0x05
_RECEIVE_OCTETS: Final = 0x06
_TRANSMIT_WINDOW: Final = 0x07
_RECEIVE_WINDOW: Final = 0x08


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """As one station sees them. Octets: of an information field, 1..2030; window: I frames in a row, 1..7."""

    transmit_octets: int = INFORMATION_OCTETS_DEFAULT
    receive_octets: int = INFORMATION_OCTETS_DEFAULT
    transmit_window: int = WINDOW_DEFAULT
    receive_window: int = WINDOW_DEFAULT

    def __post_init__(self) -> None:
        for octets in (self.transmit_octets, self.receive_octets):
            if not 1 <= octets <= INFORMATION_OCTETS_MAX:
                raise LocalProtocolError(f"an HDLC information field has 1..{INFORMATION_OCTETS_MAX} octets")
        for window in (self.transmit_window, self.receive_window):
            if not 1 <= window <= WINDOW_MAX:
                raise LocalProtocolError(f"an HDLC window is 1..{WINDOW_MAX}, not {window}")

    def encode(self) -> bytes:
        """The information field of an SNRM or UA, all four items in it."""
        count = 1 if max(self.transmit_octets, self.receive_octets) <= 0xFF else 2
        items = b"".join(
            bytes((item, octets)) + value.to_bytes(octets, "big")
            for item, value, octets in (
                (_TRANSMIT_OCTETS, self.transmit_octets, count),
                (_RECEIVE_OCTETS, self.receive_octets, count),
                (_TRANSMIT_WINDOW, self.transmit_window, 4),
                (_RECEIVE_WINDOW, self.receive_window, 4),
            )
        )
        return bytes((_FORMAT, _GROUP, len(items))) + items


DEFAULTS: Final = Parameters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an SNRM or UA said, as its sender sees it; None is the default.

    unknown: items nobody knows, by number. user_data: octets behind the group.
    """

    transmit_octets: int | None = None
    receive_octets: int | None = None
    transmit_window: int | None = None
    receive_window: int | None = None
    unknown: dict[int, bytes] = field(default_factory=dict)
    user_data: bytes = b""


def decode(information: bytes) -> Said:
    """The information field of an SNRM or UA; none at all says nothing.

    Raises RemoteProtocolError when it is not a parameter group or an item runs past its end.
    """
    if not information:
        return Said()
    if information[0] != _FORMAT or len(information) < 3 or information[1] != _GROUP:
        raise RemoteProtocolError(
            f"HDLC parameters begin with 81 80 and a length, not with {information[:3].hex(' ')}", octet_offset=0
        )
    end = 3 + information[2]
    if end > len(information):
        raise RemoteProtocolError("the HDLC parameter group runs past the information field", octet_offset=2)
    items = _items(information, end)
    return Said(
        transmit_octets=_number(items.pop(_TRANSMIT_OCTETS, b"")),
        receive_octets=_number(items.pop(_RECEIVE_OCTETS, b"")),
        transmit_window=_number(items.pop(_TRANSMIT_WINDOW, b"")),
        receive_window=_number(items.pop(_RECEIVE_WINDOW, b"")),
        unknown=items,
        user_data=information[end:],
    )


def _items(information: bytes, end: int) -> dict[int, bytes]:
    """By number; of an item that comes twice the last."""
    items: dict[int, bytes] = {}
    position = 3
    while position < end:
        begin = position + 2
        if begin > end or begin + information[position + 1] > end:
            raise RemoteProtocolError("an HDLC parameter runs past its group", octet_offset=position)
        following = begin + information[position + 1]
        items[information[position]] = information[begin:following]
        position = following
    return items


def _number(value: bytes) -> int | None:
    return int.from_bytes(value, "big") or None


def agree(own: Parameters, other: Said) -> Parameters:
    """What holds between a station that offers or allows `own` and one that says `other`, as the former sees it.

    For the server `other` is the SNRM, and the result is what its UA says. For the client `own` is what its SNRM said
    and `other` the UA.
    """
    return Parameters(
        transmit_octets=min(own.transmit_octets, other.receive_octets or INFORMATION_OCTETS_DEFAULT),
        receive_octets=min(own.receive_octets, other.transmit_octets or INFORMATION_OCTETS_DEFAULT),
        transmit_window=min(own.transmit_window, other.receive_window or WINDOW_DEFAULT),
        receive_window=min(own.receive_window, other.transmit_window or WINDOW_DEFAULT),
    )
