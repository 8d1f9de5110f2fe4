"""How passes 3 and 4 of HLS travel: the method of Association LN by ACTION, that of Association SN by Read or Write.

Source: docs/protocols/dlms-application.md §2 (HLS); docs/protocols/short-names.md §5.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hes.dlms import apdu
from hes.dlms.apdu import MethodDescriptor, ParameterizedAccess, VariableName
from hes.dlms.codes import ActionResult, ApduTag, DataAccessResult
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, REPLY_TO_HLS
from hes.dlms.cosem.association_sn import REPLY_TO_HLS_SN
from hes.dlms.cosem.short_names import ASSOCIATION_SN_BASE, method_name
from hes.errors import RemoteProtocolError

HLS_REPLY: Final = MethodDescriptor(15, CURRENT_ASSOCIATION, REPLY_TO_HLS)
HLS_REPLY_NAME: Final = method_name(ASSOCIATION_SN_BASE, 12, 2, REPLY_TO_HLS_SN)  # FA58

_READ_DENIED: Final = apdu.ReadResponse((apdu.DataAccessError(DataAccessResult.READ_WRITE_DENIED),)).encode()
_READ: Final = apdu.ReadResponse((apdu.ReadData(b"\x00"),)).encode()[:-1]
_WRITE_DENIED: Final = apdu.WriteResponse((apdu.DataAccessError(DataAccessResult.READ_WRITE_DENIED),)).encode()
_WRITTEN: Final = apdu.WriteResponse((apdu.WriteSuccess(),)).encode()


_ACTION_NORMAL: Final = b"\xc3\x01"
_METHOD: Final = bytes((0, 15)) + CURRENT_ASSOCIATION + bytes((REPLY_TO_HLS, 1))  # and parameters come behind it
_OCTET_STRING: Final = 0x09
_PROOF_AT: Final = 13  # in an ActionRequestNormal


class Pass3(NamedTuple):
    """A request that brings the client's proof. proof: encoded Data. denied: the answer to a wrong one.

    accepted: the answer to a right one, behind which the encoded Data of pass 4 stands if there is a place for it.
    """

    proof: bytes
    denied: bytes
    accepted: bytes
    has_place: bool = True

    def passed(self, answer: bytes) -> bytes:
        """The answer to a right one. answer: encoded Data of pass 4."""
        return self.accepted + answer if self.has_place else self.accepted


def read_pass_3(plain: bytes, *, short_names: bool) -> Pass3 | None:
    """What `plain` brings; None when it is anything but pass 3."""
    if not short_names and _is_usual(plain):
        return _by_action(plain[2], plain[_PROOF_AT:])
    try:
        request = apdu.decode(plain)
    except RemoteProtocolError:
        return None
    if short_names:
        return _by_short_name(request)
    if not isinstance(request, apdu.ActionRequestNormal) or request.method != HLS_REPLY:
        return None
    return _by_action(request.invoke, request.data or b"")


def _is_usual(plain: bytes) -> bool:
    """Whether it is the ACTION of pass 3 with an octet-string below 128 octets: what nearly every client sends."""
    left = len(plain) - _PROOF_AT - 2
    if not 0 <= left < 0x80 or plain[:2] != _ACTION_NORMAL or plain[3:_PROOF_AT] != _METHOD:
        return False
    return plain[_PROOF_AT] == _OCTET_STRING and plain[_PROOF_AT + 1] == left


def _by_action(invoke: int, proof: bytes) -> Pass3:
    """The answers are those of `apdu.ActionResponseNormal`, written at once."""
    denied = bytes((ApduTag.ACTION_RESPONSE, 1, invoke, ActionResult.READ_WRITE_DENIED, 0))
    return Pass3(proof, denied, bytes((ApduTag.ACTION_RESPONSE, 1, invoke, ActionResult.SUCCESS, 1, 0)))


def _by_short_name(request: apdu.Apdu) -> Pass3 | None:
    match request:
        case apdu.ReadRequest(variables=(ParameterizedAccess(name=name, parameter=proof),)) if name == HLS_REPLY_NAME:
            return Pass3(proof, _READ_DENIED, _READ)
        case apdu.WriteRequest(variables=(VariableName(name=name),), data=(proof,)) if name == HLS_REPLY_NAME:
            return Pass3(proof, _WRITE_DENIED, _WRITTEN, has_place=False)
    return None
