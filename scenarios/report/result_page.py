"""The result of a run as one page that stands alone: verdicts first, then every step with its frames, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from string import Template
from typing import Final

from hes.clock import utc
from hes.dlms.inspect.brief import brief
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.hiding import hidden_places, shown_hex
from hes.dlms.inspect.node import Node, render_text
from hes.protocols.frame_inspector import FrameInspector
from hes.reports import page
from hes.reports.page import text
from hes.trace.summary import apdu_summary, summary
from scenarios.evidence import Entry
from scenarios.result import NotRun, RunResult, ScenarioResult
from scenarios.verdicts import Verdict

ITEMS_SHOWN: Final = 8
"""Rows of a profile that a tree shows; the files beside the page have them all."""
HEX_OCTETS_SHOWN: Final = 512
_NOTE: Final = {
    Verdict.PASSED: "as promised",
    Verdict.FAILED: "a promise was broken",
    Verdict.INCONCLUSIVE: "could not be judged",
    Verdict.INAPPLICABLE: "not possible here",
}


def document(run: RunResult) -> str:
    """The whole page."""
    template = Template(_file("result_page.html"))
    station = run.station
    return template.substitute(
        title=text(f"{run.outcome}: {station.name}, {_extent(run)}"),
        style=(page.TEMPLATES / "run_report.css").read_text(encoding="utf-8") + _file("result_page.css"),
        verdict=text(run.headline),
        verdict_class=run.outcome.lower(),
        headline=text(f"{_extent(run)} on station {station.name}"),
        summary=text(f"{station.title[:1].upper()}{station.title[1:]}."),
        period=text(f"{utc(run.started_epoch_s):%Y-%m-%d %H:%M:%S} UTC, {run.wall_s:.1f} s"),
        cards=page.cards(_cards(run)),
        overview="\n".join([*map(_overview_row, run.scenarios), *(_row_not_run(left, run) for left in run.not_run)]),
        scenarios="\n".join(_scenario(scenario) for scenario in run.scenarios),
        facts=page.facts(_facts(run)),
    )


def _file(name: str) -> str:
    return (files("scenarios.report") / name).read_text(encoding="utf-8")


def _scenarios(count: int) -> str:
    return f"{count} scenario{'' if count == 1 else 's'}"


def _extent(run: RunResult) -> str:
    """ "22 scenarios", or of how many they are a part."""
    return f"{run.ended} of {_scenarios(run.planned)}" if run.ended < run.planned else _scenarios(run.planned)


def _cards(run: RunResult) -> list[tuple[str, str, str]]:
    cards = [(verdict.value.title(), str(count), _NOTE[verdict]) for verdict, count in run.counts.items()]
    return [*cards, ("Not run", str(len(run.not_run)), run.why_not_run)] if run.not_run else cards


def _facts(run: RunResult) -> list[tuple[str, str]]:
    world = run.station.world
    return [
        ("Station", f"{run.station.name} ({run.station.kind})"),
        ("Field", f"{world.name}, {world.meter_count} meters, SHA-256 {world.digest}"),
        ("Seed", str(world.seed)),
        *[(name, value) for name, value in run.versions.items()],
        ("Octets", "frames/*.jsonl and captures/*.pcapng beside this page; hashes.txt holds their SHA-256"),
    ]


def _badge(verdict: Verdict) -> str:
    return f'<span class="verdict {verdict.value.lower()}">{verdict.value}</span>'


def _overview_row(scenario: ScenarioResult) -> str:
    reason = f"<small>{text(scenario.reason)}</small>" if scenario.reason else ""
    return (
        f'<tr><td>{_badge(scenario.verdict)}</td><td><a href="#{scenario.key}">{text(scenario.title)}</a>{reason}</td>'
        f'<td class="number">{_seconds(scenario.station_s)}</td>'
        f'<td class="number">{_seconds(scenario.wall_s)}</td></tr>'
    )


def _row_not_run(left: NotRun, run: RunResult) -> str:
    return (
        f'<tr><td><span class="verdict not-run">NOT RUN</span></td><td>{text(left.title)}'
        f"<small>{text(run.why_not_run)}</small></td><td></td><td></td></tr>"
    )


def _scenario(scenario: ScenarioResult) -> str:
    about = "".join(f"<p>{text(part)}</p>" for part in scenario.about.split("\n\n")[1:])
    reason = f'<p class="reason">{text(scenario.reason)}</p>' if scenario.reason else ""
    trace = ""
    if scenario.trace:
        trace = f"<details><summary>Where it ended</summary><pre>{text(scenario.trace)}</pre></details>"
    opened = " open" if scenario.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE) else ""
    return (
        f'<details class="scenario" id="{scenario.key}"{opened}><summary>{_badge(scenario.verdict)} '
        f"{text(scenario.title)}</summary>\n{reason}{about}{_links(scenario)}{trace}\n{''.join(_steps(scenario))}</details>"
    )


def _links(scenario: ScenarioResult) -> str:
    if not scenario.facts:
        return ""
    told = "; ".join(
        f"{facts.kind}{', half duplex' if facts.half_duplex else ''}, usual turnaround {_seconds(facts.turnaround_s)}"
        for facts in scenario.facts
    )
    return f'<p class="links">Link: {text(told)}. Test: {text(scenario.suite)}, {text(scenario.name)}.</p>'


def _steps(scenario: ScenarioResult) -> Iterator[str]:
    frames = FrameInspector()
    inside = {name: Conversation(keys) for name, keys in scenario.secrets.items()}
    for number, step in enumerate(scenario.evidence.steps):
        rows = "\n".join(_row(entry, frames, inside) for entry in scenario.evidence.of_step(number))
        if not rows and step.title in ("before", "after"):
            continue
        took = _seconds((step.until_s or step.from_s) - step.from_s)
        body = f'<table class="frames"><tbody>\n{rows}\n</tbody></table>' if rows else '<p class="empty">No frames.</p>'
        yield f'<section class="step"><h3>{text(step.title)} <small>{took}</small></h3>{body}</section>\n'


def _row(entry: Entry, frames: FrameInspector, inside: dict[str, Conversation]) -> str:
    time = f'<td class="number">{entry.at_s:.3f}</td>'
    if entry.kind == "event":
        return f'<tr class="event">{time}<td></td><td>{text(entry.source)}</td><td>{text(entry.note)}</td></tr>'
    arrow = '<td class="way" title="to the device">&rarr;</td>'
    if not entry.to_device:
        arrow = '<td class="way" title="from the device">&larr;</td>'
    source = f"<td>{text(entry.source)}</td>"
    if entry.kind == "apdu":
        node = inside.setdefault(entry.source, Conversation()).inspect_apdu(entry.octets)
        line = brief(node) if any(hidden_places(node)) else apdu_summary(entry.octets)
        said = _details(line, node, entry.octets)
        return f'<tr class="apdu">{time}{arrow}{source}<td>{said}</td></tr>'
    note = f" ({entry.note})" if entry.note else ""
    node = frames.inspect(entry.octets)
    said = _details(f"{len(entry.octets)} octets: {summary(entry.octets)}{note}", node, entry.octets)
    return f'<tr class="frame">{time}{arrow}{source}<td>{said}</td></tr>'


def _details(line: str, node: Node, octets: bytes) -> str:
    tree = render_text(node, items_max=ITEMS_SHOWN)
    shown = shown_hex(octets[:HEX_OCTETS_SHOWN], node, " ")
    more = f" ... {len(octets) - HEX_OCTETS_SHOWN} more octets" if len(octets) > HEX_OCTETS_SHOWN else ""
    return (
        f'<details><summary>{text(line)}</summary><pre>{text(tree)}</pre><pre class="hex">{shown}{more}</pre></details>'
    )


def _seconds(seconds: float) -> str:
    if seconds >= 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"
