"""The way to a meter behind a concentrator: the DLMS gateway header, and what a concentrator says for itself.

A request is wrapper { E6 network address APDU }, its answer wrapper { E7 network address APDU }. Where the
concentrator cannot pass a request on it answers with an exception-response of its own inside the E7 frame.
Which exception means what is the concentrator's choice, so it is data here and part of its device profile.
Source: docs/protocols/wrapper-and-gateway.md; the meaning of the exceptions is our assumption [A].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hes.dlms import gateway, wrapper
from hes.errors import LinkError

_EXCEPTION_RESPONSE = 0xD8


class RouteAnswer(Enum):
    """What a concentrator may answer in the meter's place."""

    BUSY = "busy"
    SILENT = "silent"
    UNKNOWN = "unknown"


class MeterBusy(LinkError):
    """The concentrator itself is working with the meter; ask again soon."""


class MeterSilent(LinkError):
    """The concentrator got no answer from the meter."""


class MeterUnknown(LinkError):
    """The concentrator has no such meter."""


ERRORS: dict[RouteAnswer, type[LinkError]] = {
    RouteAnswer.BUSY: MeterBusy,
    RouteAnswer.SILENT: MeterSilent,
    RouteAnswer.UNKNOWN: MeterUnknown,
}


def _default_answers() -> dict[bytes, RouteAnswer]:
    return {
        bytes((_EXCEPTION_RESPONSE, 1, 1)): RouteAnswer.BUSY,
        bytes((_EXCEPTION_RESPONSE, 1, 3)): RouteAnswer.SILENT,
        bytes((_EXCEPTION_RESPONSE, 2, 3)): RouteAnswer.UNKNOWN,
    }


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    """How one kind of concentrator passes APDUs on. answers: its own exception-responses, octets -> meaning."""

    network_id: int = 1
    answers: dict[bytes, RouteAnswer] = field(default_factory=_default_answers)

    def request(self, address: bytes, source: int, destination: int, apdu: bytes) -> bytes:
        """The wrapper frame that carries `apdu` to the meter with that physical address."""
        return wrapper.encode(source, destination, gateway.encode_request(self.network_id, address, apdu))

    def refusal(self, apdu: bytes) -> RouteAnswer | None:
        """What the concentrator says for itself in an answer, None when the meter is speaking."""
        return self.answers.get(bytes(apdu))

    def answer_octets(self, answer: RouteAnswer) -> bytes:
        """The exception-response by which the concentrator says `answer`."""
        return next(octets for octets, meaning in self.answers.items() if meaning is answer)
