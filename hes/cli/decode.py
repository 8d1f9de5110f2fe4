"""Explain octets: captures, hex or binary as readable trees."""

from __future__ import annotations

import json
import string
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from hes.cli.decode_input import Heard, read_input
from hes.cli.decode_profile import knowledge_of
from hes.cli.decode_totals import Totals, counted
from hes.cli.exit_status import ExitStatus
from hes.cli.frame_cutter import starts_hdlc
from hes.cli.secrets import TITLE, key_option, secrets_option
from hes.devices import profiles
from hes.devices.secrets_file import DeviceSecrets, Secrets
from hes.dlms.inspect.brief import brief
from hes.dlms.inspect.hiding import hidden_places, shown_hex, undecoded_hex
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.node import Node, fault, render_text, to_json
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.errors import ConfigError
from hes.protocols.frame_inspector import FrameInspector

SESSIONS_MAX: Final = 1024  # conversations remembered at once; the oldest is forgotten first
SHORT_ITEMS: Final = 3
HINT_DIGITS: Final = 8  # fewer hex digits may well be the name of a file [A]
FORMAT: Final = 1  # of the JSON: counts up when a field is taken away or changes its meaning; docs/decode.md


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@key_option("--key", "AMILOOP_KEY", "Global unicast encryption key (GUEK).")
@key_option("--auth-key", "AMILOOP_AUTH_KEY", "Authentication key (GAK).")
@key_option("--dedicated-key", "AMILOOP_DEDICATED_KEY", "Dedicated key, where the AARQ is not in the input.")
@key_option("--broadcast-key", "AMILOOP_BROADCAST_KEY", "Global broadcast encryption key (GBEK).")
@key_option("--master-key", "AMILOOP_MASTER_KEY", "Master key (KEK), for keys that come wrapped.")
@click.option(
    "--system-title",
    "titles",
    type=TITLE,
    multiple=True,
    envvar="AMILOOP_SYSTEM_TITLE",
    metavar="HEX",
    help="System title of meter or client, where the input does not say it; may be repeated. [AMILOOP_SYSTEM_TITLE]",
)
@secrets_option
@click.option(
    "--profile",
    metavar="NAME|FILE",
    help="Device profile: units, columns of profiles and versions of classes, where the input does not say them.",
)
@click.option(
    "--short", is_flag=True, help="Of long arrays show the first rows and the last, of long values the start."
)
@click.option("--brief", "is_brief", is_flag=True, help="One line for each frame: what it asks or answers.")
@click.option("--octets", "show_octets", is_flag=True, help="Show the octets of every frame in hex.")
@click.option("--offsets", is_flag=True, help="Begin each line with the place and number of its octets.")
@click.option("--strict", is_flag=True, help="End with status 1 when anything in the input is invalid.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def decode(
    context: click.Context,
    file: str,
    key: bytes | None,
    auth_key: bytes | None,
    dedicated_key: bytes | None,
    broadcast_key: bytes | None,
    master_key: bytes | None,
    titles: tuple[bytes, ...],
    secrets: Secrets,
    *,
    profile: str | None,
    short: bool,
    is_brief: bool,
    show_octets: bool,
    offsets: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Show what the octets in FILE say, frame by frame; - reads standard input.

    FILE is a capture (pcap, pcapng; TCP and UDP on any port), text with hex digits in almost any form, trace.txt of
    `amiloop run`, or binary octets. Decoded are DLMS/COSEM APDUs, bare or in DLMS wrapper frames, HDLC frames (segments
    are put together) and behind a gateway prefix, and Q/GDW 376.1 frames of concentrators.

    Frames of one conversation are read together: answers are labelled with what was asked, blocks are put together,
    and ciphered APDUs are opened when the keys are given: --key and --auth-key for any device, or --secrets with keys
    by system title, as `amiloop run` writes them to test-secrets.toml. What no key opens is shown as sealed. Passwords
    and keys are shown nowhere; in hex each of their octets is **.

    Where FILE is damaged, everything that can be read is shown, and the damage with its line or place.

    Ends with status 1 when nothing in FILE is recognised (of binary octets: when no frame is valid), when FILE is
    damaged, and with --strict when anything is invalid.
    """
    titles = titles or tuple(filter(None, (secrets.get("meter_title"), secrets.get("system_title"))))
    keys = InspectorKeys(
        encryption=key or secrets.get("key"),
        authentication=auth_key or secrets.get("auth_key"),
        dedicated=dedicated_key or secrets.get("dedicated_key"),
        broadcast=broadcast_key or secrets.get("broadcast_key"),
        master=master_key or secrets.get("master_key"),
        titles=titles,
        devices={title: _device_keys(device, titles) for title, device in secrets.devices.items()},
    )
    known = None if profile is None else knowledge_of(profiles.load(profile))
    source = read_input("standard input" if file == "-" else file, _octets_of(file))
    totals = Totals()
    decoded = _decoded(source.frames, keys, known, totals)
    if as_json:
        _print_json(decoded, source.kind, source.notes, totals)
    else:
        if is_brief:
            _print_brief(decoded)
        else:
            _print_text(decoded, items_max=SHORT_ITEMS if short else None, offsets=offsets, octets=show_octets)
        for note in source.notes:
            click.echo(f"note: {note}", err=True)
        click.echo("\n".join(totals.lines()), err=True)
    is_nothing = source.kind == "capture" and not totals.recognised
    if is_nothing or (source.kind == "binary" and not totals.valid):  # any file has octets that could begin a frame
        click.echo("nothing in it is a whole DLMS, HDLC or Q/GDW 376.1 frame: is it the right file?", err=True)
        context.exit(ExitStatus.VERDICT_FAILED)
    if totals.damaged or (strict and totals.faults):
        context.exit(ExitStatus.VERDICT_FAILED)


def _device_keys(device: DeviceSecrets, titles: tuple[bytes, ...]) -> InspectorKeys:
    return InspectorKeys(
        encryption=device.encryption_key,
        authentication=device.authentication_key,
        dedicated=device.dedicated_key,
        broadcast=device.broadcast_key,
        master=device.master_key,
        titles=titles,
    )


def is_hex(text: str) -> bool:
    """Whether somebody typed octets where a file is meant."""
    return len(text) >= HINT_DIGITS and set(text) <= set(string.hexdigits)


def _octets_of(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        hint = ""
        if is_hex(file):
            hint = f"; octets to decode go to standard input: echo {file[:HINT_DIGITS]}... | amiloop decode -"
        raise ConfigError(f"{file} cannot be read: {error.strerror}{hint}.", path=file) from error


def _decoded(
    frames: Iterator[Heard], keys: InspectorKeys, known: Knowledge | None, totals: Totals
) -> Iterator[tuple[Heard, Node]]:
    """Each frame with its tree, every conversation with a memory of its own."""
    inspectors: OrderedDict[str, FrameInspector] = OrderedDict()
    for number, heard in enumerate(frames, 1):
        if heard.damage:
            node = _damaged(heard)
            totals.add_damage(node)
            yield heard, node
            continue
        inspector = inspectors.get(heard.session)
        if inspector is None:
            totals.sessions += 1
            inspector = inspectors[heard.session] = FrameInspector(keys, known)
            if len(inspectors) > SESSIONS_MAX:
                totals.leave(inspectors.popitem(last=False)[1].conversation)
        if heard.is_cut:
            totals.cut += 1
            yield heard, _beginning(heard.octets)
            continue
        is_frame = heard.is_frame or starts_hdlc(heard.octets)  # HDLC says what is wrong with it
        if is_frame:
            node = inspector.inspect(heard.octets, place=f"#{number}", sender=heard.sender)
        else:
            node = _no_frame(heard.octets)
            totals.strange += 1
        totals.add(node)
        yield heard, node
    for inspector in inspectors.values():
        totals.leave(inspector.conversation)


def _no_frame(octets: bytes) -> Node:
    found = fault("no frame starts here", 0, len(octets))
    return Node(label="octets", value=undecoded_hex(octets), length=len(octets), children=(found,))


def _damaged(heard: Heard) -> Node:
    """A place at which the input could not be read."""
    found = Node(label="damaged", value=heard.damage, is_fault=True)
    hidden = _beginning(heard.octets).hidden if heard.octets else ()
    return Node(label="input", length=len(heard.octets), children=(found,), hidden=hidden)


def _beginning(octets: bytes) -> Node:
    """A frame that a trace cut short: seen apart, it is no part of its conversation."""
    hidden = tuple(hidden_places(FrameInspector().inspect(octets)))
    return Node(label="frame", value="only its beginning is in the trace", length=len(octets), hidden=hidden)


def _print_text(decoded: Iterator[tuple[Heard, Node]], *, items_max: int | None, offsets: bool, octets: bool) -> None:
    session = ""
    for number, (heard, node) in enumerate(decoded, 1):
        if heard.session not in ("", session):
            session = heard.session
            click.echo(f"== {session} ==\n")
        size = counted(len(heard.octets), "octet") if heard.octets else ""
        words = [f"#{number}", heard.time, heard.way, size, heard.note and f"({heard.note})"]
        click.echo("  ".join(word for word in words if word))
        if octets and heard.octets:
            click.echo(f"  {shown_hex(heard.octets, node, ' ')}")
        tree = render_text(node, items_max=items_max, offsets=offsets)
        click.echo("".join(f"  {line}\n" for line in tree.splitlines()))


def _print_brief(decoded: Iterator[tuple[Heard, Node]]) -> None:
    """A line for each frame, the time of day and the side before it."""
    session = ""
    for number, (heard, node) in enumerate(decoded, 1):
        if heard.session not in ("", session):
            session = heard.session
            click.echo(f"== {session} ==")
        time = heard.time.partition("T")[2].rstrip("Z")[:12] or heard.time
        words = [f"#{number}", time, heard.way.partition(" ->")[0], brief(node)]
        click.echo("  ".join(word for word in words if word))


def _print_json(decoded: Iterator[tuple[Heard, Node]], kind: str, notes: tuple[str, ...], totals: Totals) -> None:
    """Print one object, frame after frame so that a long capture needs no memory."""
    click.echo(f'{{"decode": {FORMAT}, "input": {json.dumps(kind)}, "frames": [', nl=False)
    for number, (heard, node) in enumerate(decoded, 1):
        click.echo(f"{',' if number > 1 else ''}\n{json.dumps(_frame_json(number, heard, node))}", nl=False)
    tail = totals.to_json() | {"notes": list(notes)}
    click.echo(f"\n], {json.dumps(tail)[1:]}")


def _frame_json(number: int, heard: Heard, node: Node) -> dict[str, Any]:
    said = {"session": heard.session, "way": heard.way, "time": heard.time, "note": heard.note}
    body: dict[str, Any] = {"number": number} | {name: value for name, value in said.items() if value}
    return body | {"octets": shown_hex(heard.octets, node), "tree": to_json(node)}
