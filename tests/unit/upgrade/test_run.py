"""`aresmon upgrade`: what it would do, what it refuses, and what it says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aresmon import __version__
from aresmon.cli import common, main, upgrade
from aresmon.engine import images as engine_images
from aresmon.engine.images import Images
from aresmon.influxdb import events
from aresmon.influxdb import service as influxdb_service
from aresmon.influxdb.events import HostEvent
from aresmon.site.bundle import BundleDifference
from aresmon.site.folder import Site
from aresmon.stack import image_versions, up, upgrade_journal
from aresmon.stack.image_versions import KeptImage, ServiceHistory, Versions
from aresmon.stack.plan import Step
from aresmon.stack.up import UpResult
from aresmon.stack.upgrade_journal import UpgradeJournal
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import NoProgress
from aresmon.upgrade import run as upgrade_run
from aresmon.upgrade import service, verification
from aresmon.upgrade.run import UpgradePlan, UpgradeResult, UpgradeStep
from aresmon.upgrade.service import RolledBackError
from aresmon.upgrade.verification import DataSummary
from tests.unit.conftest import FakeEngine, container

SAME = BundleDifference((), (), (), {}, {})
IMAGES = {
    "influxdb": "influxdb:1.14.0",
    "grafana": "grafana/grafana:12.5.0",
    "edge": "haproxy:3.4.0",
    "telegraf": "telegraf:1.40.0",
}
FORMER = {
    "influxdb": "influxdb:1.13.1",
    "grafana": "grafana/grafana:12.4.5",
    "edge": "haproxy:3.2.22",
    "telegraf": "telegraf:1.39.3",
}


@pytest.fixture
def plan(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[..., UpgradePlan]:
    """The plan for a site where `running` runs and `images` are wanted and here; `up` itself has nothing to do."""
    monkeypatch.setattr(up, "dry_run", lambda *_, **__: UpResult((), SAME, (), {}))

    def plan(
        images: Mapping[str, str] = IMAGES, running: Mapping[str, str] = FORMER, known: Versions | None = None
    ) -> UpgradePlan:
        site.file.write_text(json.dumps({"hosts": {"biere": None}, "images": dict(images)}))
        if known is not None:
            image_versions.write(site, known)
        here = {image: f"id of {image}" for image in (*images.values(), *running.values())}
        now = {name: container(name, image=image, image_id=here[image]) for name, image in running.items()}
        return upgrade_run.plan(site, FakeEngine(now, images=here))

    return plan


def test_every_service_has_its_turn_in_the_order_of_the_upgrade(plan: Callable[..., UpgradePlan]) -> None:
    decided = plan()

    assert [turn.service for turn in decided.turns] == ["influxdb", "edge", "grafana", "telegraf"]
    assert [turn.wanted.image for turn in decided.turns] == [IMAGES[name] for name in upgrade_run.ORDER]
    assert decided.turns[0].former.newest == "1.13.1", "what runs has written, though nobody remembers it"
    assert not decided.is_empty


def test_what_runs_as_it_should_has_no_turn(plan: Callable[..., UpgradePlan]) -> None:
    known = Versions(
        __version__, {"influxdb": ServiceHistory("influxdb:1.14.0", "id of influxdb:1.14.0", "1.14.0", "1.14.0")}
    )

    decided = plan(running=IMAGES, known=known)

    assert decided.turns == ()
    assert decided.is_empty


def test_another_release_alone_is_something_to_do(plan: Callable[..., UpgradePlan]) -> None:
    assert not plan(running=IMAGES, known=Versions("0.0.9")).is_empty


def test_an_image_that_is_not_here_yet_has_its_turn_and_no_id(plan: Callable[..., UpgradePlan], site: Site) -> None:
    plan()
    now = {name: container(name, image=image, image_id="x") for name, image in FORMER.items()}

    turns = upgrade_run.plan(site, FakeEngine(now)).turns

    assert {turn.wanted.image: turn.wanted.id for turn in turns} == dict.fromkeys(IMAGES.values(), "")


def test_an_image_that_could_not_be_had_leaves_its_service_alone(plan: Callable[..., UpgradePlan], site: Site) -> None:
    plan()
    now = {name: container(name, image=image, image_id="x") for name, image in FORMER.items()}
    found = Images({"edge": IMAGES["edge"]}, {"edge": "y"}, dict.fromkeys(["influxdb", "grafana", "telegraf"], "why"))

    decided = upgrade_run.plan(site, FakeEngine(now), found)

    assert [turn.service for turn in decided.turns] == ["edge"]
    assert set(decided.missing) == {"influxdb", "grafana", "telegraf"}


def test_what_was_written_once_forbids_a_way_down_and_the_backup_of_then_is_named(
    plan: Callable[..., UpgradePlan], site: Site
) -> None:
    ran = ServiceHistory("grafana/grafana:12.4.5", "id of grafana/grafana:12.4.5", "12.4.5", "12.6.1")
    site.create_state_folder()
    (site.root / "data/grafana").mkdir(parents=True)
    (site.root / "data/grafana/grafana.db").touch()
    for archive, version in (("a.tar", "12.3.0"), ("b.tar", "12.4.0"), ("c.tar", "12.5.0")):
        site.record(command="upgrade", service="grafana", archive=archive, from_version=version)

    with pytest.raises(AresmonError, match=r"its database was migrated by Grafana 12\.6\.1") as caught:
        plan(images={**IMAGES, "grafana": "grafana/grafana:12.4.9"}, known=Versions("", {"grafana": ran}))

    assert caught.value.code == ExitCode.REFUSED
    assert "aresmon restore b.tar --only grafana" in caught.value.hint


def test_where_nothing_ever_ran_there_is_nothing_to_upgrade(plan: Callable[..., UpgradePlan]) -> None:
    with pytest.raises(AresmonError, match="this site has not run here yet"):
        plan(running={})


def test_where_no_image_of_what_ran_is_left_that_is_said(plan: Callable[..., UpgradePlan], site: Site) -> None:
    site.create_state_folder()
    (site.root / "data/influxdb/meta").mkdir(parents=True)
    known = Versions("", {"influxdb": ServiceHistory("influxdb:1.13.1", "gone", "1.13.1", "1.13.1")})

    with pytest.raises(AresmonError, match="the images that ran here no longer exist") as caught:
        plan(running={}, known=known)

    assert "`aresmon up`" in caught.value.hint


def test_a_former_image_whose_name_was_taken_is_told_by_the_one_that_leads_to_it(
    plan: Callable[..., UpgradePlan], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag moved: its name is that of the image that runs now."""
    moved = UpgradeStep(
        "edge", ServiceHistory("haproxy:3", "sha256:0123456789abcdef"), ServiceHistory("haproxy:3", "new")
    )
    decided = dataclasses.replace(FULL, turns=(moved,))
    tagged = dict[str, str]()
    monkeypatch.setattr(FakeEngine, "tag", lambda _, image_id, name: tagged.update({name: image_id}), raising=False)
    monkeypatch.setattr(engine_images, "obtain", lambda *_, **__: Images({}, {}, {}))
    monkeypatch.setattr(upgrade_run, "plan", lambda *_: decided)
    monkeypatch.setattr(service, "execute", lambda *_: None)
    monkeypatch.setattr(verification, "sending_hosts", lambda *_: ())
    monkeypatch.setattr(influxdb_service, "admin_client", lambda _: None)
    marks = list[HostEvent]()
    monkeypatch.setattr(events, "record_events", lambda _, several: marks.extend(several))
    monkeypatch.setattr(up, "up", lambda *_, **__: decided.up)
    site.file.write_text("server: biere\nhosts: {biere: }\n")
    site.create_state_folder()

    done = upgrade_run.upgrade(
        site, FakeEngine(images={"haproxy:3": "new"}), NoProgress(), announce=lambda _: None, backup=None
    )

    assert [turn.former.image for turn in done.turns] == ["aresmon/former-edge:0123456789ab"]
    assert tagged == {"aresmon/former-edge:0123456789ab": "sha256:0123456789abcdef"}
    assert [(mark.host, mark.title, mark.text) for mark in marks] == [
        ("biere", "upgrade of edge: upgraded", "aresmon/former-edge:0123456789ab to haproxy:3")
    ]


def test_a_site_of_a_newer_release_is_refused(plan: Callable[..., UpgradePlan]) -> None:
    with pytest.raises(AresmonError, match=r"last started by aresmon 99\.0\.0"):
        plan(known=Versions("99.0.0"))


def test_a_turn_is_remembered_whole(site: Site) -> None:
    turn = UpgradeJournal(
        "influxdb",
        ServiceHistory("a", "1"),
        ServiceHistory("b", "2"),
        12.5,
        "opened",
        ".aresmon-before-x",
        ("biere",),
        "a.tar",
    )
    site.create_state_folder()

    upgrade_journal.write(site, turn)

    assert upgrade_journal.read(site) == turn
    assert upgrade_journal.interrupted(site) == "an upgrade of influxdb to b was interrupted"
    with pytest.raises(AresmonError, match="was interrupted"):
        upgrade_journal.check_none(site)
    upgrade_journal.forget(site)
    upgrade_journal.forget(site)
    upgrade_journal.check_none(site)
    assert (upgrade_journal.read(site), upgrade_journal.interrupted(site)) == (None, "")


def test_a_journal_that_cannot_be_read_is_for_a_person(site: Site) -> None:
    site.create_state_folder()
    (site.state / "upgrade.json").write_text("{")

    with pytest.raises(AresmonError, match="cannot be read") as caught:
        upgrade_journal.read(site)

    assert caught.value.code == ExitCode.BROKEN


@pytest.mark.parametrize(
    ("has", "lost"),
    [
        (DataSummary(frozenset({"cpu", "mem", "new"}), {"biere": 10, "lewi": 3}), ""),
        (DataSummary(frozenset({"cpu"}), {"biere": 10}), "the measurements mem"),
        (DataSummary(frozenset({"cpu", "mem"}), {"biere": 9}), "points of biere"),
        (DataSummary(frozenset({"cpu", "mem"}), {}), "points of biere"),
    ],
)
def test_what_a_database_lacks_is_named(has: DataSummary, lost: str) -> None:
    assert verification.missing_data(DataSummary(frozenset({"cpu", "mem"}), {"biere": 10}), has) == lost


# The command --------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run `aresmon upgrade` where it would do this, and does or fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(upgrade, "the_engine", FakeEngine)
    common.the_console.cache_clear()
    (tmp_path / "aresmon.yml").write_text("hosts: {biere: }\n")

    def run(*arguments: str, plan: UpgradePlan, done: UpgradeResult | AresmonError | None = None) -> Any:
        def carry_out(*_: Any, announce: Callable[[UpgradePlan], None], backup: Any, within: float) -> UpgradeResult:
            announce(plan)
            assert (backup is None) == ("--no-backup" in arguments)
            if isinstance(done, AresmonError):
                raise done
            assert done is not None
            return done

        monkeypatch.setattr(upgrade_run, "plan", lambda *_: plan)
        monkeypatch.setattr(upgrade_run, "upgrade", carry_out)
        return CliRunner().invoke(main.app, ["upgrade", *arguments])

    return run


TURN = UpgradeStep("edge", ServiceHistory("haproxy:3.2.22", "1"), ServiceHistory("haproxy:3.4.0", ""))
EMPTY = UpgradePlan(__version__, (), (), "", "", UpResult((), SAME, (), {}), {})
FULL = UpgradePlan(
    "0.1.0", (TURN,), (), "", "--- a\n+++ b\n", UpResult((Step("edge", "start", "x"),), SAME, (), {}), {}
)


def test_a_dry_run_shows_the_plan(run: Callable[..., Any]) -> None:
    result = run("--dry-run", plan=FULL)

    assert (result.exit_code, result.stderr) == (0, "")
    assert f"The site was last started by aresmon 0.1.0; this is {__version__}." in result.stdout
    assert "--- a\n+++ b\n" in result.stdout
    assert "upgrade edge  haproxy:3.2.22 -> haproxy:3.4.0, will be pulled or built" in result.stdout
    assert result.stdout.endswith("Nothing was changed.\n")


def test_for_scripts_plan_and_result_are_json_and_nothing_else(run: Callable[..., Any]) -> None:
    planned = run("--dry-run", "--json", plan=FULL)
    done = run("--json", plan=FULL, done=UpgradeResult((TURN,), "a.tar", "", {}, changed=True))

    upgraded = [{"service": "edge", "from": "haproxy:3.2.22", "to": "haproxy:3.4.0"}]
    assert json.loads(planned.stdout)["upgrades"] == upgraded
    assert json.loads(planned.stdout)["changed"] is True
    assert json.loads(done.stdout) == {
        "code": 0,
        "changed": True,
        "upgraded": upgraded,
        "backup": "a.tar",
        "missing": {},
        "unverified": "",
    }


def test_a_site_of_this_release_has_nothing_to_do(run: Callable[..., Any]) -> None:
    assert run("--dry-run", plan=EMPTY).stdout == "Nothing to do.\n"
    result = run(plan=EMPTY, done=UpgradeResult((), "", "", {}))
    assert (result.exit_code, result.stdout) == (0, "Nothing to do: the site is up to date with this release.\n")


def test_what_was_upgraded_is_told_and_how_the_former_images_go(run: Callable[..., Any]) -> None:
    result = run("--no-backup", plan=FULL, done=UpgradeResult((TURN,), "", "", {}))

    assert result.exit_code == 0
    assert "Upgraded: edge. Each was verified by its data." in result.stdout
    assert "docker image rm haproxy:3.2.22" in result.stdout


def test_a_configuration_alone_is_told_as_what_it_is(run: Callable[..., Any]) -> None:
    result = run(plan=FULL, done=UpgradeResult((), "", "", {}, changed=True))

    assert "The site's configuration is upgraded to this release; the images are unchanged." in result.stdout


def test_what_was_rolled_back_ends_with_3(run: Callable[..., Any]) -> None:
    failed = RolledBackError("edge runs as haproxy:3.2.22 again", hint="look", code=ExitCode.ROLLED_BACK)

    result = run(plan=FULL, done=failed)

    assert (result.exit_code, result.stderr) == (3, "edge runs as haproxy:3.2.22 again\nnext: look\n")


def test_a_service_without_an_image_degrades_the_upgrade(run: Callable[..., Any]) -> None:
    result = run(plan=EMPTY, done=UpgradeResult((), "", "", {"grafana": "no registry answers"}))

    assert result.exit_code == 5
    assert "grafana was not upgraded: no registry answers" in result.stderr


def test_up_tells_what_it_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    common.the_console.cache_clear()
    kept = KeptImage("influxdb", ServiceHistory("influxdb:1.13.1"), ServiceHistory("influxdb:1.14.0"), "because")

    upgrade.tell_kept(UpResult((), SAME, (), {}, kept=(kept,)))

    assert "influxdb keeps influxdb:1.13.1: because" in capsys.readouterr().out


def test_up_warns_of_an_image_that_it_could_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    common.the_console.cache_clear()
    kept = KeptImage(
        "influxdb", ServiceHistory("influxdb:1.13.1"), ServiceHistory(), "no registry answers", is_pinned_missing=True
    )
    outcome = UpResult((), SAME, (), {}, kept=(kept,))

    upgrade.tell_kept(outcome)
    upgrade.tell_kept(outcome, dry_run=True)

    told = capsys.readouterr()
    assert "warning: influxdb keeps influxdb:1.13.1: no registry answers" in told.err
    assert "`aresmon images pull influxdb`" in told.err
    assert (
        "image influxdb  no registry answers: will be pulled or built; if that fails, it keeps influxdb:1.13.1"
        in told.out
    )
    assert outcome.code is ExitCode.DEGRADED


def test_the_version_is_told_with_the_release_that_brought_the_site_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main.app, ["--version"]).stderr == ""
    site = Site(tmp_path)
    site.create_state_folder()
    image_versions.write(site, Versions("0.1.0"))

    result = CliRunner().invoke(main.app, ["--version"])

    assert (result.exit_code, result.stdout) == (0, f"aresmon {__version__}\n")
    assert result.stderr.startswith("the site was last started by aresmon 0.1.0")
