"""Shipped views with something odd in them, as a slip of the pen or a robot would leave them."""

from __future__ import annotations

import math
from typing import Any

import yaml
from hypothesis import strategies as st

from aresmon.config import package_data

FILES = sorted((package_data.GRAFANA / "collectors").glob("*.yml"))
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    2.5,
    math.inf,
    "",
    "x",
    "{host}",
    [],
    ["a"],
    [["a"]],
    {},
    {"a": 1},
    {"from": "cpu"},
]
TREES = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES]


def mutate(value: Any, data: st.DataObject) -> Any:
    """One place in it is another value, gone, or there twice."""
    if not isinstance(value, (dict, list)) or not value or data.draw(st.integers(0, 7)) == 0:
        return data.draw(st.sampled_from(ODD))
    if isinstance(value, list):
        index = data.draw(st.integers(0, len(value) - 1))
        kept = [*value[:index], mutate(value[index], data), *value[index + 1 :]]
        return kept if data.draw(st.booleans()) else [*kept, value[index]]
    key = data.draw(st.sampled_from(list(value)))
    if data.draw(st.integers(0, 9)) == 0:
        return {name: one for name, one in value.items() if name != key}
    name = data.draw(st.sampled_from([key] * 6 + ["from", "of", "host", "Z z"]))
    return {**value, name: mutate(value[key], data)}
