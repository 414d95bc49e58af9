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

    with pytest.raises(SiteError) as caught:
        Project.load(Site(tmp_path))

    assert len(caught.value.errors) == 2
    assert "there is no host bier (did you mean 'biere'?)" in caught.value.errors[0]
