"""Agents move from http to https without a lost point, and know the edge by the site's own authority alone."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aresmon.site import ca, folder, tls_migration
from tests import certificates
from tests.engine.agents import counted, counting
from tests.engine.conftest import MakeSite
from tests.engine.door import basic, by_tls, knock
from tests.engine.sites import Result, Site, eventually, site_in

HOSTS = {"box": {"agent": "systemd"}, "lewi": {"agent": "systemd"}}
WRITE = "/write?db=telegraf"


def edge(site: Site, scheme: str, **more: Any) -> dict[str, Any]:
    return {"agents": site.agents, "grafana": site.grafana, "url": f"{scheme}://{site.agents}", **more}


def trusted(site: Site) -> Path:
    """What pushes bring to hosts."""
    return site.bundle / "agents" / "box" / "aresmon-ca.pem"


def problems(site: Site) -> list[str]:
    return [one["what"] for one in json.loads(site.run("status", "--json").out)["problems"]]


def come_in(site: Site, name: str, more: int = 3) -> None:
    """Wait until so many more points of this agent are there."""
    before = len(counted(site, name))
    assert eventually(lambda: len(counted(site, name)) >= before + more, every=0.3), (name, before)


@dataclass(frozen=True)
class Moved:
    """A site that has moved, and what was seen on its way. `clear` and `tls` are what its two agents counted up to
    the moment at which the port was closed to the first."""

    site: Site
    both: Result
    both_again: Result
    problems: list[str]
    problems_closed: list[str]
    closed: Result
    clear: list[int]
    tls: list[int]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    with site_in(tmp_path_factory.mktemp("moved"), hosts=HOSTS) as site:
        site.configure(edge=edge(site, "http"))
        site.up()
        with counting(site, "lewi", "clear"):
            come_in(site, "clear")
            site.configure(edge=edge(site, "https", tls="site"))
            both, both_again = site.up(), site.up()
            come_in(site, "clear")
            behind = problems(site)
            with counting(site, "lewi", "tls", trusted=trusted(site).read_text()):
                come_in(site, "tls")
                assert site.run("authority", "close", "--yes").code == 0
                unclosed = problems(site)
                clear = counted(site, "clear")
                closed = site.up()
                come_in(site, "tls")
                tls = counted(site, "tls")
                clear = counted(site, "clear")
                come_in(site, "tls", 5)
                assert len(counted(site, "clear")) <= len(clear) + 1, "it is refused since"
        yield Moved(site, both, both_again, behind, unclosed, closed, clear, tls)


@pytest.fixture
def site(moved: Moved) -> Site:
    """A site that takes TLS and nothing else."""
    return moved.site


def test_agents_move_to_https_one_after_the_other_and_no_point_is_lost(moved: Moved) -> None:
    assert moved.both.steps == [("recreate", "edge")]
    assert moved.both_again.steps == []
    assert moved.closed.steps == [("recreate", "edge")]
    assert moved.clear == list(range(len(moved.clear)))
    assert moved.tls == list(range(len(moved.tls)))
    assert min(len(moved.clear), len(moved.tls)) > 5


def test_who_still_writes_in_the_clear_is_told_and_then_that_nobody_needs_it(moved: Moved) -> None:
    behind = ["box may still write unencrypted", "lewi may still write unencrypted"]
    assert [one for one in moved.problems if "unencrypted" in one] == behind
    assert "the agents' port still accepts unencrypted data" in moved.problems_closed
    assert [one for one in problems(moved.site) if "unencrypted" in one] == []


def test_in_the_clear_nothing_is_answered_any_more(site: Site) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        knock(site.agents, "GET", "/ping", body=b"")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_1_2_with_forward_secrecy_or_newer(site: Site, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(trusted(site)))
    context.minimum_version = context.maximum_version = version

    assert "GCM" in cipher(site, context)


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, "DEFAULT@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_what_is_older_is_refused(site: Site, version: ssl.TLSVersion, ciphers: str) -> None:
    context = ssl.create_default_context(cafile=str(trusted(site)))
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)

    with pytest.raises(ssl.SSLError, match="ALERT"):
        cipher(site, context)


def cipher(site: Site, context: ssl.SSLContext) -> str:
    import socket

    host, _, port = site.agents.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        return str(connection.cipher())


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", WRITE, 204),
        ("GET", "/ping", 204),
        ("GET", "/query?q=SHOW+DATABASES", 403),
        ("POST", "/%77rite?db=telegraf", 403),
        ("POST", "/write/../query?db=telegraf&q=DROP+DATABASE+telegraf", 403),
        ("POST", "/write?db=telegraf&rp=1h", 403),
        ("POST", "/write?db=_internal", 403),
        ("GET", WRITE, 405),
        ("GET", "/debug/vars", 403),
    ],
)
def test_the_edge_judges_by_tls_as_in_the_clear(site: Site, method: str, target: str, status: int) -> None:
    own = basic("agent-box", site.secret("agent-box"))
    body = b"" if method == "GET" else b"knock value=1i"

    def answer(*authorization: str) -> int:
        return knock(by_tls(site.agents, trusted(site)), method, target, body=body, authorization=authorization).status

    assert answer(own) == status
    assert answer() == (status if status > 400 else 401)


@pytest.mark.parametrize(
    ("is_foreign", "name", "said"),
    [
        (True, "", "certificate signed by unknown authority"),
        (False, "other.example.org", "certificate is valid for box, localhost, not other.example.org"),
    ],
)
def test_an_agent_tells_its_password_to_no_other_edge(
    site: Site, tmp_path: Path, is_foreign: bool, name: str, said: str
) -> None:
    ca.ensure(tmp_path, ["box"], datetime.now(UTC))
    known = ca.trusted_certificates(tmp_path) if is_foreign else trusted(site).read_text()

    with counting(site, "lewi", "refused", trusted=known, once=True, ARESMON_EDGE=name) as agent:
        agent.wait(timeout=60)
        told = agent.logs().decode()

    assert said in told
    assert counted(site, "refused") == []


def test_the_keys_are_the_owner_s_and_the_edge_s_and_in_no_bundle(site: Site) -> None:
    keys = {
        path.read_bytes().partition(b"PRIVATE KEY-----\n")[2].splitlines()[0]
        for path in (site.state / "authority").glob("*.pem")
    }
    theirs = [*(site.state / "authority").glob("*.pem"), site.state / "tls" / "agents.pem"]

    assert {path.stat().st_mode & 0o777 for path in theirs} == {0o600}
    others = [path for path in site.state.rglob("*") if path.is_file() and path not in theirs]
    assert [path for path in others if any(key in path.read_bytes() for key in keys)] == []


def test_a_renewed_certificate_is_taken_in_and_no_point_is_lost(site: Site) -> None:
    facts = site.state / "authority" / "edge.json"
    known = json.loads(facts.read_text())
    before = presented(site)
    with counting(site, "lewi", "renewed", trusted=trusted(site).read_text()):
        come_in(site, "renewed")
        facts.write_text(json.dumps({**known, "begins": time.time() - 300 * 86400, "ends": time.time() + 65 * 86400}))
        planned = site.run("up", "--dry-run")
        result = site.up()
        come_in(site, "renewed")
        found = counted(site, "renewed")

    assert planned.steps == result.steps == [("recreate", "edge")]
    assert presented(site) != before
    assert found == list(range(len(found)))
    assert site.up().steps == []


def test_another_authority_follows_and_at_no_time_is_an_agent_that_was_pushed_to_cut_off(
    site: Site, tmp_path: Path
) -> None:
    former = Path(shutil.copy(trusted(site), tmp_path / "former.pem"))
    assert site.run("authority", "rotate").code == 0
    assert site.up().steps == []
    waiting = site.run("authority", "rotate")
    both = Path(shutil.copy(trusted(site), tmp_path / "both.pem"))
    for host in HOSTS:  # what a proven push notes
        tls_migration.record_tls(folder.Site(site.folder), host, trusted(site).read_bytes())
    assert reached(site, both)

    assert site.run("authority", "rotate").code == 0
    assert site.up().steps == [("recreate", "edge")]

    assert (waiting.code, "is not installed yet on box, lewi" in waiting.err) == (1, True), waiting
    assert reached(site, both)
    assert reached(site, trusted(site))
    assert not reached(site, former)


def presented(site: Site) -> str:
    host, _, port = site.agents.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


def reached(site: Site, known: Path) -> bool:
    try:
        return knock(by_tls(site.agents, known), "GET", "/ping", body=b"").status == 401
    except ssl.SSLCertVerificationError:
        return False


def test_with_a_certificate_that_hosts_know_already_the_server_s_own_agent_comes_by_its_name(
    make_site: MakeSite,
) -> None:
    made = make_site(hosts={"box": {"collect": ["system"]}})
    certificates.write(made.folder, name="biere.example.org")
    made.override(
        "compose.yml",
        "services: {telegraf: {volumes: ['"
        f"{made.folder}/certificate.pem:/etc/ssl/certs/ca-certificates.crt:ro']}}}}\n",
    )
    pair = {"certificate": "certificate.pem", "key": "key.pem"}
    made.configure(edge=edge(made, "https", tls=pair) | {"url": "https://biere.example.org:8086"})

    made.up()

    assert not (made.bundle / "agents" / "box" / "aresmon-ca.pem").exists()
    assert " tls user=agent-box POST /write 204 " in made.containers()["edge"].logs().decode()
