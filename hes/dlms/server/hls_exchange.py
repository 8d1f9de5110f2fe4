"""How passes 3 and 4 of HLS travel: the method of Association LN by ACTION, that of Association SN by Read or Write.

Source: docs/protocols/dlms-application.md §2 (HLS); docs/protocols/short-names.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hes.dlms import apdu
from hes.dlms.apdu import MethodDescriptor, ParameterizedAccess, VariableName
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, REPLY_TO_HLS
from hes.dlms.cosem.association_sn import REPLY_TO_HLS_SN
from hes.dlms.cosem.short_names import ASSOCIATION_SN_BASE, method_name
from hes.errors import RemoteProtocolError

HLS_REPLY: Final = MethodDescriptor(15, CURRENT_ASSOCIATION, REPLY_TO_HLS)
HLS_REPLY_NAME: Final = method_name(ASSOCIATION_SN_BASE, 12, 2, REPLY_TO_HLS_SN)  # FA58

_READ_DENIED: Final = apdu.ReadResponse((apdu.DataAccessError(DataAccessResult.READ_WRITE_DENIED),)).encode()
_WRITE_DENIED: Final = apdu.WriteResponse((apdu.DataAccessError(DataAccessResult.READ_WRITE_DENIED),)).encode()
_WRITTEN: Final = apdu.WriteResponse((apdu.WriteSuccess(),)).encode()


@dataclass(frozen=True, slots=True)
class Pass3:
    """A request that brings the client's proof. proof: encoded Data. denied: the answer to a wrong one.
    passed: the answer to a right one, from the encoded Data of pass 4."""

    proof: bytes
    denied: bytes
    passed: Callable[[bytes], bytes]


def read_pass_3(plain: bytes, *, short_names: bool) -> Pass3 | None:
    """What `plain` brings; None when it is anything but pass 3."""
    try:
        request = apdu.decode(plain)
    except RemoteProtocolError:
        return None
    if short_names:
        return _by_short_name(request)
    if not isinstance(request, apdu.ActionRequestNormal) or request.method != HLS_REPLY:
        return None
    invoke = request.invoke

    def passed(data: bytes) -> bytes:
        return apdu.ActionResponseNormal(invoke, ActionResult.SUCCESS, data).encode()

    denied = apdu.ActionResponseNormal(invoke, ActionResult.READ_WRITE_DENIED).encode()
    return Pass3(request.data or b"", denied, passed)


def _by_short_name(request: apdu.Apdu) -> Pass3 | None:
    match request:
        case apdu.ReadRequest(variables=(ParameterizedAccess(name=name, parameter=proof),)) if name == HLS_REPLY_NAME:
            return Pass3(proof, _READ_DENIED, _read)
        case apdu.WriteRequest(variables=(VariableName(name=name),), data=(proof,)) if name == HLS_REPLY_NAME:
            return Pass3(proof, _WRITE_DENIED, _written)
    return None


def _read(data: bytes) -> bytes:
    return apdu.ReadResponse((apdu.ReadData(data),)).encode()


def _written(_data: bytes) -> bytes:
    """Pass 4 has no place in a WriteResponse."""
    return _WRITTEN
