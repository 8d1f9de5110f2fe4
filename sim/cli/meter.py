"""Serve simulated meters in real time, over TCP, a pseudo-terminal or a serial port, for any DLMS client."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from hes.dlms.mode_e import SignOnSettings

DEFAULT_WORLD = "neighbourhood"
NEW_PTY = "auto"


@click.command()
@click.option("--tcp", metavar="HOST:PORT", help="Listen there; port 0 takes a free one.")
@click.option("--udp", metavar="HOST:PORT", help="Answer datagrams there, on the DLMS wrapper.")
@click.option(
    "--pty", metavar="[PATH]", is_flag=False, flag_value=NEW_PTY, help="Make a pseudo-terminal, with a link at PATH."
)
@click.option("--serial", metavar="DEV", help="Answer on a serial port such as /dev/ttyUSB0.")
@click.option("--baud", type=int, help="Speed of the --serial or --pty line; 9600 when left out.")
@click.option("--hdlc", is_flag=True, help="Speak HDLC in place of the DLMS wrapper.")
@click.option(
    "--mode-e", is_flag=True, help="On a serial line: 300 Bd until a reader has signed on, then HDLC at --baud."
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="So many meters: on one HDLC line, or on the wrapper with a port each, the given one and those behind it.",
)
@click.option(
    "--model",
    type=click.Choice(["simulated", "reference"]),
    default="simulated",
    show_default=True,
    help="A meter of a world, or the reference meter: every mechanism and class, changes kept until it ends.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep the invocation counters in FILE from one start to the next.",
)
@click.option(
    "--write-secrets",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="With --model reference: write secrets files and key files for its clients to FOLDER, for `amiloop read`.",
)
@click.option("--world", default=DEFAULT_WORLD, show_default=True, help="The world that the meter lives in.")
@click.option("--name", help="Which meter of the world, by name or number; its first one when left out.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed than the world's own.")
@click.option("--json", "as_json", is_flag=True, help="Print how to reach it as one JSON object.")
def meter(
    tcp: str | None,
    udp: str | None,
    pty: str | None,
    serial: str | None,
    baud: int | None,
    count: int,
    model: str,
    state: Path | None,
    write_secrets: Path | None,
    world: str,
    name: str | None,
    seed: int | None,
    *,
    hdlc: bool,
    mode_e: bool,
    as_json: bool,
) -> None:
    """Serve meters of a world in real time until interrupted, on one of --tcp, --udp, --pty and --serial.

    A meter captures and counts by the machine's clock; its own clock is set when it starts. Its clock and relay can be
    set, and what it says afterwards follows. The keys that are printed are TEST KEYS, derived from the world's seed.

    --model reference serves one meter for protocol tests instead, with an association for every way to authenticate.

    What clients change (clock, relay, objects, keys) is kept until the command ends. Invocation counters begin anew
    with each start too, so that recorded ciphered requests are taken again, unless --state names a file for them.
    """
    from dataclasses import replace

    from hes.links.registry import Links
    from sim.cli.until_stopped import run_until_stopped
    from sim.expose import ExposedMeters, serve_meters
    from sim.world import parse

    url = _url({"tcp": tcp, "udp": udp, "pty": pty, "serial": serial}, baud, mode_e=mode_e)
    sign_on = _sign_on(baud) if mode_e else None
    if udp is not None and hdlc:
        raise click.UsageError("--hdlc is for --tcp, --pty and --serial: on UDP there is the DLMS wrapper alone.")
    hdlc = hdlc or mode_e
    _check_count(count, hdlc=hdlc, has_ports=tcp is not None or udp is not None)
    if model == "reference":
        _check_no_world(name, seed)
        if count > 1:
            raise click.UsageError("There is one reference meter: --count is for simulated ones.")
        kept = ReferenceFiles(state, write_secrets)
        _serve_reference(url, kept, hdlc=hdlc, sign_on=sign_on, as_json=as_json)
        return
    if write_secrets is not None:
        raise click.UsageError("--write-secrets is for --model reference: a simulated meter needs no key files.")
    loaded = parse.load(world)
    if seed is not None:
        loaded = replace(loaded, seed=seed)
    meters = ExposedMeters(loaded, name, count, state=state)
    if sign_on is not None:
        first, *others = [device.number for device in meters.devices]
        sign_on = replace(sign_on, address=first, also=tuple(others))

    def announce(reached_at: Sequence[str]) -> None:
        offer = _offer([_reached(place, sign_on) for place in reached_at], meters, hdlc=hdlc)
        offer["state"] = None if state is None else str(state)
        click.echo(json.dumps(offer, ensure_ascii=False) if as_json else _text(offer))

    try:
        run_until_stopped(serve_meters(Links(), url, meters, announce, hdlc=hdlc, sign_on=sign_on))
    finally:
        meters.close()


def _check_no_world(name: str | None, seed: int | None) -> None:
    """The reference meter lives in no world: what would choose one there is refused rather than left unused."""
    context = click.get_current_context()
    world_said = context.get_parameter_source("world") is not click.core.ParameterSource.DEFAULT
    for option, said in (("--world", world_said), ("--name", name is not None), ("--seed", seed is not None)):
        if said:
            raise click.UsageError(f"{option} is for --model simulated: the reference meter lives in no world.")


class ReferenceFiles(NamedTuple):
    """Files of the reference meter: its counters, and where to put the secrets of its clients; None for neither."""

    state: Path | None
    secrets: Path | None


def _serve_reference(
    url: str, files: ReferenceFiles, *, hdlc: bool, sign_on: SignOnSettings | None, as_json: bool
) -> None:
    from hes.links.registry import Links, LinkUrl
    from sim.cli.offers import reference_text
    from sim.cli.until_stopped import run_until_stopped
    from sim.reference.secrets_folder import write_secrets
    from sim.reference.serving import reference_offer, serve_reference

    if files.secrets is not None:
        write_secrets(files.secrets)

    def announce(places: Sequence[str]) -> None:
        (reached_at,) = places
        offer = reference_offer(hdlc=hdlc)
        offer = {
            "url": _reached(reached_at, sign_on),
            "framing": "hdlc" if hdlc else "wrapper",
            **offer,
            "meters": [offer],
            "state": None if files.state is None else str(files.state),
            "secrets_folder": None if files.secrets is None else str(files.secrets),
        }
        if reached_at.startswith("pty://"):
            offer["device"] = LinkUrl.parse(reached_at).place
        click.echo(json.dumps(offer) if as_json else reference_text(offer))

    run_until_stopped(serve_reference(Links(), url, announce, hdlc=hdlc, sign_on=sign_on, state=files.state))


def _url(places: dict[str, str | None], baud: int | None, *, mode_e: bool) -> str:
    """The link to serve on. places: by scheme, None where the option was not given."""
    given = {scheme: place for scheme, place in places.items() if place is not None}
    if len(given) != 1:
        raise click.UsageError(
            "Say where to serve with exactly one of --tcp HOST:PORT, --udp HOST:PORT, --pty [PATH] and --serial DEV."
        )
    ((scheme, place),) = given.items()
    url = f"{scheme}-listen://{place}"
    if scheme in ("tcp", "udp"):
        _check_host_and_port(url, scheme, place)
        if baud is not None:
            raise click.UsageError(f"--baud is for --serial and --pty: {scheme.upper()} has no baud rate.")
        if mode_e:
            raise click.UsageError(f"--mode-e is for --serial and --pty: {scheme.upper()} has no speed to change.")
        return url
    if mode_e:
        options = "baud=300&format=7E1"
    elif baud is not None:
        options = f"baud={baud}"
    else:
        return url
    return f"{url}{'&' if '?' in url else '?'}{options}"


def _check_host_and_port(url: str, scheme: str, place: str) -> None:
    from hes.errors import ConfigError
    from hes.links.registry import LinkUrl

    try:
        LinkUrl.parse(url).host_and_port()
    except ConfigError:
        port = place if place.isdigit() else "4059"
        raise click.UsageError(f"--{scheme} {place} is no HOST:PORT such as 127.0.0.1:{port}.") from None


def _sign_on(baud: int | None) -> SignOnSettings:
    """What the meter offers to a reader that signs on."""
    from hes.dlms.mode_e import BAUD_RATES, Identification, SignOnSettings

    wanted = 9600 if baud is None else baud
    baud_id = next((key for key, rate in BAUD_RATES.items() if rate == wanted), None)
    if baud_id is None:
        rates = ", ".join(str(rate) for rate in BAUD_RATES.values())
        raise click.UsageError(f"--baud {wanted} is no speed that mode E can offer: {rates}.")
    return SignOnSettings(identification=Identification(manufacturer="AML", baud_id=baud_id, ident="METER"))


def _reached(url: str, sign_on: SignOnSettings | None) -> str:
    """The address for a reader: one that signs on begins at 300 Bd by itself."""
    return url if sign_on is None else f"{url.partition('?')[0]}?sign_on=mode-e"


def _check_count(count: int, *, hdlc: bool, has_ports: bool) -> None:
    from sim.expose import METERS_MAX, PORTS_MAX

    if hdlc and count > METERS_MAX:
        raise click.UsageError(f"--count goes up to {METERS_MAX}: that many addresses fit one line.")
    if count > PORTS_MAX:
        raise click.UsageError(f"--count goes up to {PORTS_MAX}: each meter has a port of its own.")
    if count > 1 and not (hdlc or has_ports):
        raise click.UsageError(
            "--count above 1 needs --hdlc on a serial line: the wrapper has no address that tells meters apart."
        )


def _offer(urls: Sequence[str], meters: Any, *, hdlc: bool) -> dict[str, Any]:
    """How to reach the meters and how to open them; the first one's keys stand at the top, `meters` has all.

    urls: one for all of them, or one for each.
    """
    from hes.devices import profiles
    from hes.links.registry import LinkUrl
    from sim.cli.offers import meter_offer

    seed = meters.population.world.seed
    offers = []
    reached = urls if len(urls) > 1 else [*urls] * len(meters.devices)
    for device, station, where in zip(meters.devices, meters.stations, reached, strict=True):
        offer = {"url": where, **meter_offer(device, profiles.load(device.profile), seed)}
        if hdlc:
            offer["hdlc_address"] = {"upper": station.server_sap, "lower": station.lower}
        offers.append(offer)
    offer = {"framing": "hdlc" if hdlc else "wrapper", **offers[0], "meters": offers}
    if offer["url"].startswith("pty://"):
        offer["device"] = LinkUrl.parse(offer["url"]).place
    return offer


def _text(offer: dict[str, Any]) -> str:
    from sim.cli.offers import client_lines, kept_lines, key_lines, sign_on_lines

    first, meters = offer["meters"][0], offer["meters"]
    how = "HDLC" if offer["framing"] == "hdlc" else "the DLMS wrapper"
    who = f"meter {first['meter']}" if len(meters) == 1 else f"{len(meters)} meters from {first['meter']} on"
    where = offer["url"] if meters[-1]["url"] == first["url"] else f"{first['url']} and further ports"
    lines = [f"{who} at {where}, on {how}"]
    if "device" in offer:
        lines.append(f"  open {offer['device']} like a serial port")
    lines += sign_on_lines(offer)
    lines += client_lines(meters)
    lines += kept_lines(offer)
    lines.append("  TEST KEYS of this world's seed, never for a real meter:")
    for each in meters:
        lines.append(f"  {each['meter']}, number {each['number']}, profile {each['profile']}: {_address(each)}")
        lines.append(f"    system title        {each['system_title']}")
        lines += key_lines(each)
    lines += ["  try:", *(f"    {line}" for line in _try_lines(offer))]
    lines.append("  stop with Ctrl-C")
    return "\n".join(lines)


def _address(offer: dict[str, Any]) -> str:
    address = offer.get("hdlc_address")
    if address is None:
        return f"{offer['url']}, server address {offer['server_sap']}"
    return f"HDLC server address {address['upper']}/{address['lower']} (upper/lower)"


def _try_lines(offer: dict[str, Any]) -> list[str]:
    """One command per client of the first meter, one for each further meter, ready to be pasted."""
    from sim.cli.offers import caller_url, framing_options

    lines = []
    for place, each in enumerate(offer["meters"]):
        keys = each["test_keys"]
        secrets = {
            "none": "",
            "lls": f" --auth low --password {keys['password']}",
            "hls-gmac": f" --auth gmac --key {keys['encryption_key']} --auth-key {keys['authentication_key']}",
        }
        clients = each["associations"] if place == 0 else each["associations"][-1:]
        for client in clients:
            wanted = "clock" if client["name"] == "public" else "clock 1.0.1.8.0.255"
            how = secrets[client["authentication"]]
            where = f"{shlex.quote(caller_url(each['url']))}{framing_options(offer, place)}"
            lines.append(f"amiloop read {where} {wanted} --client {client['client_sap']}{how}")
    return lines
