"""Our meter in one process and other people's clients in another, so that neither can take the other with it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOG = {"AMILOOP_LOG": "error"}
"""What peers do wrong is in the table already; AMILOOP_LOG=warning has the meter's line about each between its rows."""
AMILOOP = [sys.executable, "-c", "from hes.cli.main import main; main()"]
WORKER = [sys.executable, "-m", "interop.peer_worker"]
DEADLINE_S = 20.0

Offer = dict[str, Any]
"""What `amiloop meter --json` prints."""


class TimeLimit(Exception):
    """The peer did not come back in time, and was killed."""


class Worker:
    """A process in which the peers run; begun anew after it had to be killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, order: dict[str, Any], limit_s: float = DEADLINE_S) -> Any:
        """What the peer read. Raises TimeLimit, or AssertionError with what the peer raised."""
        answer = self.answer(order, limit_s)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def answer(self, order: dict[str, Any], limit_s: float = DEADLINE_S) -> dict[str, Any]:
        self.begin(order)
        return self.finish(limit_s)

    def begin(self, order: dict[str, Any]) -> None:
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()

    def finish(self, limit_s: float) -> dict[str, Any]:
        process = self._running()
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], limit_s)[0]:
            self.kill()
            raise TimeLimit
        line = process.stdout.readline()
        assert line, f"the peer ended with status {process.wait(DEADLINE_S)}"
        return dict(json.loads(line))

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process


@contextmanager
def served(framing: str, *options: str) -> Iterator[Offer]:
    """A meter on a free TCP port in a process of its own, and what it prints of itself."""
    hdlc = ["--hdlc"] if framing == "hdlc" else []
    command = [*AMILOOP, "meter", "--tcp", "127.0.0.1:0", "--json", *options, *hdlc]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**LOG, **os.environ}, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)
