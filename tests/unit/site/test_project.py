"""A site's files are read once, and everything that a command needs is handed down from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aresmon.cli import common, main
from aresmon.config import model
from aresmon.config.layout import FILE
from aresmon.config.model import Config
from aresmon.site import project as site_project
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system import yaml_document
from aresmon.system.errors import SiteError
from tests.unit.conftest import FakeEngine

COMMANDS = ["check", "render", "up --dry-run", "status", "hosts list", "history", "alerts list", "users list"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every reading of a file of a site by which a Project is loaded."""
    seen: list[Path] = []
    read = yaml_document.read_text

    def count(path: Path) -> str:
        seen.append(path)
        return read(path)

    monkeypatch.setattr(site_project, "read_text", count)
    return seen


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_reads_aresmon_yml_once(
    command: str, tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text("hosts: {biere: }\n")
    parsed: list[str] = []
    load = model.load

    def count(text: str, *given: Any, **named: Any) -> Config:
        parsed.append(text)
        return load(text, *given, **named)

    monkeypatch.setattr(model, "load", count)
    for module in [common, *(one for one in vars(main).values() if hasattr(one, "the_engine"))]:
        monkeypatch.setattr(module, "the_engine", FakeEngine)
    common.the_console.cache_clear()

    CliRunner().invoke(main.app, ["--site", str(tmp_path), *command.split()])

    common.the_console.cache_clear()
    assert [path.name for path in reads if path.name == FILE] == [FILE]
    assert len(parsed) == 1


def test_collectors_and_views_are_read_on_first_use_and_kept(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("hosts: {biere: }\n")

    project = Project.load(Site(tmp_path))

    assert "system" in project.catalogue
    assert project.catalogue is project.catalogue
    assert project.views is project.views


def test_an_override_for_no_host_and_one_that_is_no_toml_are_both_reported(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("hosts: {biere: }\n")
    (tmp_path / "overrides" / "hosts").mkdir(parents=True)
    (tmp_path / "overrides" / "hosts" / "bier.conf").write_text("[[inputs.cpu]\n")

    wrong = Project.load(Site(tmp_path)).wrong_overrides()

    assert len(wrong) == 2
    assert wrong[0] == "overrides/hosts/bier.conf: there is no host bier (did you mean 'biere'?)"
    assert wrong[1].startswith("overrides/hosts/bier.conf: not TOML: ")


def test_an_override_of_one_host_refuses_check_and_no_command_about_others(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("hosts: {biere: , lewi: }\n")
    (tmp_path / "overrides" / "agents").mkdir(parents=True)
    (tmp_path / "overrides" / "agents" / "lewi.conf").write_bytes(b"# caf\xe9\n")

    def run(*arguments: str) -> tuple[int, str]:
        common.the_console.cache_clear()
        result = CliRunner().invoke(main.app, ["--site", str(tmp_path), *arguments])
        common.the_console.cache_clear()
        return result.exit_code, result.stderr

    listed, history, checked = run("hosts", "list"), run("history"), run("check")

    assert (listed, history) == ((0, ""), (0, ""))
    assert checked[0] == 1
    assert "lewi.conf is no text: byte 5 is not UTF-8" in checked[1]


def test_an_override_of_the_stack_refuses_every_command(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("hosts: {biere: }\n")
    (tmp_path / "overrides").mkdir()
    (tmp_path / "overrides" / "compose.yml").write_text("[")

    with pytest.raises(SiteError, match=r"overrides/compose\.yml"):
        Project.load(Site(tmp_path))
