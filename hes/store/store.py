"""What the head-end keeps, as rows and as one port: `Store`.

Rows are NamedTuples whose fields stand in the order of their table's columns, so that an adapter hands them to its
driver untouched; a plain tuple of the same shape is as good. Adapters: `hes.store.sqlite`. Every adapter passes
`hes.store.checks`.

Time: `*_s` is whole seconds since 1970-01-01T00:00:00Z, `*_ms` milliseconds. A reading is stamped with the END of its
interval. Ranges of interval ends are closed on both sides: a day of quarter hours is 00:15 .. 24:00.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import NamedTuple, Protocol

ChannelOfDevice = tuple[int, int]
"""(device_id, channel_id): the store's own numbers, given out by `add_devices` and `add_channels`."""

VALUE_MIN = -(2**63)
VALUE_MAX = 2**63 - 1


class DeviceKind(StrEnum):
    METER = "meter"
    DCU = "dcu"


class ChannelKind(StrEnum):
    LOAD_PROFILE = "load_profile"
    BILLING = "billing"
    REGISTER = "register"


class Outcome(StrEnum):
    """How one attempt to read a device ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Quality(IntFlag):
    """Flags of a reading. The low octet is the meter's own AMR status byte, kept as it came; the others are ours."""

    AMR_STATUS = 0xFF
    NO_STATUS = 0x100
    RECOVERED = 0x200
    PUSHED = 0x400
    CLOCK_DOUBTFUL = 0x800
    FROM_DCU_ARCHIVE = 0x1000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device to enter in the archive. `number` is what it is known by (meter number, terminal ID): unique.

    key_ref: where its keys are found; never a key. dcu_number: the concentrator it hangs on from `related_from_s`.
    """

    kind: DeviceKind
    number: str
    name: str = ""
    profile: str = ""
    system_title: bytes | None = None
    key_ref: str | None = None
    dcu_number: str | None = None
    related_from_s: int = 0


class Device(NamedTuple):
    """A device as the archive has it; `dcu_id` is the relation valid at the time asked for."""

    id: int
    kind: DeviceKind
    number: str
    name: str
    profile: str
    system_title: bytes | None
    key_ref: str | None
    dcu_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """One kind of value. All fields but `name` together identify it: a changed scaler is another channel.

    obis: "1.0.1.8.0.255". unit: COSEM unit code (255 none). scaler: power of ten. data_type: COSEM tag of the value.
    """

    name: str
    class_id: int
    obis: str
    attribute: int
    kind: ChannelKind
    unit: int = 255
    scaler: int = 0
    data_type: int = 0


class Channel(NamedTuple):
    id: int
    name: str
    class_id: int
    obis: str
    attribute: int
    kind: ChannelKind
    unit: int
    scaler: int
    data_type: int


class Reading(NamedTuple):
    """One value of one channel. value: raw integer, VALUE_MIN .. VALUE_MAX; unit and scaler are the channel's."""

    time_s: int
    device_id: int
    channel_id: int
    value: int
    quality: int
    received_ms: int


class StoredReading(NamedTuple):
    """A reading as it stands in the store; version 0 is the first value heard, 1.. are different ones heard later."""

    time_s: int
    value: int
    quality: int
    received_ms: int
    version: int


class Attempt(NamedTuple):
    """One try to read one device for one occurrence of a plan (`occurrence_s`: when it opened), number 1, 2, .."""

    device_id: int
    plan: str
    occurrence_s: int
    number: int
    started_ms: int
    ended_ms: int
    outcome: str
    cause: str
    detail: str
    octets: int


class SessionEvent(NamedTuple):
    """Something that happened to the session of a concentrator: dialled in, logged in, beat, was lost.

    dcu_id: None for one that the archive does not know; `detail` then says how it called itself.
    """

    time_ms: int
    dcu_id: int | None
    event: str
    detail: str


class Missing(NamedTuple):
    """Values due and missing, with their one cause: interval ends first_s, first_s + step_s, .. last_s.

    A single time has first_s == last_s (step_s is then of no account). Written later, a range takes over the times it
    shares with earlier ranges; a reading that is or gets stored takes its time out of every range. So at most one
    cause stands for any value, and none for a value that is there.
    """

    device_id: int
    channel_id: int
    first_s: int
    last_s: int
    step_s: int
    plan: str
    cause: str

    @property
    def values(self) -> int:
        return 1 if self.last_s == self.first_s else (self.last_s - self.first_s) // self.step_s + 1


class DeviceClock(NamedTuple):
    """How far a device's clock was off. deviation_ms: device minus civil time."""

    device_id: int
    read_ms: int
    deviation_ms: int


class Plan(NamedTuple):
    """A named plan; `definition` is its own text (for people and for the run folder), not parsed by the store."""

    name: str
    definition: str


class PlanOccurrence(NamedTuple):
    """One window of a plan. closes_s is its deadline."""

    plan: str
    opens_s: int
    closes_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction writes: all of it or nothing."""

    readings: Sequence[tuple[int, int, int, int, int, int]] = ()
    attempts: Sequence[Attempt] = ()
    session_events: Sequence[SessionEvent] = ()
    missing: Sequence[Missing] = ()
    clocks: Sequence[DeviceClock] = ()

    def __len__(self) -> int:
        return len(self.readings) + len(self.attempts) + len(self.session_events) + len(self.missing) + len(self.clocks)


class Written(NamedTuple):
    """What became of a batch's readings: first values, different second values, and values already known."""

    stored: int
    versions: int
    repeated: int


class TimeCount(NamedTuple):
    """How many values, in the bucket that starts at `start_s`."""

    start_s: int
    values: int


class DeviceCount(NamedTuple):
    device_id: int
    values: int


class CauseCount(NamedTuple):
    """Values missing for one cause of one plan."""

    plan: str
    cause: str
    values: int


class AttemptCount(NamedTuple):
    plan: str
    outcome: str
    cause: str
    attempts: int


class DeviceAttempts(NamedTuple):
    """One device's attempts of one plan: how many, how many succeeded, and how long the successful ones took in all."""

    device_id: int
    plan: str
    attempts: int
    succeeded: int
    succeeded_ms: int


class Store(Protocol):
    """The head-end's memory. Every method is one transaction; failures are `StoreError`, and then nothing changed."""

    async def add_devices(self, devices: Sequence[NewDevice]) -> list[int]:
        """Enter devices, or correct those whose number is known; returns ids in the order given.

        A `dcu_number` may name a concentrator of the same call. Another concentrator than the one on record ends that
        relation at `related_from_s` and begins a new one.
        """
        ...

    async def devices(self, *, kind: DeviceKind | None = None, at_s: int | None = None) -> list[Device]:
        """Devices by id, each with the concentrator it hung on at `at_s` (None: the relation without an end)."""
        ...

    async def add_channels(self, channels: Sequence[NewChannel]) -> list[int]:
        """Enter channels that are not known yet; returns ids in the order given."""
        ...

    async def channels(self) -> list[Channel]: ...

    async def add_plans(self, plans: Sequence[Plan]) -> None:
        """Enter plans; a known name gets the new definition."""
        ...

    async def add_occurrences(self, occurrences: Sequence[PlanOccurrence]) -> None:
        """Enter windows of known plans; one that is there (plan, opens_s) gets the new `closes_s`."""
        ...

    async def occurrences(self, *, plan: str | None = None) -> list[PlanOccurrence]: ...

    async def write_batch(self, batch: Batch) -> Written:
        """Write all of `batch` in one transaction. Values already known change nothing (and keep their first time)."""
        ...

    async def coverage(
        self, first_s: int, last_s: int, channel_ids: Sequence[int] = ()
    ) -> dict[ChannelOfDevice, array[int]]:
        """Which interval ends in [first_s, last_s] are there: rising times by (device, channel); for start-up."""
        ...

    async def readings(
        self, device_id: int, channel_id: int, first_s: int, last_s: int, *, versions: bool = False
    ) -> list[StoredReading]:
        """The curve of one device by time; with `versions` the later, different values too."""
        ...

    async def counts_by_received(
        self, first_s: int, last_s: int, bucket_s: int, *, channel_ids: Sequence[int] = ()
    ) -> list[TimeCount]:
        """Values with interval end in [first_s, last_s], by the bucket in which they came in."""
        ...

    async def counts_by_time(
        self, first_s: int, last_s: int, bucket_s: int, *, channel_ids: Sequence[int] = ()
    ) -> list[TimeCount]:
        """Values with interval end in [first_s, last_s], by bucket of interval START (24:00 counts to its day)."""
        ...

    async def counts_by_device(
        self, first_s: int, last_s: int, *, channel_ids: Sequence[int] = ()
    ) -> list[DeviceCount]:
        """Values with interval end in [first_s, last_s] per device; devices without any are left out."""
        ...

    async def missing(self, *, device_id: int | None = None, from_s: int | None = None) -> list[Missing]:
        """Ranges of missing values, by device and channel. from_s: only those that end then or later."""
        ...

    async def missing_counts(self) -> list[CauseCount]:
        """Missing values (not ranges) by plan and cause."""
        ...

    async def attempt_counts(self) -> list[AttemptCount]: ...

    async def attempts_by_device(self) -> list[DeviceAttempts]: ...

    async def session_events(self, *, dcu_id: int | None = None) -> list[SessionEvent]: ...

    async def clocks(self) -> list[DeviceClock]:
        """The latest clock reading of each device."""
        ...

    async def reserve_counters(self, key_ref: str, count: int, *, at_least: int = 0) -> int:
        """Take `count` invocation counters of a key; returns the first. No counter is ever given out twice.

        The block counts as used once this returns, whatever happens to the process after. at_least: the first must
        not be lower (a device that says which counter it expects).
        """
        ...

    async def set_run_info(self, info: Mapping[str, str]) -> None: ...

    async def run_info(self) -> dict[str, str]: ...

    async def close(self) -> None:
        """End the adapter's work; safe to call twice."""
        ...
