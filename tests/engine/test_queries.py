"""What Grafana's data source may do in InfluxDB: look, and nothing else, however it is asked."""

from __future__ import annotations

import json
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.engine.door import Answer, basic, knock, raw
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
    authorization = [basic("grafana", site.secret("influxdb-grafana"))]
    return knock(door(site), method, target, body=body.encode(), authorization=authorization, headers=headers)


def door(site: Site) -> str:
    """Where Grafana reaches InfluxDB."""
    networks = site.containers()["edge"].attrs["NetworkSettings"]["Networks"]
    return f"{networks[f'{site.name}_inside']['IPAddress']}:8087"


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
_PLUSES = f"q={CONTINUOUS.replace(' ', '+')}"
_PARTS = ("Content-Type", "multipart/form-data; boundary=x")
_PART = f'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n{CONTINUOUS}\r\n--x--\r\n'
_ODD_PART = _PART.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n").replace(
    "CREATE CONTINUOUS", "C=52EATE C=4FNTINUOUS"
)
WAYS: dict[str, tuple[Any, ...]] = {
    "lower case": ("POST", "/query", f"q={_QUOTED.lower()}", FORM),
    "comments": ("POST", "/query", f"q={_QUOTED.replace('CREATE%20', 'CREATE/**/').replace('S%20Q', 'S/*x*/Q')}", FORM),
    "a comment and a new line": ("POST", "/query", f"q={_QUOTED.replace('CREATE%20', 'CREATE--x%0A')}", FORM),
    "pluses": ("POST", "/query", _PLUSES, FORM),
    "percents": ("POST", "/query", f"q={_EVERY}", FORM),
    "a second statement": ("POST", "/query", f"q=SHOW%20MEASUREMENTS%3B{_QUOTED}", FORM),
    "a long way down": ("POST", "/query", f"q={'%20' * 7900}{_QUOTED}", FORM),
    "a longer way down": ("POST", "/query", f"q={'+' * 40000}{_QUOTED}", FORM),
    "the address": ("POST", f"/query?db=telegraf&q={_QUOTED}", "", FORM),
    "the address in percents": ("POST", f"/query?db=telegraf&q={_EVERY}", "", FORM),
    "GET": ("GET", f"/query?db=telegraf&q={_QUOTED}", "", ("X-Nothing", "")),
    "a form of parts": ("POST", "/query", _PART, _PARTS),
    "two forms, the first of parts": ("POST", "/query", _ODD_PART, _PARTS, FORM),
    "two forms in one header": (
        *("POST", "/query", _PART),
        ("Content-Type", "application/x-www-form-urlencoded, multipart/form-data; boundary=x"),
    ),
    "percents that say nothing": ("POST", "/query", f"{_PLUSES}&x=%zz", FORM),
    "percents that say nothing before it": ("POST", "/query", f"x=%&{_PLUSES}", FORM),
    "a percent at the end": ("POST", "/query", f"{_PLUSES}&%", FORM),
    "a NUL before it": ("POST", "/query", f"x=\0&{_PLUSES}", FORM),
    "a NUL in percents before it": ("POST", "/query", f"x=%00&{_PLUSES}", FORM),
    "percents that say nothing in the address": ("GET", f"/query?{_PLUSES}&x=%zz", ""),
    "percents that say nothing in the address of an empty form": ("POST", f"/query?{_PLUSES}&x=%zz", "", FORM),
    "a NUL in percents in the address": ("GET", f"/query?x=%00&{_PLUSES}", ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_asking_makes_a_continuous_query(seen: Site, way: str) -> None:
    """InfluxDB itself would allow it to who may read."""
    answer = request(seen, *WAYS[way])

    assert (answer.status in (400, 403, 413), answer.is_influxdb) == (True, False), answer
    made = seen.query("SHOW CONTINUOUS QUERIES")
    assert "q" not in {row["name"] for series in made for row in series.rows if series.name == "telegraf"}


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "in pieces"])
def test_nothing_is_asked_by_the_body_of_a_request_that_reads(seen: Site, is_whole: bool) -> None:
    """InfluxDB takes a form of parts with any method."""
    size = f"Content-Length: {len(_ODD_PART)}" if is_whole else "Transfer-Encoding: chunked"
    body = _ODD_PART if is_whole else f"{len(_ODD_PART):x}\r\n{_ODD_PART}\r\n0\r\n\r\n"
    head = ["GET /query?db=telegraf HTTP/1.1", "Host: x", "Connection: close", size, ": ".join(_PARTS)]
    head.append(f"Authorization: {basic('grafana', seen.secret('influxdb-grafana'))}")

    answer = raw(door(seen), "\r\n".join([*head, "", body]).encode())  # in one piece, else the edge sees no body yet

    assert b" 400 " in answer.partition(b"\r\n")[0], answer
    assert b"X-Influxdb" not in answer


def test_a_request_that_comes_in_pieces_is_read_whole_or_refused(seen: Site) -> None:
    """Nothing that the edge did not see may follow behind what it let through."""
    body = f"q={_QUOTED}"

    answer = request(seen, "POST", "/query", body, FORM, ("Transfer-Encoding", "chunked"))

    assert (answer.status in (400, 403), answer.is_influxdb) == (True, False), answer


@pytest.mark.parametrize("kind", [FORM, (FORM[0], f"{FORM[1]}; charset=utf-8")], ids=["plain", "charset"])
def test_a_form_is_read_with_what_grafana_puts_into_the_address(seen: Site, kind: tuple[str, str]) -> None:
    statement = urllib.parse.urlencode({"q": 'SELECT "value" FROM "seen" WHERE "of" =~ /50% (é|\\x00)/'})

    answer = request(seen, "POST", "/query?db=telegraf&epoch=ms&rp=raw", statement, kind)

    assert (answer.status, answer.is_influxdb) == (200, True), answer


def test_what_is_asked_in_the_address_alone_is_answered(seen: Site) -> None:
    answer = request(seen, "GET", "/query?" + urllib.parse.urlencode({"db": "telegraf", "q": 'SELECT * FROM "seen"'}))

    assert (answer.status, '"seen"' in answer.body) == (200, True), answer


def test_a_long_query_is_answered(seen: Site) -> None:
    hosts = "|".join(f"host-{number:04}.example.org" for number in range(700))

    assert "error" not in query(seen, f'SELECT "value" FROM "seen" WHERE "host" =~ /^({hosts})$/')["results"][0]


def test_influxdb_has_the_limits_that_keep_a_query_from_taking_it_down(seen: Site) -> None:
    told = {series.name: series.rows for series in seen.query("SHOW DIAGNOSTICS")}

    (limits,) = told["config-coordinator"]
    assert (limits["query-timeout"], limits["max-concurrent-queries"], limits["max-select-series"]) == (
        "30s",
        32,
        51200,
    )


def test_a_query_over_too_many_series_is_refused(seen: Site) -> None:
    """InfluxDB's own limit, max-select-series."""
    for part in range(0, 52_000, 26_000):
        seen.write("\n".join(f"many,n={number} value=1i" for number in range(part, part + 26_000)))

    answer = query(seen, 'SELECT * FROM "many" GROUP BY "n"')

    assert "max-select-series" in answer["results"][0]["error"]


@pytest.mark.serial
def test_many_people_looking_at_once_wait_for_each_other_and_none_is_refused(seen: Site) -> None:
    begun = (int(time.time()) - 4000) * 10**9
    points = (f"crowd,of={number % 40} value={number}i {begun + number * 10**7}" for number in range(200_000))
    seen.write("\n".join(points))
    slow = f'SELECT percentile("value", 90) FROM "crowd" WHERE time >= {begun} GROUP BY time(50ms), "of" fill(none)'

    with ThreadPoolExecutor(64) as people:
        answers = list(people.map(lambda _: query(seen, f"{slow} LIMIT 1"), range(64)))

    assert [answer for answer in answers if "series" not in answer["results"][0]] == []
