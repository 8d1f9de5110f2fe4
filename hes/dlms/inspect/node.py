"""The tree that the inspector makes, and its two forms: lines for people, plain values for programs.

A node tells about a run of octets. `offset` counts from the start of what was inspected; below a node whose `space` is
set (a deciphered APDU, reassembled blocks) it counts from the start of those octets instead, because they stand nowhere
on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hes.errors import RemoteProtocolError

INDENT: Final = "  "
TEXT_LENGTH_MAX: Final = 96  # of one value in the short form

Place = tuple[int, int]
"""Start and end of a run of octets."""


@dataclass(frozen=True, slots=True)
class Table:
    """Elements of an array as people read them: rows of text under headings.

    numbered: headings are long; they are listed by number, and the numbers stand above the rows.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing that the octets say.

    label: what it is called. value: what it says, for people. type_name: its COSEM type, "" where there is none.
    plain: the exact value as JSON can hold it (octets in hex), None where value says all there is.
    offset, length: which octets. is_fault: these octets break a rule, value names it. space: see above.
    items: the children are the elements of an array and may be shortened. table: the same elements as people read them,
    which lines show in their place. scaled, unit: a number in its unit, as exact decimal text. hidden: octets that are
    not to be shown, counted like offset; see `hiding`.
    """

    label: str
    value: str = ""
    type_name: str = ""
    plain: Any = None
    offset: int = 0
    length: int = 0
    children: tuple[Node, ...] = ()
    is_fault: bool = False
    space: str = ""
    items: bool = False
    table: Table | None = None
    scaled: str = ""
    unit: str = ""
    hidden: tuple[Place, ...] = ()


def fault(message: str, offset: int, length: int = 0) -> Node:
    """A part that breaks a rule. offset: where, in the octets inspected."""
    return Node(label="invalid", value=f"{message} (octet {offset})", offset=offset, length=length, is_fault=True)


def fault_of(error: RemoteProtocolError, base: int, default_offset: int = 0) -> Node:
    """The fault that a decoder reported. base: where its octets start in what is inspected."""
    return fault(error.message, base + (default_offset if error.octet_offset is None else error.octet_offset))


def faults(node: Node) -> Iterator[Node]:
    """Every fault in the tree, in the order of the octets."""
    if node.is_fault:
        yield node
    for child in node.children:
        yield from faults(child)


def render_text(node: Node, *, items_max: int | None = None, offsets: bool = False, types: bool = True) -> str:
    """The tree as indented lines, without a line end after the last.

    items_max: of an array show no more elements than that (the first ones and the last), and shorten long values;
    None shows everything. offsets: begin each line with the offset and length of its octets. types: end it with the
    COSEM type.
    """
    return "\n".join(_lines(node, 0, items_max, offsets=offsets, types=types))


def _lines(node: Node, depth: int, items_max: int | None, *, offsets: bool, types: bool) -> Iterator[str]:
    place = f"{node.offset:5d}+{node.length:<5d} " if offsets else ""
    yield place + INDENT * depth + _line(node, short=items_max is not None, types=types)
    if node.table is not None:
        yield from (" " * len(place) + INDENT * (depth + 1) + line for line in table_lines(node.table, items_max))
        return
    children, left_out = _shortened(node, items_max)
    for index, child in enumerate(children):
        if left_out and index == len(children) - 1:
            yield " " * len(place) + INDENT * (depth + 1) + f"... {left_out} more ..."
        yield from _lines(child, depth + 1, items_max, offsets=offsets, types=types)


def table_lines(table: Table, rows_max: int | None = None) -> Iterator[str]:
    """Headings and rows, each column as wide as it needs. rows_max: show the first ones and the last."""
    headings = table.headings
    if table.numbered:
        yield from (f"[{number}] {heading}" for number, heading in enumerate(headings, 1))
        headings = tuple(f"[{number}]" for number in range(1, len(headings) + 1))
    rows, left_out = list(table.rows), 0
    if rows_max is not None and len(rows) > rows_max:
        left_out = len(rows) - rows_max
        rows = [*rows[: rows_max - 1], rows[-1]]
    lines = [headings, *rows] if rows or not table.numbered else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(widths))]
    for number, cells in enumerate(lines):
        if left_out and number == len(lines) - 1:
            yield f"... {left_out} more ..."
        padded = [
            f"{cell:>{width}}" if is_right else f"{cell:<{width}}"
            for cell, width, is_right in zip(cells, widths, right, strict=True)
        ]
        yield INDENT.join(padded).rstrip()


def _is_number(cell: str) -> bool:
    return not cell.strip("+-.0123456789")


def _line(node: Node, *, short: bool, types: bool) -> str:
    value = node.value
    if short and node.length and len(value) > TEXT_LENGTH_MAX:
        value = f"{value[:TEXT_LENGTH_MAX]}... ({node.length} octets)"
    text = f"{node.label}: {value}" if value else node.label
    if node.is_fault:
        text = f"!! {text}"
    if node.space:
        text = f"{text} [{node.space}]"
    return f"{text} ({node.type_name})" if node.type_name and types else text


def _shortened(node: Node, items_max: int | None) -> tuple[tuple[Node, ...], int]:
    """The children to show, and how many are left out before the last of them. Faults are always shown."""
    count = len(node.children)
    if items_max is None or not node.items or count <= items_max:
        return node.children, 0
    return (*node.children[: items_max - 1], node.children[-1]), count - items_max


def to_json(node: Node) -> dict[str, Any]:
    """The tree as dicts, lists, text, numbers, booleans and None."""
    body: dict[str, Any] = {"label": node.label, "value": node.value}
    if node.type_name:
        body["type"] = node.type_name
    if node.plain is not None:
        body["plain"] = node.plain
    body["offset"] = node.offset
    body["octets"] = node.length
    if node.is_fault:
        body["invalid"] = True
    if node.space:
        body["octets_of"] = node.space
    if node.scaled:
        body |= {"scaled": node.scaled, "unit": node.unit}
    if node.table is not None:
        body["table"] = {"columns": list(node.table.headings), "rows": [list(row) for row in node.table.rows]}
    if node.children:
        body["children"] = [to_json(child) for child in node.children]
    return body
