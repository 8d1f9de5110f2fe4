"""What is set in a concentrator: its menu, so to speak. Sources and marks: docs/protocols/dcu.md §1."""

from __future__ import annotations

from dataclasses import dataclass

from hes.protocols.qgdw376 import TerminalId

PUBLIC_CLIENT = 16
MANAGEMENT_DEVICE = 1

_ASSOCIATE = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0")
_GET_CLOCK = bytes.fromhex("C001C100080000010000FF0200")
_RELEASE = bytes.fromhex("6200")
READ_CLOCK = tuple((PUBLIC_CLIENT, MANAGEMENT_DEVICE, apdu) for apdu in (_ASSOCIATE, _GET_CLOCK, _RELEASE))
"""The concentrator's check that a meter lives: associate as public client, read the clock, release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWork:
    """What a concentrator does by itself, round after round, one meter at a time.

    While it works with a meter, that meter is taken and the head-end is told so.
    """

    period_s: float = 3600.0
    """Rounds start at multiples of this in civil time, plus a delay of up to `spread_s`."""
    spread_s: float = 60.0
    exchange_timeout_s: float = 15.0
    pause_s: float = 1.0
    """Between two meters of a round."""
    quiet_s: float = 30.0
    """A meter that the head-end spoke to so recently is left for the end of the round, then for the next."""
    requests: tuple[tuple[int, int, bytes], ...] = READ_CLOCK
    """Source wPort, destination wPort and APDU of each exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DcuConfig:
    """Settings of one concentrator. Times in seconds."""

    terminal: TerminalId
    main_url: str
    reserve_url: str | None = None
    """Tried in turn with the main one."""
    meters: tuple[bytes, ...] = ()
    """The archive: physical addresses of the meters that it forwards to."""
    heartbeat_s: float = 180.0  # [S1]
    heartbeats_missed_max: int = 3
    response_s: float = 15.0  # [A] between 10 and 30
    login_tries: int = 3  # [A]
    connect_timeout_s: float = 16.0  # [IC] eight tries of 2 s
    rest_s: tuple[float, float] = (30.0, 60.0)  # [A] drawn evenly, so that thousands do not come back at once
    rest_s_max: float = 600.0  # [A] the rest doubles with each failure in a row, up to this
    pings_count: int = 3  # [A]
    redials_max: int = 5  # [IC]
    module_off_s: float = 300.0  # [IC]
    meter_timeout_s: float = 20.0
    """From a request's arrival to its answer, queueing included. To be shorter than the head-end's own."""
    forwards_at_once: int = 1
    queue_max: int = 16
    """Requests that wait; one more is answered busy."""
    own_work: OwnWork | None = None
