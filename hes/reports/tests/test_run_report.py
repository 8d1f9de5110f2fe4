"""The report of a run: what it says, that it says it safely, and that a browser can show it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hes.errors import ConfigError, StoreError
from hes.reports import page
from hes.reports.figures import LocalTime, count, duration, percent
from hes.reports.run_charts import POINTS_MAX, quantile, thinned
from hes.reports.run_report import DcuFigures, HopFigures, Mark, Progress, RunReport, write_run_report
from hes.store.sqlite import SqliteStore
from hes.store.store import (
    Attempt,
    Batch,
    ChannelKind,
    DeviceKind,
    Missing,
    NewChannel,
    NewDevice,
    Outcome,
    Plan,
    PlanOccurrence,
    SessionEvent,
)

DAY_S = 1_733_788_800
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>&amp;\u2028"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


async def fill(path: Path) -> list[int]:
    """Two concentrators with two meters each; one meter lacks quarter-hours 40..49, one lacks the whole day."""
    store = await SqliteStore.open(path)
    devices = [NewDevice(kind=DeviceKind.DCU, number=f"0731000{k}", name=f"dcu-{k}") for k in (1, 2)]
    devices += [
        NewDevice(kind=DeviceKind.METER, number=f"{k:012d}", dcu_number=f"0731000{1 + k % 2}") for k in range(4)
    ]
    ids = await store.add_devices(devices)
    energy = NewChannel(
        name=f"energy {HOSTILE}", class_id=3, obis="1.0.1.8.0.255", attribute=2, kind=ChannelKind.LOAD_PROFILE, unit=30
    )
    volts = NewChannel(
        name="voltage",
        class_id=3,
        obis="1.0.32.7.0.255",
        attribute=2,
        kind=ChannelKind.LOAD_PROFILE,
        unit=35,
        scaler=-1,
    )
    billing = NewChannel(
        name="billing", class_id=3, obis="1.0.1.8.1.255", attribute=2, kind=ChannelKind.BILLING, unit=30
    )
    channels = await store.add_channels([energy, volts, billing])
    await store.add_plans([Plan(f"daily {HOSTILE}", "")])
    await store.add_occurrences([PlanOccurrence(f"daily {HOSTILE}", DAY_S + 120, DAY_S + 7200)])
    batch = Batch(
        readings=[
            (DAY_S - 86_400 + 900 * quarter, meter, channel, 1000 * k + 25 * quarter, 0, 1000 * (DAY_S + 600 * (k + 1)))
            for k, meter in enumerate(ids[2:5])
            for channel in channels[:2]
            for quarter in range(1, 97)
            if not (k == 1 and 40 <= quarter < 50)
        ],
        attempts=[
            Attempt(meter, "daily", DAY_S + 120, 1, 1000 * (DAY_S + 200 * k), 1000 * (DAY_S + 200 * k + 5 + k),
                    Outcome.SUCCEEDED if k < 4 else Outcome.FAILED, "" if k < 4 else "meter_silent", "", 300)
            for k, meter in enumerate(ids[2:], start=1)
        ],
        session_events=[
            SessionEvent(1000 * (DAY_S + 10), ids[0], "login", ""),
            SessionEvent(1000 * (DAY_S + 500), ids[0], "lost", HOSTILE),
            SessionEvent(1000 * (DAY_S + 700), ids[0], "login", ""),
            SessionEvent(1000 * (DAY_S + 800), ids[0], "login", ""),
            SessionEvent(1000 * (DAY_S + 800), ids[0], "lost", "replaced by a newer login"),
            SessionEvent(1000 * (DAY_S + 20), None, "refused", "stranger"),
        ],
        missing=[Missing(ids[5], channels[0], DAY_S - 85_500, DAY_S, 900, "daily", "meter_silent")],
    )  # fmt: skip
    await store.write_batch(batch)
    await store.close()
    return ids


def report_of(ids: list[int], **changes: Any) -> RunReport:
    figures: dict[str, Any] = {
        "title": f"Village {HOSTILE}",
        "zone": "Asia/Shanghai",
        "began_s": DAY_S,
        "ended_s": DAY_S + 86_400,
        "first_s": DAY_S - 86_399,
        "last_s": DAY_S,
        "devices": 6,
        "values_due": 768,
        "values_read": 556,
        "missing_by_cause": {"meter_silent": 192, "never_captured": 20, "dcu_busy": 0},
        "progress": (Progress(DAY_S + 120, 0, 768), Progress(DAY_S + 600, 192, 768), Progress(DAY_S + 9000, 556, 768)),
        "marks": (Mark("06:00", DAY_S + 21_600), Mark("00:01", DAY_S + 60), Mark("00:10", DAY_S + 600)),
        "dcus": (
            DcuFigures(name="dcu-1", terminal_id="07310001", meters=2, meters_read=2,
                       read_all_s=123.0, sessions=2),
            DcuFigures(name=HOSTILE, terminal_id="07310002", meters=2, meters_read=0,
                       read_all_s=None, sessions=0),
        ),
        "hops": (
            HopFigures(hops=2, meters=1, attempts=8, retries=2),
            HopFigures(hops=1, meters=3, attempts=10, retries=0),
        ),
        "exchanges": 40,
        "wall_s": 0.5,
        "reproduce": (("seed", "7"), ("digest", "ab" * 32)),
        "files": (("store", "store.sqlite3"), ("capture", "/elsewhere/frames.pcapng"), ("up", "../x")),
    }  # fmt: skip
    return RunReport(**(figures | changes))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    ids = asyncio.run(fill(tmp_path / "store.sqlite3"))
    write_run_report(report_of(ids), tmp_path / "store.sqlite3", tmp_path / "report.html")
    return tmp_path / "report.html"


def charts_in(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    charts: dict[str, Any] = json.loads(found.group(1))
    return charts


class Elements(HTMLParser):
    """Counts start tags and keeps links and table cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def test_what_comes_from_outside_cannot_become_markup(written: Path) -> None:
    elements = Elements(written.read_text(encoding="utf-8"))
    assert elements.tags.count("script") == 3
    assert "img" not in elements.tags
    assert elements.links == ["./store.sqlite3"], "no resource, no link but to what lies below the page"
    assert f"Village {HOSTILE}" not in written.read_text(encoding="utf-8")


def test_the_page_needs_no_network_and_says_so(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    ours = html.replace(page.plotly_script(), "")
    assert "http://" not in ours
    assert "https://" not in ours
    assert "plotly" not in sys.modules


def test_success_is_drawn_with_its_marks_and_deadlines(written: Path) -> None:
    success = charts_in(written.read_text(encoding="utf-8"))["success"]
    (line,) = success["traces"]
    assert line["y"] == [0.0, 25.0, 100 * 556 / 768, 100 * 556 / 768]
    assert line["x"][0] == "2024-12-10 08:02:00", "axes are in the meters' zone"
    assert line["x"][-1] == "2024-12-11 08:00:00", "the line reaches to the end of the run"
    assert [mark["label"] for mark in success["marks"]] == ["00:01: –", "00:10: 25.00 %", "06:00: 72.40 %"]
    assert success["deadlines"] == [{"x": "2024-12-10 10:00:00", "label": f"daily {HOSTILE} closes"}]


def test_without_samples_success_follows_from_the_store(tmp_path: Path) -> None:
    ids = asyncio.run(fill(tmp_path / "store.sqlite3"))
    write_run_report(report_of(ids, progress=()), tmp_path / "store.sqlite3", tmp_path / "report.html")
    (line,) = charts_in((tmp_path / "report.html").read_text(encoding="utf-8"))["success"]["traces"]
    assert line["customdata"][:3] == [[192, 768], [364, 768], [556, 768]]


def test_the_other_charts_say_what_the_store_says(written: Path) -> None:
    charts = charts_in(written.read_text(encoding="utf-8"))
    took, since = charts["read-times"]["views"]
    assert took["traces"][0]["y"] == ["dcu-2", "dcu-1"], "the first concentrator stands on top"
    assert took["traces"][0]["median"] == [7.0, 7.0]
    assert since["traces"][0]["median"] == [287.0, 287.0]
    assert charts["missing"]["traces"][0]["y"] == ["never captured", "meter silent"]
    assert charts["hops"]["traces"][0]["y"] == [0.0, 25.0]
    there, lost = charts["sessions"]["traces"]
    assert there["x"] == [
        "2024-12-10 08:00:10", "2024-12-10 08:08:20", None, "2024-12-10 08:11:40", "2024-12-11 08:00:00", None,
    ]  # fmt: skip
    assert lost["text"] == [HOSTILE, "replaced by a newer login"], "but the concentrator was there all the time"


def test_a_counter_is_drawn_as_power_and_a_gap_as_a_gap(written: Path) -> None:
    views = charts_in(written.read_text(encoding="utf-8"))["curves"]["views"]
    meters = list(dict.fromkeys(view["label"] for view in views))
    wanted = ["000000000000 (dcu-1)", "000000000001 (dcu-2)", "000000000002 (dcu-1)"]
    assert meters == wanted, "one meter of each concentrator in turn, and none without values"
    whole, gap = _energy_of(views, "000000000000", "000000000001")
    assert whole["y"] == [100.0] * 95, "25 Wh in a quarter of an hour are 100 W"
    assert gap["y"].count(None) == 1
    assert len(gap["y"]) == 85
    volts = next(view for view in views if view["channel"].startswith("voltage"))
    assert volts["traces"][0]["y"][0] == pytest.approx(2.5)
    assert {view["channel"].split(" ")[0] for view in views} == {"energy", "voltage"}


def _energy_of(views: list[dict[str, Any]], *numbers: str) -> list[dict[str, Any]]:
    return [
        view["traces"][0]
        for number in numbers
        for view in views
        if view["label"].startswith(number) and view["channel"].startswith("energy")
    ]


def test_tables_show_figures_and_sort_by_numbers(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    cells = [cell.strip() for cell in Elements(html).cells]
    assert cells[:8] == ["dcu-1", "07310001", "2", "2", "100 %", "2 min 03 s", "7.00 s", "2"]
    assert 'data-sort="1000000000000.0">not all' in html
    assert "daily" in cells
    assert "meter silent" in cells


def test_an_empty_store_gives_a_page_that_says_so(tmp_path: Path) -> None:
    async def empty() -> None:
        await (await SqliteStore.open(tmp_path / "store.sqlite3")).close()

    asyncio.run(empty())
    report = RunReport(
        title="Nothing",
        began_s=DAY_S,
        ended_s=DAY_S,
        first_s=DAY_S,
        last_s=DAY_S,
        devices=0,
        values_due=0,
        values_read=0,
    )
    write_run_report(report, tmp_path / "store.sqlite3", tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(chart["empty"].endswith(".") for chart in charts_in(html).values())
    assert "The run knew no concentrators." in html


def test_the_same_run_gives_the_same_page(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    ids = asyncio.run(fill(again / "store.sqlite3"))
    write_run_report(report_of(ids), again / "store.sqlite3", again / "report.html")
    assert written.read_bytes() == (again / "report.html").read_bytes()


def test_what_is_missing_on_the_machine_is_said_in_one_sentence(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store.sqlite3"
    report = report_of([1, 2])
    with pytest.raises(ConfigError, match="cannot be written"):
        write_run_report(report, store, tmp_path / "nowhere" / "report.html")
    with pytest.raises(ConfigError, match="time zone 'Mars/Olympus'"):
        write_run_report(report_of([1, 2], zone="Mars/Olympus"), store, tmp_path / "report.html")
    with pytest.raises(StoreError, match="read for the report"):
        write_run_report(report, tmp_path / "nowhere" / "store.sqlite3", tmp_path / "report.html")
    page.plotly_script.cache_clear()
    monkeypatch.setattr("hes.reports.page.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install amiloop\[web\]"):
        write_run_report(report, store, tmp_path / "report.html")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_draws_every_chart(written: Path) -> None:
    assert CHROMIUM is not None
    dom = _dom(written)
    assert dom.count('class="main-svg"') >= 6
    assert dom.count("<select") == 3
    assert "Content Security Policy" not in dom
    assert _title(dom) == f"Village {HOSTILE}", "nothing in it ran"


USED = """<script>
const select = document.querySelector("#curves select");
select.selectedIndex = 1;
select.dispatchEvent(new Event("change"));
const heading = document.querySelectorAll("table.sortable th button")[3];
heading.click();
document.title = [
  document.querySelector("#curves .plot").data[0].y.length,
  heading.parentElement.getAttribute("aria-sort"),
  Array.from(document.querySelector("table.sortable").tBodies[0].rows).map((row) => row.cells[1].textContent),
].join("; ");
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_meters_can_be_chosen_and_tables_sorted(written: Path) -> None:
    used = written.with_name("used.html")
    used.write_text(written.read_text(encoding="utf-8").replace("</body>", USED + "</body>"), encoding="utf-8")
    assert _title(_dom(used)) == "85; ascending; 07310002,07310001"


def _title(dom: str) -> str:
    found = re.search("<title>(.*?)</title>", dom, re.DOTALL)
    assert found is not None
    return unescape(found.group(1))


def _dom(path: Path) -> str:
    """The page's elements after its scripts have run."""
    command = [CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={path.parent / 'profile'}", "--virtual-time-budget=8000", "--dump-dom", path.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout


def test_figures_read_well() -> None:
    assert [duration(seconds) for seconds in (0.417, 12.34, 425, 12_000)] == [
        "0.42 s",
        "12.3 s",
        "7 min 05 s",
        "3 h 20 min",
    ]
    assert [percent(*part) for part in ((0, 0), (0, 5), (1, 10**6), (5, 5), (99_999, 100_000), (1, 3))] == [
        "–", "0.00 %", "0.01 %", "100 %", "99.99 %", "33.33 %",
    ]  # fmt: skip
    assert count(1_234_567) == "1\u2009234\u2009567"
    assert LocalTime("Europe/Berlin").minute(DAY_S) == "2024-12-10 01:00"
    assert [quantile([1.0, 2.0, 4.0], share) for share in (0, 0.25, 0.5, 1)] == [1.0, 1.5, 2.0, 4.0]
    assert quantile([3.0], 0.95) == 3.0


def test_many_samples_are_thinned_but_the_last_stays() -> None:
    samples = [Progress(DAY_S + number, number, 50_000) for number in range(50_000)]
    thin = thinned(samples)
    assert len(thin) <= POINTS_MAX + 2
    assert (thin[0], thin[-1]) == (samples[0], samples[-1])
    assert [sample.at_s for sample in thin] == sorted({sample.at_s for sample in thin})
