"""Commands that serve until somebody stops them: Ctrl-C and SIGTERM end them quietly, with everything put away."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any

from hes.loops import new_event_loop


def run_until_stopped(main: Coroutine[Any, Any, None]) -> None:
    """Run `main`, on uvloop where that is installed. Returns when it is stopped; raises what it raises."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_stoppable(main))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return


async def _stoppable(main: Coroutine[Any, Any, None]) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    takes_signals = threading.current_thread() is threading.main_thread()
    if takes_signals and task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await main
    finally:
        if takes_signals:
            loop.remove_signal_handler(signal.SIGTERM)
