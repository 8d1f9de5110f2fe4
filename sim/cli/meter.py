"""Serve one simulated meter in real time, for any DLMS client."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import click

from hes.errors import ConfigError

DEFAULT_WORLD = "neighbourhood"


@click.command()
@click.option("--tcp", "place", metavar="HOST:PORT", required=True, help="Where to listen; port 0 takes a free one.")
@click.option("--world", default=DEFAULT_WORLD, show_default=True, help="The world that the meter lives in.")
@click.option("--name", help="Which meter of the world, by name or number; its first one when left out.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed than the world's own.")
@click.option("--json", "as_json", is_flag=True, help="Print how to reach it as one JSON object.")
def meter(place: str, world: str, name: str | None, seed: int | None, *, as_json: bool) -> None:
    """Serve one meter of a world over the DLMS wrapper, in real time, until interrupted.

    It captures and counts by the machine's clock; its clock and relay can be set, and what it says afterwards follows.
    The keys that are printed are TEST KEYS, derived from the world's seed.
    """
    from dataclasses import replace

    from hes.links.registry import Links
    from sim.expose import serve_meter
    from sim.world import parse
    from sim.world.population import Population

    loaded = parse.load(world)
    if seed is not None:
        loaded = replace(loaded, seed=seed)
    population = Population(loaded)
    device = next((meter for meter in population.meters.values() if name in (None, meter.name, meter.number)), None)
    if device is None:
        raise ConfigError(f"world {loaded.name} has no meter {name!r}; its first is {next(iter(population.meters))}")

    def announce(url: str) -> None:
        offer = _offer(url, device, population)
        click.echo(json.dumps(offer) if as_json else _text(offer))

    with suppress(KeyboardInterrupt):
        asyncio.run(serve_meter(Links(), f"tcp-listen://{place}", population, device, announce))


def _offer(url: str, device: Any, population: Any) -> dict[str, Any]:
    """How to reach the meter and how to open it."""
    from hes.devices import profiles
    from sim.meter.keys import meter_keys

    profile = profiles.load(device.profile)
    keys = meter_keys(population.world.seed, device.system_title)
    return {
        "url": url,
        "meter": device.name,
        "number": device.number,
        "profile": profile.name,
        "server_sap": profile.server_sap,
        "system_title": device.system_title.hex().upper(),
        "associations": [
            {"name": offer.name, "client_sap": offer.client_sap, "authentication": offer.mechanism}
            for offer in profile.associations
        ],
        "test_keys": {
            "password": keys.password.decode(),
            "encryption_key": keys.encryption_key.hex().upper(),
            "authentication_key": keys.authentication_key.hex().upper(),
        },
        "invocation_counter": str(profile.invocation_counter),
    }


def _text(offer: dict[str, Any]) -> str:
    keys = offer["test_keys"]
    lines = [
        f"meter {offer['meter']} (number {offer['number']}, profile {offer['profile']}) listens at {offer['url']}",
        f"  server address {offer['server_sap']}, system title {offer['system_title']}",
        "  clients:",
    ]
    lines += [
        f"    {entry['client_sap']:>3}  {entry['name']:<12} authentication {entry['authentication']}"
        for entry in offer["associations"]
    ]
    lines += [
        "  TEST KEYS of this world's seed, never for a real meter:",
        f"    password            {keys['password']}",
        f"    encryption key      {keys['encryption_key']}",
        f"    authentication key  {keys['authentication_key']}",
        f"  invocation counter at {offer['invocation_counter']} (public client)",
        "  try: amiloop read " + offer["url"] + " clock 1.0.1.8.0.255",
        "  stop with Ctrl-C",
    ]
    return "\n".join(lines)
