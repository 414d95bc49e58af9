"""`push-config` and what goes with it on the command line: what is asked of it, what it prints, how it ends."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner
from typer.testing import Result as Invoked

from aresmon.cli import common, deployment, main
from aresmon.push import adopt as push_adopt
from aresmon.push import drift as push_drift
from aresmon.push import run as push_run
from aresmon.push import selection
from aresmon.push import session as push_session
from aresmon.push.adopt import Adoption
from aresmon.push.drift import Drift, PlannedPush
from aresmon.push.observer import PushObserver
from aresmon.push.order import PushOptions, Target
from aresmon.push.result import PushOutcome, PushResult
from aresmon.push.rollout import RolloutPace
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.ssh.client import Connections
from aresmon.system.errors import AresmonError, ExitCode

SITE = "hosts: {biere: {agent: systemd}, lewi: , ronflex: }\n"
PROVEN = PushResult("lewi", PushOutcome.VERIFIED, config_id="c0ffee-1", commit="0123456789", seconds=12.3)


class Run:
    """Command lines on a site whose pushes come to these ends; nothing else is done, and nobody is reached."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch
        self.asked: list[SimpleNamespace] = []
        self.passwords: list[str | None] = []
        self.ends: dict[str, PushResult] = {}
        self.refused: list[PushResult] = []
        self.planned: list[PlannedPush] = []
        self.drifts: list[Drift] = []
        self.kept: dict[str, Adoption] = {}
        self.change_source = list[str]()

    def __call__(self, *arguments: str, given: str | None = None) -> Invoked:
        return CliRunner().invoke(main.app, list(arguments), input=given)

    @asynccontextmanager
    async def session(self, project: Project, connections: Connections) -> AsyncIterator[SimpleNamespace]:
        self.passwords.append(connections.sudo_password)
        yield SimpleNamespace(site=project.site, config=project.config)

    def build_targets(
        self, _: Any, hosts: Sequence[Any], *, change_source: Sequence[str] = ()
    ) -> tuple[list[Target], list[PushResult]]:
        self.change_source = list(change_source)
        refused = {one.host for one in self.refused}
        return [Target(host, "") for host in hosts if host.name not in refused], list(self.refused)

    async def push(
        self,
        _: Any,
        wanted: Sequence[Target],
        *,
        options: PushOptions,
        pace: RolloutPace,
        observer: PushObserver,
    ) -> list[PushResult]:
        names = [target.host.name for target in wanted]
        self.asked.append(SimpleNamespace(hosts=names, options=options, pace=pace, wanted=list(wanted)))
        ends = {target.host.name: self.ends.get(target.host.name) for target in wanted if not target.replaces}
        results = [ends.get(name) or PushResult(name, PushOutcome.VERIFIED) for name in names]
        for one in results:
            observer.started(one.host)("connect")
            observer.finished(one)
        return results

    async def plan(self, _: Any, __: Sequence[Target]) -> list[PlannedPush]:
        return self.planned

    async def drift(self, _: Any, hosts: Sequence[Any]) -> list[Drift]:
        names = {host.name for host in hosts}
        return [one for one in self.drifts if one.host in names]

    async def adopt(self, _: Any, hosts: Sequence[Any]) -> tuple[dict[str, Adoption], list[PushResult]]:
        names = {host.name for host in hosts}
        return {name: one for name, one in self.kept.items() if name in names}, []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    common.the_console.cache_clear()
    common.sudo_password.cache_clear()
    (tmp_path / "aresmon.yml").write_text(SITE)
    made = Run(tmp_path, monkeypatch)
    monkeypatch.setattr(push_session, "open_session", made.session)
    monkeypatch.setattr(selection, "first_wave", lambda *_, **__: [])
    for name in ("build_targets", "push"):
        monkeypatch.setattr(push_run, name, getattr(made, name))
    for name in ("plan", "drift"):
        monkeypatch.setattr(push_drift, name, getattr(made, name))
    monkeypatch.setattr(push_adopt, "adopt", made.adopt)
    yield made
    common.the_console.cache_clear()
    common.sudo_password.cache_clear()


# What is asked of it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push-config"], "no host was named\nnext: name one or more (biere, lewi, ronflex), or use --all\n"),
        (["push-config", "--all", "lewi"], "--all and host names cannot be combined\nnext: use one or the other\n"),
        (["push-config", "lewi", "--overwrite", "--adopt"], "--overwrite and --adopt cannot be combined\n"),
        (["push-config", "lewi", "--dry-run", "--adopt"], "--dry-run and --adopt cannot be combined\n"),
    ],
)
def test_what_makes_no_sense_is_a_mistake_in_the_command(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stderr, result.stdout) == (2, message, "")
    assert (run.asked, run.passwords) == ([], [])


@pytest.mark.parametrize(
    "option",
    [["--deadline", "4"], ["--deadline", "3601"], ["--parallel", "0"], ["--canary", "-1"], ["--max-fail", "x"]],
)
def test_a_number_out_of_its_bounds_is_one_too(run: Run, option: list[str]) -> None:
    result = run("push-config", "lewi", *option)

    assert result.exit_code == 2
    assert run.asked == []


@pytest.mark.parametrize("command", ["push-config", "rollback-config", "history", "drift"])
def test_a_host_that_is_none_is_told_with_the_one_that_may_be_meant(run: Run, command: str) -> None:
    result = run(command, "lewy")

    assert (result.exit_code, result.stderr) == (1, "no host 'lewy' in aresmon.yml (did you mean 'lewi'?)\n")


def test_without_an_option_a_push_is_careful(run: Run) -> None:
    run("push-config", "--all")

    (asked,) = run.asked
    options = asked.options
    assert asked.hosts == ["biere", "lewi", "ronflex"]
    assert asked.pace == RolloutPace(canary=1, parallel=100, max_fail=0)
    assert (options.verify, options.strict, options.overwrite, options.force) == (True, False, False, False)
    assert (options.break_lock, options.deadline) == (False, None)
    assert options.by


def test_each_option_is_passed_on(run: Run) -> None:
    run(
        *("push-config", "lewi", "--strict", "--overwrite", "--force", "--break-lock", "--deadline", "90"),
        *("--canary", "3", "--parallel", "7", "--max-fail", "2"),
    )

    (asked,) = run.asked
    options = asked.options
    assert asked.pace == RolloutPace(canary=3, parallel=7, max_fail=2)
    assert (options.strict, options.overwrite, options.force, options.break_lock) == (True, True, True, True)
    assert (options.verify, options.deadline) == (True, 90)


def test_another_source_is_taken_only_on_request(run: Run) -> None:
    run("push-config", "lewi")
    without = run.change_source
    run("push-config", "lewi", "--change-source")

    assert (without, run.change_source) == ([], ["lewi"])


def test_a_push_without_a_proof_is_warned_of(run: Run) -> None:
    result = run("push-config", "lewi", "--no-verify")

    assert not run.asked[0].options.verify
    assert result.stderr.startswith("warning: --no-verify: ")


def test_a_password_for_sudo_is_asked_for_at_a_terminal_alone(run: Run) -> None:
    result = run("push-config", "lewi", "--ask-sudo")

    assert result.exit_code == 1
    assert result.stderr == "--ask-sudo needs a terminal for its prompt\nnext: use a sudo rule with NOPASSWD\n"
    assert (run.asked, run.passwords) == ([], [])


def test_a_password_that_was_typed_is_passed_on_and_not_shown(run: Run) -> None:
    class Terminal:
        def __getattr__(self, name: str) -> Any:
            return (lambda: True) if name == "isatty" else getattr(sys.__stdin__, name)

    run.patch.setattr(common, "sys", SimpleNamespace(stdin=Terminal(), stdout=sys.stdout, argv=sys.argv))

    result = run("push-config", "lewi", "-K", given="s3cret\n")

    assert run.passwords == ["s3cret"]
    assert "s3cret" not in result.output


def test_two_pushes_of_one_site_do_not_go_at_once(run: Run) -> None:
    with Site(run.folder).lock("up"):
        result = run("push-config", "lewi")
        looking = run("drift")

    assert result.exit_code == 1
    assert "is locked by `aresmon up`" in result.stderr
    assert looking.exit_code == 0


# How it ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (PushOutcome.VERIFIED, 0),
        (PushOutcome.UNCHANGED, 0),
        (PushOutcome.UNVERIFIED, 0),
        (PushOutcome.REFUSED, 1),
        (PushOutcome.DRIFTED, 1),
        (PushOutcome.UNREACHABLE, 1),
        (PushOutcome.SILENT, 5),
        (PushOutcome.ROLLED_BACK, 3),
        (PushOutcome.BROKEN, 4),
        (PushOutcome.UNKNOWN, 4),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_push_ends_as_its_host_did(run: Run, outcome: PushOutcome, code: int, form: list[str]) -> None:
    run.ends["lewi"] = PushResult("lewi", outcome, "why", "next")

    assert run("push-config", "lewi", *form).exit_code == code


def test_what_became_of_a_host_is_told_in_words(run: Run) -> None:
    run.ends["lewi"] = PROVEN
    run.ends["ronflex"] = PushResult("ronflex", PushOutcome.ROLLED_BACK, "it died", "look there", notes=("clock",))

    result = run("push-config", "lewi", "ronflex")

    assert "lewi: connect\nlewi: verified\n" in result.stdout
    assert "! ronflex: ROLLED BACK: it died\n  next: look there\n  note: ronflex: clock\n" in result.stdout
    assert "2 hosts: 1 verified, 1 rolled back\n" in result.stdout
    assert result.exit_code == 3


def test_for_scripts_it_is_json_and_nothing_else(run: Run) -> None:
    run.ends["lewi"] = PROVEN
    run.refused = [PushResult("biere", PushOutcome.REFUSED, "not TOML")]

    result = run("push-config", "biere", "lewi", "--json", "--max-fail", "1")

    told = json.loads(result.stdout)
    assert (told["ok"], result.exit_code) == (False, 5)
    assert [(one["host"], one["outcome"]) for one in told["hosts"]] == [("biere", "refused"), ("lewi", "verified")]
    assert told["hosts"][1] == push_run.as_json(PROVEN)


def test_where_all_went_well_scripts_are_told_ok(run: Run) -> None:
    assert json.loads(run("push-config", "lewi", "--json").stdout)["ok"] is True


def test_a_refusal_beforehand_leaves_the_others_alone(run: Run) -> None:
    run.refused = [PushResult("biere", PushOutcome.REFUSED, "biere.conf: not TOML", "mend it")]

    result = run("push-config", "--all")

    assert [asked.hosts for asked in run.asked] == [["lewi", "ronflex"]]
    assert "! biere: REFUSED: biere.conf: not TOML" in result.stdout
    assert result.exit_code == 5


def test_where_every_host_is_refused_beforehand_nothing_is_pushed(run: Run) -> None:
    run.refused = [PushResult("biere", PushOutcome.REFUSED, "no")]

    result = run("push-config", "biere")

    assert (run.asked, result.exit_code) == ([], 1)


@pytest.mark.parametrize(
    "why", ["not started: aresmon was interrupted", "aresmon was interrupted. The previous configuration is running"]
)
def test_an_interruption_has_its_own_exit_code(run: Run, why: str) -> None:
    run.ends["lewi"] = PushResult("lewi", PushOutcome.ROLLED_BACK, why)

    assert run("push-config", "lewi").exit_code == 130


def test_an_error_on_the_way_is_told_as_any_other(run: Run) -> None:
    async def fail(*_: Any, **__: Any) -> list[PushResult]:
        raise AresmonError("InfluxDB does not answer", hint="`aresmon up`")

    run.patch.setattr(push_run, "push", fail)

    result = run("push-config", "lewi")

    assert (result.exit_code, result.stderr) == (1, "InfluxDB does not answer\nnext: `aresmon up`\n")


# A plan -----------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_plan_and_pushes_nothing(run: Run) -> None:
    run.planned = [
        PlannedPush("lewi", "old\n", "new\n", commit="0123456789", notes=("configs has no lewi.conf",)),
        PlannedPush("ronflex", "same\n", "same\n"),
    ]

    result = run("push-config", "--all", "--dry-run")

    assert (result.exit_code, run.asked) == (0, [])
    assert "lewi: would change (configs 0123456)\n" in result.stdout
    assert "-old\n+new\n" in result.stdout
    assert "  note: lewi: configs has no lewi.conf\n" in result.stdout
    assert "ronflex: nothing to do\n" in result.stdout
    assert result.stdout.endswith("Nothing was changed.\n")


def test_a_dry_run_takes_no_lock(run: Run) -> None:
    with Site(run.folder).lock("up"):
        assert run("push-config", "lewi", "--dry-run").exit_code == 0


def test_a_dry_run_tells_who_would_be_refused(run: Run) -> None:
    away = PushResult("lewi", PushOutcome.UNREACHABLE, "lewi is not reached", "look")
    run.refused = [PushResult("biere", PushOutcome.REFUSED, "not TOML")]
    run.planned = [PlannedPush("lewi", None, "new\n", refusal=away)]

    result = run("push-config", "biere", "lewi", "--dry-run")

    assert result.exit_code == 1
    assert "! biere: REFUSED: not TOML" in result.stdout
    assert "! lewi: UNREACHABLE: lewi is not reached" in result.stdout


def test_a_dry_run_for_scripts_is_json(run: Run) -> None:
    run.planned = [PlannedPush("lewi", "old\n", "new\n"), PlannedPush("ronflex", "same\n", "same\n")]

    told = json.loads(run("push-config", "--all", "--dry-run", "--json").stdout)

    assert [(one["host"], one["changes"]) for one in told] == [("lewi", True), ("ronflex", False)]
    assert "+new" in told[0]["diff"]


def test_an_adopted_edit_is_told_and_pushed(run: Run) -> None:
    run.kept = {"lewi": Adoption("overrides/agents/lewi.conf", "digest", is_first=False)}

    result = run("push-config", "lewi", "--adopt")

    assert "lewi: its edit was saved as overrides/agents/lewi.conf" in result.stderr
    (asked,) = run.asked
    assert (asked.options.overwrite, asked.wanted[0].overwrite, asked.wanted[0].replaces) == (False, True, ())
    assert run.change_source == ["lewi"]


def test_an_adopted_configuration_that_was_found_is_told_and_pushed(run: Run) -> None:
    run.kept = {"lewi": Adoption("overrides/agents/lewi.conf", "digest", is_first=True)}

    result = run("push-config", "lewi", "--adopt")

    assert "lewi: its configuration was saved as overrides/agents/lewi.conf" in result.stderr
    (asked,) = run.asked
    assert (asked.options.overwrite, asked.wanted[0].overwrite, asked.wanted[0].replaces) == (False, False, ("digest",))


# A configuration that was found -----------------------------------------------------------------------

LIVE = b'[[inputs.procstat]]\n[[outputs.influxdb]]\n  password = "hunter2"\n'
UNDECIDED = PushResult(
    "lewi",
    PushOutcome.REFUSED,
    "it has a configuration",
    "--adopt or --overwrite",
    live=LIVE,
    undecided="inputs: procstat",
)


def at_terminal(run: Run) -> None:
    class Terminal:
        def __getattr__(self, name: str) -> Any:
            return (lambda: True) if name == "isatty" else getattr(sys.__stdin__, name)

    run.patch.setattr(deployment, "sys", SimpleNamespace(stdin=Terminal()))


def test_a_configuration_that_was_found_is_shown_and_left_where_nobody_can_be_asked(run: Run) -> None:
    run.ends["lewi"] = UNDECIDED

    result = run("push-config", "biere", "lewi")

    assert (result.exit_code, len(run.asked)) == (5, 1)
    assert "-[[inputs.procstat]]\n" in result.stdout
    assert "hunter2" not in result.output
    assert "! lewi: REFUSED: it has a configuration\n  next: --adopt or --overwrite\n" in result.stdout


@pytest.mark.parametrize(
    ("answer", "code", "pushed"), [("replace", 0, True), ("adopt", 0, True), ("leave", 1, False), ("", 1, False)]
)
def test_at_a_terminal_somebody_decides_what_becomes_of_it(run: Run, answer: str, code: int, pushed: bool) -> None:
    run.ends["lewi"] = UNDECIDED
    digest = hashlib.sha256(LIVE).hexdigest()
    run.kept = {"lewi": Adoption("overrides/agents/lewi.conf", digest, is_first=True)}
    at_terminal(run)

    result = run("push-config", "lewi", given=f"{answer}\n")

    assert result.exit_code == code
    assert "adopt the configuration on the host, replace it, or leave it as it is?" in result.output
    assert [one.wanted[0].replaces for one in run.asked[1:]] == ([(digest,)] if pushed else [])
    assert ("was saved as" in result.stderr) == (answer == "adopt")


def test_scripts_are_not_asked(run: Run) -> None:
    run.ends["lewi"] = UNDECIDED
    at_terminal(run)

    result = run("push-config", "lewi", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["hosts"][0]["found"] == "inputs: procstat"


# Going back, looking back -----------------------------------------------------------------------------


def test_going_back_pushes_the_former_release_over_whatever_is_there(run: Run) -> None:
    asked = list[int | None]()

    def former(_: Any, host: Any, number: int | None) -> Target:
        asked.append(number)
        return Target(host, "former")

    run.patch.setattr(push_run, "previous_target", former)

    codes = [run("rollback-config", "lewi", *more).exit_code for more in ([], ["--to", "0"], ["--to", "7"])]

    assert codes == [0, 0, 0]
    assert asked == [None, 0, 7]
    assert all(one.options.overwrite and one.hosts == ["lewi"] for one in run.asked)


def test_going_back_to_what_is_not_kept_is_refused(run: Run) -> None:
    def former(*_: Any) -> Target:
        raise AresmonError("lewi has no release 7", hint="there are: 1")

    run.patch.setattr(push_run, "previous_target", former)

    result = run("rollback-config", "lewi", "--to", "7")

    assert (result.exit_code, run.asked) == (1, [])
    assert result.stderr == "lewi has no release 7\nnext: there are: 1\n"


def test_the_history_is_that_of_the_host_and_the_newest_lines(run: Run) -> None:
    site = Site(run.folder)
    site.create_state_folder()
    for number in range(1, 4):
        site.record(command="push-config", host="lewi", outcome="verified", release=number, commit="abcdef0123")
        site.record(command="push-config", host="biere", outcome="refused", release=0, commit="")
    site.record(command="up")

    everybody, lewi = (json.loads(run("history", *more, "--json").stdout) for more in ([], ["lewi"]))
    (last,) = json.loads(run("history", "lewi", "--last", "1", "--json").stdout)
    words = run("history", "lewi")

    assert (len(everybody), {one["host"] for one in lewi}, last["release"]) == (6, {"lewi"}, 3)
    assert words.exit_code == 0
    assert "abcdef0 " in words.stdout
    assert "biere" not in words.stdout


def test_without_any_push_the_history_is_empty(run: Run) -> None:
    assert json.loads(run("history", "--json").stdout) == []
    assert run("history").exit_code == 0


def test_drift_ends_with_5_where_there_is_any(run: Run) -> None:
    run.drifts = [Drift("biere"), Drift("lewi", "edited", "-a\n+b\n", "--adopt or --overwrite")]

    words, data, well = run("drift"), run("drift", "--json"), run("drift", "biere")

    assert (words.exit_code, data.exit_code, well.exit_code) == (5, 5, 0)
    assert "biere: as it was pushed\n! lewi: edited\n-a\n+b\n  next: --adopt or --overwrite\n" in words.stdout
    assert json.loads(data.stdout)[1] == {
        "host": "lewi",
        "drift": "edited",
        "diff": "-a\n+b\n",
        "next": "--adopt or --overwrite",
    }
    assert well.stdout == "biere: as it was pushed\n"


def test_migrations_are_written_only_with_migrate(run: Run) -> None:
    assert run("push-config", "lewi", "--write").exit_code == ExitCode.USAGE
