"""Waiting for a database that is only busy: a lock or a full disk may pass; any other failure is raised at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from hes.errors import StoreError

log = structlog.get_logger()

ATTEMPTS_MAX = 5
RETRY_S = 1.0

T = TypeVar("T")


async def patiently(work: Callable[[], Awaitable[T]], aim: str, **facts: object) -> T:
    """What `work` returns; it is called again when it raises a retriable StoreError, `ATTEMPTS_MAX` times in all.

    aim, facts: what the log says it was. Each call must be a transaction of its own that left nothing behind.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await work()
        except StoreError as error:
            if attempt == ATTEMPTS_MAX or not error.fields.get("retriable", False):
                raise
            log.warning("store_retried", aim=aim, attempt=attempt, error=error.message, **facts)
            await asyncio.sleep(RETRY_S)
    raise AssertionError("the last attempt returns or raises")
