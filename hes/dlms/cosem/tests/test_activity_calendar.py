"""Tariffs by season, weekday and special day: against a walk over every minute, and as a meter would live it."""

from gurux_dlms.objects import GXDLMSActivityCalendar
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.calendar.activity_calendar import ACTIVITY_CALENDAR_NAME, ActivityCalendar, CalendarState
from hes.dlms.cosem.calendar.date_patterns import DAY_S, DatePattern, date_of, day_number
from hes.dlms.cosem.calendar.special_days import SpecialDay, SpecialDays, day_id_on
from hes.dlms.cosem.calendar.tables import (
    Calendar,
    Day,
    DayAction,
    Season,
    Week,
    actions_at,
    day_id_at,
    last_switch,
    next_switch,
    season_at,
)
from hes.dlms.cosem.tests.gurux_values import read_by_gurux
from hes.dlms.cosem.tests.schedule_bench import bench, script
from hes.dlms.cosem_time import CosemDateTime, date_time_octets

NAME, CLOCK = str(ACTIVITY_CALENDAR_NAME), "0.0.1.0.0.255"
SUNDAY_S = 1_734_217_200  # Sunday 2024-12-15 00:00 in Amsterdam
HOUR_S = 3600


def _start(month, day):
    return CosemDateTime(month=month, day=day, hour=0, minute=0, second=0).to_octets()


def _day(day_id, *switches):
    actions = tuple(DayAction(bytes((hour, minute, 0, 0)), script(selector)) for hour, minute, selector in switches)
    return Day(day_id, actions)


TWO_TARIFFS = Calendar(
    name=b"2024",
    seasons=(Season(b"winter", _start(10, 1), b"W"), Season(b"summer", _start(4, 1), b"S")),
    weeks=(Week(b"W", (1, 1, 1, 1, 1, 2, 2)), Week(b"S", (3, 3, 3, 3, 3, 2, 2))),
    days=(_day(1, (7, 0, 1), (23, 0, 2)), _day(2, (0, 0, 2)), _day(3, (0, 0, 1))),
)
CHRISTMAS = (SpecialDay(1, bytes.fromhex("ffff0c10ff"), 2),)  # Monday the 16th, for short tests


def _bench(active=TWO_TARIFFS, *, days=(), start_s=SUNDAY_S, **changes):
    calendar = ActivityCalendar(initial=CalendarState(active=active, **changes))
    return bench(calendar, SpecialDays(days=days), start_s=start_s)


def _ran(meter):
    return [f"{when[8:16]} {selector}" for when, selector in meter.meter.done]


def test_the_day_profile_of_the_week_of_the_season_switches():
    meter = _bench()
    meter.wait(3 * 24 * HOUR_S)
    assert _ran(meter) == ["16 07:00 1", "16 23:00 2", "17 07:00 1", "17 23:00 2"]


def test_a_special_day_overrides_the_week():
    meter = _bench(days=CHRISTMAS)
    meter.wait(2 * 24 * HOUR_S - 1)
    assert _ran(meter) == ["16 00:00 2"]


def test_a_season_changes_on_its_day_every_year():
    for day, expected in (("2024-03-31", b"winter"), ("2024-04-01", b"summer"), ("2027-10-01", b"winter")):
        civil = day_number(date_of(0).fromisoformat(day)) * DAY_S
        assert season_at(TWO_TARIFFS, civil).name == expected


def test_before_any_season_there_is_no_tariff():
    exact = CosemDateTime(year=2030, month=1, day=1, hour=0, minute=0, second=0).to_octets()
    calendar = Calendar(seasons=(Season(b"x", exact, b"W"),), weeks=TWO_TARIFFS.weeks, days=TWO_TARIFFS.days)
    assert season_at(calendar, SUNDAY_S) is None
    assert day_id_at(calendar, SUNDAY_S, lambda _day: None) is None
    assert next_switch(calendar, SUNDAY_S, lambda _day: None) is None
    assert next_switch(Calendar(), SUNDAY_S, lambda _day: None) is None


def _write_passive(meter, calendar):
    values = (
        data.octets(calendar.name),
        data.array(entry.to_data() for entry in calendar.seasons),
        data.array(entry.to_data() for entry in calendar.weeks),
        data.array(entry.to_data() for entry in calendar.days),
    )
    for attribute, value in enumerate(values, 6):
        assert meter.set(NAME, attribute, value) is DataAccessResult.SUCCESS


def test_a_passive_calendar_is_written_and_becomes_active_with_its_action_in_force():
    meter = _bench(Calendar())
    _write_passive(meter, TWO_TARIFFS)
    assert meter.deadline() is None
    meter.wait(36 * HOUR_S)  # Monday noon
    assert meter.act(NAME, 1) is ActionResult.SUCCESS
    assert _ran(meter) == ["16 12:00 1"]
    assert meter.get(NAME, 2) == b"2024"
    assert meter.encoded(NAME, 5) == meter.encoded(NAME, 9)
    meter.wait(12 * HOUR_S)
    assert _ran(meter) == ["16 12:00 1", "16 23:00 2"]


def test_the_passive_calendar_waits_for_its_time():
    meter = _bench(Calendar())
    _write_passive(meter, TWO_TARIFFS)
    stamp = date_time_octets(SUNDAY_S + 36 * HOUR_S, -60)
    assert meter.set(NAME, 10, data.octets(stamp)) is DataAccessResult.SUCCESS
    assert meter.deadline() == 36 * HOUR_S
    meter.wait(36 * HOUR_S)
    assert (meter.get(NAME, 2), meter.get(NAME, 10)) == (b"2024", stamp)
    assert _ran(meter) == ["16 12:00 1"]
    _write_passive(meter, Calendar(name=b"next"))
    meter.wait(HOUR_S)
    assert meter.get(NAME, 2) == b"2024"


def test_a_time_in_the_past_activates_at_once_and_one_with_wildcards_never():
    meter = _bench(Calendar(), passive=TWO_TARIFFS)
    assert meter.set(NAME, 10, data.octets(_start(1, 1))) is DataAccessResult.SUCCESS
    meter.wait(400 * 24 * HOUR_S)
    assert meter.get(NAME, 2) == b""
    meter.set(NAME, 10, data.octets(date_time_octets(SUNDAY_S - 1)))
    meter.wait(1)
    assert meter.get(NAME, 2) == b"2024"


def test_after_a_power_failure_the_last_action_that_was_missed_is_done():
    meter = _bench()
    meter.wait(30 * HOUR_S)
    meter.now_s += 48 * HOUR_S  # from Monday 06:00 to Wednesday 06:00
    meter.device.power_up(meter.meter, meter.now_s)
    assert _ran(meter) == ["18 06:00 2"]
    meter.device.power_up(meter.meter, meter.now_s + HOUR_S / 2)
    assert _ran(meter) == ["18 06:00 2"]


def test_a_clock_that_is_set_brings_the_tariff_of_its_new_time():
    meter = _bench()
    meter.wait(30 * HOUR_S)
    for offset_s, expected in ((3 * HOUR_S, ["16 09:00 1"]), (4 * HOUR_S, ["16 09:00 1"]), (0, None)):
        meter.meter.values["offset_s"] = offset_s
        meter.set(CLOCK, 2, data.octets(date_time_octets(int(meter.now_s) + offset_s)))
        assert _ran(meter) == (expected or ["16 09:00 1", "16 06:00 2"])


def test_tables_of_another_form_are_refused():
    meter = _bench()
    for attribute in (2, 3, 4, 5):
        assert meter.set(NAME, attribute, data.octets(b"")) is DataAccessResult.READ_WRITE_DENIED
    wrong = Season(b"x", b"\xff" * 12, b"W").to_data().value
    for season in (data.structure(*wrong[:2]), data.structure(wrong[0], data.octets(b"\0"), wrong[2])):
        assert meter.set(NAME, 7, data.array([season])) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(NAME, 8, data.array([data.structure(data.octets(b""))])) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(NAME, 10, data.octets(b"")) is DataAccessResult.TYPE_UNMATCHED
    assert meter.act(NAME, 1, data.octets(b"")) is ActionResult.TYPE_UNMATCHED


def test_gurux_reads_the_tables():
    meter = _bench()
    peer = GXDLMSActivityCalendar(NAME)
    for attribute in range(2, 11):
        read_by_gurux(peer, attribute, meter.encoded(NAME, attribute))
    assert peer.calendarNameActive == "2024"
    assert [season.start.value.month for season in peer.seasonProfileActive] == [10, 4]
    assert [week.sunday for week in peer.weekProfileTableActive] == [2, 2]
    action = peer.dayProfileTableActive[0].daySchedules[1]
    assert (action.startTime.value.hour, action.scriptSelector) == (23, 2)


# -- against a walk over every minute --------------------------------------------------------------------------------

starts = st.builds(
    CosemDateTime,
    year=st.none() | st.just(2024),
    month=st.none() | st.integers(1, 12),
    day=st.none() | st.integers(1, 28),
    weekday=st.none() | st.integers(1, 7),
    hour=st.sampled_from([0, 6]),
    minute=st.just(0),
    second=st.just(0),
).map(CosemDateTime.to_octets)
day_ids = st.integers(1, 3)
calendars = st.builds(
    Calendar,
    seasons=st.lists(st.builds(Season, st.just(b"s"), starts, st.sampled_from([b"A", b"B"])), max_size=3).map(tuple),
    weeks=st.tuples(*(st.builds(Week, st.just(name), st.tuples(*[day_ids] * 7)) for name in (b"A", b"B"))),
    days=st.tuples(
        *(
            st.lists(st.tuples(st.integers(0, 23), st.sampled_from([0, 30]), st.integers(1, 4)), max_size=3).map(
                lambda switches, day_id=day_id: _day(day_id, *switches)
            )
            for day_id in (1, 2, 3)
        )
    ),
)
specials = st.lists(
    st.builds(
        SpecialDay,
        st.integers(1, 9),
        st.builds(DatePattern, st.none(), st.just(6), st.integers(10, 16), st.none()).map(DatePattern.to_octets),
        day_ids,
    ),
    max_size=2,
).map(lambda days: sorted(days, key=lambda day: day.index))


def _naive_actions(calendar, civil, special_day):
    """What starts at that moment, straight from the words of the standard."""
    day_id = special_day(date_of(civil // DAY_S))
    if day_id is None:
        begun = [(season.began(civil), place) for place, season in enumerate(calendar.seasons)]
        begun = [each for each in begun if each[0] is not None]
        if not begun:
            return []
        week_name = calendar.seasons[max(begun)[1]].week
        week = {week.name: week for week in calendar.weeks}[week_name]
        day_id = week.day_ids[date_of(civil // DAY_S).weekday()]
    profile = {day.day_id: day for day in calendar.days}[day_id]
    return [action for action in profile.actions if action.second == civil % DAY_S]


@settings(deadline=None)
@given(calendars, specials, st.integers(0, 4 * 48))
def test_switching_times_are_those_that_looking_at_every_half_hour_finds(calendar, days, half_hours):
    def special_day(day):
        return day_id_on(days, day)

    civil = day_number(date_of(0).replace(2024, 6, 10)) * DAY_S + half_hours * 1800 + 60
    grid = range(civil // 1800 * 1800, civil + 3 * DAY_S, 1800)
    switches = {at: _naive_actions(calendar, at, special_day) for at in grid}
    ahead = [at for at, actions in switches.items() if actions and at >= civil]
    found = next_switch(calendar, civil, special_day)
    if ahead:
        assert found == ahead[0]
        assert list(actions_at(calendar, found, special_day)) == switches[found]
        assert last_switch(calendar, found, special_day) == found
        assert last_switch(calendar, found + 1799, special_day) == found
    else:
        assert found is None or found > grid[-1]


@settings(deadline=None, max_examples=25)
@given(calendars, specials)
def test_a_meter_does_what_the_walk_does(calendar, days):
    def special_day(day):
        return day_id_on(days, day)

    start = day_number(date_of(0).replace(2024, 6, 12)) * DAY_S
    meter = _bench(calendar, days=days, start_s=start - 2 * HOUR_S)  # midnight of the 12th in Amsterdam
    meter.wait(2 * 24 * HOUR_S)
    expected = [
        (at, action.script.selector)
        for at in range(start + 1800, start + 2 * DAY_S + 1, 1800)
        for action in _naive_actions(calendar, at, special_day)
    ]
    assert [selector for _when, selector in meter.meter.done] == [selector for _at, selector in expected]
    assert [when[11:16] for when, _ in meter.meter.done] == [
        f"{at % DAY_S // 3600:02}:{at % 3600 // 60:02}" for at, _ in expected
    ]


@given(calendars)
def test_tables_read_as_they_are_written_and_as_declared(calendar):
    declared = ActivityCalendar().interface_class
    for attribute, kind, entries in ((3, Season, calendar.seasons), (4, Week, calendar.weeks), (5, Day, calendar.days)):
        written = data.array(entry.to_data() for entry in entries)
        assert declared.mismatch(attribute, written) is None
        assert tuple(kind.from_data(entry) for entry in axdr.decode_all(axdr.encode(written)).value) == entries
