"""A meter behind a sign-on, on a pseudo terminal: signed on and read at the agreed speed, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from hes.dlms import axdr
from hes.dlms.client import Client, ClientSettings
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.mode_e import Identification, SignOnSettings
from hes.entropy import SystemEntropy
from hes.links.registry import Links
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.hdlc_session import HdlcSession
from sim.expose import ExposedMeters, serve_meters
from sim.world import parse

BENCH = 3
PATIENCE_S = 60
FAST = SignOnSettings(identification=Identification(manufacturer="AML", baud_id="9", ident="METER"))


def beside_a_meter(story: Callable[[str], Awaitable[None]], place: Path) -> None:
    """Run `story` with the path of a port on which a meter signs on."""
    meters = ExposedMeters(parse.load("neighbourhood"))

    async def main() -> None:
        served: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        url = f"pty-listen://{place}?baud=300&format=7E1"
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            serving = serve_meters(Links(), url, meters, served.set_result, hdlc=True, sign_on=FAST)
            task = tasks.create_task(serving)
            await served
            await story(f"pty://{place}")
            task.cancel()

    asyncio.run(main())


async def name_of_the_meter(url: str) -> bytes:
    def make() -> HdlcSession:
        return HdlcSession(client_sap=BENCH, server=ServerAddress(1, 17, 2), timeout_s=PATIENCE_S)

    _transport, session = await Links().connect(url, make)
    dlms = DlmsSession(Client(ClientSettings(client_sap=BENCH)), session.exchange, SystemEntropy())
    await dlms.open()
    value, _end = axdr.decode_value(await dlms.get(1, bytes((0, 0, 42, 0, 0, 255)), 2))
    await session.disconnect()
    session.close()
    assert isinstance(value, bytes)
    return value


def test_two_readers_sign_on_one_after_the_other_each_at_its_own_speed(tmp_path: Path) -> None:
    async def story(url: str) -> None:
        first = await name_of_the_meter(f"{url}?sign_on=mode-e&baud=115200")
        assert first == await name_of_the_meter(f"{url}?sign_on=mode-e&baud=9600")

    beside_a_meter(story, tmp_path / "port")
