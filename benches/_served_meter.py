"""Meters in a process of their own, with one core for them and whoever asks them or without, and nothing printed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple

METERS = [sys.executable, "-c", "from hes.cli.main import main; main()", "meter", "--tcp", "127.0.0.1:0", "--json"]
NO_LOG = {"AMILOOP_LOG": "error"}  # a line for each rule that a peer breaks would count as the peer's time
DEADLINE_S = 10


class Meter(NamedTuple):
    """Where a meter is, its process, and its test keys."""

    host: str
    port: int
    process_id: int
    password: bytes
    encryption_key: bytes
    authentication_key: bytes


@contextmanager
def served(count: int = 1) -> Iterator[list[Meter]]:
    """So many meters of one `amiloop meter`, until we are done."""
    command = [*METERS, "--count", str(count)]
    environment = {**os.environ, **NO_LOG}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
    assert process.stdout is not None
    try:
        yield [_meter(offer, process.pid) for offer in json.loads(process.stdout.readline())["meters"]]
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdout.close()


def _meter(offer: dict[str, Any], process_id: int) -> Meter:
    host, port = offer["url"].removeprefix("tcp://").rsplit(":", 1)
    keys = offer["test_keys"]
    return Meter(
        host,
        int(port),
        process_id,
        keys["password"].encode(),
        bytes.fromhex(keys["encryption_key"]),
        bytes.fromhex(keys["authentication_key"]),
    )


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
