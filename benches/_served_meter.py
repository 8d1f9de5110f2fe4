"""A meter in a process of its own, on the same core as whoever asks it, and nothing printed meanwhile."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import NamedTuple

METER = [sys.executable, "-c", "from hes.cli.main import main; main()", "meter", "--tcp", "127.0.0.1:0", "--json"]
DEADLINE_S = 10


class Meter(NamedTuple):
    """Where the meter is, its process, and its test keys."""

    host: str
    port: int
    process_id: int
    password: bytes
    encryption_key: bytes
    authentication_key: bytes


@contextmanager
def served() -> Iterator[Meter]:
    """`amiloop meter`, until we are done."""
    process = subprocess.Popen(METER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        offer = json.loads(process.stdout.readline())
        host, port = offer["url"].removeprefix("tcp://").rsplit(":", 1)
        keys = offer["test_keys"]
        yield Meter(
            host,
            int(port),
            process.pid,
            keys["password"].encode(),
            bytes.fromhex(keys["encryption_key"]),
            bytes.fromhex(keys["authentication_key"]),
        )
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdout.close()


@contextmanager
def one_core() -> Iterator[None]:
    """Everything started in here shares one core, so that what is measured is work and not how a machine, often a
    virtual one, wakes another core. Nothing happens where the system has no such thing."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def silence() -> Iterator[None]:
    """No log, and nothing of what gurux prints."""
    logging.disable(logging.CRITICAL)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        logging.disable(logging.NOTSET)
