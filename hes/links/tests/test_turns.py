"""Connections take turns, and a peer that does not read is not read from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hes.links.turns import TakesTurns

OCTETS = TakesTurns.turn_octets


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.reads = True
        self.is_over = False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.is_over

    def abort(self) -> None:
        self.is_over = True


class Taker(TakesTurns):
    """Notes the first octet of what it takes."""

    def __init__(self, taken: list[bytes], then: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.transport = self._transport = Transport()
        self.taken, self.then = taken, then

    def take(self, data: bytes) -> None:
        self.taken.append(data)
        self.then()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_two_that_got_much_at_once_are_served_one_after_the_other() -> None:
    async def main() -> None:
        taken: list[bytes] = []
        first, second = Taker(taken), Taker(taken)
        first.take_in_turns(b"1" * (3 * OCTETS))
        second.take_in_turns(b"2" * (2 * OCTETS) + b"end")
        await turns(4)
        assert taken == [octet * OCTETS for octet in (b"1", b"2", b"1", b"2", b"1")] + [b"end"]
        assert first.transport.reads
        assert second.transport.reads

    run(main)


def test_nothing_is_read_before_all_of_it_had_its_turn() -> None:
    async def main() -> None:
        one = Taker([])
        one.take_in_turns(bytes(2 * OCTETS))
        assert (len(one.taken), one.transport.reads) == (1, False)
        await turns(1)
        assert (len(one.taken), one.transport.reads) == (2, True)

    run(main)


def test_a_peer_that_does_not_read_gets_no_further_answers() -> None:
    async def main() -> None:
        one = Taker([])
        one.then = one.pause_writing
        one.take_in_turns(bytes(3 * OCTETS))
        await turns(5)
        assert (len(one.taken), one.transport.reads) == (1, False)
        one.then = lambda: None
        one.resume_writing()
        await turns(3)
        assert (len(one.taken), one.transport.reads) == (3, True)

    run(main)


def test_a_peer_that_does_not_read_is_not_read_from_where_nothing_waits_either() -> None:
    async def main() -> None:
        one = Taker([])
        one.pause_writing()
        assert not one.transport.reads
        one.resume_writing()
        assert one.transport.reads

    run(main)


def test_what_waits_is_dropped_with_the_connection() -> None:
    async def main() -> None:
        one = Taker([])
        one.take_in_turns(bytes(3 * OCTETS))
        one.transport.is_over = True
        await turns(3)
        assert (len(one.taken), one.transport.reads) == (1, False)

    run(main)


def test_a_protocol_that_fails_in_a_later_turn_loses_its_connection() -> None:
    def fail() -> None:
        raise ValueError("broken")

    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        one = Taker([])
        one.take_in_turns(bytes(2 * OCTETS))
        one.then = fail
        await turns(2)
        assert one.transport.is_over
        assert isinstance(told[0]["exception"], ValueError)

    run(main)


def test_take_has_to_be_written() -> None:
    with pytest.raises(NotImplementedError):
        TakesTurns().take(b"")
