"""Faults as data, made to happen."""

import pytest

from hes.errors import ConfigError
from sim.clock import VirtualClock
from sim.faults.faults import KINDS, Fault, FaultLike, FaultSchedule, Site
from sim.loop import LOOP_START_S, VirtualLoop
from sim.media.plc import PlcNetwork
from sim.run_loop import run
from sim.streams import Streams


class Switch:
    """A concentrator and an uplink that note what is done to them, and when."""

    def __init__(self, loop: VirtualLoop, log: list[tuple[float, str]], name: str) -> None:
        self._loop, self._log, self._name = loop, log, name

    def __getattr__(self, what: str) -> object:
        return lambda: self._log.append((self._loop.now_s - LOOP_START_S, f"{self._name} {what}"))


class Meter:
    def __init__(self, address: bytes) -> None:
        self.address = address

    def answer(self, octets: bytes, now_epoch_s: float) -> bytes | None:
        return octets


class Field:
    """Two sites with two meters each, and everything that happened."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.log: list[tuple[float, str]] = []
        clock, streams = VirtualClock(self.loop, 0.0), Streams(1)
        self.sites = []
        for name in ("north", "south"):
            network = PlcNetwork(self.loop, streams.stream, clock, name)
            meters = {f"{name}-{number}": f"{name}{number}".encode() for number in (1, 2)}
            for address in meters.values():
                network.add_meter(Meter(address))
            switch = Switch(self.loop, self.log, name)
            self.sites.append(Site(name=name, dcu=switch, uplink=switch, network=network, meters=meters))
        self.schedule = FaultSchedule(self.loop, self.sites, on_meter=self._note)

    def _note(self, meter: str, fault: FaultLike, begins: bool) -> None:
        self.log.append((self.loop.now_s - LOOP_START_S, f"{meter} {fault.kind} {'begins' if begins else 'ends'}"))

    def run(self, *faults: Fault, until_s: float = 1000.0) -> list[tuple[float, str]]:
        for fault in faults:
            self.schedule.add(fault)

        async def main() -> None:
            self.loop.post_at(LOOP_START_S + until_s, end.set_result, None)
            await end

        end = self.loop.create_future()
        run(main(), loop=self.loop)
        return self.log

    def powered(self, site: int) -> list[bool]:
        return [link.is_on for link in self.sites[site].network.links.values()]


def test_a_concentrator_without_power_comes_back_when_its_fault_ends() -> None:
    assert Field().run(Fault(kind="dcu-down", target="north", from_s=10, to_s=70)) == [
        (10, "north power_off"),
        (70, "north power_on"),
    ]


def test_a_star_hits_every_concentrator_and_a_missing_end_lasts() -> None:
    assert Field().run(Fault(kind="uplink-down", target="*", from_s=5)) == [
        (5, "north begin_outage"),
        (5, "south begin_outage"),
    ]


def test_overlapping_faults_last_until_the_last_of_them_ends() -> None:
    log = Field().run(
        Fault(kind="uplink-down", target="north", from_s=10, to_s=100),
        Fault(kind="uplink-down", target="north", from_s=50, to_s=200),
    )
    assert log == [(10, "north begin_outage"), (200, "north end_outage")]


def test_a_cut_of_the_area_takes_the_concentrator_and_all_its_meters() -> None:
    field = Field()
    log = field.run(
        Fault(kind="power-cut", target="north", from_s=10, to_s=300),
        Fault(kind="dcu-down", target="north", from_s=200, to_s=400),
        Fault(kind="power-cut", target="north-2", from_s=250, to_s=500),
        until_s=450,
    )
    assert [line for line in log if "north power" in line[1] and "cut" not in line[1]] == [
        (10, "north power_off"),
        (200, "north power_off"),
        (400, "north power_on"),
    ]
    assert (300, "north-1 power-cut ends") in log
    assert field.powered(0) == [True, False], "the second meter's own cut lasts longer"
    assert field.powered(1) == [True, True]


def test_noise_is_stronger_while_it_lasts() -> None:
    field = Field()
    network = field.sites[1].network
    seen: list[float] = []
    for at_s in (5, 50, 150, 250):
        field.loop.post_at(LOOP_START_S + at_s, lambda _: seen.append(sum(network._extra_noise)), None)
    field.run(
        Fault(kind="noise", target="south", from_s=10, to_s=200, factor=4.0),
        Fault(kind="noise", target="south", from_s=100, to_s=200, factor=2.0),
    )
    assert seen == [0, 4.0, 6.0, 0]


def test_a_meters_own_troubles_are_handed_on() -> None:
    log = Field().run(
        Fault(kind="clock-step", target="south-1", from_s=1, step_s=420.0),
        Fault(kind="disconnect", target="south-2", from_s=2),
        Fault(kind="meter-silent", target="north-1", from_s=3, to_s=4),
        Fault(kind="uplink-drop", target="south", from_s=5),
    )
    assert log == [
        (1, "south-1 clock-step begins"),
        (2, "south-2 disconnect begins"),
        (3, "north-1 meter-silent begins"),
        (4, "north-1 meter-silent ends"),
        (5, "south drop"),
    ]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(kind="meteor", target="north", from_s=0), "no fault is called 'meteor'"),
        (Fault(kind="dcu-down", target="west", from_s=0), "nothing in this field .* is called 'west'"),
        (Fault(kind="dcu-down", target="north-1", from_s=0), "is called 'north-1'"),
        (Fault(kind="meter-silent", target="north", from_s=0), "is called 'north'"),
        (Fault(kind="dcu-down", target="north", from_s=10, to_s=10), "ends before it begins"),
        (Fault(kind="noise", target="north", from_s=0, to_s=1), "needs a factor"),
    ],
)
def test_a_fault_that_cannot_be_is_a_matter_for_the_worlds_author(fault: Fault, sentence: str) -> None:
    field = Field()
    with pytest.raises(ConfigError, match=sentence):
        field.schedule.add(fault)
    field.run()


def test_every_kind_is_scheduled_by_its_name() -> None:
    field = Field()
    for kind in KINDS:
        target = "north-1" if kind in {"meter-silent", "clock-step", "disconnect", "power-cut"} else "north"
        field.schedule.add(Fault(kind=kind, target=target, from_s=1, to_s=2, factor=2.0))
    assert len(field.run()) >= len(KINDS) - 1
