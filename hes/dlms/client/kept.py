"""What follows from the settings of a client alone, made once and kept with them: associations are many.

A fleet's AARQs and AAREs are alike. In the clear they are the same octets; with HLS and ciphering they differ in a
challenge and in the user information at their end, and a `Form` holds the rest.

Source: keeping them is ours [A].
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from hes.dlms.acse_form import Form
from hes.dlms.codes import Conformance
from hes.dlms.initiate import InitiateResponse


class Accepted(NamedTuple):
    """An AARE that was believed, with a challenge and ciphered user information. title: of the server, as it says.

    initiate, granted: what was inside that user information, as octets and as what they mean.
    """

    form: Form
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
    aarq_form, accepted: the same with HLS in a ciphered context, None until there was one. agreed: the last grant.
    """

    __slots__ = ("aare", "aarq", "aarq_form", "accepted", "agreed", "granted", "initiate")

    def __init__(self) -> None:
        self.initiate = b""
        self.aarq = b""
        self.aare = b""
        self.granted: InitiateResponse | None = None
        self.aarq_form: Form | None = None
        self.accepted: Accepted | None = None
        self.agreed: Agreed | None = None
