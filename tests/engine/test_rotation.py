"""The stack's own secrets rotated, on a whole stack with the stand-in in Grafana's place."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator

import pytest

from aresmon.influxdb import influxql, users
from aresmon.influxdb.client import InfluxDB
from aresmon.site import secrets
from tests.engine.door import basic, knock
from tests.engine.grafanas import grafana_for
from tests.engine.sites import Site, eventually, site_in
from tests.fleet.desk import QUICK

GRAFANA = {"admin": "Ares", "users": [{"login": "Marie", "role": "editor"}]}
ROTATED = (
    *("agent-box", "influxdb-admin", "influxdb-grafana"),
    *("grafana-admin", "grafana-user-marie", "site-key"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site; each test leaves it so that an `up` has nothing to do."""
    with site_in(tmp_path_factory.mktemp("rotation"), grafana=GRAFANA) as made, grafana_for(made):
        made.configure(hosts={"box": {"collect": ["system"]}})
        made.override("agents/box.conf", QUICK)
        assert made.run("up").code == 0
        yield made


def rotate(site: Site, *names: str) -> tuple[int, dict[str, bool]]:
    result = site.run("secrets", "rotate", "--json", *names)
    assert result.out.startswith("{"), result
    return result.code, {one["name"]: one["rotated"] for one in json.loads(result.out)["secrets"]}


def values(site: Site) -> dict[str, str]:
    return {path.name: path.read_text() for path in (site.state / "secrets").glob("*") if path.is_file()}


def left_of(site: Site, *sought: str) -> list[str]:
    """The files of the site in which one of these stands."""
    files = [path for path in site.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(one.encode() in path.read_bytes() for one in sought)]


def logs_in(site: Site, login: str, password: str) -> bool:
    return knock(site.grafana, "GET", "/api/user", body=b"", authorization=[basic(login, password)]).status == 200


def asks(site: Site, user: str, password: str) -> int:
    """How the edge answers a question of this user's, where Grafana asks."""
    networks = site.containers()["edge"].attrs["NetworkSettings"]["Networks"]
    address = f"{networks[f'{site.name}_inside']['IPAddress']}:8087"
    return knock(
        address, "GET", "/query?db=telegraf&q=SHOW+DATABASES", body=b"", authorization=[basic(user, password)]
    ).status


def test_every_secret_is_rotated_and_of_the_old_ones_none_is_left(site: Site) -> None:
    old = values(site)

    code, rotated = rotate(site, "--all")

    new = values(site)
    assert (code, rotated) == (0, dict.fromkeys(ROTATED, True))
    assert {name for name in old if old[name] == new[name]} == {"grafana-secret-key", "backup-passphrase"}
    assert set(old) == set(new)
    assert left_of(site, *(old[name] for name in ROTATED)) == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in (site.state / "secrets").glob("*-*")} == {0o600}
    assert site.users() == {"aresmon", "grafana~2", "agent-box~2"}
    assert (asks(site, "grafana~2", new["influxdb-grafana"]), asks(site, "agent-box~2", new["agent-box"])) == (200, 403)
    assert logs_in(site, "Ares", new["grafana-admin"])
    assert logs_in(site, "Marie", new["grafana-user-marie"])
    assert not logs_in(site, "Marie", old["grafana-user-marie"])
    again = site.run("up")
    assert (again.code, again.steps, again.statements) == (0, [], []), again


def test_what_grafana_asks_with_is_valid_at_every_moment(site: Site) -> None:
    """Killed before Grafana starts anew; an `up` between the two runs removes neither user."""
    folder, old = site.state / "secrets", site.secret("influxdb-grafana")
    rotating = site.start("secrets", "rotate", "influxdb-grafana")
    assert eventually(lambda: (folder / "influxdb-grafana~next").exists(), every=0.01)
    rotating.send_signal(signal.SIGKILL)
    rotating.communicate(timeout=60)

    user = secrets.database_user("influxdb-grafana", old)
    assert asks(site, user, old) == 200
    between = site.run("up")
    assert between.code == 0, between
    assert "influxdb-grafana is being rotated" in between.out + between.err
    assert asks(site, user, old) == 200
    assert rotate(site, "influxdb-grafana") == (0, {"influxdb-grafana": True})

    new = site.secret("influxdb-grafana")
    assert asks(site, secrets.database_user("influxdb-grafana", new), new) == 200
    assert asks(site, user, old) == 401
    assert site.run("up").statements == []


@pytest.mark.parametrize("is_set", [False, True], ids=["before InfluxDB has it", "after"])
def test_an_admin_whose_rotation_was_cut_off_is_let_in(site: Site, is_set: bool) -> None:
    following, path = secrets.generate(), site.state / "secrets" / "influxdb-admin~next"
    admin = site.influxdb
    secrets.replace(path.parent, path.name, following, os.getuid())
    if is_set:
        admin.query(influxql.set_password(users.ADMIN, following))

    result = site.run("up")

    assert (result.code, result.steps) == (0, []), result
    assert "it is reset" not in result.out
    assert not path.exists()
    assert site.secret("influxdb-admin") == (following if is_set else admin.password)
    assert InfluxDB(admin.socket, users.ADMIN, site.secret("influxdb-admin")).query("SHOW USERS")


def test_a_grafana_whose_pinned_image_cannot_be_had_is_not_cut_off(site: Site) -> None:
    """It starts anew, in the image that it has, before its former user goes."""
    old, former, images = site.secret("influxdb-grafana"), site.ids()["grafana"], dict(site.settings["images"])
    site.configure(images={**images, "grafana": "127.0.2.1:1/no/such:1"})
    try:
        code, rotated = rotate(site, "influxdb-grafana")
    finally:
        site.configure(images=images)

    new = site.secret("influxdb-grafana")
    environment = site.containers()["grafana"].attrs["Config"]["Env"]
    assert (code, rotated) == (0, {"influxdb-grafana": True})
    assert new != old
    assert site.ids()["grafana"] != former
    assert f"GRAFANA_DATABASE_USER={secrets.database_user('influxdb-grafana', new)}" in environment
    assert asks(site, secrets.database_user("influxdb-grafana", new), new) == 200
    assert site.run("up").steps == []


def test_what_up_has_to_do_is_not_done_by_the_way(site: Site) -> None:
    old = values(site)
    site.configure(memory={"edge": "300m"})
    try:
        result = site.run("secrets", "rotate", "site-key")
    finally:
        del site.settings["memory"]
        site.configure()

    assert result.code == 1, result
    assert "`aresmon up` first" in result.err
    assert values(site) == old
