"""`amiloop decode` on captures of real devices, on hex as people write it, and on what amiloop itself records."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from hes.cli.decode import decode
from hes.cli.exit_status import exit_status
from hes.cli.frame_cutter import FrameCutter, cut
from hes.dlms import apdu, axdr, data, wrapper
from hes.dlms.codes import Conformance, DataAccessResult
from hes.dlms.obis import Obis
from hes.dlms.tests import published
from hes.errors import HesError
from hes.trace.tap import Direction
from hes.trace.text import TextTap

GET_CLOCK = "C001C100080000010000FF0200"
CLOCK_ANSWER = "C401C100090C07E80C0F070C1E00FF800000"
LOGIN = "683200320068C931070100000270000001007516"
CLOCK_LINE = "8/0.0.1.0.0.255/2 Clock.time, clock: Sun 2024-12-15 12:30:00 (octet-string)"


def run(*arguments: str, stdin: bytes | None = None, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(decode, list(arguments), input=stdin, env=env, standalone_mode=False)


def decoded(text: str | bytes, *options: str) -> dict[str, Any]:
    done = run("-", "--json", *options, stdin=text.encode() if isinstance(text, str) else text)
    assert done.exception is None, done.exception
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def decoded_badly(text: str) -> dict[str, Any]:
    done = run("-", "--json", stdin=text.encode())
    assert done.exception is None, done.exception
    assert done.return_value == 1
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def frames(text: str | bytes) -> list[str]:
    return [frame["octets"] for frame in decoded(text)["frames"]]


def nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for child in tree.get("children", ()):
        yield from nodes(child)


# a real session


def test_the_wrapper_session_prints_completely(captures: Path) -> None:
    done = run(str(captures / "sessions" / "DLMS_list.pcap"))
    assert done.exception is None
    lines = done.stdout.splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert len(heads) == 8
    assert heads[0] == "#1  2018-01-10T19:28:42.860675Z  172.22.16.69:46092 -> 147.229.149.5:4059  39 octets"
    assert heads[7] == "#8  2018-01-10T19:28:42.894765Z  147.229.149.5:4059 -> 172.22.16.69:46092  13 octets"
    names = [line.strip() for line in lines if line.startswith("    ") and not line.startswith("     ")]
    assert names == [
        "AARQ (association request)",
        "AARE (association response)",
        "get-request with-list",
        "get-response with-list",
        "get-request normal",
        "get-response normal",
        "RLRQ (release request)",
        "RLRE (release response)",
    ]
    for line in (
        "      [0] 1/1.1.0.0.0.255/2 Data.value: 1409291584 (double-long-unsigned)",
        "      [2] 1/1.1.0.0.2.255/2 Data.value: 77 (double-long-unsigned)",
        "          from: Wed 2018-01-10 19:28:42.71 UTC+01:00 (date-time)",
        "          to: Wed 2018-01-10 20:28:42.71 UTC+01:00 (date-time)",
        "      7/1.0.99.1.0.255/2 Profile generic.buffer, load profile 1: 0 elements (array)",
        "      reason: normal (0)",
    ):
        assert line in lines
    assert "invalid" not in done.stdout
    assert done.stderr == "8 frames: 8 valid, 0 invalid; 8 APDUs\n"


def test_scapy_sees_the_same_frames_in_the_same_order(captures: Path) -> None:
    scapy = pytest.importorskip("scapy.all")
    seen = []
    for packet in scapy.rdpcap(str(captures / "sessions" / "DLMS_list.pcap")):
        if scapy.TCP not in packet:
            continue
        tcp_octets = packet[scapy.IP].len - packet[scapy.IP].ihl * 4 - packet[scapy.TCP].dataofs * 4
        if tcp_octets:
            seen.append(bytes(packet[scapy.TCP].payload)[:tcp_octets].hex())
    assert frames((captures / "sessions" / "DLMS_list.pcap").read_bytes()) == seen


_GURUX_TYPES = {
    "UInt32": "double-long-unsigned", "UInt16": "long-unsigned", "Int8": "integer", "OctetString": "octet-string",
    "DateTime": "date-time", "Float32": "float32", "None": "null",
}  # fmt: skip
_GURUX_BITS = {
    "PriorityMgmtSupported": Conformance.PRIORITY_MANAGEMENT,
    "Attribute0SupportedWithGet": Conformance.ATTRIBUTE0_GET,
    "BlockTransferWithGetOrRead": Conformance.BLOCK_TRANSFER_GET,
    "Get": Conformance.GET,
    "SelectiveAccess": Conformance.SELECTIVE_ACCESS,
    "EventNotification": Conformance.EVENT_NOTIFICATION,
}


def _said_by_gurux(xml: str) -> list[tuple[str, Any]]:
    """Attributes, values, conformance and sizes in the order they stand, from the translator's XML."""
    said: list[tuple[str, Any]] = []
    conformance = 0
    for element in ET.fromstring(xml).iter():  # noqa: S314 - made by the translator
        value = element.get("Value", "")
        if element.tag == "InstanceId":
            said.append(("obis", str(Obis(bytes.fromhex(value)))))
        elif (
            element.tag in {"ClassId", "AttributeId", "InvokeIdAndPriority", "AssociationResult"} or "PduSize" in value
        ):
            said.append((element.tag, int(value, 16)))
        elif element.tag.endswith("MaxPduSize"):
            said.append(("size", int(value, 16)))
        elif element.tag == "ConformanceBit":
            conformance |= _GURUX_BITS[element.get("Name", "")]
        elif element.tag in _GURUX_TYPES:
            said.append((_GURUX_TYPES[element.tag], value.lower()))
    return sorted(said, key=lambda fact: fact[0]) + ([("conformance", conformance)] if conformance else [])


def _said_by_us(tree: dict[str, Any]) -> list[tuple[str, Any]]:
    said: list[tuple[str, Any]] = []
    conformance = 0
    widths = {"double-long-unsigned": 8, "long-unsigned": 4, "integer": 2}
    for node in nodes(tree):
        plain, kind, label = node.get("plain"), node.get("type", ""), node["label"]
        if isinstance(plain, dict) and "class_id" in plain:
            said += [("ClassId", plain["class_id"]), ("obis", plain["obis"]), ("AttributeId", plain["attribute"])]
        elif label == "invoke id and priority":
            said.append(("InvokeIdAndPriority", plain))
        elif label == "result" and not kind:
            said.append(("AssociationResult", plain))
        elif label.endswith("max receive PDU size"):
            said.append(("size", plain))
        elif label == "conformance":
            conformance = int(str(plain), 16)
        elif kind in widths:
            said.append((kind, f"{plain:0{widths[kind]}x}"))
        elif kind == "float32":
            said.append((kind, struct.pack(">f", plain).hex()))
        elif kind in _GURUX_TYPES.values():
            said.append((kind, plain or ""))
    return sorted(said, key=lambda fact: fact[0]) + ([("conformance", conformance)] if conformance else [])


def test_gurux_reads_the_same_out_of_the_session(captures: Path) -> None:
    gurux = pytest.importorskip("gurux_dlms")
    enums = pytest.importorskip("gurux_dlms.enums.TranslatorOutputType")
    translator = gurux.GXDLMSTranslator(enums.TranslatorOutputType.SIMPLE_XML)
    session = decoded((captures / "sessions" / "DLMS_list.pcap").read_bytes())["frames"]
    assert len(session) == 8
    for frame in session:
        payload = bytes.fromhex(frame["octets"])[wrapper.HEADER_OCTETS :]
        theirs = [fact for fact in _said_by_gurux(translator.pduToXml(payload)) if fact[0] != "access selector"]
        assert _said_by_us(frame["tree"]) == theirs, frame["number"]


@pytest.mark.parametrize(
    ("name", "valid", "invalid", "apdus"),
    [
        ("han/kaifa-2017-09-12.txt", 611, 0, 611),
        ("han/kamstrup-2017-10-19.txt", 156, 0, 156),
        ("sessions/DLMS_list.pcap", 8, 0, 8),
        ("sessions/data1.pcapng", 99, 1, 74),
    ],
)
def test_every_capture_has_so_many_frames_and_apdus(
    captures: Path, name: str, valid: int, invalid: int, apdus: int
) -> None:
    done = run(str(captures / name))
    assert done.exception is None
    frames_ = valid + invalid
    assert done.stderr.splitlines()[0] == f"{frames_} frames: {valid} valid, {invalid} invalid; {apdus} APDUs"
    body = decoded((captures / name).read_bytes())
    assert (body["valid_frames"], body["invalid_frames"], body["apdus"]) == (valid, invalid, apdus)
    assert len(body["frames"]) == frames_


def test_a_customer_port_reads_down_to_its_values(captures: Path) -> None:
    lines = [line.strip() for line in run(str(captures / "han" / "kamstrup-2017-10-19.txt")).stdout.splitlines()]
    assert lines[1] == "HDLC: UI, P/F, 16 -> 21"
    assert "LLC: response, server to client" in lines
    assert "time: Fri 2017-10-20 03:43:30" in lines
    assert "active power import (+P), instantaneous: 1468 (double-long-unsigned)" in lines


def test_hdlc_over_tcp_reads_as_a_session_and_the_frame_somebody_changed_is_named(captures: Path) -> None:
    done = run(str(captures / "sessions" / "data1.pcapng"))
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "HDLC: SNRM, P/F, 16 -> 1" in lines
    assert "max information field, transmit: 128 octets" in lines
    assert "attribute: 15/0.0.40.0.0.255/2 Association LN.object_list, current association" in lines
    assert [line for line in lines if line.startswith("!!")] == [
        "!! invalid: the HDLC frame check sequence (FCS) is wrong (octet 42)"
    ]
    assert done.return_value is None


# text in many habits


@pytest.mark.parametrize(
    "text",
    [
        GET_CLOCK,
        GET_CLOCK.lower(),
        "C0 01 C1 00 08 00 00 01 00 00 FF 02 00",
        "C001 C100 0800 0001 0000 FF02 00",
        "c0:01:c1:00:08:00:00:01:00:00:ff:02:00",
        "C0-01-C1-00-08-00-00-01-00-00-FF-02-00",
        "0xC0, 0x01, 0xC1, 0x00, 0x08, 0x00, 0x00, 0x01, 0x00, 0x00, 0xFF, 0x02, 0x00",
        "{ 0xC0,0x01,0xC1,0x00,0x08,0x00,0x00,0x01,0x00,0x00,0xFF,0x02,0x00 };",
        r"b'\xC0\x01\xC1\x00\x08\x00\x00\x01\x00\x00\xFF\x02\x00'",
        "TX: C0 01 C1 00 08 00 00 01 00 00 FF 02 00",
        "-> C001C100080000010000FF0200",
        "2024-12-15 12:30:01.123 send C001C100080000010000FF0200   # the clock",
        "12:30:01 TX:\tC0 01 C1 00 08 00 00 01 00 00 FF 02 00",
        "# a comment\n\nC001C100080000010000FF0200  // and another\n",
        "[2017-09-12 23.18.43.731 - Sent 13 bytes]\nC0 01 C1 00 08 00 00 01\n00 00 FF 02 00\n",
        "00000000  c0 01 c1 00 08 00 00 01  00 00 ff 02 00           |.............|\n0000000d\n",
        "00000000: c001 c100 0800 0001 0000 ff02 00         .............\n",
        "0000   c0 01 c1 00 08 00 00 01 00 00 ff 02 00            .............\n",
        "INFO meter 7: sending C001C100080000010000FF0200 (13 octets)",
        "\ufeff" + GET_CLOCK,
        GET_CLOCK + "\r\n",
    ],
)
def test_hex_is_read_in_the_habits_people_have(text: str) -> None:
    assert frames(text) == [GET_CLOCK.lower()]


def test_a_dump_of_several_lines_is_one_frame_and_the_next_offset_zero_starts_another() -> None:
    octets = wrapper.encode(16, 1, bytes.fromhex("60362FAB") + bytes(range(40)))
    dump = [f"{start:04x}  {octets[start : start + 16].hex(' ')}   ................" for start in range(0, 52, 16)]
    assert frames("\n".join([*dump, "", *dump])) == [octets.hex()] * 2
    assert frames("\n".join([*dump, *dump])) == [octets.hex()] * 2


def test_a_line_goes_on_the_frame_before_when_that_is_not_complete() -> None:
    octets = wrapper.encode(1, 16, bytes.fromhex(CLOCK_ANSWER)).hex()
    assert frames(f"{octets[:20]}\n{octets[20:40]}\n{octets[40:]}\n{LOGIN}") == [octets, LOGIN.lower()]


def test_lines_of_bare_apdus_are_apdus_of_their_own() -> None:
    assert frames(f"{GET_CLOCK}\n{CLOCK_ANSWER}") == [GET_CLOCK.lower(), CLOCK_ANSWER.lower()]


def test_several_frames_on_one_line_are_cut() -> None:
    one, two = (wrapper.encode(16, 1, bytes.fromhex(GET_CLOCK)).hex() for _ in range(2))
    assert frames(one + two + LOGIN) == [one, two, LOGIN.lower()]


def test_directions_and_times_are_kept_and_answers_are_labelled() -> None:
    text = f"2024-12-15 12:30:01 TX: {GET_CLOCK}\n2024-12-15 12:30:02 RX: {CLOCK_ANSWER}\n"
    done = run("-", stdin=text.encode())
    lines = done.stdout.splitlines()
    assert lines[0] == "#1  2024-12-15 12:30:01  line 1, to the device  13 octets"
    assert "#2  2024-12-15 12:30:02  line 2, from the device  18 octets" in lines
    assert f"    {CLOCK_LINE}" in lines


def test_a_trace_that_amiloop_wrote_is_read_again(tmp_path: Path) -> None:
    with TextTap(tmp_path / "trace.txt") as tap:
        tap.session_event(1_734_264_000.0, "07310001", "opened")
        for direction, octets in ((Direction.FROM_DEVICE, LOGIN), (Direction.TO_DEVICE, GET_CLOCK)):
            tap.frame(1_734_264_000.25, "07310001", direction, bytes.fromhex(octets))
    body = decoded((tmp_path / "trace.txt").read_bytes())
    first, second = body["frames"]
    assert (first["session"], first["time"]) == ("07310001", "2024-12-15T12:00:00.250000Z")
    assert first["tree"]["value"] == "login, from terminal 07310001"
    assert second["octets"] == GET_CLOCK.lower()
    assert "to the device" in second["way"]


def test_frames_that_a_trace_cut_short_are_no_faults(tmp_path: Path) -> None:
    with TextTap(tmp_path / "trace.txt", hex_octets_max=12) as tap:
        tap.frame(1_734_264_000.25, "a", Direction.TO_DEVICE, wrapper.encode(1, 16, bytes.fromhex(CLOCK_ANSWER)))
        tap.deciphered(1_734_264_000.25, "a", Direction.TO_DEVICE, bytes.fromhex(GET_CLOCK))
        tap.frame(
            1_734_264_000.5, "a", Direction.FROM_DEVICE, wrapper.encode(1, 16, bytes.fromhex("C0020100000005")[:4])
        )
    done = run(str(tmp_path / "trace.txt"))
    assert done.stderr.startswith("1 frame: ")
    assert "1 frame more of which the trace has only the beginning: use the capture" in done.stderr


# binary, captures from a pipe


def test_binary_octets_are_read_as_frames() -> None:
    octets = bytes.fromhex(LOGIN) + wrapper.encode(16, 1, bytes.fromhex(GET_CLOCK))
    assert frames(octets) == [LOGIN.lower(), wrapper.encode(16, 1, bytes.fromhex(GET_CLOCK)).hex()]


def test_octets_between_frames_are_shown_and_the_frames_behind_them_found() -> None:
    cutter = FrameCutter()
    frame = wrapper.encode(16, 1, bytes.fromhex(GET_CLOCK))
    stream = b"\xde\xad\xbe\xef" + frame + b"\xff" + frame
    pieces = [piece for octet in stream for piece in cutter.feed(bytes((octet,)))]
    assert [piece.octets for piece in pieces if piece.is_frame] == [frame, frame]
    assert b"".join(piece.octets for piece in pieces if not piece.is_frame) == b"\xde\xad\xbe\xef\xff"
    assert [piece.octets for piece in cut(stream)] == [b"\xde\xad\xbe\xef", frame, b"\xff", frame]


def test_one_flag_may_close_an_hdlc_frame_and_open_the_next() -> None:
    snrm = bytes.fromhex("7EA0070321930F017E")
    assert [piece.octets for piece in cut(snrm + snrm[1:])] == [snrm, snrm]
    cutter = FrameCutter()
    assert [piece.octets for octet in snrm + snrm[1:] for piece in cutter.feed(bytes((octet,)))] == [snrm, snrm]


# options


def test_keys_open_sealed_apdus_and_are_never_printed() -> None:
    sealed = published.GLO_GET.hex()
    environment = {
        "AMILOOP_KEY": published.ENCRYPTION_KEY.hex(),
        "AMILOOP_AUTH_KEY": published.AUTHENTICATION_KEY.hex(),
    }
    options = ("--system-title", "4D4D4D0000BC614E")
    done = run("-", *options, stdin=sealed.encode(), env=environment)
    assert "attribute: 8/0.0.1.0.0.255/2 Clock.time, clock" in done.stdout
    assert "deciphered" in done.stdout
    without = run("-", stdin=sealed.encode())
    assert "sealed: no global keys are given" in without.stdout
    for key in environment.values():
        assert key not in (done.stdout + done.stderr).lower()


def test_long_arrays_are_shown_fully_or_shortened() -> None:
    encoded = axdr.encode(data.array([data.u32(number) for number in range(50)]))
    octets = apdu.GetResponseNormal(0xC1, DataAccessResult.SUCCESS, encoded).encode().hex()
    assert run("-", stdin=octets.encode()).stdout.count("double-long-unsigned") == 50
    short = run("-", "--short", stdin=octets.encode()).stdout
    assert short.count("double-long-unsigned") == 3
    assert "... 47 more ..." in short


def test_octets_and_offsets_are_shown_when_asked_for() -> None:
    done = run("-", "--octets", "--offsets", stdin=GET_CLOCK.encode())
    assert "c0 01 c1 00 08" in done.stdout
    assert "3+9" in done.stdout


@pytest.mark.parametrize("options", [("--json",), ("--octets",), ("--octets", "--offsets"), ("--brief",)])
def test_no_output_holds_a_password(options: tuple[str, ...]) -> None:
    password = b"hush, not a word".hex()
    aarq = f"603ea1090607608574050801018a0207808b0760857405080201ac128010{password}be10040e01000000065f1f0400007e1fffff"
    trace = f"2024-12-15T12:30:00Z 07310001 > 900 AARQ | {aarq}..\n"  # cut short
    forms = (f"0001001000010040{aarq}\n{aarq}\n", trace, bytes.fromhex(f"7ea01355{aarq}5555"))
    for form in forms:
        done = run("-", *options, stdin=form if isinstance(form, bytes) else form.encode())
        said = (done.stdout + done.stderr).replace(" ", "")
        assert password not in said
        assert "--brief" in options or "**" in said


def test_strict_ends_with_a_failed_verdict_when_something_is_invalid() -> None:
    broken = CLOCK_ANSWER[:-2].encode()
    assert run("-", stdin=broken).return_value is None
    assert run("-", "--strict", stdin=broken).return_value == 1
    assert run("-", "--strict", stdin=CLOCK_ANSWER.encode()).return_value is None


def test_keys_of_a_secrets_file_open_what_its_devices_sent(tmp_path: Path) -> None:
    file = tmp_path / "test-secrets.toml"
    file.write_text(
        '[[device]]\nsystem_title = "4D4D4D0000BC614E"\nname = "meter 1"\npassword = "12345678"\n'
        f'encryption_key = "{published.ENCRYPTION_KEY.hex()}"\n'
        f'authentication_key = "{published.AUTHENTICATION_KEY.hex()}"\n'
    )
    sealed = published.GENERAL_GLO_GET.hex().encode()
    done = run("-", "--secrets", str(file), stdin=sealed)
    assert "attribute: 8/0.0.1.0.0.255/2 Clock.time, clock" in done.stdout
    assert done.stderr == "1 frame: 1 valid, 0 invalid; 1 APDU\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C0 01 C1 00 ZZ 08 00 00 01 00 00 FF 02 00", "line 1, column 13: 'ZZ' is not hex"),
        ("# clock\nC001C10008000X010000FF0200", "line 2, column 14: 'X' is not a hex digit"),
        ("C001C100080000010000FF020", "an odd number of hex digits"),
        ("TX: C0 01 C1 00 08 00 00 01 00 00 FF 02 0", "line 1, column 41: '0' has an odd number of hex digits"),
    ],
)
def test_hex_with_something_else_in_it_is_refused_with_its_place(text: str, said: str) -> None:
    done = run("-", stdin=text.encode())
    assert isinstance(done.exception, HesError)
    assert said in done.exception.message
    assert exit_status(done.exception) == 1


LINES = f"{GET_CLOCK}\n\nC0x1{GET_CLOCK[4:]}\n\n{CLOCK_ANSWER}\n"


def test_one_damaged_line_hides_no_other() -> None:
    done = run("-", "--json", stdin=LINES.encode())
    assert done.return_value == 1
    body = json.loads(done.stdout)
    first, damaged, last = body["frames"]
    assert (first["octets"], last["octets"]) == (GET_CLOCK.lower(), CLOCK_ANSWER.lower())
    assert last["tree"]["children"][0]["label"] == "answers"
    assert damaged["tree"]["children"][0]["value"] == "line 3, column 3: 'x' is not a hex digit"
    assert [body[count] for count in ("valid_frames", "invalid_frames", "damaged", "invalid")] == [2, 0, 1, 1]
    said = run("-", stdin=LINES.encode())
    assert "    !! damaged: line 3, column 3: 'x' is not a hex digit\n" in said.stdout
    assert "2 frames: 2 valid, 0 invalid; 2 APDUs; 1 place in the input that could not be read\n" in said.stderr


@pytest.mark.parametrize("line", range(3))
def test_a_damaged_frame_of_several_lines_is_one_entry(line: int) -> None:
    snrm = "7EA0070321930F017E"
    parts = ["00 01 00 10 00", "01 00 0D C0 01 C1 00 08", "00 00 01 00 00 FF 02 00"]
    parts[line] = parts[line].replace(("10", "0D", "FF")[line], "0g", 1)
    body = decoded_badly("\n".join([snrm, "", *parts, "", snrm]))
    assert [len(frame["octets"]) > 0 and frame["tree"]["label"] for frame in body["frames"]][::2] == ["HDLC", "HDLC"]
    assert [body[count] for count in ("valid_frames", "invalid_frames", "damaged")] == [2, 0, 1]
    (damage,) = body["frames"][1]["tree"]["children"]
    assert damage["value"].startswith(f"line {line + 3}, column")


def test_a_line_in_a_capture_of_a_meter_is_damaged(captures: Path) -> None:
    lines = (captures / "han/kaifa-2017-09-12.txt").read_text().splitlines()
    lines[59] = lines[59].replace("A0", "Ax", 1)
    body = decoded_badly("\n".join(lines))
    assert [body[count] for count in ("valid_frames", "invalid_frames", "damaged")] == [610, 0, 1]


def test_what_read_shows_of_its_frames_has_no_octets() -> None:
    shown = "-> meter\n  wrapper: 16 -> 1, 31 octets\n    conformance: C001C1 (3 octets)\n\n"
    nothing = run("-", stdin=shown.encode())
    assert isinstance(nothing.exception, HesError)
    assert "is decoded already and has no octets in it" in nothing.exception.message
    assert exit_status(nothing.exception) == 1
    assert frames(f"{shown}{GET_CLOCK}\n") == [GET_CLOCK.lower()]


def test_a_capture_without_frames_is_not_recognised(captures: Path) -> None:
    header = (captures / "sessions/DLMS_list.pcap").read_bytes()[:24]
    nothing = run("-", stdin=header)
    assert isinstance(nothing.exception, HesError)
    assert "it has no packets" in nothing.exception.message
    assert exit_status(nothing.exception) == 1
    http = _datagram(b"GET / HTTP/1.1\r\n")
    done = run("-", stdin=header + struct.pack("<IIII", 1, 0, len(http), len(http)) + http)
    assert done.return_value == 1
    assert "is it the right file?" in done.stderr


def _datagram(payload: bytes) -> bytes:
    udp = struct.pack(">HHHH", 4059, 4059, 8 + len(payload), 0) + payload
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    )
    return bytes(12) + b"\x08\x00" + ip + udp


@pytest.mark.parametrize(
    "nothing", [b"no digits at all\n", b"\n\n", b"see deadbeef for it\n", bytes(300), b"\xff\xfe\x01"]
)
def test_what_is_neither_capture_nor_octets_is_not_recognised(nothing: bytes) -> None:
    done = run("-", stdin=nothing)
    assert isinstance(done.exception, HesError)
    assert "not recognised" in done.exception.message
    assert exit_status(done.exception) == 1


def test_the_help_says_what_is_decoded() -> None:
    text = CliRunner().invoke(decode, ["--help"]).output
    for word in ("pcapng", "HDLC", "376.1", "wrapper", "--secrets"):
        assert word in text


def test_noise_that_looks_like_an_hdlc_frame_hides_no_frame_behind_it() -> None:
    snrm = bytes.fromhex("7EA0070321930F017E")
    body = decoded(b"\x7e\xa7\xff\x01\x02" + snrm + snrm)
    assert [frame["octets"] for frame in body["frames"]][1:] == [snrm.hex()] * 2
    assert (body["valid_frames"], body["invalid_frames"]) == (2, 1)


@pytest.mark.parametrize("nothing", [b"", b"no digits at all\n", b"\n\n"])
def test_input_without_octets_is_an_error_that_says_what_is_understood(nothing: bytes) -> None:
    done = run("-", stdin=nothing)
    assert isinstance(done.exception, HesError)
    assert "standard input" in done.exception.message


ELF, NOISE = b"\x7fELF\x02\x01\x01" + bytes(range(90)), b"\xc8" + bytes(range(256))


@pytest.mark.parametrize("noise", [ELF, NOISE], ids=["elf", "noise"])
def test_a_file_of_something_else_ends_with_status_1(noise: bytes) -> None:
    done = run("-", stdin=noise)
    assert done.return_value == 1, done.output
    assert "is it the right file?" in done.stderr


def test_octets_in_place_of_a_file_are_told_where_to_go() -> None:
    done = run("C001C100080000010000FF0200")
    assert isinstance(done.exception, HesError)
    assert "echo C001C100... | amiloop decode -" in done.exception.message
    assert "echo" not in run("beef").exception.message  # type: ignore[union-attr]


def test_the_end_says_how_many_apdus_no_key_opened(tmp_path: Path) -> None:
    path = tmp_path / "sealed.txt"
    path.write_text(
        "\n".join(["C001C100080000010000FF0200", f"C81E3000000001{'AB' * 25}", f"CC1E3000000002{'CD' * 25}"])
    )
    done = run(str(path))
    assert "2 APDUs stayed sealed: check --key" in done.stderr
    assert json.loads(run(str(path), "--json").stdout)["sealed_apdus"] == 2


def test_a_rule_is_told_with_the_numbers_that_broke_it() -> None:
    request = "C001C100080000010000FF02"
    alike = run("-", stdin=f"{request}05\n{request}05\n{request}00\n".encode())
    assert "2 x access selection is 05, not 00 or 01\n" in alike.stderr
    other = run("-", stdin=f"{request}05\n{request}07\n{request}00\n".encode())
    assert "2 x access selection is 05, not 00 or 01 (or with other numbers)\n" in other.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run(str(tmp_path / "absent.pcap"))
    assert isinstance(done.exception, HesError)
    assert "absent.pcap cannot be read" in done.exception.message


def test_a_capture_gives_what_stands_before_its_damage(captures: Path) -> None:
    octets = (captures / "sessions" / "DLMS_list.pcap").read_bytes()
    damaged = octets[:1489] + b"\xff\xff\xff\xff" + octets[1493:]  # the length of the last record
    done = run("-", "--json", stdin=damaged)
    assert done.return_value == 1
    body = json.loads(done.stdout)
    assert (body["damaged"], body["invalid"], body["valid_frames"]) == (1, 1, 8)
    (damage,) = body["frames"][-1]["tree"]["children"]
    assert damage["invalid"]
    assert "a packet of 4294967295 octets" in damage["value"]
    assert "behind packet 14 (octet 1497 of the file)" in damage["value"]
    nothing_before = run("-", stdin=octets[:32] + b"\xff\xff\xff\xff" + octets[36:])
    assert isinstance(nothing_before.exception, HesError)
    assert exit_status(nothing_before.exception) == 1
    assert "behind packet 0" in nothing_before.exception.message
    cut_short = decoded(octets[:-20])
    assert any("middle of a packet" in note for note in cut_short["notes"])


def test_brief_is_one_line_for_each_frame(captures: Path) -> None:
    done = run(str(captures / "sessions/DLMS_list.pcap"), "--brief")
    assert done.exception is None
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    assert "get-response with-list to #3: [0] 1/1.1.0.0.0.255/2 Data.value: 1409291584" in lines[4]


def test_a_profile_says_units_and_columns_that_the_input_does_not(tmp_path: Path) -> None:
    path = tmp_path / "value.txt"
    path.write_text("C001C100030100010800FF0200\nC401C1000600000005\n")
    assert "5 Wh" not in run(str(path)).stdout
    assert "5 Wh" in run(str(path), "--profile", "ami-1p").stdout


def test_the_end_says_which_rules_were_broken_and_what_was_not_answered(tmp_path: Path) -> None:
    path = tmp_path / "session.txt"
    path.write_text("C001C100030100010800FF0200\nC401C100\nC001C200030100010800FF0200\n")
    done = run(str(path))
    assert "1 x the octets end inside the value that starts at octet 4" in done.stderr
    assert "1 request without an answer:\n  #3 get-request normal" in done.stderr
    body = json.loads(run(str(path), "--json").stdout)
    assert body["decode"] == 1
    assert body["unanswered"] == [{"frame": "#3", "request": "get-request normal"}]
    assert [rule["count"] for rule in body["rules"]] == [1]
