"""The event loop of real time: uvloop where it is installed, asyncio's own elsewhere."""

from __future__ import annotations

import asyncio
import os


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop for production. Simulations have their own (sim.loop).

    libuv would hand every change of its watch list to io_uring; for links, which change one or two descriptors at a
    time, that costs more than the plain call: about a tenth of a short session's processor time. (The libuv of uvloop
    0.23 does so whatever the variable says.)
    """
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    os.environ.setdefault("UV_USE_IO_URING", "0")
    return uvloop.new_event_loop()
