"""World files: what ships parses, what is wrong is listed whole, and nothing else ever comes out of the parser."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.acquisition.retries import NO_RETRIES
from hes.errors import ConfigError
from hes.resources import file as data_file
from sim.media.g3 import FCC, Modulation
from sim.media.noise import BAD_EVENING
from sim.media.plc import Fidelity
from sim.world import parse
from sim.world.population import Population
from sim.world.reference import filled

NEIGHBOURHOOD = data_file("scenarios/worlds", "neighbourhood").read_text()
SMALL = """\
name = "small"
seed = 1
start = 2026-03-02T00:00:00+00:00
duration = "1d"
[[plan]]
name = "all"
what = "load-profile"
every = "4h"
window = "2h"
[media.plc]
kind = "plc"
[media.gprs]
kind = "gprs"
[[dcu]]
name = "north"
region = "0731"
address = 300
uplink = "gprs"
field = "plc"
[[dcu.meters]]
profile = "ami-1p"
shape = "household"
count = 5
[[dcu]]
name = "south-side"
region = "0731"
address = 2
field = "plc"
[[dcu.meters]]
profile = "ami-3p"
shape = "shop"
count = 2
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse.parse_text(text, "w.toml")
    return caught.value.message.splitlines()


def fault(text: str) -> str:
    lines = faults_of(text)
    assert len(lines) == 1, lines
    return lines[0]


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


# -- what is right


@pytest.mark.parametrize("name", parse.shipped())
def test_every_shipped_world_parses_and_its_last_window_closes_inside_the_run(name: str) -> None:
    world = parse.load(name)
    assert world.name == name
    assert world.title
    for plan in world.plans:
        last = max(at for at in (*plan.at_s, *(at + 86_400 for at in plan.at_s)) if at <= world.duration_s)
        if plan.lookback_s < 86_400:
            assert last + plan.window_s <= world.duration_s + world.run_on_s


def test_the_neighbourhood_is_what_its_title_says() -> None:
    world = parse.load("neighbourhood")
    assert len(world.dcus) == 3
    assert world.meter_count == 360
    assert world.start_epoch_s == 1_772_409_600
    assert {plan.item for plan in world.plans} == {"load-profile", "billing"}
    assert len({group.shape for dcu in world.dcus for group in dcu.meters}) == 6
    by_six = {plan.name: plan for plan in world.plans}["yesterday"]
    assert (by_six.at_s, by_six.lookback_s, by_six.window_s) == ((0,), 86_400, 21_600)
    assert {plan.name: plan for plan in world.plans}["quarter-hours"].at_s == tuple(range(0, 86_400, 14_400))


def test_the_noisy_evening_leaves_values_missing_for_two_causes() -> None:
    world = parse.load("noisy-evening")
    assert {fault.kind for fault in world.faults} == {"noise", "power-cut", "meter-silent"}
    silent = next(fault for fault in world.faults if fault.kind == "meter-silent")
    assert silent.to_s is None, "to the end of the run, so that no retry brings its values in"


def test_what_a_file_leaves_out_has_the_models_own_default() -> None:
    world = parse.parse_text(SMALL)
    assert (world.zone, world.run_on_s, world.faults) == ("UTC", 0, ())
    assert world.plans[0].lookback_s == 14_400
    assert str(world.dcus[0].terminal) == "0731012C"
    uplink, network = world.uplink(world.dcus[0]), world.network(world.dcus[0])
    assert uplink is not None
    assert uplink.drops_per_day == 2.0
    assert network.frame_error_ratio == 0.05
    assert world.uplink(world.dcus[1]) is None
    assert world.head_end.retries.attempts_max == 8


def test_media_take_over_what_a_file_sets() -> None:
    text = SMALL.replace(
        'kind = "plc"',
        'kind = "plc"\nband = "FCC"\nhop_shares = [0.5, 0.5]\nmodulations = { DQPSK = 1.0 }\nframe_error = 0.2\n'
        'noise = "bad-evening"\nprocessing = ["50ms", "0.1s"]\nfidelity = "exchange"\nretries = 2\nfading.off = true',
    ).replace('kind = "gprs"', 'kind = "gprs"\nregister = ["1s", "2m"]\nup_bit_s = 9600\nnat_idle = "5m"')
    world = parse.parse_text(text)
    network = world.network(world.dcus[0])
    assert (network.band, network.hop_shares, network.noise) == (FCC, (0.5, 0.5), BAD_EVENING)
    assert network.modulation_shares == ((Modulation.DQPSK, 1.0),)
    assert (network.frame_error_ratio, network.retries_max, network.processing_s) == (0.2, 2, (0.05, 0.1))
    assert (network.fidelity, network.fading.gap_s) == (Fidelity.PER_EXCHANGE, float("inf"))
    uplink = world.uplink(world.dcus[0])
    assert uplink is not None
    assert (uplink.register_s, uplink.up_bit_s, uplink.nat_idle_s) == ((1.0, 120.0), 9600.0, 300.0)


def test_retries_can_be_switched_off() -> None:
    world = parse.parse_text(SMALL + "[head_end.retries]\non = false\nattempts = 5\n")
    assert world.head_end.retries == NO_RETRIES


def test_faults_are_told_in_seconds_after_the_start() -> None:
    text = SMALL.replace('duration = "1d"', 'duration = "2d"') + (
        '[[fault]]\nkind = "dcu-down"\ntarget = "north"\nfrom = "03:00"\nto = 05:30:00\n'
        '[[fault]]\nkind = "noise"\ntarget = "*"\nfrom = "27:30"\nfactor = 2.5\n'
        '[[fault]]\nkind = "clock-step"\ntarget = "north-0005"\nfrom = "10:00:30"\nstep = "-1h30m"\n'
    )
    down, noise, step = parse.parse_text(text).faults
    assert (down.from_s, down.to_s) == (10_800, 19_800)
    assert (noise.from_s, noise.to_s, noise.factor) == (99_000, None, 2.5)
    assert (step.from_s, step.step_s) == (36_030, -5400.0)


def test_the_start_is_a_midnight_of_the_zone() -> None:
    lisbon = SMALL.replace("2026-03-02T00:00:00+00:00", "2026-07-01T00:00:00+01:00").replace(
        "seed = 1", 'seed = 1\nzone = "Europe/Lisbon"'
    )
    assert parse.parse_text(lisbon).start_epoch_s == 1_782_860_400
    wrong = lisbon.replace("+01:00", "+02:00")
    assert fault(wrong) == "w.toml:4: start: should be a local midnight, but it is 23:00:00 in Europe/Lisbon"


# -- what is wrong

BROKEN = [
    ("seed = 1", "seed = true", "seed: should be a valid integer, not True (0..2^63-1)"),
    ("seed = 1", "seed = -1", "seed: should be greater than or equal to 0, not -1 (0..2^63-1)"),
    ("seed = 1", 'seed = 1\nzone = "Mars/Base"', "zone: no time zone 'Mars/Base' is known here"),
    ("2026-03-02T00:00:00+00:00", "2026-03-02T00:00:00", "start: should be a local midnight with its offset"),
    ("2026-03-02T00:00:00+00:00", "2026-03-02T06:00:00+00:00", "start: should be a local midnight, but it is 06:00:00"),
    ('duration = "1d"', "duration = 86400", "duration: should be a duration such as"),
    ('duration = "1d"', 'duration = "1d 2h"', "duration: should be a duration such as"),
    ('every = "4h"', 'every = "5h"', "plan[1].every: 18000 s does not divide a day"),
    ('every = "4h"', 'every = "4h"\nat = "06:00"', "plan[1]: needs either `at` or `every`, not both"),
    ('every = "4h"\n', "", "plan[1]: needs either `at` or `every`"),
    ('every = "4h"', 'at = ["06:00", "24:10"]', "plan[1].at[2]: should be a time of day"),
    ('window = "2h"', 'window = "2m"', "plan[1].settle: is not shorter than the window"),
    ('what = "load-profile"', 'what = "loadprofile"', "plan[1].what: should be 'load-profile' or 'billing', not"),
    ("address = 2\n", "address = 300\n", "dcu[2].address: terminal ID 0731012C is that of 'north' already"),
    ('region = "0731"\naddress = 2\n', 'region = "1731"\naddress = 300\n', "would have the numbers of 'north'"),
    ('name = "south-side"', 'name = "north"', "dcu[2].name: 'north' stands twice"),
    ('name = "south-side"', 'name = "South"', "dcu[2].name: should be lower-case letters and digits"),
    ('uplink = "gprs"', 'uplink = "grps"', "dcu[1].uplink: there is no [media.grps]; did you mean 'gprs'?"),
    ('uplink = "gprs"', 'uplink = "plc"', "dcu[1].uplink: [media.plc] is not of kind gprs"),
    ('profile = "ami-3p"', 'profile = "ami-4p"', "there is no 'ami-4p'; did you mean 'ami-"),
    ('profile = "ami-3p"', 'profile = "my/none.toml"', "dcu[2].meters[1].profile: my/none.toml: there is no such file"),
    ('shape = "shop"', 'shape = "shoop"', "dcu[2].meters[1].shape: there is no 'shoop'; did you mean 'shop'?"),
    ("count = 2", "count = 0", "dcu[2].meters[1].count: should be greater than or equal to 1, not 0 (1..2000)"),
    ("count = 2", "count = 2\ncuont = 3", "dcu[2].meters[1].cuont: unknown key; did you mean 'count'?"),
    ('kind = "gprs"', 'kind = "lte"', "media.gprs.kind: should be one of gprs, plc, not 'lte'"),
    ('kind = "plc"', 'kind = "plc"\nframe_error = 2', "media.plc.frame_error: should be less than or equal to 1"),
    ('kind = "plc"', 'kind = "plc"\nfading.gap = "0s"', "media.plc.fading.gap: should be greater than 0, not '0s'"),
    ('kind = "gprs"', 'kind = "gprs"\nboot = ["3s"]', "media.gprs.boot[2]: is missing"),
    ("[[plan]]", '[security]\nassociation = "boss"\n[[plan]]', "no association 'boss' as security.association"),
    ("[[plan]]", "[security]\nsuite = 3\n[[plan]]", "security.suite: should be 0, not 3"),
    ("[[plan]]", '[concentrator]\nmeter_timeout = "61s"\n[[plan]]', "61 s is not shorter than head_end.exchange"),
    ("[[plan]]", '[head_end]\nsilence_timeout = "1m"\n[[plan]]', "60 s is not longer than concentrator.heartbeat"),
    ("[[plan]]", "[clocks]\ndrift_ppm = nan\n[[plan]]", "clocks.drift_ppm: should be less than or equal to 500"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), BROKEN, ids=[said.split(":")[0] for _, _, said in BROKEN])
def test_a_fault_is_named_with_its_key_and_what_is_allowed(old: str, new: str, said: str) -> None:
    assert old in SMALL
    broken = SMALL.replace(old, new) if SMALL.count(old) == 1 else SMALL.replace(old, new, 1)
    lines = faults_of(broken)
    assert all(re.match(r"w\.toml:\d+: ", line) for line in lines)
    matching = [line for line in lines if said in line]
    assert matching, lines
    path = matching[0].split(": ")[1]
    key = re.sub(r"\[\d+\]", "", path).rpartition(".")[2]
    line = broken.splitlines()[int(matching[0].split(":")[1]) - 1]
    assert key in line or line.startswith("["), "the line holds the key, or begins the table that lacks it"


FAULT = '[[fault]]\nkind = "dcu-down"\ntarget = "north"\nfrom = "03:00"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FAULT.replace("north", "nroth"), "fault[1].target: there is no device 'nroth'; did you mean 'north'?"),
        (FAULT.replace("north", "north-0006"), "there is no device 'north-0006'"),
        (FAULT.replace("north", "north-0006"), "(north has meters north-0001 to north-0005)"),
        (FAULT.replace("north", "north-0003"), "dcu-down happens to a DCU, and 'north-0003' is a meter"),
        (FAULT.replace("03:00", "24:01"), "fault[1].from: lies after the end of the run, 24:00 after its start"),
        (FAULT + 'to = "02:00"\n', "fault[1].to: must be later than from"),
        (FAULT + "factor = 3\n", "fault[1].factor: belongs to noise, not to dcu-down"),
        (FAULT.replace("dcu-down", "noise"), "fault[1].factor: is missing: noise needs it"),
        (FAULT.replace("dcu-down", "uplink-drop") + 'to = "04:00"\n', "uplink-drop is an instant and has no end"),
        (FAULT.replace("dcu-down", "meter-silent"), "meter-silent happens to a meter such as"),
        (FAULT.replace("dcu-down", "uplink-down").replace("north", "south-side"), "'south-side' has a fixed line"),
        (FAULT + FAULT.replace("03:00", "05:00"), "fault[2].from: dcu-down of 'north' is in force then already"),
        (FAULT.replace("03:00", "3"), "fault[1].from: should be hours and minutes after the start"),
    ],
)
def test_faults_of_faults(text: str, said: str) -> None:
    lines = faults_of(SMALL + text)
    assert any(said in line for line in lines), lines


def test_every_fault_of_a_file_is_listed_at_once_in_the_order_of_lines() -> None:
    text = NEIGHBOURHOOD.replace("seed = ", "sede = ").replace("address = 2", "address = 1")
    text = text.replace('every = "4h"', 'every = "5h"').replace('shape = "shop"', 'shape = "shopp"')
    text = text.replace("count = 12", "count = 0").replace("drift_ppm = 20", 'drift_ppm = "x"')
    text += '[[fault]]\nkind = "dcu-dwn"\ntarget = "north"\nfrom = "03:00"\n'
    text += '[[fault]]\nkind = "noise"\ntarget = "market"\nfrom = "30:00"\nto = "31:00"\n'
    lines = faults_of(text)
    keys = [line.split(": ")[1] for line in lines]
    assert keys == [
        "seed", "sede", "clocks.drift_ppm", "plan[3].every", "dcu[1].meters[2].count", "dcu[2].address",
        "dcu[2].meters[2].shape", "fault[1].kind", "fault[2].factor", "fault[2].from", "fault[2].to",
    ]  # fmt: skip
    numbers = [int(line.split(":")[1]) for line in lines]
    assert numbers == sorted(numbers)
    assert numbers[3] == line_of(text, 'every = "5h"')
    assert numbers[6] == line_of(text, 'shape = "shopp"')


MISTAKES = """\
name = "mistakes"
seed = -1
start = 2026-03-02T06:00:00+00:00
duration = "1d"
[head_end]
silence_timeout = "1m"
lanes_per_dcu = 99
[[plan]]
name = "all"
what = "load-profile"
every = "5h"
settle = "3h"
window = "2 hours"
[media.plc]
kind = "plc"
frame_error = 2
[media.gprs]
kind = "gprs"
[[dcu]]
name = "north"
region = "0731"
address = 70000
uplink = "plc"
field = "plk"
[[dcu.meters]]
profile = "ami-9p"
shape = "houshold"
count = 0
[[dcu]]
name = "South"
region = "0731"
address = 2
field = "gprs"
meters = []
[[fault]]
kind = "noise"
target = "north-0003"
from = "25:00"
factor = 0.5
[[fault]]
kind = "meter-silent"
target = "south-0001"
from = "03:00"
[[fault]]
kind = "power-cut"
target = "weest"
from = "tea time"
step = "1m"
"""


def test_mistakes_of_every_kind_in_the_same_tables_are_told_in_one_round_and_nothing_besides() -> None:
    assert faults_of(MISTAKES) == [
        "w.toml:2: seed: should be greater than or equal to 0, not -1 (0..2^63-1)",
        "w.toml:3: start: should be a local midnight, but it is 06:00:00 in UTC",
        "w.toml:6: head_end.silence_timeout: 60 s is not longer than concentrator.heartbeat, 180 s",
        "w.toml:7: head_end.lanes_per_dcu: should be less than or equal to 16, not 99 (1..16)",
        "w.toml:11: plan[1].every: 18000 s does not divide a day",
        'w.toml:13: plan[1].window: should be a duration such as "30s", "1h30m" or "250ms", not \'2 '
        'hours\' (a duration such as "30s", "1h30m" or "250ms", from "1m" to "7d")',
        "w.toml:16: media.plc.frame_error: should be less than or equal to 1, not 2 (0..1)",
        "w.toml:22: dcu[1].address: should be less than or equal to 65535, not 70000 (1..65535)",
        "w.toml:23: dcu[1].uplink: [media.plc] is not of kind gprs",
        "w.toml:24: dcu[1].field: there is no [media.plk]; did you mean 'plc'? (media: plc, gprs)",
        "w.toml:26: dcu[1].meters[1].profile: there is no 'ami-9p'; did you mean 'ami-3p'? (known: "
        "ami-1p-lls, ami-1p, ami-3p)",
        "w.toml:27: dcu[1].meters[1].shape: there is no 'houshold'; did you mean 'household'? (known: "
        "household, night-storage, pv-household, shop, street-lighting, weekend-house, workshop)",
        "w.toml:28: dcu[1].meters[1].count: should be greater than or equal to 1, not 0 (1..2000)",
        "w.toml:30: dcu[2].name: should be lower-case letters and digits, in words joined by -, not 'South'",
        "w.toml:33: dcu[2].field: [media.gprs] is not of kind plc",
        "w.toml:34: dcu[2].meters: should have at least 1 item, not [] ([[dcu.meters]] tables)",
        "w.toml:37: fault[1].target: noise happens to a DCU, and 'north-0003' is a meter",
        "w.toml:38: fault[1].from: lies after the end of the run, 24:00 after its start",
        "w.toml:39: fault[1].factor: should be greater than 1, not 0.5 (1..100)",
        "w.toml:46: fault[3].target: there is no device 'weest' (DCUs: north)",
        'w.toml:47: fault[3].from: should be hours and minutes after the start such as "03:00", or '
        "\"27:30\" for 03:30 on the second day, not 'tea time'",
        "w.toml:48: fault[3].step: belongs to clock-step, not to power-cut",
    ]


def test_the_start_is_checked_by_its_own_offset_when_the_zone_is_not_known() -> None:
    text = SMALL.replace("seed = 1", 'seed = 1\nzone = "Mars/Base"').replace("T00:00:00", "T06:00:00")
    assert faults_of(text) == [
        "w.toml:3: zone: no time zone 'Mars/Base' is known here; write a name such as UTC or Europe/Lisbon",
        "w.toml:4: start: should be a local midnight, but it is 06:00:00 in its own offset",
    ]


def test_what_only_follows_from_a_table_that_is_missing_is_not_told() -> None:
    without_dcus = SMALL[: SMALL.index("[[dcu]]")]
    target = '[[fault]]\nkind = "meter-silent"\ntarget = "north-0001"\nfrom = "03:00"\n'
    assert faults_of(without_dcus + target) == ["w.toml:1: dcu: is missing ([[dcu]] tables)"]
    without_media = SMALL.replace('[media.plc]\nkind = "plc"\n[media.gprs]\nkind = "gprs"\n', "")
    assert faults_of(without_media) == ["w.toml:1: media: is missing ([media.NAME] tables)"]
    assert faults_of(SMALL.replace("count = 5", "count = 0") + target) == [
        "w.toml:23: dcu[1].meters[1].count: should be greater than or equal to 1, not 0 (1..2000)"
    ]


def test_a_syntax_error_is_told_with_its_line() -> None:
    assert fault(SMALL.replace("seed = 1", "seed = ")).startswith("w.toml:2: not TOML: ")


# -- nothing else comes out

LINES = SMALL.splitlines()
JUNK = st.sampled_from(
    ["nan", "-1", "1e999", "true", "[]", "{}", '""', '"x"', '"99:99"', '"-5m"', "[1, 2]", "1979-05-27", "07:32:00",
     "2026-03-02T00:00:00Z", "[[]]", "{a = 1}", '["1s"]', "0x7fffffffffffffffffff", '"north"', '"' + "9" * 400 + 's"']
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The small world with values replaced, lines dropped, doubled and moved."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(["value", "drop", "double", "move", "key", "text", "table"]))
        key, equals, _ = lines[at].partition(" = ")
        if what == "value" and equals:
            lines[at] = f"{key} = {draw(JUNK)}"
        elif what == "key" and equals:
            lines[at] = lines[at].replace(key, draw(st.sampled_from(["media", "dcu", "plan", "fault", "x", "kind"])), 1)
        elif what == "drop":
            del lines[at]
            lines = lines or [""]
        elif what == "double":
            lines.insert(at, lines[at])
        elif what == "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        elif what == "table":
            lines.insert(
                at, draw(st.sampled_from(["[media]", "[[media]]", "[dcu]", "[[fault]]", "[plan.x]", "[head_end]"]))
            )
        else:
            lines[at] = draw(st.text(max_size=12))
    return "\n".join(lines)


@given(mutated())
def test_any_file_gives_a_world_or_a_config_error_with_lines(text: str) -> None:
    try:
        world = parse.parse_text(text, "any.toml")
    except ConfigError as error:
        said = error.message.splitlines()
    else:
        assert Population(world).dcus, "what parses can be built"
        return
    assert all(re.match(r"any\.toml(:\d+)?: ", line) for line in said), said


def test_the_reference_page_is_made_from_the_models() -> None:
    page = data_file("docs", "world-files", ".md").read_text()
    assert filled(page) == page, "run: python -m sim.world.reference docs/world-files.md"
