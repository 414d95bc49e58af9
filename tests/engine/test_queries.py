"""What Grafana's data source may do in InfluxDB: look, and nothing else, however it is asked."""

from __future__ import annotations

import json
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.engine.door import Answer, basic, knock
from tests.engine.sites import Site

ALLOWED = [
    'SELECT "value" FROM "seen"',
    "SHOW MEASUREMENTS",
    "SHOW TAG KEYS",
    "SHOW FIELD KEYS",
    "SHOW RETENTION POLICIES",
]
REFUSED = [
    *(
        "DROP DATABASE telegraf",
        "DROP MEASUREMENT seen",
        'DELETE FROM "seen"',
        'DROP SERIES FROM "seen"',
        "DROP SHARD 1",
    ),
    *("CREATE DATABASE x", "CREATE USER x WITH PASSWORD 'x' WITH ALL PRIVILEGES", "DROP USER grafana", "KILL QUERY 1"),
    *('ALTER RETENTION POLICY "autogen" ON "telegraf" DURATION 1h', 'DROP RETENTION POLICY "autogen" ON "telegraf"'),
    *("GRANT ALL PRIVILEGES TO grafana", "SET PASSWORD FOR grafana = 'x'", 'SELECT * INTO "copy" FROM "seen"'),
    *(
        "SHOW USERS",
        "SHOW GRANTS FOR aresmon",
        "CREATE RETENTION POLICY p ON telegraf DURATION 1d REPLICATION 1",
        "DROP CONTINUOUS QUERY q ON telegraf",
        "CREATE SUBSCRIPTION s ON telegraf.autogen DESTINATIONS ALL 'http://203.0.113.1'",
        "SHOW SUBSCRIPTIONS",
        "SHOW DIAGNOSTICS",
        "SHOW STATS",
    ),
]


FORM = ("Content-Type", "application/x-www-form-urlencoded")


def request(site: Site, method: str, target: str, body: str = "", *headers: tuple[str, str]) -> Answer:
    """Ask InfluxDB as the data source, from where Grafana stands."""
    networks = site.containers()["edge"].attrs["NetworkSettings"]["Networks"]
    address = f"{networks[f'{site.name}_inside']['IPAddress']}:8087"
    authorization = [basic("grafana", site.secret("influxdb-grafana"))]
    return knock(address, method, target, body=body.encode(), authorization=authorization, headers=headers)


def query(site: Site, statement: str) -> Any:
    """What InfluxDB answers to the data source."""
    form = urllib.parse.urlencode({"db": "telegraf", "q": statement})
    return json.loads(request(site, "POST", "/query", form, FORM).body)


@pytest.fixture
def seen(running: Site) -> Site:
    running.write("seen value=1i")
    return running


@pytest.mark.parametrize("statement", ALLOWED)
def test_the_data_source_may_look(seen: Site, statement: str) -> None:
    answer = query(seen, statement)

    assert "error" not in answer["results"][0], answer


@pytest.mark.parametrize("statement", REFUSED)
def test_the_data_source_may_change_nothing(seen: Site, statement: str) -> None:
    users, databases = seen.users(), seen.query("SHOW DATABASES")

    answer = query(seen, statement)

    refusal = answer.get("error") or answer["results"][0].get("error", "")
    assert "requires" in refusal or "not authorized" in refusal or "forbidden" in refusal, answer
    assert (seen.users(), seen.query("SHOW DATABASES")) == (users, databases)
    assert seen.query('SELECT "value" FROM "seen"') != []
    assert seen.query('SELECT * FROM "copy"') == []


CONTINUOUS = "CREATE CONTINUOUS QUERY q ON telegraf BEGIN SELECT mean(value) INTO copy FROM seen GROUP BY time(1m) END"
_QUOTED = urllib.parse.quote(CONTINUOUS)
_EVERY = "".join(f"%{ord(letter):02x}" for letter in CONTINUOUS)
WAYS = {
    "lower case": ("POST", "/query", f"q={_QUOTED.lower()}", FORM),
    "comments": ("POST", "/query", f"q={_QUOTED.replace('CREATE%20', 'CREATE/**/').replace('S%20Q', 'S/*x*/Q')}", FORM),
    "a comment and a new line": ("POST", "/query", f"q={_QUOTED.replace('CREATE%20', 'CREATE--x%0A')}", FORM),
    "pluses": ("POST", "/query", f"q={CONTINUOUS.replace(' ', '+')}", FORM),
    "percents": ("POST", "/query", f"q={_EVERY}", FORM),
    "a second statement": ("POST", "/query", f"q=SHOW%20MEASUREMENTS%3B{_QUOTED}", FORM),
    "a long way down": ("POST", "/query", f"q={'%20' * 7900}{_QUOTED}", FORM),
    "a longer way down": ("POST", "/query", f"q={'+' * 40000}{_QUOTED}", FORM),
    "the address": ("POST", f"/query?db=telegraf&q={_QUOTED}", "", FORM),
    "the address in percents": ("POST", f"/query?db=telegraf&q={_EVERY}", "", FORM),
    "GET": ("GET", f"/query?db=telegraf&q={_QUOTED}", "", ("X-Nothing", "")),
    "a form of parts": (
        "POST",
        "/query",
        f'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n{CONTINUOUS}\r\n--x--\r\n',
        ("Content-Type", "multipart/form-data; boundary=x"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_asking_makes_a_continuous_query(seen: Site, way: str) -> None:
    """InfluxDB itself would allow it to who may read."""
    method, target, body, header = WAYS[way]

    answer = request(seen, method, target, body, header)

    assert (answer.status in (400, 403, 413), answer.is_influxdb) == (True, False), answer
    made = seen.query("SHOW CONTINUOUS QUERIES")
    assert "q" not in {row["name"] for series in made for row in series.rows if series.name == "telegraf"}


def test_a_request_that_comes_in_pieces_is_read_whole_or_refused(seen: Site) -> None:
    """Nothing that the edge did not see may follow behind what it let through."""
    body = f"q={_QUOTED}"

    answer = request(seen, "POST", "/query", body, FORM, ("Transfer-Encoding", "chunked"))

    assert (answer.status in (400, 403), answer.is_influxdb) == (True, False), answer


def test_a_long_query_is_answered(seen: Site) -> None:
    hosts = "|".join(f"host-{number:04}.example.org" for number in range(700))

    assert "error" not in query(seen, f'SELECT "value" FROM "seen" WHERE "host" =~ /^({hosts})$/')["results"][0]


def test_influxdb_has_the_limits_that_keep_a_query_from_taking_it_down(seen: Site) -> None:
    told = {series.name: series.rows for series in seen.query("SHOW DIAGNOSTICS")}

    (limits,) = told["config-coordinator"]
    assert (limits["query-timeout"], limits["max-concurrent-queries"], limits["max-select-series"]) == (
        "30s",
        32,
        100000,
    )


def test_a_query_over_too_many_series_is_refused(seen: Site) -> None:
    """InfluxDB's own limit, max-select-series."""
    for part in range(0, 100_001, 25_000):
        seen.write("\n".join(f"many,n={number} value=1i" for number in range(part, min(part + 25_000, 100_001))))

    answer = query(seen, 'SELECT * FROM "many" GROUP BY "n"')

    assert "max-select-series" in answer["results"][0]["error"]


def test_many_people_looking_at_once_wait_for_each_other_and_none_is_refused(seen: Site) -> None:
    begun = (int(time.time()) - 4000) * 10**9
    points = (f"crowd,of={number % 40} value={number}i {begun + number * 10**7}" for number in range(200_000))
    seen.write("\n".join(points))
    slow = f'SELECT percentile("value", 90) FROM "crowd" WHERE time >= {begun} GROUP BY time(10ms), "of" fill(none)'

    with ThreadPoolExecutor(64) as people:
        answers = list(people.map(lambda _: query(seen, f"{slow} LIMIT 1"), range(64)))

    assert [answer for answer in answers if "series" not in answer["results"][0]] == []
