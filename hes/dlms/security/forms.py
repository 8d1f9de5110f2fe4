"""The forms that a protected APDU may have on the wire, and the keys that each may be under.

Source: docs/protocols/dlms-application.md §1 (tags), §5.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from hes.dlms.codes import ApduTag
from hes.dlms.security.control import HEADER_OCTETS, SYSTEM_TITLE_OCTETS, TAG_OCTETS
from hes.dlms.xdlms.common import Octets


class KeyScope(Enum):
    """Whose key an APDU is under.

    GLOBAL: all associations of the meter share it; DEDICATED: this association's own; BROADCAST: many meters share it.
    The others are fresh for each APDU and come with it as general-ciphering: WRAPPED under the master key, or agreed
    on by the ONE_PASS or the STATIC scheme.
    """

    __hash__ = object.__hash__  # a member is one object; the hash of Enum is its name's, worked out in Python each time

    GLOBAL = "global"
    DEDICATED = "dedicated"
    BROADCAST = "broadcast"
    WRAPPED = "wrapped"
    ONE_PASS = "one-pass"  # noqa: S105 - a scheme, not a password
    STATIC = "static unified"


class CipheringStyle(Enum):
    """Which form a side sends; what it receives may have any. GENERAL_SIGNING: signed, and not ciphered at all."""

    __hash__ = object.__hash__

    SERVICE_SPECIFIC = "service-specific"
    GENERAL_GLO = "general-glo"
    GENERAL_DED = "general-ded"
    GENERAL_CIPHERING = "general-ciphering"
    GENERAL_SIGNING = "general-signing"


# plain service -> its tag under the global and under the dedicated key
PROTECTED_TAGS: Final[dict[int, tuple[int, int]]] = {
    int(plain): (plain | 0x20, plain | 0x40)
    for plain in (
        ApduTag.INITIATE_REQUEST,
        ApduTag.READ_REQUEST,
        ApduTag.WRITE_REQUEST,
        ApduTag.INITIATE_RESPONSE,
        ApduTag.READ_RESPONSE,
        ApduTag.WRITE_RESPONSE,
        ApduTag.CONFIRMED_SERVICE_ERROR,
        ApduTag.UNCONFIRMED_WRITE_REQUEST,
        ApduTag.INFORMATION_REPORT_REQUEST,
    )
} | {
    int(plain): (plain + 8, plain + 16)
    for plain in (
        ApduTag.GET_REQUEST,
        ApduTag.SET_REQUEST,
        ApduTag.EVENT_NOTIFICATION,
        ApduTag.ACTION_REQUEST,
        ApduTag.GET_RESPONSE,
        ApduTag.SET_RESPONSE,
        ApduTag.ACTION_RESPONSE,
    )
}
# protected tag -> key, plain service that must come out (None: any), form
Form = tuple[KeyScope, int | None, CipheringStyle]
SPECIFIC: Final[dict[int, Form]] = {
    tag: (scope, plain, CipheringStyle.SERVICE_SPECIFIC)
    for plain, pair in PROTECTED_TAGS.items()
    for tag, scope in zip(pair, (KeyScope.GLOBAL, KeyScope.DEDICATED), strict=True)
}
GENERAL: Final[dict[int, Form]] = {
    ApduTag.GENERAL_GLO_CIPHERING: (KeyScope.GLOBAL, None, CipheringStyle.GENERAL_GLO),
    ApduTag.GENERAL_DED_CIPHERING: (KeyScope.DEDICATED, None, CipheringStyle.GENERAL_DED),
}
GENERAL_TAGS: Final = {KeyScope.GLOBAL: 0xDB, KeyScope.BROADCAST: 0xDB, KeyScope.DEDICATED: 0xDC}
WITH_HEAD: Final = frozenset((int(ApduTag.GENERAL_CIPHERING), int(ApduTag.GENERAL_SIGNING)))

_PROTECTED: Final = frozenset(SPECIFIC) | frozenset(map(int, GENERAL)) | WITH_HEAD


def is_protected(apdu: Octets) -> bool:
    """True when the first octet says that `Ciphering.unprotect` must open it."""
    return len(apdu) > 0 and apdu[0] in _PROTECTED


HEAD_OCTETS: Final = 29
"""Of a head with a transaction id and two titles of 8 octets, without date-time and other information."""
LENGTH_OCTETS_MAX: Final = 3  # of anything that fits one APDU


def protection_octets(
    style: CipheringStyle, *, scope: KeyScope = KeyScope.GLOBAL, curve_octets: int = 0, signed: bool = False
) -> int:
    """By how much protection makes an APDU longer, at most. curve_octets: of a coordinate, 32 or 48; 0 without curve.

    A head is counted without date-time and other information.
    """
    if style is CipheringStyle.GENERAL_SIGNING:
        return 1 + HEAD_OCTETS + 2 * LENGTH_OCTETS_MAX + 2 * curve_octets
    octets = 1 + LENGTH_OCTETS_MAX + HEADER_OCTETS + TAG_OCTETS
    if style is CipheringStyle.GENERAL_CIPHERING:
        octets += HEAD_OCTETS + _KEY_INFO_OCTETS.get(scope, 3) + (4 * curve_octets if scope is KeyScope.ONE_PASS else 0)
    elif style is not CipheringStyle.SERVICE_SPECIFIC or signed:
        octets += 1 + SYSTEM_TITLE_OCTETS
    return octets + protection_octets(CipheringStyle.GENERAL_SIGNING, curve_octets=curve_octets) if signed else octets


_KEY_INFO_OCTETS: Final = {KeyScope.WRAPPED: 44, KeyScope.ONE_PASS: 7, KeyScope.STATIC: 5}
