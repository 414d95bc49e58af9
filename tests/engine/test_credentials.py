"""A changed password takes effect on the data that is there; retention is never cut by accident."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest

from aresmon.influxdb.client import InfluxDB, InfluxDBError
from tests.engine.conftest import MakeSite
from tests.engine.door import basic, knock
from tests.engine.sites import Site, eventually
from tests.engine.test_interruptions import one_off

NEW = "another-password-than-before"


def set_secret(site: Site, name: str, content: str) -> Path:
    path = site.state / "secrets" / name
    path.write_text(content)
    return path


def writes(site: Site, user: str, password: str) -> int:
    return knock(site.agents, "POST", "/write?db=telegraf", authorization=[basic(user, password)]).status


def durations(site: Site, what: str = "duration") -> dict[str, str]:
    rows = [row for series in site.query('SHOW RETENTION POLICIES ON "telegraf"') for row in series.rows]
    return {row["name"]: row[what] for row in rows}


def shard_durations(site: Site) -> dict[str, str]:
    return durations(site, "shardGroupDuration")


# Passwords -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "\n"], ids=["as it is", "with an editor's newline"])
def test_a_host_s_new_password_is_taken_and_the_old_one_is_not(site: Site, ending: str) -> None:
    site.up()
    site.mark(1)
    old, before = site.secret("agent-box"), site.ids()
    path = set_secret(site, "agent-box", NEW + ending)

    result = site.up()

    assert result.statements == ["set the password of agent-box"]
    assert (writes(site, "agent-box", NEW), writes(site, "agent-box", old)) == (204, 401)
    assert path.read_text() == NEW
    assert path.stat().st_mode & 0o777 == 0o600
    assert site.ids() == before
    assert site.marks() == [1]


def test_grafana_s_new_database_password_is_taken(site: Site) -> None:
    site.up()
    old = site.secret("influxdb-grafana")
    set_secret(site, "influxdb-grafana", NEW)

    result = site.up()

    assert "set the password of grafana" in result.statements
    socket = site.influxdb.socket
    assert InfluxDB(socket, "grafana", NEW).query("SHOW SERIES FROM nothing", database="telegraf") == [[]]
    with pytest.raises(InfluxDBError):
        InfluxDB(socket, "grafana", old).query("SHOW MEASUREMENTS", database="telegraf")


@pytest.mark.parametrize("ending", ["", "\n"], ids=["as it is", "with an editor's newline"])
def test_the_admin_s_new_password_is_taken_without_the_old_one(site: Site, ending: str) -> None:
    site.up()
    site.mark(1)
    socket, old = site.influxdb.socket, site.secret("influxdb-admin")
    set_secret(site, "influxdb-admin", NEW + ending)

    result = site.up()

    assert "it is reset" in result.out
    assert site.secret("influxdb-admin") == NEW
    assert site.marks() == [1]
    with pytest.raises(InfluxDBError):
        InfluxDB(socket, "aresmon", old).query("SHOW USERS")
    with pytest.raises(InfluxDBError):
        InfluxDB(socket).query("SHOW USERS")  # authentication is on again
    assert site.up().statements == []


def test_while_the_admin_is_set_anew_nobody_gets_in_by_the_edge(site: Site) -> None:
    """InfluxDB runs without authentication then: held in the middle of it, it is reached by its own socket alone."""
    site.up()
    set_secret(site, "influxdb-admin", NEW)
    unlocked = InfluxDB(site.state / "run/reset/influxdb.sock")
    process = site.start("up")
    assert eventually(unlocked.socket.parent.exists, every=0.01)
    assert eventually(lambda: bool(one_off(site)), every=0.01)
    process.send_signal(signal.SIGSTOP)
    assert eventually(unlocked.socket.exists)
    assert unlocked.query("SHOW USERS") != [[]], "it asks nobody who they are"

    until, answers = time.monotonic() + 6, set[int]()  # the edge looks every two seconds whether InfluxDB is there
    while time.monotonic() < until:
        answers.add(knock(site.agents, "POST", "/write?db=telegraf", body=b"mark value=13").status)
        time.sleep(0.2)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=240)

    assert process.returncode in (0, 5), (out, err)
    assert answers == {503}
    assert site.marks() == []
    assert not unlocked.socket.parent.exists()


def test_all_secrets_lost_are_made_anew(site: Site) -> None:
    site.up()
    site.mark(1)
    old = site.secret("agent-box")
    shutil.rmtree(site.state / "secrets")

    site.up()

    assert site.secret("agent-box") != old
    assert writes(site, "agent-box", site.secret("agent-box")) == 204
    assert site.marks() == [1]


def test_a_secret_that_cannot_serve_is_refused_and_never_shown(site: Site) -> None:
    site.up()
    before = site.ids()
    for content in ("", "ab", "two\nlines", "quote'", "dollar$HOME", "schlüssel"):
        set_secret(site, "agent-box", content)

        result = site.run("up")

        assert result.code == 1, result
        assert "secrets/agent-box" in result.err
        assert len(content) < 3 or content not in result.err + result.out
    assert site.ids() == before


def test_open_secrets_are_closed(site: Site) -> None:
    site.up()
    path = site.state / "secrets/influxdb-admin"
    path.chmod(0o644)

    site.up()

    assert path.stat().st_mode & 0o777 == 0o600
    assert {one.stat().st_mode & 0o077 for one in path.parent.iterdir()} == {0}


def test_a_user_of_ours_that_was_made_an_admin_is_no_longer_after_up(site: Site) -> None:
    site.up()
    site.query('GRANT ALL PRIVILEGES TO "grafana"')
    grafana = InfluxDB(site.influxdb.socket, "grafana", site.secret("influxdb-grafana"))
    assert grafana.query("SHOW USERS")

    result = site.up()

    assert result.statements == ["revoke admin privileges from grafana"]
    with pytest.raises(InfluxDBError):
        grafana.query("SHOW USERS")
    assert grafana.query("SHOW SERIES FROM nothing", database="telegraf") == [[]]
    assert site.up().statements == []


# Data of another site ------------------------------------------------------------------------------------


def test_data_of_another_site_is_taken_over(make_site: MakeSite, tmp_path: Path) -> None:
    data = tmp_path / "shared"
    former = make_site(tmp_path / "former", storage={"data": str(data)})
    former.up()
    former.mark(3)
    former.run("down")
    heir = make_site(tmp_path / "heir", storage={"data": str(data)})

    result = heir.up()

    assert "it is reset" in result.out
    assert heir.marks() == [3]
    assert heir.secret("influxdb-admin") != former.secret("influxdb-admin")


def test_data_with_an_admin_of_another_name_is_taken_over(site: Site) -> None:
    site.up()
    site.mark(3)
    site.query("CREATE USER \"boss\" WITH PASSWORD 'theirs' WITH ALL PRIVILEGES")
    InfluxDB(site.influxdb.socket, "boss", "theirs").query('DROP USER "aresmon"')

    result = site.up()

    assert "InfluxDB has an admin that aresmon does not manage: boss" in result.err + result.out
    assert site.marks() == [3]
    assert site.users() >= {"aresmon", "boss", "grafana", "agent-box"}


def test_another_data_folder_has_an_admin_before_the_edge_lets_anybody_in(site: Site) -> None:
    """An InfluxDB without one makes the first that is asked for, whoever asks."""
    site.up()
    site.configure(storage={"data": "elsewhere"})
    process = site.start("up")
    assert eventually((site.folder / "elsewhere/meta/meta.db").exists, every=0.01)
    edge = site.containers()["edge"].status
    out, err = process.communicate(timeout=240)

    assert process.returncode in (0, 5), (out, err)
    assert edge == "exited"
    assert site.containers()["edge"].status == "running"
    assert writes(site, "agent-box", site.secret("agent-box")) == 204
    assert site.up().steps == []


# Retention -----------------------------------------------------------------------------------------------


def test_a_longer_retention_is_applied(site: Site) -> None:
    site.up()
    assert durations(site) == {"raw": "168h0m0s", "1m": "2160h0m0s", "1h": "17520h0m0s", "forever": "0s"}
    site.configure(storage={"keep": {"raw": "14d", "1h": "forever"}})

    result = site.up()

    assert result.statements == [
        "set the retention of raw to 14d, from 7d",
        "set the retention of 1h to forever, from 2y",
    ]
    assert durations(site) == {"raw": "336h0m0s", "1m": "2160h0m0s", "1h": "0s", "forever": "0s"}


def test_shards_get_the_length_that_goes_with_another_retention(site: Site) -> None:
    site.up()
    assert shard_durations(site) == {"raw": "24h0m0s", "1m": "24h0m0s", "1h": "168h0m0s", "forever": "168h0m0s"}
    site.configure(storage={"keep": {"raw": "12h"}})

    site.up("--shorten-retention")  # to less than a shard of before

    assert (durations(site)["raw"], shard_durations(site)["raw"]) == ("12h0m0s", "1h0m0s")
    site.configure(storage={"keep": {"raw": "200d", "1m": "200d"}})
    assert site.up().statements == [
        "set the retention of raw to 200d, from 12h",
        "set the retention of 1m to 200d, from 90d",
    ]
    assert shard_durations(site) == dict.fromkeys(("raw", "1m", "1h", "forever"), "168h0m0s")
    site.mark(1)
    assert site.up().statements == []


@pytest.mark.parametrize("keep", [{"raw": "1d"}, {"1h": "1y"}], ids=["raw", "1h"])
def test_a_shorter_retention_is_refused_until_it_is_meant(site: Site, keep: dict[str, str]) -> None:
    site.up()
    before, bundle = site.ids(), {path: path.read_bytes() for path in site.bundle.rglob("*") if path.is_file()}
    policies = durations(site)
    site.configure(
        storage={"keep": keep},
        hosts={"box": {"agent": "systemd"}, "new": {"agent": "systemd"}},
        memory={"edge": "300m"},
    )

    refused = site.run("up")

    assert refused.code == 1, refused
    assert "would permanently delete the points in between" in refused.err
    assert "--shorten-retention" in refused.err
    assert durations(site) == policies
    assert site.users() == {"aresmon", "grafana", "agent-box"}
    assert site.ids() == before
    assert {path: path.read_bytes() for path in site.bundle.rglob("*") if path.is_file()} == bundle

    site.up("--shorten-retention")

    [tier] = keep
    assert durations(site)[tier] == {"raw": "24h0m0s", "1h": "8760h0m0s"}[tier]
