"""What an operator sees when a command fails: one sentence on stderr, with `--json` an object on stdout as well."""

from __future__ import annotations

import json
import traceback
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import click
from click.core import ParameterSource

from hes.cli.exit_status import ExitStatus, exit_status, is_full
from hes.errors import HesError, RemoteProtocolError, spokesman

PROGRAM = "amiloop"
STOPPED = {ExitStatus.INTERRUPTED: "interrupted", ExitStatus.TERMINATED: "terminated"}


def report(error: BaseException, *, as_json: bool, debug: bool) -> ExitStatus:
    """Tell about `error` and return the exit status that belongs to it.

    A task group wraps what went wrong in its tasks: the first HesError inside speaks for all of them.
    """
    cause = spokesman(error)
    status = exit_status(cause)
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    _say(sentence_of(cause), kind=type(cause).__name__, status=status, fields=_fields(cause), as_json=as_json)
    return status


def report_usage(error: click.ClickException, *, as_json: bool) -> ExitStatus:
    """Tell about a command line that click refused."""
    _name_the_variable(error)
    sentence = error.format_message()
    context = getattr(error, "ctx", None)
    if context is not None:
        sentence = (
            f"{sentence if sentence.endswith(tuple('.!?')) else sentence + '.'} See '{context.command_path} --help'."
        )
    _say(sentence, kind="UsageError", status=ExitStatus.USAGE, fields={}, as_json=as_json)
    return ExitStatus.USAGE


def say_stopped(status: ExitStatus, what: str = "") -> None:
    """One line on standard error. what: how far it came, and what was left out."""
    click.echo(f"{PROGRAM}: {STOPPED[status]}" + (f": {what}" if what else ""), err=True)


def _name_the_variable(error: click.ClickException) -> None:
    """A value that came from the environment is not blamed on the option."""
    if not isinstance(error, click.BadParameter) or error.param is None or error.ctx is None:
        return
    source = error.ctx.get_parameter_source(error.param.name or "")
    if source is ParameterSource.ENVIRONMENT and isinstance(error.param.envvar, str):
        error.param_hint = f"the environment variable {error.param.envvar}"


def _say(sentence: str, *, kind: str, status: ExitStatus, fields: dict[str, Any], as_json: bool) -> None:
    lines = [" ".join(line.split()) for line in sentence.splitlines() if line.strip()]
    sentence = "\n".join(lines)
    if as_json:
        body = {"kind": kind, "message": sentence, "exit_status": int(status), "fields": fields}
        click.echo(json.dumps({"error": body}, ensure_ascii=False))
    click.echo(f"{PROGRAM}: {sentence}" if len(lines) == 1 else f"{PROGRAM}:\n{sentence}", err=True)


def sentence_of(error: BaseException) -> str:
    """What is said of `error`."""
    if isinstance(error, RemoteProtocolError):
        return error.sentence
    if isinstance(error, HesError):
        return error.message
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}."
    if is_full(error):
        return f"the output cannot be written ({error.strerror}): make room, or send it elsewhere."
    return f"internal error ({type(error).__name__}: {error}); run it again with --debug and report what it prints."


def _fields(error: BaseException) -> dict[str, Any]:
    fields = error.fields if isinstance(error, HesError) else {}
    return {name: jsonable(value) for name, value in sorted(fields.items()) if value is not None}


def jsonable(value: Any) -> Any:
    """`value` as JSON can hold it: octets in hex, codes by name, containers and records item by item, else as text."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        said = {each.name: jsonable(getattr(value, each.name)) for each in dataclass_fields(value) if each.repr}
        return {"kind": type(value).__name__} | {name: field for name, field in said.items() if field is not None}
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    return str(value)
