"""How much people may ask of InfluxDB through Grafana in one request, and how many requests are served at once."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from docker.models.containers import Container

from aresmon.system.errors import ExitCode
from tests.engine import echo
from tests.engine.door import Answer, knock, raw
from tests.engine.sites import Site, site_in

QUERY = "/api/ds/query"
PATHS = [
    QUERY,
    "/API/DS/Query/",
    "/apis/query.grafana.app/v0alpha1/namespaces/default/query",
    "/api/v1/eval",
    "/api/v1/rule/test/grafana",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"grafana": {"behind": ["127.0.0.1"]}, "images": {"grafana": "aresmon-test/no-grafana:0"}}
    with site_in(tmp_path_factory.mktemp("door"), hosts={"box": {"agent": "systemd"}}, **settings) as made:
        result = made.run("up")
        assert result.code == ExitCode.DEGRADED, result
        yield made


@pytest.fixture(scope="module")
def behind(site: Site) -> Iterator[Container]:
    with echo.behind(site) as container:
        yield container


@pytest.fixture(autouse=True)
def _behind(behind: Container) -> None:
    """The echo in Grafana's place."""


def body(queries: int, *, statement: str = "SELECT 1") -> bytes:
    """A request of a panel with so many queries."""
    one = {"refId": "A", "datasource": {"type": "influxdb", "uid": "aresmon"}, "rawQuery": True, "query": statement}
    return json.dumps({"queries": [one] * queries, "from": "now-1h", "to": "now"}).encode()


def ask(site: Site, content: bytes, path: str = QUERY, *, who: str = "198.18.9.1", slow: bool = False) -> Answer:
    headers = [("Content-Type", "application/json"), ("X-Forwarded-For", who), *([("X-Slow", "yes")] if slow else [])]
    return knock(site.grafana, "POST", path, body=content, headers=headers)


@pytest.mark.parametrize("path", PATHS)
def test_a_panel_s_queries_reach_grafana(site: Site, path: str) -> None:
    assert "x-echo" in ask(site, body(26), path).headers
    assert "x-echo" in ask(site, body(1, statement="SELECT " + "x" * 23_500), path).headers


@pytest.mark.parametrize("path", PATHS)
def test_more_queries_than_a_panel_has_are_refused(site: Site, path: str) -> None:
    answer = ask(site, body(27), path)

    assert (answer.status, "x-echo" in answer.headers) == (413, False)
    assert "26 queries" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("path", PATHS)
def test_longer_requests_than_the_edge_reads_are_refused(site: Site, path: str) -> None:
    assert ask(site, body(1, statement="SELECT " + "x" * 24_000), path).status == 413
    assert ask(site, body(1, statement="SELECT " + "x" * 90_000), path).status == 413


def test_queries_that_hide_their_data_source_are_refused(site: Site) -> None:
    hidden = body(40).replace(b'"datasource"', b'"\\u0064atasource"')

    answer = ask(site, hidden)

    assert (answer.status, "x-echo" in answer.headers) == (400, False)


def test_a_request_without_a_length_is_refused(site: Site) -> None:
    content = body(1)
    chunk = f"{len(content):x}".encode() + b"\r\n" + content + b"\r\n0\r\n\r\n"
    head = f"POST {QUERY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()

    assert b" 411 " in raw(site.grafana, head + chunk).partition(b"\r\n")[0]


@pytest.mark.parametrize(("queries", "most"), [(1, 3), (9, 3), (10, 1), (26, 1)])
def test_few_are_served_at_once_and_the_rest_waits(site: Site, behind: Container, queries: int, most: int) -> None:
    before = len(echo.slow_requests(behind))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(site, body(queries), slow=True).status, range(16)))

    assert answers == [200] * 16
    assert max(count for count, _ in echo.slow_requests(behind)[before:]) == most
    assert "x-echo" in knock(site.grafana, "GET", "/api/folders", body=b"").headers


def test_who_asks_little_comes_before_who_asks_much(site: Site, behind: Container) -> None:
    before = len(echo.slow_requests(behind))

    with ExitStack() as open_ones:
        waiting = [open_ones.enter_context(closing(begin(site, "198.18.9.2"))) for _ in range(30)]
        waiting.append(open_ones.enter_context(closing(begin(site, "198.18.9.3"))))
        assert [one.getresponse().status for one in waiting] == [200] * 31

    order = [who for _, who in echo.slow_requests(behind)[before:]]
    assert order.index("198.18.9.3") < 20, order


def begin(site: Site, who: str) -> http.client.HTTPConnection:
    """Send a slow request, and wait for nothing."""
    connection = http.client.HTTPConnection(site.grafana, timeout=60)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": who, "X-Slow": "yes"}
    connection.request("POST", QUERY, body(1), headers)
    return connection
