"""A site that was made by aresmon 0.4.0, its files as they were released, managed by this release."""

from __future__ import annotations

import getpass
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aresmon.engine.images import pins
from tests.engine.backups import Points, archives, fill, note, noted, points
from tests.engine.door import basic, knock
from tests.engine.grafanas import grafana_for
from tests.engine.sender import Sender, sending
from tests.engine.sites import Result, Site, client, eventually, has_image, site_in
from tests.harness.locks import lock

RELEASE, COMMIT = "0.4.0", "0e001750aa7f6580fe951aa2ed5869db00c6071a"
PACKAGE = ("aresmon", "compose", "telegraf", "grafana")
FORMER_INFLUXDB = "aresmon/influxdb:1.13.1"
FORMER_TELEGRAF = "aresmon/telegraf:1.39.3"
REPOSITORY = Path(__file__).parents[2]
HOSTS = {"box": {"collect": ["system"]}, "other": {"agent": "systemd"}}
GRAFANA = {
    "guests": [{"login": "guest", "password": "guest"}],
    "users": [{"login": "Marie", "role": "editor"}],
}
QUICK = '[agent]\n  interval = "1s"\n  flush_interval = "1s"\n[[inputs.internal]]\n[[inputs.mem]]\n'


@dataclass(frozen=True)
class Made:
    """A running site of 0.4.0, as 0.4.0 left it: its secrets, containers, points and archive."""

    site: Site
    sender: Sender
    secrets: Mapping[str, bytes]
    containers: Mapping[str, str]
    points: Mapping[tuple[str, str], set[tuple[object, ...]]]
    archive: Path
    history: str


def release(folder: Path) -> Path:
    """Unpack the files of the package as they were released. Fails where the clone's history does not have them."""
    command = ["git", "-C", str(REPOSITORY), "archive", COMMIT, *PACKAGE]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.fail(
            f"commit {COMMIT[:7]} (aresmon {RELEASE}) is not in the history of {REPOSITORY}, and this test runs its "
            f"files: use a full clone (`git fetch --unshallow`). git: {done.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def secrets(site: Site) -> dict[str, bytes]:
    """Every file of the secrets folder and of the certificate authority, by path."""
    folders = (site.state / "secrets", site.state / "authority")
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def succeeded(result: Result) -> Result:
    assert result.code == 0, result
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    old = {"PYTHONPATH": str(release(tmp_path_factory.mktemp("release")))}
    folder = tmp_path_factory.mktemp("site")
    with site_in(folder, hosts=HOSTS, grafana=GRAFANA) as site, grafana_for(site):
        site.configure(edge={"agents": site.agents, "grafana": site.grafana, "tls": "off"})
        site.override("agents/box.conf", QUICK)
        assert site.run("--version", env=old).out.strip() == f"aresmon {RELEASE}"
        with lock("images"):
            if not has_image(FORMER_INFLUXDB):  # Go compiles the few packages in which the two versions differ
                succeeded(site.run("images", "build", "influxdb", env=old, timeout=1200))
            if not has_image(FORMER_TELEGRAF):  # it differs in the inputs that it has, which nothing here asks for
                client().images.get(pins()["telegraf"].build).tag(FORMER_TELEGRAF)
        succeeded(site.run("up", env=old))
        fill(site)
        note(site, "kept")
        with sending(site, "other") as sender:
            site.override("agents/box.conf", QUICK + "[[inputs.swap]]\n")
            succeeded(site.run("push-config", "box", env=old))
            succeeded(site.run("backup", env=old))
            succeeded(site.run("backup", "--verify", "latest", env=old))
            assert site.run("up", env=old).steps == []
            assert eventually(lambda: sender.made > 5 and not sender.missing())
            (archive,) = archives(site)
            history = (site.state / "history.jsonl").read_text()
            yield Made(site, sender, secrets(site), site.ids(), settled_points(site), archive, history)


# Continuous queries compute the newest minutes and hours again, with points that came late.
RECENT = {"1m": 600, "1h": 7200}


def settled_points(site: Site) -> Points:
    """The points that no longer change, by policy and measurement."""
    now = time.time()

    def is_settled(point: tuple[object, ...], policy: str) -> bool:
        (at,) = (pair[1] for pair in point if isinstance(pair, tuple) and pair[0] == "time")
        return int(at) < now - RECENT.get(policy, 0)

    return {
        (policy, name): {one for one in found if is_settled(one, policy)}
        for (policy, name), found in points(site).items()
    }


def arrives(site: Site, host: str) -> bool:
    """Whether a point of this host is younger than this call."""
    since = int(time.time() * 1000)
    query = f'SELECT last("metrics_gathered") FROM "internal_agent" WHERE "host" = \'{host}\' AND time >= {since}ms'
    return eventually(lambda: bool(site.query(query)), within=30)


def lost(made: Made) -> dict[tuple[str, str], set[tuple[object, ...]]]:
    """The points of 0.4.0 that are missing or different now, by policy and measurement."""
    now = points(made.site)
    left = {place: found - now.get(place, set()) for place, found in made.points.items()}
    return {place: found for place, found in left.items() if found}


def assert_kept(made: Made) -> None:
    """Nothing that 0.4.0 made is missing or different, and data arrives."""
    site = made.site
    assert secrets(site) == made.secrets
    # InfluxDB leaves a shard that it is opening out of its answers.
    assert eventually(lambda: not lost(made), within=30, every=3), lost(made)
    assert eventually(lambda: not made.sender.missing() and len(made.sender.waiting) <= 2), made.sender.missing()
    assert arrives(site, "box")
    assert arrives(site, "other")
    assert noted(site) == ["kept"]
    assert (site.state / "history.jsonl").read_text().startswith(made.history)
    assert made.archive.is_file()


def test_its_state_is_read(made: Made) -> None:
    status = json.loads(made.site.run("status", "--json").out)
    history = json.loads(succeeded(made.site.run("history", "box", "--json")).out)
    backups = succeeded(made.site.run("backup", "list")).out

    assert {one["name"] for one in status["services"]} == {"edge", "grafana", "influxdb", "telegraf"}
    assert {one["state"] for one in status["services"]} == {"running"}
    assert all(one["age"] < 60 for one in status["hosts"]), status["hosts"]
    assert status["backups"]["last_made"]["archive"] == made.archive.name
    assert status["backups"]["last_verified"]["ok"]
    assert [(event["host"], event["release"], event["by"]) for event in history] == [("box", 1, getpass.getuser())]
    assert "1 archive" in backups
    assert "verified" in backups


def test_up_recreates_the_services_once_and_keeps_everything(made: Made) -> None:
    site = made.site

    planned = succeeded(site.run("upgrade", "--dry-run"))
    first = succeeded(site.run("up"))
    second = succeeded(site.run("up"))
    upgraded = succeeded(site.run("upgrade"))

    recreated = [("recreate", service) for service in ("influxdb", "grafana", "edge", "telegraf")]
    assert (first.steps, planned.steps) == (recreated, recreated)
    # This release keeps more fields of a measurement: its downsampling is set up anew, and nothing else.
    assert [one for one in first.statements if "downsample" not in one and "continuous queries" not in one] == []
    assert second.statements == []
    assert "Nothing to do" in second.out
    assert "Nothing to do" in upgraded.out
    assert set(site.ids().values()).isdisjoint(made.containers.values())
    assert_kept(made)


def test_its_passwords_open_grafana_and_the_edge(made: Made) -> None:
    site = made.site
    for login, password in (("guest", "guest"), ("marie", site.secret("grafana-user-marie"))):
        answer = knock(site.grafana, "GET", "/api/user", body=b"", authorization=[basic(login, password)])
        assert answer.status == 200, login


def test_its_archive_is_verified(made: Made) -> None:
    result = succeeded(made.site.run("backup", "--verify", made.archive.name))

    assert made.archive.name in result.out
