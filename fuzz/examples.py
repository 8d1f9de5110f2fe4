"""Valid octets: the published ones, and what the strategies of the tests draw (the same for a seed)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from hes.dlms.tests import published

SEED = 20_241_215


def drawn(strategy: SearchStrategy[Any], count: int = 200, encode: Callable[[Any], bytes] = bytes) -> list[bytes]:
    """`count` examples of `strategy`, as octets; different ones, in the order in which they came."""
    found: dict[bytes, None] = {}

    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @seed(SEED)
    @given(strategy)
    def collect(value: Any) -> None:
        found[encode(value)] = None

    collect()
    return list(found)


def published_octets() -> list[bytes]:
    """Every example of the fact book, whatever it is: what one decoder refuses another one takes."""
    return [value for value in vars(published).values() if isinstance(value, bytes)]
