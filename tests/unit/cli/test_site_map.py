"""`aresmon map` on the command line: the names of files, and what it writes without Graphviz."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main, site_map
from aresmon.topology.site_map import SiteMap
from tests.unit.topology.maps import many

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs the command in an empty folder, on a site of three hosts."""

    @contextmanager
    def stack(project: object) -> Iterator[tuple[None, None]]:
        yield None, None

    def read(*given: object) -> SiteMap:
        return many(3)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(site_map, "the_stack", stack)
    monkeypatch.setattr(site_map, "_read", read)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {a: }\n")
    yield lambda *arguments: CliRunner().invoke(main.app, ["map", *arguments])
    common.the_console.cache_clear()


def test_the_picture_is_in_a_file_of_its_name(run: Run, tmp_path: Path) -> None:
    first, again, png, dot = run(), run(), run("-o", "a.png"), run("--output", "a.dot")

    assert [one.exit_code for one in (first, again, png, dot)] == [0, 0, 0, 0], first.stderr
    assert "wrote map.svg: 3 hosts, as of" in first.stdout
    assert "<svg" in (tmp_path / "map.svg").read_text()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "digraph" in (tmp_path / "a.dot").read_text()


def test_dot_is_written_to_standard_output(run: Run, tmp_path: Path) -> None:
    result = run("--output", "-")

    assert result.exit_code == 0
    assert "digraph {" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["aresmon.yml"]


def test_another_kind_of_file_is_refused(run: Run) -> None:
    result = run("--output", "map.pdf")

    assert result.exit_code == 2
    assert "map.pdf: the name must end in .svg, .png or .dot" in result.stderr


@pytest.mark.parametrize("name", ["map.svg", "map.png", "map.dot"])
def test_a_picture_replaces_a_former_one(run: Run, tmp_path: Path, name: str) -> None:
    first, again = run("--output", name), run("--output", name)

    assert [first.exit_code, again.exit_code] == [0, 0], again.stderr


def test_somebodys_own_file_is_kept_also_without_graphviz(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "map.svg").write_text("<svg>mine</svg>")
    (tmp_path / "fleet.dot").write_text("graph {}")

    default, named = run(), run("--output", "map.svg")
    monkeypatch.setenv("PATH", str(tmp_path))
    instead = run("--output", "fleet.svg")

    assert [one.exit_code for one in (default, named, instead)] == [1, 1, 1]
    assert "map.svg exists and was not written by `aresmon map`" in default.stderr
    assert "fleet.dot exists and was not written by `aresmon map`" in instead.stderr
    assert (tmp_path / "map.svg").read_text() == "<svg>mine</svg>"
    assert (tmp_path / "fleet.dot").read_text() == "graph {}"


def test_without_graphviz_the_description_is_written_and_how_to_draw_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run("--output", "fleet.png")

    said = " ".join(result.stderr.split())
    assert result.exit_code == 5
    assert "what it would draw is in fleet.dot" in said
    assert "apt install graphviz" in said
    assert "dot -Tpng -o fleet.png fleet.dot" in said
    assert "digraph {" in (tmp_path / "fleet.dot").read_text()
    assert not (tmp_path / "fleet.png").exists()
