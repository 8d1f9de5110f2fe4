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

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hes.dlms import acse, acse_form, apdu
from hes.dlms.acse import Aare, Rlre, Rlrq
from hes.dlms.association import Event, State, step
from hes.dlms.axdr import Octets
from hes.dlms.block_transfer import PDU_OCTETS_MAX
from hes.dlms.client.channel import Channel, PlainObserver
from hes.dlms.client.clauses import (
    AUTHENTICATION,
    PROTECTION_TOO_WEAK,
    UNEXPECTED_ANSWER,
    WRONG_INVOKE_ID,
    name_clause,
)
from hes.dlms.client.events import (
    ActDone,
    Associated,
    AssociationRefused,
    ClientEvent,
    Got,
    Ignored,
    Notified,
    Refusal,
    Released,
    ReleaseRefused,
    SendNext,
    ServiceRefused,
)
from hes.dlms.client.exchange import ActionExchange, Exchange
from hes.dlms.client.kept import Agreed
from hes.dlms.client.opening import HLS_REPLY, Opening, error_in
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.client.short_names import hls_request
from hes.dlms.client.transfers import Transfers
from hes.dlms.codes import ApduTag, AssociationResult, Conformance, ReleaseReason, common_conformance
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.general_blocks import ABORT, GeneralBlocks, UnconfirmedBlocks
from hes.dlms.initiate import InitiateResponse
from hes.dlms.security import SecurityError
from hes.dlms.security.ciphering import KeyScope, Unprotected
from hes.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Client", "ClientSecurity", "ClientSettings", "PlainObserver"]

_INVOKE_ID_MASK: Final = 0x0F
_ANSWERS: Final = frozenset(
    (ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE, ApduTag.ACCESS_RESPONSE)
)
_NOTHING: Final = Conformance(0)
_RLRQ: Final = Rlrq().encode()
_UNNUMBERED: Final = frozenset((ApduTag.READ_RESPONSE, ApduTag.WRITE_RESPONSE))


_TITLE_OCTETS: Final = 9
"""ACCESS has no ciphered tag of its own: general-glo or general-ded carry it, longer by the system title."""


class Client(Transfers):
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
        super().__init__()
        self.settings = settings
        self.state = State.IDLE
        self.conformance = _NOTHING
        self.server_max_receive_pdu_size = 0
        self._channel = Channel(settings.security, send_counter, on_plain, entropy)
        self._ciphered = self._channel.ciphered
        self._protect_usual, self._open_usual = self._channel.protect_usual, self._channel.open_usual
        self._opening: Opening | None = None
        self._exchange: Exchange | None = None
        self._blocks: GeneralBlocks | None = None
        self._unconfirmed: UnconfirmedBlocks | None = None
        self._octets_max = 0
        self._findings: list[Finding] = []

    @property
    def selects(self) -> bool:
        """Whether selective access was negotiated, in the form that this context has."""
        needed = Conformance.PARAMETERIZED_ACCESS if self.settings.short_names else Conformance.SELECTIVE_ACCESS
        return needed in self.conformance

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
        self._take_over()
        return self._associated()

    def release(self) -> bytes:
        """An RLRQ, with protected user information where the association is ciphered."""
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; await its answer or abandon it before releasing")
        if self.settings.pre_established:
            raise LocalProtocolError("a pre-established association is never released")
        self.state = step(self.state, Event.RELEASE)
        if self._channel.ciphering is None or not self._ciphered or self._opening is None:
            return _RLRQ
        return acse_form.encode_protected_rlrq(self._channel.ciphering.protect_initiate(self._opening.initiate))

    def repeat(self) -> bytes:
        """The last request once more, under a fresh counter. What is not idempotent must not be repeated blindly.

        In a general block transfer: the last block or acknowledgement, as it was.
        """
        if self._exchange is None:
            raise LocalProtocolError("no request is under way")
        if self._blocks is not None and self._blocks.active:
            return self._blocks.recover()[0]
        return self._sent(self._exchange.request)

    def abandon(self) -> None:
        """Give up waiting. The answer to a request will be ignored when it comes after all; an association that was
        being opened or released counts as closed. So does one with short names, whose answers cannot be told apart."""
        self._end_exchange()
        if self.state is not State.ASSOCIATED or self.settings.short_names:
            self.state = step(self.state, Event.LINK_LOST)

    def break_off(self) -> bytes:
        """Give up a general block transfer and say so: octets to send, b"" when none is under way.

        On a way that loses APDUs and is not ciphered, a server that does not know could take a block of the next
        request for one of this.
        """
        octets = ABORT if self.transferring else b""
        self.abandon()
        return octets

    def link_lost(self) -> None:
        """The layer below is gone, and the association with it."""
        self._end_exchange()
        self.state = step(self.state, Event.LINK_LOST)

    # -- answers

    def receive(self, octets: Octets, now_s: float | None = None) -> ClientEvent:
        """Take one APDU from the server. Raises RemoteProtocolError (SecurityError for what must not be believed).

        now_s: any clock that never goes back; whoever gives it may ask for `next_deadline`.
        """
        octets = bytes(octets)
        if not octets:
            raise RemoteProtocolError("an empty APDU", octet_offset=0, clause=UNEXPECTED_ANSWER)
        exchange = self._exchange
        is_clear = self._blocks is None and not self._ciphered
        if is_clear and exchange is not None and octets[:4] == exchange.got_head and len(octets) > 4:
            self._exchange = None  # the short way of nearly all answers; the data is not walked here
            return Got(data=octets[4:])
        try:
            plain = self._open_usual(octets) if self._open_usual is not None else None
            if plain is not None:
                if exchange is not None and plain[:4] == exchange.got_head and self._blocks is None and len(plain) > 4:
                    self._exchange = None  # the same short way
                    return Got(data=plain[4:])
                returned = exchange.returned(plain) if isinstance(exchange, ActionExchange) else b""
                if returned and self.state is State.HLS_PENDING:
                    return self._proved(returned, int.from_bytes(octets[3:7], "big"))
                event = self._receive_plain(plain, self._channel.as_usual(octets, plain))
            elif octets[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
                return self._general_block(octets, now_s)
            else:
                event = self._receive_whole(octets)
        except RemoteProtocolError as error:
            name_clause(error)
            raise
        if self._blocks is not None and self._exchange is None:
            self._blocks.end()  # the server answered in one piece what came in blocks
        return event

    def _receive_whole(self, octets: bytes) -> ClientEvent:
        tag = octets[0]
        if tag in _ANSWERS:  # in the clear
            return self._answer(octets, None)
        if tag == ApduTag.AARE:
            return self._aare(octets)
        if tag == ApduTag.RLRE:
            return self._rlre(octets)
        return self._receive_plain(*self._channel.unprotect(octets))

    def _receive_plain(self, plain: bytes, opened: Unprotected | None) -> ClientEvent:
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
        name = type(decoded).__name__
        raise RemoteProtocolError(f"a server does not send {name}", octet_offset=0, clause=UNEXPECTED_ANSWER)

    def _start(self, exchange: Exchange, limit: int) -> bytes:
        """Raises LocalProtocolError, and starts nothing, when the request is longer than the server takes."""
        octets = exchange.request
        if self._protect_usual is not None and self._blocks is None and len(octets) <= self._limit - _TITLE_OCTETS:
            octets = self._protect_usual(octets)
        elif self._ciphered or self._blocks is not None or len(octets) > self._octets_max:
            self._fits(octets, limit)
            if self._blocks is not None:
                self._blocks.end()
            octets = self._sent(octets)
        self._exchange = exchange
        return octets

    def _sent(self, plain: bytes) -> bytes:
        """Protected; where that is too long, or the exchange goes on in general blocks, the first of those."""
        octets, blocks = self._protect(plain), self._blocks
        if len(octets) <= self._octets_max and (blocks is None or not blocks.active):
            return octets
        blocks = self._general_blocks()
        if not blocks.fits(len(octets)):
            blocks.end()
            raise LocalProtocolError(f"a request of {len(octets)} octets cannot be sent in blocks to this server")
        return blocks.send(octets)[0]

    def _protect(self, plain: bytes) -> bytes:
        """Under the dedicated key once the association is open; the passes of HLS go under the global one."""
        return self._channel.protect(plain, dedicated=self.state is State.ASSOCIATED)

    def confirm(self, notification: apdu.DataNotification) -> bytes:
        """The confirmation of a data-notification that asks for one."""
        return self._protect(apdu.DataNotificationConfirm(notification.invoke).encode())

    def _answer(self, plain: bytes, opened: Unprotected | None) -> ClientEvent:
        exchange = self._exchange
        if exchange is None:
            return Ignored(reason="nothing was asked", apdu=plain)
        other = _other_id(plain, exchange)
        if other:
            return Ignored(reason=other, apdu=plain)
        return self._matched(plain, opened)

    def _matched(self, plain: bytes, opened: Unprotected | None) -> ClientEvent:
        """An answer that belongs to what is under way, by its invoke id or, with short names, by its order."""
        exchange = self._exchange
        if exchange is None:
            return Ignored(reason="nothing was asked", apdu=plain)
        if self._ciphered and not self._channel.covers(opened):
            text = "the answer is protected less than this association requires"
            raise SecurityError(text, clause=PROTECTION_TOO_WEAK)
        if plain[0] != exchange.response_tag:
            text = f"APDU {plain[0]:02X} does not answer what was asked"
            raise RemoteProtocolError(text, octet_offset=0, clause=UNEXPECTED_ANSWER)
        result = exchange.answer(plain)
        if isinstance(result, bytes):
            return SendNext(octets=self._sent(result))
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
        kept = self.settings.kept
        if octets == kept.aare and kept.granted is not None:
            return self._accepted(kept.granted)
        assert self._opening is not None
        known = self._opening.accept_known(octets)
        if known is not None:
            return self._hls_required(*known)
        aare = acse.decode(octets)
        assert isinstance(aare, Aare)
        if aare.result != AssociationResult.ACCEPTED:
            refusal = error_in(aare.user_information)
            self.state = step(self.state, Event.REJECTED)
            return AssociationRefused(result=aare.result, diagnostic=aare.diagnostic, refusal=refusal)
        granted, reply = self._opening.accept(aare)
        self._opening.keep(octets, aare, granted)
        return self._accepted(granted) if reply is None else self._hls_required(granted, reply)

    def _hls_required(self, granted: InitiateResponse, reply: bytes) -> SendNext:
        self._agreed(granted)
        self.state = step(self.state, Event.HLS_REQUIRED)
        return SendNext(octets=self._start(self._pass_3(reply), self._limit))

    def _accepted(self, granted: InitiateResponse) -> Associated:
        self._agreed(granted)
        self.state = step(self.state, Event.ACCEPTED)
        return self._associated()

    def _agreed(self, granted: InitiateResponse) -> None:
        kept = self.settings.kept
        self.server_max_receive_pdu_size = granted.server_max_receive_pdu_size
        if kept.agreed is not None and kept.agreed.granted is granted:
            _, self.conformance, self._octets_max, terms = kept.agreed
            self._blocks = self._unconfirmed = None
            self._go_by(terms)
            return
        self.conformance = common_conformance(granted.conformance, self.settings.proposed)
        if self.conformance != granted.conformance:
            widened = granted.conformance & ~self.settings.proposed
            self._note(FindingKind.CONFORMANCE_WIDENED, f"the server granted {int(widened):06X} beyond what was asked")
        self._take_over()
        if self.conformance == granted.conformance and (
            self._channel.ciphering is None or self._open_usual is not None
        ):
            kept.agreed = Agreed(granted, self.conformance, self._octets_max, self._terms())

    def _take_over(self) -> None:
        """Work out once what follows from `conformance` and `server_max_receive_pdu_size`."""
        self._octets_max = self.server_max_receive_pdu_size or PDU_OCTETS_MAX
        self._blocks = self._unconfirmed = None
        self._negotiated(self._channel.plain_limit(self.server_max_receive_pdu_size))

    def _pass_3(self, proof: bytes) -> Exchange:
        if self.settings.short_names:
            return hls_request(proof).exchange(self._limit, Conformance(0))
        return ActionExchange(
            self._next_invoke(), (HLS_REPLY,), (proof,), as_list=False, limit=self._limit, blocks_allowed=False
        )

    def _hls_answered(self, event: ClientEvent, opened: Unprotected | None) -> ClientEvent:
        """Pass 4: the server's proof for our challenge."""
        if not isinstance(event, ActDone) or not event.succeeded:
            self._fail_hls()
            return AssociationRefused(hls_result=event.result if isinstance(event, ActDone) else None)
        return self._proved(event.data or b"", None if opened is None else opened.invocation_counter)

    def _proved(self, returned: bytes, apdu_counter: int | None) -> Associated:
        """What the server sends as its proof. apdu_counter: of the APDU around it, None in the clear."""
        assert self._opening is not None
        try:
            counter = self._opening.check_pass_4(returned)
        except RemoteProtocolError as error:
            self._fail_hls()
            error.against(AUTHENTICATION)
            raise
        if counter is not None and apdu_counter == counter:
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
        if acse_form.is_normal_rlre(octets):
            self.state = step(self.state, Event.RELEASED)
            return Released(reason=ReleaseReason.NORMAL)
        rlre = acse.decode(octets)
        assert isinstance(rlre, Rlre)
        if rlre.reason:
            self.state = step(self.state, Event.RELEASE_REFUSED)
            return ReleaseRefused(reason=rlre.reason)
        self.state = step(self.state, Event.RELEASED)
        return Released(reason=rlre.reason)

    # -- helpers

    def _note(self, kind: FindingKind, text: str) -> None:
        self._findings.append(Finding(kind, text, self.settings.client_sap))


def _without_id(plain: bytes) -> RemoteProtocolError:
    return RemoteProtocolError("an answer without its invoke id", octet_offset=len(plain), clause=WRONG_INVOKE_ID)


def _other_id(plain: bytes, exchange: Exchange) -> str:
    """Why an answer belongs to another request; "" when it does not. ACCESS has ids of its own."""
    tag, wanted = plain[0], exchange.response_tag
    if tag != ApduTag.ACCESS_RESPONSE and wanted != ApduTag.ACCESS_RESPONSE:
        if len(plain) < 3:
            raise _without_id(plain)
        if not (plain[2] ^ exchange.invoke) & _INVOKE_ID_MASK:
            return ""
        return f"answer to invoke id {plain[2] & 15}, waiting for {exchange.invoke & 15}"
    if tag != wanted:
        return "answer to another service"
    if len(plain) < 5:
        raise _without_id(plain)
    received = int.from_bytes(plain[1:5], "big") & apdu.LONG_INVOKE_ID_MASK
    awaited = exchange.invoke & apdu.LONG_INVOKE_ID_MASK
    return "" if received == awaited else f"answer to invoke id {received}, waiting for {awaited}"
