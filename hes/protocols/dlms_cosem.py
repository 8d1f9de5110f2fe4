"""One DLMS association over anything that exchanges APDUs: the edge that drives the sans-IO `hes.dlms.client.Client`.

`exchange` sends one APDU and gives the one that comes back: `WrapperSession.ask` on a connection of its own, or a
concentrator's route to the meter. It owns the deadline; a late answer that it cannot tell apart comes out of the client
as `Ignored`, and then `next_answer` is asked for the following one, where the way has such a thing.

Refusals of the device are raised as AccessDenied with the object in their fields, everything else as it came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from hes.dlms import axdr
from hes.dlms.apdu import (
    AccessSpecification,
    AttributeDescriptor,
    DataNotification,
    EventNotification,
    InformationReport,
    MethodDescriptor,
)
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import (
    AccessDone,
    AccessOutcome,
    ActDone,
    ActListDone,
    Associated,
    AssociationRefused,
    AwaitMore,
    ClientEvent,
    Got,
    GotList,
    Ignored,
    Notified,
    Released,
    ReleaseRefused,
    SendNext,
    ServiceRefused,
    SetDone,
    TransferEnded,
)
from hes.dlms.client.settings import ClientSettings
from hes.dlms.client.short_names import ObjectNames
from hes.dlms.codes import ApduTag, AttributeResult
from hes.dlms.cosem.association_sn import sn_object_list_from_value
from hes.dlms.findings import CLAUSES, FindingKind
from hes.dlms.obis import Obis
from hes.dlms.security.hls import challenge_octets_min
from hes.entropy import Entropy
from hes.errors import AccessDenied, HesError, LinkError, LocalProtocolError, RemoteProtocolError
from hes.protocols.wrapper_session import ExchangeTimeout

Exchange = Callable[[bytes], Awaitable[bytes]]
"""Sends an APDU and gives the one that answers it. Raises LinkError when none comes in time."""
NextAnswer = Callable[[], Awaitable[bytes]]
"""Waits for one more APDU without sending."""
Send = Callable[[bytes], None]
"""Sends an APDU and waits for nothing."""
Selected = tuple[AttributeDescriptor, bytes]

CHALLENGE_OCTETS: Final = 16  # 8 to 64 are allowed, and some mechanisms want more [A]
REPEATS_MAX: Final = 3  # of a general block or an acknowledgement that got no answer in time [A]
PASSED_OVER_MAX: Final = 8  # late answers and notifications before the answer; more is no conversation any more [A]

_BLOCK: Final = bytes((ApduTag.GENERAL_BLOCK_TRANSFER,))  # what a request in general blocks starts with
_PASSED_OVER: Final = (Ignored, Notified)
_UNDER_WAY: Final = frozenset({SendNext, AwaitMore, TransferEnded, *_PASSED_OVER})

EventT = TypeVar("EventT")


class DlmsSession:
    """One client and the way to its server. Not for several tasks at once: one request is under way at a time.

    entropy: challenges and dedicated keys. next_answer: see the module; needed for general blocks in windows of more
    than 1. send: needed to send several of them at once. on_notification: told of what the device sends on its own
    inside the association. associated: what `open` gave last, None before.
    """

    def __init__(
        self,
        client: Client,
        exchange: Exchange,
        entropy: Entropy,
        *,
        next_answer: NextAnswer | None = None,
        send: Send | None = None,
        on_notification: Callable[[DataNotification | EventNotification | InformationReport], None] | None = None,
    ) -> None:
        self.client = client
        self.associated: Associated | None = None
        self._exchange = exchange
        self._entropy = entropy
        self._next_answer = next_answer
        self._send = send
        self._on_notification = on_notification

    async def open(self) -> Associated:
        """Associate, all passes of HLS included; with short names, read the object list too.

        Raises AccessDenied when the device refuses.
        """
        settings = self.client.settings
        self.associated = associated = (
            self.client.begin() if settings.pre_established else await self._associate(settings)
        )
        if settings.short_names and self.client.names is None:
            await self._read_names()
        return associated

    async def _associate(self, settings: ClientSettings) -> Associated:
        count = max(CHALLENGE_OCTETS, challenge_octets_min(settings.mechanism))
        challenge = self._entropy.octets(count) if settings.mechanism.high_level else b""
        security = settings.security
        key = self._entropy.octets(security.key_octets) if security is not None and security.dedicated else b""
        event = await self._run(self.client.associate(challenge=challenge, dedicated_key=key))
        if isinstance(event, AssociationRefused):
            raise event.error()
        return _expect(event, Associated)

    async def _read_names(self) -> None:
        """The object list, without which nothing can be found by its logical name; once for the life of the client."""
        event = _granted(await self._run(self.client.read_object_list()), "reading the object list")
        encoded = _expect(event, Got).data
        value, end = axdr.decode_value(encoded)
        if end != len(encoded):
            raise RemoteProtocolError(f"{len(encoded) - end} octets left over behind the object list", octet_offset=end)
        self.client.names = ObjectNames(sn_object_list_from_value(value))

    async def get(self, class_id: int, obis: bytes, attribute: int, selection: bytes = b"") -> bytes:
        """Read one attribute: its encoded Data. selection: what hes.dlms.selective_access makes, b"" for all of it."""
        wanted = AttributeDescriptor(class_id, obis, attribute)
        event = await self._run(self.client.get(wanted, selection))
        if type(event) is Got:
            return event.data
        return _expect(_granted(event, "reading", wanted), Got).data

    async def get_list(
        self, attributes: Sequence[AttributeDescriptor | Selected]
    ) -> tuple[tuple[AttributeResult, bytes], ...]:
        """Read several attributes at once: (SUCCESS, encoded Data) or (result, b"") each, in that order."""
        event = await self._run(self.client.get_list(attributes))
        return _expect(_granted(event, "reading a list"), GotList).results

    async def set(self, class_id: int, obis: bytes, attribute: int, data: bytes, selection: bytes = b"") -> None:
        """Write one attribute. data: encoded. Raises AccessDenied when the device did not take it."""
        wanted = AttributeDescriptor(class_id, obis, attribute)
        event = _granted(await self._run(self.client.set(wanted, data, selection)), "writing", wanted)
        done = _expect(event, SetDone)
        if not done.succeeded:
            raise _named(ServiceRefused(result=done.results[0]).error(), "writing", wanted)

    async def act(self, class_id: int, obis: bytes, method: int, data: bytes | None = None) -> bytes | None:
        """Invoke one method: the encoded Data that it returns, or None. Raises AccessDenied when it failed."""
        wanted = MethodDescriptor(class_id, obis, method)
        event = _granted(await self._run(self.client.act(wanted, data)), "invoking", wanted)
        done = _expect(event, ActDone)
        if not done.succeeded:
            refused = AccessDenied(f"the meter refused: {done.result.name}", result=done.result)
            raise _named(refused, "invoking", wanted)
        return done.data

    async def set_list(
        self, writes: Sequence[tuple[AttributeDescriptor | Selected, bytes]]
    ) -> tuple[AttributeResult, ...]:
        """Write several attributes at once, (attribute, encoded value) each: how each went, in that order."""
        event = await self._run(self.client.set_list(writes))
        return _expect(_granted(event, "writing a list"), SetDone).results

    async def act_list(self, asked: Sequence[tuple[MethodDescriptor, bytes | None]]) -> tuple[ActDone, ...]:
        """Invoke several methods, (method, encoded parameter or None) each: how each went, in that order."""
        event = await self._run(self.client.act_list(asked))
        return _expect(_granted(event, "invoking a list"), ActListDone).outcomes

    async def access(
        self, asked: Sequence[tuple[AccessSpecification, bytes | None]], *, break_on_error: bool = False
    ) -> tuple[AccessOutcome, ...]:
        """Read, write and invoke in one request: how each went, and what it gave, in that order."""
        event = await self._run(self.client.access(asked, break_on_error=break_on_error))
        return _expect(_granted(event, "access"), AccessDone).outcomes

    async def release(self) -> None:
        """Close the association; nothing to do when there is none. A device that hangs up instead has released too."""
        if self.client.state is not State.ASSOCIATED:
            return
        if self.client.settings.pre_established:
            self.client.link_lost()
            return
        try:
            event = await self._run(self.client.release())
        except LinkError:
            self.client.link_lost()
            return
        if isinstance(event, ReleaseRefused):
            raise AccessDenied("the device refused to release the association; close the connection instead.")
        _expect(event, Released)

    async def _run(self, octets: bytes) -> ClientEvent:
        """Send, and send what the client asks for, until there is an outcome."""
        try:
            answer = await (self._asked(octets) if octets[:1] == _BLOCK else self._exchange(octets))
            passed_over = 0
            while True:
                event = self.client.receive(answer)
                if type(event) not in _UNDER_WAY:
                    return event
                if isinstance(event, SendNext):
                    if event.octets[:1] == _BLOCK:
                        answer = await (self._asked(event.octets) if not event.further else self._streamed(event))
                    else:
                        answer = await self._exchange(event.octets)
                elif isinstance(event, AwaitMore):
                    answer = await self._next_block()
                elif isinstance(event, _PASSED_OVER):
                    passed_over += 1
                    answer = await self._pass_over(event, passed_over)
                elif isinstance(event, TransferEnded):
                    raise self._ended(event)
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Tell the device where there is a way to, and wait no longer."""
        octets = self.client.break_off()
        if octets and self._send is not None:
            with suppress(HesError):
                self._send(octets)

    async def _asked(self, octets: bytes) -> bytes:
        """The answer to one APDU. Inside a general block transfer, what got lost is repeated a few times."""
        for _ in range(REPEATS_MAX):
            try:
                return await self._exchange(octets)
            except ExchangeTimeout:
                if not self.client.transferring:
                    raise
                octets = self.client.repeat()
        return await self._exchange(octets)

    async def _next_block(self) -> bytes:
        """One more block of those that are under way; those that got lost are asked for."""
        if self._next_answer is None:
            raise LocalProtocolError("general blocks in windows of more than 1 need a way to wait for the next answer")
        try:
            return await self._next_answer()
        except ExchangeTimeout:
            if not self.client.transferring:
                raise
            return await self._asked(self.client.repeat())

    async def _streamed(self, event: SendNext) -> bytes:
        """Several APDUs one behind the other, and the answer to the last."""
        if self._send is None:
            raise LocalProtocolError("several general blocks at once need a way to send without an answer")
        *first, last = (event.octets, *event.further)
        for octets in first:
            self._send(octets)
        return await self._asked(last)

    def _ended(self, event: TransferEnded) -> RemoteProtocolError:
        """A transfer that was broken off; the device is told where there is a way to."""
        if event.octets and self._send is not None:
            self._send(event.octets)
        clause = CLAUSES[FindingKind.BLOCK_TRANSFER_ENDED]
        return RemoteProtocolError(f"the block transfer was broken off: {event.reason}", clause=clause)

    async def _pass_over(self, event: Ignored | Notified, count: int) -> bytes:
        """Wait for the answer behind one that was something else."""
        if isinstance(event, Notified) and self._on_notification is not None:
            self._on_notification(event.notification)
        if self._next_answer is None or count > PASSED_OVER_MAX:
            what = event.reason if isinstance(event, Ignored) else "a notification came instead"
            clause = CLAUSES[FindingKind.WRONG_INVOKE_ID]
            raise LinkError(f"the answer does not belong to the request: {what}.", clause=clause)
        try:
            return await self._next_answer()
        except ExchangeTimeout as error:
            if isinstance(event, Notified):
                raise
            text = f"{error.message.rstrip('.')}; what came is not the answer to the request: {event.reason}."
            raise ExchangeTimeout(text, **error.fields) from error


def _expect(event: object, kind: type[EventT]) -> EventT:
    if not isinstance(event, kind):
        text = f"{type(event).__name__} came where {kind.__name__} was expected"
        raise RemoteProtocolError(text, clause=CLAUSES[FindingKind.UNEXPECTED_ANSWER])
    return event


def _granted(
    event: ClientEvent, doing: str, wanted: AttributeDescriptor | MethodDescriptor | None = None
) -> ClientEvent:
    """`event` unless it is a refusal, which is raised."""
    if isinstance(event, ServiceRefused):
        raise _named(event.error(), doing, wanted)
    return event


def _named(
    error: AccessDenied, doing: str, wanted: AttributeDescriptor | MethodDescriptor | None = None
) -> AccessDenied:
    """The refusal with what it was about, in words and in fields."""
    if wanted is None:
        return AccessDenied(f"{doing}: {error.message}", **error.fields)
    class_id, obis, index = wanted
    code = str(Obis(obis))
    place = {"class_id": class_id, "obis": code, "index": index}
    return AccessDenied(f"{doing} {class_id}/{code}/{index}: {error.message}", **error.fields, **place)
