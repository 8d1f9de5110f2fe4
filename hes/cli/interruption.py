"""Commands that hold an association: Ctrl-C and SIGTERM end them with the association released and in one sentence."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import click

from hes.cli.exit_status import ExitStatus
from hes.cli.failures import say_stopped

ResultT = TypeVar("ResultT")


def run_stoppable(main: Coroutine[Any, Any, ResultT]) -> tuple[ResultT, ExitStatus]:
    """Run `main`, which is cancelled by Ctrl-C and by SIGTERM and gives what it has.

    With what it gave comes the status for having been stopped: TERMINATED after SIGTERM, else INTERRUPTED. A `main`
    that ends cancelled ends the command: KeyboardInterrupt, or click's Exit after SIGTERM.
    """
    signals: list[int] = []
    try:
        result = asyncio.run(terminable(main, signals))
    except asyncio.CancelledError:  # a second SIGTERM while it was closing
        say_stopped(ExitStatus.TERMINATED)
        raise click.exceptions.Exit(ExitStatus.TERMINATED) from None
    return result, ExitStatus.TERMINATED if signals else ExitStatus.INTERRUPTED


async def terminable(main: Coroutine[Any, Any, ResultT], signals: list[int]) -> ResultT:
    """`main`, cancelled by SIGTERM, which then stands in `signals`. Only the main thread hears of it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    takes_signals = threading.current_thread() is threading.main_thread()

    def stop() -> None:
        assert task is not None
        signals.append(signal.SIGTERM)
        task.cancel()

    if takes_signals:
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await main
    finally:
        if takes_signals:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(signal.SIGTERM)
