"""ACCESS on the server: what is asked is done one after the other, in the order given.

Source: docs/protocols/dlms-application.md §3; docs/protocols/dlms-roles.md §2.
"""

from __future__ import annotations

from typing import Any, Final

from hes.dlms.apdu import (
    LONG_INVOKE_BREAK_ON_ERROR,
    LONG_INVOKE_SELF_DESCRIPTIVE,
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessResult,
    AccessSpecification,
    AttributeDescriptor,
    MethodDescriptor,
)
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.server.targets import Targets
from hes.dlms.xdlms.access import KIND_OF_ANSWER

_NULL: Final = b"\x00"


def carry_out(request: AccessRequest, targets: Targets[Any]) -> AccessResponse:
    """Do what was asked. Behind the first failure nothing is done when the request says so: other-reason [A]."""
    data: list[bytes] = []
    results: list[AccessResult] = []
    breaks, broken = bool(request.invoke & LONG_INVOKE_BREAK_ON_ERROR), False
    for specification, encoded in zip(request.specifications, request.data, strict=True):
        value, result = (_NULL, _not_done(specification.kind)) if broken else _one(specification, encoded, targets)
        broken = broken or (breaks and result[1] != 0)
        data.append(value)
        results.append(result)
    described = request.specifications if request.invoke & LONG_INVOKE_SELF_DESCRIPTIVE else None
    return AccessResponse(request.invoke, b"", described, tuple(data), tuple(results))


def _one(specification: AccessSpecification, encoded: bytes, targets: Targets[Any]) -> tuple[bytes, AccessResult]:
    kind, target, selection = specification
    if isinstance(target, MethodDescriptor):
        reply = targets.invoke(target, encoded)
        return _NULL if reply.data is None else reply.data, (AccessKind.ACTION, reply.result)
    assert isinstance(target, AttributeDescriptor)
    if KIND_OF_ANSWER[kind] is AccessKind.SET:
        return _NULL, (AccessKind.SET, targets.write(target, selection, encoded))
    value = targets.read(target, selection)
    if isinstance(value, bytes):
        return value, (AccessKind.GET, DataAccessResult.SUCCESS)
    return _NULL, (AccessKind.GET, value)


def _not_done(kind: AccessKind) -> AccessResult:
    if kind is AccessKind.ACTION:
        return AccessKind.ACTION, ActionResult.OTHER_REASON
    return KIND_OF_ANSWER[kind], DataAccessResult.OTHER_REASON
