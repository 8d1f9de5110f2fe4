"""Commands that serve until somebody stops them: Ctrl-C and SIGTERM end them quietly, with everything put away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hes.cli.interruption import terminable
from hes.loops import new_event_loop


def run_until_stopped(main: Coroutine[Any, Any, None]) -> None:
    """Run `main`, on uvloop where that is installed. Returns when it is stopped; raises what it raises."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(terminable(main, []))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return
