"""The conversation of `amiloop read`: connect, find the counter, associate, read one object after another, release."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from hes.cli.meter_reader import MeterReader, why_not_read
from hes.cli.object_reference import ObjectReference
from hes.cli.opening import open_association, release
from hes.cli.progress import Watch, unwatched
from hes.cli.read_link import Session, explained, hang_up, open_session
from hes.cli.read_plan import PUBLIC_CLIENT, ReadPlan
from hes.cli.read_values import BUFFER, PROFILE_CLASS, ProfileTable, Reading
from hes.dlms import axdr
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client.events import Associated
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.interface_classes import CLASSES, conforms
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject, by_range
from hes.entropy import Entropy
from hes.errors import AccessDenied, HesError, RemoteProtocolError
from hes.links.registry import Links
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.hdlc_session import HdlcSession
from hes.protocols.wrapper_session import FrameTap

ASSOCIATION_CLASS = 15
OBJECT_LIST = 2
CLOSING_S: Final = 5.0

# where one end of the range is left open: years that every meter can write, whatever it does with wildcards [A]
OPEN_START = CosemDateTime(year=2000, month=1, day=1, hour=0, minute=0, second=0, status=0).to_octets()
OPEN_END = CosemDateTime(year=2099, month=12, day=31, hour=23, minute=59, second=59, status=0).to_octets()


@dataclass(slots=True)
class ReadOutcome:
    """results: what was read, in the order asked. findings: what the meter did oddly, as sentences.

    interrupted: somebody ended it before everything was read. broken: what ended it when something had been read.
    """

    associated: Associated | None = None
    results: list[Reading | ProfileTable] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    interrupted: bool = False
    broken: HesError | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for was read."""
        ended = self.interrupted or self.broken is not None
        return not ended and not any(isinstance(result, Reading) and result.error for result in self.results)


async def read_meter(
    plan: ReadPlan, links: Links, entropy: Entropy, tap: FrameTap | None = None, watch: Watch = unwatched
) -> ReadOutcome:
    """Read what the plan says. Raises HesErrors whose sentences say what an operator can do.

    Cancelled, it releases the association and gives what it has, with `interrupted`; so it does where the link is lost
    behind the first object, with `broken`.
    """
    outcome = ReadOutcome()
    task = asyncio.current_task()
    try:
        watch(0, 0, f"connecting to {plan.connect.url}")
        session = await open_session(plan.connect, links, tap)
        try:
            with explained(session, plan.connect):
                await _converse(plan, session, entropy, outcome, watch)
        finally:
            await _close(session)  # bounded; a second interrupt ends it at once
    except asyncio.CancelledError:
        if task is None:
            raise
        task.uncancel()
        outcome.interrupted = True
    except HesError as error:
        if not outcome.results:
            raise
        outcome.broken = error
    return outcome


async def _close(session: Session) -> None:
    try:
        with suppress(HesError, TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await hang_up(session)
    finally:
        session.close()


async def _converse(plan: ReadPlan, session: Session, entropy: Entropy, outcome: ReadOutcome, watch: Watch) -> None:
    watch(0, 0, f"associating as client {plan.connect.settings.client_sap}")
    opened = await open_association(plan.connect, session, entropy)
    outcome.associated = opened.associated
    outcome.findings += opened.findings()
    try:
        await _Reader(opened.dlms, session, plan, outcome, watch).read_all()
    except asyncio.CancelledError:
        with suppress(HesError, TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await release(opened.dlms)
        raise
    remark = await release(opened.dlms)
    outcome.findings += [remark] if remark else []
    if isinstance(session, HdlcSession):
        outcome.findings += session.counters.rules_broken()


def _compared(reading: Reading) -> Reading:
    """With a remark where the value is not of the type that its class declares, in any version."""
    class_id, _, attribute = reading.descriptor
    if reading.data is None:
        return reading
    versions = sorted(version for known, version in CLASSES if known == class_id)
    why = [conforms(class_id, version, attribute, reading.data) for version in versions]
    return replace(reading, mismatch=why[-1] or "") if why and all(why) else reading


class _Reader:
    """Reads the objects of one plan through one association."""

    def __init__(self, dlms: DlmsSession, session: Session, plan: ReadPlan, outcome: ReadOutcome, watch: Watch) -> None:
        self._dlms = dlms
        self._session = session
        self._meter = MeterReader(dlms, plan.connect.deviation_sign)
        self._plan = plan
        self._outcome = outcome
        self._watch = watch
        self._classes: dict[bytes, int] | None = None

    async def read_all(self) -> None:
        objects = self._plan.objects
        for done, reference in enumerate(objects):
            self._watch(done, len(objects), reference.text)
            self._outcome.results.append(await self._read(reference))

    async def _read(self, reference: ObjectReference) -> Reading | ProfileTable:
        """One object; a refusal of the meter or an answer that breaks a rule is its result, a lost link ends all."""
        descriptor = AttributeDescriptor(reference.class_id or 0, reference.obis, reference.attribute)
        try:
            class_id = reference.class_id or await self._class_of(reference.obis)
            descriptor = AttributeDescriptor(class_id, reference.obis, reference.attribute)
            if class_id == PROFILE_CLASS and reference.attribute == BUFFER:
                columns = await self._meter.columns(class_id, reference.obis)
                return await self._meter.table(descriptor, columns, self._selection(columns))
            return _compared(await self._meter.reading(descriptor))
        except AccessDenied as error:
            return Reading(descriptor=descriptor, error=why_not_read(error))
        except RemoteProtocolError as error:
            if not self._session.connected:  # it was the framing, and nothing more will come
                raise
            return Reading(descriptor=descriptor, error=why_not_read(error))

    async def _class_of(self, obis: Obis) -> int:
        """The class of an object: known, or from the object list of this association, which is read once."""
        if bytes(obis) in self._plan.classes:
            return self._plan.classes[bytes(obis)]
        names = self._dlms.client.names
        class_id = await self._listed_class(obis) if names is None else names.class_of(obis)
        if class_id is None:
            raise AccessDenied(f"not in the object list: {self._who()} may not see it; try another --client or --auth")
        return class_id

    async def _listed_class(self, obis: Obis) -> int | None:
        if self._classes is None:
            try:
                encoded = await self._dlms.get(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, OBJECT_LIST)
            except AccessDenied as error:
                raise AccessDenied(
                    f"the object list cannot be read by {self._who()}; name the class, such as 3/{obis}/2"
                ) from error
            elements = object_list_from_value(axdr.decode_value(encoded)[0])
            self._classes = {bytes(element.logical_name): element.class_id for element in elements}
        return self._classes.get(bytes(obis))

    def _who(self) -> str:
        """ "client 16 (public)"."""
        client = self._plan.connect.settings.client_sap
        return f"client {client} (public)" if client == PUBLIC_CLIENT else f"client {client}"

    def _selection(self, columns: tuple[CaptureObject, ...]) -> bytes:
        """The range that was asked for, on the first column, which is the time. Raises AccessDenied."""
        if self._plan.first is None and self._plan.last is None:
            return b""
        if not self._dlms.client.selects:
            raise AccessDenied("the meter gives no parts of a profile; read it whole, without --from and --to")
        return by_range(columns[0], self._plan.first or OPEN_START, self._plan.last or OPEN_END)
