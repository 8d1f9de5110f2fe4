"""What the firmware needs from the box that it runs in: a way to meters and a modem.

The simulator's media fill both ports, and so do drivers of real equipment: the firmware cannot tell.
"""

from __future__ import annotations

from typing import Protocol

from hes.errors import LinkError


class MeterSilent(LinkError):
    """No answer came from the meter in time, or the first hop towards it did not acknowledge."""


class UnknownMeter(LinkError):
    """The network has no meter with this address."""


class MeterNetwork(Protocol):
    """The network below the concentrator (PLC, RF mesh, RS485): one datagram to a meter, one back."""

    async def exchange(self, address: bytes, octets: bytes, timeout_s: float) -> bytes:
        """Send `octets` (a DLMS wrapper frame) to a meter and wait for what it answers.

        Raises MeterSilent after at most timeout_s, UnknownMeter at once. An answer that comes later is lost: it is
        never given to a later exchange.
        """
        ...


class Modem(Protocol):
    """The way to the wide-area network. Each step raises LinkError when it fails."""

    async def power_on(self) -> None:
        """From cold to registered with an operator."""
        ...

    async def dial(self) -> None:
        """Get a data connection; nothing to do when there is one."""
        ...

    def hang_up(self) -> None:
        """Give the data connection back; its links end."""
        ...

    def power_off(self) -> None:
        """Off without a word: links end here, and nobody else is told."""
        ...

    async def ping(self) -> bool:
        """Whether the network beyond answers at all."""
        ...


class FixedLine:
    """A wide-area link that needs no modem: Ethernet, or a test."""

    async def power_on(self) -> None: ...

    async def dial(self) -> None: ...

    def hang_up(self) -> None: ...

    def power_off(self) -> None: ...

    async def ping(self) -> bool:
        return True
