"""How far a conversation is, on one line of a terminal."""

from __future__ import annotations

import sys
from typing import Final, Protocol

import click

CLEAR_LINE: Final = "\r\x1b[K"
COLUMNS: Final = 78


class Watch(Protocol):
    """Told how far something is: done, in all (0 where nobody knows), what comes next."""

    def __call__(self, done: int, total: int, what: str) -> None: ...


def watching(*, wanted: bool = True) -> Watch:
    """One that writes to standard error, where that is a terminal and it is wanted."""
    return _shown if wanted and sys.stderr.isatty() else unwatched


def wipe() -> None:
    """Take the line away."""
    if sys.stderr.isatty():
        click.echo(CLEAR_LINE, err=True, nl=False)


def unwatched(done: int, total: int, what: str) -> None:
    """Nobody looks."""


def _shown(done: int, total: int, what: str) -> None:
    share = f"{done}/{total} " if total else ""
    click.echo(CLEAR_LINE + f"{share}{what}"[:COLUMNS], err=True, nl=False)
