"""Whatever a client with all rights writes and calls, in whatever order: nothing breaks, and all is read."""

from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hes.dlms import axdr
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Context
from hes.dlms.cosem.cosem_object import ActionReply
from hes.dlms.cosem.tests.reference_device import MANAGER, ReferenceMeter, device
from hes.dlms.cosem.value_types import Meaning
from hes.dlms.data import Data, Tag
from hes.dlms.tests import strategies

NOW_S = 1_734_264_000.0
DEVICE = device()
NAMES = [bytes(entry.logical_name) for entry in DEVICE]
PLAYED = [entry for entry in DEVICE if type(entry).__name__ != "GenericObject"]
LENGTHS_MAX = 24

date_times = st.sampled_from(
    [
        "07e80c0f070c00000080000000"[:24],
        "07e80c0fff0c0a0000800000",
        "ffffffffff0100ff00800000",
        "ffffff01ff000000ff8000ff",
        "ffff02fdff173b3b63800000",
        "ffffffffffffffffff8000ff",
        "fffffefeff02000000800000",
        "270fffffffffffffff05a0ff",
    ]
).map(bytes.fromhex)


def values(kind, depth=4):
    """Data of that type, extremes included."""
    if kind.choices:
        return st.one_of([values(choice, depth) for choice in kind.choices])
    if kind.members:
        return st.tuples(*[values(member, depth - 1) for _name, member in kind.members]).map(
            lambda held: Data(Tag.STRUCTURE, held)
        )
    if kind.each is not None:
        return st.lists(values(kind.each, depth - 1), max_size=3).map(lambda held: Data(Tag.ARRAY, tuple(held)))
    if kind.meaning is Meaning.LOGICAL_NAME:
        return st.sampled_from(NAMES).map(lambda name: Data(Tag.OCTET_STRING, name))
    if kind.meaning is Meaning.DATE_TIME:
        return date_times.map(lambda octets: Data(min(kind.tags), octets))
    if not kind.tags:
        return strategies.data()
    if kind.lengths and kind.tags & {Tag.OCTET_STRING, Tag.BIT_STRING}:
        length = min(kind.lengths)
        if Tag.BIT_STRING in kind.tags:
            return st.text("01", min_size=length, max_size=length).map(lambda held: Data(Tag.BIT_STRING, held))
        return st.binary(min_size=length, max_size=length).map(lambda held: Data(Tag.OCTET_STRING, held))
    if kind.words and kind.tags == {Tag.ENUM}:
        return st.sampled_from([*kind.words, 255]).map(lambda held: Data(Tag.ENUM, held))
    return strategies.scalars(sorted(kind.tags & set(strategies.SCALAR_TAGS)) or [Tag.NULL])


def calls():
    """(object, attribute or method, is a method) of everything that can be written or invoked."""
    for target in PLAYED:
        yield from ((target, index, False) for index, entry in target.attributes.items() if entry.set is not None)
        yield from ((target, index, True) for index in target.methods)


CALLS = list(calls())


@cache
def parameters(number):
    """Mostly of the type that is wanted."""
    target, index, is_method = CALLS[number]
    declared = target.interface_class
    kind = values(declared.method_type(index) if is_method else declared.attribute_type(index))
    return st.one_of(kind, kind, kind, strategies.data())


@st.composite
def steps(draw):
    """(number of a call, value, seconds that pass after it)."""
    number = draw(st.integers(0, len(CALLS) - 1))
    return number, draw(parameters(number)), draw(st.sampled_from([0.0, 0.5, 61.0, 3700.0]))


@settings(
    max_examples=settings.default.max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(steps(), min_size=1, max_size=8))
def test_no_write_call_or_passing_of_time_breaks_an_object(asked):
    meter, now_s = ReferenceMeter(), NOW_S
    DEVICE.next_deadline(meter, now_s)
    for number, value, seconds in asked:
        target, index, is_method = CALLS[number]
        context = Context(instance=meter, device=DEVICE, client=MANAGER, now_s=now_s)
        encoded = axdr.encode(value)
        if is_method:
            reply = target.act(context, index, encoded)
            assert isinstance(reply, ActionReply)
            assert isinstance(reply.result, ActionResult)
            if reply.data is not None:
                axdr.decode_all(reply.data)
        else:
            assert isinstance(target.set(context, index, encoded), DataAccessResult)
        now_s += seconds
        DEVICE.run_due(meter, now_s)
    context = Context(instance=meter, device=DEVICE, client=MANAGER, now_s=now_s)
    for target in PLAYED:
        for index in target.attributes:
            encoded = target.get(context, index)
            if isinstance(encoded, bytes):
                axdr.decode_all(encoded)
