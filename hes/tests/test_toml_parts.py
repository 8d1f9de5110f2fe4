"""Of a table with faults the sound keys can still be used."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from hes.toml_parts import Part, may_mean


class Wheel(BaseModel):
    name: str
    size: int = Field(ge=1)


class Cart(BaseModel):
    name: str
    load_kg: int | None = Field(None, alias="load", ge=0)
    spare: Wheel = Wheel(name="spare", size=5)
    wheel: tuple[Wheel, ...]
    tags: tuple[str, ...] = ()


def test_sound_keys_are_there_and_unsound_ones_are_none() -> None:
    cart = Part(Cart, {"name": "a", "load": -1, "wheel": [{"name": "left", "size": 0}, {"size": 2}, 7]})
    assert (cart.name, cart.load_kg, cart.tags) == ("a", None, ())
    assert cart.sound("name", "wheel", "tags")
    assert not cart.sound("name", "load_kg")
    assert [(wheel.name, wheel.size) for wheel in cart.wheel] == [("left", None), (None, 2), (None, None)]
    assert [wheel.sound("size") for wheel in cart.wheel] == [False, True, False]


def test_what_is_left_out_has_its_default_and_is_sound() -> None:
    cart = Part(Cart, {"name": "a", "wheel": []})
    assert cart.load_kg is None
    assert cart.sound("load_kg", "wheel", "spare")


@pytest.mark.parametrize("values", [{}, {"wheel": 1}, {"wheel": {}}, 3, None])
def test_an_array_that_is_none_is_empty_and_unsound(values: object) -> None:
    cart = Part(Cart, values)
    assert cart.wheel == []
    assert not cart.sound("wheel")
    assert not cart.sound("name")
    with pytest.raises(AttributeError):
        _ = cart.absent


def test_a_word_near_an_unsound_name_may_mean_it() -> None:
    wheels = [Part(Wheel, {"name": "left", "size": 1}), Part(Wheel, {"name": 5, "size": 1})]
    assert may_mean("anything", wheels), "a name that is no text may have been meant as any"
    assert not may_mean("left", wheels[:1])


def test_a_part_keeps_what_the_file_says() -> None:
    assert Part(Wheel, {"name": 5}).given("name") == 5
    assert Part(Wheel, "no table").given("name") is None
