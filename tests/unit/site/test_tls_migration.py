"""Who has still to follow to TLS, or to another authority, is known until a push proves that they did."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aresmon.config.model import Config
from aresmon.influxdb.client import InfluxDB
from aresmon.site import ca, secrets, tls_migration
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.ssh.transport import Local
from aresmon.stack import remote
from tests.unit.conftest import load

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ONE = b"the present authority"


def fleet_with(tls: str, *hosts: str) -> Config:
    return load(f"edge: {{tls: {tls}}}\nhosts: {{{', '.join(f'{name}: ' for name in hosts)}}}\n")


@pytest.fixture
def config() -> Config:
    return fleet_with("site", "biere", "lewi")


def before_tls(site: Site, *hosts: str) -> None:
    """These hosts had their passwords already."""
    secrets.ensure(site.secrets, dict.fromkeys(map(secrets.agent_secret, hosts), 0))


def told(site: Site, config: Config) -> list[str]:
    return [doubt.what for _, doubt in tls_migration.find_problems(Project(site, config))]


def test_a_new_site_has_nobody_in_the_clear(site: Site, config: Config) -> None:
    tls_migration.begin(Project(site, config))
    before_tls(site, "biere", "lewi")

    assert tls_migration.unencrypted_hosts(Project(site, config)) == frozenset()
    assert told(site, config) == []


def test_hosts_of_before_are_in_the_clear_until_a_push_is_proven(site: Site, config: Config) -> None:
    before_tls(site, "biere", "lewi")
    tls_migration.begin(Project(site, config))
    assert told(site, config) == ["biere may still write unencrypted", "lewi may still write unencrypted"]

    tls_migration.record_tls(site, "biere", ONE)

    assert tls_migration.unencrypted_hosts(Project(site, config)) == {"lewi"}
    tls_migration.begin(Project(site, config))
    assert tls_migration.unencrypted_hosts(Project(site, config)) == {"lewi"}, "a second `up` notes nobody anew"


def test_a_host_that_came_or_went_since_is_on_no_list(site: Site, config: Config) -> None:
    before_tls(site, "biere", "lewi")
    tls_migration.begin(Project(site, config))
    before_tls(site, "ronflex")

    assert tls_migration.unencrypted_hosts(Project(site, fleet_with("site", "lewi", "ronflex"))) == {"lewi"}


def test_a_dry_run_tells_the_same_and_notes_nothing(site: Site, config: Config) -> None:
    before_tls(site, "lewi")

    assert tls_migration.unencrypted_hosts(Project(site, config)) == {"lewi"}
    assert not (site.authority / tls_migration.IN_CLEAR).exists()


def test_without_tls_nothing_is_noted_and_going_back_begins_anew(site: Site, config: Config) -> None:
    before_tls(site, "lewi")
    tls_migration.begin(Project(site, config))
    tls_migration.record_tls(site, "lewi", ONE)

    off = fleet_with("off", "biere", "lewi")
    tls_migration.begin(Project(site, off))

    assert tls_migration.unencrypted_hosts(Project(site, off)) == frozenset()
    assert tls_migration.unencrypted_hosts(Project(site, config)) == {"lewi"}


def test_an_edge_that_takes_both_though_nobody_needs_it_is_told(site: Site, config: Config) -> None:
    tls_migration.begin(Project(site, config))
    site.bundle.mkdir(parents=True)
    (site.bundle / ".env").write_text("AGENTS_IN_CLEAR='yes'\n")

    assert told(site, config) == ["the agents' port still accepts unencrypted data"]


class Changing:
    """A site with two hosts that goes from authority to authority. A host knows what its last push brought it."""

    def __init__(self, site: Site, config: Config) -> None:
        self.site, self.config = site, config
        self.bundle = site.bundle / "agents" / "biere" / "aresmon-ca.pem"
        self.shown_by = ""
        self.known: dict[str, str] = {}
        site.create_state_folder()
        tls_migration.begin(Project(site, config))
        self.up()
        self.push("biere", "lewi")

    @property
    def step(self) -> str:
        return tls_migration.next_step(Project(self.site, self.config))

    def rotate(self) -> None:
        tls_migration.rotate(Project(self.site, self.config), NOW)

    def up(self) -> None:
        """What it brings: the edge shows a certificate by the authority that signs, and pushes have what is trusted."""
        ca.ensure(self.site.authority, ca.server_names(self.config), NOW)
        self.shown_by = ca.trusted_certificates(self.site.authority).partition("-----END")[0]
        self.bundle.parent.mkdir(parents=True, exist_ok=True)
        self.bundle.write_text(ca.trusted_certificates(self.site.authority))

    def push(self, *hosts: str) -> None:
        for host in hosts:
            self.known[host] = self.bundle.read_text()
            tls_migration.record_tls(self.site, host, self.bundle.read_bytes())

    @property
    def cut_off(self) -> list[str]:
        """The hosts that do not know by whom the edge's certificate is."""
        return [host for host, known in self.known.items() if self.shown_by not in known]


@pytest.fixture
def changing(site: Site, config: Config) -> Changing:
    return Changing(site, config)


def test_another_authority_signs_once_up_and_a_push_to_each_brought_it(changing: Changing) -> None:
    site, config = changing.site, changing.config
    assert changing.step == "prepare"

    changing.rotate()
    assert changing.step == "bring"
    changing.push("biere", "lewi")
    assert tls_migration.hosts_without_next(Project(site, config)) == {"biere", "lewi"}, (
        "a push that brought the present one alone"
    )
    changing.up()
    assert changing.step == "wait"
    changing.push("biere")
    assert [name for name, _ in tls_migration.find_problems(Project(site, config))] == ["lewi"]
    changing.push("lewi")
    assert changing.step == "promote"
    following = ca.list_authorities(site.authority)[1]

    changing.rotate()

    assert ca.list_authorities(site.authority) == [following]
    assert changing.step == "finish"
    changing.up()
    assert (changing.step, changing.cut_off, told(site, config)) == ("prepare", [], [])


def test_no_further_change_is_begun_before_up_brought_the_last_one(changing: Changing) -> None:
    changing.rotate()
    changing.up()
    changing.push("biere", "lewi")
    changing.rotate()
    signs = ca.trusted_certificates(changing.site.authority)

    changing.rotate()

    assert ca.trusted_certificates(changing.site.authority) == signs
    assert not ca.is_changing(changing.site.authority)


def test_a_push_of_two_authorities_counts_for_the_next_one_only_if_that_is_among_them(changing: Changing) -> None:
    changing.rotate()
    changing.up()
    changing.push("biere", "lewi")
    changing.rotate()
    ca.prepare_next(changing.site.authority, NOW)  # which `rotate` refuses before `up`

    changing.push("biere", "lewi")  # of the former and the present one
    changing.up()

    assert changing.step == "wait"
    assert tls_migration.hosts_without_next(Project(changing.site, changing.config)) == {"biere", "lewi"}
    changing.push("biere", "lewi")
    changing.rotate()
    changing.up()
    assert changing.cut_off == []


def test_a_host_that_came_during_the_change_is_waited_for(changing: Changing) -> None:
    changing.rotate()
    changing.config = fleet_with("site", "biere", "lewi", "ronflex")
    changing.push("ronflex")
    changing.up()
    changing.push("biere", "lewi")

    assert changing.step == "wait"
    assert tls_migration.hosts_without_next(Project(changing.site, changing.config)) == {"ronflex"}


def test_where_it_is_lost_who_followed_everybody_is_waited_for(changing: Changing) -> None:
    changing.rotate()
    changing.up()
    changing.push("biere", "lewi")
    (changing.site.authority / tls_migration.WITH_NEXT).unlink()

    assert changing.step == "wait"


@pytest.fixture
def far(tmp_path: Path) -> remote.RemoteStack:
    """The stack in this folder, as if it were elsewhere."""

    influxdb = InfluxDB(tmp_path / "socket", "admin", "")
    return remote.RemoteStack(str(tmp_path), "", Local("biere"), influxdb, tmp_path / "docker.sock", {}, {})


@pytest.mark.parametrize("pushed", ["both", "the former two", "none"])
def test_from_elsewhere_the_same_is_noted_on_the_server_of_this_host_alone(
    tmp_path: Path, far: remote.RemoteStack, pushed: str
) -> None:
    folder = tmp_path / ".aresmon" / "authority"
    ca.ensure(folder, ["biere"], NOW)
    ca.prepare_next(folder, NOW)
    former = ca.trusted_certificates(folder)
    ca.promote_next(folder)
    ca.prepare_next(folder, NOW)
    (folder / tls_migration.IN_CLEAR).write_text("biere\nbiere2\nlewi\n")
    (folder / tls_migration.WITH_NEXT).write_text("lewi\n")
    known = {"both": ca.trusted_certificates(folder), "the former two": former, "none": ""}[pushed]
    before = {path.name for path in folder.iterdir()}

    for _ in range(2):
        asyncio.run(far.record_tls("biere", known.encode()))

    assert (folder / tls_migration.IN_CLEAR).read_text() == "biere2\nlewi\n"
    assert (folder / tls_migration.WITH_NEXT).read_text() == ("biere\nlewi\n" if pushed == "both" else "lewi\n")
    assert {path.name for path in folder.iterdir()} == before


def test_from_elsewhere_nothing_is_noted_where_nothing_is_waited_for(tmp_path: Path, far: remote.RemoteStack) -> None:
    folder = tmp_path / ".aresmon" / "authority"
    ca.ensure(folder, ["biere"], NOW)
    before = {path.name for path in folder.iterdir()}

    asyncio.run(far.record_tls("biere", ca.trusted_certificates(folder).encode()))

    assert {path.name for path in folder.iterdir()} == before
