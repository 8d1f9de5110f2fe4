"""What follows from the settings of a client alone, made once and kept with them: associations are many.

A fleet's AARQs and AAREs are alike. In the clear they are the same octets; with HLS and ciphering they differ in a
challenge and in the user information at their end, and a `Mould` holds the rest.

Source: the layout is that of hes.dlms.acse; keeping it is ours [A].
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from hes.dlms import acse, ber
from hes.dlms.acse import Aare
from hes.dlms.codes import Conformance
from hes.dlms.initiate import InitiateResponse

_SHORT_INFORMATION_MAX: Final = 0x7D  # octets with which both lengths before it need one octet


class Mould(NamedTuple):
    """An AARQ or AARE but for challenge and user information: head | challenge | middle | user information."""

    head: bytes
    middle: bytes
    challenge_end: int
    octets_count: int

    @classmethod
    def of(cls, octets: bytes, challenge: bytes, information: bytes) -> Mould | None:
        """The mould that `octets` came out of; None when these two do not stand in their usual places at its end."""
        count = len(information)
        if not challenge or not 0 < count <= _SHORT_INFORMATION_MAX:
            return None
        middle = bytes((0xBE, count + 2, ber.OCTET_STRING, count))
        head, found, rest = octets.rpartition(challenge + middle + information)
        return cls(head, middle, len(head) + len(challenge), len(octets)) if found and not rest else None

    def fill(self, challenge: bytes, information: bytes) -> bytes | None:
        """An APDU with these two in it; None when they are not as long as those before."""
        octets = b"".join((self.head, challenge, self.middle, information))
        return (
            octets
            if len(octets) == self.octets_count and len(self.head) + len(challenge) == self.challenge_end
            else None
        )

    def fresh_in(self, octets: bytes) -> tuple[bytes, bytes] | None:
        """Challenge and user information of an APDU that differs in nothing else; None when it does."""
        start = self.challenge_end + len(self.middle)
        if len(octets) != self.octets_count or not octets.startswith(self.head):
            return None
        if octets[self.challenge_end : start] != self.middle:
            return None
        return octets[len(self.head) : self.challenge_end], octets[start:]


class Accepted(NamedTuple):
    """An AARE that was believed, with a challenge and ciphered user information. title: of the server, as it says.

    initiate, granted: what was inside that user information, as octets and as what they mean.
    """

    mould: Mould
    title: bytes
    initiate: bytes
    granted: InitiateResponse


Terms: TypeAlias = tuple[int, int, bool, bool, int, int]
"""What a client works out of a grant, see hes.dlms.client.requests."""


class Agreed(NamedTuple):
    """A grant that was within what had been proposed, and what follows from it."""

    granted: InitiateResponse
    conformance: Conformance
    octets_max: int
    terms: Terms


class Kept:
    """initiate: the proposal, without a dedicated key. aarq: where neither a challenge nor a counter stands in it.

    aare, granted: the last answer in the clear that was believed, and what it grants; devices of a kind answer alike.
    aarq_mould, accepted: the same with HLS in a ciphered context, None until there was one. agreed: the last grant.
    """

    __slots__ = ("aare", "aarq", "aarq_mould", "accepted", "agreed", "granted", "initiate")

    def __init__(self) -> None:
        self.initiate = b""
        self.aarq = b""
        self.aare = b""
        self.granted: InitiateResponse | None = None
        self.aarq_mould: Mould | None = None
        self.accepted: Accepted | None = None
        self.agreed: Agreed | None = None


def mould_of_aare(octets: bytes, aare: Aare) -> Mould | None:
    """The mould of `octets`, which say `aare`; None when it cannot be told where challenge and information stand.

    That they are where they are taken to be is tried: others put there must be read as such, and all else as before.
    """
    mould = Mould.of(octets, aare.authentication_value, aare.user_information)
    if mould is None:
        return None
    challenge, information = _other(aare.authentication_value), _other(aare.user_information)
    filled = mould.fill(challenge, information)
    expected = replace(aare, authentication_value=challenge, user_information=information)
    return mould if filled is not None and acse.decode(filled) == expected else None


def _other(octets: bytes) -> bytes:
    """As long, and different in every octet."""
    return bytes([octet ^ 0xFF for octet in octets])
