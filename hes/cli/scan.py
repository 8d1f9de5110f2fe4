"""List what a device has: logical devices, objects, access rights, values; write its profile."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import click

from hes.cli.connect_options import connect_options, connecting
from hes.cli.exit_status import ExitStatus
from hes.cli.failures import say_stopped
from hes.cli.interruption import run_stoppable
from hes.cli.progress import watching, wipe
from hes.cli.scan_device import scan_url
from hes.cli.scan_json import scan_json
from hes.cli.scan_profile import profile_text
from hes.cli.scan_text import WIDTH_DEFAULT, scan_lines
from hes.clock import SystemClock
from hes.devices import profiles
from hes.entropy import SystemEntropy
from hes.errors import ConfigError
from hes.links.registry import Links

WIDTH_MIN: Final = 80
WIDTH_MAX: Final = 160


@click.command()
@click.argument("url")
@connect_options
@click.option("--values/--no-values", default=True, show_default=True, help="Read every attribute that may be read.")
@click.option("--only", is_flag=True, help="This logical device alone, not the others that its SAP assignment names.")
@click.option(
    "--write-profile",
    "profile_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a device profile of what was found, for --profile of `amiloop read` and others.",
)
@click.option("--force", is_flag=True, help="With --write-profile: overwrite the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def scan(
    url: str, *, values: bool, only: bool, profile_file: Path | None, force: bool, as_json: bool, **given: Any
) -> int:
    """List what the device at URL has: tcp://192.0.2.7:4059, udp://, serial:///dev/ttyUSB0?baud=9600, pty://.

    Shown are the logical devices (SAP assignment), the objects that this client may see (object list) with their
    access rights, and the value of every attribute that may be read: registers with scaler and unit, profiles by their
    columns, first and last row. Connection, client and keys are said as for `amiloop read`. Ctrl-C and SIGTERM release
    the association and show what was found.

    Ends with status 1 when something that the object list offers was not given, 3 when the device refused the
    association or the object list, 4 when it could not be reached or did not answer.
    """
    if profile_file is not None:
        _check_writable(profile_file, values=values, force=force)
    _check_profile(given["profile"])
    connect = connecting(url, given)
    plan = connect.plan
    found, stopped = run_stoppable(
        scan_url(
            plan,
            Links(),
            SystemEntropy(),
            values=values,
            every_device=not only,
            watch=watching(wanted=connect.tap is None),
            tap=connect.tap,
        )
    )
    wipe()
    if found.interrupted:
        left_out = "" if profile_file is None else f"; no device profile was written to {profile_file}"
        say_stopped(stopped, f"{found.values_read} values of {found.objects_listed} objects were read{left_out}")
    for device in found.devices:
        for finding in device.findings:
            click.echo(f"note: logical device {device.server_sap}: {finding}", err=True)
    if as_json:
        click.echo(json.dumps(scan_json(found, plan), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(scan_lines(found, plan, _width())))
    if profile_file is not None and not found.interrupted:
        profile_file.write_text(
            profile_text(found.devices[0], plan, profile_file, SystemClock().epoch_s()), encoding="utf-8"
        )
        click.echo(f"device profile written to {profile_file}", err=True)
    if found.interrupted:
        return stopped
    return ExitStatus.OK if found.complete else ExitStatus.VERDICT_FAILED


def _check_profile(name: str | None) -> None:
    """Whoever means to write one with --profile is told. Raises ConfigError."""
    if name is not None and name not in profiles.shipped() and not Path(name).exists():
        raise ConfigError(
            f"there is no device profile {name!r} to connect with; to write one of what is found: --write-profile FILE."
        )


def _check_writable(path: Path, *, values: bool, force: bool) -> None:
    """Before anything is sent. Raises UsageError and ConfigError."""
    if not values:
        raise click.UsageError("--write-profile needs the values: leave --no-values out.")
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already: take another name, or --force to overwrite it.", path=str(path))
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is no folder.", path=str(path))


def _width() -> int:
    """Columns to fill: those of the terminal within reason, of a file what one reads well."""
    if not sys.stdout.isatty():
        return WIDTH_DEFAULT
    return min(max(shutil.get_terminal_size((WIDTH_DEFAULT, 24)).columns, WIDTH_MIN), WIDTH_MAX)
