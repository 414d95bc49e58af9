"""Whatever a guest asks of InfluxDB: it goes on running, keeps what agents write, and answers the next question."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.door import basic, knock
from tests.engine.sender import Sender, sending
from tests.engine.sites import Site, eventually, site_in
from tests.engine.test_queries import FORM, door

HOSTS, DAYS, WIDE, SERIES = 30, 3, 60, 60_000
_LONG_FILL = "SELECT mean(idle) AS m FROM cpu WHERE time > now()-200d GROUP BY time(1s) fill(0)"
SHAPES = {
    "a long fill": _LONG_FILL,
    "as many intervals as there may be": "SELECT mean(idle) FROM cpu WHERE time > now()-99999s"
    " GROUP BY time(1s), * fill(0)",
    "every measurement": "SELECT * FROM /.*/",
    "every measurement by name": f"SELECT * FROM {','.join(f'wide{one}' for one in range(WIDE))}",
    "the mean of every field": "SELECT mean(/.*/) FROM /wide.*/ GROUP BY time(1s), *",
    "every point": "SELECT * FROM cpu",
    "every point by series": "SELECT * FROM cpu GROUP BY *",
    "one field many times": f"SELECT {','.join(['idle'] * 2000)} FROM cpu",
    "many statements": ";".join(["SELECT * FROM cpu"] * 200),
    "a median": "SELECT median(idle) FROM cpu",
    "a mode by series": "SELECT mode(idle) FROM cpu GROUP BY *",
    "the distinct values": "SELECT distinct(idle) FROM cpu",
    "the top of all": "SELECT top(idle, 1000000) FROM cpu",
    "a sample of all": "SELECT sample(idle, 1000000) FROM cpu",
    "a running sum": "SELECT cumulative_sum(idle) FROM cpu",
    "a forecast": "SELECT holt_winters(first(idle), 100000, 4) FROM cpu GROUP BY time(10s)",
    "a long fill within": f"SELECT median(m) FROM ({_LONG_FILL})",
    "rows of a long fill within": f"SELECT m FROM ({_LONG_FILL})",
    "a huge limit": "SELECT * FROM /wide.*/ LIMIT 1000000000",
    "every series": "SELECT last(v) FROM many GROUP BY *",
    "a huge limit of series": "SELECT * FROM many GROUP BY * SLIMIT 1000000000",
    "the list of series": "SHOW SERIES",
    "the values of every tag": "SHOW TAG VALUES WITH KEY =~ /.*/",
    "the count of series": "SHOW SERIES EXACT CARDINALITY",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose InfluxDB may take little memory, with enough points in it to fill that by most of the shapes."""
    memory = {"influxdb": "512m"}
    with site_in(tmp_path_factory.mktemp("limits"), hosts={"x": {}, "biere": {}}, server="x", memory=memory) as site:
        site.up()
        now = int(time.time())
        for host in range(HOSTS):
            for day in range(DAYS):
                site.write(
                    "\n".join(
                        f"cpu,host=h{host} idle={number % 997 / 7:.3f} {(now - number) * 10**9}"
                        for number in range(day * 86400, (day + 1) * 86400, 10)
                    )
                )
        for one in range(WIDE):
            fields = ",".join(f"f{one}_{field}={field}.5" for field in range(10))
            site.write(
                "\n".join(
                    f"wide{one},host=h{number % 5},a{one}=a {fields} {(now - number) * 10**9}" for number in range(1800)
                )
            )
        for part in range(0, SERIES, 20_000):
            site.write("\n".join(f"many,id=i{number} v=1i {now * 10**9}" for number in range(part, part + 20_000)))
        yield site


@pytest.fixture(scope="module")
def agent(loaded: Site) -> Iterator[Sender]:
    with sending(loaded, "biere") as sender:
        yield sender


def ask(site: Site, statement: str) -> str:
    """The answer's end, as Grafana gets it; or how it broke off."""
    form = urllib.parse.urlencode({"db": "telegraf", "q": statement, "epoch": "ms"})
    authorization = [basic("grafana", site.secret("influxdb-grafana"))]
    try:
        answer = knock(door(site), "POST", "/query", body=form.encode(), authorization=authorization, headers=[FORM])
    except (OSError, http.client.HTTPException) as error:  # the connection was closed, maybe within the answer
        return type(error).__name__
    return f"{answer.status} {answer.body[-200:]}"


def check_goes_on(site: Site, agent: Sender, before: tuple[str, int, str]) -> None:
    """That InfluxDB is the process it was, answers at once, and has every point."""
    assert life(site) == before
    assert eventually(lambda: '"values"' in ask(site, 'SELECT last("metrics_gathered") FROM internal_agent'), within=20)
    sent = agent.made
    assert eventually(lambda: agent.made - len(agent.waiting) > sent, within=20), "the agent's points are not taken"
    assert agent.missing() == set()


def life(site: Site) -> tuple[str, int, str]:
    """What changes when InfluxDB's container is started again."""
    container = site.containers()["influxdb"]
    state = container.attrs["State"]
    return str(container.id), int(container.attrs["RestartCount"]), state["StartedAt"]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_single_query_ends_influxdb(loaded: Site, agent: Sender, shape: str) -> None:
    before = life(loaded)

    ask(loaded, SHAPES[shape])

    check_goes_on(loaded, agent, before)


def test_fifty_at_once_do_not_either(loaded: Site, agent: Sender) -> None:
    before = life(loaded)
    statements = [*SHAPES.values(), *SHAPES.values(), *SHAPES.values()][:50]

    with ThreadPoolExecutor(len(statements)) as pool:
        list(pool.map(lambda one: ask(loaded, one), statements))

    check_goes_on(loaded, agent, before)


def test_too_many_intervals_are_refused_with_the_limit(loaded: Site) -> None:
    assert "max-select-buckets limit exceeded" in ask(loaded, SHAPES["a long fill"])
