"""What is sound of a table that has faults, so that it can still be checked against other tables.

pydantic gives a whole model or none. For "every fault of a file at once" the sound keys of an unsound table matter as
much: a `Part` has them all, down to the tables inside.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError


class Part:
    """The sound keys of one table as attributes, named as the model's fields.

    A key that is missing though required, or has a fault, is None, and `sound(name)` says so. A table inside is a Part
    and an array of tables a list of Parts, whatever state they are in (an array that is none: an empty list).
    """

    def __init__(self, model: type[BaseModel], values: object) -> None:
        given = values if isinstance(values, dict) else {}
        self._given = given
        self._unsound: set[str] = set()
        self._values = {name: self._value(model, name, given) for name in model.model_fields}
        if not isinstance(values, dict):
            self._unsound.update(model.model_fields)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def sound(self, *names: str) -> bool:
        """Whether all of these are as the file means them; of arrays only whether they are arrays at all."""
        return self._unsound.isdisjoint(names)

    def given(self, key: str) -> object:
        """What the file says at `key`, sound or not; None when it says nothing."""
        return self._given.get(key)

    def _value(self, model: type[BaseModel], name: str, given: dict[str, Any]) -> Any:
        field = model.model_fields[name]
        key = field.alias or name
        inner, many = _tables_inside(field.annotation)
        if key not in given and field.is_required():
            self._unsound.add(name)
            return [] if many else None
        if inner is not None and many:
            tables = given.get(key, [])
            if not isinstance(tables, list):
                self._unsound.add(name)
                return []
            return [Part(inner, table) for table in tables]
        if inner is not None and (key in given or field.default is not None):
            return Part(inner, given.get(key, {}))
        if key not in given:
            return field.default
        try:
            return _adapter(model, name).validate_python(given[key])
        except ValidationError:
            self._unsound.add(name)
            return None


def may_mean(word: str, tables: Iterable[Part]) -> bool:
    """Whether `word` may be the name of one of the tables whose `name` has a fault: then that fault is told already."""
    for table in tables:
        if table.name is None:
            name = table.given("name")
            if not isinstance(name, str) or difflib.get_close_matches(word.lower(), [name.lower()], cutoff=0.6):
                return True
    return False


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[(annotation, *field.metadata)] if field.metadata else annotation)


def _tables_inside(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model of the table that a key holds, and whether the key holds an array of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    inside = [argument for argument in get_args(annotation) if argument not in (type(None), Ellipsis)]
    if len(inside) != 1:
        return None, False
    if get_origin(annotation) is tuple:
        model, many = _tables_inside(inside[0])
        return (None, False) if many else (model, model is not None)
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return _tables_inside(inside[0])
    return None, False
