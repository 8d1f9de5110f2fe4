"""Secrets stand in no hex: not in that of frames, nor in the plain values of the tree."""

import json
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu, axdr, data, security, wrapper
from hes.dlms.codes import DataAccessResult
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.frame import Kind
from hes.dlms.hdlc.link_flow import LLC_COMMAND, LLC_RESPONSE
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.hiding import HIDDEN, shown_hex, undecoded_hex
from hes.dlms.inspect.node import to_json
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys
from hes.dlms.tests import published

SECRET: Final = b"hush, not a word"
ASSOCIATION: Final = Obis.parse("0.0.40.0.1.255")
ENERGY: Final = Obis.parse("1.0.1.8.0.255")
ATTRIBUTE: Final = apdu.AttributeDescriptor(15, ASSOCIATION, 7)
METHOD: Final = apdu.MethodDescriptor(15, ASSOCIATION, 2)
VALUE: Final = axdr.encode(data.octets(SECRET))
CLIENT, SERVER = b"\x21", b"\x02\x23"
KEYS: Final = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)

AARQ: Final = bytes.fromhex(
    f"603ea1090607608574050801018a0207808b0760857405080201ac128010{SECRET.hex()}be10040e01000000065f1f0400007e1fffff"
)
AARQ_DEDICATED: Final = bytes.fromhex(f"602ea109060760857405080103be21041f010110{SECRET.hex()}0000065f1f0400007e1fffff")
SET: Final = apdu.SetRequestNormal(0xC1, ATTRIBUTE, VALUE).encode()


def hdlc(octets: bytes, *, segmented: bool = False, send: int = 0, answer: bool = False) -> bytes:
    ends = (CLIENT, SERVER) if answer else (SERVER, CLIENT)
    return frames.encode(*ends, frames.control(Kind.I, send=send), octets, segmented)


def in_segments(octets: bytes, size: int, *, answer: bool = False) -> list[bytes]:
    whole = (LLC_RESPONSE if answer else LLC_COMMAND) + octets
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]
    return [
        hdlc(part, segmented=number + 1 < len(parts), send=number % 8, answer=answer)
        for number, part in enumerate(parts)
    ]


def in_blocks(value: bytes) -> list[bytes]:
    parts = [value[:7], value[7:12], value[12:]]
    return [
        apdu.SetRequestFirstBlock(0xC1, ATTRIBUTE, b"", False, 1, parts[0]).encode(),
        apdu.SetRequestBlock(0xC1, False, 2, parts[1]).encode(),
        apdu.SetRequestBlock(0xC1, True, 3, parts[2]).encode(),
    ]


def answer_in_blocks() -> list[bytes]:
    parts = [VALUE[:9], VALUE[9:]]
    return [
        apdu.encode_get_request(0xC1, 15, ASSOCIATION, 7),
        apdu.GetResponseWithBlock(0xC1, False, 1, DataAccessResult.SUCCESS, parts[0]).encode(),
        apdu.GetResponseWithBlock(0xC1, True, 2, DataAccessResult.SUCCESS, parts[1]).encode(),
    ]


def in_general_blocks(octets: bytes) -> list[bytes]:
    parts = [octets[:17], octets[17:25], octets[25:]]
    return [
        apdu.GeneralBlock(number == len(parts), True, 3, number, 0, part).encode()
        for number, part in enumerate(parts, 1)
    ]


def damaged(frame: bytes) -> bytes:
    return frame[:-2] + bytes((frame[-2] ^ 1,)) + frame[-1:]


SESSIONS: Final[dict[str, Sequence[bytes]]] = {
    "AARQ": [AARQ],
    "AARQ in a wrapper": [wrapper.encode(16, 1, AARQ)],
    "AARQ in HDLC": [hdlc(LLC_COMMAND + AARQ)],
    "AARQ in a damaged frame": [damaged(hdlc(LLC_COMMAND + AARQ))],
    "AARQ that was cut": [wrapper.encode(16, 1, AARQ)[:-20]],
    "AARQ in segments": in_segments(AARQ, 40),
    "a damaged segment": [*in_segments(AARQ, 40)[:1], damaged(in_segments(AARQ, 40)[1])],
    "a dedicated key": [AARQ_DEDICATED],
    "a dedicated key that was cut": [AARQ_DEDICATED[:-16]],
    "SET": [SET],
    "SET of another type": [
        apdu.SetRequestNormal(0xC1, ATTRIBUTE, axdr.encode(data.structure(data.octets(SECRET)))).encode()
    ],
    "SET that was cut": [SET[:-1]],
    "SET in a damaged frame": [damaged(hdlc(LLC_COMMAND + SET))],
    "SET in segments": in_segments(SET, 20),
    "SET in blocks": in_blocks(VALUE),
    "SET in general blocks": in_general_blocks(SET),
    "SET with a list": [
        apdu.SetRequestWithList(
            0xC1,
            ((apdu.AttributeDescriptor(1, ENERGY, 2), b""), (ATTRIBUTE, b"")),
            (axdr.encode(data.u8(1)), VALUE),
        ).encode()
    ],
    "SET that is authenticated only": [
        b"\xc9" + axdr.encode_length(len(SET) + 17) + security.seal(0x10, KEYS, published.SERVER_TITLE, 1, SET)
    ],
    "ACTION": [apdu.ActionRequestNormal(0xC1, METHOD, VALUE).encode()],
    "GET": [
        apdu.encode_get_request(0xC1, 15, ASSOCIATION, 7),
        apdu.GetResponseNormal(0xC1, DataAccessResult.SUCCESS, VALUE).encode(),
    ],
    "GET in blocks": answer_in_blocks(),
    "GET in segments": [
        hdlc(LLC_COMMAND + apdu.encode_get_request(0xC1, 15, ASSOCIATION, 7)),
        *in_segments(apdu.GetResponseNormal(0xC1, DataAccessResult.SUCCESS, VALUE).encode(), 12, answer=True),
    ],
}


def told(session: Sequence[bytes], keys: InspectorKeys | None = None) -> str:
    """Everything that is said of a session, hex of its frames included, their secrets without gaps."""
    conversation = Conversation(keys)
    trees = [(frame, conversation.inspect(frame)) for frame in session]
    return " ".join(shown_hex(frame, tree) + json.dumps(to_json(tree)) for frame, tree in trees)


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize("keys", [None, InspectorKeys(encryption=bytes(16), authentication=bytes(16))])
def test_no_part_of_a_secret_is_shown(name: str, keys: InspectorKeys | None) -> None:
    said = told(SESSIONS[name], keys)
    parts = [SECRET[start : start + 3].hex() for start in range(len(SECRET) - 2)]
    assert not [part for part in parts if part in said]
    assert HIDDEN in said


def test_octets_beside_the_secret_are_shown() -> None:
    expected = AARQ.hex().replace(SECRET.hex(), HIDDEN * len(SECRET))
    assert shown_hex(AARQ, Conversation().inspect(AARQ)) == expected
    assert shown_hex(SET, Conversation().inspect(SET)) == SET.hex().replace(SECRET.hex(), HIDDEN * len(SECRET))
    assert shown_hex(SET, Conversation().inspect(SET), " ").startswith(
        "c1 01 c1 00 0f 00 00 28 00 01 ff 07 00 09 10 **"
    )


def test_a_challenge_and_other_values_are_shown() -> None:
    challenge = AARQ.replace(bytes.fromhex("60857405080201"), bytes.fromhex("60857405080205"))
    other = apdu.SetRequestNormal(0xC1, apdu.AttributeDescriptor(1, ENERGY, 2), VALUE).encode()
    for session in ([challenge], [other], in_segments(other, 20), in_general_blocks(other)):
        assert HIDDEN not in told(session)
        assert all(frame.hex() in told(session) for frame in session)


def test_a_password_in_octets_that_nobody_could_decode_is_hidden() -> None:
    assert undecoded_hex(b"\x55" + AARQ) == "55" + AARQ.hex().replace(SECRET.hex(), HIDDEN * len(SECRET))


_SPREAD: Final[dict[str, Callable[[int], list[bytes]]]] = {
    "AARQ": lambda size: in_segments(AARQ, size),
    "SET": lambda size: in_segments(SET, size),
}


@given(st.sampled_from(sorted(_SPREAD)), st.integers(16, 60))
def test_segments_of_any_size_hide_it(name: str, size: int) -> None:
    said = told(_SPREAD[name](size))
    assert not [start for start in range(len(SECRET) - 3) if SECRET[start : start + 4].hex() in said]
