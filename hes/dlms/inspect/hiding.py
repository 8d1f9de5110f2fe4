"""Octets that are not shown: passwords, keys and secrets, wherever octets are written out in hex.

The tree says which ones they are (`Node.hidden`), so that hex and tree tell the same. Where a secret may be spread over
several frames (segments, blocks), all octets that belong to the value are hidden; in octets that nobody could decode,
what looks like the password of an association request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from hes.dlms.inspect.meanings import Shape
from hes.dlms.inspect.node import Node, Place

HIDDEN: Final = "**"
"""Stands for one octet that is not shown."""

# mechanism name of low level security, or one that is not known, then an authentication value.
# Source: docs/protocols/dlms-application.md §2 (AARQ)
_PASSWORD: Final = re.compile(rb"\x8b\x07\x60\x85\x74\x05\x08\x02(?![\x02-\x07]).\xac.\x80(?P<octets>.)", re.DOTALL)


def hidden_places(node: Node) -> Iterator[Place]:
    """Start and end of what is hidden in the octets that `node` is the tree of.

    What stands in a space of its own (deciphered, put together) stands nowhere in these octets.
    """
    yield from node.hidden
    for child in node.children:
        if not child.space:
            yield from hidden_places(child)


def shown_hex(octets: bytes, node: Node, separator: str = "") -> str:
    """`octets` in hex, without the secrets that their tree names. separator: between octets."""
    return masked_hex(octets, (*hidden_places(node), *_passwords(octets)), separator)


def undecoded_hex(octets: bytes, places: Iterable[Place] = ()) -> str:
    """The same of octets that have no tree. places: of secrets that are known."""
    return masked_hex(octets, (*places, *_passwords(octets)))


def masked_hex(octets: bytes, places: Iterable[Place], separator: str = "") -> str:
    """`octets` in hex, those at `places` as HIDDEN."""
    found = list(places)
    if not found:
        return octets.hex(separator) if separator else octets.hex()
    digits = [f"{octet:02x}" for octet in octets]
    for start, end in found:
        for index in range(max(start, 0), min(end, len(digits))):
            digits[index] = HIDDEN
    return separator.join(digits)


def holds_secret(shape: Shape) -> bool:
    """Whether a value of that shape is a secret or has one in it."""
    if shape.is_secret or (shape.each is not None and holds_secret(shape.each)):
        return True
    return any(holds_secret(member) for _, member in shape.members)


def _passwords(octets: bytes) -> Iterator[Place]:
    """What looks like the password of an AARQ."""
    for match in _PASSWORD.finditer(octets):
        yield match.end(), match.end() + match["octets"][0]
