"""Profile generic, class 7, that captures by itself: its rows are kept with the instance.

For devices that live through their time. Simulated meters whose rows can be computed use `ProfileGeneric`.

Source: docs/protocols/cosem-objects.md §7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from hes.dlms import data, selective_access
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import DAY_S
from hes.dlms.cosem.calendar.own_time import next_due_s
from hes.dlms.cosem.captured.profile_store import (
    NULL,
    UNSORTED,
    StoredRow,
    column,
    compressed,
    element,
    number_of,
    rank_of,
    row_of,
    stored,
    trimmed,
)
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Method
from hes.dlms.cosem.device_time import handled_own_s
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number
from hes.dlms.cosem.local_time import LocalTime
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.profile_generic import (
    SortMethod,
    array_of,
    capture_object_data,
    cut_columns,
    instant_of,
    selected_cells,
)
from hes.dlms.cosem.stateful_method import no_parameters
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject, EntrySelection, RangeSelection
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CAPTURE_OBJECTS_MAX: Final = 64  # [A]
ENTRIES_MAX: Final = 10_000  # rows that a device of ours keeps at most [A]
ELEMENT_MAX: Final = 0x0FFF  # data indices above it name parts of arrays, which are not captured
CLASS_PROFILE: Final = 7
CLASS_CLOCK: Final = 8
BUFFER: Final = 2
TIME: Final = 2
MILLISECOND_S: Final = 0.001  # so that a clock of any kind has reached the border that is being captured
NO_OBJECT: Final = CaptureObject(0, bytes(6), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileState:
    """rows: in the order of the buffer. period_s: 0 captures by method only."""

    capture_objects: tuple[CaptureObject, ...] = ()
    period_s: int = 0
    sort_method: SortMethod = SortMethod.FIFO
    sort_object: CaptureObject = NO_OBJECT
    entries: int = 1
    rows: tuple[StoredRow, ...] = ()


class StoredProfile(StatefulObject[I, ProfileState]):
    """Class 7, Profile generic, version 1, with all that the standard gives it.

    Rows of a day or more are captured at full civil days, shorter periods on a grid of standard time, so that a day has
    92 or 100 quarters when the clock changes [A].
    """

    __slots__ = ("_compress", "_entries_max")

    def __init__(
        self,
        logical_name: Obis | str,
        initial: ProfileState,
        *,
        entries_max: int = ENTRIES_MAX,
        compress: bool = False,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """entries_max: what profile_entries may be set to. compress: send null-data for what the row before tells."""
        self._entries_max, self._compress = entries_max, compress
        stored_as = partial(self.stored, readable=readable, writable=writable)
        super().__init__(
            interface_classes.PROFILE_GENERIC,
            logical_name,
            {
                2: Attribute(
                    get=self._buffer,
                    readable=readable,
                    selectors=(selective_access.BY_RANGE, selective_access.BY_ENTRY),
                ),
                3: stored_as("capture_objects", _columns_data, _columns, apply=self._with_columns),
                4: stored_as("period_s", data.u32, _u32, apply=self._emptied("period_s")),
                5: stored_as("sort_method", data.enum, _sort_method, apply=self._emptied("sort_method")),
                6: stored_as("sort_object", capture_object_data, _column, apply=self._with_sort_object),
                7: self.stored("rows", lambda rows: data.u32(len(rows)), readable=readable),
                8: stored_as("entries", data.u32, _u32, apply=self._with_entries),
            },
            {
                1: self._method(self.reset, invocable),
                2: self._method(self.capture, invocable),
            },
            initial=initial,
        )

    # -- capturing

    def capture(self, context: Context[I]) -> None:
        """One more row, of what the objects say at `context.now_s`."""
        state = self.state(context)
        if not state.capture_objects:
            return
        values = [self._captured(context, column_of) for column_of in state.capture_objects]
        rank = 0.0
        if state.sort_method not in UNSORTED and state.sort_object in state.capture_objects:
            local = context.device.timekeeper.local(context)
            value = number_of(values[state.capture_objects.index(state.sort_object)], local.epoch_s)
            rank = rank_of(state.sort_method, 0 if value is None else value)
        rows = stored(state.rows, StoredRow(rank, row_of(values)), state.sort_method, state.entries)
        self.put(context, replace(state, rows=rows))

    def reset(self, context: Context[I]) -> None:
        """An empty buffer."""
        self.put(context, replace(self.state(context), rows=()))

    def next_deadline(self, context: Context[I]) -> float | None:
        period_s = self.state(context).period_s
        if not period_s:
            return None
        if period_s >= DAY_S:
            return next_due_s(context, lambda civil: -(-civil // period_s) * period_s)
        keeper = context.device.timekeeper
        zone_s = 60 * keeper.local(context).standard_deviation_min
        border = (handled_own_s(context) - zone_s) // period_s * period_s + period_s
        return keeper.world_s(context, border + zone_s)

    def run_due(self, context: Context[I]) -> None:
        at_s = context.now_s
        context.now_s = at_s + MILLISECOND_S
        try:
            self.capture(context)
        finally:
            context.now_s = at_s

    def _captured(self, context: Context[I], wanted: CaptureObject) -> bytes:
        """What a column holds now; null-data where the object does not say."""
        encoded = context.device.read_encoded(context, wanted.class_id, wanted.obis, wanted.attribute)
        if encoded is None or wanted.data_index > ELEMENT_MAX:
            return NULL
        return (element(encoded, wanted.data_index) or NULL) if wanted.data_index else encoded

    def _method(self, act: Any, invocable: Role) -> Method[I]:
        def invoke(context: Context[I], parameters: Data | None) -> ActionResult:
            try:
                no_parameters(data.null() if parameters is None else parameters)
            except RemoteProtocolError:
                return ActionResult.TYPE_UNMATCHED
            act(context)
            return ActionResult.SUCCESS

        return Method(invoke=invoke, invocable=invocable)

    # -- parameters

    def _emptied(self, field: str) -> Any:
        """A new value of a parameter that the rows depend on empties the buffer."""
        return lambda _context, state, value: replace(state, **{field: value, "rows": ()})

    def _with_columns(
        self, context: Context[I], state: ProfileState, columns: tuple[CaptureObject, ...]
    ) -> ProfileState:
        """Other columns empty the buffer, and those of profiles that capture it."""
        for entry in context.device:
            if isinstance(entry, StoredProfile) and entry is not self and entry.captures(context, self.logical_name):
                entry.reset(context)
        return replace(state, capture_objects=columns, rows=())

    def captures(self, context: Context[I], profile: Obis) -> bool:
        """Whether one of its columns is the buffer of that profile."""
        columns = self.state(context).capture_objects
        return any(each[:3] == (CLASS_PROFILE, profile, BUFFER) for each in columns)

    def _with_sort_object(
        self, _context: Context[I], state: ProfileState, wanted: CaptureObject
    ) -> ProfileState | DataAccessResult:
        """A sort object that is not captured is refused [A]; class 0 is none."""
        if wanted.class_id and wanted not in state.capture_objects:
            return DataAccessResult.OTHER_REASON
        return replace(state, sort_object=wanted, rows=())

    def _with_entries(self, _context: Context[I], state: ProfileState, entries: int) -> ProfileState | DataAccessResult:
        if not 1 <= entries <= self._entries_max:
            return DataAccessResult.OTHER_REASON
        return replace(state, entries=entries, rows=trimmed(state.rows, state.sort_method, entries))

    # -- the buffer

    def _buffer(self, context: Context[I], selection: bytes) -> bytes | DataAccessResult:
        state = self.state(context)
        rows = [row.octets for row in state.rows]
        if not selection:
            return self._answer(state, rows, range(len(state.capture_objects)))
        try:
            wanted = selective_access.decode(selection)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        if isinstance(wanted, RangeSelection):
            return self._by_range(context, state, wanted)
        return self._by_entry(state, rows, wanted)

    def _by_entry(self, state: ProfileState, rows: Sequence[bytes], wanted: EntrySelection) -> bytes:
        cells = selected_cells(wanted, len(rows), len(state.capture_objects))
        if cells is None:
            return array_of(())
        first, last, first_column, last_column = cells
        return self._answer(state, rows[first - 1 : last], range(first_column - 1, last_column))

    def _by_range(self, context: Context[I], state: ProfileState, wanted: RangeSelection) -> bytes | DataAccessResult:
        """Any captured column restricts, by its number or instant; one that is not captured is OBJECT_UNDEFINED [A]."""
        local = context.device.timekeeper.local(context)
        known = {each[:3]: index for index, each in reversed(list(enumerate(state.capture_objects)))}
        restricting = known.get(wanted.restricting[:3])
        chosen = sorted({known.get(each[:3], -1) for each in wanted.columns}) or range(len(state.capture_objects))
        if restricting is None or chosen[0] < 0:
            return DataAccessResult.OBJECT_UNDEFINED
        try:
            low, high = _end(wanted.from_, local), _end(wanted.to, local)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        rows = []
        for row in state.rows:
            value = number_of(column(row.octets, restricting), local.epoch_s)
            if value is not None and (low is None or value >= low) and (high is None or value <= high):
                rows.append(row.octets)
        return self._answer(state, rows, chosen)

    def _answer(self, state: ProfileState, rows: Sequence[bytes], columns: Sequence[int]) -> bytes:
        if len(columns) < len(state.capture_objects):
            rows = cut_columns(rows, columns)
        if self._compress:
            clock = [(c.class_id, c.attribute) == (CLASS_CLOCK, TIME) for c in state.capture_objects]
            times = [place for place, index in enumerate(columns) if clock[index]]
            rows = compressed(rows, times[0] if times else None, state.period_s)
        return array_of(rows)


def _end(value: Any, local: LocalTime) -> float | None:
    return value if isinstance(value, float) else instant_of(value, local)


def _u32(value: Data) -> int:
    return number(value, Tag.DOUBLE_LONG_UNSIGNED)


def _sort_method(value: Data) -> SortMethod:
    try:
        return SortMethod(number(value, Tag.ENUM))
    except ValueError:
        raise RemoteProtocolError(f"there is no sort method {value.value}") from None


def _column(value: Data) -> CaptureObject:
    class_id, name, attribute, data_index = members(value, 4)
    return CaptureObject(
        number(class_id, Tag.LONG_UNSIGNED),
        bytes(logical_name_of(name)),
        number(attribute, Tag.INTEGER),
        number(data_index, Tag.LONG_UNSIGNED),
    )


def _columns(value: Data) -> tuple[CaptureObject, ...]:
    return tuple(_column(each) for each in elements(value, CAPTURE_OBJECTS_MAX))


def _columns_data(columns: Sequence[CaptureObject]) -> Data:
    return data.array(map(capture_object_data, columns))
