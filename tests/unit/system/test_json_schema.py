"""The schema is the one place where a setting is described; it must be complete and agree with itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aresmon.config.package_data import site_schema
from aresmon.system.json_schema import did_you_mean

Path = tuple[str, ...]


def settings(schema: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every setting of the schema, with its path."""
    for name, below in schema.get("properties", {}).items():
        yield (*path, name), below
        yield from settings(below, (*path, name))
    for word in ("additionalProperties", "items"):
        if isinstance(schema.get(word), dict):
            yield from settings(schema[word], (*path, "*"))


SETTINGS = dict(settings(site_schema()))


def valid(value: Any, below: Mapping[str, Any]) -> bool:
    return Draft202012Validator({"$defs": site_schema()["$defs"], **below}).is_valid(value)


def test_the_schema_is_a_valid_json_schema() -> None:
    Draft202012Validator.check_schema(site_schema())


@pytest.mark.parametrize("path", SETTINGS, ids=".".join)
def test_every_setting_is_described_in_a_sentence(path: Path) -> None:
    description = SETTINGS[path].get("description", "")

    assert description.endswith(".")
    assert description[0].isupper()


@pytest.mark.parametrize("path", [path for path, below in SETTINGS.items() if "default" in below], ids=".".join)
def test_every_default_is_allowed_by_its_own_setting(path: Path) -> None:
    assert valid(SETTINGS[path]["default"], SETTINGS[path])


@pytest.mark.parametrize("path", [path for path, below in SETTINGS.items() if "examples" in below], ids=".".join)
def test_every_example_is_allowed_by_its_own_setting(path: Path) -> None:
    assert all(valid(example, SETTINGS[path]) for example in SETTINGS[path]["examples"])


def nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for below in schema.values():
            yield from nodes(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from nodes(below)


def test_every_pattern_is_put_into_words() -> None:
    patterns = [node for node in nodes(site_schema()) if isinstance(node.get("pattern"), str)]

    assert len(patterns) > 10
    assert [node["pattern"] for node in patterns if "x-form" not in node] == []


def test_every_mapping_is_closed_to_unknown_settings() -> None:
    mappings = [node for node in nodes(site_schema()) if "object" in str(node.get("type"))]

    # What a collector's options may be is in its own file.
    open_ones = [node["x-form"] for node in mappings if "additionalProperties" not in node]
    assert open_ones == ["a mapping of the collector's options"]


@pytest.mark.parametrize(
    ("word", "answer"),
    [("sytem", " (did you mean 'system'?)"), ("weather", ""), ("", "")],
)
def test_a_suggestion_is_made_only_for_a_near_word(word: str, answer: str) -> None:
    assert did_you_mean(word, ["system", "disk"]) == answer
