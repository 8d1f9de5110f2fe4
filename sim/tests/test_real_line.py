"""A real link under a field's faults: octets held and released, connections dropped, troubles told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hes.errors import LinkError
from hes.links.checks import CHECKS, Check, End, Rig
from hes.links.facts import facts_of
from hes.links.registry import Links, LinkUrl, ProtocolFactory
from sim import real_line
from sim.real_line import RealLine

PATIENCE_S = 20


class Pair:
    """Both ends of one connection over a RealLine: `site` dialled, `centre` listens."""

    async def open(self) -> Pair:
        accepted: asyncio.Future[End] = asyncio.get_running_loop().create_future()

        def accept() -> End:
            end = End()
            if not accepted.done():
                accepted.set_result(end)
            return end

        self.door = await Links().listen("tcp-listen://127.0.0.1:0", accept)
        self.line = RealLine(Links(), self.door.addresses[0], "north")
        self.transport, self.site = await self.line.links.connect(self.door.addresses[0], End)
        self.centre = await accepted
        await self.centre.until(lambda: "made" in self.centre.events)
        return self

    def close(self) -> None:
        self.door.close()
        self.line.power_off()
        self.centre.pipe.abort()


def play(test: Callable[[Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S):
            pair = await Pair().open()
            try:
                await test(pair)
            finally:
                pair.close()

    asyncio.run(main())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_real_line_is_a_link_like_any_other(check: Check) -> None:
    """The exported suite of hes.links, with the dialling end behind a line."""

    async def main() -> None:
        links = Links()
        line = RealLine(Links(), "tcp://127.0.0.1:1", "north")

        async def connect(url: LinkUrl, factory: ProtocolFactory) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
            return await line.links.connect(url.text, factory)

        links.register("tcp", connect)
        nobody = await links.listen("tcp-listen://127.0.0.1:0", End)
        nobody.close()
        await check(Rig(links=links, listen_url="tcp-listen://127.0.0.1:0", nobody_url=nobody.addresses[0]))

    asyncio.run(main())


def test_an_outage_holds_octets_both_ways_and_the_connection_lives_on() -> None:
    async def test(pair: Pair) -> None:
        pair.line.begin_outage()
        pair.site.pipe.write(b"up 1 ")
        pair.site.pipe.write(b"up 2")
        pair.centre.pipe.write(b"down")
        other = await Pair().open()  # as long as another connection needs for octets of its own
        other.site.pipe.write(b"x")
        await other.centre.until_received(1)
        other.centre.pipe.write(b"y")
        await other.site.until_received(1)
        other.close()
        assert not pair.centre.received
        assert not pair.site.received
        pair.line.end_outage()
        await pair.centre.until_received(9)
        await pair.site.until_received(4)
        pair.site.pipe.write(b", up 3")
        await pair.centre.until_received(15)
        assert (pair.centre.received, pair.site.received) == (b"up 1 up 2, up 3", b"down")
        assert "lost" not in pair.site.events + pair.centre.events

    play(test)


def test_whoever_writes_without_end_into_an_outage_loses_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_line, "HELD_OCTETS_MAX", 100)

    async def test(pair: Pair) -> None:
        pair.line.begin_outage()
        pair.site.pipe.write(bytes(100))
        assert not pair.transport.is_closing()
        pair.site.pipe.write(b"1")
        await pair.site.until_lost()
        await pair.centre.until_lost()
        pair.line.end_outage()

    play(test)


def test_a_new_connection_waits_for_the_end_of_the_outage() -> None:
    async def test(pair: Pair) -> None:
        pair.line.begin_outage()
        assert await pair.line.ping() is False
        opening = asyncio.ensure_future(pair.line.links.connect(pair.door.addresses[0], End))
        other = await Pair().open()
        other.close()
        assert not opening.done()
        pair.line.end_outage()
        transport, _ = await opening
        assert await pair.line.ping() is True
        assert facts_of(transport).kind == "tcp"

    play(test)


def test_power_off_and_a_drop_end_every_connection() -> None:
    for fault in (RealLine.power_off, RealLine.drop):

        async def test(pair: Pair, fault: Callable[[RealLine], None] = fault) -> None:
            fault(pair.line)
            await pair.site.until_lost()
            await pair.centre.until_lost()

        play(test)


def test_why_the_last_attempt_failed_can_be_asked_until_one_succeeds() -> None:
    async def test(pair: Pair) -> None:
        url = pair.door.addresses[0]
        assert pair.line.trouble is None
        pair.door.close()
        with pytest.raises(LinkError, match="refused the connection"):
            await pair.line.links.connect(url, End)
        assert pair.line.trouble is not None
        assert "refused the connection" in pair.line.trouble.message
        pair.line.begin_outage()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await pair.line.links.connect(url, End)
        assert "did not answer in time" in pair.line.trouble.message

    play(test)
