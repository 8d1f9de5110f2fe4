"""Whole sessions: who asked what and what came back, blocks of every kind, what a device said of its own objects."""

from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu, axdr, data
from hes.dlms.apdu import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessSpecification,
    AttributeDescriptor,
    DataBlock,
    DataNotification,
    GeneralBlock,
    GetResponseNormal,
    MethodDescriptor,
    ReadBlockNumber,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
)
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.data import Data
from hes.dlms.inspect.brief import brief
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.node import Node, faults, render_text, to_json
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.dlms.obis import Obis
from hes.dlms.security import SecurityControl, seal, wrap_key
from hes.dlms.security.gcm import EncryptionKeys
from hes.dlms.security.general import Head, IdentifiedKey, WrappedKey, encode_general_ciphering, signed_octets
from hes.dlms.security.general import encode_general_signing as encode_signing
from hes.dlms.tests import published

CLOCK, ENERGY, PROFILE = (Obis.parse(text) for text in ("0.0.1.0.0.255", "1.0.1.8.0.255", "1.0.99.1.0.255"))
RELAY, PUSH, ASSOCIATION = (Obis.parse(text) for text in ("0.0.96.3.10.255", "0.0.25.9.0.255", "0.0.40.0.0.255"))
TIME = bytes.fromhex("07E80C0F070C1E00FF800000")
CLIENT, METER = "client", "meter"


class Session:
    """Both sides of one conversation, frame by frame."""

    def __init__(self, keys: InspectorKeys | None = None, known: Knowledge | None = None) -> None:
        self.conversation = Conversation(keys, known)
        self.frames = 0

    def __call__(self, octets: bytes, sender: str) -> Node:
        self.frames += 1
        return self.conversation.inspect(octets, place=f"#{self.frames}", sender=sender)

    def get(self, class_id: int, obis: bytes, attribute: int, value: Data) -> Node:
        self(apdu.encode_get_request(0xC1, class_id, obis, attribute), CLIENT)
        return self(GetResponseNormal(0xC1, DataAccessResult.SUCCESS, axdr.encode(value)).encode(), METER)


def texts(node: Node) -> list[str]:
    return [line.strip() for line in render_text(node, types=False).splitlines()]


def labelled(node: Node, label: str) -> list[Node]:
    found = [node] if node.label == label else []
    return found + [each for child in node.children for each in labelled(child, label)]


def scaler_unit(scaler: int, unit: int) -> Data:
    return data.structure(data.i8(scaler), data.enum(unit))


def captured(*columns: tuple[int, bytes, int]) -> Data:
    return data.array(
        data.structure(data.u16(class_id), data.octets(obis), data.i8(attribute), data.u16(0))
        for class_id, obis, attribute in columns
    )


def test_an_answer_names_the_frame_and_the_request_that_it_belongs_to() -> None:
    session = Session()
    node = session.get(3, ENERGY, 2, data.u32(5))
    (answers,) = labelled(node, "answers")
    assert answers.value == "#1 get-request normal, 3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total"
    assert answers.plain == {"frame": "#1", "request": "get-request normal", "about": ["3/1.0.1.8.0.255/2"]}
    assert session.conversation.unanswered == []


def test_requests_without_an_answer_are_remembered_and_repetitions_are_not_two() -> None:
    session = Session()
    request = apdu.encode_get_request(0xC1, 3, ENERGY, 2)
    session(request, CLIENT)
    assert "note: repeats #1" in texts(session(request, CLIENT))
    session(apdu.encode_get_request(0xC1, 3, ENERGY, 3), CLIENT)
    session(apdu.encode_get_request(0x82, 8, CLOCK, 2), CLIENT)  # unconfirmed: nobody waits
    assert [asked.place for asked in session.conversation.unanswered] == ["#2", "#3"]
    session(bytes.fromhex("D80102"), METER)
    assert len(session.conversation.unanswered) == 1, "an exception answers what was asked last"


def test_units_that_were_said_before_are_applied_and_the_raw_number_stays() -> None:
    session = Session()
    assert "raw" not in labelled(session.get(3, ENERGY, 2, data.u32(1234)), "answers")[0].value
    session.get(3, ENERGY, 3, scaler_unit(-1, 30))
    (value,) = [child for child in session.get(3, ENERGY, 2, data.u32(1234)).children if child.scaled]
    assert (value.value, value.plain, value.scaled, value.unit) == ("123.4 Wh (raw 1234)", 1234, "123.4", "Wh")
    assert {"scaled": "123.4", "unit": "Wh"}.items() <= to_json(value).items()


def test_a_device_profile_says_units_where_the_session_does_not() -> None:
    known = Knowledge(scaler_units={(3, bytes(ENERGY), 3): ScalerUnit(0, 30)})
    assert any("5 Wh" in line for line in texts(Session(known=known).get(3, ENERGY, 2, data.u32(5))))
    assert Session(known=known).conversation is not None
    assert known.scaler_units == {(3, bytes(ENERGY), 3): ScalerUnit(0, 30)}, "a session learns in a copy"


def test_rows_of_a_profile_have_headings_units_and_what_null_data_stands_for() -> None:
    session = Session()
    session.get(3, ENERGY, 3, scaler_unit(-3, 30))
    session.get(7, PROFILE, 3, captured((8, CLOCK, 2), (3, ENERGY, 2)))
    session.get(7, PROFILE, 4, data.u32(900))
    rows = data.array(
        [
            data.structure(data.octets(TIME), data.u32(1500)),
            data.structure(data.null(), data.null()),
            data.structure(data.null(), data.u32(1750)),
        ]
    )
    node = session.get(7, PROFILE, 2, rows)
    (buffer,) = [child for child in node.children if child.table is not None]
    assert buffer.table is not None
    assert buffer.table.headings == (
        "0.0.1.0.0.255 (clock)", "1.0.1.8.0.255 (active energy import (+A), total) [Wh]",
    )  # fmt: skip
    assert [row[1] for row in buffer.table.rows] == ["1.500", "1.500", "1.750"]
    assert [row[0][-8:] for row in buffer.table.rows] == ["12:30:00", "12:45:00", "13:00:00"]
    assert [child.children[1].plain for child in buffer.children] == [1500, None, 1750], "programs get what was sent"
    assert "null-data filled in" in buffer.value


def test_the_columns_of_a_selection_are_those_that_were_asked_for() -> None:
    session = Session()
    session.get(7, PROFILE, 3, captured((8, CLOCK, 2), (3, ENERGY, 2)))
    wanted = data.structure(
        captured((8, CLOCK, 2)).value[0], data.octets(TIME), data.octets(TIME), captured((3, ENERGY, 2))
    )
    session(apdu.encode_get_request(0xC1, 7, PROFILE, 2, b"\x01" + axdr.encode(wanted)), CLIENT)
    rows = axdr.encode(data.array([data.structure(data.u32(7))]))
    lines = texts(session(GetResponseNormal(0xC1, DataAccessResult.SUCCESS, rows).encode(), METER))
    assert "[1] 1.0.1.8.0.255 (active energy import (+A), total)" in lines
    assert any("from Sun 2024-12-15 12:30:00 to Sun 2024-12-15 12:30:00" in line for line in lines)


def test_an_object_list_is_a_table_and_gives_classes_their_version() -> None:
    def element(class_id: int, version: int, obis: bytes, attributes: dict[int, int], methods: dict[int, int]) -> Data:
        rights = data.structure(
            data.array(
                data.structure(data.i8(index), data.enum(mode), data.null()) for index, mode in attributes.items()
            ),
            data.array(data.structure(data.i8(index), data.enum(mode)) for index, mode in methods.items()),
        )
        return data.structure(data.u16(class_id), data.u8(version), data.octets(obis), rights)

    session = Session()
    listed = data.array(
        [
            element(15, 1, ASSOCIATION, {1: 1, 2: 1, 7: 0}, {1: 1}),
            element(3, 0, ENERGY, {1: 1, 2: 1, 3: 1}, {1: 0}),
            element(8, 0, CLOCK, {1: 1, 2: 3}, {5: 1, 6: 1}),
            element(64, 1, Obis.parse("0.0.43.0.0.255"), {1: 1, 6: 1}, {}),
        ]
    )
    lines = [line.split("  ") for line in texts(session.get(15, ASSOCIATION, 2, listed))]
    rights = {line[0]: line[-1].strip() for line in lines}
    assert (rights["15"], rights["3"], rights["8"]) == ("1-2 r, call 1", "1-3 r", "1 r, 2 rw, call 5-6")
    asked = session(apdu.encode_get_request(0xC1, 64, Obis.parse("0.0.43.0.0.255"), 6), CLIENT)
    assert "Security setup.certificates" in render_text(asked)


def test_access_names_every_value_and_every_result() -> None:
    session = Session()
    specifications = (
        AccessSpecification(AccessKind.GET, AttributeDescriptor(3, ENERGY, 2)),
        AccessSpecification(AccessKind.GET, AttributeDescriptor(3, ENERGY, 3)),
        AccessSpecification(AccessKind.ACTION, MethodDescriptor(70, RELAY, 1)),
    )
    session(AccessRequest(0x40000007, b"", specifications, (b"\0", b"\0", b"\x0f\0")).encode(), CLIENT)
    values = (axdr.encode(data.u32(1234567)), axdr.encode(scaler_unit(-1, 30)), b"\0")
    results = (
        (AccessKind.GET, DataAccessResult.SUCCESS),
        (AccessKind.GET, DataAccessResult.READ_WRITE_DENIED),
        (AccessKind.ACTION, ActionResult.SUCCESS),
    )
    lines = texts(session(AccessResponse(0x40000007, b"", None, values, results).encode(), METER))
    energy = "3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total"
    assert f"[0] {energy}: 123456.7 Wh (raw 1234567)" in lines, "the unit behind it in the same answer counts"
    assert "result [1] of 3/1.0.1.8.0.255/3: read-write-denied (3)" in lines
    assert "result [2] of 70/0.0.96.3.10.255 method 1: success (0)" in lines
    assert session.conversation.unanswered == []


def test_a_frame_in_one_line_says_what_it_asks_or_answers() -> None:
    session = Session()
    asked = session(apdu.encode_get_request(0xC1, 3, ENERGY, 2), CLIENT)
    energy = "3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total"
    assert brief(asked) == f"get-request normal: {energy}"
    got = session(GetResponseNormal(0xC1, DataAccessResult.SUCCESS, axdr.encode(data.u32(5))).encode(), METER)
    assert brief(got) == f"get-response normal to #1: {energy}: 5"
    refused = session(bytes.fromhex("D80102"), METER)
    assert brief(refused).startswith("exception-response: state error service-not-allowed (1); service error")
    assert any("not in this state" in line for line in texts(refused))
    selection = b"\x02" + axdr.encode(data.structure(data.u32(1), data.u32(9), data.u16(1), data.u16(0)))
    chosen = session(apdu.encode_get_request(0xC1, 7, PROFILE, 2, selection), CLIENT)
    assert brief(chosen).endswith("load profile 1; from entry 1 to entry 9")
    assert brief(session(bytes.fromhex("C401C1"), METER)).count("!!") == 1


# -- blocks ----------------------------------------------------------------------------------------------------------

WHOLE = GetResponseNormal(0xC1, DataAccessResult.SUCCESS, axdr.encode(data.octets(bytes(range(60))))).encode()
PARTS = [WHOLE[start : start + 20] for start in range(0, len(WHOLE), 20)]


def general(number: int, *, last: bool = False, data_: bytes | None = None) -> bytes:
    return GeneralBlock(last, not last, 3, number, 0, PARTS[number - 1] if data_ is None else data_).encode()


def test_general_blocks_are_put_together_whatever_was_lost_repeated_or_late() -> None:
    session = Session()
    session(apdu.encode_get_request(0xC1, 1, ENERGY, 2), CLIENT)
    session(general(1), METER)
    assert "note: of this message block 2 is missing so far" in texts(session(general(3), METER))
    session(general(4, last=True), METER)
    ack = GeneralBlock(last=True, streaming=False, window=3, number=1, acknowledged=1).encode()
    assert "note: blocks 2 to 4 are wanted" in texts(session(ack, CLIENT))
    assert "note: repeats block 3" in texts(session(general(3), METER))
    lines = texts(session(general(2), METER))
    assert "note: comes late and fills the gap" in lines
    assert any(line.startswith("answers: #1 get-request normal") for line in lines)
    assert "note: repeats block 4" in texts(session(general(4, last=True), METER))
    assert "block control: last, window 3" in texts(session(ack, CLIENT))


@given(st.permutations([1, 2, 3, 4]), st.lists(st.integers(1, 4), max_size=6))
def test_general_blocks_come_together_once_in_any_order(order: list[int], repeated: list[int]) -> None:
    session = Session()
    wholes = [
        whole
        for number in [*order[:2], *(each for each in repeated if each in order[:2] and each > 1), *order[2:]]
        for whole in labelled(session(general(number, last=number == 4), METER), "get-response normal")
    ]
    assert [len(labelled(whole, "value")) for whole in wholes] == [1]


def test_blocks_of_both_sides_are_kept_apart_and_a_message_may_be_ciphered() -> None:
    keys = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
    sealed = seal(0x30, keys, published.SERVER_TITLE, 5, WHOLE)
    whole = bytes((0xDB, 8)) + published.SERVER_TITLE + axdr.encode_length(len(sealed)) + sealed
    session = Session(InspectorKeys(encryption=published.ENCRYPTION_KEY, authentication=published.AUTHENTICATION_KEY))
    session(general(1, data_=whole[:30]), METER)
    session(general(1, data_=b"\xc0\x01"), CLIENT)
    node = session(GeneralBlock(True, False, 1, 2, 1, whole[30:]).encode(), METER)
    assert labelled(node, "get-response normal")
    assert not list(faults(node))


def test_short_names_are_named_from_the_object_list_and_long_reads_put_together() -> None:
    session = Session()
    session(ReadRequest((VariableName(0xFA08),)).encode(), CLIENT)
    listed = data.array(
        data.structure(data.i16(base), data.u16(class_id), data.u8(0), data.octets(obis))
        for base, class_id, obis in ((0x100, 3, ENERGY), (0x140, 8, CLOCK))
    )
    answer = ReadResponse((ReadData(axdr.encode(listed)),)).encode()[1:]
    session(ReadResponse((DataBlock(last=False, block=1, raw=answer[:20]),)).encode(), METER)
    lines = texts(session(ReadResponse((DataBlock(last=True, block=2, raw=answer[20:]),)).encode(), METER))
    assert any(line.split()[:3] == ["0100", "3", "0"] for line in lines)
    asked = texts(session(ReadRequest((VariableName(0x110), VariableName(0x108))).encode(), CLIENT))
    assert "short name [1]: 0108 3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total" in asked
    got = ReadResponse((ReadData(axdr.encode(scaler_unit(-1, 30))), ReadData(axdr.encode(data.u32(999))))).encode()
    assert any("99.9 Wh (raw 999)" in line for line in texts(session(got, METER)))


def test_long_requests_by_short_name_are_put_together_too() -> None:
    session = Session()
    content = WriteRequest((VariableName(0xFD08),), (axdr.encode(data.octets(b"long text")),)).encode()[1:]
    for number, raw in ((1, content[:6]), (2, content[6:])):
        block = WriteRequest((WriteDataBlockAccess(number == 2, number),), (axdr.encode(data.octets(raw)),))
        node = session(block.encode(), CLIENT)
    assert len(labelled(node, "write-request")) == 2
    content = ReadRequest((VariableName(0xFD08), VariableName(0xFA08))).encode()[1:]
    session(ReadRequest((ReadDataBlockAccess(last=False, block=1, raw=content[:3]),)).encode(), CLIENT)
    session(ReadResponse((ReadBlockNumber(1),)).encode(), METER)
    node = session(ReadRequest((ReadDataBlockAccess(last=True, block=2, raw=content[3:]),)).encode(), CLIENT)
    assert len(labelled(node, "short name [0]")) == 1
    session(UnconfirmedWriteRequest((VariableName(0xFD08),), (b"\0",)).encode(), CLIENT)
    assert "unconfirmed" not in " ".join(asked.name for asked in session.conversation.unanswered)


def test_a_block_out_of_turn_is_told_and_nothing_wrong_is_put_together() -> None:
    session = Session()
    session(apdu.encode_get_request(0xC1, 1, ENERGY, 2), CLIENT)
    blocks = [
        apdu.GetResponseWithBlock(0xC1, n == 3, n, DataAccessResult.SUCCESS, PARTS[n - 1]).encode() for n in (1, 2, 3)
    ]
    session(blocks[0], METER)
    assert "note: repeats block 1" in texts(session(blocks[0], METER))
    node = session(blocks[2], METER)
    assert any("block 2 should come here" in line for line in texts(node))
    assert not labelled(node, "get-response normal")


# -- pushes and protection -------------------------------------------------------------------------------------------


def test_a_push_is_named_by_the_list_of_its_setup() -> None:
    session = Session()
    session.get(3, ENERGY, 3, scaler_unit(0, 30))
    session.get(40, PUSH, 2, captured((8, CLOCK, 2), (3, ENERGY, 2)))
    pushed = data.structure(data.octets(TIME), data.u32(77))
    lines = texts(session(DataNotification(invoke=1, time=b"", data=axdr.encode(pushed)).encode(), METER))
    assert "8/0.0.1.0.0.255/2 Clock.time, clock: Sun 2024-12-15 12:30:00" in lines
    assert "3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total: 77 Wh" in lines


HEAD = Head(bytes(range(8)), published.SERVER_TITLE, published.CLIENT_TITLE)


def test_general_ciphering_is_opened_with_an_identified_and_with_a_wrapped_key() -> None:
    own = InspectorKeys(
        encryption=published.ENCRYPTION_KEY,
        authentication=published.AUTHENTICATION_KEY,
        master=published.MASTER_KEY,
    )
    fresh = bytes(range(16, 32))
    for info, key in (
        (IdentifiedKey(0), published.ENCRYPTION_KEY),
        (WrappedKey(0, wrap_key(published.MASTER_KEY, fresh)), fresh),
    ):
        pair = EncryptionKeys(key, published.AUTHENTICATION_KEY)
        sealed = seal(SecurityControl.of(), pair, published.SERVER_TITLE, 9, WHOLE, HEAD.encode())
        octets = encode_general_ciphering(HEAD.encode(), info, sealed)
        assert labelled(Session(own)(octets, METER), "get-response normal")
        without = Session()(octets, METER)
        assert not list(faults(without))
        assert labelled(without, "sealed")
        broken = Session(own)(octets[:-1] + bytes((octets[-1] ^ 1,)), METER)
        assert not labelled(broken, "get-response normal")


def test_a_signed_apdu_shows_who_signed_what_and_that_nobody_checked() -> None:
    signed = signed_octets(HEAD.encode(), WHOLE)
    node = Session()(encode_signing(signed, bytes(64)), METER)
    assert labelled(node, "get-response normal")
    assert labelled(node, "signature")[0].value.endswith("(not checked)")
    assert labelled(node, "originator's system title")[0].plain == published.SERVER_TITLE.hex()


@given(
    st.binary(max_size=60), st.sampled_from([0xD9, 0xDA, 0xDD, 0xDF, 0xE0, 0x05, 0x06, 0x0C, 0x0D, 0x16, 0x18, 0x0E])
)
def test_any_octets_behind_a_known_tag_give_a_tree(octets: bytes, tag: int) -> None:
    session = Session()
    for _ in range(2):
        node = session(bytes((tag,)) + octets, METER)
        to_json(node)
        render_text(node, items_max=3)


def _frames() -> list[bytes]:
    """Requests and answers whose values are looked into: lists, profiles, pushes, associations."""
    rows = data.array([data.structure(data.octets(TIME), data.u32(7)), data.structure(data.null(), data.null())])
    values = {
        (7, PROFILE, 3): captured((8, CLOCK, 2), (3, ENERGY, 2)),
        (7, PROFILE, 2): rows,
        (3, ENERGY, 3): scaler_unit(-1, 30),
        (40, PUSH, 2): captured((8, CLOCK, 2), (3, ENERGY, 2)),
        (17, Obis.parse("0.0.41.0.0.255"), 2): data.array([data.structure(data.u16(1), data.octets(b"AML1"))]),
        (15, ASSOCIATION, 4): data.octets(bytes.fromhex("60857405080101")),
        (15, ASSOCIATION, 5): data.structure(data.bits("0" * 24), data.u16(1), data.u16(1), data.u8(6), data.i8(0)),
        (64, Obis.parse("0.0.43.0.0.255"), 5): data.octets(published.SERVER_TITLE),
        (8, CLOCK, 4): data.u8(0x80),
        (11, Obis.parse("0.0.11.0.0.255"), 2): data.array(
            [data.structure(data.u16(1), data.octets(TIME[:5]), data.u8(1))]
        ),
    }
    frames = []
    for (class_id, obis, attribute), value in values.items():
        frames.append(apdu.encode_get_request(0xC1, class_id, obis, attribute))
        frames.append(GetResponseNormal(0xC1, DataAccessResult.SUCCESS, axdr.encode(value)).encode())
    return frames


FRAMES = _frames()
CHANGES = st.lists(st.tuples(st.integers(0, len(FRAMES) - 1), st.integers(0, 99), st.integers(0, 255)), max_size=6)


@given(CHANGES)
def test_a_session_with_altered_octets_gives_a_tree_for_every_frame(changes: list[tuple[int, int, int]]) -> None:
    session, frames = Session(), [bytearray(frame) for frame in FRAMES]
    for index, position, octet in changes:
        frames[index][position % len(frames[index])] = octet
    for number, frame in enumerate([*frames, *frames]):
        node = session(bytes(frame), METER if number % 2 else CLIENT)
        to_json(node)
        render_text(node)
        brief(node)
