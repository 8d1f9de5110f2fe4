"""The options of a link URL (`?name=value&...`), each taken once, wrong ones told in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from hes.errors import ConfigError
from hes.links.line_pacer import BAUD_MAX, BAUD_MIN, CharacterFormat, LineSettings
from hes.links.registry import LinkUrl

T = TypeVar("T")


class Options:
    """Take the options of `url` one by one, then ask `done`, which complains about those that nobody took.

    Everything raises ConfigError, with one sentence that names the URL, the option and what is allowed.
    """

    def __init__(self, url: LinkUrl) -> None:
        self._url = url
        self._taken: list[str] = []
        self._values: dict[str, str] = {}
        for name, value in url.options:
            if name in self._values:
                raise ConfigError(f"link {url.text!r} gives {name} twice", url=url.text, option=name)
            self._values[name] = value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""

        def read(text: str) -> int | None:
            number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(high)) else -1
            return number if low <= number <= high else None

        return self.take(name, default, read, f"a whole number from {low} to {high}")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A decimal number from `low` to `high`."""

        def read(text: str) -> float | None:
            try:
                number = float(text)
            except ValueError:
                return None
            return number if math.isfinite(number) and low <= number <= high else None

        return self.take(name, default, read, f"a number from {low:g} to {high:g}")

    def yes_or_no(self, name: str) -> bool:
        """`yes` or `no`; no when it is left out."""
        return self.take(name, False, {"yes": True, "no": False}.get, "yes or no")  # noqa: FBT003 - the default

    def take(self, name: str, default: T, read: Callable[[str], T | None], allowed: str) -> T:
        """What `read` makes of the option; `allowed` says what it may be, for when `read` gives None."""
        self._taken.append(name)
        if name not in self._values:
            return default
        value = read(self._values[name])
        if value is None:
            given = f"{name}={self._values[name]}"
            raise ConfigError(f"link {self._url.text!r}: {given} is not {allowed}", url=self._url.text, option=name)
        return value

    def done(self) -> None:
        """Every option that the kind of link knows has been taken."""
        for name in self._values:
            if name not in self._taken:
                known = f"known: {', '.join(self._taken)}" if self._taken else "it has none"
                raise ConfigError(
                    f"link {self._url.text!r} has an option {name!r} that {self._url.scheme} does not know ({known})",
                    url=self._url.text,
                    option=name,
                )


def line_settings(options: Options, *, turnaround_s: float = 0.0) -> LineSettings:
    """`baud` and `format`, as every kind of serial line has them. Raises ConfigError."""
    return LineSettings(
        baud=options.whole("baud", 9600, BAUD_MIN, BAUD_MAX),
        character=options.take(
            "format",
            CharacterFormat(),
            CharacterFormat.parse,
            "data bits 5..8, parity N, E or O and stop bits 1 or 2, such as 8N1",
        ),
        turnaround_s=turnaround_s,
    )
