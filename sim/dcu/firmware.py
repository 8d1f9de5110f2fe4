"""The firmware of a data concentrator (DCU): dials the head-end, logs in, beats, forwards, and works by itself.

`Dcu.run()` follows the table in `sim.dcu.states`: for each state there is one coroutine that does what the state stands
for and returns the event that ends it. Beside it run the forwarding workers and the concentrator's own work. All of
them live in one task group that a loss of power cancels: connections, queue and counters are gone then, the archive of
the concentrator's own visits is not.

The firmware knows its surroundings only as hes.links, a network of meters and a modem (`sim.dcu.ports`), so it runs in
virtual time, on sockets, and on real equipment alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hes.clock import Clock
from hes.entropy import Entropy
from hes.errors import LinkError
from hes.links import Links
from hes.protocols.framing import WrapperFrame
from hes.protocols.qgdw376 import LinkService
from sim.dcu import states
from sim.dcu.config import DcuConfig, OwnWork
from sim.dcu.forwarding import Forwarder, ForwardStatistics
from sim.dcu.own_work import OwnWorker, OwnWorkStatistics, Visit
from sim.dcu.ports import FixedLine, MeterNetwork, Modem
from sim.dcu.states import Event, State
from sim.dcu.uplink import Uplink

StateObserver = Callable[[State, Event, State], None]
"""Called on every change with the state before, the event and the state after."""


class Dcu:
    """One concentrator. Power is on from the start of `run()`; `power_off()` and `power_on()` are for faults."""

    def __init__(
        self,
        config: DcuConfig,
        *,
        links: Links,
        meters: MeterNetwork,
        clock: Clock,
        entropy: Entropy,
        modem: Modem | None = None,
        on_state: StateObserver | None = None,
    ) -> None:
        self.config = config
        self.state = State.OFF
        self.visits: dict[bytes, Visit] = {}
        self.forward_statistics = ForwardStatistics()
        self.own_work_statistics = OwnWorkStatistics()
        self._links = links
        self._meters = meters
        self._clock = clock
        self._entropy = entropy
        self._modem: Modem = modem or FixedLine()
        self._on_state = on_state
        self._has_power = True
        self._power_changed = asyncio.Event()
        self._uplink: Uplink | None = None
        self._forwarder: Forwarder | None = None
        self._connects = 0
        self._failures_in_a_row = 0
        self._redials = 0
        self._doing: dict[State, Callable[[], Awaitable[Event]]] = {
            State.MODEM_INIT: self._start_modem,
            State.DIAL: self._dial,
            State.CONNECTING: self._connect,
            State.LOGIN: self._log_in,
            State.ONLINE: self._stay_online,
            State.PING_CHECK: self._ping,
            State.REST: self._rest,
            State.REDIAL: self._redial,
            State.MODULE_RESET: self._reset_module,
        }

    # -- power

    @property
    def has_power(self) -> bool:
        return self._has_power

    def power_off(self) -> None:
        """Fault: the mains are gone. Connections end without a word to the other side."""
        if self._has_power:
            self._has_power = False
            self._modem.power_off()
            if self._uplink is not None:
                self._uplink.abort()
            self._power_changed.set()

    def power_on(self) -> None:
        """The mains are back: the firmware boots."""
        if not self._has_power:
            self._has_power = True
            self._power_changed.set()

    async def run(self) -> None:
        """Live, die with the power, and live again; until cancelled."""
        async with asyncio.TaskGroup() as lives:
            while True:
                self._power_changed.clear()
                life = lives.create_task(self._live()) if self._has_power else None
                await self._power_changed.wait()
                if life is not None:
                    life.cancel()
                    await asyncio.wait((life,))

    async def _live(self) -> None:
        forwarder = self._forwarder = Forwarder(self.config, self._meters, self.forward_statistics)
        self._connects = self._failures_in_a_row = self._redials = 0
        self._step(Event.POWER_ON)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_the_table())
                for _ in range(self.config.forwards_at_once):
                    tasks.create_task(forwarder.work())
                if self.config.own_work is not None:
                    tasks.create_task(self._own_worker(self.config.own_work).run(forwarder))
        finally:
            self._drop_uplink()
            self._modem.power_off()
            self._step(Event.POWER_LOST)

    def _own_worker(self, work: OwnWork) -> OwnWorker:
        return OwnWorker(
            work,
            self.config.meters,
            self._meters,
            self._clock,
            self._entropy,
            self.visits,
            self.own_work_statistics,
        )

    # -- the table

    async def _follow_the_table(self) -> None:
        while True:
            self._step(await self._doing[self.state]())

    def _step(self, event: Event) -> None:
        before, self.state = self.state, states.step(self.state, event)
        if self._on_state is not None:
            self._on_state(before, event, self.state)

    async def _start_modem(self) -> Event:
        try:
            await self._modem.power_on()
        except LinkError:
            return Event.MODEM_FAILED
        return Event.MODEM_READY

    async def _dial(self) -> Event:
        try:
            await self._modem.dial()
        except LinkError:
            return Event.DIAL_FAILED
        return Event.ATTACHED

    async def _connect(self) -> Event:
        """Try the main and the reserve address in turn, one per attempt."""
        config = self.config
        url = config.main_url
        if config.reserve_url is not None and self._connects % 2:
            url = config.reserve_url
        self._connects += 1
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                _, self._uplink = await self._links.connect(url, self._new_uplink)
        except (LinkError, TimeoutError):
            return Event.CONNECT_FAILED
        return Event.CONNECTED

    def _new_uplink(self) -> Uplink:
        return Uplink(self.config.terminal, self._request)

    def _request(self, uplink: Uplink, frame: WrapperFrame) -> None:
        if self._forwarder is not None:  # from the login's confirmation on, which may share a segment with a request
            self._forwarder.receive(uplink, frame)

    async def _log_in(self) -> Event:
        uplink = self._uplink
        assert uplink is not None
        for _ in range(self.config.login_tries):
            verdict = await uplink.ask(LinkService.LOGIN, self.config.response_s)
            if verdict is not None:
                return Event.LOGIN_CONFIRMED if verdict else Event.LOGIN_REFUSED
            if uplink.lost.done():
                return Event.LINK_LOST
        return Event.LOGIN_UNANSWERED

    async def _stay_online(self) -> Event:
        """A heartbeat every period; too many unanswered in a row end the connection."""
        uplink, config = self._uplink, self.config
        assert uplink is not None
        self._failures_in_a_row = self._redials = 0
        loop = asyncio.get_running_loop()
        next_beat_s = loop.time() + config.heartbeat_s
        missed = 0
        while missed < config.heartbeats_missed_max:
            await asyncio.wait((uplink.lost,), timeout=max(0.0, next_beat_s - loop.time()))
            if uplink.lost.done():
                return Event.LINK_LOST
            next_beat_s = loop.time() + config.heartbeat_s
            missed = 0 if await uplink.ask(LinkService.HEARTBEAT, config.response_s) else missed + 1
        return Event.LINK_LOST if uplink.lost.done() else Event.HEARTBEATS_MISSED

    async def _ping(self) -> Event:
        """Something is wrong with the connection: does the network beyond answer at all?"""
        self._drop_uplink()
        self._failures_in_a_row += 1
        for _ in range(self.config.pings_count):
            if await self._modem.ping():
                return Event.PING_ANSWERED
        return Event.PING_UNANSWERED

    async def _rest(self) -> Event:
        """Wait before the next attempt: a time drawn by chance, doubled with each failure in a row."""
        low_s, high_s = self.config.rest_s
        growth = 2 ** min(self._failures_in_a_row - 1, 10)
        await asyncio.sleep(min(self._entropy.uniform(low_s, high_s) * growth, self.config.rest_s_max))
        return Event.RESTED

    async def _redial(self) -> Event:
        self._redials += 1
        if self._redials > self.config.redials_max:
            return Event.DIALS_EXHAUSTED
        self._modem.hang_up()
        return Event.DIAL_AGAIN

    async def _reset_module(self) -> Event:
        self._modem.power_off()
        self._redials = 0
        await asyncio.sleep(self.config.module_off_s)
        return Event.RESET_DONE

    def _drop_uplink(self) -> None:
        if self._uplink is not None:
            self._uplink.abort()
            self._uplink = None
