"""The tables of docs/world-files.md, made from the models that check a world file: `python -m sim.world.reference`.

The page keeps its own words between the tables; a table stands between `<!-- keys of NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.world import file as tables
from sim.world.units import DURATION, written

MODELS: dict[str, type[BaseModel]] = {
    "the file": tables.WorldFile,
    "head_end": tables.HeadEndTable,
    "head_end.retries": tables.RetriesTable,
    "concentrator": tables.ConcentratorTable,
    "security": tables.SecurityTable,
    "clocks": tables.ClocksTable,
    "plan": tables.PlanTable,
    "dcu": tables.DcuTable,
    "dcu.meters": tables.MetersTable,
    "media (gprs)": tables.GprsTable,
    "media (plc)": tables.PlcTable,
    "media (plc).fading": tables.FadingTable,
    "fault": tables.FaultTable,
}
_SECTION = re.compile(r"<!-- keys of (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)


def table(model: type[BaseModel]) -> str:
    """A Markdown table of a model's keys."""
    rows = ["| key | allowed | left out | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra
        allowed = str(extra["allowed"]) if isinstance(extra, dict) else ""
        rows.append(
            f"| `{info.alias or name}` | {_cell(allowed)} | {_default(info)} | {_cell(info.description or '')} |"
        )
    return "\n".join(rows) + "\n"


def filled(page: str) -> str:
    """The page with every table made anew. Raises KeyError for a marker that names no table."""
    return _SECTION.sub(lambda found: f"<!-- keys of {found[1]} -->\n{table(MODELS[found[1]])}<!-- end -->", page)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    default: Any = info.default
    if isinstance(default, BaseModel | tuple) or default is None or default == "":
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    extra = info.json_schema_extra
    if isinstance(extra, dict) and str(extra.get("allowed")).startswith(DURATION):
        return f'"{written(default)}"'
    return f'"{default}"' if isinstance(default, str) else f"{default:g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(path: str) -> None:
    """Fill the tables of the page at `path`."""
    page = Path(path)
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
