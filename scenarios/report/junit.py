"""JUnit XML, as pipelines read it: FAILED is a failure, INCONCLUSIVE an error, INAPPLICABLE a skipped test.

What was chosen and did not run is an error too: of skipped tests alone a pipeline would turn green.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hes.clock import utc
from scenarios.result import RunResult, ScenarioResult
from scenarios.verdicts import Verdict

_ELEMENT: Final = {
    Verdict.FAILED: "failure",
    Verdict.INCONCLUSIVE: "error",
    Verdict.INAPPLICABLE: "skipped",
}
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(run: RunResult) -> bytes:
    """The document, UTF-8 with its declaration."""
    root = Element("testsuites", name="amiloop")
    counts = run.counts
    suite = SubElement(
        root,
        "testsuite",
        name=f"station {run.station.name}",
        tests=str(run.planned),
        failures=str(counts[Verdict.FAILED]),
        errors=str(counts[Verdict.INCONCLUSIVE] + len(run.not_run)),
        skipped=str(counts[Verdict.INAPPLICABLE]),
        time=f"{run.wall_s:.3f}",
        timestamp=utc(run.started_epoch_s).strftime("%Y-%m-%dT%H:%M:%S"),
    )
    properties = SubElement(suite, "properties")
    known = {
        "outcome": run.headline,
        "station": run.station.name,
        "kind": run.station.kind,
        "seed": str(run.station.world.seed),
        **run.versions,
    }
    for name, value in known.items():
        SubElement(properties, "property", name=name, value=value)
    for scenario in run.scenarios:
        _case(suite, scenario)
    for left in run.not_run:
        case = SubElement(suite, "testcase", classname=left.suite or "suite", name=left.name, time="0.000")
        properties = SubElement(case, "properties")
        SubElement(properties, "property", name="verdict", value="NOT RUN")
        SubElement(properties, "property", name="title", value=_clean(left.title))
        SubElement(case, "error", message=f"not run: {run.why_not_run}")
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"


def _case(suite: Element, scenario: ScenarioResult) -> None:
    case = SubElement(
        suite, "testcase", classname=scenario.suite or "suite", name=scenario.name, time=f"{scenario.wall_s:.3f}"
    )
    properties = SubElement(case, "properties")
    SubElement(properties, "property", name="verdict", value=scenario.verdict.value)
    SubElement(properties, "property", name="title", value=_clean(scenario.title))
    SubElement(properties, "property", name="station_s", value=f"{scenario.station_s:.6f}")
    element = _ELEMENT.get(scenario.verdict)
    if element is not None:
        told = SubElement(case, element, message=_clean(scenario.reason))
        told.text = _clean(scenario.trace)


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
