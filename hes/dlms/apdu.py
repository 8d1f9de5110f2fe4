"""xDLMS APDUs as values: octets in, one frozen dataclass out, and back.

`decode` finds the decoder by the first octet and, for services with forms, by the second. A service that is not here
yet is one more entry in a table; nothing else changes. Ciphered
APDUs are opened first (hes.dlms.security.ciphering), ACSE has its own module (hes.dlms.acse).

Source: docs/protocols/dlms-application.md §1 and §3; docs/protocols/short-names.md §1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hes.dlms.codes import ApduTag
from hes.dlms.xdlms import action, get, set  # noqa: A004 - the service is called SET
from hes.dlms.xdlms.access import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessResult,
    AccessSpecification,
    read_access_request,
    read_access_response,
)
from hes.dlms.xdlms.action import (
    ActionOutcome,
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestNextBlock,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionRequestWithListFirstBlock,
    ActionResponseBlock,
    ActionResponseNextBlock,
    ActionResponseNormal,
    ActionResponseWithList,
    decode_outcome,
    decode_outcomes,
    encode_action_request,
    encode_outcome,
    encode_outcomes,
)
from hes.dlms.xdlms.common import (
    INVOKE_CONFIRMED,
    INVOKE_HIGH_PRIORITY,
    INVOKE_ID_MASK,
    LONG_INVOKE_BREAK_ON_ERROR,
    LONG_INVOKE_CONFIRMED,
    LONG_INVOKE_HIGH_PRIORITY,
    LONG_INVOKE_ID_MASK,
    LONG_INVOKE_SELF_DESCRIPTIVE,
    AttributeDescriptor,
    MethodDescriptor,
    Octets,
    Reader,
    UnknownApduError,
    invoke_id,
    long_invoke_id,
)
from hes.dlms.xdlms.exception import (
    ConfirmedServiceError,
    ExceptionResponse,
    read_confirmed_service_error,
    read_exception_response,
)
from hes.dlms.xdlms.general_block import GeneralBlock, read_general_block
from hes.dlms.xdlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
    decode_data_results,
    decode_get_response_value,
    encode_data_results,
    encode_get_request,
    get_response_offset,
)
from hes.dlms.xdlms.information_report import InformationReport, read_information_report
from hes.dlms.xdlms.notification import (
    DataNotification,
    DataNotificationConfirm,
    EventNotification,
    read_data_notification,
    read_data_notification_confirm,
    read_event_notification,
)
from hes.dlms.xdlms.read import (
    DataAccessError,
    DataBlock,
    ReadBlockNumber,
    ReadData,
    ReadRequest,
    ReadResponse,
    read_read_request,
    read_read_response,
)
from hes.dlms.xdlms.set import (
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestNormal,
    SetRequestWithList,
    SetRequestWithListFirstBlock,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseNormal,
    SetResponseWithList,
    decode_values,
    encode_values,
)
from hes.dlms.xdlms.variable_access import (
    BlockNumberAccess,
    ParameterizedAccess,
    ReadDataBlockAccess,
    VariableName,
    WriteDataBlockAccess,
)
from hes.dlms.xdlms.write import (
    UnconfirmedWriteRequest,
    WriteBlockNumber,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
    read_unconfirmed_write_request,
    read_write_request,
    read_write_response,
)
from hes.errors import RemoteProtocolError

__all__ = [
    "INVOKE_CONFIRMED",
    "INVOKE_HIGH_PRIORITY",
    "INVOKE_ID_MASK",
    "LONG_INVOKE_BREAK_ON_ERROR",
    "LONG_INVOKE_CONFIRMED",
    "LONG_INVOKE_HIGH_PRIORITY",
    "LONG_INVOKE_ID_MASK",
    "LONG_INVOKE_SELF_DESCRIPTIVE",
    "AccessKind",
    "AccessRequest",
    "AccessResponse",
    "AccessResult",
    "AccessSpecification",
    "ActionOutcome",
    "ActionRequest",
    "ActionRequestBlock",
    "ActionRequestFirstBlock",
    "ActionRequestNextBlock",
    "ActionRequestNormal",
    "ActionRequestWithList",
    "ActionRequestWithListFirstBlock",
    "ActionResponse",
    "ActionResponseBlock",
    "ActionResponseNextBlock",
    "ActionResponseNormal",
    "ActionResponseWithList",
    "Apdu",
    "AttributeDescriptor",
    "BlockNumberAccess",
    "ConfirmedServiceError",
    "DataAccessError",
    "DataBlock",
    "DataNotification",
    "DataNotificationConfirm",
    "EventNotification",
    "ExceptionResponse",
    "GeneralBlock",
    "GetRequest",
    "GetRequestNext",
    "GetRequestNormal",
    "GetRequestWithList",
    "GetResponse",
    "GetResponseNormal",
    "GetResponseWithBlock",
    "GetResponseWithList",
    "InformationReport",
    "MethodDescriptor",
    "ParameterizedAccess",
    "ReadBlockNumber",
    "ReadData",
    "ReadDataBlockAccess",
    "ReadRequest",
    "ReadResponse",
    "SetRequest",
    "SetRequestBlock",
    "SetRequestFirstBlock",
    "SetRequestNormal",
    "SetRequestWithList",
    "SetRequestWithListFirstBlock",
    "SetResponse",
    "SetResponseBlock",
    "SetResponseLastBlock",
    "SetResponseLastBlockWithList",
    "SetResponseNormal",
    "SetResponseWithList",
    "UnconfirmedWriteRequest",
    "UnknownApduError",
    "VariableName",
    "WriteBlockNumber",
    "WriteDataBlockAccess",
    "WriteRequest",
    "WriteResponse",
    "WriteSuccess",
    "decode",
    "decode_data_results",
    "decode_get_response_value",
    "decode_outcome",
    "decode_outcomes",
    "decode_values",
    "encode_action_request",
    "encode_data_results",
    "encode_get_request",
    "encode_outcome",
    "encode_outcomes",
    "encode_values",
    "get_response_offset",
    "invoke_id",
    "long_invoke_id",
]

GetRequest = get.GetRequest
GetResponse = get.GetResponse
SetRequest = set.SetRequest
SetResponse = set.SetResponse
ActionRequest = action.ActionRequest
ActionResponse = action.ActionResponse

Apdu = (
    GetRequest
    | GetResponse
    | SetRequest
    | SetResponse
    | ActionRequest
    | ActionResponse
    | AccessRequest
    | AccessResponse
    | GeneralBlock
    | DataNotification
    | DataNotificationConfirm
    | EventNotification
    | ExceptionResponse
    | ConfirmedServiceError
    | ReadRequest
    | ReadResponse
    | WriteRequest
    | WriteResponse
    | UnconfirmedWriteRequest
    | InformationReport
)

# services with forms: the second octet chooses
CHOICES: Final[dict[int, Mapping[int, Callable[[Reader], Apdu]]]] = {
    ApduTag.GET_REQUEST: get.REQUESTS,
    ApduTag.GET_RESPONSE: get.RESPONSES,
    ApduTag.SET_REQUEST: set.REQUESTS,
    ApduTag.SET_RESPONSE: set.RESPONSES,
    ApduTag.ACTION_REQUEST: action.REQUESTS,
    ApduTag.ACTION_RESPONSE: action.RESPONSES,
}
# services with one form
SINGLE: Final[dict[int, Callable[[Reader], Apdu]]] = {
    ApduTag.ACCESS_REQUEST: read_access_request,
    ApduTag.ACCESS_RESPONSE: read_access_response,
    ApduTag.GENERAL_BLOCK_TRANSFER: read_general_block,
    ApduTag.DATA_NOTIFICATION: read_data_notification,
    ApduTag.DATA_NOTIFICATION_CONFIRM: read_data_notification_confirm,
    ApduTag.EVENT_NOTIFICATION: read_event_notification,
    ApduTag.EXCEPTION_RESPONSE: read_exception_response,
    ApduTag.CONFIRMED_SERVICE_ERROR: read_confirmed_service_error,
    ApduTag.READ_REQUEST: read_read_request,
    ApduTag.READ_RESPONSE: read_read_response,
    ApduTag.WRITE_REQUEST: read_write_request,
    ApduTag.WRITE_RESPONSE: read_write_response,
    ApduTag.UNCONFIRMED_WRITE_REQUEST: read_unconfirmed_write_request,
    ApduTag.INFORMATION_REPORT_REQUEST: read_information_report,
}


def decode(octets: Octets) -> Apdu:
    """Read one whole, unciphered xDLMS APDU.

    Raises UnknownApduError (a RemoteProtocolError) for a tag or form that is not in the tables, RemoteProtocolError for
    everything else that is wrong, octets left over included.
    """
    octets = bytes(octets)
    if len(octets) < 2:
        raise RemoteProtocolError(f"an APDU has 2 octets or more, this has {len(octets)}", octet_offset=0)
    tag, choice = octets[0], octets[1]
    forms = CHOICES.get(tag)
    if forms is not None:
        read = forms.get(choice)
        if read is None:
            raise UnknownApduError(
                f"form {choice} of {ApduTag(tag).name} is not known", tag=tag, choice=choice, known_service=True
            )
        reader = Reader(octets, 2)
    else:
        read = SINGLE.get(tag)
        if read is None:
            raise UnknownApduError(f"APDU tag {tag:02X} is not known here", tag=tag)
        reader = Reader(octets, 1)
    apdu = read(reader)
    reader.end()
    return apdu
