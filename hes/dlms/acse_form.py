"""ACSE APDUs that come again and again and differ only where a challenge and a ciphered proposal stand.

`hes.dlms.acse` reads and writes every APDU; what is here has the octets of one kind of them, for whoever opens and
closes many associations with the same partner.

Source: docs/protocols/dlms-application.md §2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hes.dlms import ber
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.codes import ApduTag

RELEASE_HEAD_OCTETS: Final = 9  # tag, length, reason, and what stands before user information
RELEASE_INFORMATION_MAX: Final = 0x7F - 7  # octets, so that no length in a release needs more than one octet
_USER_INFORMATION: Final = 0xBE
_RELEASE_REASON: Final = 0x80
_SHORT_MAX: Final = 0x7D  # octets of user information whose two lengths have one octet each


class Form(NamedTuple):
    """head | authentication value | gap | user information, both values of a fixed length."""

    head: bytes
    gap: bytes
    value_octets: int
    information_octets: int

    def __repr__(self) -> str:
        """Nothing of the octets: a password may stand in those that are fixed."""
        return f"Form({len(self.head)} + {self.value_octets} + {len(self.gap)} + {self.information_octets} octets)"

    def read(self, octets: bytes) -> tuple[bytes, bytes] | None:
        """Authentication value and user information; None when `octets` are of another form."""
        head, gap, value_octets, information_octets = self
        start = len(head)
        end = start + value_octets
        begin = end + len(gap)
        if len(octets) != begin + information_octets or octets[:start] != head or octets[end:begin] != gap:
            return None
        return octets[start:end], octets[begin:]

    def write(self, value: bytes, information: bytes) -> bytes | None:
        """The octets with these values; None when they have other lengths."""
        if len(value) != self.value_octets or len(information) != self.information_octets:
            return None
        return self.head + value + self.gap + information


def fixed(octets: bytes) -> Form:
    """The form that only `octets` have, with nothing left open."""
    return Form(octets, b"", 0, 0)


def form_of(apdu: Aarq | Aare, octets: bytes) -> Form | None:
    """The form of `octets`, which are those of `apdu`; None unless they are as `acse` writes them, with authentication
    value and user information at the end."""
    information = apdu.user_information
    if apdu.other or not 0 < len(information) <= _SHORT_MAX or octets != apdu.encode():
        return None
    begin = len(octets) - len(information)
    end = begin - len(_information_head(information))
    start = end - len(apdu.authentication_value)
    return Form(octets[:start], octets[end:begin], end - start, len(information))


def release_information(octets: bytes) -> bytes | None:
    """The user information of an RLRQ that holds the normal reason and nothing else; None for any other."""
    count = len(octets) - RELEASE_HEAD_OCTETS
    if not 0 < count <= RELEASE_INFORMATION_MAX or not octets.startswith(normal_release(ApduTag.RLRQ, count)):
        return None
    return octets[RELEASE_HEAD_OCTETS:]


def encode_release_answer(information: bytes) -> bytes:
    """Octets of an RLRE with the normal reason, as `Rlre(...).encode()` gives them, without the object."""
    if not 0 < len(information) <= RELEASE_INFORMATION_MAX:
        return Rlre(user_information=information).encode()
    return normal_release(ApduTag.RLRE, len(information)) + information


def _information_head(information: bytes) -> bytes:
    count = len(information)
    return bytes((_USER_INFORMATION, count + 2, ber.OCTET_STRING, count))


def encode_protected_rlrq(user_information: bytes) -> bytes:
    """Octets of `Rlrq(user_information=...)`, without the object where all lengths are short."""
    if not 0 < len(user_information) <= RELEASE_INFORMATION_MAX:
        return Rlrq(user_information=user_information).encode()
    return normal_release(ApduTag.RLRQ, len(user_information)) + user_information


def normal_release(tag: int, count: int) -> bytes:
    """What stands before `count` octets of user information, where that and the normal reason are all there is."""
    return bytes((tag, count + 7, _RELEASE_REASON, 1, 0, _USER_INFORMATION, count + 2, ber.OCTET_STRING, count))


def is_normal_rlre(octets: bytes) -> bool:
    """True for an RLRE with reason normal, user information and nothing else; False: `decode` has to look."""
    count = len(octets) - RELEASE_HEAD_OCTETS
    return 0 < count <= RELEASE_INFORMATION_MAX and octets.startswith(normal_release(ApduTag.RLRE, count))
