"""The little of BER that ACSE needs: one-octet tags, definite lengths (short and long form), integers and bit strings.

Source: docs/protocols/dlms-application.md §2 (BER).
"""

from __future__ import annotations

from typing import Final

from hes.errors import LocalProtocolError, RemoteProtocolError

# a length of four octets is far above any ACSE APDU; more are refused before anything is read
LENGTH_OCTETS_MAX: Final = 4
INTEGER_OCTETS_MAX: Final = 8

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06

_MULTI_OCTET_TAG = 0x1F


def encode_length(count: int) -> bytes:
    """Short form below 128, else the shortest long form."""
    if count < 0x80:
        return bytes((count,))
    octets = (count.bit_length() + 7) // 8
    if octets > LENGTH_OCTETS_MAX:
        raise LocalProtocolError(f"{count} octets are too many for one BER field")
    return bytes((0x80 | octets,)) + count.to_bytes(octets, "big")


def encode(tag: int, contents: bytes) -> bytes:
    """Tag, length and contents."""
    if len(contents) < 0x80:
        return bytes((tag, len(contents))) + contents
    return bytes((tag,)) + encode_length(len(contents)) + contents


def encode_wrapped(tag: int, inner_tag: int, contents: bytes) -> bytes:
    """A field that holds one field, as `encode(tag, encode(inner_tag, contents))`."""
    count = len(contents)
    if count < 0x7E:
        return bytes((tag, count + 2, inner_tag, count)) + contents
    return encode(tag, encode(inner_tag, contents))


def encode_integer(value: int) -> bytes:
    """An INTEGER with tag and length; value: 0 or more."""
    if 0 <= value < 0x80:
        return bytes((INTEGER, 1, value))
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def read(octets: bytes, offset: int, end: int) -> tuple[int, int, int]:
    """Read tag and length at `offset`; `end` is where the enclosing field ends.

    Returns tag, and start and end of the contents, which lie inside the enclosing field.
    Raises RemoteProtocolError for a tag of several octets, an indefinite length, or contents that reach beyond `end`.
    """
    if offset + 2 > end:
        raise RemoteProtocolError("a BER field ends inside its tag or length", octet_offset=offset)
    tag = octets[offset]
    if tag & _MULTI_OCTET_TAG == _MULTI_OCTET_TAG:
        raise RemoteProtocolError(f"BER tag {tag:02X} of several octets is not used in ACSE", octet_offset=offset)
    length = octets[offset + 1]
    start = offset + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 0 < count <= LENGTH_OCTETS_MAX:
            what = "an indefinite length" if count == 0 else f"a length of {count} octets"
            raise RemoteProtocolError(f"{what} is not allowed here", octet_offset=offset + 1)
        if start + count > end:
            raise RemoteProtocolError("a BER field ends inside its length", octet_offset=offset + 1)
        length = int.from_bytes(octets[start : start + count], "big")
        start += count
    if start + length > end:
        raise RemoteProtocolError(
            f"BER field {tag:02X} claims {length} octets, {end - start} are there", octet_offset=offset
        )
    return tag, start, start + length


def read_all(octets: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Every field between `start` and `end`: start and end of its contents, by its tag.

    Raises RemoteProtocolError as `read` does, and for a tag that comes twice.
    """
    spans: dict[int, tuple[int, int]] = {}
    while start < end:
        inner_start = start + 2
        # short lengths, which nearly all are; everything else, what is wrong included, is left to `read`
        if inner_start <= end and (length := octets[start + 1]) < 0x80 and inner_start + length <= end:
            tag, inner_end = octets[start], inner_start + length
            if tag & _MULTI_OCTET_TAG == _MULTI_OCTET_TAG:
                read(octets, start, end)
        else:
            tag, inner_start, inner_end = read(octets, start, end)
        if tag in spans:
            raise RemoteProtocolError(f"ACSE field {tag:02X} comes twice", octet_offset=start)
        spans[tag] = inner_start, inner_end
        start = inner_end
    return spans


def read_only(octets: bytes, start: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Start and end of the contents of the one field with this tag that fills `start`..`end`."""
    found, inner_start, inner_end = read(octets, start, end)
    if found != tag:
        raise RemoteProtocolError(f"{what}: tag {found:02X} where {tag:02X} should stand", octet_offset=start)
    if inner_end != end:
        raise RemoteProtocolError(f"{what}: {end - inner_end} octets left over", octet_offset=inner_end)
    return inner_start, inner_end


def integer(octets: bytes, start: int, end: int, what: str) -> int:
    """The signed number in contents of 1 to 8 octets."""
    if not 1 <= end - start <= INTEGER_OCTETS_MAX:
        raise RemoteProtocolError(f"{what}: an integer of {end - start} octets", octet_offset=start)
    return int.from_bytes(octets[start:end], "big", signed=True)


def bits(octets: bytes, start: int, end: int, what: str) -> str:
    """The bits, first one first, as text of "0" and "1". Contents: count of unused bits, then the bits."""
    if start == end:
        raise RemoteProtocolError(f"{what}: an empty bit string", octet_offset=start)
    unused = octets[start]
    count = (end - start - 1) * 8
    if unused > 7 or unused > count:
        raise RemoteProtocolError(f"{what}: {unused} unused bits of {count}", octet_offset=start)
    if count == 0:
        return ""
    return format(int.from_bytes(octets[start + 1 : end], "big"), f"0{count}b")[: count - unused]


def encode_bits(text: str) -> bytes:
    """Contents of a bit string: count of unused bits, then the bits padded with 0."""
    unused = -len(text) % 8
    padded = text + "0" * unused
    return bytes((unused,)) + bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))
