"""COSEM values in a few words for one line of a trace: dates, numbers and texts as such, long ones by their ends.

Meant to be cheap: of a profile buffer only the first row and the last are read, of other long values only the kind and
the number of elements. Nothing is verified beyond what is printed.
"""

from __future__ import annotations

from typing import Any, Final

from hes.dlms import axdr
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.data import Tag
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.errors import HesError, RemoteProtocolError

DECODED_OCTETS_MAX: Final = 64
TEXT_LENGTH_MAX: Final = 96
HEX_OCTETS_MAX: Final = 16
_DATE_TIME_OCTETS: Final = 12
_YEARS: Final = range(1990, 2101)
_ARRAY, _STRUCTURE = int(Tag.ARRAY), int(Tag.STRUCTURE)


def value_text(octets: bytes, offset: int = 0) -> str:
    """The value that begins at `offset` and fills the rest. Never raises: what cannot be read is shown in hex."""
    try:
        return _text(octets, offset)
    except (HesError, IndexError, ValueError):
        return hex_text(octets[offset:])


def first_block_text(raw: bytes) -> str:
    """What the first block of a long value says about it, "" when it is nothing that has rows."""
    try:
        if raw[0] != _ARRAY:
            return ""
        count, position = axdr.decode_length(raw, 1)
        row, _ = axdr.decode_value(raw, position)
        return f"{count} rows, first {_row_text(row)}"
    except (HesError, IndexError, ValueError):
        return ""


def hex_text(octets: bytes) -> str:
    more = ".." if len(octets) > HEX_OCTETS_MAX else ""
    return f"{octets[:HEX_OCTETS_MAX].hex()}{more} ({len(octets)} octets)" if more else octets.hex()


def date_time_text(octets: bytes) -> str:
    """ "2024-12-15 12:30:00" of 12 octets, with what is not specified as stars."""
    year, month, day, _, hour, minute, second = octets[0] << 8 | octets[1], *octets[2:8]
    if year <= 9999 and month <= 12 and day <= 31 and hour <= 23 and minute <= 59 and second <= 59:
        return f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    return str(CosemDateTime.from_octets(octets))


def _text(octets: bytes, offset: int) -> str:
    tag = octets[offset]
    if tag == _ARRAY and len(octets) - offset > 2:
        count, position = axdr.decode_length(octets, offset + 1)
        if count and octets[position] == _STRUCTURE:
            return _rows_text(octets, position, count)
    if len(octets) - offset <= DECODED_OCTETS_MAX or tag not in (_ARRAY, _STRUCTURE):
        value, end = axdr.decode_value(octets, offset)
        if end != len(octets):
            raise RemoteProtocolError("octets left over", octet_offset=end)
        return _shortened(_plain_text(value))
    count, _ = axdr.decode_length(octets, offset + 1)
    return f"{'array' if tag == _ARRAY else 'structure'} of {count}, {len(octets) - offset} octets"


def _rows_text(octets: bytes, position: int, count: int) -> str:
    """How many, the first and the last."""
    row, end = axdr.decode_value(octets, position)
    if count == 1:
        return f"1 row, {_shortened(_plain_text(row))}"
    text = f"{count} rows, first {_row_text(row)}"
    # rows of one profile are of one length, save that the first may say what null-data repeats
    for whole, number in ((len(octets) - position, count), (len(octets) - end, count - 1)):
        row_octets, rest = divmod(whole, number)
        start = len(octets) - row_octets
        if not rest and row_octets > 1 and octets[start] == _STRUCTURE:
            last, last_end = axdr.decode_value(octets, start)
            if last_end == len(octets):
                return f"{text} last {_row_text(last)}"
    return text


def _row_text(row: Any) -> str:
    """A row by its time where it begins with one."""
    if isinstance(row, tuple) and row and isinstance(row[0], bytes) and _is_date_time(row[0]):
        return date_time_text(row[0])
    return _shortened(_plain_text(row))


def _plain_text(value: Any) -> str:
    if isinstance(value, bytes):
        return _octets_text(value)
    if isinstance(value, tuple):
        return f"{{{', '.join(map(_plain_text, value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain_text, value))}]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, str) else str(value)


def _octets_text(value: bytes) -> str:
    if len(value) == _DATE_TIME_OCTETS and _is_date_time(value):
        return date_time_text(value)
    if len(value) == OBIS_OCTETS and value[5] == 0xFF:
        return str(Obis(value))
    if value and value.isascii() and value.decode("ascii").isprintable():
        return repr(value.decode("ascii"))
    return hex_text(value) or "empty"


def _is_date_time(value: bytes) -> bool:
    return len(value) == _DATE_TIME_OCTETS and (value[0] << 8 | value[1]) in _YEARS


def _shortened(text: str) -> str:
    return text if len(text) <= TEXT_LENGTH_MAX else f"{text[:TEXT_LENGTH_MAX]}.."
