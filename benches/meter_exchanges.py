"""A simulated meter under load: GETs of a register on open associations, counted against the meter's own CPU time.

`amiloop meter --tcp` runs in a process of its own, on uvloop. CONNECTIONS clients are associated with a password and
ask for the energy again and again, one request each at a time, from this process and another core; every answer is
checked. What counts is what the meter's process has used: exchanges per second and core, so that neither we nor a busy
machine slow it down. The time of the process comes from /proc: Linux only.
"""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from typing import cast

from benches._measure import DifferenceError, Row
from benches._served_meter import DEADLINE_S, Meter, served, silence
from benches._session_clients import ENERGY, REGISTER, Way
from hes.dlms import apdu, wrapper
from hes.dlms.client import Client, ClientSettings
from hes.dlms.client.events import Associated
from hes.dlms.codes import Mechanism

NAME = "meter_exchanges"
CONNECTIONS = 8
EXCHANGES, EXCHANGES_QUICK = 20_000, 2_000  # in each round, of all connections together
ROUNDS, ROUNDS_QUICK = 7, 3
WANTED = 20_000  # per second and core
NANOSECONDS = 1e9

REQUEST = wrapper.encode(Way.LLS.value, 1, apdu.encode_get_request(0xC1, REGISTER, ENERGY, 2))
ANSWER_HEAD = wrapper.encode(1, Way.LLS.value, b"\xc4\x01\xc1\x00\x06" + bytes(4))[
    :-4
]  # a double-long-unsigned follows
ANSWER_OCTETS = len(ANSWER_HEAD) + 4


def run(quick: bool) -> list[Row]:
    import uvloop

    rounds, exchanges = (ROUNDS_QUICK, EXCHANGES_QUICK) if quick else (ROUNDS, EXCHANGES)
    with served() as (meter,), silence(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rates = runner.run(_rates(meter, rounds, exchanges))
    low, median, high = statistics.quantiles(rates, n=4)
    return [
        Row(
            bench=NAME,
            operation=f"GET of a register on {CONNECTIONS} open associations, per second of the meter's CPU time",
            implementation="amiloop meter on uvloop",
            value=median,
            unit="1/s",
            low=low,
            high=high,
            ratio=median / WANTED,
            target=1.0,
            note=f"{WANTED:,} wanted",
        )
    ]


async def _rates(meter: Meter, rounds: int, exchanges: int) -> list[float]:
    """Exchanges per second of CPU time, of each round after one that warms up."""
    askers = [await _asker(meter) for _ in range(CONNECTIONS)]
    rates = []
    try:
        for turn in range(-1, rounds):
            before_s = _cpu_s(meter.process_id)
            await asyncio.gather(*[asker.ask(exchanges // CONNECTIONS) for asker in askers])
            used_s = _cpu_s(meter.process_id) - before_s
            if turn >= 0:
                rates.append(exchanges // CONNECTIONS * CONNECTIONS / used_s)
    finally:
        for asker in askers:
            asker.close()
    return rates


def _cpu_s(process_id: int) -> float:
    """Seconds that the process has run on a processor."""
    return int(Path(f"/proc/{process_id}/schedstat").read_text().split()[0]) / NANOSECONDS


async def _asker(meter: Meter) -> _Asker:
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_connection(_Asker, meter.host, meter.port)
    client = Client(ClientSettings(client_sap=Way.LLS.value, mechanism=Mechanism.LLS, password=meter.password))
    transport.write(wrapper.encode(Way.LLS.value, 1, client.associate()))
    aare = await asyncio.wait_for(asker.associated, DEADLINE_S)
    if not isinstance(client.receive(aare[wrapper.HEADER_OCTETS :]), Associated):
        raise DifferenceError(f"{NAME}: the meter did not associate: {aare.hex()}")
    return asker


class _Asker(asyncio.Protocol):
    """One connection; asks again as soon as it has an answer, with as little work of its own as can be."""

    def __init__(self) -> None:
        self.associated: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._done: asyncio.Future[None] | None = None
        self._left = 0
        self._energy = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        if self._done is None:
            self.associated.set_result(data)
            return
        fits = len(data) == ANSWER_OCTETS and data.startswith(ANSWER_HEAD) and data >= self._energy
        if not fits:
            self._done.set_exception(DifferenceError(f"{NAME}: {data.hex()} came after {self._energy.hex()}"))
            return
        self._energy = data
        self._left -= 1
        if self._left:
            self._transport.write(REQUEST)
        else:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(DifferenceError(f"{NAME}: the meter hung up: {exc}"))

    async def ask(self, count: int) -> None:
        self._left, self._done = count, asyncio.get_running_loop().create_future()
        self._transport.write(REQUEST)
        await self._done

    def close(self) -> None:
        self._transport.close()
