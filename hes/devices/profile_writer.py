"""The text of a device profile: what `profile_file` reads, written so that a person can go on with it.

Tables come in the order of the shipped profiles; what is a default is left out; long lists stand one entry to a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from hes.devices.profile_file import DAY_S, WEEKDAYS, ProfileFile

LINE_MAX: Final = 120
_TABLES: Final = ("clock", "security", "disconnect", "gateway", "tariff", "load_profile", "billing")
_LISTS: Final = ("association", "event_log", "item")


def to_toml(profile: ProfileFile, comments: Iterable[str] = ()) -> str:
    """The file that reads back as `profile`. comments: lines that stand at its top."""
    blocks = ["\n".join(f"# {line}".rstrip() for line in comments)]
    plain = {key: value for key, value in _said(profile).items() if key not in {*_TABLES, *_LISTS, "objects"}}
    blocks.append("\n".join(_pairs(plain)))
    for name in _TABLES:
        table = getattr(profile, name)
        if table is not None:
            blocks += _table(f"[{name}]", name, table)
    for name in _LISTS:
        for entry in getattr(profile, name):
            blocks += _table(f"[[{name}]]", name, entry)
    if profile.objects:
        lines = [f"{_text(where)} = {_inline(_said(each))}" for where, each in profile.objects.items()]
        blocks.append("\n".join(["[objects]", *lines]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(heading: str, path: str, table: BaseModel) -> Iterator[str]:
    """A table and the tables inside it, each as a block; nothing for one that says defaults only."""
    said = _said(table)
    inner = {key: value for key, value in said.items() if _is_table(value)}
    pairs = list(_pairs({key: value for key, value in said.items() if key not in inner}))
    if pairs or heading.startswith("[["):
        yield "\n".join([heading, *pairs])
    for key, value in inner.items():
        if isinstance(value, Mapping):
            yield "\n".join([f"[{path}.{key}]", *_pairs(value)])
        else:
            for each in value:
                yield "\n".join([f"[[{path}.{key}]]", *_pairs(each)])


def _said(table: BaseModel) -> dict[str, Any]:
    """What a table says beyond its defaults, by the keys of the file, in their order."""
    said = table.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True)
    for band in said.get("band", ()):
        band["weekdays"] = [WEEKDAYS[day] for day in band["weekdays"]]
        band["from"], band["to"] = _time_of_day(band["from"]), _time_of_day(band["to"])
    return said


def _time_of_day(seconds: int) -> str:
    return "24:00" if seconds == DAY_S else f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            continue
        line = f"{key} = {_value(value)}"
        if len(line) > LINE_MAX and isinstance(value, list | tuple):
            line = "\n".join([f"{key} = [", *(f"    {_value(item)}," for item in value), "]"])
        yield line


def _inline(values: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in values.items()) + " }" if values else "{}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    return "[" + ", ".join(map(_value, value)) + "]"


def _text(value: str) -> str:
    """A basic string; JSON's escapes are TOML's, but for characters that TOML wants escaped and JSON does not."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
