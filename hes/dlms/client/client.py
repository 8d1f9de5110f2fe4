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

from hes.dlms import acse, apdu, axdr, data, initiate
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.association import Event, State, step
from hes.dlms.axdr import Octets
from hes.dlms.block_transfer import plain_limit
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
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import AcseDiagnostic, ApduTag, AssociationResult, Conformance, Mechanism
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, REPLY_TO_HLS
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.initiate import VAA_NAME_LN, InitiateRequest, InitiateResponse
from hes.dlms.security import CHALLENGE_OCTETS_MAX, CHALLENGE_OCTETS_MIN, SecurityError
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, KeyScope, Unprotected, is_protected
from hes.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Client", "ClientSecurity", "ClientSettings"]

PlainObserver = Callable[[bool, bytes], None]
"""Called with True for what the client sends and False for what it receives, and the APDU in the clear."""

HLS_REPLY: Final = MethodDescriptor(15, CURRENT_ASSOCIATION, REPLY_TO_HLS)
_INVOKE_ID_MASK: Final = 0x0F
_ANSWERS: Final = frozenset((ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE))
_NOTIFICATIONS: Final = frozenset((ApduTag.DATA_NOTIFICATION, ApduTag.EVENT_NOTIFICATION))


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
    ) -> None:
        """send_counter: gives a fresh invocation counter under the global key for each call, or the first one.

        on_plain: told of every APDU that goes ciphered, as it is inside.
        """
        self.settings = settings
        self._on_plain = on_plain
        self.state = State.IDLE
        self.conformance = Conformance(0)
        self.server_max_receive_pdu_size = 0
        self._ciphering = _ciphering_of(settings.security, send_counter)
        self._ciphered = settings.security is not None and settings.security.ciphered
        self._exchange: Exchange | None = None
        self._invoke_id = 0
        self._limit = 0
        self._challenge = b""
        self._initiate = b""
        self._findings: list[Finding] = []

    @property
    def receive_counter(self) -> int:
        """The lowest counter that will be taken from the server under the global key; keep it for the next client."""
        return self._ciphering.windows[KeyScope.GLOBAL].expected if self._ciphering else 0

    @property
    def busy(self) -> bool:
        """True while an answer is outstanding."""
        return self._exchange is not None or self.state in (State.ASSOCIATION_PENDING, State.RELEASE_PENDING)

    # -- requests: each returns the octets to send

    def associate(self, *, challenge: bytes = b"", dedicated_key: bytes = b"") -> bytes:
        """An AARQ. challenge: 8..64 fresh random octets, for HLS. dedicated_key: 16 fresh random octets, when settings
        ask for one. Raises LocalProtocolError when they do not fit the settings or an association is open."""
        settings, ciphering = self.settings, self._ciphering
        wants_key = settings.security is not None and settings.security.dedicated
        if settings.mechanism.high_level and not CHALLENGE_OCTETS_MIN <= len(challenge) <= CHALLENGE_OCTETS_MAX:
            raise LocalProtocolError(
                f"HLS needs a challenge of {CHALLENGE_OCTETS_MIN} to {CHALLENGE_OCTETS_MAX} octets"
            )
        if wants_key != bool(dedicated_key):
            raise LocalProtocolError("a dedicated key is given exactly when the settings ask for one")
        self.state = step(self.state, Event.ASSOCIATE)
        request = InitiateRequest(settings.conformance, settings.max_receive_pdu_size, dedicated_key)
        self._initiate = replace(request, dedicated_key=b"").encode()
        self._challenge, self._findings = challenge, []
        if ciphering is not None:
            ciphering.peer_system_title = settings.security.server_system_title if settings.security else None
            if dedicated_key:
                ciphering.use_dedicated_key(dedicated_key)
        user_information = request.encode()
        if ciphering is not None and self._ciphered:
            user_information = ciphering.protect_initiate(user_information)
        authenticating = settings.mechanism is not Mechanism.NONE
        return Aarq(
            context=settings.context,
            calling_ap_title=b"" if settings.security is None else settings.security.system_title,
            authentication=authenticating,
            mechanism=settings.mechanism if authenticating else None,
            authentication_value=challenge if settings.mechanism.high_level else settings.password,
            user_information=user_information,
        ).encode()

    def get(self, attribute: AttributeDescriptor, selection: bytes = b"") -> bytes:
        """GET one attribute. selection: b"" or what hes.dlms.selective_access makes."""
        self._may(Conformance.GET)
        if selection:
            self._may(Conformance.SELECTIVE_ACCESS)
        invoke = self._next_invoke()
        class_id, obis, index = attribute
        return self._start(GetExchange(invoke, apdu.encode_get_request(invoke, class_id, obis, index, selection)))

    def get_list(self, attributes: Sequence[AttributeDescriptor | Selected]) -> bytes:
        """GET several attributes at once, each alone or with its selection."""
        self._may(Conformance.GET | Conformance.MULTIPLE_REFERENCES)
        selected = tuple([_selected(attribute) for attribute in attributes])
        if any(selection for _attribute, selection in selected):
            self._may(Conformance.SELECTIVE_ACCESS)
        invoke = self._next_invoke()
        request = apdu.GetRequestWithList(invoke, selected).encode()
        return self._start(GetExchange(invoke, request, count=len(selected)))

    def set(self, attribute: AttributeDescriptor, encoded: bytes, selection: bytes = b"") -> bytes:
        """SET one attribute to its encoded value; in blocks when it is longer than the server takes."""
        return self._start_set(((attribute, selection),), (encoded,), as_list=False)

    def set_list(self, writes: Sequence[tuple[AttributeDescriptor, bytes]]) -> bytes:
        """SET several attributes at once: (attribute, encoded value) each."""
        self._may(Conformance.MULTIPLE_REFERENCES)
        attributes = tuple([(attribute, b"") for attribute, _encoded in writes])
        return self._start_set(attributes, tuple([encoded for _attribute, encoded in writes]), as_list=True)

    def act(self, method: MethodDescriptor, encoded: bytes | None = None) -> bytes:
        """ACTION: invoke one method with its encoded parameters; in blocks when they are longer than one APDU."""
        self._may(Conformance.ACTION)
        blocks = Conformance.BLOCK_TRANSFER_ACTION in self.conformance
        exchange = ActionExchange(self._next_invoke(), method, encoded, limit=self._limit, blocks_allowed=blocks)
        return self._start(exchange)

    def release(self) -> bytes:
        """An RLRQ, with protected user information where the association is ciphered."""
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; await its answer or abandon it before releasing")
        self.state = step(self.state, Event.RELEASE)
        protected = b""
        if self._ciphering is not None and self._ciphered:
            protected = self._ciphering.protect_initiate(self._initiate)
        return Rlrq(user_information=protected).encode()

    def repeat(self) -> bytes:
        """The last request once more, under a fresh counter. What is not idempotent must not be repeated blindly."""
        if self._exchange is None:
            raise LocalProtocolError("no request is under way")
        return self._protect(self._exchange.request)

    def abandon(self) -> None:
        """Give up waiting. The answer to a request will be ignored when it comes after all; an association that was
        being opened or released counts as closed."""
        self._exchange = None
        if self.state is not State.ASSOCIATED:
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
        opened: Unprotected | None = None
        plain = octets
        if is_protected(octets):
            if self._ciphering is None:
                raise SecurityError("a ciphered APDU, and no keys are set for this association")
            opened = self._ciphering.unprotect(octets)
            plain, tag = opened.apdu, opened.apdu[0]
            if self._on_plain is not None:
                self._on_plain(False, plain)  # noqa: FBT003 - the observer's own signature
        if tag in _ANSWERS:
            return self._answer(plain, opened)
        decoded = apdu.decode(plain)
        if isinstance(decoded, apdu.DataNotification | apdu.EventNotification):
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
        if self._ciphered and (opened is None or not self._covers(opened)):
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

    def _covers(self, opened: Unprotected) -> bool:
        return self.settings.security is not None and opened.control.covers(self.settings.security.required_control)

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
            refusal = _error_in(aare.user_information)
            self.state = step(self.state, Event.REJECTED)
            return AssociationRefused(result=aare.result, diagnostic=aare.diagnostic, refusal=refusal)
        known_title = self._ciphering.peer_system_title if self._ciphering else None
        try:
            self._check_accepted(aare)
            granted = self._granted(aare)
            reply = self._hls_proof(aare) if self.settings.mechanism.high_level else None
        except RemoteProtocolError:
            if self._ciphering is not None:
                self._ciphering.peer_system_title = known_title
            raise
        self.conformance = granted.conformance & self.settings.conformance
        self.server_max_receive_pdu_size = granted.server_max_receive_pdu_size
        self._limit = self._plain_limit()
        if self.conformance != granted.conformance:
            widened = granted.conformance & ~self.settings.conformance
            self._note(FindingKind.CONFORMANCE_WIDENED, f"the server granted {int(widened):06X} beyond what was asked")
        if reply is None:
            self.state = step(self.state, Event.ACCEPTED)
            return self._associated()
        self.state = step(self.state, Event.HLS_REQUIRED)
        exchange = ActionExchange(self._next_invoke(), HLS_REPLY, reply, limit=self._limit, blocks_allowed=False)
        return SendNext(octets=self._start(exchange))

    def _check_accepted(self, aare: Aare) -> None:
        """The AARE fits the AARQ: same context, and HLS exactly when it was asked for."""
        if aare.context != self.settings.context:
            raise RemoteProtocolError(f"the server accepted another application context: {aare.context!r}")
        pending = aare.diagnostic == AcseDiagnostic.AUTHENTICATION_REQUIRED
        if pending != self.settings.mechanism.high_level:
            raise SecurityError(f"mechanism {self.settings.mechanism.name} and diagnostic {aare.diagnostic!r} disagree")
        if self._ciphering is not None and aare.responding_ap_title:
            known = self._ciphering.peer_system_title
            if known and known != aare.responding_ap_title:
                raise SecurityError(f"the server's system title is {aare.responding_ap_title.hex()}, not {known.hex()}")
            self._ciphering.peer_system_title = aare.responding_ap_title

    def _granted(self, aare: Aare) -> InitiateResponse:
        user_information = aare.user_information
        if self._ciphered and self._ciphering is not None:
            if not is_protected(user_information):
                raise SecurityError("the server answered a ciphered proposal in the clear")
            opened = self._ciphering.unprotect(user_information)
            if not self._covers(opened):
                raise SecurityError("the AARE is protected less than this association requires")
            user_information = opened.apdu
        granted = initiate.decode(user_information)
        if not isinstance(granted, InitiateResponse):
            raise RemoteProtocolError("an accepted association without an initiate response")
        if granted.vaa_name != VAA_NAME_LN:
            raise RemoteProtocolError(f"VAA name {granted.vaa_name:04X} is not that of logical names")
        return granted

    def _hls_proof(self, aare: Aare) -> bytes:
        """Encoded parameter of pass 3."""
        challenge = aare.authentication_value
        if aare.mechanism not in (None, self.settings.mechanism):
            raise RemoteProtocolError(f"the server wants mechanism {aare.mechanism!r}")
        if not CHALLENGE_OCTETS_MIN <= len(challenge) <= CHALLENGE_OCTETS_MAX:
            raise RemoteProtocolError(f"a challenge of {len(challenge)} octets")
        if challenge == self._challenge:
            raise SecurityError("the server's challenge is the client's own, sent back")
        assert self._ciphering is not None
        if not self._ciphering.peer_system_title:
            raise RemoteProtocolError("HLS-GMAC without the server's system title")
        return axdr.encode(data.octets(self._ciphering.hls_tag(challenge)))

    def _hls_answered(self, event: ClientEvent, opened: Unprotected | None) -> ClientEvent:
        """Pass 4: the server's proof for our challenge."""
        assert self._ciphering is not None
        if not isinstance(event, ActDone) or not event.succeeded:
            self._fail_hls()
            return AssociationRefused(hls_result=event.result if isinstance(event, ActDone) else None)
        try:
            proof, _end = axdr.decode_value(event.data or b"")
            if not isinstance(proof, bytes):
                raise SecurityError("the server's proof is not an octet-string")
            counter = self._ciphering.check_hls_tag(proof, self._challenge)
        except RemoteProtocolError:
            self._fail_hls()
            raise
        if opened is not None and opened.invocation_counter == counter:
            self._note(FindingKind.HLS_COUNTER_REUSED, f"pass 4 and the APDU around it share counter {counter}")
        self._exchange = None
        self.state = step(self.state, Event.HLS_PASSED)
        return self._associated()

    def _associated(self) -> Associated:
        title = self._ciphering.peer_system_title if self._ciphering else None
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

    def _may(self, needed: Conformance) -> None:
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; await its answer or abandon it")
        self.state = step(self.state, Event.SERVICE)
        if self.settings.checked and needed not in self.conformance:
            missing = needed & ~self.conformance
            raise LocalProtocolError(f"{missing!r} was not negotiated", missing=int(missing))

    def _next_invoke(self) -> int:
        self._invoke_id = (self._invoke_id + 1) & _INVOKE_ID_MASK
        priority = apdu.INVOKE_HIGH_PRIORITY if self.settings.high_priority else 0
        return self._invoke_id | apdu.INVOKE_CONFIRMED | priority

    def _start_set(self, attributes: tuple[Selected, ...], encoded: tuple[bytes, ...], *, as_list: bool) -> bytes:
        self._may(Conformance.SET)
        if any(selection for _attribute, selection in attributes):
            self._may(Conformance.SELECTIVE_ACCESS)
        exchange = SetExchange(
            self._next_invoke(),
            attributes,
            encoded,
            as_list=as_list,
            limit=self._limit,
            blocks_allowed=Conformance.BLOCK_TRANSFER_SET in self.conformance,
        )
        return self._start(exchange)

    def _start(self, exchange: Exchange) -> bytes:
        """Raises LocalProtocolError, and starts nothing, when the request is longer than the server takes."""
        if len(exchange.request) > self._limit:
            raise LocalProtocolError(f"the request has {len(exchange.request)} octets, the server takes {self._limit}")
        octets = self._protect(exchange.request)
        self._exchange = exchange
        return octets

    def _plain_limit(self) -> int:
        """Octets that a request may have before it is protected."""
        security = self.settings.security
        style = security.style if security else CipheringStyle.SERVICE_SPECIFIC
        return plain_limit(self.server_max_receive_pdu_size, ciphered=self._ciphered, style=style)

    def _protect(self, plain: bytes) -> bytes:
        """Under the dedicated key once the association is open; the passes of HLS go under the global one."""
        ciphering = self._ciphering
        if ciphering is None or not self._ciphered:
            return plain
        if self._on_plain is not None:
            self._on_plain(True, plain)  # noqa: FBT003 - the observer's own signature
        dedicated = ciphering.has_dedicated_key and self.state is State.ASSOCIATED
        style = ciphering.style
        if style is not CipheringStyle.SERVICE_SPECIFIC:
            style = CipheringStyle.GENERAL_DED if dedicated else CipheringStyle.GENERAL_GLO
        return ciphering.protect(plain, key=KeyScope.DEDICATED if dedicated else KeyScope.GLOBAL, style=style)

    def _note(self, kind: FindingKind, text: str) -> None:
        self._findings.append(Finding(kind, text, self.settings.client_sap))


def _ciphering_of(security: ClientSecurity | None, send_counter: Callable[[], int] | int) -> Ciphering | None:
    if security is None:
        return None
    return Ciphering(
        system_title=security.system_title,
        global_keys=security.keys,
        send_counter=send_counter,
        peer_system_title=security.server_system_title,
        receive_counter=security.receive_counter,
        control=security.control,
        style=security.style,
    )


def _error_in(user_information: bytes) -> apdu.ConfirmedServiceError | None:
    """The error that a refusing AARE may carry; None when it carries something else or nothing."""
    if not user_information or user_information[0] != ApduTag.CONFIRMED_SERVICE_ERROR:
        return None
    found = initiate.decode(user_information)
    return found if isinstance(found, apdu.ConfirmedServiceError) else None


def _selected(attribute: AttributeDescriptor | Selected) -> Selected:
    if isinstance(attribute, AttributeDescriptor):
        return attribute, b""
    return attribute
