"""Opening an association for a command: the invocation counter, the AARQ, and every refusal in an operator's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from hes.cli.read_link import Session, set_link_up
from hes.cli.read_plan import ConnectPlan
from hes.cli.send_counter import SendCounter, counter_in, counter_of_setup, counter_seen
from hes.dlms.client import Client
from hes.dlms.client.events import Associated
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import AcseDiagnostic, Mechanism, ServiceError
from hes.dlms.obis import Obis
from hes.dlms.security.ciphering import InvocationCounterError, SecurityError
from hes.entropy import Entropy
from hes.errors import AccessDenied, ConfigError, HesError, RemoteProtocolError
from hes.protocols.counter_recovery import CounterJumpRefused, CounterRecovery, open_recovering
from hes.protocols.dlms_cosem import DlmsSession, Exchange
from hes.protocols.wrapper_session import ExchangeTimeout, WrapperSession


class Opened(NamedTuple):
    """An open association. remark: what was odd about its counter, "" for nothing. counter_object: where the next
    one is to be read from."""

    dlms: DlmsSession
    associated: Associated
    counter_object: Obis
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
    counter = send_counter or plan.counter or 0
    dlms = dlms_session(Client(plan.settings, send_counter=counter, entropy=entropy.octets), session, entropy)
    await set_link_up(session, plan, plan.settings)
    return Opened(dlms, await associate(dlms, plan), plan.counter_object)


async def _open_recovering(plan: ConnectPlan, session: Session, entropy: Entropy) -> Opened:
    """With the counter that is read; once more from where the meter wants it, if it refuses that one."""
    counter = SendCounter(await read_counter(plan, session, entropy))

    def make() -> DlmsSession:
        client = Client(plan.settings, send_counter=counter.take, entropy=entropy.octets)
        return dlms_session(client, session, entropy)

    async def move_up(lowest: int) -> None:
        counter.move_up(lowest)
        await set_link_up(session, plan, plan.settings)

    async def read_expected() -> int:
        return 1 + (await _counter_elsewhere(plan, session, entropy))[1]

    recovery = CounterRecovery(
        next_counter=lambda: counter.next,
        move_up=move_up,
        read_expected=read_expected if plan.searches_counter else None,
    )
    await set_link_up(session, plan, plan.settings)
    with refusals_explained(plan):
        dlms = await open_recovering(make, recovery)
    assert dlms.associated is not None
    if counter.moved:
        return await _recovered(dlms, dlms.associated, plan)
    return Opened(dlms, dlms.associated, plan.counter_object)


async def _recovered(dlms: DlmsSession, associated: Associated, plan: ConnectPlan) -> Opened:
    """How to spare oneself the detour the next time."""
    asked, who = plan.counter_object, f"client {plan.settings.client_sap}"
    own = await counter_of_setup(dlms)
    if own is None or own == asked:
        return Opened(dlms, associated, asked, f"{asked} is behind the invocation counter that {who} has to use")
    remark = f"{who} counts in {own}, not in {asked}: with --counter-object {own} it is asked at once"
    return Opened(dlms, associated, own, remark)


def dlms_session(client: Client, session: Session, entropy: Entropy) -> DlmsSession:
    settings = client.settings
    client_sap, server_sap = settings.client_sap, settings.server_sap
    exchange: Exchange = partial(session.exchange, client_sap=client_sap, server_sap=server_sap)
    send = None
    if isinstance(session, WrapperSession):
        exchange = partial(session.ask, client_sap=client_sap, server_sap=server_sap)
        send = partial(session.send, client_sap=client_sap, server_sap=server_sap)
    return DlmsSession(client, exchange, entropy, next_answer=session.next_answer, send=send)


async def read_counter(plan: ConnectPlan, session: Session, entropy: Entropy) -> int:
    """The counter to begin with, asked of the meter through the public client."""
    how = "give the counter with --counter, or say with --counter-object and --public-client where it can be read"
    public = dlms_session(Client(plan.public_settings), session, entropy)
    await set_link_up(session, plan, plan.public_settings)
    try:
        await public.open()
        value = await _counter_through(public, plan)
        await public.release()
    except (AccessDenied, ExchangeTimeout, RemoteProtocolError) as error:
        raise ConfigError(
            f"the invocation counter {plan.counter_object} could not be read by client {plan.public_client} "
            f"({error.message.rstrip('.')}); {how}.",
            obis=str(plan.counter_object),
        ) from error
    return value + 1


async def _counter_through(public: DlmsSession, plan: ConnectPlan) -> int:
    """The counter of the plan's object; of another one where that is not there, and nobody asked for it."""
    try:
        return await counter_in(public, plan.counter_object)
    except AccessDenied as refused:
        if not plan.searches_counter:
            raise
        try:
            return (await counter_seen(public, plan.settings.client_sap, plan.counter_object))[1]
        except AccessDenied:
            raise refused from None  # it names the object that an operator can look for


async def _counter_elsewhere(plan: ConnectPlan, session: Session, entropy: Entropy) -> tuple[Obis, int]:
    public = dlms_session(Client(plan.public_settings), session, entropy)
    await set_link_up(session, plan, plan.public_settings)
    await public.open()
    found = await counter_seen(public, plan.settings.client_sap, plan.counter_object)
    await public.release()
    return found


async def associate(dlms: DlmsSession, plan: ConnectPlan) -> Associated:
    """Associate, with errors that name the option to look at."""
    with refusals_explained(plan):
        return await dlms.open()


@contextmanager
def refusals_explained(plan: ConnectPlan) -> Iterator[None]:
    """Errors of an opening as sentences that name the option to look at."""
    settings = plan.settings
    try:
        yield
    except CounterJumpRefused as error:
        expected, ours = error.fields["expected"], error.fields["ours"]
        raise CounterJumpRefused(
            f"the meter wants invocation counter {expected}, {plan.counter_object} says {ours}: too far apart to "
            f"follow unasked; say --counter {expected} if you trust it, or change the key.",
            **error.fields,
        ) from error
    except AccessDenied as error:
        raise AccessDenied(_why_refused(error, settings), **error.fields) from error
    except InvocationCounterError:
        raise
    except SecurityError as error:
        raise AccessDenied(
            f"the meter's answer cannot be believed ({error.message}); check --key, --auth-key"
            f"{' and --meter-title' if settings.security and settings.security.server_system_title else ''}."
        ) from error
    except ExchangeTimeout as error:
        raise ExchangeTimeout(f"{error.message.rstrip('.')}; {_why_silent(plan)}.", **error.fields) from error


def _why_refused(error: AccessDenied, settings: ClientSettings) -> str:
    """The refusal of an association as a sentence with what to do."""
    refusal = error.fields.get("refusal")
    service_error = getattr(refusal, "service_error", None)
    who = f"client {settings.client_sap}"
    if service_error == ServiceError.INVOCATION_COUNTER_ERROR:
        expected = getattr(refusal, "invocation_counter", None)
        return (
            f"the meter wants a higher invocation counter from {who}: use --counter {expected}, or leave --counter out."
        )
    diagnostic = error.fields.get("diagnostic")
    if service_error == ServiceError.DECIPHERING_ERROR:
        return (
            "the meter cannot open what we sent: wrong --key or --auth-key, or it does not know our --system-title"
            f"{_other_suite(settings)}."
        )
    if diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE or error.fields.get("hls_result") is not None:
        if settings.password and (settings.security is None or settings.security.keys is None):
            return f"the meter refused the password of {who}: check --password and --client."
        if settings.mechanism is Mechanism.NONE and settings.security is None:
            return f"the meter wants {who} to prove itself: use --auth low or --auth gmac."
        if settings.password:
            return (
                f"the meter refused keys or password of {who}: check --key, --auth-key, --password and --client"
                f"{_other_suite(settings)}."
            )
        return (
            f"the meter refused the keys of {who}: check --key, --auth-key, --system-title and --client"
            f"{_other_suite(settings)}."
        )
    if diagnostic in (
        AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED,
        AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED,
        AcseDiagnostic.AUTHENTICATION_REQUIRED,
    ):
        return f"{who} authenticates in another way in this meter: try another --auth or another --client."
    if diagnostic == AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED:
        ciphered = settings.security is not None and settings.security.ciphered
        if settings.short_names:
            return f"the meter does not take short names from {who}: try without --short-names, or another --client."
        return (
            f"the meter does not take a ciphered association from {who}: try --protection none or another --client."
            if ciphered
            else f"the meter wants a ciphered association from {who}: give --key, --auth-key and --system-title."
        )
    if diagnostic == AcseDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED:
        return f"the meter does not know the --system-title of {who}."
    return f"{error.message.rstrip('.')}; check --client, --server and --auth."


def _other_suite(settings: ClientSettings) -> str:
    """The suite that these keys may belong to as well: those of suites 0 and 1 are equally long."""
    security = settings.security
    if security is None or security.keys is None or security.suite not in (0, 1):
        return ""
    return f", and whether this is suite {1 - security.suite} (--suite {1 - security.suite})"


def _why_silent(plan: ConnectPlan) -> str:
    settings = plan.settings
    where = f"client {settings.client_sap} and logical device {settings.server_sap} may not exist in this meter"
    if plan.hdlc is None:
        where += ", or it speaks HDLC here (--hdlc)"
    if settings.security is not None:
        return f"a meter that cannot open a request may stay silent: check the keys and --counter; or {where}"
    return where


async def release(dlms: DlmsSession) -> str:
    """Close the association. What goes wrong now is worth a remark, which is returned, not a failure."""
    try:
        await dlms.release()
    except HesError as error:
        return f"the association was not released properly: {error.message}"
    return ""
