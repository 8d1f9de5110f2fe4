"""What `amiloop test` adds to a pytest session: it says each verdict as it falls and keeps pytest's complaints."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Generator
from typing import Any, Final

import pytest

from scenarios.pytest_station import StationPlugin
from scenarios.result import ScenarioResult

TITLE_COLUMN: Final = 16
COLUMNS_MIN: Final = 40


class VerdictPrinter:
    """A small pytest plug-in. plugin: the one that runs the scenarios, once the session began.

    refusal: why pytest did not take the command line. was_interrupted: somebody stopped it.
    """

    def __init__(self, say: Callable[[str], Any]) -> None:
        self._say = say
        self._told = 0
        self.plugin: StationPlugin | None = None
        self.refusal = ""
        self.was_interrupted = False

    @property
    def wrote_evidence(self) -> bool:
        """Whether the folder of the run is complete."""
        return self.plugin is not None and self.plugin.folder is not None

    def interrupt(self) -> None:
        """Note that the run was stopped, wherever it was."""
        self.was_interrupted = True
        if self.plugin is not None:
            self.plugin.interrupt()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.was_interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_main(self) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except pytest.UsageError as error:
            self.refusal = " ".join(map(str, error.args))
            return pytest.ExitCode.USAGE_ERROR

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        plugin = session.config.pluginmanager.get_plugin("amiloop-station")
        self.plugin = plugin if isinstance(plugin, StationPlugin) else None

    def pytest_runtest_logfinish(self) -> None:
        self._tell()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._tell()

    def _tell(self) -> None:
        results = self.plugin.results if self.plugin is not None else []
        for result in results[self._told :]:
            self._say(_line(result))
        self._told = len(results)


def _line(result: ScenarioResult) -> str:
    """The verdict, what was tried and why it ended so; on a narrow terminal each further line under the title."""
    reason = f": {result.reason}" if result.reason else ""
    line = f"  {result.verdict.value:<12}  {result.title}{reason}  ({result.wall_s:.1f} s)"
    if not sys.stdout.isatty():
        return line
    columns = max(shutil.get_terminal_size().columns, COLUMNS_MIN)
    indent = " " * TITLE_COLUMN
    return "\n".join(textwrap.wrap(line, columns, subsequent_indent=indent, break_long_words=False)) or line
