"""Token gateway, class 115: tokens come in, and what became of them can be read.

What a token means is the caller's: a decoder looks at its octets and says how far it got, what it is worth and what to
show of it. The amount goes to the account of the gateway.

Source: docs/protocols/cosem-payment.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, TypeAlias, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, Attribute, Method
from hes.dlms.cosem.inner_calls import octet_string
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.payment.links import account_with_gateway
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

TOKEN_OCTETS_MAX: Final = 255  # [A]


class TokenStatus(IntEnum):
    """How far a token got: attribute 6."""

    FORMAT_OK = 0
    AUTHENTICATION_OK = 1
    VALIDATION_OK = 2
    EXECUTION_OK = 3
    FORMAT_FAILURE = 4
    AUTHENTICATION_FAILURE = 5
    VALIDATION_FAILURE = 6
    EXECUTION_FAILURE = 7
    RECEIVED = 8


class TokenDelivery(IntEnum):
    """How it came in: attribute 5."""

    REMOTE = 0
    LOCAL = 1
    MANUAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOutcome:
    """What a decoder says of a token. amount: for the account, in its currency; 0 for tokens that are no credit.

    descriptions: attribute 4. detail: the bits beside the status.
    """

    status: TokenStatus
    amount: int = 0
    descriptions: tuple[bytes, ...] = ()
    detail: str = ""


TokenDecoder: TypeAlias = Callable[[I, float, bytes], TokenOutcome]
"""(instance, now_s, token) -> what it is worth; a token must only be good once, which is the decoder's to see to"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGatewayState:
    """The last token. due_s: when it will have been processed; None when it has."""

    token: bytes = b""
    time: bytes = NO_DATE_TIME
    descriptions: tuple[bytes, ...] = ()
    delivery: TokenDelivery = TokenDelivery.REMOTE
    status: TokenStatus = TokenStatus.FORMAT_OK
    detail: str = ""
    due_s: float | None = None


NO_TOKEN: Final = TokenGatewayState()


class TokenGateway(StatefulObject[I, TokenGatewayState]):
    """Class 115, Token gateway.

    processing_s: how long a token takes; meanwhile its status is RECEIVED and another one is a temporary failure [A].
    """

    __slots__ = ("_decoder", "_processing_s")

    def __init__(
        self,
        logical_name: Obis | str,
        decoder: TokenDecoder[I],
        *,
        processing_s: float = 0.0,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._decoder, self._processing_s = decoder, processing_s

        def shown(encode: Callable[[TokenGatewayState], Data]) -> Attribute[I]:
            def get(context: Context[I], _selection: bytes) -> bytes:
                self.run_due(context)
                return axdr.encode(encode(self.state(context)))

            return Attribute(get=get, readable=readable)

        super().__init__(
            CLASSES[115, 0],
            logical_name,
            {
                2: shown(lambda state: data.octets(state.token)),
                3: shown(lambda state: data.octets(state.time)),
                4: shown(lambda state: data.array(map(data.octets, state.descriptions))),
                5: shown(lambda state: data.enum(state.delivery)),
                6: shown(_status_data),
            },
            {1: Method(invoke=self._enter, invocable=invocable)},
            initial=NO_TOKEN,
        )

    def enter(self, context: Context[I], token: bytes, delivery: TokenDelivery) -> ActionResult:
        """A token comes in: from afar, at a local port, or by the keys of the meter (the host calls this)."""
        self.run_due(context)
        state = self.state(context)
        if state.due_s is not None:
            return ActionResult.TEMPORARY_FAILURE
        if not 0 < len(token) <= TOKEN_OCTETS_MAX:
            return ActionResult.OTHER_REASON
        timekeeper = context.device.timekeeper
        received = TokenGatewayState(
            token=token,
            time=timekeeper.local(context).octets(int(timekeeper.own_s(context))),
            delivery=delivery,
            status=TokenStatus.RECEIVED,
            due_s=context.now_s + self._processing_s,
        )
        self.put(context, received)
        self.run_due(context)
        return ActionResult.SUCCESS

    def next_deadline(self, context: Context[I]) -> float | None:
        return self.state(context).due_s

    def run_due(self, context: Context[I]) -> None:
        state = self.state(context)
        if state.due_s is None or state.due_s > context.now_s:
            return
        outcome = self._decoder(context.instance, context.now_s, state.token)
        status = outcome.status
        if status is TokenStatus.EXECUTION_OK and outcome.amount:
            account = account_with_gateway(context, self.logical_name)
            if account is None or not account.top_up(context, outcome.amount):
                status = TokenStatus.EXECUTION_FAILURE
        self.put(
            context,
            replace(state, due_s=None, status=status, descriptions=outcome.descriptions, detail=outcome.detail),
        )

    def _enter(self, context: Context[I], parameters: Data | None) -> ActionResult | ActionReply:
        """Answers with attribute 6 [M]: a token that is refused is still a method carried out."""
        if parameters is None:
            return ActionResult.TYPE_UNMATCHED
        try:
            token = octet_string(parameters)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED
        result = self.enter(context, token, TokenDelivery.REMOTE)
        if result is not ActionResult.SUCCESS:
            return result
        return ActionReply(result, axdr.encode(_status_data(self.state(context))))


def _status_data(state: TokenGatewayState) -> Data:
    return data.structure(data.enum(state.status), data.bits(state.detail))
