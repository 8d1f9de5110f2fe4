"""Arbitrator, class 68: several actors ask for actions on one resource; weights say which one is carried out.

A request replaces the actor's last one. The weights of every action that is requested by somebody are summed over the
actors; a single highest sum wins, and its script runs. Where two are equal nothing happens and the last outcome stays.

Source: docs/protocols/cosem-functions.md §1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Method
from hes.dlms.cosem.inner_calls import ScriptReference, elements, members, number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

ACTORS_MAX: Final = 64  # [A]
ACTIONS_MAX: Final = 64  # [A]
NO_OUTCOME: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbitratorState:
    """permissions, weightings, requests: by actor; in each, a bit or a weight by action.

    requests: as many as permissions, or fewer before an actor has asked. outcome: number of the last winner, counted
    from 1; NO_OUTCOME before there was one [A].
    """

    actions: tuple[ScriptReference, ...] = ()
    permissions: tuple[str, ...] = ()
    weightings: tuple[tuple[int, ...], ...] = ()
    requests: tuple[str, ...] = ()
    outcome: int = NO_OUTCOME


def winner(state: ArbitratorState) -> int | None:
    """Index of the action with the single highest sum of weights; None when there is none."""
    sums = [0] * len(state.actions)
    for weights, wanted in zip(state.weightings, state.requests, strict=False):
        for index, weight in enumerate(weights[: len(sums)]):
            if wanted[index : index + 1] == "1":
                sums[index] += weight
    highest = max(sums, default=0)
    return sums.index(highest) if highest and sums.count(highest) == 1 else None


def request(state: ArbitratorState, actor: int, wanted: str) -> ArbitratorState | ActionResult:
    """The state with the actor's new request; OTHER_REASON for nobody, READ_WRITE_DENIED for what he may not ask [A].

    actor: counted from 0 [A]. wanted: a bit for each action; no bit at all takes the request back.
    """
    if actor >= len(state.permissions) or len(wanted) != len(state.actions):
        return ActionResult.OTHER_REASON
    allowed = state.permissions[actor]
    if any(bit == "1" and allowed[index : index + 1] != "1" for index, bit in enumerate(wanted)):
        return ActionResult.READ_WRITE_DENIED
    requests = list(state.requests[: len(state.permissions)])
    requests += ["0" * len(state.actions)] * (len(state.permissions) - len(requests))
    requests[actor] = wanted
    return replace(state, requests=tuple(requests))


class Arbitrator(StatefulObject[I, ArbitratorState]):
    """Class 68, Arbitrator."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: ArbitratorState,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        kept = partial(self.stored, readable=readable, writable=writable)

        super().__init__(
            CLASSES[68, 0],
            logical_name,
            {
                2: kept("actions", _scripts_data, _scripts),
                3: kept("permissions", _bits_data, _bits),
                4: kept("weightings", _weights_data, _weights),
                5: kept("requests", _bits_data, None),
                6: kept("outcome", data.u8, None),
            },
            {
                1: Method(invoke=self._request, invocable=invocable),
                2: stateful_method(self, no_parameters, _reset, invocable=invocable),
            },
            initial=initial,
        )

    def _request(self, context: Context[I], parameters: Data | None) -> ActionResult:
        try:
            actor, wanted = _request_of(parameters)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED
        asked = request(self.state(context), actor, wanted)
        if isinstance(asked, ActionResult):
            return asked
        won = winner(asked)
        self.put(context, asked if won is None else replace(asked, outcome=won + 1))
        if won is not None:
            return context.device.execute(context, asked.actions[won].action())
        return ActionResult.SUCCESS


def _request_of(parameters: Data | None) -> tuple[int, str]:
    actor, wanted = members(Data(Tag.NULL, None) if parameters is None else parameters, 2)
    return number(actor, Tag.UNSIGNED), bits(wanted)


def bits(value: Data) -> str:
    """A bit-string of at most ACTIONS_MAX. Raises RemoteProtocolError for anything else."""
    if value.tag is not Tag.BIT_STRING or len(value.value) > ACTIONS_MAX:
        raise RemoteProtocolError(f"a bit-string of at most {ACTIONS_MAX} was wanted")
    held: str = value.value
    return held


def _reset(_context: Context[I], state: ArbitratorState, _parameters: None) -> tuple[ArbitratorState, ActionResult]:
    return replace(state, requests=(), outcome=NO_OUTCOME), ActionResult.SUCCESS


def _scripts(value: Data) -> tuple[ScriptReference, ...]:
    return tuple(ScriptReference.from_data(element) for element in elements(value, ACTIONS_MAX))


def _scripts_data(scripts: tuple[ScriptReference, ...]) -> Data:
    return data.array(script.to_data() for script in scripts)


def _bits(value: Data) -> tuple[str, ...]:
    return tuple(bits(element) for element in elements(value, ACTORS_MAX))


def _bits_data(rows: tuple[str, ...]) -> Data:
    return data.array(map(data.bits, rows))


def _weights(value: Data) -> tuple[tuple[int, ...], ...]:
    rows = [elements(element, ACTIONS_MAX) for element in elements(value, ACTORS_MAX)]
    return tuple(tuple(number(weight, Tag.LONG_UNSIGNED) for weight in row) for row in rows)


def _weights_data(rows: tuple[tuple[int, ...], ...]) -> Data:
    return data.array(data.array(map(data.u16, row)) for row in rows)
