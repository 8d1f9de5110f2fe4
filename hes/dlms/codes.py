"""Numbers of the DLMS/COSEM application layer with their names, and how a number outside the tables is kept.

Source: docs/protocols/dlms-application.md §1 (tags), §2 (ACSE, conformance), §3 (results and errors);
docs/protocols/short-names.md §3 (errors of group service).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import TypeAlias, TypeVar


class UnknownCode(int):
    """A number that a peer sent and that is not in its table; it encodes back to the same number."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return f"UNKNOWN_{int(self)}"

    @property
    def value(self) -> int:
        return int(self)

    def __repr__(self) -> str:
        return f"UnknownCode({int(self)})"

    __str__ = __repr__


Code = TypeVar("Code", bound=IntEnum)


def code(table: type[Code], number: int) -> Code | UnknownCode:
    """The member of `table` with this number, or the number itself as UnknownCode."""
    member = table._value2member_map_.get(number)
    return UnknownCode(number) if member is None else member  # type: ignore[return-value]


class ApduTag(IntEnum):
    """First octet of an APDU; glo- and ded- forms of a service follow from it (see PROTECTED_TAGS)."""

    INITIATE_REQUEST = 0x01
    READ_REQUEST = 0x05
    WRITE_REQUEST = 0x06
    INITIATE_RESPONSE = 0x08
    READ_RESPONSE = 0x0C
    WRITE_RESPONSE = 0x0D
    CONFIRMED_SERVICE_ERROR = 0x0E
    DATA_NOTIFICATION = 0x0F
    DATA_NOTIFICATION_CONFIRM = 0x10
    UNCONFIRMED_WRITE_REQUEST = 0x16
    INFORMATION_REPORT_REQUEST = 0x18
    GLO_INITIATE_REQUEST = 0x21
    GLO_READ_REQUEST = 0x25
    GLO_WRITE_REQUEST = 0x26
    GLO_INITIATE_RESPONSE = 0x28
    GLO_READ_RESPONSE = 0x2C
    GLO_WRITE_RESPONSE = 0x2D
    GLO_CONFIRMED_SERVICE_ERROR = 0x2E
    GLO_UNCONFIRMED_WRITE_REQUEST = 0x36
    GLO_INFORMATION_REPORT_REQUEST = 0x38
    DED_INITIATE_REQUEST = 0x41
    DED_READ_REQUEST = 0x45
    DED_WRITE_REQUEST = 0x46
    DED_INITIATE_RESPONSE = 0x48
    DED_READ_RESPONSE = 0x4C
    DED_WRITE_RESPONSE = 0x4D
    DED_CONFIRMED_SERVICE_ERROR = 0x4E
    DED_UNCONFIRMED_WRITE_REQUEST = 0x56
    DED_INFORMATION_REPORT_REQUEST = 0x58
    AARQ = 0x60
    AARE = 0x61
    RLRQ = 0x62
    RLRE = 0x63
    GET_REQUEST = 0xC0
    SET_REQUEST = 0xC1
    EVENT_NOTIFICATION = 0xC2
    ACTION_REQUEST = 0xC3
    GET_RESPONSE = 0xC4
    SET_RESPONSE = 0xC5
    ACTION_RESPONSE = 0xC7
    GLO_GET_REQUEST = 0xC8
    GLO_SET_REQUEST = 0xC9
    GLO_EVENT_NOTIFICATION = 0xCA
    GLO_ACTION_REQUEST = 0xCB
    GLO_GET_RESPONSE = 0xCC
    GLO_SET_RESPONSE = 0xCD
    GLO_ACTION_RESPONSE = 0xCF
    DED_GET_REQUEST = 0xD0
    DED_SET_REQUEST = 0xD1
    DED_EVENT_NOTIFICATION = 0xD2
    DED_ACTION_REQUEST = 0xD3
    DED_GET_RESPONSE = 0xD4
    DED_SET_RESPONSE = 0xD5
    DED_ACTION_RESPONSE = 0xD7
    EXCEPTION_RESPONSE = 0xD8
    ACCESS_REQUEST = 0xD9
    ACCESS_RESPONSE = 0xDA
    GENERAL_GLO_CIPHERING = 0xDB
    GENERAL_DED_CIPHERING = 0xDC
    GENERAL_CIPHERING = 0xDD
    GENERAL_SIGNING = 0xDF
    GENERAL_BLOCK_TRANSFER = 0xE0


class DataAccessResult(IntEnum):
    """Result of reading or writing one attribute. Source: docs/protocols/dlms-application.md §3."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class ActionResult(IntEnum):
    """Result of invoking one method. Source: docs/protocols/dlms-application.md §3."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


class StateError(IntEnum):
    """First field of an exception-response."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceError(IntEnum):
    """Second field of an exception-response; 6 is followed by the counter that was expected."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


class ConfirmedService(IntEnum):
    """Which service a confirmed-service-error answers."""

    INITIATE = 1
    READ = 5
    WRITE = 6


class ErrorGroup(IntEnum):
    """Which family the code of a confirmed-service-error belongs to."""

    APPLICATION_REFERENCE = 0
    HARDWARE_RESOURCE = 1
    VDE_STATE = 2
    SERVICE = 3
    DEFINITION = 4
    ACCESS = 5
    INITIATE = 6
    LOAD_DATA_SET = 7
    TASK = 9


class ApplicationReferenceError(IntEnum):
    OTHER = 0
    TIME_ELAPSED = 1
    APPLICATION_UNREACHABLE = 2
    APPLICATION_REFERENCE_INVALID = 3
    APPLICATION_CONTEXT_UNSUPPORTED = 4
    PROVIDER_COMMUNICATION_ERROR = 5
    DECIPHERING_ERROR = 6


class ServiceFault(IntEnum):
    """Codes of group SERVICE of a confirmed-service-error."""

    OTHER = 0
    PDU_SIZE = 1
    SERVICE_UNSUPPORTED = 2


class InitiateError(IntEnum):
    """Why the xDLMS part of an association was refused (group INITIATE of a confirmed-service-error)."""

    OTHER = 0
    DLMS_VERSION_TOO_LOW = 1
    INCOMPATIBLE_CONFORMANCE = 2
    PDU_SIZE_TOO_SHORT = 3
    REFUSED_BY_THE_VDE_HANDLER = 4


class AssociationResult(IntEnum):
    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class DiagnosticSource(IntEnum):
    """Who speaks in the diagnostic of an AARE."""

    SERVICE_USER = 1
    SERVICE_PROVIDER = 2


class AcseDiagnostic(IntEnum):
    """acse-service-user diagnostics of an AARE."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_ID_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_ID_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_ID_NOT_RECOGNIZED = 10
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class ProviderDiagnostic(IntEnum):
    """acse-service-provider diagnostics of an AARE."""

    NULL = 0
    NO_REASON_GIVEN = 1
    NO_COMMON_ACSE_VERSION = 2


class ReleaseReason(IntEnum):
    """Reason of an RLRQ (NORMAL, URGENT, USER_DEFINED) or an RLRE (NORMAL, NOT_FINISHED, USER_DEFINED).

    URGENT and NOT_FINISHED share the number 1.
    """

    NORMAL = 0
    URGENT = 1
    NOT_FINISHED = 1
    USER_DEFINED = 30


class ApplicationContext(IntEnum):
    """Last arc of the application context name 2.16.756.5.8.1.x."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4

    @property
    def ciphered(self) -> bool:
        return self >= ApplicationContext.LN_CIPHERED

    @property
    def short_names(self) -> bool:
        return self is ApplicationContext.SN or self is ApplicationContext.SN_CIPHERED


class Mechanism(IntEnum):
    """Last arc of the authentication mechanism name 2.16.756.5.8.2.x."""

    NONE = 0
    LLS = 1
    HLS = 2
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6
    HLS_ECDSA = 7

    @property
    def high_level(self) -> bool:
        """True when passes 3 and 4 must follow before the association is open."""
        return self >= Mechanism.HLS


class Conformance(IntFlag):
    """Services offered or agreed, 24 bits; bit 0 of the standard is the most significant one."""

    GENERAL_PROTECTION = 0x400000
    GENERAL_BLOCK_TRANSFER = 0x200000
    READ = 0x100000
    WRITE = 0x080000
    UNCONFIRMED_WRITE = 0x040000
    DELTA_VALUE_ENCODING = 0x020000
    ATTRIBUTE0_SET = 0x008000
    PRIORITY_MANAGEMENT = 0x004000
    ATTRIBUTE0_GET = 0x002000
    BLOCK_TRANSFER_GET = 0x001000
    BLOCK_TRANSFER_SET = 0x000800
    BLOCK_TRANSFER_ACTION = 0x000400
    MULTIPLE_REFERENCES = 0x000200
    INFORMATION_REPORT = 0x000100
    DATA_NOTIFICATION = 0x000080
    ACCESS = 0x000040
    PARAMETERIZED_ACCESS = 0x000020
    GET = 0x000010
    SET = 0x000008
    SELECTIVE_ACCESS = 0x000004
    EVENT_NOTIFICATION = 0x000002
    ACTION = 0x000001


CONFORMANCE_MASK = 0xFFFFFF

SHORT_NAMES_ONLY = (  # services that a context with logical names has no use for
    Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.INFORMATION_REPORT
    | Conformance.PARAMETERIZED_ACCESS
)
LOGICAL_NAMES_ONLY = (  # and the other way round
    Conformance.ATTRIBUTE0_SET
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.ATTRIBUTE0_GET
    | Conformance.BLOCK_TRANSFER_ACTION
    | Conformance.ACCESS
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)

AttributeResult: TypeAlias = DataAccessResult | UnknownCode
MethodResult: TypeAlias = ActionResult | UnknownCode


@lru_cache(maxsize=256)
def common_conformance(one: Conformance, other: Conformance) -> Conformance:
    """What both have. Kept, because every association asks and flags are slow to combine."""
    return one & other


_WITHOUT_LOGICAL_NAMES, _WITHOUT_SHORT_NAMES = ~LOGICAL_NAMES_ONLY, ~SHORT_NAMES_ONLY


def conformance_in(offer: Conformance, *, short_names: bool) -> Conformance:
    """What of `offer` belongs to a context with that kind of names."""
    return common_conformance(offer, _WITHOUT_LOGICAL_NAMES if short_names else _WITHOUT_SHORT_NAMES)
