"""The trial of new inputs before a push: what Telegraf says of them is told with the remedy, and refuses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fleet.desk import Desk
from tests.fleet.servers import Server

# A socket that root alone may use, at the place of PostgreSQL's. What would answer behind it is never asked.
_SOCKET = "/run/postgresql/.s.PGSQL.5432"
_CLOSED = f"""\
mkdir -p /run/postgresql
systemd-run --quiet --unit aresmon-test-closed --socket-property=ListenStream={_SOCKET} \
  --socket-property=SocketMode=0600 --service-type=oneshot true
"""
_FUTURE = """\
# What only a later Telegraf can read.
[collector]
  telegraf = "99.1.0"
[[inputs.from_the_future]]
"""


@pytest.fixture
def closed_socket(lewi: Server) -> Iterator[None]:
    lewi.run(_CLOSED)
    yield
    lewi.run("systemctl stop aresmon-test-closed.socket; rm -rf /run/postgresql")


def collect(desk: Desk, *wanted: str | dict[str, Any]) -> None:
    desk.configure("lewi", collect=list(wanted))


def about(notes: list[str], plugin: str) -> list[str]:
    return [note for note in notes if f"inputs.{plugin}" in note]


@pytest.fixture
def future(desk: Desk) -> Iterator[str]:
    """A collector of the site's own."""
    desk.site.override("collectors/future.conf", _FUTURE)
    yield "future"
    (desk.site.folder / "overrides" / "collectors" / "future.conf").unlink()


@pytest.mark.usefixtures("closed_socket")
def test_a_missing_permission_and_a_service_that_is_down_are_told_with_the_remedy(desk: Desk, lewi: Server) -> None:
    collect(desk, "system", "postgresql", "nginx")

    first = desk.push("lewi")

    assert first.outcomes == {"lewi": "verified"}, first
    (denied,) = about(first.notes("lewi"), "postgresql_extensible")
    assert f"dial unix {_SOCKET}: connect: permission denied" in denied
    assert denied.startswith("inputs.postgresql_extensible (collector postgresql) failed when it was tried: ")
    assert "postgresql needs a role that may read statistics: `CREATE ROLE telegraf LOGIN" in denied
    (down,) = about(first.notes("lewi"), "nginx")
    assert "connect: connection refused" in down
    assert "nginx needs a location with `stub_status`" in down
    assert about(first.notes("lewi"), "mem") == []
    collect(desk, "system", "postgresql", "nginx", "net")

    second = desk.push("lewi")

    assert second.outcomes == {"lewi": "verified"}, second
    assert [note for note in second.notes("lewi") if "when it was tried" in note] == []


def test_without_verification_nothing_is_tried(desk: Desk, lewi: Server) -> None:
    collect(desk, "system", "nginx")

    pushed = desk.push("lewi", "--no-verify")

    assert pushed.outcomes == {"lewi": "unverified"}, pushed
    assert about(pushed.notes("lewi"), "nginx") == []


def test_a_plug_in_that_telegraf_is_too_old_for_is_refused_with_the_version_that_it_needs(
    desk: Desk, lewi: Server, future: str
) -> None:
    before = lewi.sha256("/etc/telegraf/telegraf.conf")
    desk.configure("lewi", collect=["system", future])

    pushed = desk.push("lewi")

    assert pushed.outcomes == {"lewi": "refused"}, pushed
    assert pushed.why("lewi").startswith("the collector future needs Telegraf 99.1.0 or newer, and lewi has 1.")
    assert pushed.next("lewi").startswith("upgrade the package telegraf on lewi, or remove the collector")
    assert lewi.sha256("/etc/telegraf/telegraf.conf") == before
