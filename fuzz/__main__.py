"""`python -m fuzz`: ten million damaged inputs, then the lines that decoding reached."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz import campaign, lines
from fuzz.campaign import Failure, Part
from fuzz.target import Target
from fuzz.targets import targets as all_targets

RESULTS: Final = Path("fuzz-results")
EXECUTIONS: Final = 10_000_000
LINES_WANTED: Final = 0.95
MUTATED_WANTED: Final = 0.5
PARTS_TO_JUDGE: Final = 8  # the first ones of a worker load what they need
GROWTH_PER_PART_KB_MAX: Final = 1024  # in the median part of a target: a leak shows in every part


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen = [target for target in all_targets() if options.only in (None, target.name)]
    if not chosen:
        print(f"no target is called {options.only}", file=sys.stderr)
        return 2
    if options.grow:
        return 0 if _lines(chosen, options.grow, options.seed, save=True, verbose=options.verbose) else 1
    passed = _campaign(chosen, options.executions, options.seed, options.workers)
    if options.only is None:
        passed = _lines(chosen, options.lines, options.seed, save=False, verbose=options.verbose) and passed
    return 0 if passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=EXECUTIONS, help="in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another stream of damage (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    parser.add_argument("--only", metavar="TARGET", help="one target")
    parser.add_argument("--lines", type=int, default=100_000, help="inputs with which lines are counted (%(default)s)")
    parser.add_argument(
        "--grow", type=int, metavar="N", help="only look for inputs that reach new lines, and keep them"
    )
    parser.add_argument("--verbose", action="store_true", help="name the lines and functions that were not reached")
    return parser


def _campaign(chosen: Sequence[Target], executions: int, seed: int, workers: int) -> bool:
    start_s = time.perf_counter()
    parts: dict[str, list[Part]] = {target.name: [] for target in chosen}
    done, tenths = 0, 0
    for part in campaign.run(chosen, executions, seed, workers):
        parts[part.target].append(part)
        done += part.executions
        if done * 10 // executions > tenths:
            tenths = done * 10 // executions
            print(f"{done:,} of {executions:,} after {time.perf_counter() - start_s:.0f} s", file=sys.stderr)
    elapsed_s = time.perf_counter() - start_s
    failures = [failure for some in parts.values() for part in some for failure in part.failures]
    many = {name: some for name, some in parts.items() if len(some) >= PARTS_TO_JUDGE}
    leaks = [name for name, some in many.items() if _growth_kb(some) > GROWTH_PER_PART_KB_MAX]
    mutated = sum(part.mutated_count for some in parts.values() for part in some)
    print(_table(parts))
    print(f"{done:,} executions in {elapsed_s:.0f} s, {mutated / done:.0%} of them mutated valid octets, seed {seed}")
    print(f"failures: {len(failures)}; targets whose memory grows: {', '.join(leaks) or 'none'}")
    for failure in failures:
        _report(failure)
    return not failures and not leaks and mutated / done >= MUTATED_WANTED


def _growth_kb(parts: Sequence[Part]) -> int:
    growths = sorted(part.growth_kb for part in parts)
    return growths[len(growths) // 2] if growths else 0


def _table(parts: dict[str, list[Part]]) -> str:
    rows = [
        f"{'target':<24}{'executions':>12}{'mutated':>9}{'refused':>9}{'us each':>9}{'slowest ms':>12}{'kB a part':>11}"
    ]
    for name, some in parts.items():
        count = sum(part.executions for part in some)
        if not count:
            continue
        mutated, refused = sum(part.mutated_count for part in some), sum(part.refused_count for part in some)
        elapsed_s, slowest_s = sum(part.elapsed_s for part in some), max(part.slowest_s for part in some)
        rows.append(
            f"{name:<24}{count:>12,}{mutated / count:>9.0%}{refused / count:>9.0%}{1e6 * elapsed_s / count:>9.1f}"
            f"{1e3 * slowest_s:>12.1f}{_growth_kb(some):>11}"
        )
    return "\n".join(rows)


def _report(failure: Failure) -> None:
    """Say what failed, and keep the inputs in hex."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{failure.target}-{abs(hash(failure.inputs)) % 10**8:08}.txt"
    path.write_text("".join(f"{octets.hex()}\n" for octets in failure.inputs) + f"# {failure.reason!r}\n")
    print(f"\n{failure.target}: {failure.inputs[-1].hex()}\n{failure.reason}saved as {path}")


def _lines(chosen: Sequence[Target], executions: int, seed: int, *, save: bool, verbose: bool) -> bool:
    """Print what was reached of decoders and machines; whether it is enough of the decoders."""
    decoders, machines = lines.grow(chosen, executions, seed, save=save)
    enough = True
    for what, reached in (("decoders", decoders), ("state machines", machines)):
        seen, there = reached.share()
        if not there:
            continue
        wanted = f", wanted {LINES_WANTED:.0%}" if reached is decoders else ""
        print(f"lines of the {what} reached: {seen} of {there} ({seen / there:.1%}{wanted})")
        if verbose:
            print("not reached:", *reached.missing, sep="\n  ")
            print("never entered:", *reached.silent, sep="\n  ")
        enough = enough and (reached is machines or seen >= LINES_WANTED * there)
    return enough


if __name__ == "__main__":
    sys.exit(main())
