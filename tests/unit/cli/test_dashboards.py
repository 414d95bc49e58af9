"""`aresmon dashboards` on the command line, where there is no Grafana to ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aresmon.cli import common, dashboards, main
from aresmon.stack import location
from tests.unit.conftest import FakeEngine


@pytest.mark.parametrize("arguments", [("export",), ("import",), ("import", "--dry-run")], ids=" ".join)
def test_without_a_container_each_says_so_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dashboards, "the_engine", FakeEngine)
    monkeypatch.setattr(location, "require_local", lambda project: None)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {a: }\n")

    result = CliRunner().invoke(main.app, ["dashboards", *arguments])

    common.the_console.cache_clear()
    assert result.exit_code == 1
    assert "Grafana is not running here" in result.stderr
    assert "`aresmon status` shows why" in result.stderr
