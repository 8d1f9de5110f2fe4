"""A concentrator as a scenario knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scenarios.bench import BenchConcentrator
from scenarios.evidence import Recorder
from scenarios.verdicts import Inconclusive


class Concentrator:
    """The first concentrator of the station. It comes to life when the station's bench is there."""

    def __init__(self, find: Callable[[], BenchConcentrator], recorder: Recorder) -> None:
        self._find = find
        self._recorder = recorder

    @property
    def terminal(self) -> str:
        """Its terminal ID as printed, such as 07310001."""
        return self._find().terminal

    @property
    def logins(self) -> int:
        """How often it has logged in since the station came up."""
        return self._find().logins

    async def reachable(self) -> None:
        """Wait until it is connected, such as after its link was lost. Raises Inconclusive."""
        concentrator = self._find()
        try:
            async with asyncio.timeout(concentrator.return_s):
                await concentrator.ready()
        except TimeoutError:
            raise Inconclusive(f"{concentrator.name} did not come back in {concentrator.return_s:.0f} s") from None

    def cut_link(self) -> None:
        """Its connection is lost now; it dials again by itself."""
        concentrator = self._find()
        self._recorder.event(concentrator.name, "the link is cut")
        concentrator.cut()
