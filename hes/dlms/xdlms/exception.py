"""Refusals of a whole service: exception-response (D8) and confirmed-service-error (0E).

Source: docs/protocols/dlms-application.md §3 (results).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.codes import (
    ApplicationReferenceError,
    ConfirmedService,
    ErrorGroup,
    InitiateError,
    ServiceError,
    ServiceFault,
    StateError,
    UnknownCode,
    code,
)
from hes.dlms.xdlms.common import Reader, encode_u8, encode_u32
from hes.errors import LocalProtocolError

ErrorCode = ApplicationReferenceError | InitiateError | ServiceFault | UnknownCode
ERROR_CODES: Final[dict[int, type[ApplicationReferenceError] | type[InitiateError] | type[ServiceFault]]] = {
    ErrorGroup.APPLICATION_REFERENCE: ApplicationReferenceError,
    ErrorGroup.SERVICE: ServiceFault,
    ErrorGroup.INITIATE: InitiateError,
}


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """invocation_counter: the counter the peer expected; present exactly when it is what service_error says."""

    state_error: StateError | UnknownCode
    service_error: ServiceError | UnknownCode
    invocation_counter: int | None = None

    def encode(self) -> bytes:
        octets = b"\xd8" + encode_u8(self.state_error, "state error") + encode_u8(self.service_error, "service error")
        counted = self.service_error == ServiceError.INVOCATION_COUNTER_ERROR
        if counted != (self.invocation_counter is not None):
            raise LocalProtocolError("an exception carries a counter exactly when it is an invocation counter error")
        if self.invocation_counter is None:
            return octets
        return octets + encode_u32(self.invocation_counter, "invocation counter")


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """code: a member of the group's table where this module has one (ERROR_CODES), else the number."""

    service: ConfirmedService | UnknownCode
    group: ErrorGroup | UnknownCode
    code: ErrorCode

    def encode(self) -> bytes:
        return (
            b"\x0e" + encode_u8(self.service, "service") + encode_u8(self.group, "group") + encode_u8(self.code, "code")
        )


def read_exception_response(reader: Reader) -> ExceptionResponse:
    state_error = code(StateError, reader.u8("state error"))
    service_error = code(ServiceError, reader.u8("service error"))
    if service_error == ServiceError.INVOCATION_COUNTER_ERROR:
        return ExceptionResponse(state_error, service_error, reader.u32("invocation counter"))
    return ExceptionResponse(state_error, service_error)


def read_confirmed_service_error(reader: Reader) -> ConfirmedServiceError:
    service = code(ConfirmedService, reader.u8("service"))
    group = code(ErrorGroup, reader.u8("group"))
    number = reader.u8("code")
    table = ERROR_CODES.get(group)
    return ConfirmedServiceError(service, group, UnknownCode(number) if table is None else code(table, number))
