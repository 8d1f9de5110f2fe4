"""Opening an association for a command: the invocation counter, then the AARQ."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from hes.cli.read_link import Session, exchange_timeout_s, opening_timeout_s, set_link_up
from hes.cli.read_plan import ConnectPlan
from hes.cli.refusals import refusals_explained
from hes.cli.send_counter import Seen, SeenCounters, SendCounter, counter_in, counter_of_setup, counters_seen
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import Associated
from hes.dlms.obis import Obis
from hes.entropy import Entropy
from hes.errors import AccessDenied, ConfigError, HesError, RemoteProtocolError
from hes.protocols.counter_recovery import JUMP_MAX, CounterRecovery, open_recovering
from hes.protocols.dlms_cosem import DlmsSession, Exchange
from hes.protocols.hdlc_session import HdlcSession
from hes.protocols.wrapper_session import ExchangeTimeout, WrapperSession

MOVES_MAX: Final = 2
"""Counters that are tried one after another, besides the first: each costs the meter a failed association [A]."""


_UNREAD: Final[tuple[tuple[type[HesError], type[HesError]], ...]] = (
    (AccessDenied, ConfigError),
    (ExchangeTimeout, ExchangeTimeout),
    (RemoteProtocolError, RemoteProtocolError),
)
"""What it is that a counter could not be read."""


class Opened(NamedTuple):
    """An open association. remark: what was odd about its counter, "" for nothing. counter_object: where this client
    counts, None where nobody said so for certain."""

    dlms: DlmsSession
    associated: Associated
    counter_object: Obis | None = None
    remark: str = ""

    def findings(self) -> list[str]:
        """What the meter did oddly, as sentences."""
        return [str(finding) for finding in self.associated.findings] + ([self.remark] if self.remark else [])


async def open_association(
    plan: ConnectPlan, session: Session, entropy: Entropy, *, send_counter: Callable[[], int] | None = None
) -> Opened:
    """The association that the plan names, on a connection that is there. Raises HesErrors that name options.

    send_counter: gives one fresh counter after another where several associations follow on the counter of the plan.
    """
    if plan.reads_counter:
        return await _open_recovering(plan, session, entropy)
    counter = send_counter or SendCounter(plan.counter or 0, plan.settings.client_sap).take
    dlms = dlms_session(plan, Client(plan.settings, send_counter=counter, entropy=entropy.octets), session, entropy)
    await set_link_up(session, plan, plan.settings)
    return Opened(dlms, await associate(dlms, plan))


async def _open_recovering(plan: ConnectPlan, session: Session, entropy: Entropy) -> Opened:
    """With the lowest counter that was read; then from where the meter wants it, or with the next higher one."""
    seen = await read_counters(plan, session, entropy)
    counter = SendCounter(_first(plan, seen), plan.settings.client_sap)

    def make() -> DlmsSession:
        client = Client(plan.settings, send_counter=counter.take, entropy=entropy.octets)
        return dlms_session(plan, client, session, entropy)

    async def move_up(lowest: int) -> None:
        counter.move_up(lowest)
        await set_link_up(session, plan, plan.settings)

    async def read_expected() -> int:
        return seen.lowest_above(counter.next)

    recovery = CounterRecovery(
        next_counter=lambda: counter.next,
        move_up=move_up,
        read_expected=read_expected,
        moves_max=min(max(len(seen.usable) - 1, 1), MOVES_MAX),
    )
    await set_link_up(session, plan, plan.settings)
    with refusals_explained(plan, seen):
        dlms = await open_recovering(make, recovery)
    assert dlms.associated is not None
    return await _with_remark(dlms, dlms.associated, plan, seen, moved=counter.moved)


def _first(plan: ConnectPlan, seen: SeenCounters) -> int:
    """The counter to begin with. Raises ConfigError where none may be used without being asked for."""
    who = f"client {plan.settings.client_sap}"
    if not seen.usable:
        used_up = seen.each[-1]
        elsewhere = "" if seen.certain else f" if {who} counts there; if not, say --counter-object or --counter"
        raise ConfigError(
            f"the invocation counter {used_up.name} stands at {used_up.value} and has run out: the keys of {who} must "
            f"be changed{elsewhere}.",
            obis=str(used_up.name),
            value=used_up.value,
        )
    lowest = seen.usable[0]
    if plan.searches_counter and not seen.certain and lowest.value > JUMP_MAX:
        raise ConfigError(
            f"it is not certain that {who} counts in {lowest.name}, which stands at {lowest.value}: too far to go "
            f"there unasked, since a meter takes no counter back; say --counter-object {lowest.name} if it does.",
            obis=str(lowest.name),
            value=lowest.value,
        )
    security = plan.settings.security
    if plan.searches_counter and not seen.certain and seen.differ and security is not None and security.dedicated:
        raise ConfigError(
            f"it is not certain where {who} counts ({seen}), and under a counter that was used before a dedicated key "
            "can be found out: say --counter-object with --dedicated.",
        )
    return lowest.value + 1


async def _with_remark(
    dlms: DlmsSession, associated: Associated, plan: ConnectPlan, seen: SeenCounters, *, moved: bool
) -> Opened:
    """What an operator should know of the counter that was taken, and how to spare oneself the search."""
    who, first = f"client {plan.settings.client_sap}", seen.usable[0]
    if seen.certain and not moved:
        return Opened(dlms, associated, first.name)
    own = await counter_of_setup(dlms)
    asked = f"with --counter-object {own} it is asked at once"
    if own is None and seen.differ:
        remark = f"where {who} counts is not certain ({seen}): say --counter-object"
    elif own is not None and seen.differ:
        tried = "trying the lowest first uses a counter again"
        remark = f"{who} counts in {own}: {asked} (the public client reads {seen}; {tried})"
    elif own is not None and own != first.name:
        remark = f"{who} counts in {own}, not in {first}, where its counter was taken from: {asked}"
    elif moved:
        remark = f"{first.name} is behind the invocation counter that {who} has to use"
    else:
        remark = ""
    return Opened(dlms, associated, own, remark)


def dlms_session(plan: ConnectPlan, client: Client, session: Session, entropy: Entropy) -> DlmsSession:
    settings = client.settings
    client_sap, server_sap = settings.client_sap, settings.server_sap
    exchange: Exchange = partial(session.exchange, client_sap=client_sap, server_sap=server_sap)
    send = None
    if isinstance(session, HdlcSession):
        exchange = _sooner_given_up(plan, client, session, exchange)
    if isinstance(session, WrapperSession):
        exchange = partial(session.ask, client_sap=client_sap, server_sap=server_sap)
        send = partial(session.send, client_sap=client_sap, server_sap=server_sap)
    return DlmsSession(client, exchange, entropy, next_answer=session.next_answer, send=send)


def _sooner_given_up(plan: ConnectPlan, client: Client, session: HdlcSession, exchange: Exchange) -> Exchange:
    """An AARQ is answered soon or never: a meter that keeps the link up and says nothing does not know the client."""

    async def given_up(apdu: bytes) -> bytes:
        opening = client.state is State.ASSOCIATION_PENDING
        session.timeout_s = (opening_timeout_s if opening else exchange_timeout_s)(plan)
        return await exchange(apdu)

    return given_up


async def read_counters(plan: ConnectPlan, session: Session, entropy: Entropy) -> SeenCounters:
    """The counters that the client may have, asked of the meter through the public client."""
    how = "give the counter with --counter, or say with --counter-object and --public-client where it can be read"
    public = dlms_session(plan, Client(plan.public_settings), session, entropy)
    await set_link_up(session, plan, plan.public_settings)
    try:
        await public.open()
        seen = await _counters_through(public, plan)
        await public.release()
    except (AccessDenied, ExchangeTimeout, RemoteProtocolError) as error:
        text = (
            f"the invocation counter {plan.counter_object} could not be read by client {plan.public_client} "
            f"({error.message.rstrip('.')}); {how}."
        )
        kind = next(kind for raised, kind in _UNREAD if isinstance(error, raised))
        raise kind(text, **(error.fields | {"obis": str(plan.counter_object)})) from error
    return seen


async def _counters_through(public: DlmsSession, plan: ConnectPlan) -> SeenCounters:
    """That of the plan's object where somebody asked for it, else all that this client may have."""
    if plan.searches_counter:
        return await counters_seen(public, plan.settings.client_sap, plan.counter_object)
    value = await counter_in(public, plan.counter_object)
    return SeenCounters((Seen(plan.counter_object, value),), certain=plan.counter_object_given)


async def associate(dlms: DlmsSession, plan: ConnectPlan) -> Associated:
    """Associate, with errors that name the option to look at."""
    with refusals_explained(plan):
        return await dlms.open()


async def release(dlms: DlmsSession) -> str:
    """Close the association. What goes wrong now is worth a remark, which is returned, not a failure."""
    try:
        await dlms.release()
    except HesError as error:
        return f"the association was not released properly: {error.message}"
    return ""
