"""What `amiloop scan` prints for people: aligned lines, one object under its class, nothing wider than the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from hes.cli.read_plan import ConnectPlan
from hes.cli.read_values import BUFFER, CLOCK_CLASS, PROFILE_CLASS, ProfileTable, Reading
from hes.cli.scan_associations import association_table, others
from hes.cli.scan_result import BufferSummary, Scan, ScannedAttribute, ScannedDevice, ScannedMethod, ScannedObject
from hes.dlms import axdr
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.cosem.profile_generic import capture_objects_from_value
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.inspect.meanings import MECHANISM_WORDS, column_name, conformance_text
from hes.dlms.inspect.node import Node, render_text, table_lines
from hes.errors import RemoteProtocolError

WIDTH_DEFAULT: Final = 100
NAME_WIDTH_MAX: Final = 44
TREE_LINES_MAX: Final = 12
TEXT_LINES_MAX: Final = 3
ASSOCIATED_PARTNERS: Final = 3
ASSOCIATION_CLASS: Final = 15
OBJECT_LIST: Final = 2
CAPTURE_OBJECTS: Final = 3
SORT_OBJECT: Final = 6
VALUE: Final = 2
# classes whose objects are one line: their value, with scaler and unit in it
_ONE_LINE: Final[dict[int, frozenset[int]]] = {1: frozenset({1, 2}), 3: frozenset({1, 2, 3})}
_SCALER_UNITS: Final = frozenset({(3, 3), (4, 3), (5, 4)})
_INDENT: Final = " " * 8


def scan_lines(scan: Scan, plan: ConnectPlan, width: int = WIDTH_DEFAULT) -> list[str]:
    """The page, without line ends. width: columns of the terminal."""
    lines = [f"{scan.url}, {scan.framing}, {_client_text(plan)}"]
    if scan.saps:
        lines += ["", "Logical devices (SAP assignment)"]
        scanned = {device.server_sap for device in scan.devices}
        lines += [f"  {sap:>5}  {said}{'' if sap in scanned else '  (not scanned)'}" for sap, said in scan.saps.items()]
    for device in scan.devices:
        lines += ["", *_device_lines(device, width)]
    if scan.interrupted:
        lines += ["", "interrupted: this is what was found before"]
    return lines


def _client_text(plan: ConnectPlan) -> str:
    settings = plan.settings
    ciphered = settings.security is not None and settings.security.ciphered
    return f"client {settings.client_sap}, {MECHANISM_WORDS[settings.mechanism]}{', ciphered' if ciphered else ''}"


def _device_lines(device: ScannedDevice, width: int) -> Iterator[str]:
    named = f": {device.sap_name}" if device.sap_name else ""
    heading = f"Logical device {device.server_sap}{named}"
    yield heading
    yield "=" * len(heading)
    yield from _agreed_lines(device, width)
    if device.error:
        yield from textwrap.wrap(f"!! {device.error}", width, subsequent_indent="   ")
    by_class = sorted(device.objects, key=lambda each: (each.class_id, each.version, each.obis))
    for (class_id, version), found in groupby(by_class, key=lambda each: (each.class_id, each.version)):
        objects = list(found)
        yield ""
        yield f"{objects[0].class_name} (class {class_id}, version {version})"
        tabled = [each for each in others(objects) if each.reading(ASSOCIATED_PARTNERS) is not None]
        yield from _class_lines([each for each in objects if each not in tabled], width)
        if tabled:
            yield from (f"  {line}" for line in table_lines(association_table(tabled)))
    yield ""
    yield _summary_line(device)


def _agreed_lines(device: ScannedDevice, width: int) -> Iterator[str]:
    """What was agreed when the association was opened."""
    agreed = device.associated
    if agreed is None:
        return
    title = agreed.server_system_title
    if title:
        maker = f" ({title[:3].decode('ascii')})" if title[:3].isalpha() else ""
        yield f"system title  {title.hex().upper()}{maker}"
    size = agreed.server_max_receive_pdu_size
    yield f"largest APDU  {f'{size} octets' if size else 'no limit'}"
    services = conformance_text(int(agreed.conformance))
    yield from _hung("conformance   ", services, width)


def _hung(head: str, text: str, width: int) -> list[str]:
    """Text behind a head, its further lines below its first."""
    indent = " " * len(head)
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)


def _summary_line(device: ScannedDevice) -> str:
    tried = sum(1 for each in device.objects for attribute in each.attributes if attribute.reading is not None)
    shown = f"{len(device.objects)} objects"
    if tried:
        shown += f", {tried} attributes read"
    if device.unread:
        shown += f", {device.unread} of what is listed as readable not given"
    if device.mismatches:
        shown += f", {device.mismatches} not of their declared type"
    return shown if device.complete else f"{shown}; the scan of this logical device did not reach its end"


def _class_lines(objects: Sequence[ScannedObject], width: int) -> Iterator[str]:
    code_width = max((len(str(each.obis)) for each in objects), default=0)
    name_width = min(max((len(each.name) for each in objects), default=0), NAME_WIDTH_MAX)
    for each in objects:
        code = f"  {each.obis!s:<{code_width}}"
        if {attribute.index for attribute in each.attributes} <= _ONE_LINE.get(each.class_id, frozenset()):
            value = each.attribute(VALUE)
            rights = value.right.letters if value is not None else ""
            head = f"{code}  {_cut(each.name, name_width):<{name_width}}  {rights:<3}"
            yield from _with_value(head, value, each, width)
            for attribute in each.attributes:
                yield from _mismatch_lines(attribute, width)
        else:
            yield f"{code}  {each.name}".rstrip()
            yield from _attribute_lines(each, width)
        yield from _method_lines(each.methods, width)


def _attribute_lines(each: ScannedObject, width: int) -> Iterator[str]:
    named = [attribute for attribute in each.attributes if attribute.index != 1]
    shown = [attribute for attribute in named if attribute.right.bits]
    name_width = max((len(attribute.name) for attribute in shown), default=0)
    for attribute in shown:
        head = f"    {attribute.index:>3} {attribute.name:<{name_width}}  {attribute.right.letters:<3}"
        if each.buffer is not None and attribute.index == BUFFER:
            yield from _buffer_lines(head, each.buffer, width)
        else:
            yield from _with_value(head, attribute, each, width)
        yield from _mismatch_lines(attribute, width)
    hidden = [f"{attribute.name} ({attribute.index})" for attribute in named if not attribute.right.bits]
    if hidden:
        yield from _hung(f"{_INDENT}no access: ", ", ".join(hidden), width)


def _mismatch_lines(attribute: ScannedAttribute, width: int) -> list[str]:
    return (
        _hung(f"{_INDENT}!! ", f"not of its declared type: {attribute.mismatch}", width) if attribute.mismatch else []
    )


def _method_lines(methods: Iterable[ScannedMethod], width: int) -> list[str]:
    offered = [
        f"{each.name} ({each.index}){'!' * bool(each.right.protection)}" for each in methods if each.right.can_invoke
    ]
    return _hung(f"{_INDENT}methods: ", ", ".join(offered), width) if offered else []


# values


def _with_value(head: str, attribute: ScannedAttribute | None, each: ScannedObject, width: int) -> Iterator[str]:
    """The value behind its head, or below it where it is long."""
    reading = attribute.reading if attribute is not None else None
    if reading is None:
        yield head.rstrip()
        return
    text = _value_text(reading, each)
    if len(head) + 2 + len(text) <= width:
        yield f"{head}  {text}".rstrip()
        return
    node = reading.node()
    if node is None or not node.children:
        yield from _below(head, text, reading, width)
        return
    yield head.rstrip()
    lines = render_text(node, types=False).splitlines()[1:]
    yield from (_cut(f"{_INDENT}{line}", width) for line in lines[:TREE_LINES_MAX])
    if len(lines) > TREE_LINES_MAX:
        yield f"{_INDENT}  ... {len(lines) - TREE_LINES_MAX} more lines: amiloop read {reading.code}"


def _below(head: str, text: str, reading: Reading, width: int) -> Iterator[str]:
    """A long text on lines of its own, the first few of them."""
    yield head.rstrip()
    lines = _hung(_INDENT, text, width)
    yield from lines[:TEXT_LINES_MAX]
    if len(lines) > TEXT_LINES_MAX:
        yield f"{_INDENT}... {len(lines) - TEXT_LINES_MAX} more lines: amiloop read {reading.code}"


def _value_text(reading: Reading, each: ScannedObject) -> str:
    """One line: a value, a short structure, or why there is none."""
    if reading.error:
        return f"({reading.error})"
    special = _special_text(reading, each)
    if special:
        return special
    node = reading.node()
    return reading.text if node is None or not (node.children or node.items) else _inline(node)


def _special_text(reading: Reading, each: ScannedObject) -> str:
    """Values that people read better in another form than their structure, "" for all others."""
    class_id, _, index = reading.descriptor
    value: Any = None if reading.data is None else axdr.plain(reading.data)
    try:
        if (class_id, index) == (ASSOCIATION_CLASS, OBJECT_LIST):
            return f"{len(object_list_from_value(value))} objects"
        if (class_id, index) in _SCALER_UNITS:
            scaled = ScalerUnit.from_value(value)
            return f"10^{scaled.scaler} {scaled.unit_name}".rstrip()
        if (class_id, index) == (PROFILE_CLASS, CAPTURE_OBJECTS):
            columns = capture_objects_from_value(value)
            listed = "" if each.buffer is None or each.buffer.error else ", listed at the buffer"
            return f"{len(columns)} columns{listed}" if listed or not columns else ""
        if (class_id, index) == (PROFILE_CLASS, SORT_OBJECT):
            return column_name(*capture_objects_from_value((value,))[0])
    except RemoteProtocolError:
        return ""  # shown as it came
    return ""


def _inline(node: Node) -> str:
    if not node.children:
        return node.value or "null"
    parts = [_inline(child) if node.items else f"{child.label}: {_inline(child)}" for child in node.children]
    return f"[{', '.join(parts)}]" if node.items else "{" + ", ".join(parts) + "}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


# profiles


def _buffer_lines(head: str, buffer: BufferSummary, width: int) -> Iterator[str]:
    """How many rows and from when to when, and each column with its first and last value."""
    table = buffer.table
    if buffer.error or table is None:
        yield from _hung(f"{head}  ", f"({buffer.error or 'not read'})", width)
        return
    cells = [[_short_time(cell) for cell in row] for row in table.cells()]
    count = len(cells) if buffer.entries is None else buffer.entries
    said = f"{count} rows" if count != 1 else "1 row"
    timed = bool(cells) and table.columns[0].class_id == CLOCK_CLASS
    yield f"{head}  {said}"
    if timed:
        span = f"from {cells[0][0]} to {cells[-1][0]}" if len(cells) > 1 else f"at {cells[0][0]}"
        yield f"{_INDENT}{span}"
    labels = _column_labels(table)
    if timed:  # the line above says it
        for row in cells:
            row[0] = ""
    yield from _column_lines(labels, cells, width)


def _column_lines(labels: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """One line for each column of a profile: its label and its value in each row."""
    headings = ["first", "last"] if len(rows) > 1 else [""] * len(rows)
    widths = [max(map(len, [*row, heading])) for row, heading in zip(rows, headings, strict=True)]
    room = width - len(_INDENT) - sum(each + 2 for each in widths)
    labels = ["columns", *(_cut(f"  {label}", room) for label in labels)]
    label_width = max(map(len, labels))
    lines = [headings, *(list(values) for values in zip(*rows, strict=True))] if rows else [[]] * len(labels)
    for label, values in zip(labels, lines, strict=True):
        shown = "  ".join(f"{value:>{each}}" for value, each in zip(values, widths, strict=True))
        yield f"{_INDENT}{label:<{label_width}}  {shown}".rstrip()


def _column_labels(table: ProfileTable) -> list[str]:
    """Code and unit first: they must not be cut off."""
    found = []
    for column, unit in zip(table.columns, table.scaler_units, strict=True):
        sign = f" [{unit.unit_name}]" if unit is not None and unit.unit_name else ""
        called = column_name(column.class_id, column.obis, column.attribute, column.data_index)
        code, _, words = called.partition(" ")
        found.append(f"{code}{sign} {words.strip('()')}".rstrip())
    return found


def _short_time(cell: str) -> str:
    """ "2026-11-28 03:00:00 UTC+00:00" of what begins with a weekday."""
    weekday, _, rest = cell.partition(" ")
    return rest.replace(".00 ", " ") if len(weekday) == 3 and weekday.isalpha() and rest[:2].isdigit() else cell
