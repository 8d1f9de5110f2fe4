"""Times of meters that send minutes from UTC to local time, where the others send minutes from local time to UTC.

Source: docs/protocols/axdr.md (date-time).
"""

from __future__ import annotations

from typing import Any, Final, Literal

from hes.dlms.data import Data, Tag
from hes.dlms.inspect.data_nodes import octets_as_date_time

NO_DEVIATION: Final = b"\x80\x00"


def turned(octets: bytes) -> bytes:
    """A date-time with its deviation the other way round; one that says none, and anything else, stays what it is."""
    if not octets_as_date_time(octets) or octets[9:11] == NO_DEVIATION:
        return octets
    deviation = -int.from_bytes(octets[9:11], "big", signed=True)
    return octets[:9] + deviation.to_bytes(2, "big", signed=True) + octets[11:]


def data_with_sign(data: Data, sign: Literal[1, -1]) -> Data:
    """Typed data with its times in the usual sense; compact arrays as they are."""
    if sign == 1:
        return data
    if isinstance(data.value, tuple) and data.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return Data(data.tag, tuple(data_with_sign(item, sign) for item in data.value))
    if data.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and isinstance(data.value, bytes):
        return Data(data.tag, turned(data.value))
    return data


def with_sign(rows: tuple[tuple[Any, ...], ...], sign: Literal[1, -1]) -> tuple[tuple[Any, ...], ...]:
    """The rows of a profile with their times in the usual sense."""
    if sign == 1:
        return rows
    return tuple(tuple(turned(value) if isinstance(value, bytes) else value for value in row) for row in rows)
