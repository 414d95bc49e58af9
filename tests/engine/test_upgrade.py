"""Upgrades: one service after the other to another image, with its data, or back to where it was, with every point."""

from __future__ import annotations

import hashlib
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from tests.engine import grafanas, otherimages
from tests.engine.sender import Sender, sending
from tests.engine.sites import Result, Site, eventually, site_in, up_code
from tests.engine.test_interruptions import INTERRUPTED, ended, read_until

QUICK = ("--no-backup", "--within", "30")
IMPATIENT = ("--no-backup", "--within", "8")
TAKEN_BACK = 3
HOUR = 3600 * 10**9


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that began with an older InfluxDB, and has points in files that are never written again."""
    older = otherimages.image("influxdb", "1.13.0")
    hosts = {"box": {"agent": "systemd"}, "other": {"agent": "systemd"}}
    with site_in(tmp_path_factory.mktemp("upgrade"), images={"influxdb": older}, hosts=hosts) as made:
        made.up()
        now = time.time_ns()
        made.write("\n".join(f"old value={n}i {now - (n + 1) * HOUR}" for n in range(50)))
        seal(made)
        yield made


@pytest.fixture(scope="module")
def agent(site: Site) -> Iterator[Sender]:
    """An agent that sends all the while, and whose points are counted."""
    with sending(site, "box") as sender:
        assert eventually(lambda: sender.made > 20 and not sender.missing(), within=30)
        yield sender


def seal(site: Site) -> None:
    """Have InfluxDB write its points into files that it never writes to again."""
    container = site.containers()["influxdb"]
    code, said = container.exec_run(["influxd", "backup", "-portable", "-db", "telegraf", "/tmp/sealed"])
    assert code == 0, said
    assert sealed(site)


def sealed(site: Site) -> dict[str, str]:
    """The files that are never written again, and what is in them."""
    data = site.folder / "data/influxdb/data"
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(data.rglob("*.tsm"))}


def leftovers(site: Site) -> list[str]:
    return [path.name for path in (site.folder / "data/influxdb").iterdir() if path.name.startswith(".aresmon-")]


def runs(site: Site, service: str = "influxdb") -> str:
    """The name of the image that a service runs."""
    container = site.containers()[service]
    assert container.status == "running"
    return str(container.attrs["Config"]["Image"])


def whole(site: Site, agent: Sender) -> None:
    """Every point that the agent made is there or on its way, and those of long ago are."""
    assert eventually(lambda: not agent.missing() and len(agent.waiting) <= 2, within=30), agent.missing()
    assert site.query('SELECT count("value") FROM "old"')[0].rows[0]["count"] == 50


def upgraded(result: Result) -> None:
    assert result.code == up_code(), result


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(site: Site, agent: Sender) -> None:
    newer = otherimages.image("influxdb", "1.14.0")
    former, before = runs(site), site.ids()
    site.configure(images={"influxdb": newer})
    text = (site.folder / "aresmon.yml").read_text()

    result = site.run("upgrade", "--dry-run")

    assert result.code == 0, result
    assert f"upgrade influxdb  {former} -> {newer}; its data is kept: " in result.out
    assert "+  tls: off  # what other hosts send can be read" in result.out
    assert "Nothing was changed." in result.out
    assert (site.folder / "aresmon.yml").read_text() == text
    assert site.ids() == before
    assert leftovers(site) == []


def test_up_leaves_another_version_alone_and_names_the_command_that_does_not(site: Site, agent: Sender) -> None:
    newer = otherimages.image("influxdb", "1.14.0")
    former, before = runs(site), site.ids()
    site.configure(images={"influxdb": newer})

    result = site.up()

    assert f"influxdb keeps {former}: {newer} is available, and only `aresmon upgrade`" in result.out
    assert site.ids() == before


@pytest.mark.parametrize("kind", [kind for kind in otherimages.INFLUXDB if kind != "plain"])
def test_an_influxdb_that_fails_gives_way_to_the_former_one_with_every_point(
    site: Site, agent: Sender, kind: str
) -> None:
    former, before, edge = runs(site), sealed(site), site.ids()["edge"]
    site.configure(images={"influxdb": otherimages.image("influxdb", "1.14.0", kind)})

    result = site.run("upgrade", *IMPATIENT)

    assert result.code == TAKEN_BACK, result
    assert f"influxdb was rolled back to {former} with its previous data" in result.err
    assert runs(site) == former
    assert site.ids()["edge"] == edge
    whole(site, agent)
    now = sealed(site)
    assert {path: now.get(path) for path in before} == before
    left = leftovers(site)
    for name in left:
        shutil.rmtree(site.folder / "data/influxdb" / name)
    kept = [name for name in left if name.startswith(".aresmon-failed-")]
    assert len(kept) == (kind == "lets nobody but us in"), "only what was open to agents may have points of theirs"
    assert left == kept
    assert "keeps" in site.up().out


def test_killed_on_the_way_back_the_next_command_completes_it(site: Site, agent: Sender) -> None:
    former, before = runs(site), sealed(site)
    site.configure(images={"influxdb": otherimages.image("influxdb", "1.14.0", "writes rubbish")})
    process = site.start("upgrade", *IMPATIENT)
    seen = read_until(process, "rolling influxdb back")
    process.kill()
    ended(process, seen)

    assert "an upgrade of influxdb to " in site.run("status").out
    result = site.up()

    assert f"influxdb was rolled back to {former}" in result.err
    assert runs(site) == former
    whole(site, agent)
    assert {path: sealed(site).get(path) for path in before} == before
    assert leftovers(site) == []


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("1.12.4", "its data was written by InfluxDB 1.13.0, and an older version (1.12.4) may not be able to read it"),
        ("2.7.1", "InfluxDB 2.7.1 cannot read the data of InfluxDB 1.x"),
    ],
)
def test_what_the_data_forbids_is_refused_before_anything_is_done(
    site: Site, agent: Sender, version: str, why: str
) -> None:
    before = site.ids()
    site.configure(images={"influxdb": otherimages.image("influxdb", version)})

    for arguments in (["upgrade", "--dry-run"], ["upgrade", *QUICK]):
        result = site.run(*arguments)
        assert result.code == 1, result
        assert why in result.err
        assert "Nothing was changed" in result.err
        assert "aresmon backup list" in result.err

    assert site.ids() == before


def test_interrupted_it_goes_back_at_once(site: Site, agent: Sender) -> None:
    former, before = runs(site), site.ids()
    site.configure(images={"influxdb": otherimages.image("influxdb", "1.14.0")})
    process = site.start("upgrade", *QUICK)
    seen = read_until(process, "stopping influxdb")
    process.send_signal(signal.SIGINT)

    assert ended(process, seen).code == INTERRUPTED
    assert runs(site) == former
    assert site.ids()["edge"] == before["edge"]
    whole(site, agent)
    assert leftovers(site) == []
    assert not (site.state / "upgrade.json").exists()


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ("stopping the edge", "upgrade"),
        ("stopping influxdb", "up"),
        ("starting influxdb", "upgrade"),
        ("comparing its data", "up"),
        ("comparing its data", "down"),
        ("starting the edge", "up"),
        ("waiting for data", "upgrade"),
    ],
)
def test_killed_at_any_moment_the_next_command_goes_on_or_back(
    site: Site, agent: Sender, words: str, then: str
) -> None:
    former = runs(site)
    wanted = otherimages.image("influxdb", "1.13.2" if "1.13.3" in former else "1.13.3")
    site.configure(images={"influxdb": wanted})
    process = site.start("upgrade", *QUICK)
    seen = read_until(process, words)
    process.kill()
    ended(process, seen)

    if then == "down":
        assert site.run("down").code == 0
    result = site.run("upgrade", *QUICK) if then == "upgrade" else site.up()

    upgraded(result)
    assert "tls: off" in (site.folder / "aresmon.yml").read_text()
    assert list(site.state.glob("aresmon.yml.*"))
    whole(site, agent)
    assert leftovers(site) == []
    assert not (site.state / "upgrade.json").exists()
    assert runs(site) == wanted
    assert "Nothing to do" in site.run("upgrade", *QUICK).out


def test_killed_at_the_edge_and_taken_down_the_next_up_starts_everything(site: Site, agent: Sender) -> None:
    """Alone, an edge is never ready."""
    site.configure(images={"influxdb": runs(site), "edge": otherimages.image("edge", "3.3.2")})
    process = site.start("upgrade", *QUICK)
    seen = read_until(process, "starting edge")
    process.kill()
    ended(process, seen)
    assert site.run("down").code == 0

    upgraded(site.up())

    whole(site, agent)
    assert not (site.state / "upgrade.json").exists()


def test_after_all_data_was_deleted_an_interrupted_upgrade_is_in_nobodys_way(site: Site, agent: Sender) -> None:
    """The last of the tests with this site, of which nothing is left."""
    site.configure(images={"influxdb": otherimages.image("influxdb", "1.13.7")})
    process = site.start("upgrade", *QUICK)
    seen = read_until(process, "comparing its data")
    process.kill()
    ended(process, seen)

    assert site.run("down", "--volumes", "--yes").code == 0

    assert not (site.state / "upgrade.json").exists()
    site.up()


# All services -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grafana() -> str:
    """A Grafana whose version is known."""
    return otherimages.derived(grafanas.image(), "grafana", "12.4.0", files={})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, grafana: str) -> Iterator[Site]:
    """A site with every service: Grafana's is the stand-in, the agent a real Telegraf beside the stack."""
    folder = tmp_path_factory.mktemp("upgrades")
    with site_in(folder, hosts={"box": {"collect": ["system"]}}) as made, grafanas.grafana_for(made):
        made.configure(images={"grafana": grafana})
        made.run("up")
        yield made


def test_every_service_is_brought_in_its_turn_after_a_backup(stack: Site, grafana: str) -> None:
    stack.mark(1)
    newer = {
        "telegraf": otherimages.image("telegraf", "1.40.0"),
        "grafana": otherimages.derived(grafana, "grafana", "12.5.0", files={}),
        "influxdb": otherimages.image("influxdb", "1.13.5"),
        "edge": otherimages.image("edge", "3.3.1"),
    }
    stack.configure(images=newer)

    result = stack.run("upgrade")

    assert result.code == 0, result
    assert "Upgraded: influxdb, edge, grafana, telegraf. Each was verified by its data." in result.out
    assert {service: runs(stack, service) for service in newer} == newer
    assert result.out.index("storing ") < result.out.index("stopping the edge")
    assert list((stack.folder / "data/backups").glob("*.tar"))
    assert stack.marks() == [1]
    assert [path.name for path in (stack.folder / "data/grafana").iterdir() if path.name.startswith(".")] == []
    before = stack.ids()
    assert "Nothing to do" in stack.run("upgrade").out
    assert stack.run("up").steps == []
    assert stack.ids() == before


def test_the_service_that_fails_comes_back_and_those_after_it_are_left_alone(stack: Site) -> None:
    former, before = {name: runs(stack, name) for name in ("influxdb", "edge", "telegraf")}, stack.ids()
    wanted = {
        "influxdb": otherimages.image("influxdb", "1.13.6"),
        "edge": otherimages.image("edge", "3.4.0", "does not start"),
        "telegraf": otherimages.image("telegraf", "1.41.0"),
    }
    stack.configure(images={**stack.settings["images"], **wanted})

    result = stack.run("upgrade", *QUICK)

    assert result.code == TAKEN_BACK, result
    assert f"edge was rolled back to {former['edge']}" in result.err
    assert (runs(stack), runs(stack, "edge")) == (wanted["influxdb"], former["edge"])
    assert {name: stack.ids()[name] for name in ("grafana", "telegraf")} == {
        name: before[name] for name in ("grafana", "telegraf")
    }
    stack.configure(images={**stack.settings["images"], "telegraf": former["telegraf"]})
    told = stack.run("up")
    assert f"edge keeps {former['edge']}: an upgrade to {wanted['edge']} was rolled back" in told.out
    stack.configure(images={**stack.settings["images"], "edge": former["edge"]})


def test_a_grafana_that_spoils_its_database_gives_way_to_the_former_one(stack: Site, grafana: str) -> None:
    former, folder = runs(stack, "grafana"), stack.folder / "data/grafana"
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins/mine").write_text("mine")
    database = (folder / "grafana.db").read_bytes()
    spoils = "#!/bin/bash\necho rubbish > /var/lib/grafana/grafana.db; rm -rf /var/lib/grafana/plugins; exit 3\n"
    bad = otherimages.derived(grafana, "grafana", "12.6.0", files={"usr/local/bin/haproxy": spoils})
    stack.configure(images={**stack.settings["images"], "grafana": bad})

    result = stack.run("upgrade", *IMPATIENT)

    assert result.code == TAKEN_BACK, result
    assert runs(stack, "grafana") == former
    assert (folder / "grafana.db").read_bytes() == database
    assert (folder / "plugins/mine").read_text() == "mine"
    older = otherimages.derived(grafana, "grafana", "12.4.9", files={})
    stack.configure(images={**stack.settings["images"], "grafana": older})
    refused = stack.run("upgrade", *QUICK)
    assert refused.code == 1, refused
    assert "its database was migrated by Grafana 12.5.0, which an older version (12.4.9) cannot undo" in (refused.err)
    archive = next((stack.folder / "data/backups").glob("*.tar")).name
    assert f"aresmon restore {archive} --only grafana" in refused.err
    stack.configure(images={**stack.settings["images"], "grafana": former})


def test_an_agent_of_which_no_data_arrives_gives_way_to_the_former_one(stack: Site) -> None:
    former = runs(stack, "telegraf")
    stack.configure(
        images={**stack.settings["images"], "telegraf": otherimages.image("telegraf", "1.42.0", "sends nothing")}
    )

    result = stack.run("upgrade", *IMPATIENT)

    assert result.code == TAKEN_BACK, result
    assert "no data from box arrived within 8 s" in result.err
    assert runs(stack, "telegraf") == former
