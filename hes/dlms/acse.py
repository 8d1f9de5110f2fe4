"""ACSE: opening (AARQ, AARE) and closing (RLRQ, RLRE) an application association.

Fields with a meaning for DLMS are named; those that a peer may send and nobody reads (called titles, qualifiers,
implementation information, ...) are kept in `other` as they stand and written again in their place. A field that comes
twice is refused; one out of order is not. `user_information` is the xDLMS APDU inside, ciphered or not.

Passwords, challenges and user information (a dedicated key may stand in it) are never shown by repr.

Source: docs/protocols/dlms-application.md §2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from hes.dlms import ber
from hes.dlms.codes import (
    AcseDiagnostic,
    ApduTag,
    ApplicationContext,
    AssociationResult,
    DiagnosticSource,
    Mechanism,
    ProviderDiagnostic,
    ReleaseReason,
    UnknownCode,
    code,
)
from hes.errors import LocalProtocolError, RemoteProtocolError

ACSE_OCTETS_MAX: Final = 0xFFFF
KNOWN_OCTETS_MAX: Final = 48
KNOWN_APDUS_MAX: Final = 256
"""Answers and releases of a fleet are alike, so those that have been read are kept: so many, each at most so long. An
AARQ is not: a password stands in it; nor is what HLS or ciphering makes longer and different every time."""

# 2.16.756.5.8.1.x and 2.16.756.5.8.2.x without their last arc
_CONTEXT_ARC: Final = bytes.fromhex("60857405 0801")
_MECHANISM_ARC: Final = bytes.fromhex("60857405 0802")

CONTEXT_NAMES: Final[dict[bytes, ApplicationContext]] = {_CONTEXT_ARC + bytes((x,)): x for x in ApplicationContext}
MECHANISM_NAMES: Final[dict[bytes, Mechanism]] = {_MECHANISM_ARC + bytes((x,)): x for x in Mechanism}

# a name that is not in the tables is kept as the octets of its object identifier
ContextName = ApplicationContext | bytes
MechanismName = Mechanism | bytes
Diagnostic = AcseDiagnostic | ProviderDiagnostic | UnknownCode
OtherFields = tuple[tuple[int, bytes], ...]

_PROTOCOL_VERSION = 0x80
_CONTEXT = 0xA1
_USER_INFORMATION = 0xBE
_CHAR_STRING = 0x80
_RELEASE_REASON = 0x80
_AARQ, _AARE = int(ApduTag.AARQ), int(ApduTag.AARE)
_RLRQ, _RLRE = int(ApduTag.RLRQ), int(ApduTag.RLRE)
_AUTHENTICATION_ASKED: Final = b"\x8a\x02\x07\x80"
_AUTHENTICATION = b"\x07\x80"  # bit string: the functional unit of authentication


@dataclass(frozen=True, slots=True, kw_only=True)
class Aarq:
    """Request to associate.

    protocol_version: bits as text, "" when absent (then version 1 is meant). authentication: the functional unit is
    asked for (8A). mechanism: None when absent. authentication_value: password or challenge, b"" when absent.
    calling_ap_title: the client's system title, b"" when absent. calling_ae_invocation_id: user id.
    """

    context: ContextName = ApplicationContext.LN
    protocol_version: str = ""
    calling_ap_title: bytes = b""
    calling_ae_invocation_id: int | None = None
    authentication: bool = False
    mechanism: MechanismName | None = None
    authentication_value: bytes = field(default=b"", repr=False)
    user_information: bytes = field(default=b"", repr=False)
    other: OtherFields = ()

    @property
    def version_1(self) -> bool:
        """True unless the peer asks for another version of ACSE."""
        return not self.protocol_version or self.protocol_version[0] == "1"

    def encode(self) -> bytes:
        if self.protocol_version or self.calling_ae_invocation_id is not None or self.other:
            return _encode_with_all(self)
        return encode_aarq(
            self.context,
            self.mechanism,
            self.authentication_value,
            self.user_information,
            calling_ap_title=self.calling_ap_title,
            authentication=self.authentication,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aare:
    """Answer to a request to associate.

    diagnostic_source: follows from the diagnostic unless that is an UnknownCode. responding_ap_title: the server's
    system title. authentication_value: the server's challenge.
    """

    context: ContextName = ApplicationContext.LN
    result: AssociationResult | UnknownCode
    diagnostic: Diagnostic
    diagnostic_source: DiagnosticSource = DiagnosticSource.SERVICE_USER
    protocol_version: str = ""
    responding_ap_title: bytes = b""
    authentication: bool = False
    mechanism: MechanismName | None = None
    authentication_value: bytes = field(default=b"", repr=False)
    user_information: bytes = field(default=b"", repr=False)
    other: OtherFields = ()

    def __post_init__(self) -> None:
        if isinstance(self.diagnostic, ProviderDiagnostic):
            object.__setattr__(self, "diagnostic_source", DiagnosticSource.SERVICE_PROVIDER)
        elif isinstance(self.diagnostic, AcseDiagnostic):
            object.__setattr__(self, "diagnostic_source", DiagnosticSource.SERVICE_USER)

    def encode(self) -> bytes:
        fields = _head(self.protocol_version, self.context)
        fields.append(ber.encode(0xA2, ber.encode_integer(self.result)))
        fields.append(ber.encode_wrapped(0xA3, 0xA0 | self.diagnostic_source, ber.encode_integer(self.diagnostic)))
        if self.responding_ap_title:
            fields.append(ber.encode_wrapped(0xA4, ber.OCTET_STRING, self.responding_ap_title))
        _add_authentication(fields, 0x88, self, 0xAA)
        return _encode(ApduTag.AARE, fields, self, _AARE_ORDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlrq:
    """Request to release. reason: None when absent, which is legal."""

    reason: ReleaseReason | UnknownCode | None = ReleaseReason.NORMAL
    user_information: bytes = field(default=b"", repr=False)
    other: OtherFields = ()

    def encode(self) -> bytes:
        return _encode_release(ApduTag.RLRQ, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlre:
    """Answer to a request to release."""

    reason: ReleaseReason | UnknownCode | None = ReleaseReason.NORMAL
    user_information: bytes = field(default=b"", repr=False)
    other: OtherFields = ()

    def encode(self) -> bytes:
        return _encode_release(ApduTag.RLRE, self)


AcseApdu = Aarq | Aare | Rlrq | Rlre

# where each field stands in its SEQUENCE; what is not listed goes before the user information
_AARQ_ORDER = bytes.fromhex("80A1A2A3A4A5A6A7A8A98A8BACBD")
_AARE_ORDER = bytes.fromhex("80A1A2A3A4A5A6A78889AABD")
_RELEASE_ORDER = bytes.fromhex("80")

# -- encoding --------------------------------------------------------------------------------------------------------

_CONTEXT_FIELDS: Final = {
    context: ber.encode_wrapped(_CONTEXT, ber.OBJECT_IDENTIFIER, name) for name, context in CONTEXT_NAMES.items()
}
_MECHANISM_FIELDS: Final = {  # by their tag in AARQ and AARE
    tag: {mechanism: ber.encode(tag, name) for name, mechanism in MECHANISM_NAMES.items()} for tag in (0x8B, 0x89)
}


def _encode(tag: int, fields: list[bytes], apdu: AcseApdu, order: bytes) -> bytes:
    """`fields` stand in their order already; those of `other` are sorted in, the user information comes last."""
    if apdu.other:
        fields += [ber.encode(*tagged) for tagged in apdu.other]
        # a tag that has no place (find gives -1) goes behind those that have one
        fields.sort(key=lambda encoded: order.find(encoded[0]) % (len(order) + 1))
    if apdu.user_information:
        fields.append(ber.encode_wrapped(_USER_INFORMATION, ber.OCTET_STRING, apdu.user_information))
    return ber.encode(tag, b"".join(fields))


def encode_aarq(
    context: ContextName,
    mechanism: MechanismName | None,
    authentication_value: bytes,
    user_information: bytes,
    *,
    calling_ap_title: bytes = b"",
    authentication: bool = True,
) -> bytes:
    """Octets of an AARQ with the fields that nearly every client sends, as `Aarq(...).encode()` gives them, without the
    object."""
    if isinstance(context, bytes):
        octets = ber.encode_wrapped(_CONTEXT, ber.OBJECT_IDENTIFIER, context)
    else:
        octets = _CONTEXT_FIELDS[context]
    if calling_ap_title:
        octets += ber.encode_wrapped(0xA6, ber.OCTET_STRING, calling_ap_title)
    if authentication:
        octets += _AUTHENTICATION_ASKED
    if mechanism is not None:
        octets += ber.encode(0x8B, mechanism) if isinstance(mechanism, bytes) else _MECHANISM_FIELDS[0x8B][mechanism]
    if authentication_value:
        octets += ber.encode_wrapped(0xAC, _CHAR_STRING, authentication_value)
    if user_information:
        octets += ber.encode_wrapped(_USER_INFORMATION, ber.OCTET_STRING, user_information)
    return ber.encode(_AARQ, octets)


def _encode_with_all(aarq: Aarq) -> bytes:
    fields = _head(aarq.protocol_version, aarq.context)
    if aarq.calling_ap_title:
        fields.append(ber.encode_wrapped(0xA6, ber.OCTET_STRING, aarq.calling_ap_title))
    if aarq.calling_ae_invocation_id is not None:
        fields.append(ber.encode(0xA9, _encode_user_id(aarq.calling_ae_invocation_id)))
    _add_authentication(fields, 0x8A, aarq, 0xAC)
    return _encode(_AARQ, fields, aarq, _AARQ_ORDER)


def _encode_release(tag: int, release: Rlrq | Rlre) -> bytes:
    reason = release.reason
    fields = [] if reason is None else [ber.encode(_RELEASE_REASON, ber.encode_integer(reason)[2:])]
    return _encode(tag, fields, release, _RELEASE_ORDER)


def _head(protocol_version: str, context: ContextName) -> list[bytes]:
    if isinstance(context, bytes):
        fields = [ber.encode_wrapped(_CONTEXT, ber.OBJECT_IDENTIFIER, context)]
    else:
        fields = [_CONTEXT_FIELDS[context]]
    if protocol_version:
        fields.insert(0, ber.encode(_PROTOCOL_VERSION, ber.encode_bits(protocol_version)))
    return fields


def _encode_user_id(user_id: int) -> bytes:
    """An INTEGER whose octets are read unsigned: meters keep user ids as one octet 0..255, above 127 without a 00."""
    if user_id < 0:
        raise LocalProtocolError(f"user id {user_id} must be 0 or more")
    return ber.encode(ber.INTEGER, user_id.to_bytes(max(1, (user_id.bit_length() + 7) // 8), "big"))


def _add_authentication(fields: list[bytes], requirements_tag: int, apdu: Aarq | Aare, value_tag: int) -> None:
    if apdu.authentication:
        fields.append(bytes((requirements_tag, 2)) + _AUTHENTICATION)
    mechanism = apdu.mechanism
    if mechanism is not None:
        tag = requirements_tag + 1
        if isinstance(mechanism, bytes):
            fields.append(ber.encode(tag, mechanism))
        else:
            fields.append(_MECHANISM_FIELDS[tag][mechanism])
    if apdu.authentication_value:
        fields.append(ber.encode_wrapped(value_tag, _CHAR_STRING, apdu.authentication_value))


# -- decoding --------------------------------------------------------------------------------------------------------


# contents of fields that hold a name or a number from a table, so that these are looked up and not taken apart
_KNOWN_CONTEXTS: Final = {encoded[2:]: context for context, encoded in _CONTEXT_FIELDS.items()}
_KNOWN_RESULTS: Final = {ber.encode_integer(result): result for result in AssociationResult}
_KNOWN_DIAGNOSTICS: Final[dict[bytes, tuple[DiagnosticSource, Diagnostic]]] = {
    ber.encode(0xA0 | source, ber.encode_integer(diagnostic)): (source, diagnostic)
    for source, table in (
        (DiagnosticSource.SERVICE_USER, AcseDiagnostic),
        (DiagnosticSource.SERVICE_PROVIDER, ProviderDiagnostic),
    )
    for diagnostic in table
}


# the same with tag and length, for an AARE that holds nothing but these and user information
_PLAIN_AARE: Final = struct.Struct(">BB11s5s7sBBBB")
_PLAIN_CONTEXTS: Final = {encoded: context for context, encoded in _CONTEXT_FIELDS.items()}
_PLAIN_RESULTS: Final = {ber.encode(0xA2, encoded): result for encoded, result in _KNOWN_RESULTS.items()}
_PLAIN_DIAGNOSTICS: Final[dict[bytes, Diagnostic]] = {
    ber.encode(0xA3, encoded): diagnostic for encoded, (_source, diagnostic) in _KNOWN_DIAGNOSTICS.items()
}


class _Fields:
    """The fields of one APDU, each taken at most once by its tag; what nobody takes is `other`."""

    __slots__ = ("octets", "spans")

    def __init__(self, octets: bytes, start: int, end: int) -> None:
        self.octets = octets
        self.spans = ber.read_all(octets, start, end)

    def required(self, tag: int, what: str) -> tuple[int, int]:
        span = self.spans.pop(tag, None)
        if span is None:
            raise RemoteProtocolError(f"{what} ({tag:02X}) is missing", octet_offset=0)
        return span

    def context(self) -> ContextName:
        start, end = self.required(_CONTEXT, "application context name")
        known = _KNOWN_CONTEXTS.get(self.octets[start:end])
        if known is not None:
            return known
        start, end = ber.read_only(self.octets, start, end, ber.OBJECT_IDENTIFIER, "context name")
        name = self.octets[start:end]
        return CONTEXT_NAMES.get(name, name)

    def mechanism(self, tag: int) -> MechanismName | None:
        span = self.spans.pop(tag, None)
        if span is None:
            return None
        name = self.octets[span[0] : span[1]]
        return MECHANISM_NAMES.get(name, name)

    def bits(self, tag: int, what: str) -> str:
        span = self.spans.pop(tag, None)
        return "" if span is None else ber.bits(self.octets, *span, what)

    def authentication(self, tag: int, what: str) -> bool:
        span = self.spans.pop(tag, None)
        if span is None:
            return False
        return self.octets[span[0] : span[1]] == _AUTHENTICATION or ber.bits(self.octets, *span, what)[:1] == "1"

    def wrapped(self, tag: int, inner_tag: int, what: str) -> bytes:
        """The octets of a field that holds exactly one field; b"" when it is absent."""
        span = self.spans.pop(tag, None)
        if span is None:
            return b""
        octets, (start, end) = self.octets, span
        if start + 2 <= end and octets[start] == inner_tag and octets[start + 1] == end - start - 2 < 0x80:
            return octets[start + 2 : end]
        start, end = ber.read_only(octets, start, end, inner_tag, what)
        return octets[start:end]

    def result(self) -> AssociationResult | UnknownCode:
        start, end = self.required(0xA2, "result")
        known = _KNOWN_RESULTS.get(self.octets[start:end])
        if known is not None:
            return known
        return code(AssociationResult, _number(_inner_integer(self.octets, start, end, "result")))

    def user_id(self) -> int | None:
        """See _encode_user_id."""
        if 0xA9 not in self.spans:
            return None
        octets = self.wrapped(0xA9, ber.INTEGER, "user id")
        if not 1 <= len(octets) <= ber.INTEGER_OCTETS_MAX:
            raise RemoteProtocolError(f"a user id of {len(octets)} octets")
        return int.from_bytes(octets, "big")

    def other(self) -> OtherFields:
        if not self.spans:
            return ()
        return tuple([(tag, self.octets[start:end]) for tag, (start, end) in self.spans.items()])


def _inner_integer(octets: bytes, start: int, end: int, what: str) -> int:
    return ber.integer(octets, *ber.read_only(octets, start, end, ber.INTEGER, what), what)


def _decode_aarq(fields: _Fields) -> Aarq:
    return Aarq(
        context=fields.context(),
        protocol_version=fields.bits(_PROTOCOL_VERSION, "protocol version"),
        calling_ap_title=fields.wrapped(0xA6, ber.OCTET_STRING, "calling AP title"),
        calling_ae_invocation_id=fields.user_id(),
        authentication=fields.authentication(0x8A, "sender ACSE requirements"),
        mechanism=fields.mechanism(0x8B),
        authentication_value=fields.wrapped(0xAC, _CHAR_STRING, "calling authentication value"),
        user_information=fields.wrapped(_USER_INFORMATION, ber.OCTET_STRING, "user information"),
        other=fields.other(),
    )


def _plain_aare(octets: bytes) -> Aare | None:
    """An AARE with context, result, diagnostic and user information, which is what a server without HLS sends.

    None for everything else, and for names and codes that are not in the tables.
    """
    octets_after = len(octets) - _PLAIN_AARE.size
    if not 0 <= octets_after < 0x60:  # all lengths are short then
        return None
    fields = _PLAIN_AARE.unpack_from(octets)
    if fields[:2] != (_AARE, len(octets) - 2):
        return None
    if fields[5:] != (_USER_INFORMATION, octets_after + 2, ber.OCTET_STRING, octets_after):
        return None
    context = _PLAIN_CONTEXTS.get(fields[2])
    result = _PLAIN_RESULTS.get(fields[3])
    diagnostic = _PLAIN_DIAGNOSTICS.get(fields[4])
    if context is None or result is None or diagnostic is None:
        return None
    return Aare(context=context, result=result, diagnostic=diagnostic, user_information=octets[_PLAIN_AARE.size :])


def _decode_aare(fields: _Fields) -> Aare:
    source, diagnostic = _diagnostic(fields)
    return Aare(
        context=fields.context(),
        result=fields.result(),
        diagnostic=diagnostic,
        diagnostic_source=source,
        protocol_version=fields.bits(_PROTOCOL_VERSION, "protocol version"),
        responding_ap_title=fields.wrapped(0xA4, ber.OCTET_STRING, "responding AP title"),
        authentication=fields.authentication(0x88, "responder ACSE requirements"),
        mechanism=fields.mechanism(0x89),
        authentication_value=fields.wrapped(0xAA, _CHAR_STRING, "responding authentication value"),
        user_information=fields.wrapped(_USER_INFORMATION, ber.OCTET_STRING, "user information"),
        other=fields.other(),
    )


def _diagnostic(fields: _Fields) -> tuple[DiagnosticSource, Diagnostic]:
    start, end = fields.required(0xA3, "result source diagnostic")
    known = _KNOWN_DIAGNOSTICS.get(fields.octets[start:end])
    if known is not None:
        return known
    tag, inner_start, inner_end = ber.read(fields.octets, start, end)
    if tag not in (0xA1, 0xA2) or inner_end != end:
        raise RemoteProtocolError("the diagnostic is neither the service user's nor the provider's", octet_offset=start)
    source = DiagnosticSource(tag & 0x0F)
    number = _number(_inner_integer(fields.octets, inner_start, inner_end, "diagnostic"), inner_start)
    if source is DiagnosticSource.SERVICE_USER:
        return source, code(AcseDiagnostic, number)
    return source, code(ProviderDiagnostic, number)


def _number(value: int, offset: int = 0) -> int:
    if value < 0:
        raise RemoteProtocolError(f"{value} where a code of 0 or more should stand", octet_offset=offset)
    return value


def _release(fields: _Fields) -> tuple[ReleaseReason | UnknownCode | None, bytes]:
    span = fields.spans.pop(_RELEASE_REASON, None)
    reason = None
    if span is not None:
        reason = code(ReleaseReason, _number(ber.integer(fields.octets, *span, "release reason"), span[0]))
    return reason, fields.wrapped(_USER_INFORMATION, ber.OCTET_STRING, "user information")


def _decode_rlrq(fields: _Fields) -> Rlrq:
    reason, user_information = _release(fields)
    return Rlrq(reason=reason, user_information=user_information, other=fields.other())


def _decode_rlre(fields: _Fields) -> Rlre:
    reason, user_information = _release(fields)
    return Rlre(reason=reason, user_information=user_information, other=fields.other())


_DECODERS: Final[dict[int, Callable[[_Fields], AcseApdu]]] = {
    ApduTag.AARQ: _decode_aarq,
    ApduTag.AARE: _decode_aare,
    ApduTag.RLRQ: _decode_rlrq,
    ApduTag.RLRE: _decode_rlre,
}


def decode(octets: bytes | bytearray | memoryview) -> AcseApdu:
    """Read one whole AARQ, AARE, RLRQ or RLRE.

    Raises RemoteProtocolError for any other tag, a missing or doubled field, lengths that do not fit, left-over octets.
    """
    octets = bytes(octets)
    if len(octets) <= KNOWN_OCTETS_MAX and octets[:1] != b"\x60":
        return _decode_known(octets)
    return _decode(octets)


def _decode(octets: bytes) -> AcseApdu:
    return _plain_aare(octets) or _decode_any(octets)


def _decode_any(octets: bytes) -> AcseApdu:
    if len(octets) > ACSE_OCTETS_MAX:
        raise RemoteProtocolError(f"an ACSE APDU of {len(octets)} octets; at most {ACSE_OCTETS_MAX} are read")
    tag, start, end = ber.read(octets, 0, len(octets))
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise RemoteProtocolError(f"tag {tag:02X} is none of AARQ, AARE, RLRQ, RLRE", octet_offset=0)
    if end != len(octets):
        raise RemoteProtocolError(f"{len(octets) - end} octets left over after the ACSE APDU", octet_offset=end)
    return decoder(_Fields(octets, start, end))


_decode_known = lru_cache(maxsize=KNOWN_APDUS_MAX)(_decode)
