import pytest

from hes.dlms import apdu
from hes.dlms.apdu import ConfirmedServiceError, ExceptionResponse
from hes.dlms.codes import (
    ApplicationReferenceError,
    ConfirmedService,
    ErrorGroup,
    InitiateError,
    ServiceError,
    StateError,
    UnknownCode,
)
from hes.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("D80102", ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("D80201", ExceptionResponse(StateError.SERVICE_UNKNOWN, ServiceError.OPERATION_NOT_POSSIBLE)),
        (
            "D801060000002A",
            ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, 42),
        ),
        ("D80309", ExceptionResponse(UnknownCode(3), UnknownCode(9))),
        (
            "0E010601",
            ConfirmedServiceError(ConfirmedService.INITIATE, ErrorGroup.INITIATE, InitiateError.DLMS_VERSION_TOO_LOW),
        ),
        (
            "0E050006",
            ConfirmedServiceError(
                ConfirmedService.READ, ErrorGroup.APPLICATION_REFERENCE, ApplicationReferenceError.DECIPHERING_ERROR
            ),
        ),
        ("0E060502", ConfirmedServiceError(ConfirmedService.WRITE, ErrorGroup.ACCESS, UnknownCode(2))),
        ("0E098807", ConfirmedServiceError(UnknownCode(9), UnknownCode(0x88), UnknownCode(7))),
    ],
)
def test_refusals_are_read_and_written(octets, value):
    decoded = apdu.decode(bytes.fromhex(octets))
    assert decoded == value
    assert repr(decoded) == repr(value)
    assert value.encode() == bytes.fromhex(octets)


@pytest.mark.parametrize("octets", ["D801", "D80106", "D801060000", "D8010200", "0E0106", "0E01060100"])
def test_a_refusal_that_breaks_the_layout_is_refused_itself(octets):
    with pytest.raises(RemoteProtocolError):
        apdu.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "value",
    [
        ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR),
        ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG, 42),
    ],
)
def test_a_counter_belongs_to_a_counter_error_and_to_nothing_else(value):
    with pytest.raises(LocalProtocolError):
        value.encode()
