"""The corpus: one file per target, one input per line in hex, what follows # is for people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "corpus"


def inputs_of(target: str) -> list[bytes]:
    """The kept inputs of one target, in the order of the file; none where there is no file."""
    path = FOLDER / f"{target}.txt"
    if not path.exists():
        return []
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [bytes.fromhex(line) for line in lines if line]


def keep(target: str, inputs: Iterable[bytes]) -> None:
    """Write the corpus of one target anew."""
    FOLDER.mkdir(exist_ok=True)
    text = "".join(f"{octets.hex()}\n" for octets in dict.fromkeys(inputs) if octets)
    (FOLDER / f"{target}.txt").write_text(text)
