"""The way of one APDU through an open association: unprotect, serve, protect.

    octets -> unprotect -> association.serve (HLS or the services) -> protected -> octets

`answer` is the whole way; its steps are functions of their own, since opening and releasing an association take
some of them alone. What lies outside of it (whose APDU it is, how long it may be) is the `Server`'s.

Source: docs/protocols/dlms-application.md §5; docs/protocols/dlms-roles.md §2.
"""

from __future__ import annotations

from typing import Any, Final

from hes.dlms import apdu
from hes.dlms.association import State
from hes.dlms.codes import ApduTag, ServiceError, StateError
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.security import SecurityControl
from hes.dlms.security.ciphering import (
    CipheringStyle,
    InvocationCounterError,
    KeyScope,
    Unprotected,
    is_protected,
)
from hes.dlms.server.association import ServerAssociation
from hes.dlms.server.protection import Protection
from hes.dlms.server.refusals import NOT_DECIPHERED, NOT_POSSIBLE
from hes.errors import LocalProtocolError, RemoteProtocolError

_NEXT_BLOCK: Final = (b"\xc0\x02", b"\xc3\x02")
_POLICY_CASE: Final = "SYMSEC_0_SecPol"
_NEXT_READ: Final = b"\x05"  # block-number-access of a short-name Read
UNPROTECTED: Final = Unprotected(b"", SecurityControl(0), 0, KeyScope.GLOBAL, CipheringStyle.SERVICE_SPECIFIC, b"")
_NEVER_PROTECTED: Final = frozenset({0xC0, 0xC1, 0xC3})  # plain GET, SET and ACTION: what is asked most, told at once


def answer(association: ServerAssociation[Any], octets: bytes, findings: list[Finding]) -> bytes | None:
    """What one whole APDU is answered with, protected in kind; None for silence."""
    context, protection = association.context, association.protection
    if protection is not None and association.state is State.ASSOCIATED:  # before that, pass 3 wants more
        usual = protection.open_usual(octets)
        if usual is not None:
            return _answer_opened(association, protection, usual, findings)
    if octets[0] in _NEVER_PROTECTED or not is_protected(octets):
        if protection is not None and not protection.sufficient(None):
            text = f"APDU {octets[0]:02X} in the clear where the policy demands protection"
            context.note(FindingKind.PROTECTION_TOO_WEAK, text, _POLICY_CASE)
            return NOT_POSSIBLE
        context.authenticated = context.encrypted = False
        context.request_bits = 0
        if context.response_bits and not _continues(octets):
            context.response_bits = 0
        plain = association.serve(octets, None, findings)
        return _guarded(association, plain, None) if context.response_bits else plain
    opened = unprotect(association, octets, findings)
    if isinstance(opened, bytes):
        return opened
    return _answer_opened(association, protection, opened, findings)


def _answer_opened(
    association: ServerAssociation[Any], protection: Protection | None, opened: Unprotected, findings: list[Finding]
) -> bytes | None:
    """What a request that was protected well enough is answered with."""
    context, control = association.context, opened.control
    context.authenticated, context.encrypted = control & 0x10 != 0, control & 0x20 != 0
    context.request_bits = (control & 0x30) >> 2 | (0x10 if opened.signed else 0)
    if context.response_bits and not _continues(opened.apdu):
        context.response_bits = 0
    plain = association.serve(opened.apdu, opened, findings)
    if context.response_bits:
        return _guarded(association, plain, opened)
    if plain is None or plain[0] == ApduTag.EXCEPTION_RESPONSE or protection is None:
        return plain
    return protected(protection, plain, opened, findings, context.client.client_sap)


def _guarded(association: ServerAssociation[Any], plain: bytes | None, opened: Unprotected | None) -> bytes | None:
    """An answer that access rights want protected, whether the request was or not."""
    protection = association.protection
    if plain is None or plain[0] == ApduTag.EXCEPTION_RESPONSE or protection is None:
        return plain
    request = opened or UNPROTECTED._replace(control=SecurityControl(protection.suite))
    try:
        return protection.protect_like(plain, request, association.context.response_bits)
    except LocalProtocolError as error:
        association.context.note(FindingKind.COUNTER_USED_UP, error.message)
        return NOT_POSSIBLE


def _continues(plain: bytes) -> bool:
    """Whether an APDU asks for the next block of an answer: what that had to carry, its blocks do."""
    return (
        plain[0] == ApduTag.GENERAL_BLOCK_TRANSFER
        or plain[:2] in _NEXT_BLOCK
        or (plain[0] == ApduTag.READ_REQUEST and plain[2:3] == _NEXT_READ)
    )


def unprotect(association: ServerAssociation[Any], octets: bytes, findings: list[Finding]) -> Unprotected | bytes:
    """The request inside a protected one, or the answer that refuses it."""
    client_sap = association.context.client.client_sap
    try:
        opened = association.open(octets)
    except InvocationCounterError as error:
        findings.append(Finding(FindingKind.REPLAYED, error.message, client_sap))
        return counter_expected(error)
    except RemoteProtocolError as error:
        findings.append(Finding(_why_not_opened(association, octets), error.message, client_sap))
        return NOT_DECIPHERED
    if association.protection and not association.protection.sufficient(opened):
        text = "a request is protected less than the policy demands"
        findings.append(Finding(FindingKind.PROTECTION_TOO_WEAK, text, client_sap, _POLICY_CASE))
        return NOT_POSSIBLE
    return opened


def _why_not_opened(association: ServerAssociation[Any], octets: bytes) -> FindingKind:
    """What kind of fault it is that a protected request cannot be opened."""
    protection = association.protection
    if protection is None:
        return FindingKind.UNEXPECTED_PROTECTION
    titled = octets[0] in (ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING) and octets[1:2] == b"\x08"
    own = titled and octets[2:10] == protection.state.system_title
    return FindingKind.REFLECTED if own else FindingKind.DECIPHERING_FAILED


def protected(
    protection: Protection, plain: bytes, request: Unprotected, findings: list[Finding], client_sap: int
) -> bytes:
    """The answer in kind; NOT_POSSIBLE once the counter of the key has run out."""
    try:
        return protection.protect_like(plain, request)
    except LocalProtocolError as error:
        findings.append(Finding(FindingKind.COUNTER_USED_UP, error.message, client_sap))
        return NOT_POSSIBLE


def counter_expected(error: InvocationCounterError) -> bytes:
    """The refusal that names the lowest counter that will be taken."""
    return apdu.ExceptionResponse(
        StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, error.expected
    ).encode()
