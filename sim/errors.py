"""What a simulated run raises when the run itself, not a device in it, is at fault."""

from __future__ import annotations

from hes.errors import HesError


class SimulationError(HesError):
    """Root of the simulator's own errors: the program or its test is wrong, no device is."""


class OutsideWorldError(SimulationError):
    """Code under virtual time reached for something real: a socket, a thread, a signal, a process, a clock, chance."""


class NothingLeftToHappen(SimulationError):
    """Tasks wait, but no callback is ready and no timer is set: nobody will ever wake them. Fields: now_s, tasks."""


class NoProgress(SimulationError):
    """Callbacks keep running and the clock stands still. Fields: now_s, callbacks."""
