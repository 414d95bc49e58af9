"""`aresmon secrets` on the command line: what is shown, what is refused, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aresmon.agents.lint import AgentTiming as AgentPace
from aresmon.cli import common, main, secrets
from aresmon.config.model import Host
from aresmon.push import result as push_result
from aresmon.push import rollout, rotate_passwords
from aresmon.push.host import VerificationTerms
from aresmon.push.order import Target
from aresmon.push.result import PushOutcome
from aresmon.push.rollout import RolloutJob, RolloutPace
from aresmon.stack.rotate_secrets import RotationResult
from aresmon.system.errors import ExitCode
from tests.unit.conftest import load
from tests.unit.scripted import PROBE, Scripted, order

Run = Callable[..., Result]
SITE = "site: ares\nserver: box\nhosts:\n  box: {agent: docker}\n  lewi: {agent: systemd}\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `aresmon secrets …` in a site with two secrets, of which one is being rotated."""
    monkeypatch.chdir(tmp_path)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text(SITE)
    folder = tmp_path / ".aresmon" / "secrets"
    folder.mkdir(parents=True)
    for name in ("agent-lewi", "agent-lewi~next", "influxdb-admin"):
        (folder / name).write_text("never-to-be-seen")
    return lambda *arguments: CliRunner().invoke(main.app, ["secrets", *arguments])


def test_the_list_shows_every_secret_and_no_value(run: Run) -> None:
    told, shown = run("list", "--json"), run("list")

    rows = {row["name"]: row for row in json.loads(told.stdout)}
    assert rows["agent-lewi"]["rotated"] == "being rotated"
    assert rows["influxdb-admin"]["rotated"] == "yes"
    assert rows["influxdb-admin"]["made"].startswith("20")
    assert (rows["grafana-secret-key"]["rotated"], rows["grafana-secret-key"]["made"]) == ("no", "")
    assert "agent-lewi~next" not in rows
    assert "never-to-be-seen" not in told.output + shown.output
    assert (told.exit_code, shown.exit_code) == (0, 0)


def test_a_dry_run_shows_the_plan_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    result = run("rotate", "--all", "--dry-run")

    assert result.exit_code == 0, result.output
    assert "agent-lewi: continues: by a push to lewi" in result.stdout
    assert "grafana-secret-key" not in result.stdout
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "checked"}
    assert {path: text for path, text in after.items() if path.name != "checked"} == before


@pytest.mark.parametrize("arguments", [("list",), ("rotate", "influxdb-admin"), ("rotate", "--all")])
def test_elsewhere_than_at_the_stack_the_stacks_own_are_refused(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "aresmon.yml").write_text(SITE.replace("box: {agent: docker}", "box: {agent: docker, ssh: box}"))

    result = run(*arguments)

    assert result.exit_code == 1
    assert "run this on that machine" in result.output


def result_of(how: PushOutcome) -> push_result.PushResult:
    return push_result.PushResult("lewi", how)


@pytest.mark.parametrize(
    ("hosts", "others", "code"),
    [
        ([PushOutcome.VERIFIED], [], ExitCode.DONE),
        ([PushOutcome.UNCHANGED], [RotationResult("site-key")], ExitCode.DONE),
        ([PushOutcome.UNREACHABLE], [], ExitCode.REFUSED),
        ([PushOutcome.VERIFIED, PushOutcome.UNREACHABLE], [], ExitCode.DEGRADED),
        ([PushOutcome.UNREACHABLE], [RotationResult("site-key")], ExitCode.DEGRADED),
        ([PushOutcome.VERIFIED], [RotationResult("grafana-admin", "Grafana does not answer")], ExitCode.DEGRADED),
        ([], [RotationResult("grafana-admin", "Grafana does not answer")], ExitCode.REFUSED),
        ([PushOutcome.VERIFIED, PushOutcome.ROLLED_BACK], [RotationResult("site-key")], ExitCode.ROLLED_BACK),
        ([PushOutcome.BROKEN, PushOutcome.ROLLED_BACK], [], ExitCode.BROKEN),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    hosts: list[PushOutcome], others: list[RotationResult], code: ExitCode
) -> None:
    assert secrets._code([result_of(how) for how in hosts], others) is code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (PushOutcome.ROLLED_BACK, ExitCode.INTERRUPTED),
        (PushOutcome.SKIPPED, ExitCode.INTERRUPTED),
        (PushOutcome.BROKEN, ExitCode.BROKEN),
    ],
)
def test_an_interruption_is_told_as_one_unless_a_host_is_broken(how: PushOutcome, code: ExitCode) -> None:
    interrupted = push_result.PushResult("lewi", how, "rolled back: aresmon was interrupted")

    assert secrets._code([result_of(PushOutcome.VERIFIED), interrupted], []) is code


def test_a_host_that_refuses_does_not_keep_the_others_from_their_new_passwords(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The roll-out is the real one; what its hosts say is scripted."""
    config = load(SITE)
    says = {"box": [PROBE, "@refused check no"], "lewi": [PROBE, "@unchanged m"]}

    async def rotated(_: Any, hosts: Sequence[Host], *, pace: RolloutPace, observer: Any, **__: Any) -> Any:
        jobs = [
            RolloutJob(
                Target(one, ""),
                order(one.name),
                Scripted([says[one.name]], name=one.name),
                VerificationTerms(AgentPace(10, 10, 0)),
            )
            for one in hosts
        ]
        return await rollout.roll_out(jobs, None, pace=pace, observer=observer)

    monkeypatch.setattr(rotate_passwords, "rotate", rotated)
    monkeypatch.setattr(secrets, "run_in_session", lambda ask, **_: asyncio.run(ask(SimpleNamespace(config=config))))

    result = run("rotate", "agent-box", "agent-lewi", "--json")

    assert {one["name"]: one["rotated"] for one in json.loads(result.stdout)["secrets"]} == {
        "agent-box": False,
        "agent-lewi": True,
    }
    assert result.exit_code == ExitCode.DEGRADED
