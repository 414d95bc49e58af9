"""Secrets of collectors' options: set on the server, brought by a push, read by the agent, and seen nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.desk import Desk
from tests.fleet.servers import Server
from tests.fleet.station import OTHER, SECRET, STATION, give_secret, sent_secret


@pytest.fixture
def station(desk: Desk) -> Iterator[Desk]:
    """Lewi collects from the station; its interval is a second."""
    desk.site.override("collectors/station.conf", STATION)
    desk.site.override("hosts/lewi.conf", "")
    desk.configure("lewi", collect=[{"station": {"password": {"secret": "station"}}}])
    yield desk
    (desk.site.folder / "overrides" / "collectors" / "station.conf").unlink()


def test_a_push_brings_a_secret_to_a_service_and_nothing_shows_it(station: Desk, lewi: Server) -> None:
    missing = station.push("lewi")

    assert missing.code == 1
    assert "the secret station, which a collector needs, is not set" in missing.why("lewi") + missing.next("lewi")
    give_secret(station.site, SECRET)

    first = station.push("lewi")

    assert first.outcomes == {"lewi": "verified"}, first
    assert sent_secret(station.site, "lewi") == SECRET
    assert f"ARESMON_SECRET_STATION='{SECRET}'" in lewi.read("/etc/default/telegraf")
    assert lewi.run("stat -c '%a %U:%G' /etc/default/telegraf").split() == ["640", "root:telegraf"]
    assert 'value = "${ARESMON_SECRET_STATION}"' in lewi.read("/etc/telegraf/telegraf.conf")
    assert station.push("lewi").outcomes == {"lewi": "unchanged"}
    give_secret(station.site, OTHER)

    second = station.push("lewi")

    assert second.outcomes == {"lewi": "verified"}, second
    assert sent_secret(station.site, "lewi") == OTHER
    shown = [station.run(*command) for command in (("drift", "lewi"), ("history", "lewi"), ("secrets", "list"))]
    told = "".join(f"{one.out}{one.err}" for one in (first.result, second.result, missing.result, *shown))
    assert SECRET not in told
    assert OTHER not in told
    assert "collectors/station" in told
    kept = [path for path in station.site.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path.name for path in kept if holds(path, SECRET, OTHER)] == ["station"]


def holds(path: Path, *secrets: str) -> bool:
    """Whether one of them is in a file, other than the database's, to which this collector sends it."""
    return path.suffix not in (".wal", ".tsm") and any(secret.encode() in path.read_bytes() for secret in secrets)
