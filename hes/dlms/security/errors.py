"""What a protected APDU may be refused for."""

from __future__ import annotations

from hes.errors import RemoteProtocolError


class SecurityError(RemoteProtocolError):
    """A protected APDU that must not be believed: wrong tag, key, suite or system title. Nothing in it says a key."""


class InvocationCounterError(SecurityError):
    """The counter is not above the last one verified. `expected`: the lowest that would be taken; `received`: it."""

    def __init__(self, *, expected: int, received: int) -> None:
        super().__init__(
            f"invocation counter {received} was used before; {expected} or more is expected",
            expected=expected,
            received=received,
        )
        self.expected = expected
        self.received = received
