"""Subcommands that cost nothing until they are used.

Commands register by entry point in the group `amiloop.commands`. Loading one imports its module and whatever that
module needs (a simulator, a database, a web framework), so nothing is loaded to print `amiloop --help`: the one-line
summary of a command is the first line of its module's docstring, read from the source without importing it.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from hes.cli import logs
from hes.cli.exit_status import ExitStatus
from hes.errors import ConfigError

GROUP = "amiloop.commands"


def installed_commands() -> dict[str, EntryPoint]:
    """Every registered command by name. The first distribution on the path wins when two claim a name."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return found


def summary(entry: EntryPoint) -> str:
    """The first line of the command module's docstring, or nothing when the source cannot be read."""
    source = _source_file(entry.module)
    if source is None:
        return ""
    try:
        text = ast.get_docstring(ast.parse(source.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return ""
    return text.splitlines()[0] if text else ""


def _source_file(module: str) -> Path | None:
    """Where `module` lives, found below its top-level package so that no parent package is imported."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or ():
        base = Path(folder, *rest)
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def load(entry: EntryPoint) -> click.Command:
    """Import the command. Raises ConfigError when a package it needs is not installed or it is no command."""
    try:
        command = entry.load()
    except ModuleNotFoundError as error:
        missing = error.name or str(error)
        if missing.partition(".")[0] == entry.module.partition(".")[0]:
            raise  # a module of the command's own package: a broken installation or our bug, not a missing extra
        raise ConfigError(
            f"the command '{entry.name}' needs the package '{missing}', which is not installed; "
            "install amiloop with the extra that brings it, for the simulator: pip install 'amiloop[sim,web]'.",
            command=entry.name,
            missing=missing,
        ) from error
    if not isinstance(command, click.Command):
        raise ConfigError(f"the entry point '{entry.name} = {entry.value}' is not a click command.", command=entry.name)
    _add_debug(command)
    return command


def _add_debug(command: click.Command) -> None:
    """`--debug` is understood by every command; `hes.cli.main` acts on it, so the command never sees it."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _add_debug(inner)
    elif not any("--debug" in parameter.opts for parameter in command.params):
        text = "Show a traceback when something fails."
        command.params.append(click.Option(["--debug"], is_flag=True, expose_value=False, help=text))


class LazyGroup(click.Group):
    """A click group whose commands come from entry points and are imported when they are called."""

    def __init__(
        self, *args: Any, source: Callable[[], dict[str, EntryPoint]] = installed_commands, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._source = source

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._source())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._source().get(cmd_name)
        if entry is None:
            return None
        logs.configure()
        return load(entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, summary(entry)) for name, entry in sorted(self._source().items())]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Click's own, quiet when the reader of our output went away (`amiloop decode FILE | head`)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            drop_stdout()
            raise click.exceptions.Exit(ExitStatus.BROKEN_PIPE) from None


def drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain about a closed pipe."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):  # stdout is no file: nothing will complain
        return
