"""A push brings its host from http to https, with what it knows the edge by, and takes that back with the rest."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aresmon.site import ca
from tests.engine.sites import Site, site_in
from tests.fleet.conftest import HOSTS
from tests.fleet.desk import OTHER, QUICK, Desk, output
from tests.fleet.pushes import ELSEWHERE, met
from tests.fleet.servers import Server, joined
from tests.fleet.standing import kept

KNOWN = "/etc/telegraf/aresmon-ca.pem"


@pytest.fixture(scope="module")
def _running_site(tmp_path_factory: pytest.TempPathFactory, fleet: dict[str, Server]) -> Iterator[Site]:
    """A site whose hosts wrote in the clear, and whose edge takes both since."""
    with site_in(tmp_path_factory.mktemp("fleet"), hosts=HOSTS) as made:
        edge = {"agents": made.agents, "grafana": made.grafana}
        made.configure(edge={**edge, "url": "http://edge:8086"})
        made.up()
        made.configure(edge={**edge, "url": "https://edge:8086", "tls": "site"})
        made.up()
        with joined(made, fleet.values()):
            yield made


def in_clear(site: Site) -> set[str]:
    return set(json.loads(site.run("authority", "show", "--json").out)["in_clear"])


def trusted(site: Site) -> Path:
    return site.bundle / "agents" / "box" / "aresmon-ca.pem"


def url(server: Server) -> str:
    (line,) = [line for line in server.read("/etc/default/telegraf").splitlines() if line.startswith("ARESMON_URL=")]
    return line.partition("=")[2]


def test_a_host_that_wrote_in_the_clear_writes_by_tls_once_its_push_is_proven(desk: Desk, lewi: Server) -> None:
    desk.by_hand(lewi)
    assert in_clear(desk.site) == set(HOSTS)
    desk.own(lewi, text=QUICK)

    pushed = desk.push("lewi", "--overwrite")

    assert pushed.outcomes == {"lewi": "verified"}, pushed
    assert lewi.read(KNOWN) == trusted(desk.site).read_text()
    assert lewi.run(f"stat -c '%a %U:%G' {KNOWN}").split() == ["644", "root:root"]
    assert url(lewi) == "https://edge:8086"
    assert in_clear(desk.site) == set(HOSTS) - {"lewi"}
    assert " tls user=agent-lewi POST /write 204 " in desk.site.containers()["edge"].logs(tail=5).decode()
    assert desk.push("lewi").outcomes == {"lewi": "unchanged"}


def test_a_push_that_is_rolled_back_restores_the_authority_too(desk: Desk, lewi: Server) -> None:
    before = desk.by_hand(lewi)
    desk.own(lewi, text=ELSEWHERE)

    pushed = desk.push("lewi", "--deadline", "5", "--overwrite")

    assert pushed.outcomes == {"lewi": "rolled back"}, pushed
    assert kept(desk.site, before) == "restored"
    assert lewi.attempt(f"test -e {KNOWN}").code == 1


@pytest.mark.parametrize("state", ["stage", "switch", "restart"])
def test_a_killed_controller_leaves_an_authority_nowhere_that_it_was_not(desk: Desk, lewi: Server, state: str) -> None:
    before = desk.by_hand(lewi)

    with met(desk, [before], [state]) as push:
        push.send(signal.SIGKILL)
        push.ended()

    assert desk.kept(before) in ({"lewi": "restored"}, {"lewi": "untouched"})
    assert lewi.attempt(f"test -e {KNOWN}").code == 1
    assert lewi.run("find /etc/telegraf -name '.*.aresmon'") == ""


def test_an_agent_that_would_trust_another_authority_is_not_left_without_an_edge(
    desk: Desk, lewi: Server, tmp_path: Path
) -> None:
    (before,) = desk.verified(lewi)
    own = trusted(desk.site).read_bytes()
    ca.ensure(tmp_path, ["edge"], datetime.now(UTC))
    trusted(desk.site).write_text(ca.trusted_certificates(tmp_path))
    try:
        desk.own(lewi, text=OTHER)
        pushed = desk.push("lewi", "--deadline", "5")
    finally:
        trusted(desk.site).write_bytes(own)

    assert pushed.outcomes == {"lewi": "rolled back"}, pushed
    assert "x509: certificate signed by unknown authority" in pushed.why("lewi")
    assert desk.kept(before) == {"lewi": "restored"}
    assert lewi.read(KNOWN) == own.decode()


def test_an_output_of_one_s_own_that_stays_in_the_clear_is_told_and_keeps_the_port_open(
    desk: Desk, lewi: Server
) -> None:
    desk.by_hand(lewi)
    before = in_clear(desk.site) | {"lewi"}
    (desk.site.state / "authority" / "hosts-in-clear").write_text("".join(f"{name}\n" for name in sorted(before)))
    desk.own(lewi, text=QUICK + output("lewi"))

    pushed = desk.run("push-config", "lewi", "--overwrite")

    assert pushed.code == 0, pushed
    assert "it writes to http://edge:8086 unencrypted" in pushed.out + pushed.err
    assert "lewi" in in_clear(desk.site)
