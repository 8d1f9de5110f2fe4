"""Hypothesis strategies for COSEM data, and what several tests here compare."""

import itertools
import struct
from functools import cache

from hypothesis import strategies as st

from hes.dlms.data import CompactArray, Data, Tag, TypeDescription
from hes.errors import RemoteProtocolError

INTEGERS = {
    Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    Tag.BCD: (0, 255),
    Tag.INTEGER: (-128, 127),
    Tag.LONG: (-(2**15), 2**15 - 1),
    Tag.UNSIGNED: (0, 255),
    Tag.LONG_UNSIGNED: (0, 2**16 - 1),
    Tag.LONG64: (-(2**63), 2**63 - 1),
    Tag.LONG64_UNSIGNED: (0, 2**64 - 1),
    Tag.ENUM: (0, 255),
    Tag.DELTA_INTEGER: (-128, 127),
    Tag.DELTA_LONG: (-(2**15), 2**15 - 1),
    Tag.DELTA_DOUBLE_LONG: (-(2**31), 2**31 - 1),
    Tag.DELTA_UNSIGNED: (0, 255),
    Tag.DELTA_LONG_UNSIGNED: (0, 2**16 - 1),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
}
LATIN_1 = st.characters(min_codepoint=0, max_codepoint=255)
UTF_8 = st.characters(codec="utf-8")
VALUES = {
    **{tag: st.integers(low, high) for tag, (low, high) in INTEGERS.items()},
    Tag.NULL: st.none(),
    Tag.DONT_CARE: st.none(),
    Tag.BOOLEAN: st.booleans(),
    Tag.BIT_STRING: st.text("01", max_size=40),
    Tag.OCTET_STRING: st.binary(max_size=20) | st.binary(min_size=126, max_size=130),
    Tag.VISIBLE_STRING: st.text(LATIN_1, max_size=20) | st.text(LATIN_1, min_size=126, max_size=130),
    Tag.UTF8_STRING: st.text(UTF_8, max_size=20),
    Tag.FLOAT32: st.floats(width=32, allow_nan=False),
    Tag.FLOAT64: st.floats(allow_nan=False),
    Tag.DATE_TIME: st.binary(min_size=12, max_size=12),
    Tag.DATE: st.binary(min_size=5, max_size=5),
    Tag.TIME: st.binary(min_size=4, max_size=4),
}
SCALAR_TAGS = sorted(VALUES)


def scalars(tags=SCALAR_TAGS):
    return _scalars(tuple(tags))


@cache  # hypothesis looks through a strategy once: one that is made anew each time costs milliseconds
def _scalars(tags):
    return st.one_of([_scalar(tag) for tag in tags])


@cache
def _scalar(tag):
    return st.builds(Data, st.just(tag), VALUES[tag])


def containers(items):
    many = st.lists(items, max_size=6).map(tuple)
    return st.builds(Data, st.sampled_from((Tag.ARRAY, Tag.STRUCTURE)), many)


@cache
def descriptions(depth=2):
    simple = st.sampled_from(SCALAR_TAGS).map(TypeDescription)
    if not depth:
        return simple
    held = descriptions(depth - 1)
    return st.one_of(
        simple,
        st.builds(lambda count, one: TypeDescription(Tag.ARRAY, count, (one,)), st.integers(0, 4), held),
        st.builds(lambda members: TypeDescription(Tag.STRUCTURE, 0, tuple(members)), st.lists(held, max_size=4)),
    )


def described(description):
    """Data that follow one description of a compact array."""
    if description.tag == Tag.ARRAY:
        members = st.tuples(*[described(description.elements[0])] * description.count)
    elif description.tag == Tag.STRUCTURE:
        members = st.tuples(*map(described, description.elements))
    else:
        return _scalar(description.tag)
    return st.builds(Data, st.just(description.tag), members)


@st.composite
def compact_arrays(draw):
    from hes.dlms.compact_array import MEMBERS_WITHOUT_OCTETS_MAX, weigh

    description = draw(descriptions())
    octet_count, empty_count = weigh(description)
    wanted = 0 if empty_count > MEMBERS_WITHOUT_OCTETS_MAX * octet_count else 4
    elements = draw(st.lists(described(description), max_size=wanted))
    return Data(Tag.COMPACT_ARRAY, CompactArray(description, tuple(elements)))


def data(tags=SCALAR_TAGS, *, compact=True):
    return _data(tuple(tags), compact)


@cache
def _data(tags, compact):
    base = scalars(tags) | compact_arrays() if compact else scalars(tags)
    return st.recursive(base, containers, max_leaves=20)


def damaged(encodings):
    """Encodings with an octet changed, octets cut off, put in or left over; sometimes unharmed."""

    @st.composite
    def damage(draw):
        octets = bytearray(draw(encodings))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, max(0, len(octets) - 1)))
            how = draw(st.sampled_from(("change", "cut", "insert", "append")))
            if how == "change" and octets:
                octets[at] = draw(st.integers(0, 255))
            elif how == "cut":
                del octets[at:]
            elif how == "insert":
                octets[at:at] = draw(st.binary(max_size=3))
            else:
                octets += draw(st.binary(max_size=3))
        return bytes(octets)

    return damage()


def chunks(octets, cuts):
    """`octets` cut at the offsets `cuts` (any numbers)."""
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    return [octets[low:high] for low, high in itertools.pairwise(edges)]


def outcome(reader, octets):
    """What `reader` makes of `octets`, or None for a refusal that says where; any other exception fails the test."""
    try:
        return reader(octets)
    except RemoteProtocolError as error:
        refusal = error
    assert refusal.octet_offset is not None
    assert 0 <= refusal.octet_offset <= len(octets)
    return None


def comparable(value):
    """A plain value in which NaN equals itself, floats keep their octets, and bool is not int."""
    if isinstance(value, (list, tuple)):
        return type(value)(comparable(item) for item in value)
    if isinstance(value, float):
        return ("float", struct.pack(">d", value))
    return (type(value).__name__, value)


def as_lists(value):
    """Structures as lists and octet-strings as bytes: how the other implementations show them."""
    if isinstance(value, (list, tuple)):
        return [as_lists(item) for item in value]
    if isinstance(value, bytearray):
        return bytes(value)
    return value
