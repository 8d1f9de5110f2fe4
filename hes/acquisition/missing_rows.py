"""Rows that are missing, as the store keeps them: one range per channel for each run of rows with the same blame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hes.acquisition.account import Blame
from hes.acquisition.items import CollectedItem
from hes.devices.archive import DeviceId
from hes.store.store import Missing


def missing_rows(device_id: DeviceId, item: CollectedItem, blames: Mapping[int, Blame]) -> list[Missing]:
    """blames: by stamp number. Stamps of one range are equally far apart: a day where clocks change starts another."""
    return [
        Missing(device_id, channel_id, first_s, last_s, step_s, blame.plan, blame.cause.value)
        for first_s, last_s, step_s, blame in _ranges(item, blames)
        for _, channel_id in item.channels
    ]


def _ranges(item: CollectedItem, blames: Mapping[int, Blame]) -> Iterator[tuple[int, int, int, Blame]]:
    """(first, last, step, blame); the step of a single stamp is 0."""
    run: tuple[int, int, int, Blame] | None = None
    last_index = 0
    for index in sorted(blames):
        stamp_s, blame = item.grid.stamp(index), blames[index]
        if run is not None:
            first_s, last_s, step_s, run_blame = run
            step = stamp_s - last_s
            if index == last_index + 1 and blame == run_blame and step_s in (0, step):
                run, last_index = (first_s, stamp_s, step, blame), index
                continue
            yield run
        run, last_index = (stamp_s, stamp_s, 0, blame), index
    if run is not None:
        yield run
