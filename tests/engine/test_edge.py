"""The edge lets agents write and ask for a pong. Nothing else reaches InfluxDB, however it is spelt."""

from __future__ import annotations

import pytest

from tests.engine.door import POINT, Answer, basic, knock, raw
from tests.engine.sites import Site

WRITE = "/write?db=telegraf"

CLOSED = [
    *(
        "/",
        "/query",
        "/query?q=SHOW+DATABASES",
        "/health",
        "/metrics",
        "/debug/vars",
        "/debug/pprof/",
        "/debug/requests",
    ),
    *(
        "/api/v2/write?bucket=telegraf",
        "/api/v2/query",
        "/api/v2/delete",
        "/api/v1/prom/write?db=telegraf",
        "/replications",
    ),
    *(
        "//write?db=telegraf",
        "/write/?db=telegraf",
        "/%77rite?db=telegraf",
        "/write%2f?db=telegraf",
        "/./write?db=telegraf",
    ),
    *(
        "/write/../query?db=telegraf",
        "/ping/../query",
        "/WRITE?db=telegraf",
        "/write;x?db=telegraf",
        "/write%00?db=telegraf",
    ),
]
ODD_QUERIES = [
    *(
        "",
        "?",
        "?db=_internal",
        "?db=",
        "?DB=telegraf",
        "?db=telegraf2",
        "?db=telegraf&db=_internal",
        "?db=_internal&db=telegraf",
    ),
    *(
        "?db=telegraf&rp=1h",
        "?db=telegraf&%72p=1h",
        "?db=telegraf;rp=1h",
        "?db=telegraf&&rp=1h",
        "?db=telegraf&precision=s;rp=1h",
    ),
    *(
        "?db=telegraf&u=someone",
        "?db=telegraf&p=secret",
        "?db=telegraf&q=DROP+DATABASE+telegraf",
        "?db=telegraf%26rp=1h",
    ),
]


@pytest.fixture(scope="module")
def box(running: Site) -> str:
    """The credentials of the host `box`."""
    return basic("agent-box", running.secret("agent-box"))


def write(site: Site, authorization: str, body: bytes = POINT, target: str = WRITE) -> Answer:
    return knock(site.agents, "POST", target, body=body, authorization=[authorization])


def test_a_host_writes_with_its_own_credentials(running: Site, box: str) -> None:
    answer = write(running, box, b"arrival value=42i")

    assert (answer.status, answer.is_influxdb) == (204, True)
    assert [row["value"] for series in running.query('SELECT "value" FROM "arrival"') for row in series.rows] == [42]


@pytest.mark.parametrize(
    "target", [f"{WRITE}&precision=s", f"{WRITE}&consistency=any", "/write?precision=s&db=telegraf"]
)
def test_what_telegraf_adds_to_the_address_is_let_through(running: Site, box: str, target: str) -> None:
    assert write(running, box, target=target).status == 204


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping_asks_who_we_are(running: Site, box: str, method: str) -> None:
    assert knock(running.agents, method, "/ping", body=b"", authorization=[box]).status == 204
    assert knock(running.agents, method, "/ping", body=b"").status == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("target", CLOSED)
def test_no_other_address_reaches_influxdb(running: Site, box: str, method: str, target: str) -> None:
    answer = knock(running.agents, method, target, authorization=[box])

    assert answer.status in (400, 403)
    assert not answer.is_influxdb


@pytest.mark.parametrize("query", ODD_QUERIES)
def test_no_other_database_policy_or_password_in_the_address(running: Site, box: str, query: str) -> None:
    answer = knock(running.agents, "POST", f"/write{query}", authorization=[box])

    assert (answer.status, answer.is_influxdb) == (403, False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post"])
def test_write_takes_post_alone(running: Site, box: str, method: str) -> None:
    answer = knock(running.agents, method, WRITE, authorization=[box])

    assert answer.status in (400, 403, 405)
    assert not answer.is_influxdb


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_ping_takes_no_other_method(running: Site, box: str, method: str) -> None:
    answer = knock(running.agents, method, "/ping", authorization=[box])

    assert (answer.status, answer.is_influxdb) == (405, False)


def test_ping_takes_no_query(running: Site, box: str) -> None:
    assert knock(running.agents, "GET", "/ping?verbose=true", body=b"", authorization=[box]).status == 403


@pytest.mark.parametrize(
    "statement",
    [
        "DROP DATABASE telegraf",
        "DROP MEASUREMENT kept",
        'DELETE FROM "kept"',
        "DROP SERIES FROM kept",
        "CREATE DATABASE x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_statement_reaches_influxdb(running: Site, box: str, method: str, statement: str) -> None:
    write(running, box, b"kept value=7i")

    answer = knock(running.agents, method, f"/query?db=telegraf&q={statement.replace(' ', '%20')}", authorization=[box])

    assert (answer.status, answer.is_influxdb) == (403, False)
    assert running.query('SELECT "value" FROM "kept"') != []
    assert {row["name"] for one in running.query("SHOW DATABASES") for row in one.rows} <= {"telegraf", "_internal"}


def test_a_write_without_credentials_is_refused(running: Site) -> None:
    assert knock(running.agents, "POST", WRITE).status == 401


@pytest.mark.parametrize("user", ["agent-box", "aresmon", "grafana", "nobody"])
def test_a_wrong_password_is_refused(running: Site, user: str) -> None:
    assert write(running, basic(user, "not the password")).status == 401


def test_grafana_s_user_cannot_write(running: Site) -> None:
    answer = write(running, basic("grafana", running.secret("influxdb-grafana")))

    assert answer.status == 403


def test_a_huge_header_is_refused_and_the_edge_goes_on(running: Site, box: str) -> None:
    answer = knock(running.agents, "POST", WRITE, authorization=[box], headers=[("X-Long", "x" * 100_000)])

    assert answer.status in (400, 431)
    assert write(running, box).status == 204


def test_a_body_beyond_influxdb_s_limit_is_refused(running: Site, box: str) -> None:
    lines = b"flood value=1i\n" * 2_000_000  # 30 MB

    request = b"POST " + WRITE.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: " + box.encode()
    answer = raw(
        running.agents, request + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(lines) + lines[:1000]
    )

    assert b" 413 " in answer.partition(b"\r\n")[0]
    assert write(running, box).status == 204


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
    ],
)
def test_no_request_is_smuggled_behind_another(running: Site, box: str, framing: bytes) -> None:
    inner = (
        b"POST /query?q=CREATE%20DATABASE%20smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: "
        + box.encode()
        + b"\r\n\r\n"
    )
    head = b"POST " + WRITE.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: " + box.encode() + b"\r\n"

    answer = raw(running.agents, head + framing + b"\r\n0\r\n\r\n" + inner)

    # Whatever the edge makes of the first, it judges the second by itself: neither runs at InfluxDB.
    assert answer.count(b"X-Influxdb-Version") <= 1
    assert b'"results"' not in answer
    assert "smuggled" not in {row["name"] for one in running.query("SHOW DATABASES") for row in one.rows}


def test_an_absolute_address_is_judged_by_its_path(running: Site, box: str) -> None:
    refused = raw(
        running.agents,
        b"GET http://influxdb:8086/query?q=SHOW+USERS HTTP/1.0\r\nAuthorization: " + box.encode() + b"\r\n\r\n",
    )

    assert b" 403 " in refused.partition(b"\r\n")[0]


def test_a_host_can_name_another_host_and_the_log_tells_who_did(running: Site, box: str) -> None:
    """InfluxDB 1.x has no rights below a database: that is a limit of it. What is promised is the trace."""
    answer = write(running, box, b"forged,host=other value=1i")

    assert answer.status == 204
    assert [one.tags["host"] for one in running.query('SELECT * FROM "forged" GROUP BY "host"')] == ["other"]
    assert "user=agent-box POST /write" in last_line(running)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(lambda own, other: [own, other], id="a second header"),
        pytest.param(lambda own, other: [other, own], id="a first header"),
        pytest.param(lambda own, other: [f"{own}, {other}"], id="one header with both"),
    ],
)
def test_the_log_cannot_be_made_to_name_somebody_else(running: Site, box: str, others: object) -> None:
    assert callable(others)
    values = others(box, basic("agent-other", "unknown to the sender"))

    answer = knock(running.agents, "POST", WRITE, authorization=values)

    assert answer.status in (400, 401, 403), "a write whose author the log does not tell"


def test_a_token_is_no_way_around_the_log(running: Site) -> None:
    token = f"Token agent-box:{running.secret('agent-box')}"

    assert write(running, token).status in (400, 401, 403) or "user=agent-box" in last_line(running)


def test_the_edge_says_that_grafana_does_not_run(running: Site) -> None:
    answer = knock(running.grafana, "GET", "/", body=b"")

    assert answer.status in ((200, 302) if "grafana" in running.containers() else (503,))


def last_line(site: Site) -> str:
    """What the edge logged of the last request."""
    lines = site.containers()["edge"].logs(tail=1).decode().splitlines()
    assert isinstance(lines[-1], str)
    return str(lines[-1])
