"""Signing on as part of opening a serial link, on a clock that jumps."""

import asyncio
import contextvars
from typing import Any

import pytest

from hes.dlms.mode_e import SignOnSettings
from hes.errors import ConfigError, LinkError
from hes.links import Links
from hes.links.check_rig import End
from hes.links.facts import LinkFacts
from hes.links.line import Line
from hes.links.line_pacer import CharacterFormat, LineSettings
from hes.links.line_timing import UartTiming
from hes.links.registry import LinkUrl, Pair, ProtocolFactory
from hes.links.sign_on import opened
from hes.links.tests.jumping_loop import JumpingLoop, Wire

URL = LinkUrl.parse("serial:///dev/head?sign_on=mode-e")
FACTS = LinkFacts(kind="serial", connectionless=True, exclusive=True)


def signed_on(*said: bytes) -> tuple[Wire, Pair | LinkError]:
    """Open a line whose other end says these messages, one for each that it hears."""

    async def main() -> tuple[Wire, Pair | LinkError]:
        wire, settings = Wire(), LineSettings()
        line = Line(wire, FACTS, settings, UartTiming(asyncio.get_running_loop(), settings))
        answers = list(said)

        def write(octets: Any) -> int:
            wire.taken.append((0.0, bytes(octets)))
            if answers:
                asyncio.get_running_loop().call_later(0.3, wire.bring, answers.pop(0))
            return len(octets)

        wire.write = write  # type: ignore[method-assign]

        def open_port(factory: ProtocolFactory) -> Pair:
            transport = line.attach(factory, contextvars.copy_context())
            return transport, transport.get_protocol()

        try:
            pair = await opened(open_port, URL, settings, SignOnSettings(), End)
        except LinkError as error:
            return wire, error
        pair[0].abort()
        return wire, pair

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main())


def test_the_line_is_handed_over_at_the_speed_that_was_agreed() -> None:
    wire, pair = signed_on(b"/AML6\\2METER\r\n", b"\x06262\r\n")
    assert isinstance(pair, tuple)
    assert isinstance(pair[1], End)
    assert wire.octets == b"/?!\r\n\x06262\r\n"
    seven, eight = LineSettings(baud=300, character=CharacterFormat(data_bits=7, parity="E")), LineSettings(baud=19_200)
    assert [settings for _when, settings in wire.configured] == [seven, eight]


def test_a_port_without_a_meter_is_told_in_one_sentence_and_left() -> None:
    wire, error = signed_on()
    assert isinstance(error, LinkError)
    assert error.message.startswith("/dev/head: nothing answered the sign-on to any device at 300 Bd, asked 3 times: ")
    assert wire.closed


def test_a_meter_that_speaks_no_hdlc_is_named() -> None:
    _wire, error = signed_on(b"/ABC5OLDMETER\r\n")
    assert isinstance(error, LinkError)
    assert "the meter (ABC OLDMETER) offers no mode E" in error.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("sign_on=mode-c", "sign_on=mode-c is not mode-e"),
        ("device=1", "device= means nothing without"),
        ("sign_on=mode-e&baud=1000", "mode E knows no 1000 Bd"),
        ("sign_on=mode-e&device=a/b", "device=a/b is not up to 32"),
    ],
)
def test_wrong_options_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        asyncio.run(Links().connect(f"serial:///dev/null?{options}", asyncio.Protocol))
