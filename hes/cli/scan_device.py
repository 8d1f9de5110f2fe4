"""The conversation of `amiloop scan`: logical devices, object lists, then every attribute that may be read.

What one attribute does wrong does not end the scan: a refusal, a value that breaks a rule or no answer in time is noted
at the attribute. A lost connection is opened again, and the attribute that it was lost with is not asked for twice: it
may be the reason. Devices that stop answering are given up after `SILENCES_MAX` attributes in succession.

Each logical device gets a connection of its own. Buffers of profiles are never read whole unless they are short: the
first and the last row are asked for by entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, TypeVar

from hes.cli.meter_reader import MeterReader, why_not_read
from hes.cli.opening import Opened, open_association, release
from hes.cli.progress import Watch
from hes.cli.read_link import Session, explained, hang_up, open_session
from hes.cli.read_plan import ConnectPlan
from hes.cli.read_values import PROFILE_CLASS, ProfileTable, Reading
from hes.cli.scan_result import BufferSummary, Scan, ScannedAttribute, ScannedDevice, ScannedMethod, ScannedObject
from hes.cli.send_counter import SendCounter
from hes.dlms import axdr
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.cosem.access_rights import READ, AccessRight, attribute_right, method_right
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.association_sn import sn_access_rights_from_value, sn_object_list_from_value
from hes.dlms.cosem.interface_classes import conforms, interface_class
from hes.dlms.cosem.object_list import ObjectListElement, object_list_from_value
from hes.dlms.cosem.sap_assignment import SAP_ASSIGNMENT_NAME, sap_list_from_value
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.inspect.meanings import scaler_attribute
from hes.dlms.obis import Obis
from hes.dlms.selective_access import by_entry
from hes.entropy import Entropy
from hes.errors import AccessDenied, HesError, LinkError, RemoteProtocolError
from hes.links.registry import Links
from hes.protocols.hdlc_session import HdlcSession
from hes.protocols.wrapper_session import ExchangeTimeout, FrameTap

ASSOCIATION_CLASS: Final = 15
ASSOCIATION_SN_CLASS: Final = 12
OBJECT_LIST: Final = 2
ACCESS_RIGHTS: Final = 3
SAP_CLASS: Final = 17
SAP_LIST: Final = 2
BUFFER: Final = 2
ENTRIES_IN_USE: Final = 7
LOGICAL_DEVICES_MAX: Final = 256
OBJECTS_MAX: Final = 10_000
SILENCES_MAX: Final = 3  # attributes in succession without an answer before a device is given up [A]
READ_TIMES: Final = 30  # one attribute ends after so many times-out, however many blocks it comes in [A]
SHORT_ROWS: Final = 2  # a buffer of so many rows is read whole
CLOSING_S: Final = 5.0

ValueT = TypeVar("ValueT")


class GivenUp(LinkError):
    """The device does not answer any more; what is known of it stays known."""


async def scan_url(
    plan: ConnectPlan,
    links: Links,
    entropy: Entropy,
    *,
    values: bool,
    every_device: bool,
    watch: Watch,
    tap: FrameTap | None = None,
) -> Scan:
    """Scan the logical device of the plan, then the others that its SAP assignment names where `every_device`.

    Cancelled, it releases the association and gives what it has, with `interrupted`. Raises HesErrors when the first
    logical device cannot be opened or listed; a later one keeps its error.
    """
    scan = Scan(url=plan.url, framing="wrapper" if plan.hdlc is None else "hdlc")
    task = asyncio.current_task()
    opener = _Opener(plan, links, entropy, tap)
    waiting = [plan.settings.server_sap]
    try:
        while waiting:
            sap = waiting.pop(0)
            device = ScannedDevice(sap, plan.settings.client_sap, sap_name=scan.saps.get(sap, ""))
            scan.devices.append(device)
            scanner = _DeviceScanner(opener.of(sap), device, scan.saps, values=values, watch=watch)
            try:
                await scanner.scan()
            except HesError as error:
                if len(scan.devices) == 1 and not device.objects:
                    raise
                device.error = error.message
            finally:
                await scanner.close()  # bounded; a second interrupt ends it at once
            device.sap_name = scan.saps.get(sap, "")
            if every_device and len(scan.devices) == 1:
                waiting += sorted(other for other in scan.saps if other != sap)[: LOGICAL_DEVICES_MAX - 1]
    except asyncio.CancelledError:
        if task is None or not scan.devices:
            raise
        task.uncancel()
        scan.interrupted = True
    return scan


class _Opener:
    """Opens associations, as often as it takes. Counters that were given go on from one to the next."""

    def __init__(self, plan: ConnectPlan, links: Links, entropy: Entropy, tap: FrameTap | None) -> None:
        self.plan = self._asked = plan
        self._links, self._entropy, self._tap = links, entropy, tap
        self._counter = None if plan.counter is None else SendCounter(plan.counter, plan.settings.client_sap)

    def of(self, server_sap: int) -> _Opener:
        """The same way to another logical device behind it."""
        if server_sap == self.plan.settings.server_sap:
            return self
        settings = replace(self._asked.settings, server_sap=server_sap)
        hdlc = self._asked.hdlc
        address = None if hdlc is None else ServerAddress(server_sap, hdlc.lower, hdlc.octets)
        other = _Opener(replace(self._asked, settings=settings, hdlc=address), self._links, self._entropy, self._tap)
        other._counter = self._counter
        return other

    async def connect(self) -> Session:
        return await open_session(self.plan, self._links, self._tap)

    async def associate(self, session: Session) -> Opened:
        counter = None if self._counter is None else self._counter.take
        opened = await open_association(self.plan, session, self._entropy, send_counter=counter)
        if opened.counter_object is not None:  # for the next time
            self.plan = replace(self.plan, counter_object=opened.counter_object, counter_object_given=True)
        return opened


class _DeviceScanner:
    """One logical device, through one association after another if need be."""

    def __init__(
        self, opener: _Opener, device: ScannedDevice, saps: dict[int, str], *, values: bool, watch: Watch
    ) -> None:
        self._opener, self._device, self._saps = opener, device, saps
        self._values, self._watch = values, watch
        self._session: Session | None = None
        self._meter: MeterReader | None = None
        self._silences = 0

    async def scan(self) -> None:
        """Fill in the device. Raises HesErrors when it cannot be opened or listed, GivenUp when it falls silent."""
        await self._open()
        await self._list_logical_devices()
        self._device.objects = await self._listed_objects()
        if self._values:
            await self._read_everything()
        self._device.complete = True

    async def close(self) -> None:
        with suppress(HesError, TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                if self._meter is not None:
                    remark = await release(self._meter.dlms)
                    self._device.findings += [remark] if remark else []
                if self._session is not None:
                    await hang_up(self._session)
        if isinstance(self._session, HdlcSession):
            self._device.findings += self._session.counters.rules_broken()
        if self._session is not None:
            self._session.close()

    # the way

    async def _open(self) -> MeterReader:
        plan = self._opener.plan
        self._session = session = await self._opener.connect()
        with explained(session, plan):
            opened = await self._opener.associate(session)
        if self._device.associated is None:
            self._device.associated = opened.associated
            self._device.findings += opened.findings()
        known = self._meter.known_scaler_units if self._meter is not None else {}
        self._meter = MeterReader(opened.dlms, plan.deviation_sign, known)
        return self._meter

    async def _usable(self) -> MeterReader:
        """The association, opened again where the connection or the HDLC link is gone."""
        session, meter = self._session, self._meter
        up = (
            session is not None and session.connected and not (isinstance(session, HdlcSession) and not session.link_up)
        )
        if up and meter is not None:
            return meter
        if session is not None:
            session.close()
        self._device.findings.append("the connection was lost and opened again")
        return await self._open()

    async def _attempt(self, read: Callable[[MeterReader], Awaitable[ValueT]]) -> ValueT:
        """One read through an association that is there. Raises AccessDenied for whatever went wrong with it alone,
        GivenUp when nothing answers any more."""
        try:
            meter = await self._usable()
        except HesError as error:
            raise GivenUp(f"the connection was lost and could not be opened again: {error.message}") from error
        try:
            async with asyncio.timeout(self._opener.plan.timeout_s * READ_TIMES):
                value = await read(meter)
        except AccessDenied as error:
            self._silences = 0
            raise AccessDenied(why_not_read(error)) from error
        except RemoteProtocolError as error:
            self._silences = 0
            raise AccessDenied(why_not_read(error)) from error
        except (TimeoutError, LinkError) as error:
            self._silences += 1
            if self._silences >= SILENCES_MAX:
                raise GivenUp(
                    f"{SILENCES_MAX} attributes in succession were not answered; the rest is not read."
                ) from error
            why = (
                "no answer in time" if isinstance(error, TimeoutError | ExchangeTimeout) else "the connection was lost"
            )
            raise AccessDenied(why) from error
        self._silences = 0
        return value

    # what there is

    async def _list_logical_devices(self) -> None:
        """The SAP assignment, once for all logical devices; most devices have it in the management one only."""
        if self._saps:
            return

        async def read(meter: MeterReader) -> dict[int, bytes]:
            encoded = await meter.dlms.get(SAP_CLASS, SAP_ASSIGNMENT_NAME, SAP_LIST)
            return sap_list_from_value(axdr.decode_value(encoded)[0])

        try:
            found = await self._attempt(read)
        except AccessDenied as error:
            self._device.findings.append(f"the SAP assignment cannot be read: {error.message}")
            return
        self._saps |= {sap: octets.decode("ascii", "backslashreplace") for sap, octets in found.items()}

    async def _listed_objects(self) -> list[ScannedObject]:
        short = self._opener.plan.settings.short_names
        self._watch(0, 0, "object list")
        client = self._device.client_sap
        try:
            elements = await self._attempt(_short_named if short else _listed)
        except AccessDenied as error:
            raise _not_listed(error, client, self._device.server_sap) from error
        if len(elements) > OBJECTS_MAX:
            self._device.findings.append(f"of {len(elements)} objects only the first {OBJECTS_MAX} are looked into")
        version = next((each.version for each in elements if each.logical_name == CURRENT_ASSOCIATION), 0)
        self._device.association_version = version
        modes_version = 0 if short else version  # Association SN has the modes of Association LN before version 3
        return [_scanned(element, modes_version) for element in elements[:OBJECTS_MAX]]

    # values

    async def _read_everything(self) -> None:
        """Registers and all else before profiles, whose columns need the units."""
        work = [(each, attribute) for each in self._device.objects for attribute in _to_read(each)]
        work.sort(key=lambda pair: pair[0].class_id == PROFILE_CLASS)
        profiles = [each for each in self._device.objects if each.class_id == PROFILE_CLASS]
        profiles = [each for each in profiles if _may_read(each, BUFFER)]
        total = len(work) + len(profiles)
        for done, (each, attribute) in enumerate(work):
            self._watch(done, total, f"{each.class_name} {each.obis} {attribute.name}")
            await self._read(each, attribute)
        for done, each in enumerate(profiles, len(work)):
            self._watch(done, total, f"{each.class_name} {each.obis} rows")
            each.buffer = await self._summary(each)
        self._watch(total, total, "done")

    async def _read(self, each: ScannedObject, attribute: ScannedAttribute) -> None:
        descriptor = AttributeDescriptor(each.class_id, each.obis, attribute.index)
        try:
            attribute.reading = reading = await self._attempt(lambda meter: meter.reading(descriptor, each.version))
            if reading.data is not None:
                attribute.mismatch = conforms(each.class_id, each.version, attribute.index, reading.data) or ""
        except AccessDenied as error:
            attribute.reading = Reading(descriptor=descriptor, error=error.message)
            if self._meter is not None:  # a scaler that is not given is not asked for again with each value
                self._meter.known_scaler_units.setdefault((each.class_id, bytes(each.obis), attribute.index), None)

    async def _summary(self, each: ScannedObject) -> BufferSummary:
        """First and last row of a profile."""
        summary = BufferSummary()
        held = each.reading(ENTRIES_IN_USE)
        if held is not None and held.data is not None and type(held.data.value) is int:
            summary.entries = held.data.value
        try:
            summary.table = await self._attempt(lambda meter: _first_and_last(meter, each, summary.entries))
        except AccessDenied as error:
            summary.error = error.message
        return summary


def _not_listed(error: AccessDenied, client: int, server: int) -> HesError:
    """Why there is no object list: refused, wrong, or never given, which are three different things to a script."""
    cause = error.__cause__
    asked = f"when client {client} asked for the object list of logical device {server}"
    if isinstance(cause, RemoteProtocolError):
        return RemoteProtocolError(f"{cause.message} ({asked})", octet_offset=cause.octet_offset, clause=cause.clause)
    if isinstance(cause, TimeoutError | ExchangeTimeout):
        why = f" ({cause.message.rstrip('.')})" if isinstance(cause, ExchangeTimeout) else ""
        return ExchangeTimeout(f"the device did not answer {asked}{why}: try --timeout, or `amiloop read`.")
    if isinstance(cause, LinkError):
        return LinkError(f"the connection was lost {asked}: {cause.message}")
    return AccessDenied(
        f"client {client} may not read the object list of logical device {server} ({error.message}): use another "
        "--client or --auth, or name objects in `amiloop read`.",
        **error.fields,
    )


async def _listed(meter: MeterReader) -> list[ObjectListElement]:
    encoded = await meter.dlms.get(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, OBJECT_LIST)
    return object_list_from_value(axdr.decode_value(encoded)[0])


async def _short_named(meter: MeterReader) -> list[ObjectListElement]:
    """The objects of Association SN, with their rights where it tells them; else no modes, and everything is tried."""
    encoded = await meter.dlms.get(ASSOCIATION_SN_CLASS, CURRENT_ASSOCIATION, OBJECT_LIST)
    listed = sn_object_list_from_value(axdr.decode_value(encoded)[0])
    try:
        encoded = await meter.dlms.get(ASSOCIATION_SN_CLASS, CURRENT_ASSOCIATION, ACCESS_RIGHTS)
        rights = sn_access_rights_from_value(axdr.decode_value(encoded)[0])
    except (AccessDenied, RemoteProtocolError):
        rights = {}
    return [
        ObjectListElement(each.class_id, each.version, each.logical_name, *rights.get(each.base_name, ({}, {})))
        for each in listed
    ]


async def _first_and_last(meter: MeterReader, each: ScannedObject, entries: int | None) -> ProfileTable:
    columns = await meter.columns(each.class_id, each.obis)
    descriptor = AttributeDescriptor(each.class_id, each.obis, BUFFER)
    if entries == 0:
        return ProfileTable(descriptor=descriptor, columns=columns, scaler_units=await meter.units(columns), rows=())
    if entries is not None and entries <= SHORT_ROWS:
        return await meter.table(descriptor, columns, b"")
    if not meter.gives_parts:
        raise AccessDenied("the device gives no parts of a profile; read it whole with amiloop read")
    first = await meter.table(descriptor, columns, by_entry(1, 1))
    if entries is None:
        return first
    last = await meter.table(descriptor, columns, by_entry(entries, entries))
    return replace(first, rows=(*first.rows[:1], *last.rows[-1:]))


def _scanned(element: ObjectListElement, association_version: int) -> ScannedObject:
    """An object with its rights; names from its class in its version, else in the newest that is known."""
    found = ScannedObject(element.class_id, element.version, Obis(element.logical_name))
    known = interface_class(element.class_id, element.version) or interface_class(element.class_id)
    names = known.attributes if known is not None else ()
    methods = known.methods if known is not None else ()
    if not element.attributes:  # nothing is said of rights: it may be tried
        for index, called in enumerate(names, 1):
            found.attributes.append(ScannedAttribute(index, called, None, AccessRight(READ)))
    for index, mode in sorted(element.attributes.items()):
        right = attribute_right(mode, association_version)
        found.attributes.append(ScannedAttribute(index, _name(names, index, "attribute"), mode, right))
    for index, mode in sorted(element.methods.items()):
        right = method_right(mode, association_version)
        found.methods.append(ScannedMethod(index, _name(methods, index, "method"), mode, right))
    return found


def _name(names: tuple[str, ...], index: int, kind: str) -> str:
    return names[index - 1] if 1 <= index <= len(names) else f"{kind} {index}"


def _to_read(each: ScannedObject) -> list[ScannedAttribute]:
    """What is read one by one, scalers before the values that need them. The logical name is known from the list, the
    list itself was read, and buffers are summed up."""
    left_out = {1}
    if each.class_id == ASSOCIATION_SN_CLASS:
        left_out.add(ACCESS_RIGHTS)
    if each.class_id == PROFILE_CLASS:
        left_out.add(BUFFER)
    if each.class_id in (ASSOCIATION_CLASS, ASSOCIATION_SN_CLASS) and each.obis == CURRENT_ASSOCIATION:
        left_out.add(OBJECT_LIST)
    scaler = scaler_attribute(each.class_id)
    chosen = [each for each in each.attributes if each.right.can_read and each.index not in left_out]
    return sorted(chosen, key=lambda attribute: attribute.index != scaler)


def _may_read(each: ScannedObject, index: int) -> bool:
    found = each.attribute(index)
    return found is not None and found.right.can_read
