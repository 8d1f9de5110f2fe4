"""Mode E on a serial port: `serial:///dev/ttyUSB0?sign_on=mode-e` gives a transport on which HDLC can begin at once.

The sign-on of IEC 62056-21 is part of opening the link, so whoever uses it (a read, the collector, a scenario) needs to
know nothing of it. `baud` is then the fastest speed to agree on, and `device` the address of the meter that is meant.

Source: docs/protocols/mode-e.md; the machine is hes.dlms.mode_e.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from hes.dlms.mode_e import (
    ChangeLine,
    ClientSignOn,
    HandedOver,
    SignOnEvent,
    SignOnFailed,
    SignOnSettings,
    Transmit,
    encode_request,
)
from hes.errors import ConfigError, LinkError, LocalProtocolError
from hes.links.line_pacer import CharacterFormat, LineSettings
from hes.links.line_speed import SEVEN_BITS, change_speed
from hes.links.options import Options
from hes.links.registry import LinkUrl, Pair, ProtocolFactory

MODE_E: Final = "mode-e"
BAUD_DEFAULT: Final = 19_200  # the fastest of the rates that every source knows


def sign_on_settings(options: Options, url: LinkUrl, baud: int) -> SignOnSettings | None:
    """Take `sign_on` and `device`; None when the URL asks for no sign-on. Raises ConfigError."""
    wanted = options.take("sign_on", False, {MODE_E: True}.get, MODE_E)  # noqa: FBT003 - the default
    device = options.take("device", "", _device, "up to 32 digits, letters and spaces")
    if device and not wanted:
        raise ConfigError(f"link {url.text!r}: device= means nothing without sign_on={MODE_E}", url=url.text)
    if not wanted:
        return None
    baud_max = baud if "baud" in dict(url.options) else BAUD_DEFAULT
    try:
        return SignOnSettings(address=device, baud_max=baud_max)
    except LocalProtocolError as error:
        raise ConfigError(f"link {url.text!r}: {error.message}", url=url.text) from error


def _device(text: str) -> str | None:
    try:
        encode_request(text)
    except LocalProtocolError:
        return None
    return text


class _SignOnProtocol(asyncio.Protocol):
    """Drives the machine; `outcome` is HandedOver or an error."""

    def __init__(self, settings: SignOnSettings, character: CharacterFormat, place: str) -> None:
        self._machine = ClientSignOn(settings)
        self._character = character
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.outcome: asyncio.Future[HandedOver] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._act(self._machine.start(self._loop.time()))

    def data_received(self, data: bytes) -> None:
        self._act(self._machine.receive(data, self._loop.time()))

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop()
        if not self.outcome.done():
            self.outcome.set_exception(exc or LinkError(f"{self._place} was closed during the sign-on"))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _act(self, events: Iterable[SignOnEvent]) -> None:
        assert self._transport is not None
        for event in events:
            if isinstance(event, Transmit):
                self._transport.write(event.octets)
            elif isinstance(event, ChangeLine):
                character = SEVEN_BITS if event.seven_bits else self._character
                change_speed(self._transport, baud=event.baud, character=character)
            elif not self.outcome.done():
                self._end(event)
        self._arm()

    def _end(self, event: HandedOver | SignOnFailed) -> None:
        if isinstance(event, HandedOver):
            self.outcome.set_result(event)
            return
        look = "look at the optical head, at device= and whether the meter does sign on here"
        self.outcome.set_exception(LinkError(f"{self._place}: {event.reason}: {look}", place=self._place))

    def _arm(self) -> None:
        self.stop()
        deadline_s = self._machine.next_deadline()
        if deadline_s is not None and not self.outcome.done():
            self._timer = self._loop.call_at(deadline_s, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self._act(self._machine.timed_out(max(self._loop.time(), self._machine.next_deadline() or 0.0)))


async def opened(
    open_port: Callable[[ProtocolFactory], Pair],
    url: LinkUrl,
    settings: LineSettings,
    sign_on: SignOnSettings | None,
    factory: ProtocolFactory,
) -> Pair:
    """What `open_port` opens, signed on where `sign_on` says so, and only then in the hands of `factory`'s protocol.

    Raises LinkError with one sentence when no meter agrees, and what `open_port` raises.
    """
    if sign_on is None:
        return open_port(factory)
    transport, opening = open_port(lambda: _SignOnProtocol(sign_on, settings.character, url.place))
    assert isinstance(opening, _SignOnProtocol)
    try:
        await opening.outcome
    except BaseException:
        transport.abort()
        raise
    finally:
        opening.stop()
    protocol = factory()
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    return transport, protocol
