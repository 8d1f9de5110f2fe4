"""Exception-responses with which a server refuses a whole request.

Which is given when: docs/protocols/dlms-roles.md §2.
"""

from __future__ import annotations

from typing import Final

from hes.dlms import apdu
from hes.dlms.codes import ServiceError, StateError
from hes.errors import RemoteProtocolError


def refusal(state_error: StateError, service_error: ServiceError) -> bytes:
    return apdu.ExceptionResponse(state_error, service_error).encode()


def malformed(what: str, error: RemoteProtocolError) -> str:
    """The decoder's own sentence about a `what` that cannot be read, with the octet where it stopped."""
    where = "" if error.octet_offset is None else f" (octet {error.octet_offset})"
    return f"{what}: {error.message}{where}"


NOT_POSSIBLE: Final = refusal(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
NOT_NEGOTIATED: Final = refusal(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)
MALFORMED: Final = refusal(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)
TOO_LONG: Final = refusal(StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG)
NOT_DECIPHERED: Final = refusal(StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR)
UNKNOWN_SERVICE: Final = refusal(StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)
