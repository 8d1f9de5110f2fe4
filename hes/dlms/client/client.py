"""The client of one association: what to send, and what an answer means. Octets in, events out; no I/O, no clock.

The caller sends what `associate`, `get`, `set`, ... return, feeds every APDU from the server to `receive`, and acts on
the event; on `SendNext` it sends these octets and waits again. One request is under way at a time. How long to wait is
the caller's business: it gives up with `abandon()` (or repeats with `repeat()`), and what comes too late is recognised
by its invoke id and comes out as `Ignored`.

A `RemoteProtocolError` from `receive` leaves the client as it was before that APDU, with one exception: a server that
fails to prove itself in HLS ends the association.

Source: docs/protocols/dlms-application.md §2, §3, §5; docs/protocols/dlms-roles.md §5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from hes.dlms import acse, apdu
from hes.dlms.acse import Aare, Rlre, Rlrq
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.association import Event, State, step
from hes.dlms.axdr import Octets
from hes.dlms.client.channel import Channel, PlainObserver
from hes.dlms.client.events import (
    ActDone,
    Associated,
    AssociationRefused,
    ClientEvent,
    Ignored,
    Notified,
    Refusal,
    Released,
    ReleaseRefused,
    SendNext,
    ServiceRefused,
)
from hes.dlms.client.exchange import ActionExchange, Exchange, GetExchange, Selected, SetExchange
from hes.dlms.client.opening import HLS_REPLY, Opening, error_in
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.client.short_names import (
    NamedRequest,
    ObjectNames,
    ShortNameRequests,
    Variable,
    hls_request,
    read_request,
    write_request,
)
from hes.dlms.codes import ApduTag, AssociationResult, Conformance, common_conformance
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.security import SecurityError
from hes.dlms.security.ciphering import KeyScope, Unprotected
from hes.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Client", "ClientSecurity", "ClientSettings", "PlainObserver"]

_INVOKE_ID_MASK: Final = 0x0F
_ANSWERS: Final = frozenset((ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE))
_NOTHING: Final = Conformance(0)
# as plain numbers: operators of flags cost as much as a whole request
_GET, _SET, _ACTION = int(Conformance.GET), int(Conformance.SET), int(Conformance.ACTION)
_SELECTIVE, _LIST = int(Conformance.SELECTIVE_ACCESS), int(Conformance.MULTIPLE_REFERENCES)
_UNNUMBERED: Final = frozenset((ApduTag.READ_RESPONSE, ApduTag.WRITE_RESPONSE))


class Client:
    """One association with one logical device, from AARQ to RLRE; it may be opened again afterwards.

    state: see hes.dlms.association. conformance, server_max_receive_pdu_size: as negotiated, once associated.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        send_counter: Callable[[], int] | int = 0,
        on_plain: PlainObserver | None = None,
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        """send_counter: gives a fresh invocation counter under the global key for each call, or the first one.

        on_plain: told of every APDU that goes ciphered, as it is inside. entropy: count -> that many fresh octets, for
        keys that come with their APDUs, and for signatures; None where neither is used.
        """
        self.settings = settings
        self.state = State.IDLE
        self.conformance = _NOTHING
        self.server_max_receive_pdu_size = 0
        self._channel = Channel(settings.security, send_counter, on_plain, entropy)
        self._opening: Opening | None = None
        self._exchange: Exchange | None = None
        self._invoke_id = 0
        self._limit = 0
        self._findings: list[Finding] = []
        self._short = ShortNameRequests()

    @property
    def selects(self) -> bool:
        """Whether selective access was negotiated, in the form that this context has."""
        needed = Conformance.PARAMETERIZED_ACCESS if self.settings.short_names else Conformance.SELECTIVE_ACCESS
        return needed in self.conformance

    @property
    def names(self) -> ObjectNames | None:
        """What the device lists by short name; set it after `read_object_list`, before `get` and its like."""
        return self._short.names

    @names.setter
    def names(self, names: ObjectNames) -> None:
        self._short.names = names

    @property
    def receive_counter(self) -> int:
        """The lowest counter that will be taken from the server under the global key; keep it for the next client."""
        ciphering = self._channel.ciphering
        return ciphering.windows[KeyScope.GLOBAL].expected if ciphering else 0

    @property
    def busy(self) -> bool:
        """True while an answer is outstanding."""
        return self._exchange is not None or self.state in (State.ASSOCIATION_PENDING, State.RELEASE_PENDING)

    # -- requests: each returns the octets to send

    def associate(self, *, challenge: bytes = b"", dedicated_key: bytes = b"") -> bytes:
        """An AARQ. challenge: 8..64 fresh random octets, for HLS. dedicated_key: 16 fresh random octets, when settings
        ask for one. Raises LocalProtocolError when they do not fit the settings or an association is open."""
        if self.settings.pre_established:
            raise LocalProtocolError("this association is there without an AARQ: `begin`")
        opening = Opening(self.settings, self._channel, challenge, dedicated_key)
        self.state = step(self.state, Event.ASSOCIATE)
        self._opening, self._findings = opening, []
        return opening.aarq()

    def begin(self) -> Associated:
        """A pre-established association: nothing is sent, and the first request may be made.

        Raises LocalProtocolError when the settings have none, or an association is open.
        """
        if not self.settings.pre_established:
            raise LocalProtocolError("this association has to be opened: `associate`")
        self.state = step(self.state, Event.PRE_ESTABLISHED)
        self._findings = []
        self.conformance = self.settings.proposed
        self.server_max_receive_pdu_size = self.settings.server_max_receive_pdu_size
        self._limit = self._channel.plain_limit(self.server_max_receive_pdu_size)
        return self._associated()

    def get(self, attribute: AttributeDescriptor, selection: bytes = b"") -> bytes:
        """GET one attribute. selection: b"" or what hes.dlms.selective_access makes."""
        if self.settings.short_names:
            return self._start_named(self._short.get(attribute, selection))
        self._may(_GET)
        if selection:
            self._may(_SELECTIVE)
        invoke = self._next_invoke()
        class_id, obis, index = attribute
        return self._start(GetExchange(invoke, apdu.encode_get_request(invoke, class_id, obis, index, selection)))

    def get_list(self, attributes: Sequence[AttributeDescriptor | Selected]) -> bytes:
        """GET several attributes at once, each alone or with its selection."""
        if self.settings.short_names:
            return self._start_named(self._short.get_list(map(_selected, attributes)))
        self._may(_GET | _LIST)
        selected = tuple([_selected(attribute) for attribute in attributes])
        if any(selection for _attribute, selection in selected):
            self._may(_SELECTIVE)
        invoke = self._next_invoke()
        request = apdu.GetRequestWithList(invoke, selected).encode()
        return self._start(GetExchange(invoke, request, count=len(selected)))

    def set(self, attribute: AttributeDescriptor, encoded: bytes, selection: bytes = b"") -> bytes:
        """SET one attribute to its encoded value; in blocks when it is longer than the server takes."""
        return self._start_set(((attribute, selection),), (encoded,), as_list=False)

    def set_list(self, writes: Sequence[tuple[AttributeDescriptor, bytes]]) -> bytes:
        """SET several attributes at once: (attribute, encoded value) each."""
        attributes = tuple([(attribute, b"") for attribute, _encoded in writes])
        return self._start_set(attributes, tuple([encoded for _attribute, encoded in writes]), as_list=True)

    def act(self, method: MethodDescriptor, encoded: bytes | None = None) -> bytes:
        """ACTION: invoke one method with its encoded parameters; in blocks when they are longer than one APDU."""
        if self.settings.short_names:
            return self._start_named(self._short.act(method, encoded, self.conformance))
        self._may(_ACTION)
        blocks = Conformance.BLOCK_TRANSFER_ACTION in self.conformance
        exchange = ActionExchange(self._next_invoke(), method, encoded, limit=self._limit, blocks_allowed=blocks)
        return self._start(exchange)

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
        self._may(Conformance.UNCONFIRMED_WRITE)
        variables = _variables([variable for variable, _encoded in writes])
        request = apdu.UnconfirmedWriteRequest(variables, tuple([encoded for _variable, encoded in writes])).encode()
        self._fits(request)
        return self._protect(request)

    def release(self) -> bytes:
        """An RLRQ, with protected user information where the association is ciphered."""
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; await its answer or abandon it before releasing")
        if self.settings.pre_established:
            raise LocalProtocolError("a pre-established association is never released")
        self.state = step(self.state, Event.RELEASE)
        protected = b""
        if self._channel.ciphering is not None and self._channel.ciphered and self._opening is not None:
            protected = self._channel.ciphering.protect_initiate(self._opening.initiate)
        return Rlrq(user_information=protected).encode()

    def repeat(self) -> bytes:
        """The last request once more, under a fresh counter. What is not idempotent must not be repeated blindly."""
        if self._exchange is None:
            raise LocalProtocolError("no request is under way")
        return self._protect(self._exchange.request)

    def abandon(self) -> None:
        """Give up waiting. The answer to a request will be ignored when it comes after all; an association that was
        being opened or released counts as closed. So does one with short names, whose answers cannot be told apart."""
        self._exchange = None
        if self.state is not State.ASSOCIATED or self.settings.short_names:
            self.state = step(self.state, Event.LINK_LOST)

    def link_lost(self) -> None:
        """The layer below is gone, and the association with it."""
        self._exchange = None
        self.state = step(self.state, Event.LINK_LOST)

    # -- answers

    def receive(self, octets: Octets) -> ClientEvent:
        """Take one APDU from the server. Raises RemoteProtocolError (SecurityError for what must not be believed)."""
        octets = bytes(octets)
        if not octets:
            raise RemoteProtocolError("an empty APDU", octet_offset=0)
        tag = octets[0]
        if tag == ApduTag.AARE:
            return self._aare(octets)
        if tag == ApduTag.RLRE:
            return self._rlre(octets)
        plain, opened = self._channel.unprotect(octets)
        tag = plain[0]
        if tag in _ANSWERS:
            return self._answer(plain, opened)
        if tag in _UNNUMBERED:
            return self._matched(plain, opened)
        decoded = apdu.decode(plain)
        if isinstance(decoded, apdu.DataNotification | apdu.EventNotification | apdu.InformationReport):
            return Notified(notification=decoded, protected=opened is not None and opened.control.authenticated)
        if isinstance(decoded, apdu.ExceptionResponse | apdu.ConfirmedServiceError):
            return self._refused(decoded)
        raise RemoteProtocolError(f"a server does not send {type(decoded).__name__}", octet_offset=0)

    def _answer(self, plain: bytes, opened: Unprotected | None) -> ClientEvent:
        exchange = self._exchange
        if exchange is None:
            return Ignored(reason="nothing was asked", apdu=plain)
        if len(plain) < 3:
            raise RemoteProtocolError("an answer without its invoke id", octet_offset=len(plain))
        if (plain[2] ^ exchange.invoke) & _INVOKE_ID_MASK:
            return Ignored(
                reason=f"answer to invoke id {plain[2] & 15}, waiting for {exchange.invoke & 15}", apdu=plain
            )
        return self._matched(plain, opened)

    def _matched(self, plain: bytes, opened: Unprotected | None) -> ClientEvent:
        """An answer that belongs to what is under way, by its invoke id or, with short names, by its order."""
        exchange = self._exchange
        if exchange is None:
            return Ignored(reason="nothing was asked", apdu=plain)
        if not self._channel.covers(opened):
            raise SecurityError("the answer is protected less than this association requires")
        if plain[0] != exchange.response_tag:
            raise RemoteProtocolError(f"APDU {plain[0]:02X} does not answer what was asked", octet_offset=0)
        result = exchange.answer(plain)
        if isinstance(result, bytes):
            return SendNext(octets=self._protect(result))
        if isinstance(result, Ignored):
            return replace(result, apdu=plain)
        if self.state is State.HLS_PENDING:
            return self._hls_answered(result, opened)
        self._exchange = None
        return result

    def _refused(self, refusal: Refusal) -> ClientEvent:
        """An exception has no invoke id: it is taken for the answer to whatever is under way."""
        if self.state is State.ASSOCIATION_PENDING:
            self.state = step(self.state, Event.REJECTED)
            return AssociationRefused(refusal=refusal)
        if self.state is State.HLS_PENDING:
            self._fail_hls()
            return AssociationRefused(refusal=refusal)
        if self.state is State.RELEASE_PENDING:
            self.state = step(self.state, Event.RELEASE_REFUSED)
            return ReleaseRefused(refusal=refusal)
        if self._exchange is None:
            return Ignored(reason="a refusal, and nothing was asked", apdu=refusal.encode())
        self._exchange = None
        return ServiceRefused(refusal=refusal)

    # -- association

    def _aare(self, octets: bytes) -> ClientEvent:
        if self.state is not State.ASSOCIATION_PENDING:
            return Ignored(reason=f"AARE while the association is {self.state.value}", apdu=octets)
        aare = acse.decode(octets)
        assert isinstance(aare, Aare)
        if aare.result != AssociationResult.ACCEPTED:
            refusal = error_in(aare.user_information)
            self.state = step(self.state, Event.REJECTED)
            return AssociationRefused(result=aare.result, diagnostic=aare.diagnostic, refusal=refusal)
        assert self._opening is not None
        granted, reply = self._opening.accept(aare)
        self.conformance = common_conformance(granted.conformance, self.settings.proposed)
        self.server_max_receive_pdu_size = granted.server_max_receive_pdu_size
        self._limit = self._channel.plain_limit(granted.server_max_receive_pdu_size)
        if self.conformance != granted.conformance:
            widened = granted.conformance & ~self.settings.proposed
            self._note(FindingKind.CONFORMANCE_WIDENED, f"the server granted {int(widened):06X} beyond what was asked")
        if reply is None:
            self.state = step(self.state, Event.ACCEPTED)
            return self._associated()
        self.state = step(self.state, Event.HLS_REQUIRED)
        return SendNext(octets=self._start(self._pass_3(reply)))

    def _pass_3(self, proof: bytes) -> Exchange:
        if self.settings.short_names:
            return hls_request(proof).exchange(self._limit, Conformance(0))
        return ActionExchange(self._next_invoke(), HLS_REPLY, proof, limit=self._limit, blocks_allowed=False)

    def _hls_answered(self, event: ClientEvent, opened: Unprotected | None) -> ClientEvent:
        """Pass 4: the server's proof for our challenge."""
        if not isinstance(event, ActDone) or not event.succeeded:
            self._fail_hls()
            return AssociationRefused(hls_result=event.result if isinstance(event, ActDone) else None)
        assert self._opening is not None
        try:
            counter = self._opening.check_pass_4(event.data or b"")
        except RemoteProtocolError:
            self._fail_hls()
            raise
        if opened is not None and opened.invocation_counter == counter:
            self._note(FindingKind.HLS_COUNTER_REUSED, f"pass 4 and the APDU around it share counter {counter}")
        self._exchange = None
        self.state = step(self.state, Event.HLS_PASSED)
        return self._associated()

    def _associated(self) -> Associated:
        title = self._channel.ciphering.peer_system_title if self._channel.ciphering else None
        return Associated(
            conformance=self.conformance,
            server_max_receive_pdu_size=self.server_max_receive_pdu_size,
            server_system_title=title or b"",
            findings=tuple(self._findings),
        )

    def _fail_hls(self) -> None:
        self._exchange = None
        self.state = step(self.state, Event.HLS_FAILED)

    def _rlre(self, octets: bytes) -> ClientEvent:
        if self.state is not State.RELEASE_PENDING:
            return Ignored(reason=f"RLRE while the association is {self.state.value}", apdu=octets)
        rlre = acse.decode(octets)
        assert isinstance(rlre, Rlre)
        if rlre.reason:
            self.state = step(self.state, Event.RELEASE_REFUSED)
            return ReleaseRefused(reason=rlre.reason)
        self.state = step(self.state, Event.RELEASED)
        return Released(reason=rlre.reason)

    # -- helpers

    def _may(self, needed: int) -> None:
        """needed: bits of Conformance."""
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; await its answer or abandon it")
        self.state = step(self.state, Event.SERVICE)
        if self.settings.checked and needed & ~int(self.conformance):
            missing = Conformance(needed & ~int(self.conformance))
            raise LocalProtocolError(f"{missing!r} was not negotiated", missing=int(missing))

    def _next_invoke(self) -> int:
        self._invoke_id = (self._invoke_id + 1) & _INVOKE_ID_MASK
        priority = apdu.INVOKE_HIGH_PRIORITY if self.settings.high_priority else 0
        return self._invoke_id | apdu.INVOKE_CONFIRMED | priority

    def _start_set(self, attributes: tuple[Selected, ...], encoded: tuple[bytes, ...], *, as_list: bool) -> bytes:
        if self.settings.short_names:
            return self._start_named(self._short.set(attributes, encoded))
        self._may(_SET | _LIST if as_list else _SET)
        if any(selection for _attribute, selection in attributes):
            self._may(_SELECTIVE)
        exchange = SetExchange(
            self._next_invoke(),
            attributes,
            encoded,
            as_list=as_list,
            limit=self._limit,
            blocks_allowed=Conformance.BLOCK_TRANSFER_SET in self.conformance,
        )
        return self._start(exchange)

    def _start_named(self, request: NamedRequest) -> bytes:
        """A request with short names."""
        self._may(request.needed)
        return self._start(request.exchange(self._limit, self.conformance))

    def _start(self, exchange: Exchange) -> bytes:
        """Raises LocalProtocolError, and starts nothing, when the request is longer than the server takes."""
        self._fits(exchange.request)
        octets = self._protect(exchange.request)
        self._exchange = exchange
        return octets

    def _fits(self, plain: bytes) -> None:
        if len(plain) > self._limit:
            raise LocalProtocolError(f"the request has {len(plain)} octets, the server takes {self._limit}")

    def _protect(self, plain: bytes) -> bytes:
        """Under the dedicated key once the association is open; the passes of HLS go under the global one."""
        return self._channel.protect(plain, dedicated=self.state is State.ASSOCIATED)

    def _note(self, kind: FindingKind, text: str) -> None:
        self._findings.append(Finding(kind, text, self.settings.client_sap))


def _variables(variables: Sequence[int | Variable]) -> tuple[Variable, ...]:
    return tuple([apdu.VariableName(each) if isinstance(each, int) else each for each in variables])


def _selected(attribute: AttributeDescriptor | Selected) -> Selected:
    if isinstance(attribute, AttributeDescriptor):
        return attribute, b""
    return attribute
