"""Keys, titles and passwords on the command line: from options, the environment or a file; never echoed.

A key on the command line is visible to other users of the machine, so every option has an environment variable
(AMILOOP_KEY, AMILOOP_AUTH_KEY, ...), and `--secrets FILE` reads all of them from a TOML file:

    key = "000102030405060708090A0B0C0D0E0F"
    auth_key = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
    system_title = "4D4D4D0000000001"
    password = "12345678"

What is given as an option wins over the environment, and both win over the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hes.errors import ConfigError

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

KEY_OCTETS: Final = (16, 32)
TITLE_OCTETS: Final = 8
SECRETS_OCTETS_MAX: Final = 64 * 1024


class HexOctets(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """Hex digits for one of a few lengths. What was typed is never repeated in an error: it may be a key."""

    name = "hex"

    def __init__(self, what: str, *octets: int) -> None:
        self.what = what
        self.octets = octets

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return self.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def parse(self, text: str) -> bytes:
        """Raises ValueError with a sentence that does not hold the text."""
        wanted = " or ".join(f"{2 * count} hex digits" for count in self.octets)
        digits = text.strip().replace(":", "").replace(" ", "").replace("-", "")
        try:
            octets = bytes.fromhex(digits)
        except ValueError:
            raise ValueError(f"{self.what} is {wanted}; what is given is not hex") from None
        if len(octets) not in self.octets:
            raise ValueError(f"{self.what} is {wanted}; what is given has {len(digits)}")
        return octets


KEY: Final = HexOctets("a key", *KEY_OCTETS)
TITLE: Final = HexOctets("a system title", TITLE_OCTETS)


def key_option(name: str, variable: str, text: str) -> Callable[[CommandT], CommandT]:
    """An option for a key in hex, with its environment variable."""
    return click.option(name, type=KEY, envvar=variable, metavar="HEX", help=f"{text} [{variable}]")


class Secrets:
    """The contents of a secrets file. Its repr shows nothing."""

    NAMES: Final = {
        "key": KEY,
        "auth_key": KEY,
        "dedicated_key": KEY,
        "broadcast_key": KEY,
        "system_title": TITLE,
        "meter_title": TITLE,
        "password": None,
    }

    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def get(self, name: str) -> bytes:
        """The octets of that name, b"" when the file has none."""
        return self._values.get(name, b"")

    @classmethod
    def read(cls, path: Path) -> Secrets:
        """Raises ConfigError that names file and entry but never a value."""
        try:
            with path.open("rb") as stream:
                text = stream.read(SECRETS_OCTETS_MAX).decode("utf-8")
        except OSError as error:
            raise ConfigError(f"the secrets file {path} cannot be read: {error.strerror}.", path=str(path)) from error
        except UnicodeDecodeError:
            raise ConfigError(f"the secrets file {path} is not UTF-8 text.", path=str(path)) from None
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise ConfigError(
                f'the secrets file {path} is not TOML; it has lines such as: key = "32 hex digits".', path=str(path)
            ) from None
        return cls({name: cls._value(path, name, value) for name, value in table.items()})

    @classmethod
    def _value(cls, path: Path, name: str, value: object) -> bytes:
        if name not in cls.NAMES:
            known = ", ".join(cls.NAMES)
            raise ConfigError(f"the secrets file {path} has an entry '{name}'; known are: {known}.", path=str(path))
        if not isinstance(value, str):
            raise ConfigError(f"'{name}' in the secrets file {path} must be text in quotes.", path=str(path))
        kind = cls.NAMES[name]
        if kind is None:
            return value.encode("utf-8")
        try:
            return kind.parse(value)
        except ValueError as error:
            raise ConfigError(f"'{name}' in the secrets file {path}: {error}.", path=str(path)) from None


def secrets_option(command: CommandT) -> CommandT:
    """`--secrets FILE`, given to the command as `Secrets` (empty when there is no file)."""

    def read(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Secrets:
        return Secrets({}) if path is None else Secrets.read(path)

    return click.option(
        "--secrets",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="AMILOOP_SECRETS",
        callback=read,
        help="TOML file with keys, titles and passwords. [AMILOOP_SECRETS]",
    )(command)
