"""Simulated connections keep the contract of hes.links and fail the way TCP over a bad link fails."""

import asyncio
import math
import random

import pytest

from hes.errors import LinkError
from hes.links.checks import CHECKS, Check, End, Line, Rig
from sim.loop import LOOP_START_S, VirtualLoop
from sim.media.gprs import GprsModem, GprsParameters
from sim.media.net import RETRANSMIT_GIVE_UP_S, SYN_GIVE_UP_S, Lan, SimNet
from sim.run_loop import run

CALM = GprsParameters(drops_per_day=0.0, attach_failure_ratio=0.0)


async def _attached(loop: VirtualLoop, parameters: GprsParameters = CALM, name: str = "modem") -> GprsModem:
    modem = GprsModem(loop, random.Random(7), name, parameters)
    await modem.power_on()
    await modem.dial()
    return modem


def _rig(net: SimNet, link: Lan | GprsModem) -> Rig:
    return Rig(net.links(link), "sim-listen://Head-End", "sim://nobody")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_simulated_lan_keeps_the_contract_of_links(check: Check) -> None:
    loop = VirtualLoop()

    async def main() -> None:
        await check(_rig(SimNet(loop), Lan(loop)))

    run(main(), loop=loop)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_gprs_keeps_the_contract_of_links_in_fragments_too(check: Check) -> None:
    loop = VirtualLoop()

    async def main() -> None:
        net = SimNet(loop)
        net.fragment(random.Random(1), octets_max=9000)
        await check(_rig(net, await _attached(loop, GprsParameters(drops_per_day=0.0, up_bit_s=1e9, down_bit_s=1e9))))

    run(main(), loop=loop)
