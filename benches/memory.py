"""What an open association costs a server that holds many: octets of Python objects, by tracemalloc.

COUNT meters of one device, each with a `Server` and one association that has read a register and is idle since. The
meter behind it (here a few numbers and the security record) counts too; the device, which all share, does not. The
last rows are whole simulated meters that are awake because somebody is associated with them.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

from benches._measure import DifferenceError, Row
from benches._session_clients import CLIENT_TITLE, COUNTERS_OF_A_SESSION, ENERGY, REGISTER, Way
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client import Client, ClientSecurity, ClientSettings
from hes.dlms.client.events import Associated, Got, SendNext
from hes.dlms.codes import Mechanism
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.server import Server
from sim.meter.endpoint import MeterEndpoint
from sim.meter.keys import meter_keys
from sim.meter.meter import Meter
from sim.meter.model import logical_device
from sim.world import parse
from sim.world.population import MeterDevice, Population

NAME = "memory"
WORLD = "neighbourhood"
COUNT, COUNT_QUICK = 2000, 200
WANTED_OCTETS = 8 * 1024
CHALLENGE = b"challenge of ben"
Ask = Callable[[bytes], bytes | None]


def run(quick: bool) -> list[Row]:
    count = COUNT_QUICK if quick else COUNT
    population = Population(parse.load(WORLD))
    device = next(iter(population.meters.values()))
    rows = []
    for way in Way:
        octets = _per_association(lambda way=way: _server(population, device, way), count)
        rows.append(_row(f"idle association, {way.name}", "server and association", octets, wanted=True))
    for way in Way:
        octets = _per_association(lambda way=way: _endpoint(population, device, way), count)
        rows.append(_row(f"idle association, {way.name}", "with the simulated meter behind it", octets, wanted=False))
    return rows


def _row(operation: str, what: str, octets: float, *, wanted: bool) -> Row:
    return Row(
        bench=NAME,
        operation=operation,
        implementation=what,
        value=octets,
        unit="octets",
        ratio=WANTED_OCTETS / octets,
        target=1.0 if wanted else None,
        note=f"under {WANTED_OCTETS} wanted" if wanted else "",
    )


def _per_association(make: Callable[[], Any], count: int) -> float:
    """Octets that each of `count` more takes, after a few that fill what all share."""
    kept = [make() for _ in range(20)]
    gc.collect()
    tracemalloc.start()
    try:
        before, _peak = tracemalloc.get_traced_memory()
        kept += [make() for _ in range(count)]
        gc.collect()
        after, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == count + 20
    return (after - before) / count


def _server(population: Population, device: MeterDevice, way: Way) -> Server[Meter]:
    """A server with one idle association. The meter is made anew for each, as it would be for each of a fleet."""
    meter = population.meter(device)
    model: LogicalDevice[Meter] = logical_device(meter.type.profile, meter.type.zone)
    server = Server(model, meter, entropy=meter.challenge)
    now_s = float(population.world.start_epoch_s)
    _converse(population, device, way, lambda octets: server.receive(way.value, octets, now_s))
    return server


def _endpoint(population: Population, device: MeterDevice, way: Way) -> MeterEndpoint:
    endpoint = population.endpoint(device)
    now_s = float(population.world.start_epoch_s)
    _converse(population, device, way, lambda octets: endpoint.ask(way.value, octets, now_s))
    assert endpoint.is_awake
    return endpoint


def _converse(population: Population, device: MeterDevice, way: Way, ask: Ask) -> None:
    """Associate and read the energy; the client is forgotten, the association stays."""
    client = Client(_settings(population, device, way), send_counter=COUNTERS_OF_A_SESSION)
    event: object = SendNext(octets=client.associate(challenge=CHALLENGE if way is Way.HLS_GMAC else b""))
    while isinstance(event, SendNext):
        event = client.receive(ask(event.octets) or b"")
    if not isinstance(event, Associated):
        raise DifferenceError(f"{NAME}: no association: {event}")
    got = client.receive(ask(client.get(AttributeDescriptor(REGISTER, ENERGY, 2))) or b"")
    if not isinstance(got, Got):
        raise DifferenceError(f"{NAME}: no value: {got}")


def _settings(population: Population, device: MeterDevice, way: Way) -> ClientSettings:
    keys = meter_keys(population.world.seed, device.identity.system_title)
    if way is Way.LLS:
        return ClientSettings(client_sap=way.value, mechanism=Mechanism.LLS, password=keys.password)
    security = ClientSecurity(system_title=CLIENT_TITLE, keys=keys.global_keys)
    return ClientSettings(client_sap=way.value, mechanism=Mechanism.HLS_GMAC, security=security)
