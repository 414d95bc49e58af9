"""`aresmon up` on the command line: what it tells of an outcome, and the exit code it gives it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main, stack
from aresmon.site.bundle import BundleDifference
from aresmon.stack import up as stack_up
from aresmon.stack.plan import Step
from aresmon.stack.up import UpResult
from aresmon.system.errors import AresmonError, ExitCode
from tests.unit.conftest import FakeEngine

SAME = BundleDifference((), (), (), {}, {})
OTHER = BundleDifference((".env",), (), (), {".env": b"A='1'\n"}, {".env": b"A='2'\n"})
STEP = Step("edge", "recreate", "its configuration changed")

Up = Callable[..., Result]


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Up:
    """Run `aresmon up` on a site whose stack is brought to this outcome, or fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stack, "the_engine", FakeEngine)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {biere: }\n")
    (tmp_path / ".aresmon" / "bundle").mkdir(parents=True)

    def up(*arguments: str, outcome: UpResult | AresmonError) -> Result:
        def take(*_: Any, announce: Callable[[UpResult], None] = lambda _: None, shorten: bool = False) -> UpResult:
            assert shorten == ("--shorten-retention" in arguments)
            if isinstance(outcome, AresmonError):
                raise outcome
            announce(outcome)
            return outcome

        monkeypatch.setattr(stack_up, "up", take)
        monkeypatch.setattr(stack_up, "dry_run", take)
        return CliRunner().invoke(main.app, ["up", *arguments])

    return up


def test_a_site_that_runs_as_wanted_has_nothing_to_do(up: Up) -> None:
    result = up(outcome=UpResult((), SAME, (), {}))

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Nothing to do: the stack matches aresmon.yml, and its data arrives.\n"


def test_what_changes_is_shown_before_what_came_of_it(up: Up) -> None:
    result = up(outcome=UpResult((STEP,), OTHER, ("grant READ to grafana",), {}))

    words = [
        "-A='1'",
        "+A='2'",
        "recreate edge  its configuration changed",
        "database: grant READ to grafana",
        "SERVICE",
    ]
    places = [result.stdout.index(word) for word in words]
    assert result.exit_code == 0
    assert places == sorted(places)
    assert "Grafana: http://127.0.0.1:3000, login admin, password in " in result.stdout


def test_a_service_without_an_image_degrades_the_stack_and_is_told(up: Up) -> None:
    result = up(outcome=UpResult((STEP,), SAME, (), {"grafana": "it could not be pulled"}))

    assert result.exit_code == 5
    assert "warning: grafana is not running: it could not be pulled" in result.stderr
    assert "login admin" not in result.stdout
    assert "! grafana" not in result.stdout, "it is told once"


def test_a_missing_service_alone_leaves_nothing_else_to_do(up: Up) -> None:
    result = up(outcome=UpResult((), SAME, (), {"grafana": "it could not be pulled"}))

    assert result.exit_code == 5
    assert result.stdout.startswith("Nothing else to do")


def test_data_that_is_not_seen_degrades_the_stack_and_is_told(up: Up) -> None:
    result = up(outcome=UpResult((), SAME, (), {}, "no data from biere arrived within 60 s"))

    assert result.exit_code == 5
    assert "warning: no data from biere arrived within 60 s" in result.stderr
    assert "Nothing to do" not in result.stdout


@pytest.mark.parametrize("code", [ExitCode.REFUSED, ExitCode.BROKEN])
def test_a_failure_ends_with_its_own_code(up: Up, code: ExitCode) -> None:
    result = up(outcome=AresmonError("edge does not start", hint="look", code=code))

    assert (result.exit_code, result.stderr) == (code, "edge does not start\nnext: look\n")


def test_a_shorter_retention_is_passed_on_only_where_it_is_asked_for(up: Up) -> None:
    assert up("--shorten-retention", outcome=UpResult((), SAME, (), {})).exit_code == 0


@pytest.mark.parametrize(
    ("outcome", "last"),
    [
        (UpResult((), SAME, (), {}), "Nothing to do."),
        (UpResult((STEP,), OTHER, (), {}), "Nothing was changed."),
        (UpResult((), SAME, (), {"grafana": "not here"}), "Nothing was changed."),
        (UpResult((), SAME, ("grant READ to grafana",), {}), "Nothing was changed."),
        (UpResult((), SAME, (), {}, unseen="it hangs"), "Nothing was changed."),
    ],
)
def test_a_dry_run_shows_the_plan_and_says_that_nothing_was_changed(up: Up, outcome: UpResult, last: str) -> None:
    result = up("--dry-run", outcome=outcome)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == last
    assert ("recreate edge" in result.stdout) == bool(outcome.steps)
    assert ("image grafana" in result.stdout) == bool(outcome.missing)
    assert ("database: grant READ to grafana" in result.stdout) == bool(outcome.statements)
    assert ("cannot be shown: it hangs" in result.stdout) == bool(outcome.unseen)
