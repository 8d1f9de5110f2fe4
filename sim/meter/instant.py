"""What a meter's registers show at one instant: energies, powers, voltage, current, frequency, demand.

Energies and powers come from the load; voltage wanders per meter and quarter-hour around 230 V; frequency is one for
the whole network. All integers, each in the unit of `NATURAL`, from which a profile's own scaler is reached exactly or
by cutting off.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise

from hes.devices.profiles import DataItem
from hes.errors import ConfigError
from sim.meter import chance
from sim.meter.civil import EPOCH_ORDINAL
from sim.meter.load import DAY_MS, SLOT_MS, Quantity
from sim.meter.load_shape import SLOTS_PER_DAY
from sim.meter.meter import Meter

VOLTAGE_DV = 2300
VOLTAGE_WANDER_DV = 90  # most that the quarter-hours' noise moves it: EN 50160's +-10 % is never left [A]
VOLTAGE_SITE_DV = 60  # and most that one site differs from another [A]
FREQUENCY_CHZ = 5000
FREQUENCY_WANDER_CHZ = 6  # [A]
FREQUENCY_STEP_MS = 10_000
_WORD = 32_768

Reading = Callable[[Meter, int], int]
"""(meter, instant in ms) -> a number in its natural unit."""


@dataclass(frozen=True, slots=True)
class MaxDemand:
    """The highest mean power of a capture period in the month so far. power_mw; stamp_ms: end of that period."""

    power_mw: int
    stamp_ms: int


def energy(quantity: Quantity, meter: Meter, at_ms: int) -> int:
    """mWh or mvarh."""
    return meter.energy_mwh(quantity, at_ms)


def power(quantity: Quantity, meter: Meter, at_ms: int) -> int:
    """mW or mvar: the mean of the present quarter-hour."""
    return meter.power_mw(quantity, at_ms)


def voltage_dv(phase: int, meter: Meter, at_ms: int) -> int:
    """Tenths of a volt between phase (1..3) and neutral."""
    if not meter.powered_at(at_ms):
        return 0
    local = at_ms + meter.load.utc_offset_ms
    day, in_day = divmod(local, DAY_MS)
    slot, rest = divmod(in_day, SLOT_MS)
    one, two = meter.load.noise(day, slot)
    if slot == SLOTS_PER_DAY - 1:
        two, _ = meter.load.noise(day + 1, 0)
    word = one + (two - one) * rest // SLOT_MS
    site = chance.draw(meter.identity.entity, f"voltage {phase}", -VOLTAGE_SITE_DV, VOLTAGE_SITE_DV)
    return VOLTAGE_DV + site + word * VOLTAGE_WANDER_DV // _WORD


def current_ca(phase: int, meter: Meter, at_ms: int) -> int:
    """Hundredths of an ampere; loads of a three-phase meter stand on its phases in fixed shares."""
    volts_dv = voltage_dv(phase, meter, at_ms)
    if volts_dv == 0:
        return 0
    active = meter.power_mw(Quantity.ACTIVE_IMPORT, at_ms) - meter.power_mw(Quantity.ACTIVE_EXPORT, at_ms)
    reactive = meter.power_mw(Quantity.REACTIVE_IMPORT, at_ms) - meter.power_mw(Quantity.REACTIVE_EXPORT, at_ms)
    apparent_mva = math.isqrt(active * active + reactive * reactive)
    return apparent_mva * _phase_permille(meter, phase) // (1000 * volts_dv)


def frequency_chz(_meter: Meter, at_ms: int) -> int:
    """Hundredths of a hertz, the same for every meter."""
    step = (at_ms // FREQUENCY_STEP_MS).to_bytes(8, "big")
    word = hashlib.blake2b(step, digest_size=2, person=b"grid frequency").digest()
    return FREQUENCY_CHZ + int.from_bytes(word, "big") % (2 * FREQUENCY_WANDER_CHZ + 1) - FREQUENCY_WANDER_CHZ


def _phase_permille(meter: Meter, phase: int) -> int:
    """The share of one phase; the three shares are 1000 together."""
    if meter.profile.phases == 1:
        return 1000
    entity = meter.identity.entity
    first, second = (chance.draw(entity, f"phase {number}", 230, 430) for number in (1, 2))
    return (first, second, 1000 - first - second)[phase - 1]


def max_demand(meter: Meter, now_ms: int) -> MaxDemand:
    """The highest demand since the month began by the meter's clock [A: a month is its billing period]."""
    profile = meter.profile.load_profile
    period_ms = 1000 * profile.capture_period_s
    reading_ms = meter.reading_ms(now_ms)
    first = date.fromordinal(EPOCH_ORDINAL + meter.type.zone.day_at(reading_ms)).replace(day=1)
    begin_ms = meter.type.zone.midnight_ms(first.toordinal() - EPOCH_ORDINAL)
    best = MaxDemand(0, begin_ms)
    for part in meter.captured(profile, now_ms).by_stamp(begin_ms + 1, reading_ms):
        stamps_ms = meter.borders(profile).stamps_ms(part.first - 1, part.last)
        instants_ms = part.run.stretch.instants_ms(stamps_ms)
        energies = meter.energies_wh(Quantity.ACTIVE_IMPORT, instants_ms, meter.load.places(instants_ms))
        steps = [after - before for before, after in pairwise(energies)]
        highest = max(steps)
        power_mw = highest * 1000 * 3_600_000 // period_ms
        if power_mw > best.power_mw:
            best = MaxDemand(power_mw, stamps_ms[steps.index(highest) + 1])
    return best


def last_border_ms(meter: Meter, now_ms: int) -> int:
    """The last stamp of the load profile that the meter's clock has passed."""
    period_ms = 1000 * meter.profile.load_profile.capture_period_s
    return meter.reading_ms(now_ms) // period_ms * period_ms


def demand_mw(meter: Meter, now_ms: int, *, last: bool) -> int:
    """Mean power of the capture period that runs (as if it ended now), or of the one before it."""
    period_ms = 1000 * meter.profile.load_profile.capture_period_s
    stretch = meter.clock.stretch_at(now_ms)
    border_ms = last_border_ms(meter, now_ms)
    begin_ms = stretch.instant_ms(border_ms - period_ms if last else border_ms)
    end_ms = stretch.instant_ms(border_ms) if last else now_ms
    used = meter.energy_mwh(Quantity.ACTIVE_IMPORT, end_ms) - meter.energy_mwh(Quantity.ACTIVE_IMPORT, begin_ms)
    return max(0, used) * 3_600_000 // period_ms


# name of a data item -> (how it is read, power of ten of its natural unit)
NATURAL: dict[str, tuple[Reading, int]] = {
    **{quantity.name.lower(): (partial(energy, quantity), -3) for quantity in Quantity},
    "active_power_import": (partial(power, Quantity.ACTIVE_IMPORT), -3),
    "active_power_export": (partial(power, Quantity.ACTIVE_EXPORT), -3),
    "reactive_power_import": (partial(power, Quantity.REACTIVE_IMPORT), -3),
    "reactive_power_export": (partial(power, Quantity.REACTIVE_EXPORT), -3),
    "frequency": (frequency_chz, -2),
    **{f"voltage_l{phase}": (partial(voltage_dv, phase), -1) for phase in (1, 2, 3)},
    **{f"current_l{phase}": (partial(current_ca, phase), -2) for phase in (1, 2, 3)},
}


def reading_of(item: DataItem) -> Reading:
    """How a data item is read, in its own scaler; ConfigError when the simulator does not know it."""
    try:
        natural, exponent = NATURAL[item.name]
    except KeyError:
        raise ConfigError(f"the simulator cannot measure {item.name!r}; it knows {', '.join(NATURAL)}") from None
    return lambda meter, at_ms: rescaled(natural(meter, at_ms), exponent, item.scaler)


def rescaled(number: int, exponent: int, scaler: int) -> int:
    """A number of 10^exponent units in 10^scaler units, cut off towards zero energy."""
    factor: int = 10 ** abs(exponent - scaler)
    return number * factor if exponent >= scaler else number // factor
