"""A load shape compiled for evaluation: one table serves every meter with the same shape, tariff and shift.

Theory. The energy of a channel is a sum of parts (tariff rates; a channel without tariff is one part). For each part
there is a closed form at midnights and another within the day, so the register at any time takes constant work:

    E(day d)   = mean x [whole weeks before d + weekdays of d's week before d] + n(d)
    E(d, slot) = E(d) + D(d) x share of the day before the slot + v(d, slot),   D(d) = E(d + 1) - E(d)

n and v are noise that telescopes: a day's noise is n(d + 1) - n(d), so it never adds up over the years, and v is zero
at both ends of the day and wherever the tariff changes. |n| is at most half of the smaller neighbouring day and |v| at
most half of the smaller neighbouring slot, so no day and no quarter-hour ever runs backwards.

The year's shape moves in steps of a week. Calendar weeks repeat after 28 years (1461 weeks), which bounds the tables.
All numbers are integers. Units: energies mWh (mvarh), times in days since 1970 and quarter-hours of the local day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise

from sim.meter.load_shape import CHANNELS, MONTHS, SLOTS_PER_DAY, ChannelShape, LoadShape

WEEKDAYS = 7
WEEKS_PER_CYCLE = 1461
FIRST_MONDAY = 4  # days from 1970-01-01, a Thursday, to the first Monday
SHARE_BITS = 20
NOISE_BITS = 15
CURVE_BITS = SHARE_BITS + NOISE_BITS
RATES = (1, 2)
NOISE_OF_PART = {"active_import": 0, "active_export": 2, "reactive_import": 3, "reactive_export": 4}
PARTS = 5

Tariff = tuple[tuple[int, ...], ...]
"""The rate (1 or 2) of each quarter-hour, for each weekday, Monday first."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Quarter-hours first..end-1 of a day, in which only one part runs.

    shares, amplitudes: for the slot borders first..end; part energy so far = (D x (share + amplitude x noise)) >> 35.
    """

    first: int
    end: int
    part: int
    shares: tuple[int, ...]
    amplitudes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PartTable:
    """One register that runs on its own. index: which word of the midnight's noise belongs to it.

    weekday: the weight of each weekday; before_weekday: of the days before it in its week, with the whole week at the
    end. day_noise_percent: of the room that the noise of a midnight has.
    """

    index: int
    weekday: tuple[int, ...]
    before_weekday: tuple[int, ...]
    day_noise_percent: int


@dataclass(frozen=True, slots=True)
class ChannelTable:
    """One channel for one shift. segments: for each weekday; season, season_before: for each week of the cycle.

    Energy = mean_mwh x numerator x weight // denominator, where a year has the mean of its days.
    """

    name: str
    noise_offset: int
    parts: tuple[PartTable, ...]
    segments: tuple[tuple[Segment, ...], ...]
    season: tuple[int, ...]
    season_before: tuple[int, ...]
    numerator: int
    denominator: int

    def midnight(self, part: PartTable, mean_mwh: int, day: int, word: int) -> int:
        """The register of a part at the midnight that begins `day`, in mWh counted from 1970. word: its noise."""
        weeks, weekday = divmod(day - FIRST_MONDAY, WEEKDAYS)
        cycles, week = divmod(weeks, WEEKS_PER_CYCLE)
        season = self.season[week]
        weight = (self.season_before[-1] * cycles + self.season_before[week]) * part.before_weekday[-1]
        weight += season * part.before_weekday[weekday]
        # the day before a Monday is the Sunday of the week before, whose season may differ
        day_before = part.weekday[weekday - 1] * (season if weekday else self.season[week - 1])
        room = min(day_before, season * part.weekday[weekday]) // 2 * part.day_noise_percent // 100
        return mean_mwh * self.numerator * (weight + (room * word >> NOISE_BITS)) // self.denominator


class LoadKind:
    """A load shape under a tariff: the tables that all its meters share, made as shifts are asked for.

    identity: equal for kinds that give equal energies.
    """

    __slots__ = ("_tables", "identity", "shape", "tariff")

    def __init__(self, shape: LoadShape, tariff: Tariff) -> None:
        self.shape = shape
        self.tariff = tariff
        self.identity = (shape.name, hash(shape), hash(tariff))
        self._tables: dict[int, dict[str, ChannelTable]] = {}

    def tables(self, shift: int) -> dict[str, ChannelTable]:
        """The table of each channel. shift: quarter-hours that the day is early."""
        found = self._tables.get(shift)
        if found is None:
            found = {name: _channel(name, channel, self.tariff, shift) for name, channel in self.shape.channels}
            self._tables[shift] = found
        return found


def _channel(name: str, shape: ChannelShape, tariff: Tariff, shift: int) -> ChannelTable:
    days = [tuple(day[(slot + shift) % SLOTS_PER_DAY] for slot in range(SLOTS_PER_DAY)) for day in shape.days]
    split = name == "active_import"
    rates = RATES if split else (None,)
    parts = []
    for order, rate in enumerate(rates):
        sums = [
            sum(weight for slot, weight in enumerate(day) if rate is None or tariff[weekday][slot] == rate)
            for weekday, day in enumerate(days)
        ]
        before = tuple(accumulate(sums, initial=0))
        parts.append(PartTable(NOISE_OF_PART[name] + order, tuple(sums), before, shape.day_noise_percent))
    season = _season(shape.months)
    return ChannelTable(
        name=name,
        noise_offset=CHANNELS.index(name),
        parts=tuple(parts),
        segments=tuple(
            _segments(day, tariff[weekday] if split else (RATES[0],) * SLOTS_PER_DAY, shape.slot_noise_percent)
            for weekday, day in enumerate(days)
        ),
        season=season,
        season_before=tuple(accumulate(season, initial=0)),
        numerator=WEEKDAYS * WEEKS_PER_CYCLE * shape.permille,
        denominator=1000 * sum(season) * sum(part.before_weekday[-1] for part in parts),
    )


@lru_cache(maxsize=64)
def _season(months: tuple[int, ...]) -> tuple[int, ...]:
    """A weight for each week of the 28-year cycle: straight lines between the middles of the months."""
    first_thursday = date(1970, 1, 1) + timedelta(days=FIRST_MONDAY + 3)
    out = []
    for week in range(WEEKS_PER_CYCLE):
        day = first_thursday + timedelta(weeks=week)
        halfway = 2 * day.day - 31  # from -29 to 31: before or after the middle of its month
        neighbour = months[(day.month - 1 + (1 if halfway > 0 else -1)) % MONTHS]
        out.append(months[day.month - 1] * (62 - abs(halfway)) + neighbour * abs(halfway))
    return tuple(out)


def _segments(weights: tuple[int, ...], rates: tuple[int, ...], noise_percent: int) -> tuple[Segment, ...]:
    """A day cut where the rate changes."""
    borders = [slot for slot in range(1, SLOTS_PER_DAY) if rates[slot] != rates[slot - 1]]
    totals = {rate: sum(w for w, r in zip(weights, rates, strict=True) if r == rate) for rate in RATES}
    run = dict.fromkeys(RATES, 0)
    segments = []
    for first, end in zip([0, *borders], [*borders, SLOTS_PER_DAY], strict=True):
        rate = rates[first]
        total = totals[rate] or 1
        so_far = [run[rate] + done for done in accumulate(weights[first:end], initial=0)]
        run[rate] = so_far[-1]
        shares = [(done << SHARE_BITS) // total for done in so_far]
        steps = [after - before for before, after in pairwise(shares)]
        room = [0, *(min(a, b) // 2 for a, b in pairwise(steps)), 0]
        segments.append(
            Segment(
                first=first,
                end=end,
                part=RATES.index(rate),
                shares=tuple(share << NOISE_BITS for share in shares),
                amplitudes=tuple(half * noise_percent // 100 for half in room),
            )
        )
    return tuple(segments)


def flat_tariff(rate: int = 1) -> Tariff:
    """One rate at all times."""
    return ((rate,) * SLOTS_PER_DAY,) * WEEKDAYS
