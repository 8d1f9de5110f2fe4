# ruff: noqa: DTZ003, DTZ007, DTZ011, DTZ012, S102, TID251 - what is banned is what is tested
"""Guards on the machine's clocks and chance: they refuse ours and serve libraries."""

import asyncio
import datetime
import inspect
import logging
import os
import random
import secrets
import sqlite3
import time
import types
import uuid
from datetime import UTC
from datetime import date as imported_date
from datetime import datetime as imported_datetime

import pydantic
import pytest
import sqlalchemy
import structlog

from hes.clock import SystemClock, utc
from hes.entropy import SystemEntropy
from sim import guards
from sim.clock import VirtualClock
from sim.errors import OutsideWorldError, SimulationError
from sim.loop import VirtualLoop
from sim.run_loop import run
from sim.streams import Streams

START = 1_900_000_000.0
REAL = (datetime.datetime,)  # in a tuple, where the guards do not find it


def guarded(work, seed=1):
    """Run `work()` under guards after a virtual hour."""
    loop = VirtualLoop()

    async def main():
        await asyncio.sleep(3600)
        result = work()
        return await result if inspect.isawaitable(result) else result

    with guards.installed(VirtualClock(loop, START), Streams(seed)):
        return run(main(), loop=loop)


def library(source):
    """A module that is not ours, with `source` as its text; returns its function `f`."""
    module = types.ModuleType("some_library.pool")
    exec(source, vars(module))
    return vars(module)["f"]


OURS_ASK = {
    "time.time": lambda: time.time(),
    "time.time_ns": lambda: time.time_ns(),
    "time.monotonic": lambda: time.monotonic(),
    "time.sleep": lambda: time.sleep(0),
    "datetime.now": lambda: imported_datetime.now(UTC),
    "datetime.utcnow": lambda: datetime.datetime.utcnow(),
    "date.today": lambda: imported_date.today(),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "uuid.uuid1": lambda: uuid.uuid1(),
    "os.urandom": lambda: os.urandom(4),
    "secrets.token_bytes": lambda: secrets.token_bytes(),
    "secrets.token_hex": lambda: secrets.token_hex(4),
    "secrets.randbelow": lambda: secrets.randbelow(4),
    "random.random": lambda: random.random(),
    "random.shuffle": lambda: random.shuffle([]),
    "random.gauss": lambda: random.gauss(0, 1),
    "random.seed": lambda: random.seed(1),
    "random.Random() without a seed": lambda: random.Random(),
    "time.time ": lambda: SystemClock().epoch_s(),
    "os.urandom ": lambda: object.__new__(SystemEntropy).octets(4),
    "random.Random() without a seed ": lambda: SystemEntropy(),
}


@pytest.mark.parametrize("what", sorted(OURS_ASK))
def test_our_own_code_may_not_ask_the_machine_and_is_told_what_to_use(what):
    def work():
        with pytest.raises(OutsideWorldError, match=r"line \d+ asked .*: (take|draw|await) ") as caught:
            OURS_ASK[what]()
        assert caught.value.fields["asked"] == what.strip()

    guarded(work)


LIBRARY_ASKS = {
    "time.time()": START + 3600,
    "time.time_ns()": int((START + 3600) * 1e9),
    "datetime.datetime.now(datetime.timezone.utc)": utc(START + 3600),
    "datetime.datetime.utcnow()": utc(START + 3600).replace(tzinfo=None),
    "datetime.datetime.now().timestamp()": START + 3600,
    "datetime.date.today()": imported_date.fromtimestamp(START + 3600),
}


@pytest.mark.parametrize("expression", sorted(LIBRARY_ASKS))
def test_libraries_get_virtual_civil_time(expression):
    asked = library(f"import datetime, time\ndef f(): return {expression}")
    assert guarded(asked) == LIBRARY_ASKS[expression]


@pytest.mark.parametrize(
    "expression",
    [
        "random.random()",
        "random.sample(range(99), 5)",
        "str(uuid.uuid4())",
        "os.urandom(8)",
        "secrets.token_hex(8)",
        "secrets.token_urlsafe()",
        "secrets.choice(range(10 ** 9))",
    ],
)
def test_libraries_draw_from_the_seed(expression):
    asked = library(f"import os, random, secrets, uuid\ndef f(): return {expression}")
    assert guarded(asked, seed=1) == guarded(asked, seed=1)
    assert guarded(asked, seed=1) != guarded(asked, seed=2)


def test_seeded_generators_are_free_to_anyone():
    assert guarded(lambda: random.Random(7).random()) == random.Random(7).random()


def test_everything_is_as_before_after_the_run_even_after_an_error():
    before = (
        time.time,
        datetime.datetime,
        imported_datetime,
        uuid.uuid4,
        random.random,
        os.urandom,
        random.Random.seed,
    )
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 / 0)
    after = (time.time, datetime.datetime, imported_datetime, uuid.uuid4, random.random, os.urandom, random.Random.seed)
    assert before == after
    assert imported_datetime is REAL[0]
    assert imported_datetime.now(UTC).year < 2100


def test_guards_are_installed_once_at_a_time():
    def work():
        loop = VirtualLoop()
        with (
            pytest.raises(SimulationError, match="installed already"),
            guards.installed(VirtualClock(loop, 0), Streams(1)),
        ):
            pytest.fail("installed twice")
        loop.close()

    guarded(work)
    guarded(lambda: None)


def test_dates_are_the_real_thing_while_guarded():
    def work():
        made = imported_datetime(2031, 5, 6, tzinfo=UTC)
        assert type(made) is REAL[0]
        assert isinstance(made, imported_datetime)
        assert isinstance(made, datetime.datetime)
        assert isinstance(made, imported_date)
        assert not isinstance(imported_date(2031, 5, 6), datetime.datetime)
        assert issubclass(datetime.datetime, datetime.date)
        assert type(utc(START)) is REAL[0]
        assert utc(START) == REAL[0].fromtimestamp(START, UTC)
        assert imported_datetime.fromisoformat("2031-05-06T00:00:00+00:00") == made
        assert imported_datetime.strptime("2031", "%Y") == REAL[0](2031, 1, 1)

        class Stamp(datetime.datetime):
            """As a library loaded during the run may define it."""

        assert type(Stamp(2031, 5, 6)) is Stamp
        assert not isinstance(made, Stamp)

    guarded(work)


def test_pydantic_sqlalchemy_and_sqlite_take_dates_while_guarded():
    def work():
        class Reading(pydantic.BaseModel):
            at: datetime.datetime
            day: imported_date

        reading = Reading.model_validate({"at": "2031-05-06T00:15:00Z", "day": "2031-05-06"})
        assert reading.at == REAL[0](2031, 5, 6, 0, 15, tzinfo=UTC)
        engine = sqlalchemy.create_engine("sqlite://")
        table = sqlalchemy.Table("t", sqlalchemy.MetaData(), sqlalchemy.Column("at", sqlalchemy.DateTime))
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(table.insert(), {"at": reading.at.replace(tzinfo=None)})
            stored = connection.execute(sqlalchemy.select(table.c.at)).scalar_one()
        engine.dispose()
        return stored

    assert guarded(work) == REAL[0](2031, 5, 6, 0, 15)


def test_sqlalchemys_pool_lives_in_virtual_time(tmp_path):
    def work():
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'store.db'}", pool_recycle=60)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
            record = connection.connection._connection_record
        engine.dispose()
        return record.starttime

    assert guarded(work) == START + 3600


def test_log_records_carry_virtual_civil_time(caplog):
    def work():
        logging.getLogger("some_library").warning("said")
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        return stamp(None, "info", {})["timestamp"]

    assert guarded(work).startswith("2030-03-17T18:46:40")
    assert [record.created for record in caplog.records] == [START + 3600]


def test_sqlite_itself_is_left_alone():
    def work():
        with sqlite3.connect(":memory:") as connection:
            answer = connection.execute("select 1").fetchone()
        connection.close()
        return answer

    assert guarded(work) == (1,)


def test_as_completed_starts_bare_coroutines_in_the_order_given():
    async def work():
        order = []

        async def worker(number):
            order.append(number)

        for done in asyncio.as_completed([worker(number) for number in range(500)]):
            await done
        return order

    assert guarded(work) == list(range(500))


def test_a_users_own_packages_can_be_guarded_too():
    asked = library("import time\ndef f(): return time.time()")
    loop = VirtualLoop()
    with (
        guards.installed(VirtualClock(loop, START), Streams(1), ours=[*guards.OURS, "some_library"]),
        pytest.raises(OutsideWorldError, match=r"some_library.pool"),
    ):
        asked()
    loop.close()
