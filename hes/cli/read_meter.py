"""The conversation of `amiloop read`: connect, find the counter, associate, read one object after another, release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hes.cli.meter_times import with_sign
from hes.cli.object_reference import ObjectReference
from hes.cli.read_link import Session, explained, hang_up, open_session, set_link_up
from hes.cli.read_plan import PUBLIC_CLIENT, ReadPlan
from hes.cli.read_values import (
    BUFFER,
    PROFILE_CLASS,
    ProfileTable,
    Reading,
    decode,
    filled_rows,
    scaler_attribute,
)
from hes.dlms import axdr, profile_buffer
from hes.dlms.apdu import AttributeDescriptor, ExceptionResponse
from hes.dlms.client import Client
from hes.dlms.client.events import Associated
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import (
    AcseDiagnostic,
    Conformance,
    Mechanism,
    ServiceError,
)
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, object_list_from_value
from hes.dlms.cosem.profile_generic import capture_objects_from_value
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.inspect.noting_reader import code_text
from hes.dlms.obis import Obis
from hes.dlms.security.ciphering import InvocationCounterError, SecurityError
from hes.dlms.selective_access import CaptureObject, by_range
from hes.entropy import Entropy
from hes.errors import AccessDenied, ConfigError, HesError, RemoteProtocolError
from hes.links.registry import Links
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.wrapper_session import ExchangeTimeout, FrameTap, SessionLost

ASSOCIATION_CLASS = 15
DATA_CLASS = 1
OBJECT_LIST = 2
CAPTURE_OBJECTS = 3
CAPTURE_PERIOD = 4

# where one end of the range is left open: years that every meter can write, whatever it does with wildcards [A]
OPEN_START = CosemDateTime(year=2000, month=1, day=1, hour=0, minute=0, second=0, status=0).to_octets()
OPEN_END = CosemDateTime(year=2099, month=12, day=31, hour=23, minute=59, second=59, status=0).to_octets()


@dataclass(slots=True)
class ReadOutcome:
    """readings, tables: what was read, in the order asked. findings: what the meter did oddly, as sentences."""

    associated: Associated | None = None
    results: list[Reading | ProfileTable] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for was read."""
        return not any(isinstance(result, Reading) and result.error for result in self.results)


async def read_meter(plan: ReadPlan, links: Links, entropy: Entropy, tap: FrameTap | None = None) -> ReadOutcome:
    """Read what the plan says. Raises HesErrors whose sentences say what an operator can do."""
    session = await open_session(plan, links, tap)
    try:
        outcome = await _converse(plan, session, entropy)
        await hang_up(session)
        return outcome
    except SessionLost as error:
        raise explained(error, plan) from error
    except HesError:
        await hang_up(session)
        raise
    finally:
        session.close()


async def _converse(plan: ReadPlan, session: Session, entropy: Entropy) -> ReadOutcome:
    counter = plan.counter or 0
    if plan.reads_counter:
        counter = await _read_counter(plan, session, entropy)
    dlms = _session(Client(plan.settings, send_counter=counter), session, entropy)
    outcome = ReadOutcome()
    await set_link_up(session, plan, plan.settings)
    outcome.associated = await _open(dlms, plan)
    outcome.findings = [finding.text for finding in outcome.associated.findings]
    await _Reader(dlms, plan, outcome).read_all()
    await _release(dlms, outcome)
    return outcome


def _session(client: Client, session: Session, entropy: Entropy) -> DlmsSession:
    settings = client.settings
    exchange = partial(session.exchange, client_sap=settings.client_sap, server_sap=settings.server_sap)
    return DlmsSession(client, exchange, entropy, next_answer=session.next_answer)


# opening


async def _read_counter(plan: ReadPlan, session: Session, entropy: Entropy) -> int:
    """The counter to begin with, asked of the meter through the public client."""
    how = "give the counter with --counter, or say with --counter-object and --public-client where it can be read"
    public = _session(Client(plan.public_settings), session, entropy)
    await set_link_up(session, plan, plan.public_settings)
    try:
        await public.open()
        encoded = await public.get(DATA_CLASS, plan.counter_object, 2)
        await public.release()
    except (AccessDenied, ExchangeTimeout, RemoteProtocolError) as error:
        raise ConfigError(
            f"the invocation counter {plan.counter_object} could not be read by client {plan.public_client} "
            f"({error.message.rstrip('.')}); {how}.",
            obis=str(plan.counter_object),
        ) from error
    value, _ = axdr.decode_value(encoded)
    if type(value) is not int:
        raise ConfigError(f"{plan.counter_object} holds no counter but {value!r}; {how}.")
    return value + 1


async def _open(dlms: DlmsSession, plan: ReadPlan) -> Associated:
    """Associate, with errors that name the option to look at."""
    settings = plan.settings
    try:
        return await dlms.open()
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
        return f"the meter wants a higher invocation counter: use --counter {expected} or --counter read."
    diagnostic = error.fields.get("diagnostic")
    if service_error == ServiceError.DECIPHERING_ERROR:
        return "the meter cannot open what we sent: wrong --key or --auth-key, or it does not know our --system-title."
    if diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE or error.fields.get("hls_result") is not None:
        if settings.mechanism is Mechanism.LLS and settings.security is None:
            return f"the meter refused the password of {who}: check --password and --client."
        if settings.mechanism is Mechanism.NONE and settings.security is None:
            return f"the meter wants {who} to prove itself: use --auth low or --auth gmac."
        if settings.mechanism is Mechanism.LLS:
            return f"the meter refused keys or password of {who}: check --key, --auth-key, --password and --client."
        return f"the meter refused the keys of {who}: check --key, --auth-key, --system-title and --client."
    if diagnostic in (
        AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED,
        AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED,
        AcseDiagnostic.AUTHENTICATION_REQUIRED,
    ):
        return f"{who} authenticates in another way in this meter: try another --auth or another --client."
    if diagnostic == AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED:
        ciphered = settings.security is not None and settings.security.ciphered
        return (
            f"the meter does not take a ciphered association from {who}: try --protection none or another --client."
            if ciphered
            else f"the meter wants a ciphered association from {who}: give --key, --auth-key and --system-title."
        )
    if diagnostic == AcseDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED:
        return f"the meter does not know the --system-title of {who}."
    return f"{error.message.rstrip('.')}; check --client, --server and --auth."


def _why_silent(plan: ReadPlan) -> str:
    settings = plan.settings
    where = f"client {settings.client_sap} and logical device {settings.server_sap} may not exist in this meter"
    if plan.hdlc is None:
        where += ", or it speaks HDLC here (--hdlc)"
    if settings.security is not None:
        return f"a meter that cannot open a request may stay silent: check the keys and --counter; or {where}"
    return where


async def _release(dlms: DlmsSession, outcome: ReadOutcome) -> None:
    """Everything is read: what goes wrong now is worth a remark, not a failure."""
    try:
        await dlms.release()
    except HesError as error:
        outcome.findings.append(f"the association was not released properly: {error.message}")


# reading


class _Reader:
    """Reads the objects of one plan through one association."""

    def __init__(self, dlms: DlmsSession, plan: ReadPlan, outcome: ReadOutcome) -> None:
        self._dlms = dlms
        self._plan = plan
        self._outcome = outcome
        self._classes: dict[bytes, int] | None = None

    async def read_all(self) -> None:
        for reference in self._plan.objects:
            self._outcome.results.append(await self._read(reference))

    async def _read(self, reference: ObjectReference) -> Reading | ProfileTable:
        """One object; a refusal of the meter is its result, a lost link or a broken rule ends everything."""
        descriptor = AttributeDescriptor(reference.class_id or 0, reference.obis, reference.attribute)
        try:
            class_id = reference.class_id or await self._class_of(reference.obis)
            descriptor = AttributeDescriptor(class_id, reference.obis, reference.attribute)
            if class_id == PROFILE_CLASS and reference.attribute == BUFFER:
                return await self._profile(descriptor)
            data = decode(await self._dlms.get(*descriptor))
            return Reading(
                descriptor=descriptor,
                data=data,
                scaler_unit=await self._scaler_unit(*descriptor),
                deviation_sign=self._plan.deviation_sign,
            )
        except AccessDenied as error:
            return Reading(descriptor=descriptor, error=_why_not_read(error))

    async def _class_of(self, obis: Obis) -> int:
        """The class of an object, from the object list of this association, which is read once."""
        if self._classes is None:
            try:
                encoded = await self._dlms.get(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, OBJECT_LIST)
            except AccessDenied as error:
                raise AccessDenied(
                    f"the object list cannot be read by {self._who()}; name the class, such as 3/{obis}/2"
                ) from error
            elements = object_list_from_value(axdr.decode_value(encoded)[0])
            self._classes = {bytes(element.logical_name): element.class_id for element in elements}
        class_id = self._classes.get(bytes(obis))
        if class_id is None:
            raise AccessDenied(f"not in the object list: {self._who()} may not see it; try another --client or --auth")
        return class_id

    def _who(self) -> str:
        """ "client 16 (public)"."""
        client = self._plan.settings.client_sap
        return f"client {client} (public)" if client == PUBLIC_CLIENT else f"client {client}"

    async def _scaler_unit(self, class_id: int, obis: bytes, attribute: int) -> ScalerUnit | None:
        """Scaler and unit of a register's value; None when it has none or does not tell."""
        scaler = scaler_attribute(class_id, attribute)
        if scaler is None:
            return None
        try:
            value, _ = axdr.decode_value(await self._dlms.get(class_id, obis, scaler))
        except AccessDenied:
            return None
        return ScalerUnit.from_value(value)

    async def _profile(self, descriptor: AttributeDescriptor) -> ProfileTable:
        class_id, obis, _ = descriptor
        captured, _ = axdr.decode_value(await self._dlms.get(class_id, obis, CAPTURE_OBJECTS))
        columns = capture_objects_from_value(captured)
        encoded = await self._dlms.get(*descriptor, self._selection(columns))
        rows: list[Any] = profile_buffer.decode_rows(encoded)
        period_s = 0
        if any(None in row for row in rows):
            value, _ = axdr.decode_value(await self._dlms.get(class_id, obis, CAPTURE_PERIOD))
            period_s = value if type(value) is int else 0
        units = [await self._scaler_unit(column.class_id, column.obis, column.attribute) for column in columns]
        return ProfileTable(
            descriptor=descriptor,
            columns=columns,
            scaler_units=tuple(units),
            rows=with_sign(filled_rows(rows, columns, period_s), self._plan.deviation_sign),
        )

    def _selection(self, columns: tuple[CaptureObject, ...]) -> bytes:
        """The range that was asked for, on the first column, which is the time. Raises AccessDenied."""
        if self._plan.first is None and self._plan.last is None:
            return b""
        if Conformance.SELECTIVE_ACCESS not in self._dlms.client.conformance:
            raise AccessDenied("the meter gives no parts of a profile; read it whole, without --from and --to")
        return by_range(columns[0], self._plan.first or OPEN_START, self._plan.last or OPEN_END)


def _why_not_read(error: AccessDenied) -> str:
    """Why one object was not read, in a few words."""
    result, refusal = error.fields.get("result"), error.fields.get("refusal")
    if result is not None:
        return f"refused: {code_text(result)}"
    if isinstance(refusal, ExceptionResponse):
        return f"refused: {code_text(refusal.state_error)}, {code_text(refusal.service_error)}"
    return error.message


def frame_printer(echo: Callable[[str], None], render: Callable[[bytes], str]) -> FrameTap:
    """A tap that says each frame: what goes out with an arrow to the meter, what comes in with one from it."""

    def tap(outgoing: bool, frame: bytes) -> None:
        echo(f"{'-> meter' if outgoing else '<- meter'}\n{render(frame)}")

    return tap
