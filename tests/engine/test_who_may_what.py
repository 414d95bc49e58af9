"""Every way that InfluxDB 1.x has, at both doors that lead to it, tried by everybody who could have a password.

The tables are the promise; a cell is the status that comes back, with `!` where InfluxDB itself gave it.
Source of the ways: InfluxDB 1.x, services/httpd/handler.go.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.door import POINT, basic, knock
from tests.engine.sites import Site, site_in

WHO = ("nobody", "guest", "agent", "other", "foreign", "reader", "admin")
"""`other` is another host's agent of this site, `foreign` an agent of the same name with another site's password."""

# The door of the agents, which may be open to a whole network.
AGENTS = """
                                      nobody guest agent other foreign reader admin
POST    /write?db=telegraf            401!   401!  204!  204!  401!    403!   204!
POST    /write?db=_internal           403    403   403   403   403     403    403
POST    /write?db=telegraf&rp=1h      403    403   403   403   403     403    403
GET     /write?db=telegraf            405    405   405   405   405     405    405
GET     /ping                         401!   401!  204!  204!  401!    204!   204!
HEAD    /ping                         401!   401!  204!  204!  401!    204!   204!
POST    /ping                         405    405   405   405   405     405    405
GET     /query?q=SHOW+DATABASES       403    403   403   403   403     403    403
POST    /query?q=SHOW+DATABASES       403    403   403   403   403     403    403
GET     /status                       403    403   403   403   403     403    403
GET     /health                       403    403   403   403   403     403    403
GET     /metrics                      403    403   403   403   403     403    403
GET     /debug/vars                   403    403   403   403   403     403    403
GET     /debug/pprof/profile          403    403   403   403   403     403    403
GET     /debug/requests               403    403   403   403   403     403    403
POST    /api/v2/write?bucket=telegraf 403    403   403   403   403     403    403
POST    /api/v2/query                 403    403   403   403   403     403    403
POST    /api/v2/delete?bucket=telegraf 403   403   403   403   403     403    403
GET     /api/v2/buckets               403    403   403   403   403     403    403
POST    /api/v1/prom/write?db=telegraf 403   403   403   403   403     403    403
POST    /api/v1/prom/read?db=telegraf 403    403   403   403   403     403    403
DELETE  /write?db=telegraf            405    405   405   405   405     405    405
"""

# Grafana's data source; inside the stack, yet every account on the server reaches it.
QUERIES = """
                                      nobody guest agent other foreign reader admin
GET     /query?db=telegraf&q=SHOW+MEASUREMENTS 403 403 403 403 403     200!   403
GET     /query?q=SHOW+USERS           403    403   403   403   403     403!   403
POST    /query?q=DROP+DATABASE+telegraf 403  403   403   403   403     403!   403
POST    /query?db=telegraf&q=DELETE+FROM+knock 403 403 403 403 403     403!   403
GET     /ping                         403    403   403   403   403     204!   403
POST    /write?db=telegraf            403    403   403   403   403     403    403
GET     /metrics                      403    403   403   403   403     403    403
GET     /debug/vars                   403    403   403   403   403     403    403
POST    /api/v2/query                 403    403   403   403   403     403    403
POST    /api/v2/delete?bucket=telegraf 403   403   403   403   403     403    403
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {"box": {"agent": "systemd"}, "other": {"agent": "systemd"}}
    with site_in(tmp_path_factory.mktemp("who"), hosts=hosts) as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def credentials(site: Site) -> dict[str, list[str]]:
    """The Authorization headers of each."""
    return {
        "nobody": [],
        "guest": [basic("guest", "guest")],
        "agent": [basic("agent-box", site.secret("agent-box"))],
        "other": [basic("agent-other", site.secret("agent-other"))],
        "foreign": [basic("agent-box", "a-password-of-another-site")],
        "reader": [basic("grafana", site.secret("influxdb-grafana"))],
        "admin": [basic("aresmon", site.secret("influxdb-admin"))],
    }


@pytest.fixture(scope="module")
def doors(site: Site) -> dict[str, str]:
    """The addresses of both."""
    networks = site.containers()["edge"].attrs["NetworkSettings"]["Networks"]
    return {"agents": site.agents, "queries": f"{networks[f'{site.name}_inside']['IPAddress']}:8087"}


def cells(table: str) -> Iterator[tuple[str, str, str, str]]:
    """Each cell of a table: method, target, who, and what comes back."""
    head, *rows = (line.split() for line in table.strip("\n").splitlines())
    assert tuple(head) == WHO
    for method, target, *expected in rows:
        for who, answer in zip(WHO, expected, strict=True):
            yield method, target, who, answer


@pytest.mark.parametrize(("door", "table"), [("agents", AGENTS), ("queries", QUERIES)], ids=["agents", "queries"])
def test_everybody_gets_what_the_table_says(
    site: Site, credentials: dict[str, list[str]], doors: dict[str, str], door: str, table: str
) -> None:
    wrong = []
    for method, target, who, expected in cells(table):
        body, headers = _sent(method, target)
        answer = knock(doors[door], method, target, body=body, authorization=credentials[who], headers=headers)
        found = f"{answer.status}{'!' if answer.is_influxdb else ''}"
        if found != expected:
            wrong.append((method, target, who, expected, found, answer.body[:80]))

    assert not wrong


def test_nothing_of_that_was_lost_or_made(site: Site) -> None:
    """After all of the above: the database is there, and so is what was written by those who may."""
    assert {row["name"] for one in site.query("SHOW DATABASES") for row in one.rows} >= {"telegraf"}
    assert site.query('SELECT count("value") FROM "knock"')[0].rows[0]["count"] >= 3


def _sent(method: str, target: str) -> tuple[bytes, list[tuple[str, str]]]:
    """The body and the headers of a request, as a client of that way would send them."""
    if method == "POST" and target.startswith("/query"):
        return b"", [("Content-Type", "application/x-www-form-urlencoded")]
    return (POINT if method == "POST" else b""), []
