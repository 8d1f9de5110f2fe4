"""Changing the speed of an open line, as a sign-on does, whatever kind of line it is."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, runtime_checkable

from hes.errors import ConfigError
from hes.links.facts import LINK_FACTS
from hes.links.line_pacer import CharacterFormat

SEVEN_BITS: Final = CharacterFormat(data_bits=7, parity="E")
"""How a local port begins (IEC 62056-21)."""


@runtime_checkable
class HasSpeed(Protocol):
    """A transport whose line can change its speed."""

    def change_line(self, baud: int, character: CharacterFormat) -> None: ...


def change_speed(transport: asyncio.BaseTransport, *, baud: int, character: CharacterFormat) -> None:
    """Go on at `baud`, as soon as what was written so far has left. Raises ConfigError on a link without a speed."""
    if not isinstance(transport, HasSpeed):
        kind = getattr(transport.get_extra_info(LINK_FACTS), "kind", "this link")
        raise ConfigError(f"{kind} has no speed that could change: a sign-on (mode E) needs serial:// or pty://")
    transport.change_line(baud, character)
