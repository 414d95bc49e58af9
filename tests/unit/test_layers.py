"""The architecture as a table: packages import from lower floors alone, and each library has its gatekeepers."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aresmon.system import process
from tests.unit.conftest import REPOSITORY

FLOORS = [  # the lowest first; packages of one floor do not import each other
    ["system"],
    ["config", "ssh"],
    ["site", "render", "engine"],
    ["influxdb", "grafana", "agents"],
    ["stack", "monitoring"],
    ["push", "backup", "upgrade"],
    ["doctor", "terminal"],
    ["topology", "report"],
    ["cli"],
]
FLOOR = {package: number for number, floor in enumerate(FLOORS) for package in floor}

# Libraries that only these modules import, so that each kind of effect has one place.
GATEKEEPERS = {
    "rich": {"cli.console", "cli.tables", "terminal.screen"},
    "subprocess": {"system.process"},
    "docker": {"engine.docker", "engine.containers"},
    "requests": {"engine.docker", "grafana.answers", "grafana.client", "stack.readiness"},
    "jsonschema": {"system.json_schema"},
    "fcntl": {"site.folder", "system.locked_file"},
    "socket": {"influxdb.client", "site.preflight", "site.init", "ssh.relay", "ssh.options", "ssh.proxy"},
    "asyncssh": {"ssh.library"},
    "boto3": {"backup.storage.s3"},
    "botocore": {"backup.storage.s3"},
    "graphviz": {"topology.graph"},
    "pyrage": {"backup.contents"},
    "cryptography": {"site.ca", "site.certificates"},
}

Imports = Mapping[str, set[str]]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in (REPOSITORY / "aresmon").rglob("*.py")}


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that this one imports, wherever in it: `from aresmon.site import ca` is aresmon.site.ca."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not read here"
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else node.module or ""


@functools.cache
def all_imports() -> Imports:
    """What each module imports. Read when a test asks for it, not by every process that only collects the tests."""
    return {name: set(imported(tree_of(name))) for name in MODULES}


def package_of(module: str) -> str:
    """`push` for aresmon.push.host; nothing for aresmon itself and its `__main__`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "aresmon" and len(parts) > 1 and parts[1] in FLOOR else ""


def violations(imports: Imports) -> list[str]:
    """The imports that do not point to a lower floor, or into the same package."""
    return [
        f"{name} imports {other}"
        for name, others in sorted(imports.items())
        for other in sorted(others)
        if (below := package_of(other)) and (above := package_of(name)) and below != above
        if FLOOR[below] >= FLOOR[above]
    ]


def cycle(imports: Imports) -> list[str]:
    """A cycle among the modules, if there is one."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(imports.get(name, ())):
            if found := search(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(imports) if (found := search(name, []))), [])


def test_only_packages_stand_in_aresmon() -> None:
    flat = {name for name in MODULES if name.count(".") == 1 and not (REPOSITORY / name.replace(".", "/")).is_dir()}
    folders = {path.parent.name for path in (REPOSITORY / "aresmon").glob("*/__init__.py")}

    assert flat == {"aresmon.__main__"}
    assert folders == set(FLOOR)


def test_packages_import_from_lower_floors_alone() -> None:
    assert violations(all_imports()) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [("aresmon.system.files", "aresmon.config.names"), ("aresmon.render.bundle", "aresmon.site.bundle")],
    ids=["upwards", "on one floor"],
)
def test_a_planted_violation_is_found(name: str, other: str) -> None:
    planted = {**all_imports(), name: all_imports()[name] | {other}}

    assert violations(planted) == [f"{name} imports {other}"]


def test_no_module_imports_itself_in_a_circle() -> None:
    assert cycle(all_imports()) == []
    assert cycle({**all_imports(), "aresmon.system.errors": {"aresmon.cli.main"}}) != []


def face(package: str, title: str) -> list[str]:
    """What a package's docstring lists under `Public:` or `Imports:`."""
    text = " ".join((ast.get_docstring(tree_of(f"aresmon.{package}")) or "").split())
    found = re.search(rf"{title}: (.*?)\.(?: Imports:|$)", text)
    return found[1].split(", ") if found else []


def defined(module: str) -> set[str]:
    """The names that a module defines at its top."""
    names: set[str] = set()
    for node in tree_of(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("package", FLOOR)
def test_each_package_lists_its_public_face_and_what_it_imports(package: str) -> None:
    inside = {name for name in MODULES if name.startswith(f"aresmon.{package}.")}
    imports = {package_of(other) for name in inside for other in all_imports()[name]} - {package, ""}
    listed = face(package, "Imports")

    assert (set() if listed == ["nothing of aresmon"] else set(listed)) == imports
    for one in face(package, "Public"):
        module, _, name = one.removesuffix("()").partition(".")
        if f"aresmon.{package}.{module}" in MODULES:
            assert not name or name in defined(f"aresmon.{package}.{module}"), one
        else:
            assert any(module in defined(each) for each in inside), one


@pytest.mark.parametrize("package", FLOOR)
def test_a_package_itself_imports_nothing(package: str) -> None:
    assert set(imported(tree_of(f"aresmon.{package}"))) == set()


@pytest.mark.parametrize("library", GATEKEEPERS)
def test_only_the_gatekeepers_import_a_library(library: str) -> None:
    users = {
        name.removeprefix("aresmon.")
        for name, others in all_imports().items()
        if any(other.partition(".")[0] == library for other in others)
    }

    assert users == GATEKEEPERS[library]


def test_only_the_command_line_imports_typer() -> None:
    users = {
        name for name, others in all_imports().items() if any(other.partition(".")[0] == "typer" for other in others)
    }

    assert {package_of(name) for name in users} == {"cli"}


def test_no_class_name_occurs_twice() -> None:
    names = [
        node.name
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]

    assert sorted({name for name in names if names.count(name) > 1}) == []


RENDER = sorted(name for name in MODULES if package_of(name) == "render")
PURE = {
    *("__future__", "aresmon", "collections", "dataclasses", "decimal", "hashlib", "json", "pathlib", "re", "string"),
    *("tomllib", "typing", "zlib"),
}
EFFECTS = {
    *("open", "print", "input", "exec", "eval"),
    *("read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "is_dir"),
    *("iterdir", "glob", "rglob", "stat", "mkdir", "touch", "unlink", "resolve", "cwd", "home", "expanduser", "chmod"),
    "replace_file",
}


@pytest.mark.parametrize("name", RENDER)
def test_rendering_imports_nothing_that_could_touch_the_machine(name: str) -> None:
    assert {other.partition(".")[0] for other in all_imports()[name]} - PURE == set()


@pytest.mark.parametrize("name", RENDER)
def test_rendering_calls_nothing_that_could_touch_the_machine(name: str) -> None:
    calls = [node.func for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}

    assert names & EFFECTS == set()


def test_help_and_completion_load_neither_an_engine_nor_a_terminal_library() -> None:
    heavy = {
        "asyncio",
        "docker",
        "jsonschema",
        "requests",
        "rich",
        "yaml",
        "aresmon.cli.console",
        "aresmon.config.model",
    }
    program = f"import sys, aresmon.cli.main; print(sorted({heavy} & set(sys.modules)))"

    assert process.run([sys.executable, "-c", program]).out == "[]\n"
