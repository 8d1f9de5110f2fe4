"""What a client may ask within an association, and how: which services, in which form, how long.

`Requests` is the half of `Client` that makes requests; it knows what was negotiated and nothing of answers. Every
method gives the octets to send and makes the client wait for the answer, except for the unconfirmed class
(`confirmed=False`), which is never answered.

Source: docs/protocols/dlms-application.md §3; docs/protocols/dlms-roles.md §3, §5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from hes.dlms import apdu
from hes.dlms.apdu import (
    AccessKind,
    AccessRequest,
    AccessSpecification,
    AttributeDescriptor,
    MethodDescriptor,
)
from hes.dlms.association import Event, State, step
from hes.dlms.block_transfer import BLOCK_TRANSFER_OCTETS_MAX
from hes.dlms.client.exchange import AccessExchange, ActionExchange, Exchange, GetExchange, Selected, SetExchange
from hes.dlms.client.kept import Terms
from hes.dlms.client.settings import ClientSettings
from hes.dlms.client.short_name_exchanges import Variable
from hes.dlms.client.short_names import (
    NamedRequest,
    ObjectNames,
    ShortNameRequests,
    beyond,
    read_request,
    write_request,
)
from hes.dlms.codes import Conformance
from hes.errors import LocalProtocolError

_INVOKE_ID_MASK: Final = 0x0F
_NULL: Final = b"\x00"
# as plain numbers: operators of flags cost as much as a whole request
_GET, _SET, _ACTION, _ACCESS = (
    int(bit) for bit in (Conformance.GET, Conformance.SET, Conformance.ACTION, Conformance.ACCESS)
)
_SELECTIVE, _LIST = int(Conformance.SELECTIVE_ACCESS), int(Conformance.MULTIPLE_REFERENCES)
_ATTRIBUTE0_GET, _ATTRIBUTE0_SET = int(Conformance.ATTRIBUTE0_GET), int(Conformance.ATTRIBUTE0_SET)
_UNCONFIRMED_WRITE: Final = int(Conformance.UNCONFIRMED_WRITE)
_READ_BLOCKS: Final = int(Conformance.BLOCK_TRANSFER_GET)
_SET_BLOCKS, _ACTION_BLOCKS = int(Conformance.BLOCK_TRANSFER_SET), int(Conformance.BLOCK_TRANSFER_ACTION)
_GENERAL_BLOCKS, _PRIORITY = int(Conformance.GENERAL_BLOCK_TRANSFER), int(Conformance.PRIORITY_MANAGEMENT)
Asked = tuple[MethodDescriptor, bytes | None]
"""A method and its encoded parameter, None where there is none."""


class Requests(ABC):
    """conformance: as negotiated. _bits: the same as a plain number. _cuts: whether general blocks are among it.

    _limit: octets of a plain APDU that the server takes. _long: of one that may go in general blocks.
    """

    settings: ClientSettings
    state: State
    conformance: Conformance
    _exchange: Exchange | None

    def __init__(self) -> None:
        self._bits = self._limit = self._long = 0
        self._cuts = self._is_high = False
        self._flags: int = apdu.INVOKE_CONFIRMED
        self._short = ShortNameRequests()
        self._invoke_id = 0
        self._long_invoke_id = 0

    @property
    def names(self) -> ObjectNames | None:
        """What the device lists by short name; set it after `read_object_list`, before `get` and its like."""
        return self._short.names

    @names.setter
    def names(self, names: ObjectNames) -> None:
        self._short.names = names

    def get(self, attribute: AttributeDescriptor, selection: bytes = b"") -> bytes:
        """GET one attribute. selection: b"" or what hes.dlms.selective_access makes."""
        if self.settings.short_names:
            return self._start_named(self._short.get(attribute, selection))
        class_id, obis, index = attribute
        needed = _GET
        if selection:
            needed |= _SELECTIVE
        if index == 0:
            needed |= _ATTRIBUTE0_GET
        self._may(needed)
        self._invoke_id = (self._invoke_id + 1) & _INVOKE_ID_MASK  # as _next_invoke
        invoke = self._invoke_id | self._flags
        request = apdu.encode_get_request(invoke, class_id, obis, index, selection)
        return self._start(GetExchange(invoke, request), self._long)

    def get_list(self, attributes: Sequence[AttributeDescriptor | Selected]) -> bytes:
        """GET several attributes at once, each alone or with its selection."""
        if self.settings.short_names:
            return self._start_named(self._short.get_list(map(_selected, attributes)))
        self._may(_GET | _LIST)
        selected = tuple([_selected(attribute) for attribute in attributes])
        self._may_read(selected)
        invoke = self._next_invoke()
        request = apdu.GetRequestWithList(invoke, selected).encode()
        return self._start(GetExchange(invoke, request, count=len(selected)), self._long)

    def set(
        self, attribute: AttributeDescriptor, encoded: bytes, selection: bytes = b"", *, confirmed: bool = True
    ) -> bytes:
        """SET one attribute to its encoded value; in blocks when it is longer than the server takes."""
        return self._start_set(((attribute, selection),), (encoded,), as_list=False, confirmed=confirmed)

    def set_list(
        self, writes: Sequence[tuple[AttributeDescriptor | Selected, bytes]], *, confirmed: bool = True
    ) -> bytes:
        """SET several attributes at once: (attribute, encoded value) each, the attribute alone or with a selection."""
        attributes = tuple([_selected(attribute) for attribute, _encoded in writes])
        values = tuple([encoded for _attribute, encoded in writes])
        return self._start_set(attributes, values, as_list=True, confirmed=confirmed)

    def act(self, method: MethodDescriptor, encoded: bytes | None = None, *, confirmed: bool = True) -> bytes:
        """ACTION: invoke one method with its encoded parameters; in blocks when they are longer than one APDU."""
        if self.settings.short_names:
            if not confirmed:
                return self.write_unconfirmed([(self._short.method(method), _NULL if encoded is None else encoded)])
            return self._start_named(self._short.act(method, encoded, self.conformance))
        return self._start_action((method,), (encoded,), as_list=False, confirmed=confirmed)

    def act_list(self, asked: Sequence[Asked], *, confirmed: bool = True) -> bytes:
        """ACTION: invoke several methods, in the order given. Where there is no parameter, null-data is sent."""
        self._may(_LIST)
        methods = tuple([method for method, _encoded in asked])
        return self._start_action(methods, tuple([each for _, each in asked]), as_list=True, confirmed=confirmed)

    def access(
        self,
        asked: Sequence[tuple[AccessSpecification, bytes | None]],
        *,
        time: bytes = b"",
        break_on_error: bool = False,
        self_descriptive: bool = False,
        confirmed: bool = True,
    ) -> bytes:
        """ACCESS: read, write and invoke in one request, in the order given; encoded data where something is sent.

        time: b"" or the 12 octets of a date-time. break_on_error: nothing is done behind the first failure.
        self_descriptive: the answer says again what was asked.
        """
        self._may(_ACCESS)
        specifications = tuple([specification for specification, _encoded in asked])
        for kind, target, selection in specifications:
            if isinstance(target, AttributeDescriptor):
                reads = kind in (AccessKind.GET, AccessKind.GET_WITH_SELECTION)
                (self._may_read if reads else self._may_write)(((target, selection),))
        invoke = self._next_long_invoke(confirmed=confirmed)
        invoke |= apdu.LONG_INVOKE_BREAK_ON_ERROR if break_on_error else 0
        invoke |= apdu.LONG_INVOKE_SELF_DESCRIPTIVE if self_descriptive else 0
        data = tuple([_NULL if encoded is None else encoded for _specification, encoded in asked])
        exchange = AccessExchange(AccessRequest(invoke, time, specifications, data))
        return self._started(exchange, self._long, confirmed=confirmed)

    def read_object_list(self) -> bytes:
        """Read the object list of Association SN; the event is Got, and `sn_object_list_from_value` reads its data."""
        return self._start_named(self._short.read_object_list())

    def read(self, variables: Sequence[int | Variable]) -> bytes:
        """Read by short name; a name alone stands for a variable without parameters. The event is GotList."""
        return self._start_named(read_request(_variables(variables)))

    def write(self, writes: Sequence[tuple[int | Variable, bytes]]) -> bytes:
        """Write by short name: (name, encoded value) each. The event is SetDone."""
        data = tuple([encoded for _variable, encoded in writes])
        return self._start_named(write_request(_variables([variable for variable, _encoded in writes]), data))

    def write_unconfirmed(self, writes: Sequence[tuple[int | Variable, bytes]]) -> bytes:
        """Write by short name without an answer; there is nothing to wait for, and it does not go in blocks."""
        variables = _variables([variable for variable, _encoded in writes])
        self._may(_UNCONFIRMED_WRITE | int(beyond(variables)))
        request = apdu.UnconfirmedWriteRequest(variables, tuple([encoded for _variable, encoded in writes])).encode()
        self._fits(request, self._limit)
        return self._protect(request)

    # -- inside

    def _fits(self, request: bytes, limit: int) -> None:
        """Raises LocalProtocolError when a plain request is longer than the server takes."""
        if len(request) > limit:
            raise LocalProtocolError(f"the request has {len(request)} octets, the server takes {self._limit}")

    def _start_named(self, request: NamedRequest) -> bytes:
        """A request with short names."""
        self._may(request.needed)
        limit = self._limit_of(_READ_BLOCKS if request.data is None else _SET_BLOCKS)
        return self._start(request.exchange(limit, self.conformance), limit)

    def _negotiated(self, limit: int) -> None:
        """Take over what was agreed. limit: octets of a plain APDU that the server takes.

        Everything is turned into plain numbers here: operators of flags cost as much as a whole request.
        """
        settings, conformance = self.settings, int(self.conformance)
        self._bits, self._limit = conformance, limit
        self._cuts = bool(conformance & _GENERAL_BLOCKS)
        agreed = conformance & _PRIORITY or settings.short_names or not settings.checked
        self._is_high = settings.high_priority and bool(agreed)
        self._flags = apdu.INVOKE_CONFIRMED | (apdu.INVOKE_HIGH_PRIORITY if self._is_high else 0)
        self._long = BLOCK_TRANSFER_OCTETS_MAX if self._cuts else limit

    def _terms(self) -> Terms:
        """What `_negotiated` has worked out."""
        return self._bits, self._limit, self._cuts, self._is_high, self._flags, self._long

    def _go_by(self, terms: Terms) -> None:
        """`_negotiated` over again, as it went before."""
        self._bits, self._limit, self._cuts, self._is_high, self._flags, self._long = terms

    def _may(self, needed: int) -> None:
        """needed: bits of Conformance."""
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; await its answer or abandon it")
        if self.state is not State.ASSOCIATED:  # where a service changes nothing
            self.state = step(self.state, Event.SERVICE)
        if self.settings.checked and needed & ~self._bits:
            missing = Conformance(needed & ~self._bits)
            raise LocalProtocolError(f"{missing!r} was not negotiated", missing=int(missing))

    def _may_read(self, attributes: tuple[Selected, ...]) -> None:
        for (_class_id, _obis, index), selection in attributes:
            if selection:
                self._may(_SELECTIVE)
            if index == 0:
                self._may(_ATTRIBUTE0_GET)

    def _may_write(self, attributes: tuple[Selected, ...]) -> None:
        for (_class_id, _obis, index), selection in attributes:
            if selection:
                self._may(_SELECTIVE)
            if index == 0:
                self._may(_ATTRIBUTE0_SET)

    def _next_invoke(self, *, confirmed: bool = True) -> int:
        self._invoke_id = (self._invoke_id + 1) & _INVOKE_ID_MASK
        flags = self._flags if confirmed else self._flags & ~apdu.INVOKE_CONFIRMED
        return self._invoke_id | flags

    def _next_long_invoke(self, *, confirmed: bool) -> int:
        self._long_invoke_id = (self._long_invoke_id + 1) & apdu.LONG_INVOKE_ID_MASK
        priority = apdu.LONG_INVOKE_HIGH_PRIORITY if self._is_high else 0
        return self._long_invoke_id | (apdu.LONG_INVOKE_CONFIRMED if confirmed else 0) | priority

    def _limit_of(self, own: int) -> int:
        """Octets of a plain request whose service has blocks of its own, when that bit of Conformance was agreed.

        General blocks carry a longer one, where the service's own are not agreed or not preferred.
        """
        return self._limit if own & self._bits and not self.settings.prefers_general_blocks else self._long

    def _start_set(
        self, attributes: tuple[Selected, ...], encoded: tuple[bytes, ...], *, as_list: bool, confirmed: bool
    ) -> bytes:
        if self.settings.short_names:
            request = self._short.set(attributes, encoded)
            if confirmed:
                return self._start_named(request)
            return self.write_unconfirmed(list(zip(request.variables, encoded, strict=True)))
        self._may(_SET | _LIST if as_list else _SET)
        self._may_write(attributes)
        limit = self._limit_of(_SET_BLOCKS) if confirmed else self._limit
        exchange = SetExchange(
            self._next_invoke(confirmed=confirmed),
            attributes,
            encoded,
            as_list=as_list,
            limit=limit,
            blocks_allowed=confirmed and bool(_SET_BLOCKS & self._bits),
        )
        return self._started(exchange, limit, confirmed=confirmed)

    def _start_action(
        self, methods: tuple[MethodDescriptor, ...], data: tuple[bytes | None, ...], *, as_list: bool, confirmed: bool
    ) -> bytes:
        self._may(_ACTION)
        limit = self._limit_of(_ACTION_BLOCKS) if confirmed else self._limit
        exchange = ActionExchange(
            self._next_invoke(confirmed=confirmed),
            methods,
            data,
            as_list=as_list,
            limit=limit,
            blocks_allowed=confirmed and bool(_ACTION_BLOCKS & self._bits),
        )
        return self._started(exchange, limit, confirmed=confirmed)

    def _started(self, exchange: Exchange, limit: int, *, confirmed: bool) -> bytes:
        if confirmed:
            return self._start(exchange, limit)
        self._fits(exchange.request, self._limit)
        return self._protect(exchange.request)

    @abstractmethod
    def _start(self, exchange: Exchange, limit: int) -> bytes:
        """Send the request of an exchange and wait for its answer."""
        ...

    @abstractmethod
    def _protect(self, plain: bytes) -> bytes: ...


def _variables(variables: Sequence[int | Variable]) -> tuple[Variable, ...]:
    return tuple([apdu.VariableName(each) if isinstance(each, int) else each for each in variables])


def _selected(attribute: AttributeDescriptor | Selected) -> Selected:
    if isinstance(attribute, AttributeDescriptor):
        return attribute, b""
    return attribute
