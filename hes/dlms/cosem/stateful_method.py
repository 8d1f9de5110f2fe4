"""Methods that turn the state of their object into another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, Method
from hes.dlms.cosem.inner_calls import number
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.data import Data, Tag
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile
S = TypeVar("S")
P = TypeVar("P")

Answer: TypeAlias = ActionResult | ActionReply


def stateful_method(
    entry: StatefulObject[I, S],
    parse: Callable[[Data], P],
    move: Callable[[Context[I], S, P], tuple[S, Answer]],
    *,
    invocable: Role = Role.MANAGEMENT,
) -> Method[I]:
    """A method of `entry` that gives a new state beside its result; the same state leaves nothing behind.

    parse: the parameters (null-data when none were sent); RemoteProtocolError is answered as TYPE_UNMATCHED.
    move: must not reach other objects, which could come back to this one.
    """

    def invoke(context: Context[I], parameters: Data | None) -> Answer:
        try:
            wanted = parse(Data(Tag.NULL, None) if parameters is None else parameters)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED
        present = entry.state(context)
        state, answer = move(context, present, wanted)
        if state is not present:
            entry.put(context, state)
        return answer

    return Method(invoke=invoke, invocable=invocable)


def no_parameters(value: Data) -> None:
    """integer(0), which methods without parameters take; nothing at all and other integers will do too [A]."""
    if value.tag is not Tag.NULL:
        number(value, Tag.INTEGER)


def optional(parse: Callable[[Data], Any]) -> Callable[[Data], Any]:
    """`parse`, or None for null-data."""
    return lambda value: None if value.tag is Tag.NULL else parse(value)
