"""Run a soft concentrator with simulated meters in real time; it dials a head-end, as a real one does."""

from __future__ import annotations

import json
from typing import Any

import click

from hes.errors import ConfigError

DEFAULT_WORLD = "neighbourhood"
METERS_SHOWN = 5


@click.command()
@click.option("--head-end", required=True, metavar="URL", help="Where the head-end listens: tcp://HOST:PORT.")
@click.option("--world", default=DEFAULT_WORLD, show_default=True, help="The world that the concentrator lives in.")
@click.option("--name", help="Which concentrator of the world, by name or terminal ID; its first one when left out.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed than the world's own.")
@click.option("--json", "as_json", is_flag=True, help="Print what it is and how to read it as one JSON object.")
def dcu(head_end: str, world: str, name: str | None, seed: int | None, *, as_json: bool) -> None:
    """Run one concentrator of a world in real time until interrupted.

    Its firmware dials the head-end over TCP, logs in with its terminal ID (Q/GDW 376.1), sends heartbeats and forwards
    to its meters; these and the PLC network in between are simulated. A head-end that cannot be reached is tried again,
    with the pauses that the firmware makes. What happens on the way there is told on standard error.

    The keys that are printed are TEST KEYS, derived from the world's seed.
    """
    from dataclasses import replace

    from sim.cli.until_stopped import run_until_stopped
    from sim.live import only_dcu
    from sim.world import parse

    loaded = parse.load(world)
    if seed is not None:
        loaded = replace(loaded, seed=seed)
    run_until_stopped(_serve(only_dcu(loaded, name), _url(head_end), as_json=as_json))


async def _serve(world: Any, url: str, *, as_json: bool) -> None:
    from hes.clock import SystemClock
    from hes.links.registry import Links
    from sim.live import LiveField, starting_now

    def tell(device: Any, before: Any, event: Any, after: Any) -> None:
        sentence = _sentence(live.field.sites[0], before, event, url)
        if sentence:
            click.echo(f"{device.terminal}: {sentence}", err=True)

    clock = SystemClock()
    live = LiveField(starting_now(world, clock), links=Links(), head_end_url=url, clock=clock, on_state=tell)
    offer = _offer(live, url)
    click.echo(json.dumps(offer, ensure_ascii=False) if as_json else _text(offer))
    await live.run()


def _url(text: str) -> str:
    """The head-end's URL, HOST:PORT taken for TCP. Raises ConfigError for another kind of link."""
    url = text if "://" in text else f"tcp://{text}"
    if not url.lower().startswith(("tcp://", "tcp-listen://")):  # the latter has a sentence of its own
        raise ConfigError(f"a concentrator dials its head-end over TCP: write tcp://HOST:PORT instead of {text}")
    return url


def _sentence(site: Any, before: Any, event: Any, url: str) -> str:
    """What an event means to whoever watches; nothing for those that are of no interest."""
    from sim.dcu.states import Event, State

    if event is Event.POWER_LOST and site.dcu.has_power:
        return ""  # it is we who stop
    again = f"it rests for {site.dcu.config.rest_s[0]:.0f} s or more and tries again"
    unknown = f"is terminal {site.device.terminal} in its archive?"
    trouble = site.uplink.trouble
    said = {
        Event.CONNECT_FAILED: f"{trouble.message if trouble else url + ' cannot be reached'}; {again}",
        Event.CONNECTED: f"connected to {url}, logging in",
        Event.LOGIN_CONFIRMED: "online: the head-end confirmed the login",
        Event.LOGIN_REFUSED: f"the head-end refused the login: {unknown} {again}",
        Event.LOGIN_UNANSWERED: f"the head-end did not answer the login; {again}",
        Event.HEARTBEATS_MISSED: f"the head-end stopped answering heartbeats; {again}",
        Event.LINK_LOST: f"the connection is lost; {again}",
        Event.POWER_LOST: "without power, as the world's faults say",
    }
    if event is Event.LINK_LOST and before is State.LOGIN:
        return f"the head-end ended the connection at the login: {unknown} {again}"
    return said.get(event, "")


def _offer(live: Any, url: str) -> dict[str, Any]:
    """What the concentrator is, and how its meters are reached and opened."""
    from hes.devices import profiles
    from sim.cli.offers import meter_offer

    (device,) = live.population.dcus
    meters = []
    for meter in device.meters:
        profile = profiles.load(meter.profile)
        gateway = {"network_id": profile.gateway.network_id, "address": meter.address.hex().upper()}
        meters.append({**meter_offer(meter, profile, live.world.seed), "gateway": gateway})
    return {
        "dcu": device.name,
        "terminal_id": str(device.terminal),
        "world": live.world.name,
        "seed": live.world.seed,
        "head_end": url,
        "heartbeat_s": live.world.concentrator.heartbeat_s,
        "meters": meters,
    }


def _text(offer: dict[str, Any]) -> str:
    from sim.cli.offers import client_lines, key_lines

    meters = offer["meters"]
    lines = [
        f"concentrator {offer['dcu']}, terminal ID {offer['terminal_id']}, dials {offer['head_end']}",
        f"  heartbeat every {offer['heartbeat_s']:g} s; {len(meters)} meters behind it, on simulated PLC",
        "  each is reached through it: DLMS wrapper, gateway header (E6), network and address of the meter",
        *client_lines(meters),
        "  TEST KEYS of this world's seed, never for a real meter:",
    ]
    for each in meters[:METERS_SHOWN]:
        gateway = each["gateway"]
        lines.append(
            f"  {each['meter']}, number {each['number']}, profile {each['profile']}: logical device"
            f" {each['server_sap']}, network {gateway['network_id']}, address {gateway['address']} (hex)"
        )
        lines.append(f"    system title        {each['system_title']}")
        lines += key_lines(each)
    if len(meters) > METERS_SHOWN:
        lines.append(f"  and {len(meters) - METERS_SHOWN} more: --json lists them all")
    lines.append("  stop with Ctrl-C")
    return "\n".join(lines)
