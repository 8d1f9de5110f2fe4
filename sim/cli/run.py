"""Run a world in virtual time: the head-end reads its field; figures, database, report, captures."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import click

from hes.cli.exit_status import ExitStatus
from hes.errors import ConfigError

_UNTIL = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


class UntilType(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """06:00 (a time of the first day), 30h or 1d12h; gives seconds after the start."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        if match := re.fullmatch(r"(\d{1,3}):([0-5]\d)", text):
            return int(match[1]) * 3600.0 + int(match[2]) * 60
        parts = _UNTIL.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"{text!r} is no time: write 06:00, 30h or 1d12h", param, ctx)
        return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


@click.command()
@click.argument("world")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed than the world's own.")
@click.option("--until", type=UntilType(), help="Stop at this time after the start: 06:00, 30h, 1d12h.")
@click.option("--no-retries", is_flag=True, help="Ask everything once: no retry, no repeat, no gap recovery.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the run's own folder is made.",
)
@click.option("--no-capture", is_flag=True, help="Write no pcapng capture.")
@click.option("--no-trace", is_flag=True, help="Write no text trace (it holds deciphered meter data).")
@click.option("--no-report", is_flag=True, help="Write no HTML report.")
@click.option(
    "--min-success",
    type=click.FloatRange(0, 1),
    help="End with status 1 when less than this share of what is due was read, such as 0.99; 6 when nothing was due.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(
    world: str,
    seed: int | None,
    until: float | None,
    out: Path,
    min_success: float | None,
    *,
    no_retries: bool,
    no_capture: bool,
    no_trace: bool,
    no_report: bool,
    as_json: bool,
) -> int:
    """Run WORLD, a world file or the name of a shipped world, in virtual time.

    Every run writes a folder of its own with the database, an HTML report, a pcapng capture and a text trace. Equal
    world, seed and version give an equal digest.
    """
    from sim.cli.printing import ProgressBar, print_result
    from sim.outcome import result_of, write_report
    from sim.run import RunOptions, fresh_folder, run_world
    from sim.world import parse

    loaded = parse.load(world)
    length_s = loaded.stop_epoch_s - loaded.start_epoch_s
    if until is not None and not 0 < until <= length_s:
        raise ConfigError(f"--until must lie after the start of the world and at most {length_s / 3600:g} h later")
    folder = fresh_folder(out, loaded.name)
    with ProgressBar(loaded.name, timedelta(seconds=until or length_s)) as bar:
        options = RunOptions(
            folder=folder,
            world_file=world,
            seed=seed,
            until_s=until,
            retries=not no_retries,
            capture=not no_capture,
            trace=not no_trace,
            on_progress=bar.advance,
        )
        try:
            outcome = run_world(loaded, options)
        except KeyboardInterrupt:
            click.echo(f"amiloop: interrupted at {bar.virtual_time}; what was written so far is in {folder}", err=True)
            return ExitStatus.INTERRUPTED
        bar.say("writing the report")
        result = result_of(outcome)
        if not no_report:
            result = write_report(outcome, result)
    if as_json:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False))
    else:
        print_result(result)
    return ExitStatus.OK if min_success is None else verdict(result.success_rate, min_success, loaded.name)


def verdict(success_rate: float | None, min_success: float, world: str) -> ExitStatus:
    """Whether enough was read; success_rate: None when nothing was due, which shows nothing either way."""
    if success_rate is None:
        said = f"nothing of {world} was due yet, so --min-success has nothing to judge: let it run longer (--until)"
        click.echo(f"amiloop: {said}", err=True)
        return ExitStatus.INCONCLUSIVE
    if success_rate < min_success:
        said = f"{success_rate:.4%} of what is due in {world} was read, --min-success asks for {min_success:.4%}"
        click.echo(f"amiloop: {said}", err=True)
        return ExitStatus.VERDICT_FAILED
    return ExitStatus.OK
