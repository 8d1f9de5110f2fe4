"""Pages that stand alone: templates filled with escaped text, and the chart library read from its package.

plotly is never imported: its wheel carries `plotly.min.js`, and only that file is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib.util import find_spec
from pathlib import Path, PurePath
from string import Template
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from hes.errors import ConfigError

TEMPLATES: Final = Path(__file__).parent / "template"
PLOTLY_SCRIPT: Final = Path("package_data") / "plotly.min.js"


class Cell(NamedTuple):
    """One cell of a table. sort: what it is sorted by where that is not its text."""

    text: str
    sort: float | None = None


def text(value: str) -> str:
    """`value` fit to stand in HTML, inside quotes too."""
    return escape(value, quote=True)


def fill(name: str, **parts: str) -> str:
    """The page `name` from its template, style and script. Parts are HTML already; plain text goes through `text`."""
    template = Template((TEMPLATES / f"{name}.html").read_text(encoding="utf-8"))
    style = (TEMPLATES / f"{name}.css").read_text(encoding="utf-8")
    script = (TEMPLATES / f"{name}.js").read_text(encoding="utf-8")
    return template.substitute(parts, style=style, script=script)


def embedded_json(value: Any) -> str:
    """JSON that may stand in a script element whatever it says."""
    octets = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return octets.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@lru_cache(maxsize=1)
def plotly_script() -> str:
    """plotly.min.js of the installed package. Raises ConfigError when there is none."""
    path = _plotly_folder() / PLOTLY_SCRIPT
    try:
        script = path.read_text(encoding="utf-8")
    except OSError:
        raise ConfigError(
            f"charts need {PLOTLY_SCRIPT} of plotly, and {path} is not there: pip install amiloop[web]"
        ) from None
    return script.replace("</script", "<\\/script")


def _plotly_folder() -> Path:
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("charts need plotly, which is not installed: pip install amiloop[web]")
    return Path(spec.submodule_search_locations[0])


def cards(figures: Sequence[tuple[str, str, str]]) -> str:
    """Headline figures: what, how much, and what that means."""
    return "\n".join(
        f"<div><dt>{text(label)}</dt><dd>{text(figure)}<small>{text(note)}</small></dd></div>"
        for label, figure, note in figures
    )


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Label and value, as a description list."""
    return _facts([(label, text(value)) for label, value in rows])


def files(rows: Sequence[tuple[str, str]]) -> str:
    """Label and path; paths that lie below the page are links."""
    return _facts([(label, _link(path)) for label, path in rows])


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return '<p class="empty">None.</p>'
    items = "\n".join(f"<div><dt>{text(label)}</dt><dd>{value}</dd></div>" for label, value in rows)
    return f'<dl class="facts">\n{items}\n</dl>'


def _link(path: str) -> str:
    parts = PurePath(path).parts
    below = bool(parts) and not PurePath(path).is_absolute() and ".." not in parts
    return f'<a href="./{quote(PurePath(path).as_posix())}">{text(path)}</a>' if below else text(path)


def table(caption: str, titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str) -> str:
    """A table that sorts by any column; numbers stand on the right."""
    if not rows:
        return f'<p class="empty">{text(empty)}</p>'
    numeric = [all(row[column].sort is not None for row in rows) for column in range(len(titles))]
    head = "".join(
        f'<th scope="col"{_number(is_number)}><button type="button">{text(title)}</button></th>'
        for title, is_number in zip(titles, numeric, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(_cell(cell, is_number) for cell, is_number in zip(row, numeric, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="sortable"><caption>{text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _number(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _cell(cell: Cell, is_number: bool) -> str:
    key = f' data-sort="{cell.sort!r}"' if cell.sort is not None else ""
    return f"<td{_number(is_number)}{key}>{text(cell.text)}</td>"
