"""Which invocation counter is the client's, as far as the public client can tell."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from hes.cli.send_counter import SendCounter, counters_seen
from hes.dlms import axdr, data
from hes.dlms.codes import DataAccessResult
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.errors import AccessDenied, ConfigError
from hes.protocols.dlms_cosem import DlmsSession

USUAL, OTHER = Obis.parse("0.0.43.1.0.255"), Obis.parse("0.0.43.1.1.255")
CURRENT, OF_CLIENT = Obis.parse("0.0.40.0.0.255"), Obis.parse("0.0.40.0.1.255")
SETUP = Obis.parse("0.0.43.0.1.255")
COUNTERS = {(1, USUAL, 2): data.u32(5000), (1, OTHER, 2): data.u32(46)}
CLIENT = 1


def listed(class_id: int, obis: Obis) -> Data:
    rights = data.structure(data.array(()), data.array(()))
    return data.structure(data.u16(class_id), data.u8(0), data.octets(obis), rights)


class Public:
    """Gives what it has and refuses the rest."""

    def __init__(self, values: Mapping[tuple[int, Obis, int], Data]) -> None:
        self.values = dict(values)
        objects = dict.fromkeys((class_id, obis) for class_id, obis, _ in self.values)
        self.values[15, CURRENT, 2] = data.array(listed(class_id, obis) for class_id, obis in objects)

    async def get(self, class_id: int, obis: bytes, attribute: int) -> bytes:
        value = self.values.get((class_id, Obis(obis), attribute))
        if value is None:
            raise AccessDenied(f"refused {obis.hex()}", result=DataAccessResult.READ_WRITE_DENIED)
        return axdr.encode(value)


def seen(public: Public) -> Any:
    return asyncio.run(counters_seen(cast("DlmsSession", public), CLIENT, USUAL))


def test_the_association_of_the_client_says_which_counter_it_is() -> None:
    partners = data.structure(data.i8(CLIENT), data.u16(1))
    found = seen(Public(COUNTERS | {(15, OF_CLIENT, 3): partners, (15, OF_CLIENT, 9): data.octets(SETUP)}))
    assert (found.certain, str(found)) == (True, "0.0.43.1.1.255 = 46")


def test_without_it_every_counter_may_be_meant_and_the_lowest_comes_first() -> None:
    found = seen(Public(COUNTERS))
    assert (found.certain, found.differ) == (False, True)
    assert [each.name for each in found.usable] == [OTHER, USUAL]
    assert (found.lowest_above(48), found.lowest_above(5002)) == (5001, 0)


def test_a_list_that_is_refused_leaves_the_usual_counter() -> None:
    public = Public({(1, USUAL, 2): data.u32(7)})
    del public.values[15, CURRENT, 2]
    assert str(seen(public)) == "0.0.43.1.0.255 = 7"


def test_where_no_counter_is_given_the_usual_one_is_named() -> None:
    with pytest.raises(AccessDenied, match=USUAL.hex()):
        seen(Public({}))


def test_a_counter_that_runs_out_on_the_way_says_what_to_do() -> None:
    counter = SendCounter(INVOCATION_COUNTER_MAX - 1, CLIENT)
    assert counter.take() == INVOCATION_COUNTER_MAX - 1
    with pytest.raises(ConfigError, match="counter of client 1 has run out: its keys"):
        counter.take()
