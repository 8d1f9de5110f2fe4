"""Keys, titles and passwords on the command line: from options, the environment or a file; never echoed.

A key on the command line is visible to other users of the machine, so every option has an environment variable
(AMILOOP_KEY, AMILOOP_AUTH_KEY, ...), and `--secrets FILE` reads all of them from a TOML file, for one device or for
many. Its format: docs/secrets.md.

What is given as an option wins over the environment, and both win over the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hes.devices import secrets_file
from hes.devices.secrets_file import HexText, Secrets

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class HexOctets(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """Hex digits for one of a few lengths. What was typed is never repeated in an error: it may be a key."""

    name = "hex"

    def __init__(self, text: HexText) -> None:
        self.text = text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return self.text.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


KEY: Final = HexOctets(secrets_file.KEY)
TITLE: Final = HexOctets(secrets_file.TITLE)


def key_option(name: str, variable: str, text: str) -> Callable[[CommandT], CommandT]:
    """An option for a key in hex, with its environment variable."""
    return click.option(name, type=KEY, envvar=variable, metavar="HEX", help=f"{text} [{variable}]")


def secrets_option(command: CommandT) -> CommandT:
    """`--secrets FILE`, given to the command as `Secrets` (empty when there is no file)."""

    def read(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Secrets:
        return Secrets({}) if path is None else Secrets.read(path)

    return click.option(
        "--secrets",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="AMILOOP_SECRETS",
        callback=read,
        help="TOML file with keys, titles and passwords, of one device or of many ([[device]] tables with "
        "system_title, encryption_key, authentication_key, password); format: docs/secrets.md. [AMILOOP_SECRETS]",
    )(command)
