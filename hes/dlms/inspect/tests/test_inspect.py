"""The inspector on published vectors, on a conversation put together from them, and on octets that are wrong."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import apdu, axdr, data, gateway, wrapper
from hes.dlms.codes import ApduTag, DataAccessResult
from hes.dlms.inspect.apdu_inspection import NESTING_MAX
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.data_nodes import data_node
from hes.dlms.inspect.node import Node, faults, render_text, to_json
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys
from hes.dlms.security.ciphering import Ciphering, KeyScope
from hes.errors import RemoteProtocolError

CLOCK = Obis.parse("0.0.1.0.0.255")
ENERGY = Obis.parse("1.0.1.8.0.255")
PROFILE = Obis.parse("1.0.99.1.0.255")
ENCRYPTION_KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AUTHENTICATION_KEY = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
CLIENT_TITLE = bytes.fromhex("4D4D4D0000BC614E")  # the standard's own examples use the server's title for both
KEYS = InspectorKeys(encryption=ENCRYPTION_KEY, authentication=AUTHENTICATION_KEY, titles=(CLIENT_TITLE,))

# docs/protocols/dlms-application.md, test vectors; GB: examples published in the Green Book
AARQ = "601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0"
AARQ_HLS = (
    "6036A1090607608574050801018A0207808B0760857405080205AC0A80084B35366956616759BE10040E01000000065F1F0400007E1F04B0"
)
AARQ_LLS_CIPHERED = (
    "6066A109060760857405080103A60A04084D4D4D0000BC614E8A0207808B0760857405080201AC0A80083132333435363738BE340432213030"
    "01234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855"
)
AARE_CONTEXT_REFUSED = "6129A109060760857405080101A203020101A305A103020102BE10040E0800065F1F040000501F01F40007"
AARE_VERSION_TOO_LOW = "611FA109060760857405080101A203020101A305A103020101BE0604040E010601"
AARE_HLS = (
    "6142A109060760857405080101A203020100A305A10302010E88020780890760857405080205AA0A8008503677524A323146"
    "BE10040E0800065F1F040000501F01F40007"
)
GENERAL_GLO_GET = "DB084D4D4D0000BC614E1E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"
GLO_GET = "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"
GLO_GET_AUTHENTICATED_ONLY = "C81E1001234567C0010000080000010000FF020006725D910F9221D263877516"
GLO_GET_ENCRYPTED_ONLY = "C8122001234567411312FF935A47566827C467BC"
DATA_NOTIFICATION = "0F000000010C07E80C0F070C1E00FF800000020209060000010000FF0600000001"


def every(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from every(child)


def inspect(octets: str, keys: InspectorKeys | None = None) -> Node:
    return Conversation(keys).inspect(bytes.fromhex(octets))


def find(node: Node, label: str) -> Node:
    found = [inner for inner in every(node) if inner.label == label]
    assert len(found) == 1, (label, render_text(node))
    return found[0]


def test_a_wrapper_frame_reads_as_lines() -> None:
    octets = bytes.fromhex("000100100001001F") + bytes.fromhex(AARQ)
    assert render_text(Conversation().inspect(octets)) == "\n".join(
        (
            "wrapper: 16 -> 1, 31 octets",
            "  AARQ (association request)",
            "    application context: 1 logical names, no ciphering",
            "    user information",
            "      initiate-request",
            "        DLMS version: 6",
            "        conformance: priority-management, attribute0-get, block-transfer-get, block-transfer-set, "
            "block-transfer-action, multiple-references, get, set, selective-access, event-notification, action",
            "        client max receive PDU size: 1200",
        )
    )


def test_every_node_stands_where_its_octets_are() -> None:
    tree = inspect("000100100001001F" + AARQ)
    octets = bytes.fromhex("000100100001001F" + AARQ)
    size = find(tree, "client max receive PDU size")
    assert octets[size.offset : size.offset + size.length] == (1200).to_bytes(2, "big")
    conformance = find(tree, "conformance")
    assert octets[conformance.offset : conformance.offset + conformance.length].hex() == conformance.plain == "007e1f"
    version = find(tree, "DLMS version")
    assert octets[version.offset] == 6


def test_refusals_of_an_association_say_who_refused_and_why() -> None:
    refused = inspect(AARE_CONTEXT_REFUSED)
    assert find(refused, "result").value == "rejected-permanent (1)"
    assert find(refused, "diagnostic").value == "service user: application-context-name-not-supported (2)"
    too_low = inspect(AARE_VERSION_TOO_LOW)
    assert find(too_low, "code").value == "dlms-version-too-low (1)"
    assert not list(faults(too_low))


def test_a_password_and_a_dedicated_key_are_not_shown_but_a_challenge_is() -> None:
    tree = inspect(AARQ_LLS_CIPHERED, KEYS)
    text = render_text(tree) + json.dumps(to_json(tree))
    assert find(tree, "authentication value").value == "password of 8 octets (not shown)"
    assert find(tree, "dedicated key").value == "16 octets (not shown)"
    assert "12345678" not in text
    assert "31323334" not in text
    assert "00112233445566778899aabbccddeeff" not in text.lower()
    assert find(inspect(AARQ_HLS), "authentication value").value == f"challenge {b'K56iVagY'.hex()}"
    assert find(inspect(AARE_HLS), "authentication value").value == f"challenge {b'P6wRJ21F'.hex()}"


def test_a_sealed_apdu_shows_its_security_header_and_nothing_else_without_keys() -> None:
    tree = inspect(GLO_GET)
    assert find(tree, "security control").value == "30: suite 0, authenticated, encrypted"
    assert find(tree, "invocation counter").value == str(0x01234567)
    assert find(tree, "ciphertext").value == "13 octets"
    assert find(tree, "authentication tag").value == "7d825c3be4a77c3fcc056b6b"
    assert find(tree, "sealed").value == "no global keys are given"
    assert not list(faults(tree))


@pytest.mark.parametrize("octets", [GENERAL_GLO_GET, GLO_GET, GLO_GET_AUTHENTICATED_ONLY, GLO_GET_ENCRYPTED_ONLY])
def test_a_sealed_apdu_is_opened_with_its_keys(octets: str) -> None:
    tree = inspect(octets, KEYS)
    opened = find(tree, "get-request normal")
    assert opened.space
    assert find(tree, "attribute").value == "8/0.0.1.0.0.255/2 Clock.time, clock"


def test_what_is_only_authenticated_is_read_without_keys() -> None:
    assert find(inspect(GLO_GET_AUTHENTICATED_ONLY), "attribute").value.startswith("8/0.0.1.0.0.255/2")


def test_a_wrong_key_is_a_fault_and_no_key_is_shown() -> None:
    wrong = InspectorKeys(encryption=bytes(16), authentication=AUTHENTICATION_KEY, titles=(CLIENT_TITLE,))
    (fault,) = faults(inspect(GLO_GET, wrong))
    assert "authentication tag is wrong" in fault.value
    assert AUTHENTICATION_KEY.hex() not in repr(wrong)
    assert str(AUTHENTICATION_KEY) not in repr(wrong)


def test_titles_and_the_dedicated_key_of_an_association_open_what_follows() -> None:
    keys = InspectorKeys(encryption=ENCRYPTION_KEY, authentication=AUTHENTICATION_KEY)
    conversation = Conversation(keys)
    assert find(conversation.inspect(bytes.fromhex(AARQ_LLS_CIPHERED)), "initiate-request")
    dedicated = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    client = Ciphering(
        system_title=CLIENT_TITLE,
        global_keys=EncryptionKeys(ENCRYPTION_KEY, AUTHENTICATION_KEY),
        send_counter=1,
        dedicated_key=dedicated,
    )
    request = client.protect(apdu.encode_get_request(0xC1, 3, ENERGY, 2), key=KeyScope.DEDICATED)
    tree = conversation.inspect(request)
    assert find(tree, "attribute").value == "3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total"


def test_an_answer_is_labelled_with_what_was_asked() -> None:
    conversation = Conversation()
    conversation.inspect(apdu.encode_get_request(0xC3, 8, CLOCK, 2))
    tree = conversation.inspect(bytes.fromhex("C401C300090C07E80C0F070C1E00FF800000"))
    value = find(tree, "8/0.0.1.0.0.255/2 Clock.time, clock")
    assert value.value == "Sun 2024-12-15 12:30:00"
    refused = conversation.inspect(bytes.fromhex("C401C30104"))
    assert find(refused, "result of 8/0.0.1.0.0.255/2").value == "object-undefined (4)"


def test_a_list_answer_is_labelled_item_by_item_even_where_items_are_refused() -> None:
    conversation = Conversation()
    request = apdu.GetRequestWithList(
        0xC2,
        (
            (apdu.AttributeDescriptor(3, ENERGY, 2), b""),
            (apdu.AttributeDescriptor(3, Obis.parse("1.0.2.8.0.255"), 2), b""),
            (apdu.AttributeDescriptor(3, ENERGY, 3), b""),
        ),
    )
    conversation.inspect(request.encode())
    answer = apdu.GetResponseWithList(
        0xC2,
        (
            (DataAccessResult.SUCCESS, axdr.encode(data.u32(12345))),
            (DataAccessResult.READ_WRITE_DENIED, b""),
            (DataAccessResult.SUCCESS, axdr.encode(data.structure(data.i8(-1), data.enum(30)))),
        ),
    )
    lines = render_text(conversation.inspect(answer.encode())).splitlines()
    assert lines[1].strip() == "answers: get-request with-list, 3 subjects"
    assert lines[4:] == [
        "  [0] 3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total: 1234.5 Wh (raw 12345)"
        " (double-long-unsigned)",
        "  result [1] of 3/1.0.2.8.0.255/2: read-write-denied (3)",
        "  [2] 3/1.0.1.8.0.255/3 Register.scaler_unit, active energy import (+A), total: 2 members (structure)",
        "    scaler: -1 (integer)",
        "    unit: 30 Wh (enum)",
    ]


def test_set_and_action_answers_are_labelled_too() -> None:
    conversation = Conversation()
    conversation.inspect(bytes.fromhex("C101C100080000010000FF0200090C07E80C0F070C1E00FF800000"))
    assert find(conversation.inspect(bytes.fromhex("C501C100")), "result of 8/0.0.1.0.0.255/2").value == "success (0)"
    conversation.inspect(bytes.fromhex("C301C20046000060030AFF02010F00"))
    result = find(conversation.inspect(bytes.fromhex("C701C20300")), "result of 70/0.0.96.3.10.255 method 2")
    assert result.value == "read-write-denied (3)"


def test_a_profile_is_read_with_the_columns_that_were_read_before() -> None:
    conversation = Conversation()
    columns = data.array(
        data.structure(data.u16(class_id), data.octets(obis), data.i8(2), data.u16(0))
        for class_id, obis in ((8, CLOCK), (3, ENERGY))
    )
    rows = data.array(
        [
            data.structure(data.octets(bytes.fromhex("07E80C0F070C1E00FF800000")), data.u32(number))
            for number in range(96)
        ]
    )
    conversation.inspect(apdu.encode_get_request(0xC1, 7, PROFILE, 3))
    conversation.inspect(apdu.GetResponseNormal(0xC1, DataAccessResult.SUCCESS, axdr.encode(columns)).encode())
    conversation.inspect(apdu.encode_get_request(0xC2, 7, PROFILE, 2))
    tree = conversation.inspect(apdu.GetResponseNormal(0xC2, DataAccessResult.SUCCESS, axdr.encode(rows)).encode())
    full, short = render_text(tree), render_text(tree, items_max=3)
    assert "[2] 1.0.1.8.0.255 (active energy import (+A), total)" in full
    assert full.count("Sun 2024-12-15 12:30:00") == 96
    assert "... 93 more ..." in short
    assert short.splitlines()[-1].split() == ["Sun", "2024-12-15", "12:30:00", "95"]


def blocks(octets: bytes, size: int) -> list[bytes]:
    return [octets[start : start + size] for start in range(0, len(octets), size)]


def test_blocks_of_an_answer_are_put_together_and_read_as_one() -> None:
    conversation = Conversation()
    value = axdr.encode(data.array([data.u32(number) for number in range(20)]))
    conversation.inspect(apdu.encode_get_request(0xC1, 1, ENERGY, 2))
    parts = blocks(value, 30)
    for number, part in enumerate(parts, 1):
        if number > 1:
            conversation.inspect(apdu.GetRequestNext(0xC1, number - 1).encode())
        last = number == len(parts)
        tree = conversation.inspect(
            apdu.GetResponseWithBlock(0xC1, last, number, DataAccessResult.SUCCESS, part).encode()
        )
        assert ("put together from blocks" in render_text(tree)) is last
    whole = find(tree, "1/1.0.1.8.0.255/2 Data.value, active energy import (+A), total")
    assert [child.plain for child in whole.children] == list(range(20))


def test_blocks_of_a_list_answer_and_of_a_write_are_put_together() -> None:
    conversation = Conversation()
    listed = ((apdu.AttributeDescriptor(3, ENERGY, 2), b""), (apdu.AttributeDescriptor(8, CLOCK, 2), b""))
    conversation.inspect(apdu.GetRequestWithList(0xC1, listed).encode())
    raw = apdu.encode_data_results(((DataAccessResult.SUCCESS, b"\x06\x00\x00\x00\x07"), (DataAccessResult(3), b"")))
    conversation.inspect(apdu.GetResponseWithBlock(0xC1, False, 1, DataAccessResult.SUCCESS, raw[:4]).encode())
    tree = conversation.inspect(apdu.GetResponseWithBlock(0xC1, True, 2, DataAccessResult.SUCCESS, raw[4:]).encode())
    assert find(tree, "result [1] of 8/0.0.1.0.0.255/2").value == "read-write-denied (3)"

    text = axdr.encode(data.visible("a long text"))
    attribute = apdu.AttributeDescriptor(1, Obis.parse("0.0.96.13.0.255"), 2)
    conversation.inspect(apdu.SetRequestFirstBlock(0xC2, attribute, b"", False, 1, text[:5]).encode())
    tree = conversation.inspect(apdu.SetRequestBlock(0xC2, True, 2, text[5:]).encode())
    assert find(tree, "value").value == "'a long text'"


def test_a_last_block_without_the_ones_before_says_so() -> None:
    tree = Conversation().inspect(apdu.GetResponseWithBlock(0xC1, True, 3, DataAccessResult.SUCCESS, b"\x00").encode())
    assert find(tree, "note").value == "the blocks before this one are not here"


def test_meters_behind_a_gateway_are_kept_apart() -> None:
    conversation = Conversation()
    for address, obis in ((b"\x00\x10", CLOCK), (b"037229132750", Obis.parse("0.0.96.1.0.255"))):
        request = gateway.encode_request(1, address, apdu.encode_get_request(0xC1, 1, obis, 2))
        conversation.inspect(wrapper.encode(16, 1, request))
    answers = [
        conversation.inspect(wrapper.encode(1, 16, gateway.encode_response(1, address, bytes.fromhex("C401C1000F01"))))
        for address in (b"037229132750", b"\x00\x10")
    ]
    assert find(answers[0], "gateway").value == "network 1, from 303337323239313332373530 '037229132750'"
    assert "0.0.96.1.0.255" in render_text(answers[0])
    assert "0.0.1.0.0.255" in render_text(answers[1])


def test_a_secret_that_is_written_is_not_shown() -> None:
    association = Obis.parse("0.0.40.0.1.255")
    request = apdu.SetRequestNormal(
        0xC1, apdu.AttributeDescriptor(15, association, 7), axdr.encode(data.octets(b"hush"))
    )
    tree = Conversation().inspect(request.encode())
    assert find(tree, "value").value == "(not shown)"
    assert b"hush".hex() not in json.dumps(to_json(tree))


def test_an_invalid_value_is_named_with_its_rule_and_place_and_the_rest_is_shown() -> None:
    tree = inspect("C401C10002030F0106000000")
    (fault,) = faults(tree)
    assert "octets end inside the value" in fault.value
    assert fault.offset == 8
    structure = find(tree, "value")
    assert structure.value == "3 members"
    assert [child.value for child in structure.children] == ["1", ""]


def test_a_wrong_field_of_an_aarq_hides_no_other_field() -> None:
    broken = AARQ.replace("0607608574050801", "0507608574050801")
    tree = inspect(broken)
    assert [fault.offset for fault in faults(tree)] == [4]
    assert find(tree, "client max receive PDU size").plain == 1200


def test_an_aare_that_lacks_a_field_is_refused_by_the_rule_of_the_decoder() -> None:
    (fault,) = faults(inspect("610BA109060760857405080101"))
    assert "missing" in fault.value


def test_octets_left_over_and_frames_cut_off_are_faults() -> None:
    (fault,) = faults(inspect("D8010200"))
    assert fault.value == "1 octets left over after the APDU (octet 3)"
    in_apdu, in_frame = faults(inspect("0001001000010010C001C1"))
    assert "the APDU ends inside attribute descriptor" in in_apdu.value
    assert in_frame.value == "the frame ends 13 octets before its APDU does (octet 11)"


def test_unknown_numbers_are_shown_and_are_no_faults() -> None:
    tree = inspect("C401C1014D")
    assert find(tree, "result").value == "unknown (77)"
    assert not list(faults(tree))


def test_every_apdu_that_has_a_tag_is_decoded() -> None:
    for tag in ApduTag:
        said = [found.value for found in faults(inspect(bytes((tag, 0, 0)).hex()))]
        assert not any("no APDU starts with" in value for value in said), tag.name


def test_a_key_that_was_given_for_no_device_leaves_the_apdu_sealed() -> None:
    wrong = InspectorKeys(encryption=bytes(16), authentication=AUTHENTICATION_KEY)
    tree = inspect(GENERAL_GLO_GET, wrong)
    assert not list(faults(tree))
    assert "the keys that are given do not open it" in find(tree, "sealed").value


def test_keys_are_bound_to_a_system_title() -> None:
    right = InspectorKeys(encryption=ENCRYPTION_KEY, authentication=AUTHENTICATION_KEY)
    wrong = InspectorKeys(encryption=bytes(16), authentication=AUTHENTICATION_KEY)
    other = bytes.fromhex("4D4D4D0000000009")
    tree = inspect(GENERAL_GLO_GET, InspectorKeys(devices={CLIENT_TITLE: right, other: wrong}))
    assert find(tree, "attribute").value.startswith("8/0.0.1.0.0.255/2")
    (fault,) = faults(inspect(GENERAL_GLO_GET, InspectorKeys(devices={CLIENT_TITLE: wrong, other: right})))
    assert "authentication tag is wrong" in fault.value
    assert ENCRYPTION_KEY.hex() not in repr(InspectorKeys(devices={other: right}))


def test_among_the_keys_of_many_devices_those_that_fit_are_found_and_then_have_to_fit() -> None:
    right = InspectorKeys(encryption=ENCRYPTION_KEY, authentication=AUTHENTICATION_KEY, titles=(CLIENT_TITLE,))
    wrong = InspectorKeys(encryption=bytes(16), authentication=AUTHENTICATION_KEY, titles=(CLIENT_TITLE,))
    titles = [bytes.fromhex(f"4D4D4D000000{number:04X}") for number in range(3)]
    conversation = Conversation(InspectorKeys(devices=dict(zip(titles, (wrong, right, wrong), strict=True))))
    tree = conversation.inspect(bytes.fromhex(GLO_GET))
    assert find(tree, "attribute").value.startswith("8/0.0.1.0.0.255/2")
    spoilt = GLO_GET[:-2] + "00"
    assert list(faults(conversation.inspect(bytes.fromhex(spoilt))))


def test_apdus_nested_without_end_are_cut() -> None:
    octets = bytes.fromhex("C0010000080000010000FF0200")
    for _ in range(200):
        sealed = b"\x10\x00\x00\x00\x01" + octets + bytes(12)
        octets = b"\xc8" + axdr.encode_length(len(sealed)) + sealed
    (fault,) = faults(Conversation().inspect(octets))
    assert f"more than {NESTING_MAX} deep" in fault.value


def test_data_nested_too_deep_is_a_fault() -> None:
    tree, _ = data_node(b"\x02\x01" * 40 + b"\x00", 0, "value")
    (fault,) = faults(tree)
    assert "nested deeper" in fault.value


@given(st.binary(min_size=1, max_size=200))
@example(bytes.fromhex(AARQ_LLS_CIPHERED))
@example(b"\xc4\x01\xc1\x00\x0c\x01\xff")
@example(b"\x68")
def test_any_octets_become_a_tree(octets: bytes) -> None:
    conversation = Conversation(KEYS)
    for form in (octets, wrapper.encode(16, 1, octets), gateway.encode_request(1, b"\x00\x10", octets)):
        tree = conversation.inspect(form)
        assert render_text(tree)
        json.dumps(to_json(tree), allow_nan=False)


@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from([0xC0, 0xC1, 0xC3, 0xC4, 0xC5, 0xC7, 0xC2, 0x0F]))
def test_any_conversation_becomes_trees(tails: list[bytes], tag: int) -> None:
    conversation = Conversation(KEYS)
    for tail in tails:
        for form in (1, 2, 3, 4, 5, 6):
            render_text(conversation.inspect(bytes((tag, form, 0xC1)) + tail))


@given(st.binary(min_size=2, max_size=60))
def test_the_tree_and_the_decoder_agree_on_what_is_valid(octets: bytes) -> None:
    octets = bytes((0xC0 + octets[0] % 8, 1 + octets[1] % 6)) + octets[2:]
    found = list(faults(Conversation().inspect(octets)))
    if octets[0] == 0xC6:
        assert found
        return
    try:
        apdu.decode(octets)
    except RemoteProtocolError:
        assert found
    else:
        assert not found or _walked_deeper(octets)


def _walked_deeper(octets: bytes) -> bool:
    """APDU decoders do not look into compact arrays, strings and lengths of bit-strings; the inspector does."""
    return any(tag in octets for tag in (0x04, 0x0A, 0x0C, 0x13))
