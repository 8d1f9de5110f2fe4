"""Where log lines of a command go: standard error, warnings and worse unless asked for more. Never standard output."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

LEVEL_VARIABLE = "AMILOOP_LOG"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure() -> None:
    """Set structlog up once per process; AMILOOP_LOG names the level (debug, info, warning, error)."""
    _configure(lambda: sys.stderr, colors=sys.stderr.isatty())  # standard error as it is now, not as it was


@contextlib.contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """Inside, log lines go to the file `path`, which the first of them makes. With AMILOOP_LOG set they stay where
    they went before: whoever sets it wants to see them."""
    if LEVEL_VARIABLE in os.environ:
        yield
        return
    import structlog

    before = structlog.get_config()
    with contextlib.ExitStack() as stack:
        file = functools.cache(lambda: stack.enter_context(path.open("a", encoding="utf-8", buffering=1)))
        _configure(file, colors=False)
        try:
            yield
        finally:
            structlog.configure(**before)


def _configure(stream: Callable[[], TextIO], *, colors: bool) -> None:
    import structlog  # not needed by `amiloop --help`

    level = LEVELS.get(os.environ.get(LEVEL_VARIABLE, "warning").lower(), logging.WARNING)
    # plain tracebacks: a pretty one prints local variables, and among them may be keys
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, colors=colors)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True),
            plain,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(stream()),
    )
