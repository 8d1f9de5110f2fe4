"""The buffer of a profile at the speed of `struct`: rows of equal shape are read together.

A load profile is an array of structures, and almost always every row has the same types and lengths. So:

1. walk the first row and write down its shape: where its tags, counts and lengths stand (they must not change from
   row to row), and one `struct.Struct` that takes the values from between them;
2. look at each of those places in all rows that follow, one slice with the row size as stride for each place: the
   run of equal rows ends where the first octet differs;
3. let `iter_unpack` read the run, then go on with the row behind it in the same way.

A row that cannot be read so (nested data, bit-strings, long strings), or shapes that change all the time
(null-data now here, now there), leave the rest of the buffer to the generic decoder. Values and refusals are those of
`axdr.decode_value` in every case. Date-times stay octets; `cosem_time.epoch_s` reads them where they are needed.

Source: docs/protocols/axdr.md (profile buffer).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple

from hes.dlms.axdr import DEPTH_MAX, Octets, decode_length, decode_value, values_at
from hes.dlms.axdr_scalars import FIXED_CODES, SIZES
from hes.dlms.data import Tag
from hes.errors import RemoteProtocolError

Row = tuple[Any, ...]

LOOK_AHEAD_ROWS_MAX: Final = 1024  # so that many short runs cost no more than the generic decoder
RUN_ROWS_MIN: Final = 8  # a run shorter than this is not worth its checks ...
SHORT_RUNS_MAX: Final = 4  # ... but a few are: the first row in full, the others with null-data for the clock
SHAPES_KEPT: Final = 256  # one per kind of profile in the field

_ARRAY, _STRUCTURE, _COMPACT_ARRAY = Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY
_CODES: Final = [f"x{FIXED_CODES[Tag(tag)]}" if tag in FIXED_CODES else None for tag in range(256)]
_STRINGS: Final[dict[int, Callable[[bytes], Any] | None]] = {
    Tag.OCTET_STRING: None,
    Tag.VISIBLE_STRING: lambda octets: octets.decode("latin-1"),
    Tag.UTF8_STRING: lambda octets: octets.decode("utf-8"),
}
_EMPTY: Final = frozenset({int(Tag.NULL), int(Tag.DONT_CARE)})


class _Shape(NamedTuple):
    """What rows of one kind have in common."""

    reader: Struct
    size: int  # octets of a row
    places: tuple[tuple[int, bytes], ...]  # offset in the row, the octet that must stand there
    finishers: tuple[tuple[int, Callable[[bytes], Any] | None], ...]  # column, conversion; None: a column of nulls


def decode_rows(octets: Octets) -> list[Row]:
    """The rows of an encoded profile buffer: an array (or compact-array) of structures, and nothing behind it.

    Returns one tuple of plain values per row, as `axdr.decode_value` gives them; null-data is None and left for the
    caller to fill. Raises RemoteProtocolError.
    """
    buffer = octets if isinstance(octets, bytes) else bytes(octets)
    if buffer[:1] != b"\x01":
        return _decode_other(buffer)
    count, position = decode_length(buffer, 1)
    rows: list[Row] = []
    short_runs = 0
    while count:
        shape = _shape_at(buffer, position)
        run = 0 if shape is None else _run_rows(shape, buffer, position, min(count, LOOK_AHEAD_ROWS_MAX))
        if shape is None or not run:
            break
        if run < RUN_ROWS_MIN and run < count:
            short_runs += 1
            if short_runs > SHORT_RUNS_MAX:
                break
        end = position + run * shape.size
        try:
            rows += _read_run(shape, memoryview(buffer)[position:end], run)
        except UnicodeDecodeError:  # the generic decoder says where
            break
        position, count = end, count - run
    if count:
        rest, position = _decode_rest(buffer, position, count)
        rows += rest
    if position != len(buffer):
        raise RemoteProtocolError(f"{len(buffer) - position} octets left over behind the data", octet_offset=position)
    return rows


def _decode_other(buffer: bytes) -> list[Row]:
    """A buffer that does not start as an array: a compact array, or nothing that a profile answers."""
    value, end = decode_value(buffer)
    if end != len(buffer):
        raise RemoteProtocolError(f"{len(buffer) - end} octets left over behind the data", octet_offset=end)
    if buffer[0] != _COMPACT_ARRAY:
        raise RemoteProtocolError(f"a profile buffer is an array, not tag {buffer[0]}", octet_offset=0)
    return _only_structures(value, 0)


def _decode_rest(buffer: bytes, position: int, count: int) -> tuple[list[Row], int]:
    if count > len(buffer) - position:
        raise RemoteProtocolError(
            f"{count} more rows claimed, {len(buffer) - position} octets follow", octet_offset=position
        )
    values, end = values_at(buffer, position, count, DEPTH_MAX - 1)
    return _only_structures(values, position), end


def _only_structures(values: list[Any], octet_offset: int) -> list[Row]:
    if not all(isinstance(value, tuple) for value in values):
        raise RemoteProtocolError("a profile buffer holds something else than rows", octet_offset=octet_offset)
    return values


def _shape_at(buffer: bytes, row: int) -> _Shape | None:
    """The shape of the row that starts at `row`; None when it is cut off or cannot be read by a template."""
    try:
        if buffer[row] != _STRUCTURE or buffer[row + 1] > 0x7F:
            return None
        position = row + 2
        columns: list[int] = []  # a tag, behind the tag of a string its length
        for _ in range(buffer[row + 1]):
            tag = buffer[position]
            columns.append(tag)
            size = SIZES[tag]
            if size:
                position += size
            elif tag in _STRINGS and buffer[position + 1] < 0x80:
                columns.append(buffer[position + 1])
                position += 2 + buffer[position + 1]
            else:
                return None
    except IndexError:
        return None
    return _shape(buffer[row + 1], bytes(columns)) if position <= len(buffer) else None


@lru_cache(maxsize=SHAPES_KEPT)
def _shape(column_count: int, columns: bytes) -> _Shape:
    places = [(0, _STRUCTURE), (1, column_count)]
    codes = [">2x"]
    finishers: list[tuple[int, Callable[[bytes], Any] | None]] = []
    offset, index = 2, 0
    for column in range(column_count):
        tag = columns[index]
        index += 1
        places.append((offset, tag))
        code = _CODES[tag]
        if code is not None:
            codes.append(code)
            offset += SIZES[tag]
        elif tag in _EMPTY:
            codes.append("x")
            finishers.append((column, None))
            offset += 1
        else:
            length = columns[index]
            index += 1
            places.append((offset + 1, length))
            codes.append(f"2x{length}s")
            offset += 2 + length
            if _STRINGS[tag] is not None:
                finishers.append((column, _STRINGS[tag]))
    return _Shape(
        Struct("".join(codes)), offset, tuple((at, bytes((octet,))) for at, octet in places), tuple(finishers)
    )


def _run_rows(shape: _Shape, buffer: bytes, position: int, rows_max: int) -> int:
    """How many rows from `position` on have that shape; 0 when not even one is there in full."""
    size = shape.size
    run = min(rows_max, (len(buffer) - position) // size)
    end = position + run * size
    for offset, octet in shape.places:
        column = buffer[position + offset : end : size]
        different = column.lstrip(octet)
        if different:
            run = len(column) - len(different)
            end = position + run * size
    return run


def _read_run(shape: _Shape, octets: memoryview, run: int) -> list[Row]:
    rows = list(shape.reader.iter_unpack(octets))
    if not shape.finishers:
        return rows
    columns: list[Any] = list(zip(*rows, strict=True))
    for column, convert in shape.finishers:
        if convert is None:
            columns.insert(column, (None,) * run)
        else:
            columns[column] = tuple(map(convert, columns[column]))
    return list(zip(*columns, strict=True))
