"""`amiloop read` over HDLC and the wrapper, on TCP, UDP and a pseudo-terminal, with and without a device profile."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hes.cli import main as cli
from hes.cli.meter_times import data_with_sign, with_sign
from hes.cli.read import read
from hes.cli.read_link import link_settings
from hes.cli.read_values import Reading
from hes.cli.tests.meter_on_a_link import LOWER, MeterOnALink
from hes.dlms import data
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.obis import Obis
from hes.dlms.tests import published
from hes.dlms.tests.bench_meter import MANAGEMENT, READER
from hes.protocols.wrapper_session import ExchangeTimeout

KEYS = ("--key", published.ENCRYPTION_KEY.hex(), "--auth-key", published.AUTHENTICATION_KEY.hex())
GMAC = (*KEYS, "--system-title", published.CLIENT_TITLE.hex())
PASSWORD = ("--password", published.PASSWORD.decode())
LOW = ("--auth", "low", "--client", str(READER), *PASSWORD)
TCP, PTY, UDP = "tcp-listen://127.0.0.1:0", "pty-listen://auto?baud=921600", "udp-listen://127.0.0.1:0"
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pseudo-terminals are Linux's")
PROFILE = Path(__file__).parents[3] / "fixtures/profiles/ami-1p.toml"


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(read, [url, *arguments], standalone_mode=False)


def through_main(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Status and stderr of the whole command, errors included."""
    status = cli.run(["read", *arguments])
    return status, capsys.readouterr().err


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    entry = EntryPoint("read", "hes.cli.read:read", "amiloop.commands")
    monkeypatch.setattr(cli.amiloop, "_source", lambda: {"read": entry})


@pytest.mark.parametrize(
    ("listen", "options"),
    [
        (TCP, ("--hdlc",)),
        (TCP, ("--hdlc", "--server", f"1/{LOWER}")),
        (TCP, ("--hdlc", "--server", f"1/{LOWER}", "--address-octets", "4")),
        pytest.param(PTY, ("--server", f"1/{LOWER}"), marks=on_linux),
    ],
)
def test_every_association_reads_over_hdlc_and_the_link_is_released(listen: str, options: tuple[str, ...]) -> None:
    with MeterOnALink(listen) as meter:
        public = run(meter.url, *options)
        low = run(meter.url, *options, *LOW, "energy-import", "load-profile")
        keys = run(meter.url, *options, *GMAC, "energy-import", "--trace", "--json")
    for done in (public, low, keys):
        assert done.exception is None, done.exception
        assert done.return_value == 0
    assert "2024-12-15 13:00:00" in public.stdout
    assert "96 rows" in low.stdout
    found = json.loads(keys.stdout)
    assert (found["framing"], found["server"], found["objects"][0]["unit"]) == ("hdlc", 1, "Wh")
    assert "SNRM" in keys.stderr
    assert meter.disconnects == 4, "the public client that reads the counter has a link of its own"


@pytest.mark.parametrize("listen", [UDP, pytest.param(PTY, marks=on_linux)])
def test_the_wrapper_reads_over_datagrams_and_on_a_line(listen: str) -> None:
    with MeterOnALink(listen, hdlc=False) as meter:
        done = run(meter.url, "--wrapper", *GMAC, "energy-import")
    assert done.return_value == 0
    assert "Wh" in done.stdout


def test_a_profile_leaves_only_the_secrets_to_give() -> None:
    with MeterOnALink(TCP) as meter:
        found = [
            json.loads(run(meter.url, "--hdlc", "--profile", "ami-1p", "--json", *line).stdout)["client"]
            for line in (GMAC, (), ("--association", "public", *GMAC))
        ]
        by_file = run(
            meter.url, "--hdlc", "--profile", str(PROFILE), "--association", "management", *GMAC, "3/1.0.1.8.0.255"
        )
    assert found == [MANAGEMENT, 16, 16]
    assert by_file.return_value == 0


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        (("--profile", "ami-1p", "--association", "nobody"), 2, "management (client 1, hls-gmac)"),
        (("--profile", "ami-1p", "--client", "77"), 2, "no association for this --client"),
        (("--profile", "ami-1p", "--association", "management"), 2, "--auth gmac needs --key, --auth-key"),
        (("--association", "management"), 2, "--association needs --profile"),
        (("--profile", "no-such-profile"), 3, "no-such-profile"),
        (("--server", "1/17"), 2, "add --hdlc"),
        (("--address-octets", "2"), 2, "add --hdlc"),
        (("--hdlc", "--server", "1/17", "--address-octets", "1"), 2, "say --server 1"),
        (("--hdlc", "--address-octets", "4"), 2, "--server 1/17"),
        (("--hdlc", "--server", "127/17"), 2, "none of them would answer"),
        (("--hdlc", "--server", "300"), 2, "give upper and lower"),
        (("--hdlc", "--client", "200"), 2, "--client 200 is no HDLC client address"),
        (("--server", "1/2/3"), 2, "no server address"),
        (("--server", "one"), 2, "no server address"),
    ],
)
def test_what_does_not_fit_together_is_said_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...], status: int, said: str
) -> None:
    found, err = through_main(capsys, "tcp://127.0.0.1:1", *line)
    assert (found, err.count("\n")) == (status, 1), err
    assert said in err


def test_a_meter_that_is_silent_on_snrm_says_what_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    with MeterOnALink(TCP, addresses=(ServerAddress(1, 99, 2),)) as meter:
        status, err = through_main(capsys, meter.url, "--hdlc", "--server", "1/17", "--timeout", "0.2")
    assert (status, err.count("\n")) == (4, 1), err
    assert "no answer to SNRM" in err
    assert "client 16, server 1/17, address of 2 octets" in err
    assert "--wrapper" in err


def test_a_meter_that_refuses_the_link_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with MeterOnALink(TCP, refuses=True) as meter:
        status, err = through_main(capsys, meter.url, "--hdlc", "--server", "1/17", "--timeout", "5")
    assert (status, err.count("\n")) == (4, 1), err
    assert "refuses an HDLC link (DM) from client 16" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--auth", "low", "--client", str(READER), "--password", "wrong-one"), "refused the password"),
        ((*GMAC, "--key", "00" * 16), "key"),
    ],
)
def test_a_wrong_secret_is_configuration_over_hdlc_too_and_the_link_is_released(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...], said: str
) -> None:
    with MeterOnALink(TCP) as meter:
        status, err = through_main(capsys, meter.url, "--hdlc", *line)
    assert (status, err.count("\n")) == (3, 1), err
    assert said in err
    assert meter.disconnects >= 1


@on_linux
def test_a_port_that_is_missing_or_busy_or_none_is_a_link_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, err = through_main(capsys, f"serial://{tmp_path}/ttyUSB9")
    assert (status, "does not exist" in err, err.count("\n")) == (4, True, 1), err
    with MeterOnALink(PTY) as meter:
        import fcntl

        with open(meter.url.removeprefix("pty://").partition("?")[0], "rb", buffering=0) as port:
            fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status, err = through_main(capsys, meter.url)
    assert (status, "is busy" in err, err.count("\n")) == (4, True, 1), err


def test_a_udp_port_where_nothing_listens_is_a_link_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, err = through_main(capsys, "udp://127.0.0.1:1", "--timeout", "2")
    assert (status, err.count("\n")) == (4, 1), err
    assert "nothing listens" in err


def test_a_slow_line_gets_the_time_that_its_frames_need() -> None:
    slow, fast = (link_settings(f"serial:///dev/ttyUSB0?baud={baud}", 20).response_s for baud in (300, 115200))
    assert slow > 5 + 2 * 144 * 10 / 300 > fast
    assert link_settings("tcp://192.0.2.7:4059", 20).response_s == 5


def test_the_other_sense_of_deviation_is_turned_for_people_and_left_in_the_raw_octets() -> None:
    moment = bytes.fromhex("07E80C0F070D000000003C00")  # +60: from UTC to local time
    clock = AttributeDescriptor(8, Obis.parse("0.0.1.0.0.255"), 2)
    usual = Reading(descriptor=clock, data=data.octets(moment))
    other = Reading(descriptor=clock, data=data.octets(moment), deviation_sign=-1)
    assert (usual.text[-9:], other.text[-9:]) == ("UTC-01:00", "UTC+01:00")
    found: dict[str, Any] = other.to_json()
    assert found["value"] == "2024-12-15T13:00:00+01:00"
    assert found["raw"] == usual.to_json()["raw"]
    nested = data.structure(data.octets(moment), data.u8(1))
    assert data_with_sign(nested, -1).value[0].value[9:11] == b"\xff\xc4"
    unknown = moment[:9] + b"\x80\x00\x00"
    assert with_sign(((moment, unknown, 5),), -1) == ((moment[:9] + b"\xff\xc4\x00", unknown, 5),)


def test_a_client_that_a_meter_on_hdlc_does_not_know_is_given_up_soon_and_named() -> None:
    with MeterOnALink(TCP) as meter:
        done = run(meter.url, "clock", "--hdlc", "--client", "99", "--timeout", "0.2")
    assert isinstance(done.exception, ExchangeTimeout)
    assert done.exception.fields["waited_s"] == 0.2, "however long the meter says it is busy"
    assert "client 99 and logical device 1 may not exist in this meter" in str(done.exception)


class SaysAnotherService(MeterOnALink):
    """Answers every GET with a set-response under the right invoke id."""

    def respond(self, client: int, apdu: bytes) -> bytes | None:
        return bytes((0xC5, 1, apdu[2], 0)) if apdu[0] == 0xC0 else super().respond(client, apdu)


def test_a_meter_that_breaks_a_rule_is_told_of_with_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    with SaysAnotherService(TCP, hdlc=False) as meter:
        status = cli.run(["read", meter.url, *LOW, "clock"])
    said = capsys.readouterr().out
    assert status == 1
    assert "APDU C5 does not answer what was asked [IEC 62056-5-3, services and their answers" in said
    assert "docs/protocols/dlms-application.md §3" in said
