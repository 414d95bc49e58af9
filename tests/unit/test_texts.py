"""What aresmon prints is ASCII, so that it can be read in any locale; names that people give are as they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conftest import REPOSITORY

PACKAGE = REPOSITORY / "aresmon"
OTHERS = (
    "agents/lint.py",  # a unit of Telegraf's durations
    "config/telegraf_text.py",  # a mark at the beginning of files
    "config/values.py",  # units, which the terminal writes in ASCII where it must
    "render/grafana/",  # dashboards and messages
    "report/",  # a page
    "system/characters.py",
    "terminal/graph.py",
    "terminal/text.py",
)


def printed(path: Path) -> Iterator[str]:
    """The texts of a module but for its documentation."""
    tree = ast.parse(path.read_text())
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def test_the_texts_of_the_code_are_ascii() -> None:
    modules = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}

    found = [
        (name, text)
        for name, path in modules.items()
        if not name.startswith(OTHERS)
        for text in printed(path)
        if not text.isascii()
    ]

    assert found == []


@pytest.mark.parametrize("folder", ["aresmon/config", "aresmon/doctor", "grafana/collectors"])
def test_the_texts_of_descriptions_are_ascii(folder: str) -> None:
    lines = [
        (path.name, line)
        for path in sorted((REPOSITORY / folder).glob("*.yml"))
        for line in path.read_text().splitlines()
        if not line.lstrip().startswith("#")
    ]

    found = [(name, line) for name, line in lines if not line.isascii()]

    assert len(lines) > 100
    assert found == []
