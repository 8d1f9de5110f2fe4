"""What several scenarios expect of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from scenarios.association import Row
from scenarios.meter import HLS, LLS, Meter
from scenarios.station import Station

LOAD_PROFILE = "load-profile"


def best_mechanism(meter: Meter) -> str:
    """The strongest mechanism that a meter's profile offers: not every meter has keys."""
    offered = {offer.mechanism for offer in meter.profile.associations}
    return HLS if HLS in offered else LLS


def first_stamp_s(meter: Meter, station: Station) -> int:
    """The stamp of yesterday's first row: rows are stamped with the end of their interval."""
    return station.yesterday()[0] + meter.profile.load_profile.capture_period_s


def expect_all_of_yesterday(station: Station, meter: Meter, rows: Sequence[Row]) -> None:
    """Every row of the day, in order, counting upwards; and what the meter captured, where the station can know."""
    period_s = meter.profile.load_profile.capture_period_s
    first_s, last_s = first_stamp_s(meter, station), station.yesterday()[1]
    stamps = [row.stamp_s for row in rows]
    assert stamps == list(range(first_s, last_s + 1, period_s)), (
        f"{meter.name}: rows are missing, doubled or not in order"
    )
    for before, after in pairwise(rows):
        fallen = [name for name, value in after.values.items() if value < before.values[name]]
        assert not fallen, f"{meter.name}: {', '.join(fallen)} counted backwards before {after.stamp_s}"
    true = meter.true_rows(LOAD_PROFILE, first_s, last_s)
    if true is not None:
        assert [(row.stamp_s, row.values) for row in rows] == [(row.stamp_s, row.values) for row in true], (
            f"{meter.name}: not what the meter captured"
        )
