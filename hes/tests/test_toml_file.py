"""TOML faults reach the person who can mend them: with their line, for whatever a file may hold."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hes import toml_file
from hes.errors import ConfigError
from hes.toml_lines import key_lines

TEXT = '''# a comment with [brackets] and "quotes"
name = "plain"
"quoted key" = 1  # another
dotted.inner.key = 2

[table]
long = """
[not.a.table]
x = 1
"""
array = [
    1,
    [2, 3],  # ] in a comment
    { inline = "x", other = [4] },
]

[[dcu]]
name = 'first'
[dcu.media]
kind = "a"
[[dcu.meters]]
count = 1
[[dcu.meters]]
count = 2
[[dcu]]
name = "a \\" b = c"
[[dcu.meters]]
count = 3
'''


def test_every_key_is_found_on_its_line() -> None:
    lines = key_lines(TEXT)
    expected = {
        ("name",): 2,
        ("quoted key",): 3,
        ("dotted", "inner", "key"): 4,
        ("dotted",): 4,
        ("table",): 6,
        ("table", "long"): 7,
        ("table", "array"): 11,
        ("table", "array", 1, 1): 13,
        ("table", "array", 2, "other"): 14,
        ("dcu", 0): 17,
        ("dcu", 0, "media", "kind"): 20,
        ("dcu", 0, "meters", 1, "count"): 24,
        ("dcu", 1, "name"): 26,
        ("dcu", 1, "meters", 0, "count"): 28,
    }
    assert {path: lines.get(path) for path in expected} == expected


def leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))] or [path]
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))] or [path]
    return [path]


def test_the_scanner_and_tomllib_see_the_same_keys() -> None:
    assert set(leaves(tomllib.loads(TEXT))) <= set(key_lines(TEXT))


KEYS = st.text("abcXYZ09_-", min_size=1, max_size=6) | st.text(min_size=1, max_size=4).map(
    lambda text: '"' + text.encode("unicode_escape").decode().replace('"', "q").replace("\\x", "\\u00") + '"'
)
VALUES = st.recursive(
    st.sampled_from(["1", "-2.5e3", "true", "2026-03-02T00:00:00Z", "03:00:00", '"s # ] }"', "'l\\'", '"""m\n"x""""""'])
    | st.integers().map(str),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[\n" + ",\n".join(items) + "\n]"),
    max_leaves=6,
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=8), st.lists(st.sampled_from(["[t]", "[[a]]", "[a.b]", "[t.'c d']"])))
def test_what_tomllib_accepts_is_located_completely(pairs: list[tuple[str, str]], headers: list[str]) -> None:
    text = "\n".join(f"{header}\n" + "\n".join(f"{key} = {value}" for key, value in pairs) for header in ["", *headers])
    try:
        values = tomllib.loads(text)
    except ValueError:
        return
    lines = key_lines(text)
    assert set(leaves(values)) - {()} <= set(lines)
    for path, line in lines.items():
        assert 1 <= line <= text.count("\n") + 1, path


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@example("[" * 5000)
@example("a = " + "9" * 5000)
@example("a = [" * 2000)
@example("a = 1979-02-30\n")
@example('a = "\\ud800"')
def test_any_text_gives_values_or_a_config_error(text: str) -> None:
    key_lines(text)
    try:
        file = toml_file.parse(text, "any.toml")
    except ConfigError as error:
        refusal = error.message
    else:
        assert file.values == tomllib.loads(text)
        return
    assert refusal.startswith("any.toml:")


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb =\n", 2), ("a = 1\na = 2\n", 2), ("x\n", 1), ('a = "open\n', 1), ("\n\n[t\n", 3), ("a = [1,\n2\n", 3)],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        toml_file.parse(text, "w.toml")
    assert caught.value.message.startswith(f"w.toml:{line}: not TOML: ")
    assert caught.value.fields["lines"] == (line,)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(ge=1, json_schema_extra={"allowed": "1 or more"})


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: tuple[Inner, ...] = ()


def faults_of(text: str) -> list[str]:
    file = toml_file.parse(text, "f.toml")
    faults = toml_file.Faults(file)
    try:
        Outer.model_validate(file.values)
    except ValidationError as error:
        faults.add_invalid(error, Outer, ())
    with pytest.raises(ConfigError) as caught:
        faults.raise_if_any()
    return caught.value.message.splitlines()


def test_all_faults_are_listed_in_the_order_of_their_lines() -> None:
    assert faults_of("nam = 1\n[[inner]]\ncount = 0\n[[inner]]\ncont = 3\n") == [
        "f.toml:1: name: is missing",
        "f.toml:1: nam: unknown key; did you mean 'name'? (allowed here: name, inner)",
        "f.toml:3: inner[1].count: should be greater than or equal to 1, not 0 (1 or more)",
        "f.toml:4: inner[2].count: is missing (1 or more)",
        "f.toml:5: inner[2].cont: unknown key; did you mean 'count'? (allowed here: count)",
    ]


def test_what_is_allowed_is_listed_once_for_each_table() -> None:
    lines = faults_of("foo = 1\nbar = 2\nname = 'n'\n[[inner]]\ncount = 1\nx = 1\ny = 1\n")
    assert [line for line in lines if "allowed here" in line] == [
        "f.toml:1: foo: unknown key (allowed here: name, inner)",
        "f.toml:6: inner[1].x: unknown key (allowed here: count)",
    ]
    assert len(lines) == 4


def test_a_long_list_of_faults_is_cut() -> None:
    lines = faults_of("".join(f"x{number} = 1\n" for number in range(150)) + "name = 'n'\n")
    assert len(lines) == toml_file.FAULTS_SHOWN_MAX + 1
    assert lines[-1] == "f.toml: and 50 more"


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        toml_file.read(tmp_path / "absent.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ConfigError, match=r"latin.toml:2: not UTF-8"):
        toml_file.read(latin)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (toml_file.FILE_OCTETS_MAX + 1))
    with pytest.raises(ConfigError, match="larger than"):
        toml_file.read(large)


def test_an_array_is_not_called_too_short_when_only_its_elements_are_wrong() -> None:
    class Several(BaseModel):
        model_config = ConfigDict(extra="forbid")
        inner: tuple[Inner, ...] = Field(min_length=2, json_schema_extra={"allowed": "[[inner]] tables"})

    def said(text: str) -> list[str]:
        file = toml_file.parse(text, "f.toml")
        faults = toml_file.Faults(file)
        with pytest.raises(ValidationError) as invalid:
            Several.model_validate(file.values)
        faults.add_invalid(invalid.value, Several, ())
        return [line for _, line in faults.found]

    wrong = "f.toml:2: inner[1].count: should be greater than or equal to 1, not 0 (1 or more)"
    assert said("[[inner]]\ncount = 0\n[[inner]]\ncount = 1\n") == [wrong]
    assert said("inner = []\n") == ["f.toml:1: inner: should have at least 2 items, not [] ([[inner]] tables)"]
    short = said("[[inner]]\ncount = 0\n")
    assert short[0] == wrong
    assert short[1].startswith("f.toml:1: inner: should have at least 2 items, not [")
