"""docs/standards.md says what is covered and by which test: the files exist, and no declared class is missing."""

import re
from pathlib import Path

import pytest

from hes.dlms.cosem.interface_classes import CLASSES

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "standards.md"
DEFAULT_FOLDER, CLASSES_FOLDER = "hes/dlms/tests", "hes/dlms/cosem/tests"
CLASSES_HEADING = "## Interface classes"


def sections():
    """Heading and text of each section."""
    parts = re.split(r"^(## .*)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def rows():
    """(heading, cells) of every row of every table."""
    for heading, text in sections():
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("|") and not set(line) <= set("|- "):
                yield heading, cells


def named_tests():
    for heading, cells in rows():
        folder = CLASSES_FOLDER if heading == CLASSES_HEADING else DEFAULT_FOLDER
        for name in re.findall(r"`([\w/]+\.py)`", cells[-1]):
            yield name if "/" in name else f"{folder}/{name}"


def test_every_test_that_the_page_names_exists():
    named = set(named_tests())
    assert len(named) > 60
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_every_declared_class_stands_in_the_page_with_its_versions():
    listed = {
        (int(cells[0]), int(version))
        for heading, cells in rows()
        if heading == CLASSES_HEADING and cells[0].isdigit()
        for version in cells[2].split(", ")
    }
    assert listed == {(declared.class_id, declared.version) for declared in CLASSES.values()}


@pytest.mark.parametrize("heading", [heading for heading, _ in sections() if heading != "## Not covered"])
def test_what_is_ours_names_a_test(heading):
    untested = [
        cells[0]
        for where, cells in rows()
        if where == heading and cells[-1] != "tests" and "`" not in cells[-1] and cells[1] != "–"
    ]
    assert untested == []
