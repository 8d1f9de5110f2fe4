"""The tree shows what an inspector that nobody here wrote shows: the translator of gurux-dlms, field by field.

Compared are the numbers and octets in the order in which they stand; how fields are called differs. Left out is what
the translator cannot do (docs/interop.md: exception code 6, optional AARQ fields, general-ciphering), what it writes in
words (exceptions), and what our tree keeps to itself (keys).
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from gurux_dlms import GXDLMSTranslator
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms import apdu, axdr, data
from hes.dlms.apdu import (
    AccessKind,
    AccessRequest,
    AccessSpecification,
    AttributeDescriptor,
    GeneralBlock,
    GetResponseNormal,
    MethodDescriptor,
)
from hes.dlms.codes import DataAccessResult
from hes.dlms.data import Data
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.node import faults, to_json
from hes.dlms.obis import Obis

PUBLISHED = {
    "get clock": "C0010000080000010000FF0200",
    "set clock": "C101C100080000010000FF0200090C07E80C0F070C1E00FF800000",
    "get with list": "C003C10200030100010800FF020000030100020800FF0200",
    "pass 3": "C301C1000F0000280000FF0101091110000000011A52FE7DD3E72748973C1E28",
    "pass 4": "C701C100010009111001234567FE1466AFB3DBCD4F9389E2B7",
    "disconnect": "C301C10046000060030AFF01010F00",
    "reconnect": "C301C10046000060030AFF02010F00",
    "notification": "0F000000010C07E80C0F070C1E00FF800000020209060000010000FF0600000001",
    "access": "D94000000100010100030100010800FF020100",
    "general block": "E0010001000019C401C1000928000102030405060708090A0B0C0D0E0F101112",
    "last general block": "E0810002000115131415161718191A1B1C1D1E1F2021222324252627",
}
HEX = re.compile(r'Value="([0-9A-F]*)"')


def of_gurux(octets: bytes) -> list[int]:
    translator = GXDLMSTranslator()
    translator.showStringAsHex = True
    return [int(found, 16) for found in HEX.findall(translator.pduToXml(octets)) if found]


def of_ours(octets: bytes) -> list[int]:
    node = Conversation().inspect_apdu(octets)
    assert not list(faults(node))
    return list(_numbers(to_json(node)))


def _numbers(tree: dict[str, Any]) -> Iterator[int]:
    yield from _plain(tree.get("plain"), tree.get("type", ""))
    for child in tree.get("children", ()):
        yield from _numbers(child)


def _plain(plain: Any, type_name: str) -> Iterator[int]:
    if isinstance(plain, dict):  # a descriptor
        if "class_id" in plain:
            yield plain["class_id"]
            yield int.from_bytes(Obis.parse(plain["obis"]), "big")
            yield plain.get("attribute", plain.get("method", 0)) & 0xFF
    elif isinstance(plain, bool | int):
        size = {"integer": 8, "long": 16, "double-long": 32, "long64": 64}.get(type_name, 64)
        yield int(plain) & ((1 << size) - 1)
    elif isinstance(plain, str):
        text = plain.encode().hex() if type_name in ("visible-string", "utf8-string") else plain
        if type_name == "bit-string":
            return
        yield int(text or "0", 16)


def is_in_order(wanted: list[int], held: list[int]) -> bool:
    rest = iter(held)
    return all(number in rest for number in wanted)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_apdus_show_the_numbers_that_the_translator_shows(name: str) -> None:
    octets = bytes.fromhex(PUBLISHED[name])
    theirs, ours = of_gurux(octets), of_ours(octets)
    assert theirs
    assert is_in_order(theirs, ours), (theirs, ours)


SCALARS = st.one_of(
    st.integers(0, 2**32 - 1).map(data.u32),
    st.integers(-(2**15), 2**15 - 1).map(data.i16),
    st.integers(0, 255).map(data.u8),
    st.integers(0, 255).map(data.enum),
    st.binary(min_size=1, max_size=20).map(data.octets),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda held: data.structure(*held)), max_leaves=8
)
OBIS = st.binary(min_size=6, max_size=6)
ATTRIBUTES = st.builds(  # the translator knows classes that have a name only
    AttributeDescriptor, st.sampled_from((1, 3, 4, 5, 8, 70)), OBIS, st.integers(1, 20)
)
INVOKES = st.integers(0, 255)


def _access(kinds: list[tuple[AttributeDescriptor, Data]]) -> bytes:
    specifications = tuple(AccessSpecification(AccessKind.SET, attribute) for attribute, _ in kinds)
    values = tuple(axdr.encode(value) for _, value in kinds)
    return AccessRequest(0x40000001, b"", specifications, values).encode()


APDUS = st.one_of(
    st.builds(lambda invoke, each: apdu.encode_get_request(invoke, *each), INVOKES, ATTRIBUTES),
    st.builds(
        lambda invoke, value: GetResponseNormal(invoke, DataAccessResult.SUCCESS, axdr.encode(value)).encode(),
        INVOKES,
        VALUES,
    ),
    st.builds(
        lambda invoke, each, value: apdu.SetRequestNormal(
            invoke=invoke, attribute=each, selection=b"", data=axdr.encode(value)
        ).encode(),
        INVOKES,
        ATTRIBUTES,
        VALUES,
    ),
    st.builds(
        lambda invoke, each, value: apdu.ActionRequestNormal(
            invoke, MethodDescriptor(*each), axdr.encode(value)
        ).encode(),
        INVOKES,
        ATTRIBUTES,
        VALUES,
    ),
    st.builds(
        lambda last, number, raw: GeneralBlock(last, False, 1, number, 0, raw).encode(),
        st.booleans(),
        st.integers(2, 0xFFFF),  # block 1, when it is the last, is put together and read as an APDU, which this is not
        st.binary(min_size=1, max_size=30),
    ),
    st.lists(st.tuples(ATTRIBUTES, VALUES), min_size=1, max_size=3).map(_access),
)


@settings(max_examples=60, deadline=None)
@given(APDUS)
def test_any_apdu_shows_the_numbers_that_the_translator_shows(octets: bytes) -> None:
    theirs, ours = of_gurux(octets), of_ours(octets)
    assert is_in_order(theirs, ours), (theirs, ours)
