"""Every way out of the simulation is refused, with a sentence that says what to use instead."""

import asyncio
import inspect
import signal
import socket

import pytest

from sim.errors import OutsideWorldError
from sim.loop import VirtualLoop
from sim.outside import INSTEAD
from sim.run_loop import run


def play(main):
    return run(main, loop=VirtualLoop())


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_every_outside_method_raises_and_says_what_to_use_instead(name):
    async def main():
        with pytest.raises(OutsideWorldError, match=rf"loop\.{name} reaches outside.*: \w+.*\.$") as caught:
            await getattr(asyncio.get_running_loop(), name)(1, 2, 3, option=4)
        assert caught.value.fields["method"] == name

    play(main())


def test_no_method_of_asyncio_that_does_io_is_left_over():
    """What an abstract loop declares and this one neither implements nor refuses would do real I/O or say nothing."""
    ours = {name for cls in VirtualLoop.__mro__ if cls.__module__.startswith("sim.") for name in vars(cls)}
    inherited_and_harmless = {
        "run_forever",
        "run_until_complete",
        "stop",
        "is_running",
        "is_closed",
        "shutdown_asyncgens",
        "create_future",
        "set_task_factory",
        "get_task_factory",
        "set_default_executor",
        "get_exception_handler",
        "set_exception_handler",
        "default_exception_handler",
        "call_exception_handler",
        "get_debug",
        "set_debug",
    }
    declared = {name for name, _ in inspect.getmembers(asyncio.AbstractEventLoop, inspect.isfunction)}
    public = {name for name in declared if not name.startswith("_")}
    assert public - ours - inherited_and_harmless == set()


def test_the_usual_asyncio_calls_end_at_the_refusal():
    async def main():
        with pytest.raises(OutsideWorldError, match="sim://"):
            await asyncio.open_connection("127.0.0.1", 4059)
        with pytest.raises(OutsideWorldError, match="sim-listen://"):
            await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 4059)
        with pytest.raises(OutsideWorldError, match="run_in_executor"):
            await asyncio.create_subprocess_exec("true")
        loop = asyncio.get_running_loop()
        with pytest.raises(OutsideWorldError):
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        with pytest.raises(OutsideWorldError):
            loop.add_signal_handler(signal.SIGTERM, loop.stop)
        with socket.socket() as real, pytest.raises(OutsideWorldError):
            loop.add_reader(real.fileno(), print)

    play(main())
