"""`python -m benches`: run every bench, or those named, and save what they measured."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import benches
from benches._measure import DifferenceError, Row, machine

RESULTS = Path("bench-results")


def found() -> dict[str, ModuleType]:
    """Every bench by its name; a module that needs a package that is not there is named on stderr and left out."""
    modules = {}
    for info in pkgutil.iter_modules(benches.__path__):
        if info.name.startswith("_"):
            continue
        try:
            module = importlib.import_module(f"benches.{info.name}")
        except ModuleNotFoundError as error:
            print(f"{info.name} is left out: {error} (install the extra 'test')", file=sys.stderr)
            continue
        if hasattr(module, "NAME") and hasattr(module, "run"):
            modules[module.NAME] = module
    return dict(sorted(modules.items()))


def main(arguments: list[str] | None = None) -> int:
    modules = found()
    parser = argparse.ArgumentParser(prog="python -m benches", description=benches.__doc__)
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that it works")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=list(modules), help=f"of: {', '.join(modules)}"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    differences: list[str] = []
    for name in options.only or modules:
        print(f"{name} ...", file=sys.stderr)
        try:
            rows += modules[name].run(options.quick)
        except DifferenceError as error:
            differences.append(str(error))
    result = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
        "differences": differences,
    }
    path = save(result)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(table(rows))
        print(f"saved as {path}")
    for difference in differences:
        print(f"DIFFERENT VALUES: {difference}", file=sys.stderr)
    return 1 if differences else 0


def save(result: dict[str, object]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{str(result['started']).replace(':', '').replace('+0000', 'Z')}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def table(rows: list[Row]) -> str:
    """The rows for a terminal, one block per operation."""
    lines = []
    previous = ("", "")
    for row in rows:
        if (row.bench, row.operation) != previous:
            previous = (row.bench, row.operation)
            lines.append(f"\n{row.bench}: {row.operation}")
        spread = "" if row.low is None or row.high is None else f"({row.low:.4g} .. {row.high:.4g})"
        ratio = "" if row.ratio is None else f"x {row.ratio:.3g}"
        target = ""
        if row.target is not None and row.ratio is not None:
            target = f"wanted x {row.target:g}: {'met' if row.ratio >= row.target else 'MISSED'}"
        lines.append(
            f"  {row.implementation:<34}{row.value:>12.4g} {row.unit:<6}{spread:<26}{ratio:<10}{target} {row.note}"
        )
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
