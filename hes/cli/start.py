"""The console script: as little as can be imported before Ctrl-C is understood."""

from __future__ import annotations

import sys


def main() -> None:
    """The command, or one line and status 130 when somebody stops it while it is still being loaded."""
    try:
        from hes.cli.main import main as command  # click and all else

        command()
    except KeyboardInterrupt:
        sys.stderr.write("amiloop: interrupted\n")
        raise SystemExit(130) from None
