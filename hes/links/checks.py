"""What every kind of link must do: an exported suite for ours and for anybody's plug-in.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_link(check):
        asyncio.run(check(Rig(links=my_links, listen_url="mine-listen://a", nobody_url="mine://nobody")))

The rules are those of asyncio's own transports, which is what services are written against; each check below says its
rule in its first line. They run on a real loop and in virtual time alike: no check sleeps for a fixed time.

What a kind of link cannot do it says in its `LinkFacts`, and then the rule that holds instead is checked: ends of a
`connectionless` one hear nothing of each other's closing, an `exclusive` one refuses a second caller, and so on. No
check knows a kind by its name.
"""

# ruff: noqa: PT017 - a suite asserts; it cannot lean on pytest, which its users may not have

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from hes.errors import LinkError, LocalProtocolError
from hes.links.check_rig import PATIENCE_S, End, Line, Rig
from hes.links.facts import LinkFacts, facts_of

__all__ = ["CHECKS", "PATIENCE_S", "Check", "End", "Line", "Rig"]

Check = Callable[[Rig], Awaitable[None]]
CHECKS: list[Check] = []


def _check(function: Check) -> Check:
    CHECKS.append(function)
    return function


@_check
async def check_connection_made_comes_first_and_once_at_both_ends(rig: Rig) -> None:
    """`connect` returns after `connection_made`, with the same transport."""
    line = await Line.open(rig)
    transport, near = await rig.links.connect(line.caller_url, End)
    assert near.events == ["made"]
    assert near.transport is transport
    assert transport.get_protocol() is near
    far = await line.meet(near)
    assert far.events == ["made"]
    await line.close()


@_check
async def check_callers_are_kept_apart_or_the_second_is_told(rig: Rig) -> None:
    """Each caller has the listener to itself: by a pair of its own, or because the place is busy until it hangs up."""
    line = await Line.open(rig)
    near, far = await line.dial()
    if facts_of(near.pipe).exclusive:
        await _refused(rig, line.caller_url, is_busy=True)
        near.pipe.close()
        await near.until_lost()
        await line.dial()
    else:
        near_too, far_too = await line.dial()
        near.pipe.write(b"from one")
        far_too.pipe.write(b"to the other")
        await far.until_received(8)
        await near_too.until_received(12)
        far.pipe.write(b"to one")
        await near.until_received(6)
        assert bytes(near.received) == b"to one"
        assert not far_too.received
    await line.close()


@_check
async def check_both_ends_tell_the_same_facts(rig: Rig) -> None:
    """`get_extra_info("link_facts")` gives LinkFacts; an unknown name gives the default."""
    line = await Line.open(rig)
    near, far = await line.dial()
    facts = facts_of(near.pipe)
    assert isinstance(facts, LinkFacts)
    assert facts_of(far.pipe) == facts
    assert line.caller_url.startswith(f"{facts.kind}://")
    assert not facts.datagrams or facts.mtu_octets > 0
    assert near.pipe.get_extra_info("no such name", "default") == "default"
    await line.close()


@_check
async def check_octets_arrive_whole_and_in_order(rig: Rig) -> None:
    """Every octet arrives, in order, whatever the sizes of the writes; bytes-likes are copied.

    Both ways at once, unless the link is half duplex: then one way, and back when all has arrived.
    """
    line = await Line.open(rig)
    near, far = await line.dial()
    there = bytes(index * 7 & 0xFF for index in range(5000))
    back = there[::-1]
    _write_in_pieces(near.pipe, there)
    if facts_of(near.pipe).half_duplex:
        await far.until_received(len(there))
    _write_in_pieces(far.pipe, back)
    await far.until_received(len(there))
    await near.until_received(len(back))
    assert bytes(far.received) == there
    assert bytes(near.received) == back
    await line.close()


def _write_in_pieces(pipe: asyncio.Transport, octets: bytes) -> None:
    scratch = bytearray(octets[:1])
    pipe.write(scratch)
    scratch[0] ^= 0xFF
    position = 1
    for size in (1, 2, 3, 500, 1, 1400, 1):
        pipe.write(memoryview(octets)[position : position + size])
        position += size
    pipe.write(b"")
    pipe.writelines([octets[position : position + 10], octets[position + 10 :]])


@_check
async def check_a_datagram_is_one_piece(rig: Rig) -> None:
    """Where the facts say `datagrams`: one write, one `data_received`, and too long a one is the writer's error.

    A stream promises nothing of that kind, so there is nothing to check there.
    """
    line = await Line.open(rig)
    near, far = await line.dial()
    facts = facts_of(near.pipe)
    if facts.datagrams:
        pieces = [b"a", b"bc", bytes(1400), b"d" * min(facts.mtu_octets, 9000)]
        for piece in pieces:
            near.pipe.write(piece)
            await far.until(lambda piece=piece: piece in far.pieces)  # type: ignore[misc] # mypy knows no default here
        assert far.pieces == pieces
        near.pipe.writelines([b"to", b"gether"])
        await far.until_received(sum(map(len, pieces)) + 8)
        assert far.pieces[-1] == b"together"
        try:
            near.pipe.write(bytes(facts.mtu_octets + 1))
        except LocalProtocolError as error:
            assert error.message
        else:
            raise AssertionError(f"a datagram of {facts.mtu_octets + 1} octets was taken")
    await line.close()


@_check
async def check_what_was_written_before_close_arrives(rig: Rig) -> None:
    """`close` is orderly: the peer gets every octet, then end of file, then `connection_lost(None)`.

    On a connectionless link the peer gets every octet, and hears nothing of the close.
    """
    line = await Line.open(rig)
    near, far = await line.dial()
    near.pipe.write(b"last words")
    near.pipe.close()
    assert near.pipe.is_closing()
    assert near.events == ["made"], "connection_lost is never called from inside close"
    await near.until_lost()
    await far.until_received(10)
    await _until_lost_as_a_peer(far)
    assert bytes(far.received) == b"last words"
    if not facts_of(far.pipe).connectionless:
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
    await _until_lost_as_a_peer(far)
    near.pipe.abort()
    await asyncio.sleep(0)
    assert not far.received
    assert not near.received
    await line.close()
    for end in (near, far):
        assert end.events.count("lost") == 1
        assert end.events[-1] == "lost"


@_check
async def check_abort_ends_both_sides(rig: Rig) -> None:
    """`abort` drops what was not sent; both ends hear `connection_lost`, the own one alone where nothing connects."""
    line = await Line.open(rig)
    near, far = await line.dial()
    near.pipe.abort()
    assert near.pipe.is_closing()
    await near.until_lost()
    await _until_lost_as_a_peer(far)
    assert near.error is None
    await line.close()


@_check
async def check_a_listeners_end_can_be_closed_and_comes_again(rig: Rig) -> None:
    """When the listening end closes its transport, the next caller (or what the same one sends next) gets a new one."""
    line = await Line.open(rig)
    near, far = await line.dial()
    far.pipe.close()
    await far.until_lost()
    await _until_lost_as_a_peer(near)
    near.pipe.close()
    await near.until_lost()
    _, again = await line.dial()
    assert again is not far
    assert again.events == ["made"]
    await line.close()


async def _until_lost_as_a_peer(end: End) -> None:
    """Wait until `end`, whose other end has closed, has heard so; on a connectionless link it never does."""
    if facts_of(end.pipe).connectionless:
        assert "lost" not in end.events
        assert "eof" not in end.events
    else:
        await end.until_lost()


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
    """Write flow control: beyond the high-water mark `pause_writing`, and `resume_writing` once it drains.

    Not of datagrams: those that a slow reader does not take are lost, and the writer is not told.
    """
    line = await Line.open(rig)
    near, far = await line.dial()
    if facts_of(near.pipe).datagrams:
        await line.close()
        return
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
    near, far = await line.dial(Witness)

    async def sender() -> None:
        _who.set("the sender")
        far.pipe.write(b"x")

    await asyncio.get_running_loop().create_task(sender())
    await near.until_received(1)
    assert seen == ["nobody"]
    await line.close()


@_check
async def check_nobody_there_is_a_link_error(rig: Rig) -> None:
    """Connecting to where nothing listens raises LinkError with a sentence, unless that cannot be known."""
    await _refused(rig, rig.nobody_url)


@_check
async def check_a_taken_place_is_a_link_error(rig: Rig) -> None:
    """Two listeners cannot share a place."""
    line = await Line.open(rig)
    try:
        second = await rig.links.listen(line.taken_url, End)
    except LinkError as error:
        assert error.message
    else:
        second.close()
        raise AssertionError(f"{line.taken_url} was given away twice")
    await line.close()


@_check
async def check_a_closed_listener_refuses_but_keeps_its_connections(rig: Rig) -> None:
    """`Listener.close` shuts the door, not the rooms; the place can be taken again.

    Where nothing connects, ends may be all that holds the place: then it is free when they are gone.
    """
    line = await Line.open(rig)
    near, far = await line.dial()
    line.listener.close()
    await line.listener.wait_closed()
    near.pipe.write(b"still here")
    await far.until_received(10)
    if facts_of(near.pipe).connectionless:
        await line.hang_up()
    await _refused(rig, line.caller_url)
    again = await rig.links.listen(line.taken_url, End)
    again.close()
    await again.wait_closed()
    await _refused(rig, line.caller_url)
    await line.close()


async def _refused(rig: Rig, url: str, *, is_busy: bool = False) -> None:
    """Nobody is there, which a connectionless link may not find out; or somebody is, who is busy."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            transport, end = await rig.links.connect(url, End)
    except LinkError as error:
        assert error.message
        return
    facts = facts_of(transport)
    transport.abort()
    await end.until_lost()
    assert facts.connectionless, f"nobody listens at {url}, yet it connected"
    assert not is_busy, f"{url} is taken, yet it connected"
