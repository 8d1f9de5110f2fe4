"""Access modes of an object list as what they allow: to read, to write, to invoke, and under which protection.

Which numbers there are depends on the version of the Association LN that lists them: up to version 2 an enumeration
(version 0 has a boolean for methods), from version 3 on a set of bits.

Source: docs/protocols/cosem-objects.md §1 (class 15, access modes). The bits of a method in version 3 are taken to be
those of an attribute, with bit 0 for "may be invoked" [A].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BITS_FROM_VERSION: Final = 3
READ, WRITE = 0x01, 0x02
_PROTECTION: Final = (
    (0x04, "authenticated request"), (0x08, "encrypted request"), (0x10, "signed request"),
    (0x20, "authenticated response"), (0x40, "encrypted response"), (0x80, "signed response"),
)  # fmt: skip
_AUTHENTICATED: Final = 0x24
# versions 0-2: enumeration -> the bits of version 3
_ATTRIBUTE_BITS: Final = {
    0: 0, 1: READ, 2: WRITE, 3: READ | WRITE,
    4: READ | _AUTHENTICATED, 5: WRITE | _AUTHENTICATED, 6: READ | WRITE | _AUTHENTICATED,
}  # fmt: skip
_METHOD_BITS: Final = {0: 0, 1: READ, 2: READ | _AUTHENTICATED}


@dataclass(frozen=True, slots=True)
class AccessRight:
    """bits: as in version 3. For a method the bit of reading says that it may be invoked."""

    bits: int

    @property
    def can_read(self) -> bool:
        return bool(self.bits & READ)

    @property
    def can_write(self) -> bool:
        return bool(self.bits & WRITE)

    @property
    def can_invoke(self) -> bool:
        return bool(self.bits & READ)

    @property
    def letters(self) -> str:
        """ "rw", "r", "w" or "-" for an attribute, with "!" where protection is wanted."""
        allowed = ("r" if self.can_read else "") + ("w" if self.can_write else "")
        return (allowed or "-") + ("!" if allowed and self.protection else "")

    @property
    def protection(self) -> tuple[str, ...]:
        """What APDUs must carry, in words; () where the association's own protection is enough."""
        return tuple(words for bit, words in _PROTECTION if self.bits & bit)


def attribute_right(mode: int, association_version: int) -> AccessRight:
    """The right that an access mode stands for; an unknown mode allows nothing."""
    known = mode & 0xFF if association_version >= BITS_FROM_VERSION else _ATTRIBUTE_BITS.get(mode, 0)
    return AccessRight(known)


def method_right(mode: int, association_version: int) -> AccessRight:
    """The same for a method."""
    known = mode & 0xFF if association_version >= BITS_FROM_VERSION else _METHOD_BITS.get(mode, 0)
    return AccessRight(known)
