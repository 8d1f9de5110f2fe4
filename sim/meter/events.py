"""Event logs: what the journal says, as the entries that this kind of meter would have written.

Which log an event belongs to, and its number, come from the device profile: makers and markets differ. An event whose
name stands in none of a profile's tables leaves no trace in that kind of meter.

Source of names: docs/protocols/cosem-objects.md §10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hes.devices.profiles import EventLog
from hes.errors import ConfigError
from sim.meter.journal import Change, Entry
from sim.meter.meter import Meter
from sim.meter.row_codec import clock_tags, number_octets, stamp_octets

_RELAY = {0: "remote_disconnect", 1: "remote_connect", 2: "ready_for_reconnection"}
_RESET_SUFFIX = "_cleared"


class Event(NamedTuple):
    """Something a meter noted: when by its own clock, and at what true time."""

    stamp_ms: int
    at_ms: int
    name: str


def events(meter: Meter, now_ms: int) -> Iterator[Event]:
    """Everything noted so far, in the order it happened."""
    entries = () if meter.journal is None else meter.journal.entries
    clock = meter.clock
    for entry in entries:
        if entry.at_ms > now_ms:
            return
        if entry.change is Change.CLOCK:
            yield Event(clock.reading_before_ms(entry.at_ms), entry.at_ms, "clock_adjusted_old")
        yield Event(clock.reading_ms(entry.at_ms), entry.at_ms, _name(entry))


def _name(entry: Entry) -> str:
    if entry.change is Change.POWER:
        return "power_up" if entry.value else "power_down"
    if entry.change is Change.CLOCK:
        return "clock_adjusted_new"
    if entry.change is Change.RELAY:
        return _RELAY[entry.value]
    return entry.subject.replace("-", "_") + _RESET_SUFFIX


def log_events(meter: Meter, log: EventLog, now_ms: int) -> list[Event]:
    """What stands in one log: the newest entries that fit."""
    noted = [event for event in events(meter, now_ms) if event.name in log.codes]
    return noted[-log.entries :]


def log_rows(
    meter: Meter, log: EventLog, now_s: float, from_s: int | None = None, to_s: int | None = None
) -> list[bytes]:
    """The encoded entries stamped from_s..to_s (both included, None an open end) at now_s."""
    return [
        _row(meter, log, event)
        for event in log_events(meter, log, int(now_s * 1000))
        if (from_s is None or event.stamp_ms // 1000 >= from_s) and (to_s is None or event.stamp_ms // 1000 <= to_s)
    ]


def log_entries(meter: Meter, log: EventLog, now_s: float) -> int:
    """How many entries the log holds at now_s."""
    return len(log_events(meter, log, int(now_s * 1000)))


def last_code(meter: Meter, log: EventLog, now_s: float) -> int:
    """The number of the newest event, 0 when there is none."""
    noted = log_events(meter, log, int(now_s * 1000))
    return log.codes[noted[-1].name] if noted else 0


def _row(meter: Meter, log: EventLog, event: Event) -> bytes:
    clock, code = log.columns[0].item, log.columns[1].item
    if len(log.columns) != 2:
        raise ConfigError(f"event log {log.name}: the simulator writes a clock and an event number, no more")
    sign = meter.profile.deviation_sign
    return (
        b"\x02\x02"
        + clock_tags(clock)
        + stamp_octets(meter.type.zone, event.stamp_ms, deviation_sign=sign)
        + number_octets(code, log.codes[event.name])
    )
