"""The energy that passes a meter's terminals, as a function of time: nothing is stored and nothing is stepped.

`MeterLoad` evaluates the tables of `sim.meter.load_table` for one meter. A whole day of a channel costs one hash and
one list; a bounded cache, shared by all meters of a world, keeps the days asked for last. It only saves time: every
answer is a pure function of (seed, meter, instant).

Units: mWh and mvarh as integers; instants in ms since 1970 UTC; days are local days of the world's standard time
(customers and the ripple control of their tariffs keep civil time, whatever the meter's own clock says [A]).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from enum import IntEnum

from sim.meter import chance
from sim.meter.load_shape import SLOTS_PER_DAY
from sim.meter.load_table import (
    CURVE_BITS,
    FIRST_MONDAY,
    PARTS,
    WEEKDAYS,
    ChannelTable,
    LoadKind,
)

DAY_MS = 86_400_000
SLOT_MS = 900_000
DAYS_KEPT_DEFAULT = 512  # about 15 kB each
BULK_FROM = 6  # so many instants of one day make a whole curve cheaper than single points
_BORDERS = SLOTS_PER_DAY + 1
_NOISE_CHANNELS = 5  # the four energies and the voltage
VOLTAGE_NOISE = 4
_CURVE_NOISE = struct.Struct(f"<{_BORDERS}h")
_POINT_NOISE = struct.Struct("<2h")
_MIDNIGHT_NOISE = struct.Struct(f"<{PARTS}h")
_DAY_LABEL = struct.Struct("<ci")
# commissioned on a day of these years [A]: long enough ago for full registers, and never inside a run
COMMISSIONED_FIRST_DAY, COMMISSIONED_LAST_DAY = 16_436, 19_722  # 2015-01-01, 2023-12-31


class Quantity(IntEnum):
    """What a register counts."""

    ACTIVE_IMPORT = 0
    ACTIVE_IMPORT_T1 = 1
    ACTIVE_IMPORT_T2 = 2
    ACTIVE_EXPORT = 3
    REACTIVE_IMPORT = 4
    REACTIVE_EXPORT = 5


_CHANNEL_OF = ("active_import",) * 3 + ("active_export", "reactive_import", "reactive_export")
_ONLY_PART = (None, 0, 1, None, None, None)


class DayCache:
    """The days of load worked out last, of all meters that share it; at most `days_max` of them."""

    __slots__ = ("_days", "_days_max")

    def __init__(self, days_max: int = DAYS_KEPT_DEFAULT) -> None:
        self._days: OrderedDict[tuple[Hashable, int], _Day] = OrderedDict()
        self._days_max = days_max

    def __len__(self) -> int:
        return len(self._days)

    def find(self, load: MeterLoad, day: int) -> _Day:
        key = (load.identity, day)
        found = self._days.get(key)
        if found is not None:
            self._days.move_to_end(key)
            return found
        found = _Day(load, day)
        self._days[key] = found
        if len(self._days) > self._days_max:
            self._days.popitem(last=False)
        return found


class _Day:
    """One local day of one meter: midnight registers and, as they are asked for, curves of its 97 slot borders."""

    __slots__ = ("curves", "day", "ends", "noise", "starts")

    def __init__(self, load: MeterLoad, day: int) -> None:
        self.day = day
        self.starts = load.midnight(day)
        self.ends = load.midnight(day + 1)
        self.noise = chance.octets(load.entity, _DAY_LABEL.pack(b"d", day), 2 * _BORDERS * _NOISE_CHANNELS)
        self.curves: dict[int, list[int]] = {}


class Places:
    """Rising instants of one local day, by quarter-hour and ms into it.

    In a load profile each quarter-hour holds one instant: `slots` is None and they count up from `first`.
    """

    __slots__ = ("day", "first", "on_borders", "rests", "slots")

    def __init__(self, day: int, in_day_ms: list[int]) -> None:
        self.day = day
        self.first = in_day_ms[0] // SLOT_MS
        begins = range(self.first * SLOT_MS, DAY_MS, SLOT_MS)
        self.rests = [at - begin for at, begin in zip(in_day_ms, begins, strict=False)]
        self.slots: list[int] | None = None
        if len(self.rests) < len(in_day_ms) or min(self.rests) < 0 or max(self.rests) >= SLOT_MS:
            self.slots = [at // SLOT_MS for at in in_day_ms]
            self.rests = [at % SLOT_MS for at in in_day_ms]
        self.on_borders = not any(self.rests)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(quarter-hour, ms into it) of each instant."""
        return zip(self.slots or range(self.first, self.first + len(self.rests)), self.rests, strict=True)


class MeterLoad:
    """The load of one meter. entity: its key for chance (`sim.meter.chance.key`).

    mean_daily_wh: None draws it around the shape's. utc_offset_ms: local standard time minus UTC.
    """

    __slots__ = (
        "_base",
        "_cache",
        "_channels",
        "_mean_mwh",
        "_recent",
        "commissioned_day",
        "entity",
        "identity",
        "utc_offset_ms",
    )

    def __init__(
        self,
        kind: LoadKind,
        entity: bytes,
        *,
        cache: DayCache,
        mean_daily_wh: int | None = None,
        utc_offset_ms: int = 0,
    ) -> None:
        shape = kind.shape
        shift = chance.draw(entity, "shift", -shape.shift_slots, shape.shift_slots)
        spread = 10 * shape.spread_percent
        around = chance.draw(entity, "mean", 1000 - spread, 1000 + spread)
        self.entity = entity
        self.utc_offset_ms = utc_offset_ms
        self.commissioned_day = chance.draw(entity, "commissioned", COMMISSIONED_FIRST_DAY, COMMISSIONED_LAST_DAY)
        self._mean_mwh = shape.mean_daily_wh * around if mean_daily_wh is None else 1000 * mean_daily_wh
        self._channels = kind.tables(shift)
        self.identity = (entity, kind.identity, self._mean_mwh, utc_offset_ms)  # all that a day's energy depends on
        self._cache = cache
        self._recent: tuple[int, Quantity | None, int, int] = (0, None, 0, 0)  # quarter-hour and registers at its ends
        self._base: tuple[int, ...] = (0,) * PARTS
        self._base = self.midnight(self.commissioned_day)

    @property
    def commissioned_ms(self) -> int:
        """The midnight at which the registers stood at zero."""
        return self.commissioned_day * DAY_MS - self.utc_offset_ms

    def energy_mwh(self, quantity: Quantity, at_ms: int) -> int:
        """The register at one instant, in mWh since commissioning; never falls as time goes on."""
        slot, rest = divmod(at_ms + self.utc_offset_ms, SLOT_MS)
        known_slot, known_quantity, before, after = self._recent
        if slot != known_slot or quantity is not known_quantity:
            before, after = self._points(quantity, *divmod(slot, SLOTS_PER_DAY))
            self._recent = slot, quantity, before, after
        return max(0, before + (after - before) * rest // SLOT_MS)

    def power_mw(self, quantity: Quantity, at_ms: int) -> int:
        """The mean power of the quarter-hour that contains `at_ms`, in mW (mvar)."""
        day, in_day = divmod(at_ms + self.utc_offset_ms, DAY_MS)
        before, after = self._points(quantity, day, in_day // SLOT_MS)
        return 4 * (after - before)

    def energies_wh(self, quantity: Quantity, instants_ms: Sequence[int]) -> list[int]:
        """The register at rising instants, in whole Wh since commissioning."""
        return self.energies_at(quantity, self.places(instants_ms))

    def places(self, instants_ms: Sequence[int]) -> list[Places]:
        """Where rising instants lie, by local day: worked out once for all the channels of a row."""
        out: list[Places] = []
        start, count = 0, len(instants_ms)
        while start < count:
            day = (instants_ms[start] + self.utc_offset_ms) // DAY_MS
            midnight_ms = day * DAY_MS - self.utc_offset_ms
            end = count
            if instants_ms[-1] >= midnight_ms + DAY_MS:
                end = next(i for i in range(start, count) if instants_ms[i] >= midnight_ms + DAY_MS)
            out.append(Places(day, [at - midnight_ms for at in instants_ms[start:end]]))
            start = end
        return out

    def energies_at(self, quantity: Quantity, places: Sequence[Places]) -> list[int]:
        """As `energies_wh`, at places worked out before."""
        out: list[int] = []
        for place in places:
            if len(place.rests) < BULK_FROM:
                for slot, rest in place.pairs():
                    before, after = self._points(quantity, place.day, slot)
                    out.append((before + (after - before) * rest // SLOT_MS) // 1000)
                continue
            curve = self.curve(quantity, place.day)
            first, last = place.first, place.first + len(place.rests)
            if place.slots is not None:
                pairs = [(curve[slot], curve[slot + 1], rest) for slot, rest in place.pairs()]
                out += [(before + (after - before) * rest // SLOT_MS) // 1000 for before, after, rest in pairs]
            elif curve[first] == curve[last]:
                out += [curve[first] // 1000] * len(place.rests)
            elif place.on_borders:
                out += [mwh // 1000 for mwh in curve[first:last]]
            else:
                afters = curve[first + 1 : last + 1]
                out += [
                    (before + (after - before) * rest // 900_000) // 1000  # SLOT_MS as a constant: a fifth faster
                    for before, after, rest in zip(curve[first:last], afters, place.rests, strict=True)
                ]
        return out

    def curve(self, quantity: Quantity, day: int) -> list[int]:
        """The register at the 97 borders of the day's quarter-hours, in mWh since commissioning."""
        state = self._cache.find(self, day)
        curve = state.curves.get(quantity)
        if curve is None:
            curve = state.curves[quantity] = self._curve(quantity, state)
        return curve

    def midnight(self, day: int) -> tuple[int, ...]:
        """Every part's register at the midnight that begins `day`, in mWh since commissioning."""
        noise = _MIDNIGHT_NOISE.unpack(chance.octets(self.entity, _DAY_LABEL.pack(b"n", day), _MIDNIGHT_NOISE.size))
        out = [0] * PARTS
        for table in self._channels.values():
            for part in table.parts:
                register = table.midnight(part, self._mean_mwh, day, noise[part.index])
                out[part.index] = register - self._base[part.index]
        return tuple(out)

    def noise(self, day: int, slot: int, channel: int = VOLTAGE_NOISE) -> tuple[int, int]:
        """Two neighbouring words of a day's noise, each -32768..32767."""
        state = self._cache.find(self, day)
        one, two = _POINT_NOISE.unpack_from(state.noise, 2 * (_BORDERS * channel + slot))
        return one, two

    def _curve(self, quantity: Quantity, state: _Day) -> list[int]:
        table = self._channels.get(_CHANNEL_OF[quantity])
        if table is None:
            return [0] * _BORDERS
        noise = _CURVE_NOISE.unpack_from(state.noise, 2 * _BORDERS * table.noise_offset)
        only = _ONLY_PART[quantity]
        done = [state.starts[part.index] for part in table.parts]  # each part so far
        curve = [sum(done) if only is None else done[only]]
        for segment in table.segments[(state.day - FIRST_MONDAY) % WEEKDAYS]:
            index = table.parts[segment.part].index
            if only is not None and only != segment.part:
                curve += curve[-1:] * (segment.end - segment.first)
                continue
            base = state.starts[index]
            energy = state.ends[index] - base
            if only is None:
                base += sum(done) - done[segment.part]
            words = noise[segment.first + 1 : segment.end + 1]
            curve += [
                base + (energy * (share + amplitude * word) >> CURVE_BITS)
                for share, amplitude, word in zip(segment.shares[1:], segment.amplitudes[1:], words, strict=True)
            ]
            done[segment.part] = curve[-1] - (base - state.starts[index])
        return curve

    def _points(self, quantity: Quantity, day: int, slot: int) -> tuple[int, int]:
        """The register at the two borders of one quarter-hour, without working out the whole day."""
        state = self._cache.find(self, day)
        curve = state.curves.get(quantity)
        if curve is not None:
            return curve[slot], curve[slot + 1]
        table = self._channels.get(_CHANNEL_OF[quantity])
        if table is None:
            return 0, 0
        offset = 2 * (_BORDERS * table.noise_offset + slot)
        words = _POINT_NOISE.unpack_from(state.noise, offset)
        only = _ONLY_PART[quantity]
        borders = [0, 0]
        for number, part in enumerate(table.parts):
            if only is not None and only != number:
                continue
            base = state.starts[part.index]
            energy = state.ends[part.index] - base
            share = self._part_share(table, number, state.day, slot, words)
            borders[0] += base + (energy * share[0] >> CURVE_BITS)
            borders[1] += base + (energy * share[1] >> CURVE_BITS)
        return borders[0], borders[1]

    def _part_share(
        self, table: ChannelTable, part: int, day: int, slot: int, words: tuple[int, ...]
    ) -> tuple[int, int]:
        """How much of its day a part has used, noise included, at both borders of a quarter-hour (of 2^35)."""
        last = 0
        for segment in table.segments[(day - FIRST_MONDAY) % WEEKDAYS]:
            if segment.first > slot:
                break
            if segment.part != part:
                continue
            if slot < segment.end:
                at = slot - segment.first
                shares, amplitudes = segment.shares, segment.amplitudes
                return shares[at] + amplitudes[at] * words[0], shares[at + 1] + amplitudes[at + 1] * words[1]
            last = segment.shares[-1]
        return last, last
