"""The `amiloop` command: finds the subcommand, runs it, and turns every failure into a sentence and a status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import click

from hes.cli.command_loader import LazyGroup, drop_stdout
from hes.cli.exit_status import ExitStatus, is_full
from hes.cli.failures import PROGRAM, report, report_usage, say_stopped

# click >= 8.2 raises it for a group called without arguments; click 8.1 prints the help itself
NO_ARGUMENTS: tuple[type[click.UsageError], ...] = tuple(
    kind for kind in (getattr(click.exceptions, "NoArgsIsHelpError", None),) if kind is not None
)


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    try:
        number = version(PROGRAM)
    except PackageNotFoundError:
        number = "(not installed: run from a checkout)"
    click.echo(f"{PROGRAM} {number}")
    context.exit()


@click.group(cls=LazyGroup, name=PROGRAM, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Say which version."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback when something fails.")
def amiloop() -> None:
    """A head-end system for smart metering that is also its own test bench.

    Exit status: 0 done, 1 a verdict failed, 2 wrong usage, 3 configuration, 4 link, 5 store, 6 inconclusive.
    Every command takes --json and --debug.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status. What it has to say is printed; nothing is raised."""
    as_json = _has_flag(arguments, "--json")
    debug = _has_flag(arguments, "--debug")
    try:
        outcome = amiloop.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        say_stopped(ExitStatus.INTERRUPTED)
        return ExitStatus.INTERRUPTED
    except NO_ARGUMENTS as error:
        click.echo(error.format_message(), err=True)
        return ExitStatus.USAGE
    except click.FileError as error:
        return report(OSError(0, error.message, error.ui_filename), as_json=as_json, debug=debug)
    except click.ClickException as error:
        return report_usage(error, as_json=as_json)
    except BrokenPipeError:
        drop_stdout()
        return ExitStatus.BROKEN_PIPE
    except Exception as error:  # the outer edge: an operator gets a sentence, never a traceback
        if isinstance(error.__cause__, KeyboardInterrupt):  # one in a class body that is loaded comes out as this
            say_stopped(ExitStatus.INTERRUPTED)
            return ExitStatus.INTERRUPTED
        if is_full(error):
            drop_stdout()  # what is still in it would fail again at the end
        return report(error, as_json=as_json, debug=debug)
    return outcome if isinstance(outcome, int) else ExitStatus.OK


def _has_flag(arguments: Sequence[str], flag: str) -> bool:
    """Whether `flag` stands among the options. Read from the line itself: it must hold when parsing fails as well."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return flag in options


def main() -> None:
    """The console script."""
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        say_stopped(ExitStatus.INTERRUPTED)
        status = ExitStatus.INTERRUPTED
    raise SystemExit(int(status))


if __name__ == "__main__":
    main()
