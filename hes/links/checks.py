"""What every kind of link must do: an exported suite for ours and for anybody's plug-in.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_link(check):
        asyncio.run(check(Rig(links=my_links, listen_url="mine-listen://a", nobody_url="mine://nobody")))

The rules are those of asyncio's own transports, which is what services are written against; each check below says its
rule in its first line. They run on a real loop and in virtual time alike: no check sleeps for a fixed time.
"""

# ruff: noqa: PT017 - a suite asserts; it cannot lean on pytest, which its users may not have

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from hes.errors import LinkError
from hes.links.facts import LinkFacts, facts_of
from hes.links.registry import Links, Listener

PATIENCE_S = 30.0
"""Longest wait for anything a link owes; generous, because a simulated link may be as slow as GPRS."""


@dataclass(frozen=True, slots=True)
class Rig:
    """What a kind of link must provide to be checked.

    listen_url: where a listener can be opened again and again. nobody_url: a place where nothing listens.
    """

    links: Links
    listen_url: str
    nobody_url: str


Check = Callable[[Rig], Awaitable[None]]
CHECKS: list[Check] = []


def _check(function: Check) -> Check:
    CHECKS.append(function)
    return function


class End(asyncio.Protocol):
    """One end of a connection: notes what happens to it, in order."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.events: list[str] = []
        self.received = bytearray()
        self.error: Exception | None = None
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._note("data")

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self._note("lost")

    def pause_writing(self) -> None:
        self._note("paused")

    def resume_writing(self) -> None:
        self._note("resumed")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` is true; every event is a moment to look."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_lost(self) -> None:
        await self.until(lambda: "lost" in self.events)

    async def until_received(self, octets_count: int) -> None:
        await self.until(lambda: len(self.received) >= octets_count)

    @property
    def pipe(self) -> asyncio.Transport:
        assert self.transport is not None
        return self.transport


@dataclass
class Line:
    """A listener and the connections made to it."""

    rig: Rig
    listener: Listener
    accepted: list[End]
    accepting: asyncio.Event
    dialled: list[End] = field(default_factory=list)

    @classmethod
    async def open(cls, rig: Rig) -> Line:
        ends: list[End] = []
        accepting = asyncio.Event()

        def accept() -> End:
            ends.append(End())
            accepting.set()
            return ends[-1]

        return cls(rig, await rig.links.listen(rig.listen_url, accept), ends, accepting)

    async def dial(self) -> tuple[End, End]:
        """A new connection: the caller's end and the listener's."""
        async with asyncio.timeout(PATIENCE_S):
            _, near = await self.rig.links.connect(self.listener.addresses[0], End)
        self.dialled.append(near)
        async with asyncio.timeout(PATIENCE_S):
            while len(self.accepted) < len(self.dialled):
                self.accepting.clear()
                await self.accepting.wait()
        await self.accepted[-1].until(lambda: bool(self.accepted[-1].events))
        return near, self.accepted[-1]

    async def close(self) -> None:
        for end in (*self.dialled, *self.accepted):
            end.pipe.abort()
        for end in (*self.dialled, *self.accepted):
            await end.until_lost()
        self.listener.close()
        await self.listener.wait_closed()


@_check
async def check_connection_made_comes_first_and_once_at_both_ends(rig: Rig) -> None:
    """`connect` returns after `connection_made`, with the same transport."""
    line = await Line.open(rig)
    transport, near = await rig.links.connect(line.listener.addresses[0], End)
    assert near.events == ["made"]
    assert near.transport is transport
    line.dialled.append(near)
    far, answered = await line.dial()
    assert answered.events == ["made"]
    assert far.events == ["made"]
    await line.close()


@_check
async def check_both_ends_tell_the_same_facts(rig: Rig) -> None:
    """`get_extra_info("link_facts")` gives LinkFacts; an unknown name gives the default."""
    line = await Line.open(rig)
    near, far = await line.dial()
    facts = facts_of(near.pipe)
    assert isinstance(facts, LinkFacts)
    assert facts_of(far.pipe) == facts
    assert near.pipe.get_extra_info("no such name", "default") == "default"
    await line.close()


@_check
async def check_octets_arrive_whole_and_in_order_both_ways_at_once(rig: Rig) -> None:
    """A stream keeps every octet and their order, whatever the sizes of the writes; bytes-likes are copied."""
    line = await Line.open(rig)
    near, far = await line.dial()
    there = bytes(index * 7 & 0xFF for index in range(5000))
    back = there[::-1]
    scratch = bytearray(there[:1])
    near.pipe.write(scratch)
    scratch[0] ^= 0xFF
    position = 1
    for size in (1, 2, 3, 500, 1, 1400, 1):
        near.pipe.write(there[position : position + size])
        far.pipe.write(memoryview(back)[position - 1 : position - 1 + size])
        position += size
    near.pipe.writelines([there[position : position + 10], there[position + 10 :]])
    far.pipe.write(back[position - 1 :])
    near.pipe.write(b"")
    await far.until_received(len(there))
    await near.until_received(len(back))
    assert bytes(far.received) == there
    assert bytes(near.received) == back
    await line.close()


@_check
async def check_what_was_written_before_close_arrives(rig: Rig) -> None:
    """`close` is orderly: the peer gets every octet, then end of file, then `connection_lost(None)`."""
    line = await Line.open(rig)
    near, far = await line.dial()
    near.pipe.write(b"last words")
    near.pipe.close()
    assert near.pipe.is_closing()
    assert near.events == ["made"], "connection_lost is never called from inside close"
    await far.until_lost()
    await near.until_lost()
    assert bytes(far.received) == b"last words"
    assert far.events[-2:] == ["eof", "lost"]
    assert (near.error, far.error) == (None, None)
    await line.close()


@_check
async def check_after_close_nothing_more_happens(rig: Rig) -> None:
    """Writing to a closed transport is dropped in silence, closing twice is harmless, `lost` comes once and last."""
    line = await Line.open(rig)
    near, far = await line.dial()
    far.pipe.write(b"crosses the close")
    near.pipe.close()
    near.pipe.write(b"dropped")
    near.pipe.close()
    await near.until_lost()
    await far.until_lost()
    near.pipe.abort()
    await asyncio.sleep(0)
    assert not far.received
    assert not near.received
    for end in (near, far):
        assert end.events.count("lost") == 1
        assert end.events[-1] == "lost"
    await line.close()


@_check
async def check_abort_ends_both_sides(rig: Rig) -> None:
    """`abort` drops what was not sent; both ends hear `connection_lost`."""
    line = await Line.open(rig)
    near, far = await line.dial()
    near.pipe.abort()
    assert near.pipe.is_closing()
    await near.until_lost()
    await far.until_lost()
    assert near.error is None
    await line.close()


@_check
async def check_a_paused_reader_receives_nothing_and_loses_nothing(rig: Rig) -> None:
    """`pause_reading` holds octets back until `resume_reading`, in order."""
    line = await Line.open(rig)
    near, far = await line.dial()
    near.pipe.pause_reading()
    assert not near.pipe.is_reading()
    far.pipe.write(b"held")
    near.pipe.write(b"ping")
    await far.until_received(4)
    far.pipe.write(b" back")
    near.pipe.write(b"pong")
    await far.until_received(8)
    assert not near.received
    near.pipe.resume_reading()
    await near.until_received(9)
    assert bytes(near.received) == b"held back"
    await line.close()


@_check
async def check_a_fast_writer_is_paused_and_resumed(rig: Rig) -> None:
    """Write flow control: beyond the high-water mark `pause_writing`, and `resume_writing` once it drains."""
    line = await Line.open(rig)
    near, far = await line.dial()
    near.pipe.set_write_buffer_limits(high=4096, low=1024)
    far.pipe.pause_reading()
    written = 0
    while "paused" not in near.events and written < 64 << 20:
        near.pipe.write(bytes(4096))
        written += 4096
        if written % (1 << 20) == 0:
            await asyncio.sleep(0)
    assert "paused" in near.events
    assert near.pipe.get_write_buffer_size() > 4096
    far.pipe.resume_reading()
    await near.until(lambda: "resumed" in near.events)
    await far.until_received(written)
    assert len(far.received) == written
    await line.close()


_who: ContextVar[str] = ContextVar("_who", default="nobody")


@_check
async def check_callbacks_do_not_run_in_the_senders_context(rig: Rig) -> None:
    """A receiver's context is its connection's, never that of whoever happened to write."""
    seen: list[str] = []

    class Witness(End):
        def data_received(self, data: bytes) -> None:
            seen.append(_who.get())
            super().data_received(data)

    line = await Line.open(rig)
    _, near = await rig.links.connect(line.listener.addresses[0], Witness)
    line.dialled.append(near)
    near.pipe.write(b"hello")
    async with asyncio.timeout(PATIENCE_S):
        await line.accepting.wait()
    await line.accepted[0].until_received(5)

    async def sender() -> None:
        _who.set("the sender")
        line.accepted[0].pipe.write(b"x")

    await asyncio.get_running_loop().create_task(sender())
    await near.until_received(1)
    assert seen == ["nobody"]
    await line.close()


@_check
async def check_nobody_there_is_a_link_error(rig: Rig) -> None:
    """Connecting to where nothing listens raises LinkError with a sentence that is not empty."""
    await _refused(rig, rig.nobody_url)


@_check
async def check_a_taken_place_is_a_link_error(rig: Rig) -> None:
    """Two listeners cannot share a place."""
    line = await Line.open(rig)
    taken = line.listener.addresses[0].replace("://", "-listen://", 1)
    try:
        second = await rig.links.listen(taken, End)
    except LinkError as error:
        assert error.message
    else:
        second.close()
        raise AssertionError(f"{taken} was given away twice")
    await line.close()


@_check
async def check_a_closed_listener_refuses_but_keeps_its_connections(rig: Rig) -> None:
    """`Listener.close` shuts the door, not the rooms; the place can be taken again."""
    line = await Line.open(rig)
    near, far = await line.dial()
    place = line.listener.addresses[0]
    line.listener.close()
    await line.listener.wait_closed()
    await _refused(rig, place)
    near.pipe.write(b"still here")
    await far.until_received(10)
    again = await rig.links.listen(place.replace("://", "-listen://", 1), End)
    again.close()
    await again.wait_closed()
    await line.close()


async def _refused(rig: Rig, url: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            transport, _ = await rig.links.connect(url, End)
    except LinkError as error:
        assert error.message
    else:
        transport.abort()
        raise AssertionError(f"nobody listens at {url}, yet it connected")
