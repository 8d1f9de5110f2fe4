"""What both peers ask for, and how they reach it."""

from __future__ import annotations

import datetime
from typing import Any

TIME_LIMIT_S = 5.0
CLOCK, ENERGY, PROFILE = "0.0.1.0.0.255", "1.0.1.8.0.255", "1.0.99.1.0.255"
Offer = dict[str, Any]
"""What `amiloop meter --json` prints."""


def place(offer: Offer) -> tuple[str, int]:
    host, port = offer["url"].removeprefix("tcp://").rsplit(":", 1)
    return host, int(port)


def instant(when: datetime.datetime) -> float:
    """Seconds since 1970 UTC; the meters of these tests live in UTC, and dlms-cosem gives UTC+0 without its zone."""
    return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()


def moment(epoch_s: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(epoch_s, datetime.UTC)


PUBLIC = 16
"""Client SAP of the public client."""
PAST_ALL = 1000
"""Room between the invocation counters of one session and those of the next."""
DEDICATED_KEYS = {0: bytes(range(0x40, 0x50)), 1: bytes(range(0x40, 0x50)), 2: bytes(range(0x40, 0x60))}
"""By security suite."""
