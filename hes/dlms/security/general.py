"""general-ciphering (DD) and general-signing (DF) as octets: a head that says who, for whom and when, and what follows.

    DD | head | 00, or 01 key-info | len sealed octets
    DF | head | len content | len signature
    head: transaction id, originator's title, recipient's title, date-time, other information; each a length and octets

The head is authenticated with its lengths, also those of empty fields, so it is kept as the octets that came and never
made again from its parts. The key-info is not authenticated by the tag: a wrapped key checks itself, an ephemeral one
is signed.

Source: docs/protocols/dlms-application.md §5 (general-ciphering, general-signing).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hes.dlms import axdr
from hes.dlms.codes import ApduTag
from hes.dlms.security.control import SYSTEM_TITLE_OCTETS
from hes.dlms.security.errors import SecurityError
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

FIELD_OCTETS_MAX: Final = 0x7F
"""Longest transaction id, date-time or other information: their lengths stand in one octet [A]."""

KEY_UNICAST: Final = 0
KEY_BROADCAST: Final = 1
KEK_MASTER: Final = 0
ONE_PASS: Final = b"\x01"
STATIC_UNIFIED: Final = b"\x02"

_IDENTIFIED, _WRAPPED, _AGREED = 0, 1, 2
_HEAD_FIELDS: Final = ("transaction id", "originator's title", "recipient's title", "date-time", "other information")
_TITLE_FIELDS: Final = (1, 2)


class Head(NamedTuple):
    """Who protects an APDU, for whom. Titles: 8 octets; date_time: 12 octets or none."""

    transaction_id: bytes
    originator: bytes
    recipient: bytes
    date_time: bytes = b""
    other_information: bytes = b""

    def encode(self) -> bytes:
        """Raises LocalProtocolError for a field that is too long."""
        if any(len(field) > FIELD_OCTETS_MAX for field in self):
            raise LocalProtocolError(f"a field of more than {FIELD_OCTETS_MAX} octets before a protected APDU")
        return b"".join([bytes((len(field),)) + field for field in self])


class IdentifiedKey(NamedTuple):
    """A key that both sides have: KEY_UNICAST or KEY_BROADCAST."""

    key_id: int

    def encode(self) -> bytes:
        return bytes((_IDENTIFIED, self.key_id))


class WrappedKey(NamedTuple):
    """A fresh key, wrapped. kek_id: KEK_MASTER."""

    kek_id: int
    wrapped: bytes

    def encode(self) -> bytes:
        return bytes((_WRAPPED, self.kek_id)) + _string(self.wrapped)


class AgreedKey(NamedTuple):
    """A key that both sides compute. parameters: ONE_PASS or STATIC_UNIFIED. ciphered: the signed ephemeral key."""

    parameters: bytes
    ciphered: bytes

    def encode(self) -> bytes:
        return bytes((_AGREED,)) + _string(self.parameters) + _string(self.ciphered)


KeyInfo = IdentifiedKey | WrappedKey | AgreedKey


class GeneralCiphering(NamedTuple):
    """associated: the head as it came. key_info: None when it was left out. sealed: SC | IC | content | tag."""

    head: Head
    associated: bytes
    key_info: KeyInfo | None
    sealed: bytes


class GeneralSigning(NamedTuple):
    """signed: what the signature is over, the head and the content with their lengths."""

    head: Head
    content: bytes
    signed: bytes
    signature: bytes


def _string(octets: bytes) -> bytes:
    return axdr.encode_length(len(octets)) + octets


def encode_general_ciphering(associated: bytes, key_info: KeyInfo, sealed: bytes) -> bytes:
    """associated: `Head.encode()`."""
    return bytes((ApduTag.GENERAL_CIPHERING,)) + associated + b"\x01" + key_info.encode() + _string(sealed)


def signed_octets(associated: bytes, content: bytes) -> bytes:
    """What a signature is made over."""
    return associated + _string(content)


def encode_general_signing(signed: bytes, signature: bytes) -> bytes:
    """signed: `signed_octets`."""
    return bytes((ApduTag.GENERAL_SIGNING,)) + signed + _string(signature)


# -- decoding ----------------------------------------------------------------------------------------------------------


def read_general_ciphering(apdu: Octets) -> GeneralCiphering:
    """Raises RemoteProtocolError (SecurityError) for another tag, lengths that do not fit, an unknown key-info."""
    octets = bytes(apdu)
    head, end = _head(octets, ApduTag.GENERAL_CIPHERING)
    present, offset = _octet(octets, end, "presence of key-info")
    if present > 1:
        raise SecurityError(f"key-info is neither there nor not: {present:02X}", octet_offset=end)
    key_info: KeyInfo | None = None
    if present:
        key_info, offset = _key_info(octets, offset)
    sealed, offset = _take(octets, offset, "ciphered content")
    _end(octets, offset)
    return GeneralCiphering(head, octets[1:end], key_info, sealed)


def read_general_signing(apdu: Octets) -> GeneralSigning:
    """Raises RemoteProtocolError (SecurityError) for another tag, or lengths that do not fit."""
    octets = bytes(apdu)
    head, end = _head(octets, ApduTag.GENERAL_SIGNING)
    content, end = _take(octets, end, "content")
    signature, offset = _take(octets, end, "signature")
    _end(octets, offset)
    return GeneralSigning(head, content, octets[1:end], signature)


def _head(octets: bytes, tag: int) -> tuple[Head, int]:
    """The head, and where it ends."""
    if not octets or octets[0] != tag:
        raise SecurityError(f"APDU {octets[:1].hex()} where {tag:02X} was expected", octet_offset=0)
    fields, offset = [], 1
    for index, what in enumerate(_HEAD_FIELDS):
        start = offset
        field, offset = _take(octets, offset, what)
        if len(field) > FIELD_OCTETS_MAX or (index in _TITLE_FIELDS and len(field) not in (0, SYSTEM_TITLE_OCTETS)):
            raise SecurityError(f"{what} of {len(field)} octets", octet_offset=start)
        fields.append(field)
    return Head(*fields), offset


def _key_info(octets: bytes, offset: int) -> tuple[KeyInfo, int]:
    start = offset
    choice, offset = _octet(octets, offset, "choice of key-info")
    if choice == _IDENTIFIED:
        key_id, offset = _octet(octets, offset, "key id")
        return IdentifiedKey(key_id), offset
    if choice == _WRAPPED:
        kek_id, offset = _octet(octets, offset, "id of the wrapping key")
        wrapped, offset = _take(octets, offset, "wrapped key")
        return WrappedKey(kek_id, wrapped), offset
    if choice == _AGREED:
        parameters, offset = _take(octets, offset, "key parameters")
        ciphered, offset = _take(octets, offset, "key agreement data")
        return AgreedKey(parameters, ciphered), offset
    raise SecurityError(f"key-info {choice} is not known", octet_offset=start)


def _octet(octets: bytes, offset: int, what: str) -> tuple[int, int]:
    if offset >= len(octets):
        raise SecurityError(f"the APDU ends before its {what}", octet_offset=offset)
    return octets[offset], offset + 1


def _take(octets: bytes, offset: int, what: str) -> tuple[bytes, int]:
    """The octets behind the length at `offset`, and where they end."""
    count, start = axdr.decode_length(octets, offset)
    if start + count > len(octets):
        raise SecurityError(f"the APDU ends inside its {what}", octet_offset=offset)
    return octets[start : start + count], start + count


def _end(octets: bytes, offset: int) -> None:
    if offset != len(octets):
        raise SecurityError(f"{len(octets) - offset} octets are left over", octet_offset=offset)
