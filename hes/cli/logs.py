"""Where log lines of a command go: standard error, warnings and worse unless asked for more. Never standard output."""

from __future__ import annotations

import logging
import os
import sys

LEVEL_VARIABLE = "AMILOOP_LOG"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure() -> None:
    """Set structlog up once per process; AMILOOP_LOG names the level (debug, info, warning, error)."""
    import structlog  # not needed by `amiloop --help`

    level = LEVELS.get(os.environ.get(LEVEL_VARIABLE, "warning").lower(), logging.WARNING)
    # plain tracebacks: a pretty one prints local variables, and among them may be keys
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True),
            plain,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # standard error as it is now, not as it was
    )
