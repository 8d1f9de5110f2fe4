"""What a run says: verdicts, reasons, exit status, files."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from hes.dlms import acse
from hes.dlms.acse import Aarq
from hes.errors import ConfigError
from hes.trace.capture_reader import read_capture
from scenarios import folder
from scenarios.station import load
from scenarios.tests.suites_on_stations import Run, amiloop_test

SUITE = '''
"""One scenario for each way to end."""

import pytest

from hes.errors import LinkError, RemoteProtocolError
from scenarios.meter import HLS, LLS, Meter
from scenarios.station import Station
from scenarios.verdicts import Inconclusive


async def test_that_passes(station, meter):
    """A title with <angle brackets> & more."""
    with station.step("read"):
        async with meter.association(LLS) as association:
            assert (await association.register("active_import")).raw


async def test_that_fails(meter):
    async with meter.association(HLS) as association:
        assert await association.clock_s() == 7, "the clock is not at 7"


async def test_that_meets_a_broken_rule(meter):
    raise RemoteProtocolError("a length that does not fit", octet_offset=3)


async def test_that_is_refused(meter):
    async with meter.association(HLS, secrets=meter.wrong_key):
        pass


async def test_that_loses_its_link(meter):
    raise LinkError("gone")


async def test_that_cannot_say(meter):
    raise Inconclusive("the sun was in my eyes")


async def test_with_a_mistake_of_its_own(meter):
    raise KeyError("typo")


async def test_that_needs_what_nobody_has(station):
    station.meter("transformer")


async def test_that_skips_itself():
    pytest.skip("not today")


async def test_that_waits_too_long(station):
    await station.let_pass(1e9)


@pytest.fixture
def broken():
    raise RuntimeError("this fixture is broken")


async def test_whose_fixture_is_broken(station, broken):
    pass


def test_that_is_no_scenario():
    pass
'''
EXPECTED = {
    "test_that_passes": ("PASSED", ""),
    "test_that_fails": ("FAILED", "the clock is not at 7"),
    "test_that_meets_a_broken_rule": ("FAILED", "RemoteProtocolError: a length that does not fit"),
    "test_that_is_refused": ("FAILED", "AccessDenied: the association was refused"),
    "test_that_loses_its_link": ("INCONCLUSIVE", "LinkError: gone"),
    "test_that_cannot_say": ("INCONCLUSIVE", "the sun was in my eyes"),
    "test_with_a_mistake_of_its_own": ("INCONCLUSIVE", "KeyError: 'typo'"),
    "test_that_needs_what_nobody_has": ("INAPPLICABLE", "station sim has no meter for the role 'transformer'"),
    "test_that_skips_itself": ("INAPPLICABLE", "not today"),
    "test_that_waits_too_long": ("INCONCLUSIVE", "the scenario was given up after 3600 s"),
    "test_whose_fixture_is_broken": ("INCONCLUSIVE", "RuntimeError: this fixture is broken"),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("suite")
    suite = home / "test_every_end.py"
    suite.write_text(SUITE, encoding="utf-8")
    return amiloop_test(home, "--station", "sim", suites=[suite])


def test_every_end_has_its_verdict_and_its_reason(ended: Run) -> None:
    assert ended.verdicts() == {name: verdict for name, (verdict, _) in EXPECTED.items()}
    for name, (_, reason) in EXPECTED.items():
        assert ended.scenario(name)["reason"].startswith(reason), name


def test_one_failure_makes_the_run_fail(ended: Run) -> None:
    assert ended.json["verdict"] == "FAILED"
    assert ended.status == 1


def test_a_run_that_could_not_judge_something_ends_with_its_own_status(ended: Run, tmp_path: Path) -> None:
    suite = ended.folder.parent / "test_every_end.py"
    run = amiloop_test(tmp_path, "--station", "sim", "-k", "passes or cannot_say", suites=[suite])
    assert (run.json["verdict"], run.status) == ("INCONCLUSIVE", 6)
    run = amiloop_test(tmp_path, "--station", "sim", "-k", "passes or skips", suites=[suite])
    assert (run.json["verdict"], run.status) == ("PASSED", 0)


def test_a_suite_that_cannot_be_loaded_is_inconclusive_and_says_why(tmp_path: Path) -> None:
    suite = tmp_path / "test_broken.py"
    suite.write_text("import nothing_of_this_name\n", encoding="utf-8")
    run = amiloop_test(tmp_path, "--station", "sim", suites=[suite])
    assert run.status == 6
    assert "nothing_of_this_name" in run.json["scenarios"][0]["reason"]


def test_junit_tells_failures_errors_and_skips_apart(ended: Run) -> None:
    (suite,) = ElementTree.parse(ended.folder / "junit.xml").getroot().findall("testsuite")  # noqa: S314 - our own
    found = {
        case.get("name"): next((child.tag for child in case if child.tag != "properties"), "")
        for case in suite.findall("testcase")
    }
    words = {"PASSED": "", "FAILED": "failure", "INCONCLUSIVE": "error", "INAPPLICABLE": "skipped"}
    assert found == {name: words[verdict] for name, (verdict, _) in EXPECTED.items()}
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "11",
        "3",
        "5",
        "2",
    )


def test_the_page_stands_alone_and_holds_the_decoded_frames_of_each_step(ended: Run) -> None:
    page = (ended.folder / "result.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "A title with &lt;angle brackets&gt; &amp; more" in page
    assert "<angle" not in page
    assert "AARQ (association request) mechanism lls" in page
    assert "get-request normal #1 3/1.0.1.8.0.255:2" in page
    faults = [line for line in page.splitlines() if "!! " in line]
    assert [line.strip() for line in faults if "the authentication tag is wrong" not in line] == []
    assert len(faults) == 1, "the one association with a wrong key"


def test_the_page_holds_no_password(ended: Run) -> None:
    page = (ended.folder / "result.html").read_text(encoding="utf-8").replace(" ", "")
    said = folder.read_frames(ended.folder / "frames" / "test_every_end--test_that_passes.jsonl").apdus()
    passwords = [found.authentication_value for found in map(acse.decode, (said[0].octets,)) if isinstance(found, Aarq)]
    assert len(passwords) == 1
    assert passwords[0]
    assert passwords[0].hex() not in page
    assert "**" * len(passwords[0]) in page


def test_hashes_are_those_of_the_files(ended: Run) -> None:
    lines = (ended.folder / "hashes.txt").read_text(encoding="utf-8").splitlines()
    beside = [line.split("  ") for line in lines if not line.endswith("(read)")]
    assert {name for _, name in beside} >= {"result.html", "junit.xml", "result.json"}
    for digest, name in beside:
        assert hashlib.sha256((ended.folder / name).read_bytes()).hexdigest() == digest


def test_frames_read_back_as_they_were_written_and_stand_in_the_capture(ended: Run) -> None:
    path = ended.folder / "frames" / "test_every_end--test_that_passes.jsonl"
    evidence = folder.read_frames(path)
    again = path.with_name("again.jsonl")
    folder.write_frames(again, evidence)
    assert again.read_bytes() == path.read_bytes()
    capture = read_capture(ended.folder / "captures" / "test_every_end--test_that_passes.pcapng")
    (conversation,) = capture.conversations
    for to_device in (True, False):
        told = [entry.octets for entry in evidence.entries if entry.kind == "frame" and entry.to_device is to_device]
        assert len(told) > 4
        captured = conversation.stream(from_client=not to_device)  # the concentrator is the one who dialled
        assert b"".join(chunk.octets for chunk in captured) == b"".join(told)


def test_a_station_file_with_faults_names_them_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('kind = "sim"\nfield = "bench"\nbegn = "10:00"\n[roles]\nmeter = "bench-0001"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="begn: unknown key"):
        load(str(path))
    path.write_text('kind = "sim"\nfield = "bench"\n[roles]\nmeter = "nobody"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="has no meter 'nobody'"):
        load(str(path))


def test_a_station_that_does_not_exist_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="sim"):
        load("moon")
