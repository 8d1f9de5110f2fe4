"""`amiloop read` and `scan` where a meter breaks rules or falls silent: what was read is kept, and who did what."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hes.cli import main as cli
from hes.cli.tests.meter_on_tcp import HANG_UP, SILENCE, MeterOnTcp
from hes.dlms.obis import Obis

CLOCK = bytes.fromhex("0008") + Obis.parse("0.0.1.0.0.255") + b"\x02"
OBJECT_LIST = bytes.fromhex("000f") + Obis.parse("0.0.40.0.0.255") + b"\x02"
CLAUSE = "[IEC 62056-5-3, encoding of APDUs"


def answering(wanted: bytes, value: bytes) -> Callable[[bytes], bytes | None]:
    """The GET of `wanted` is answered with these octets of Data, or with SILENCE or HANG_UP."""

    def answer(apdu: bytes) -> bytes | None:
        if apdu[3 : 3 + len(wanted)] != wanted or apdu[:1] != b"\xc0":
            return None
        return value if value in (SILENCE, HANG_UP) else b"\xc4\x01" + apdu[2:3] + b"\x00" + value

    return answer


def clock_and_name(capsys: pytest.CaptureFixture[str], value: bytes, *options: str) -> tuple[int, dict[str, Any], str]:
    """Status, what is printed and standard error where the clock is answered with `value`."""
    with MeterOnTcp(answer=answering(CLOCK, value)) as meter:
        status = cli.run(["read", meter.url, "ldn", "clock", "17/0.0.41.0.0.255/2", "--json", *options])
    said = capsys.readouterr()
    return status, json.loads(said.out), said.err


@pytest.mark.parametrize(
    "value",
    [
        bytes.fromhex("0906"),
        bytes.fromhex("060000000177"),
        bytes.fromhex("0184ffffffff00"),
        bytes.fromhex("0203"),
        b"\x01\x01" * 3000 + b"\x00",
    ],
    ids=["truncated", "trailing", "a length that lies", "a structure without its elements", "nested"],
)
def test_a_malformed_value_is_an_error_at_its_object_and_the_others_are_read(
    capsys: pytest.CaptureFixture[str], value: bytes
) -> None:
    status, printed, _ = clock_and_name(capsys, value)
    name, clock, devices = printed["objects"]
    assert (status, "raw" in name, "raw" in devices) == (1, True, True)
    assert clock["error"].startswith("the meter's answer breaks a rule: ")
    assert CLAUSE in clock["error"]


def test_a_link_that_is_lost_on_the_way_keeps_what_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, err = clock_and_name(capsys, HANG_UP)
    assert (status, len(printed["objects"])) == (4, 1)
    assert "value" in printed["objects"][0]
    assert "closed the connection" in printed["error"]
    assert err == f"amiloop: {printed['error']}\n"


def test_a_value_of_another_type_is_shown_with_a_remark(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = clock_and_name(capsys, b"\x11\x03")
    assert (status, printed["objects"][1]["value"]) == (0, 3)
    assert "unsigned" in printed["objects"][1]["mismatch"]


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        ("07ea0d40ff3c3c3cff800000", "no valid date-time: the month 13"),
        ("00010101ff000000ff800000", "no valid date-time: year 1)"),
        ("ffffffffffffffffff8000ff", "****-**-** **:**:**"),
    ],
)
def test_a_clock_that_tells_no_time_is_said_to(capsys: pytest.CaptureFixture[str], octets: str, said: str) -> None:
    _, printed, _ = clock_and_name(capsys, b"\x09\x0c" + bytes.fromhex(octets))
    clock = printed["objects"][1]
    assert said in clock["text"]
    assert (clock["value"], clock["raw"]) == (None, octets)


def test_a_block_that_comes_again_and_again_is_not_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(apdu: bytes) -> bytes | None:
        if apdu[:1] != b"\xc0":
            return None
        return b"\xc4\x02" + apdu[2:3] + bytes.fromhex("00 00000001 00 04 09200000")

    with MeterOnTcp(answer=answer) as meter:
        status = cli.run(["read", meter.url, "clock", "--timeout", "0.1"])
    assert status == 4
    assert "what came is not the answer to the request: block 1 came again" in capsys.readouterr().err


def test_a_counter_that_nobody_gives_in_time_is_no_matter_of_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    keys = ("--key", "00" * 16, "--auth-key", "00" * 16)
    with MeterOnTcp(silent=True) as meter:
        assert cli.run(["read", meter.url, "clock", *keys, "--timeout", "0.1"]) == 4
    err = capsys.readouterr().err
    assert "the invocation counter 0.0.43.1.0.255 could not be read by client 16 (no answer from" in err
    assert "--counter" in err


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        (SILENCE, 4, "the device did not answer when client 16 asked for the object list of logical device 1"),
        (b"\x02\xff", 1, CLAUSE),
    ],
)
def test_a_scan_tells_silence_and_nonsense_from_a_refusal(
    capsys: pytest.CaptureFixture[str], value: bytes, status: int, said: str
) -> None:
    with MeterOnTcp(answer=answering(OBJECT_LIST, value)) as meter:
        assert cli.run(["scan", meter.url, "--timeout", "0.1"]) == status
    assert said in capsys.readouterr().err
