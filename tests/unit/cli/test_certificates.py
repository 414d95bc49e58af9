"""What `check` and `up` say of the certificate of Grafana's door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main, stack
from aresmon.site.bundle import BundleDifference
from aresmon.stack import location, up
from aresmon.stack.up import UpResult
from tests import certificates
from tests.unit.conftest import FakeEngine

Run = Callable[..., Result]
each = pytest.mark.parametrize("command", ["check", "up --dry-run", "up"])
FILE = f"""\
grafana:
  url: https://{certificates.NAME}
  tls:
    certificate: certificate.pem
    key: key.pem
hosts: {{a: }}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a site with a certificate and nothing to do; a certificate that it refuses stays unused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(stack, "the_engine", FakeEngine)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text(FILE)

    def take(*_: Any, **__: Any) -> UpResult:
        return UpResult((), BundleDifference((), (), (), {}, {}), (), {})

    monkeypatch.setattr(up, "up", take)
    monkeypatch.setattr(up, "dry_run", take)
    return lambda command: CliRunner().invoke(main.app, command.split())


@each
def test_a_certificate_that_is_well_is_no_word_worth(run: Run, tmp_path: Path, command: str) -> None:
    certificates.write(tmp_path)

    result = run(command)

    assert (result.exit_code, result.stderr) == (0, "")


@each
def test_an_end_that_is_near_and_another_name_are_warnings(run: Run, tmp_path: Path, command: str) -> None:
    certificates.write(tmp_path, name="*.example.net", ends=timedelta(days=3))

    result = run(command)

    where = "warning: aresmon.yml:4 grafana.tls.certificate: "
    assert result.exit_code == 0
    assert f"{where}browsers will reject it for {certificates.NAME}: it is valid for *.example.net\n" in result.stderr
    assert f"{where}certificate.pem expires on " in result.stderr
    assert result.stderr.count("next: ") == 2


def without_key(folder: Path) -> None:
    (folder / "key.pem").unlink()


def with_another_key(folder: Path) -> None:
    before = (folder / "key.pem").read_bytes()
    certificates.write(folder)
    (folder / "key.pem").write_bytes(before)


def ended(folder: Path) -> None:
    certificates.write(folder, ends=timedelta(days=-1))


@each
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (without_key, "aresmon.yml:5 grafana.tls.key: "),
        (with_another_key, "aresmon.yml:5 grafana.tls.key: key.pem is not the key of certificate.pem"),
        (ended, "aresmon.yml:4 grafana.tls.certificate: certificate.pem expired on "),
    ],
)
def test_a_pair_that_the_edge_could_not_use_is_an_error(
    run: Run, tmp_path: Path, command: str, harm: Callable[[Path], None], told: str
) -> None:
    certificates.write(tmp_path)
    harm(tmp_path)

    result = run(command)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(told)
    assert "next: nothing was changed; " in result.stderr


def test_check_looks_for_no_certificate_where_the_stack_is_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("check").exit_code == 1
    monkeypatch.setattr(location, "is_local", lambda project: False)
    assert run("check").exit_code == 0
