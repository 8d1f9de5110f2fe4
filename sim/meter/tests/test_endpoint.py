"""A meter asked through its endpoint by the head-end's own client: what it says on the wire, and what it remembers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data, wrapper
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import (
    ActDone,
    Associated,
    AssociationRefused,
    Got,
    Released,
    SendNext,
    ServiceRefused,
    SetDone,
)
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import DataAccessResult, Mechanism
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.cosem_time import CosemDateTime, date_time_octets, epoch_s
from hes.dlms.findings import Finding
from hes.dlms.obis import Obis
from hes.dlms.profile_buffer import decode_rows
from hes.dlms.selective_access import by_entry, by_range
from sim.meter import capture
from sim.meter.endpoint import ASSOCIATION_IDLE_S, MeterEndpoint
from sim.meter.keys import head_end_system_title, meter_keys
from sim.world import parse
from sim.world.population import Population

START_S = 1_772_409_600  # 2026-03-02T00:00:00Z, a Monday
DAY_S = 86_400
WORLD = """
name = "bench"
seed = 7
start = 2026-03-02T00:00:00+00:00
duration = "1d"
[[plan]]
name = "all"
what = "load-profile"
at = "00:00"
window = "1h"
[media.plc]
kind = "plc"
[[dcu]]
name = "only"
region = "0731"
address = 300
field = "plc"
[[dcu.meters]]
profile = "ami-1p"
shape = "pv-household"
count = 3
[[dcu.meters]]
profile = "ami-3p"
shape = "workshop"
count = 2
"""
NO_PARAMETER = b"\x0f\x00"
SHARED = Population(parse.parse_text(WORLD))


def attribute(class_id: int, obis: str, index: int = 2) -> AttributeDescriptor:
    return AttributeDescriptor(class_id, Obis.parse(obis), index)


class Talk:
    """One client talking to one endpoint, at a time that the test moves."""

    def __init__(
        self, endpoint: MeterEndpoint, settings: ClientSettings, now_s: float = START_S, send: int = 0
    ) -> None:
        self.endpoint = endpoint
        self.now_s = now_s
        self.client = Client(settings, send_counter=send)
        self.sap = settings.client_sap

    def send(self, apdu: bytes) -> Any:
        while True:
            answer = self.endpoint.answer(wrapper.encode(self.sap, 1, apdu), self.now_s)
            assert answer is not None
            header = wrapper.decode_header(answer)
            assert (header.source, header.destination) == (1, self.sap)
            event = self.client.receive(answer[8:])
            if not isinstance(event, SendNext):
                return event
            apdu = event.octets

    def associate(self) -> Any:
        return self.send(self.client.associate(challenge=b"challenge of bench"[:16], dedicated_key=b""))

    def get(self, wanted: AttributeDescriptor, selection: bytes = b"") -> Any:
        event = self.send(self.client.get(wanted, selection))
        assert isinstance(event, Got), event
        value, end = axdr.decode_value(event.data)
        assert end == len(event.data)
        return value


@pytest.fixture
def population() -> Population:
    return Population(parse.parse_text(WORLD))


def management(population: Population, endpoint: MeterEndpoint, now_s: float = START_S, send: int = 0) -> Talk:
    title = endpoint.meter().identity.system_title
    keys = meter_keys(population.world.seed, title)
    security = ClientSecurity(
        system_title=head_end_system_title(population.world.seed), keys=keys.global_keys, server_system_title=title
    )
    settings = ClientSettings(client_sap=1, mechanism=Mechanism.HLS_GMAC, security=security)
    talk = Talk(endpoint, settings, now_s, send)
    event = talk.associate()
    assert isinstance(event, Associated), event
    return talk


def endpoint_of(population: Population, name: str = "only-0001") -> MeterEndpoint:
    return population.endpoint(population.meters[name])


def test_the_public_client_reads_counter_clock_and_name_and_nothing_else(population: Population) -> None:
    talk = Talk(endpoint_of(population), ClientSettings())
    assert isinstance(talk.associate(), Associated)
    assert talk.get(attribute(1, "0.0.43.1.0.255")) == 0
    assert talk.get(attribute(1, "0.0.42.0.0.255")) == b"AML1731003000001"
    assert talk.get(attribute(17, "0.0.41.0.0.255")) == [(1, b"AML1731003000001")]
    drawn_ms = population.meters["only-0001"].identity.offset_ms
    own_s = epoch_s(talk.get(attribute(8, "0.0.1.0.0.255")))
    assert own_s == (START_S * 1000 + drawn_ms) // 1000
    event = talk.send(talk.client.get(attribute(3, "1.0.1.8.0.255")))
    assert isinstance(event, ServiceRefused)
    assert event.result == DataAccessResult.READ_WRITE_DENIED


def test_every_listed_object_can_be_read(population: Population) -> None:
    """The object list promises attributes; none of them may fail, whatever the kind of meter."""
    for name in ("only-0001", "only-0005"):
        talk = management(population, endpoint_of(population, name))
        elements = object_list_from_value(talk.get(attribute(15, "0.0.40.0.0.255")))
        assert len(elements) > 20
        for element in elements:
            for index, mode in element.attributes.items():
                if mode in (1, 3, 4, 6):
                    talk.get(AttributeDescriptor(element.class_id, element.logical_name, index))


def test_a_day_of_the_load_profile_is_what_the_oracle_says(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, START_S + 60)
    clock = attribute(8, "0.0.1.0.0.255")
    selection = by_range(clock, date_time_octets(START_S - DAY_S + 900), date_time_octets(START_S))
    event = talk.send(talk.client.get(attribute(7, "1.0.99.1.0.255"), selection))
    rows = decode_rows(event.data)
    truth = capture.true_rows(endpoint.meter(), "load-profile", START_S + 60, START_S - DAY_S + 900, START_S)
    assert [epoch_s(row[0]) for row in rows] == list(range(START_S - DAY_S + 900, START_S + 1, 900))
    assert [row[1:] for row in rows] == [(row.status, *row.values.values()) for row in truth]
    by_number = talk.send(talk.client.get(attribute(7, "1.0.99.1.0.255"), by_entry(3745, 3840)))
    assert decode_rows(by_number.data) == rows


def test_the_register_stands_between_the_rows_around_it(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, START_S + 1000)
    now = talk.get(attribute(3, "1.0.1.8.0.255"))
    before, after = (
        capture.true_values(endpoint.meter(), "load-profile", START_S + stamp, START_S + DAY_S)[0].values
        for stamp in (900, 1800)
    )
    assert before["active_import"] <= now <= after["active_import"]
    assert talk.get(attribute(3, "1.0.1.8.0.255", 3)) == (0, 30)
    tariffs = [talk.get(attribute(3, f"1.0.1.8.{rate}.255")) for rate in (1, 2)]
    assert now - sum(tariffs) in (0, 1), "each register cuts off its own milliwatt-hours"


def test_setting_the_clock_moves_what_the_meter_says_and_is_logged(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, START_S + 3600)
    clock = attribute(8, "0.0.1.0.0.255")
    before_s = epoch_s(talk.get(clock))
    done = talk.send(talk.client.set(clock, axdr.encode(data.octets(date_time_octets(START_S + 7200)))))
    assert isinstance(done, SetDone)
    assert done.succeeded
    talk.now_s += 10
    assert epoch_s(talk.get(clock)) in (START_S + 7209, START_S + 7210)
    log = talk.send(talk.client.get(attribute(7, "0.0.99.98.0.255")))
    assert [(epoch_s(stamp), code) for stamp, code in decode_rows(log.data)] == [(before_s, 4), (START_S + 7200, 5)]
    assert talk.get(attribute(1, "0.0.96.11.0.255")) == 5


def test_an_open_relay_stops_the_registers_and_is_logged(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, START_S + 36_000)
    register, relay = attribute(3, "1.0.1.8.0.255"), "0.0.96.3.10.255"
    done = talk.send(talk.client.act(MethodDescriptor(70, Obis.parse(relay), 1), NO_PARAMETER))
    assert isinstance(done, ActDone)
    assert done.succeeded
    assert talk.get(attribute(70, relay, 3)) == 0
    at_rest = talk.get(register)
    talk.now_s += 250
    assert talk.get(register) == at_rest
    assert talk.get(attribute(3, "1.0.1.7.0.255")) == 0
    assert talk.get(attribute(3, "1.0.32.7.0.255")) > 2000, "the voltage stands before the relay"
    assert talk.send(talk.client.act(MethodDescriptor(70, Obis.parse(relay), 2), NO_PARAMETER)).succeeded
    talk.now_s += 250
    assert talk.get(register) > at_rest
    assert talk.get(attribute(70, relay, 2)) is True
    log = talk.send(talk.client.get(attribute(7, "0.0.99.98.2.255")))
    assert [code for _, code in decode_rows(log.data)] == [62, 63]


def test_a_reset_empties_the_load_profile(population: Population) -> None:
    talk = management(population, endpoint_of(population), START_S + 40_000)
    profile = attribute(7, "1.0.99.1.0.255", 7)
    assert talk.get(profile) == 3840
    assert talk.send(talk.client.act(MethodDescriptor(7, profile.obis, 1), NO_PARAMETER)).succeeded
    assert talk.get(profile) == 0
    talk.now_s += 250
    assert talk.get(attribute(7, "0.0.99.98.0.255", 7)) == 1
    talk.now_s += 290  # 40 540 s: the stamp at 40 500 s has come, whatever the clock's offset
    assert talk.get(profile) == 1


def test_counters_outlive_the_association_and_everything_else_is_dropped(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, send=5)
    talk.get(attribute(8, "0.0.1.0.0.255"))
    assert endpoint.is_awake
    assert isinstance(talk.send(talk.client.release()), Released)
    assert not endpoint.is_awake
    public = Talk(endpoint, ClientSettings())
    public.associate()
    counter = public.get(attribute(1, "0.0.43.1.0.255"))
    assert counter > 5
    replay = Talk(endpoint, talk.client.settings, send=counter - 1)
    assert isinstance(replay.associate(), AssociationRefused)
    fresh = Talk(endpoint, talk.client.settings, send=counter)
    assert isinstance(fresh.associate(), Associated)


def test_challenges_differ_from_association_to_association_and_not_from_run_to_run() -> None:
    def challenges() -> list[bytes]:
        population = Population(parse.parse_text(WORLD))
        meter = endpoint_of(population).meter()
        return [meter.challenge(16) for _ in range(3)]

    first = challenges()
    assert len(set(first)) == 3
    assert challenges() == first


def test_a_meter_without_power_is_silent_and_forgets_its_associations(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, START_S + 100)
    endpoint.interventions().power(1000 * (START_S + 200), on=False)
    talk.now_s = START_S + 250
    frame = wrapper.encode(1, 1, talk.client.get(attribute(8, "0.0.1.0.0.255")))
    assert endpoint.answer(frame, START_S + 250.0) is None
    endpoint.interventions().power(1000 * (START_S + 260), on=True)
    answer = endpoint.answer(frame, START_S + 270.0)
    assert answer is not None
    assert answer[8] == 0xD8, "no association any more: an exception"


def test_an_association_in_which_nobody_speaks_is_given_up(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint, START_S)
    frame = wrapper.encode(1, 1, talk.client.get(attribute(8, "0.0.1.0.0.255")))
    answer = endpoint.answer(frame, START_S + ASSOCIATION_IDLE_S + 1)
    assert answer is not None
    assert answer[8] == 0xD8


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x00\x01", wrapper.encode(16, 2, b"\x60\x00"), wrapper.encode(16, 1, b"\x60\x00")[:-1], bytes(20)],
    ids=["nothing", "short", "another logical device", "cut off", "another version"],
)
def test_what_is_not_for_the_meter_is_not_answered(population: Population, octets: bytes) -> None:
    endpoint = endpoint_of(population)
    assert endpoint.answer(octets, START_S) is None
    assert not endpoint.is_awake


def test_what_goes_to_all_stations_is_carried_out_and_not_answered(population: Population) -> None:
    endpoint = endpoint_of(population)
    talk = management(population, endpoint)
    clock = attribute(8, "0.0.1.0.0.255")
    later = axdr.encode(data.octets(date_time_octets(START_S + 7200)))
    assert endpoint.answer(wrapper.encode(1, 0x7F, talk.client.set(clock, later)), START_S) is None
    talk.client.abandon()
    assert epoch_s(talk.get(clock)) == START_S + 7200
    assert endpoint.answer(wrapper.encode(16, 0x7F, Client(ClientSettings()).associate()), START_S) is None


@given(st.binary(max_size=60), st.sampled_from([1, 2, 16, 99]), st.booleans())
def test_any_octets_are_answered_or_not_but_never_break_the_meter(octets: bytes, sap: int, framed: bool) -> None:
    endpoint = endpoint_of(SHARED)
    frame = wrapper.encode(sap, 1, octets) if framed else octets
    answer = endpoint.answer(frame, START_S)
    assert answer is None or wrapper.decode_header(answer).destination == sap


@given(
    st.binary(min_size=12, max_size=12), st.binary(min_size=12, max_size=12), st.sampled_from(["7", "98", "billing"])
)
def test_any_range_is_answered(from_: bytes, to: bytes, which: str) -> None:
    endpoint = endpoint_of(SHARED)
    talk = management(SHARED, endpoint, START_S + 60)
    obis = {"7": "1.0.99.1.0.255", "98": "0.0.99.98.0.255", "billing": "0.0.98.1.0.255"}[which]
    event = talk.send(talk.client.get(attribute(7, obis), by_range(attribute(8, "0.0.1.0.0.255"), from_, to)))
    assert isinstance(event, Got | ServiceRefused)


@pytest.mark.parametrize("year", [1999, 2100, 9999])
def test_a_clock_is_not_set_beyond_its_calendar(population: Population, year: int) -> None:
    talk = management(population, endpoint_of(population))
    stamp = CosemDateTime(year=year, month=12, day=31, hour=23, minute=59, second=59, deviation_min=0).to_octets()
    done = talk.send(talk.client.set(attribute(8, "0.0.1.0.0.255"), axdr.encode(data.octets(stamp))))
    assert isinstance(done, SetDone)
    assert not done.succeeded


def test_the_ends_of_time_are_only_empty_ranges(population: Population) -> None:
    """The year 9999 lies outside a zone's calendar; nothing is captured there, and nothing breaks."""
    text = WORLD.replace("seed = 7", 'seed = 7\nzone = "Europe/Lisbon"')
    lisbon = Population(parse.parse_text(text))
    meter = endpoint_of(lisbon).meter()
    for profile in meter.profile.profiles:
        everything = capture.rows(meter, profile, START_S + 60, -(10**11), 10**12)
        assert len(everything) == profile.entries
        assert capture.rows(meter, profile, START_S + 60, 10**12, 10**13) == []


def test_an_idle_endpoint_makes_no_meter(population: Population) -> None:
    made = []
    device = population.meters["only-0002"]
    endpoint = MeterEndpoint(device.address, lambda *state: made.append(1) or population.meter(device, *state))  # type: ignore[func-returns-value]
    assert not made
    Talk(endpoint, ClientSettings()).associate()
    assert len(made) == 1


def test_who_breaks_a_rule_is_told_of_before_the_meter_sleeps_again(population: Population) -> None:
    told: list[tuple[bytes, str, float]] = []

    def tell(address: bytes, findings: list[Finding], now_s: float) -> None:
        told.extend((address, finding.kind.value, now_s) for finding in findings)

    endpoint = population.endpoint(population.meters["only-0001"], tell)
    assert endpoint.ask(16, bytes.fromhex("C001C100080000010000FF0200"), START_S) == bytes.fromhex("D80101")
    assert not endpoint.is_awake
    assert told == [(endpoint.address, "no_association", START_S)]
    assert endpoint.take_findings() == []
