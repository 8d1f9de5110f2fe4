"""One bundle: everything that is wanted of one meter now, over one association.

The meter's clock is read first: it says how far the meter is off, and it is the only proof that a row which is not in
an answer will never be: the meter's own clock has passed that row's stamp and the row is not there.
Each answer is delivered as it comes, so that what was read before a failure stays read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hes.acquisition.coverage import merge_runs
from hes.acquisition.items import CollectedItem
from hes.acquisition.rows import ReadingRow, readings_of
from hes.clock import Clock
from hes.devices.archive import Meter
from hes.devices.profiles import DataItem
from hes.dlms import axdr
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.cosem_time import date_time_octets, epoch_s
from hes.dlms.profile_buffer import decode_rows
from hes.dlms.selective_access import by_range
from hes.errors import AccessDenied, RemoteProtocolError
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.gateway_route import MeterBusy, MeterSilent

CLASS_PROFILE_GENERIC = 7
ATTRIBUTE_BUFFER = 2
DATE_TIME_OCTETS = 12
RANGES_PER_ITEM_MAX = 4
CAPTURE_MARGIN_S = 5
"""A meter may take a moment to write a row after its clock passed the stamp [A]."""


@dataclass(frozen=True, slots=True)
class Want:
    """Rows of one item to ask for, as runs of stamp numbers."""

    item: CollectedItem
    runs: Sequence[range]


class BundleSink(Protocol):
    """Who receives what a bundle reads, as it is read."""

    def clock_read(self, meter: Meter, meter_s: int, now_s: float) -> None: ...

    async def rows_read(
        self,
        meter: Meter,
        item: CollectedItem,
        readings: list[ReadingRow],
        indices: list[int],
        never_captured: list[int],
    ) -> None: ...


class Bundle:
    """One association's worth of reading from one meter, over a session that is open.

    repeats: how often a request that the meter did not answer is sent again.
    """

    def __init__(self, session: DlmsSession, meter: Meter, sink: BundleSink, clock: Clock, repeats: int) -> None:
        self._session = session
        self._meter = meter
        self._sink = sink
        self._clock = clock
        self._repeats = repeats
        self._meter_clock = meter.profile.clock

    async def read(self, wants: Sequence[Want]) -> None:
        """Read the meter's clock and all `wants`. Raises what the exchange and the association raise.

        An item that the meter denies does not keep it from giving the others: the first denial is raised at the end.
        """
        meter_s = await self._read_clock()
        denied: AccessDenied | None = None
        for want in wants:
            try:
                for run in merge_runs(list(want.runs), RANGES_PER_ITEM_MAX):
                    await self._read_run(want.item, run, meter_s)
            except AccessDenied as refusal:
                denied = denied or refusal
        if denied is not None:
            raise denied

    async def _read_clock(self) -> int:
        octets = await self._get(AttributeDescriptor(*_address(self._meter_clock)))
        value = axdr.plain(axdr.decode_all(octets))
        if not isinstance(value, bytes) or len(value) != DATE_TIME_OCTETS:
            raise RemoteProtocolError(f"the clock of meter {self._meter.number} holds no date-time")
        meter_s = epoch_s(value, deviation_sign=self._meter.profile.deviation_sign)
        self._sink.clock_read(self._meter, meter_s, self._clock.epoch_s())
        return meter_s

    async def _read_run(self, item: CollectedItem, run: range, meter_s: int) -> None:
        first_s, last_s = item.grid.stamp(run.start), item.grid.stamp(run.stop - 1)
        selection = by_range(
            AttributeDescriptor(*_address(self._meter_clock)), date_time_octets(first_s), date_time_octets(last_s)
        )
        octets = await self._get(
            AttributeDescriptor(CLASS_PROFILE_GENERIC, item.profile.obis, ATTRIBUTE_BUFFER), selection
        )
        rows = decode_rows(octets)
        received_ms = int(self._clock.epoch_s() * 1000)
        sign = self._meter.profile.deviation_sign
        readings, indices = readings_of(item, self._meter.device_id, rows, sign, received_ms)
        captured = set(indices)
        passed_s = meter_s - CAPTURE_MARGIN_S
        never = [index for index in run if index not in captured and item.grid.stamp(index) <= passed_s]
        await self._sink.rows_read(self._meter, item, readings, indices, never)

    async def _get(self, wanted: AttributeDescriptor, selection: bytes = b"") -> bytes:
        """One GET; asked again where the concentrator says that the meter did not answer it."""
        for left in range(self._repeats, -1, -1):
            try:
                return await self._session.get(*wanted, selection)
            except (MeterSilent, MeterBusy):
                if not left:
                    raise
        raise AssertionError("the last repeat returns or raises")


def _address(item: DataItem) -> tuple[int, bytes, int]:
    return item.class_id, item.obis, item.attribute
