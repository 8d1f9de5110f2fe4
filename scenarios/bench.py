"""What a station stands on: a field of devices, a loop to run it on, and a way to each meter.

A bench knows ports, media and modes so that nobody else has to. What it can do to a way (lose a frame, cut the link)
are capabilities; one that it lacks raises Inapplicable with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from hes.clock import Clock
from hes.devices.archive import Meter as ArchivedMeter
from hes.devices.archive import MeterSecrets
from hes.entropy import Entropy
from hes.links.facts import LinkFacts
from sim.meter.capture import TrueRow

Part = Literal["request", "answer"]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Way(Protocol):
    """How the head-end reaches one meter."""

    facts: LinkFacts
    repeats_lost_frames: bool
    """Whether the link itself sends a lost frame again."""
    patience_s: float
    """The longest that one exchange may take until it is given up."""
    late_answer_s: float
    """How long after that an answer may still come."""
    return_s: float
    """The longest that a lost link takes to come back."""

    async def ready(self) -> None:
        """Wait until the meter can be spoken to. Bounded by the caller."""
        ...

    async def exchange(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        """One APDU there and one back. Raises LinkError."""
        ...

    async def next_answer(self) -> bytes:
        """One more APDU, without asking. Raises LinkError where the way has no such thing."""
        ...

    async def closed(self) -> None:
        """The association is over, or given up: what belongs to it below may end."""
        ...

    def lose_next_frame(self, part: Part) -> None: ...

    def delay_next_answer(self) -> None:
        """The next answer comes, but later than the head-end waits."""
        ...

    def cut(self) -> None:
        """The link is lost now; it comes back by itself."""
        ...


class BenchMeter(Protocol):
    """One meter of the field: what the head-end's archive says of it, its secrets, and the way."""

    name: str
    archived: ArchivedMeter
    secrets: MeterSecrets
    way: Way

    def true_rows(self, profile: str, from_s: int, to_s: int) -> list[TrueRow] | None:
        """What the meter captured, told by the field itself; None where nobody can know, as for a real meter."""
        ...


class BenchConcentrator(Protocol):
    """One concentrator of the field. terminal: its ID. logins: how often it has logged in so far."""

    name: str
    terminal: str
    logins: int
    return_s: float

    async def ready(self) -> None:
        """Wait until it is connected. Bounded by the caller."""
        ...

    def cut(self) -> None:
        """Its connection is lost now; it dials again by itself."""
        ...


class Bench(Protocol):
    """A field, built anew for each scenario. `clock`, `meters` are there once `open` is done."""

    system_title: bytes

    @property
    def entropy(self) -> Entropy:
        """Of the head-end: challenges and dedicated keys."""
        ...

    @property
    def clock(self) -> Clock: ...

    @property
    def meters(self) -> dict[str, BenchMeter]:
        """By name, in the order of the field."""
        ...

    @property
    def concentrators(self) -> Sequence[BenchConcentrator]:
        """In the order of the field; empty where meters are reached without one."""
        ...

    def surroundings(self) -> AbstractContextManager[LoopFactory]:
        """What must hold round the loop, and how to make the loop."""
        ...

    async def open(self) -> None:
        """Build the field on the running loop."""
        ...

    async def serve(self) -> None:
        """Keep the field alive until cancelled. What it raises ends the scenario as INCONCLUSIVE."""
        ...
