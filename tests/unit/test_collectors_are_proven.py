"""No collector ships that was not read from the real service."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.unit.conftest import REPOSITORY, SHIPPED

_SERVICES = REPOSITORY / "tests" / "services"
ELSEWHERE = {"disk", "diskio", "docker", "haproxy", "internal", "net", "system"}
"""Those of the machine and the stack, which tests/engine and tests/fleet read."""


def collected(tree: ast.AST) -> Iterator[str]:
    """The collectors that a test renders: `collect("nginx", {"http": …})`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "collect":
            for argument in node.args:
                first = argument.keys[:1] if isinstance(argument, ast.Dict) else [argument]
                yield from (one.value for one in first if isinstance(one, ast.Constant) and isinstance(one.value, str))


def test_every_collector_is_read_from_the_real_service_by_a_test() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in _SERVICES.glob("test_*.py"))
    proven = {name for tree in trees for name in collected(tree)}

    assert sorted(SHIPPED.keys() - ELSEWHERE - proven) == []


def test_a_collector_is_found_with_and_without_options() -> None:
    tree = ast.parse('collect("nginx", {"http": {"urls": []}}, env={"A": "b"})\nother("redis")')

    assert list(collected(tree)) == ["nginx", "http"]
