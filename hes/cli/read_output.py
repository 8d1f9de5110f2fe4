"""What `amiloop read` prints: lines and tables for people, one object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hes.cli.failures import sentence_of
from hes.cli.read_meter import ReadOutcome
from hes.cli.read_plan import ReadPlan
from hes.cli.read_values import ProfileTable, Reading
from hes.dlms import axdr
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.inspect.meanings import class_name
from hes.dlms.obis_names import name
from hes.errors import RemoteProtocolError

SEPARATOR: Final = "  "
OBJECT_LIST: Final = (15, 2)  # Association LN, object_list


def outcome_lines(outcome: ReadOutcome, columns: int = 0) -> list[str]:
    """columns: those of the terminal; what is wider stands below one another instead. 0 for no such end."""
    readings = [result for result in outcome.results if isinstance(result, Reading)]
    width = max((len(reading.code) for reading in readings), default=0)
    label_width = max((len(reading.label) for reading in readings), default=0)
    lines: list[str] = []
    for result in outcome.results:
        if isinstance(result, ProfileTable):
            lines += _table_lines(result, columns)
            continue
        text = _object_lines(result) or result.text
        if result.mismatch:
            text += f"{SEPARATOR}!! {result.mismatch}"
        first = f"{result.code:<{width}}{SEPARATOR}{result.label:<{label_width}}{SEPARATOR}"
        one_line = "\n" not in text and (not columns or len(first) + len(text) <= columns)
        lines += [f"{first}{text}"] if one_line else [first.rstrip(), *_indented(text)]
    return lines


def _object_lines(reading: Reading) -> str:
    """An object list as one line per object, "" for any other attribute or a list of another shape."""
    class_id, _, attribute = reading.descriptor
    if reading.data is None or (class_id, attribute) != OBJECT_LIST:
        return ""
    try:
        elements = object_list_from_value(axdr.plain(reading.data))
    except RemoteProtocolError:
        return ""
    lines = [f"{len(elements)} objects"]
    for element in elements:
        classed = f"{element.class_id}/{element.logical_name}"
        called = f"{class_name(element.class_id) or 'class not known'} v{element.version}"
        lines.append(f"{classed:<24}{SEPARATOR}{called:<26}{SEPARATOR}{name(element.logical_name)}".rstrip())
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _table_lines(table: ProfileTable, columns: int) -> list[str]:
    """A heading, the columns explained, and the rows under short column heads, or each as a list if too wide."""
    described = Reading(descriptor=table.descriptor)
    lines = [f"{described.code}{SEPARATOR}{described.label}{SEPARATOR}{len(table.rows)} rows"]
    heads = [str(number) for number in range(1, len(table.columns) + 1)]
    lines += [f"  [{head}] {heading}" for head, heading in zip(heads, table.headings, strict=True)]
    if not table.rows:
        return lines
    cells = table.cells()
    heads = [f"[{head}]" for head in heads]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    rows = ["  " + _row(row, widths) for row in (heads, *cells)]
    if columns and max(map(len, rows)) > columns:
        rows = [line for number, row in enumerate(cells, 1) for line in _listed_row(number, heads, row)]
    return lines + rows


def _listed_row(number: int, heads: Sequence[str], row: Sequence[str]) -> list[str]:
    width = max(map(len, heads))
    return [f"  row {number}", *(f"    {head:<{width}} {cell}" for head, cell in zip(heads, row, strict=True))]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return SEPARATOR.join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def outcome_json(plan: ReadPlan, outcome: ReadOutcome) -> dict[str, Any]:
    associated = outcome.associated
    title = associated.server_system_title.hex() if associated is not None else ""
    return {
        "url": plan.connect.url,
        "client": plan.connect.settings.client_sap,
        "server": plan.connect.settings.server_sap,
        "framing": "wrapper" if plan.connect.hdlc is None else "hdlc",
        "meter_system_title": title,
        "objects": [result.to_json() for result in outcome.results],
        "findings": outcome.findings,
        "interrupted": outcome.interrupted,
        "error": "" if outcome.broken is None else sentence_of(outcome.broken),
    }
