"""Read any DLMS meter over any link: registers with units, profiles as tables."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any, Final

import click

from hes.cli.connect_options import connect_options, connecting
from hes.cli.exit_status import ExitStatus, exit_status
from hes.cli.failures import PROGRAM, say_stopped, sentence_of
from hes.cli.interruption import run_stoppable
from hes.cli.meter_times import turned
from hes.cli.object_reference import ObjectReference
from hes.cli.progress import watching, wipe
from hes.cli.read_meter import read_meter
from hes.cli.read_options import Moment, Reference, check_range
from hes.cli.read_output import outcome_json, outcome_lines
from hes.cli.read_plan import ReadPlan
from hes.cli.read_profile import known_classes
from hes.entropy import SystemEntropy
from hes.links.registry import Links

DEFAULT_OBJECTS: Final = ("clock", "ldn")


@click.command()
@click.argument("url")
@click.argument("objects", type=Reference(), nargs=-1, metavar="[OBJECT]...")
@connect_options
@click.option(
    "--from", "first", type=Moment(), help="Of profiles: rows from this time on (meter's time, or with zone)."
)
@click.option("--to", "last", type=Moment(), help="Of profiles: rows up to this time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def read(
    url: str,
    objects: tuple[ObjectReference, ...],
    *,
    first: bytes | None,
    last: bytes | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Read objects of the meter at URL: tcp://192.0.2.7:4059, udp://, serial:///dev/ttyUSB0?baud=9600, pty://.

    OBJECT is a name (clock, ldn, energy-import, load-profile, ...), an OBIS code (1.0.1.8.0.255, 1-0:1.8.0) or both
    with class and attribute (3/1.0.1.8.0.255/2). Without a class the meter's object list is read to find it. Registers
    are shown with scaler and unit, profiles as tables. Without OBJECT: clock and logical device name.

    Ends with status 1 when an object could not be read, 3 when the meter refused the association, 4 when it could not
    be reached or the link was lost on the way; what was read before is shown. Ctrl-C and SIGTERM release the
    association and show what was read.
    """
    check_range(first, last)
    connect = connecting(url, given)
    sign = connect.plan.deviation_sign
    plan = ReadPlan(
        connect=connect.plan,
        objects=objects or tuple(map(ObjectReference.parse, DEFAULT_OBJECTS)),
        first=_in_meter_sense(first, sign),
        last=_in_meter_sense(last, sign),
        classes={} if connect.profile is None else known_classes(connect.profile),
    )
    watch = watching(wanted=connect.tap is None)
    try:
        outcome, stopped = run_stoppable(read_meter(plan, Links(), SystemEntropy(), connect.tap, watch))
    finally:
        wipe()
    for finding in outcome.findings:
        click.echo(f"note: {finding}", err=True)
    if outcome.interrupted:
        say_stopped(stopped, f"{len(outcome.results)} of {len(plan.objects)} objects were read")
    if as_json:
        click.echo(json.dumps(outcome_json(plan, outcome), ensure_ascii=False, indent=2))
    elif outcome.results:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        click.echo("\n".join(outcome_lines(outcome, columns)))
    if outcome.interrupted:
        return stopped
    if outcome.broken is not None:
        click.echo(f"{PROGRAM}: {sentence_of(outcome.broken)}", err=True)
        return exit_status(outcome.broken)
    return ExitStatus.OK if outcome.complete else ExitStatus.VERDICT_FAILED


def _in_meter_sense(moment: bytes | None, sign: int) -> bytes | None:
    return moment if moment is None or sign == 1 else turned(moment)
