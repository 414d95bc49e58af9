"""What `status` concludes from the engine's containers and from what arrived in InfluxDB."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from aresmon.agents.sources import Release, Releases
from aresmon.doctor.status import Status, read_status
from aresmon.influxdb import capacity, service
from aresmon.influxdb.capacity import ShardSize
from aresmon.influxdb.client import InfluxDB, InfluxDBError, InfluxDBUnreachableError, Series
from aresmon.render import telegraf
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import ExitCode
from tests.unit.conftest import FakeEngine, container
from tests.unit.shards import answers

NOW = 1_000_000_000.0
END = 999_999_970  # of the last whole minute whose points must have arrived
DISK = {"disk": (6, 60.0, 100.0), "internal": (6, 90.0, 200.0)}
"""The reads of an agent that watches disks: how often, by how much its count of metrics grew, and its first."""


@dataclass
class Sent:
    """What one host has sent."""

    newest: float = NOW - 8
    began: float = NOW - 299
    points: dict[str, int] = field(default_factory=lambda: {"disk": 12, "internal_agent": 6, "internal_gather": 12})
    reads: dict[str, tuple[int, float, float]] = field(default_factory=lambda: dict(DISK))
    refused: int = 0
    future: float = 0
    mark: str = ""
    failed: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    restarted: float = NOW - 60
    pushed: float = 0.0
    gave_before: set[str] = field(default_factory=lambda: {"disk"})
    rare: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    """Of inputs with long intervals: the first and last count of metrics, then of errors, and the number of counts."""


class FakeInfluxDB(InfluxDB):
    """Answers the questions of `status`; refuses any other."""

    hosts: dict[str, Sent]
    error: Exception | None
    shards: list[ShardSize]
    closed: frozenset[int] = frozenset()

    def query(self, *statements: str, database: str = "", within: float = 60.0) -> list[list[Series]]:
        if statements[-1] == "SHOW STATS FOR 'database'":
            return answers(self.shards, series=120)
        if statements == ("SHOW SHARDS", "SHOW STATS FOR 'shard'"):
            _, known, opened, _ = answers(self.shards)
            return [known, [one for one in opened if int(one.tags["id"]) not in self.closed]]
        if self.error is not None:
            raise self.error
        if "last_errors" in statements[0]:
            return [self.rare(statement) for statement in statements]
        if len(statements) == 1:
            marked = {name: sent.mark for name, sent in self.hosts.items() if sent.mark}
            return [[_series("aresmon_config", name, time=0, last=mark) for name, mark in marked.items()]]
        if len(statements) == 2 and "last" in statements[0]:
            raw, hourly = statements
            assert 'FROM "1h"."internal_gather"' in hourly
            return [
                [
                    _series("internal_gather", name, {"input": plugin}, time=0, last=100)
                    for name, sent in self.hosts.items()
                    for plugin in sorted(sent.gave_before)
                    if name in statement and plugin in statement
                ]
                for statement in (raw, hourly)
            ]
        assert (len(statements), database) == (8, "telegraf")
        return [
            [_series("internal_agent", name, time=sent.newest) for name, sent in self.hosts.items() if sent.newest],
            [_series("internal_agent", name, time=sent.future) for name, sent in self.hosts.items() if sent.future],
            [_series("internal_agent", name, time=sent.began) for name, sent in self.hosts.items() if sent.began],
            [
                _series(measurement, name, time=0, count_a=number, count_b=number // 2, count_c=None)
                for name, sent in self.hosts.items()
                for measurement, number in sent.points.items()
            ],
            [
                _series(
                    "internal_gather",
                    name,
                    {"input": plugin},
                    time=0,
                    count=times,
                    spread=spread,
                    first=first,
                    errors=sent.failed.get(plugin, 0),
                )
                for name, sent in self.hosts.items()
                for plugin, (times, spread, first) in sent.reads.items()
            ],
            [_series("internal_write", name, time=0, sum=sent.refused) for name, sent in self.hosts.items()],
            [
                Series("internal_agent", {"host": name}, ({"time": sent.restarted, "step": -9},) * sent.restarts)
                for name, sent in self.hosts.items()
                if sent.restarts
            ],
            [_series("event", name, time=sent.pushed) for name, sent in self.hosts.items() if sent.pushed],
        ]

    def rare(self, statement: str) -> list[Series]:
        columns = ("first_metrics_gathered", "last_metrics_gathered", "first_errors", "last_errors", "count")
        return [
            _series("internal_gather", name, {"input": plugin}, time=0, **dict(zip(columns, counts, strict=True)))
            for name, sent in self.hosts.items()
            for plugin, counts in sent.rare.items()
            if name in statement and plugin in statement
        ]


def _series(name: str, host: str, tags: dict[str, str] | None = None, **columns: Any) -> Series:
    return Series(name, {"host": host, **(tags or {})}, (columns,))


Look = Callable[..., Status]


@pytest.fixture
def status(site: Site, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Look at a site whose services run well, whose hosts watch their disks and have sent this."""
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: {collect: [disk]}}\n")
    running = {name: container(name) for name in ("influxdb", "grafana", "edge", "telegraf")}

    def status(
        hosts: dict[str, Sent] | None = None,
        *,
        error: Exception | None = None,
        shards: list[ShardSize] | None = None,
        closed: frozenset[int] = frozenset(),
        **changed: Any,
    ) -> Status:
        influxdb = FakeInfluxDB(site.socket_folder)
        object.__setattr__(influxdb, "hosts", {"biere": Sent(), "lewi": Sent()} | (hosts or {}))
        object.__setattr__(influxdb, "error", error)
        object.__setattr__(influxdb, "shards", shards or [])
        object.__setattr__(influxdb, "closed", closed)
        monkeypatch.setattr(service, "admin_client", lambda _: influxdb)
        return read_status(Project.load(site), FakeEngine({**running, **changed}), now=NOW)

    return status


def told(status: Status) -> list[str]:
    return [problem.what for problem in status.problems]


def test_a_site_that_works_has_no_problem(status: Look) -> None:
    found = status()

    lewi = found.hosts[1]
    assert (found.problems, found.code) == ((), ExitCode.DONE)
    assert (lewi.name, lewi.agent, lewi.age, lewi.silent) == ("lewi", "systemd", 8.0, ())
    assert (lewi.points, lewi.reads, lewi.expected) == (30, 12, 12)


@pytest.mark.parametrize(
    "sent",
    [
        Sent(reads={"internal": DISK["internal"]}),
        Sent(reads={**DISK, "disk": (6, 0.0, 100.0)}),
        Sent(reads={**DISK, "disk": (1, 0.0, 0.0)}),
        Sent(points={"internal_agent": 6, "internal_gather": 6}),
        Sent(points={"diskio": 6, "internal_agent": 6}),
    ],
    ids=[
        "not read",
        "read and gave nothing",
        "read once and gave nothing",
        "gave but nothing arrived",
        "another's arrived",
    ],
)
def test_an_input_of_which_nothing_came_is_named(status: Look, sent: Sent) -> None:
    found = status({"lewi": sent})

    assert found.hosts[1].silent == ("disk",)
    assert told(found) == ["lewi: no data from disk in the last minute"]
    assert found.problems[0].next == "on lewi: `journalctl -u telegraf -n 50`"
    assert found.code == ExitCode.DEGRADED


@pytest.mark.parametrize(
    ("gave_before", "failed", "silent"),
    [(set(), 0, ()), ({"disk"}, 0, ("disk",)), (set(), 6, ("disk",))],
    ids=["has nothing of the kind", "gave something once", "fails"],
)
def test_an_input_without_an_error_is_missed_only_if_it_ever_gave_something(
    status: Look, gave_before: set[str], failed: int, silent: tuple[str, ...]
) -> None:
    sent = Sent(
        points={"internal_agent": 6, "internal_gather": 12},
        reads={**DISK, "disk": (6, 0.0, 0.0)},
        failed={"disk": failed},
        gave_before=gave_before,
    )

    found = status({"lewi": sent})

    assert found.hosts[1].silent == silent
    assert found.code == (ExitCode.DEGRADED if silent else ExitCode.DONE)


GIVING = (6, 60.0, 100.0)
NOTHING = (6, 0.0, 0.0)


def test_an_input_that_fails_is_named_with_what_its_collector_needs(site: Site, status: Look) -> None:
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: {collect: [disk, nginx]}}\n")
    reads = {"disk": GIVING, "internal": GIVING, "nginx": NOTHING}

    found = status({"lewi": Sent(reads=reads, failed={"nginx": 6})})

    lewi = found.hosts[1]
    assert (lewi.failing, lewi.partly, lewi.reads, lewi.expected) == (("nginx",), (), 12, 18)
    assert told(found) == ["lewi: inputs.nginx fails at each reading"]
    assert found.problems[0].next == (
        "on lewi: `journalctl -u telegraf -n 50`; nginx needs a location with `stub_status` that this host may read"
    )


def test_an_input_is_named_of_which_one_of_several_tables_fails(site: Site, status: Look) -> None:
    uses = '{nginx: {urls: ["http://127.0.0.1/a"]}}, {nginx: {urls: ["http://127.0.0.1/b"]}}'
    site.file.write_text(f"hosts: {{biere: {{collect: [disk]}}, lewi: {{collect: [disk, {uses}]}}}}\n")
    reads = {"disk": GIVING, "internal": GIVING, "nginx": GIVING}
    points = {"disk": 12, "nginx": 6, "internal_agent": 6, "internal_gather": 12}

    found = status({"lewi": Sent(reads=reads, points=points, failed={"nginx": 6, "internal": 6})})

    assert (found.hosts[1].failing, found.hosts[1].partly) == ((), ("nginx",))
    assert told(found) == ["lewi: one of several inputs of inputs.nginx fails at each reading"]
    assert told(status({"lewi": Sent(reads=reads, points=points, failed={"nginx": 5})})) == []


@pytest.mark.parametrize(
    ("counts", "silent", "failing"),
    [
        ((40, 80, 0, 0, 13), (), ()),
        ((40, 40, 0, 0, 13), ("x509_cert",), ()),
        ((0, 0, 3, 5, 13), ("x509_cert",), ("x509_cert",)),
        ((0, 0, 0, 1, 6), (), ()),
        ((900, 40, 7, 0, 13), (), ()),
        ((900, 0, 7, 0, 13), (), ()),
        ((900, 0, 7, 1, 13), ("x509_cert",), ("x509_cert",)),
        ((40, 80, None, None, 13), (), ()),
    ],
    ids=[
        "gives",
        "gave",
        "fails",
        "was not read since the start",
        "gives since a restart",
        "was not read since a restart",
        "fails since a restart",
        "does not count errors",
    ],
)
def test_an_input_with_a_long_interval_is_judged_by_two_of_these(
    site: Site,
    status: Look,
    counts: tuple[int | None, ...],
    silent: tuple[str, ...],
    failing: tuple[str, ...],
) -> None:
    addresses = '{certificate: {sources: ["https://wiki.example.org:443"]}}'
    site.file.write_text(f"hosts: {{biere: {{collect: [disk]}}, lewi: {{collect: [disk, {addresses}]}}}}\n")
    reads = {"disk": GIVING, "internal": GIVING, "x509_cert": NOTHING}

    found = status({"lewi": Sent(reads=reads, rare={"x509_cert": counts}, gave_before={"x509_cert", "disk"})})

    assert (found.hosts[1].silent, found.hosts[1].failing) == (silent, failing)


def test_the_measurements_of_a_collector_may_have_other_names_than_its_plug_in(site: Site, status: Look) -> None:
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: {collect: [disk, postgresql]}}\n")
    reads = {"disk": GIVING, "internal": GIVING, "postgresql_extensible": GIVING}
    points = {"disk": 12, "postgresql": 4, "internal_agent": 6, "internal_gather": 12}

    assert told(status({"lewi": Sent(reads=reads, points=points)})) == []
    del points["postgresql"]
    assert told(status({"lewi": Sent(reads=reads, points=points)})) == [
        "lewi: no data from postgresql_extensible in the last minute"
    ]


OWN = """[agent]
  interval = "1s"

[[inputs.mem]]

[[inputs.tail]]
  files = ["/var/log/syslog"]
"""
QUIET = (6, 0.0, 0.0)


@pytest.fixture
def pushed(site: Site) -> Callable[[str], str]:
    """Record a push to lewi of a configuration of somebody's own, and return the config ID that it sends."""

    def pushed(text: str) -> str:
        releases = Releases(site.releases("lewi"))
        mark = f"{telegraf.fingerprint(text)}-20261124T071434-3d814bbb"
        releases.add(text, Release(releases.next_number(), mark, "ada", 0.0, "c0ffee"))
        return mark

    return pushed


@pytest.mark.parametrize(
    ("reads", "failed", "silent"),
    [
        ({"mem": (60, 90.0, 0.0), "tail": QUIET}, {}, ()),
        ({"mem": (60, 90.0, 0.0), "tail": QUIET}, {"tail": 6}, ("tail",)),
        ({"mem": (60, 90.0, 0.0)}, {}, ("tail",)),
        ({"tail": QUIET, "mem": (60, 90.0, 0.0)}, {"mem": 6}, ()),
    ],
    ids=["as pushed", "fails each time", "does not run", "fails at times"],
)
def test_what_was_pushed_is_expected_and_not_the_collectors(
    status: Look,
    pushed: Callable[[str], str],
    reads: dict[str, tuple[int, float, float]],
    failed: dict[str, int],
    silent: tuple[str, ...],
) -> None:
    found = status({"lewi": Sent(mark=pushed(OWN), reads=reads, failed=failed)})

    assert found.hosts[1].silent == silent
    assert [problem.about for problem in found.problems] == ["lewi"] * len(silent)


def test_an_older_release_that_runs_again_is_what_is_expected(status: Look, pushed: Callable[[str], str]) -> None:
    old = pushed(OWN)
    pushed(OWN.replace("inputs.mem", "inputs.swap"))

    assert told(status({"lewi": Sent(mark=old, reads={"mem": (60, 90.0, 0.0), "tail": QUIET})})) == []


def test_of_a_configuration_that_is_not_known_here_the_agents_own_account_counts(status: Look) -> None:
    found = status({"lewi": Sent(mark="c0ffee-20261124T071434-3d814bbb", reads={"mem": (3, 9.0, 0.0), "tail": QUIET})})

    assert (found.problems, found.hosts[1].reads, found.hosts[1].expected) == ((), 9, 9)
    failing = status({"lewi": Sent(mark="c0ffee-x", reads={"tail": QUIET}, failed={"tail": 2})})
    assert told(failing) == ["lewi: inputs.tail fails at each reading"]


def test_a_host_that_reads_every_minute_is_not_late_at_forty_seconds(
    status: Look, pushed: Callable[[str], str]
) -> None:
    slow = OWN.replace('"1s"', '"60s"')

    found = status({"lewi": Sent(mark=pushed(slow), newest=NOW - 80, reads={"mem": (1, 0.0, 4.0), "tail": (1, 0, 0)})})

    assert found.problems == ()
    assert told(status({"lewi": Sent(mark=pushed(slow), newest=NOW - 100)})) == [
        "lewi is silent: its newest point is 100 s old"
    ]


def test_an_input_that_was_read_once_and_gave_something_is_not_silent(status: Look) -> None:
    assert status({"lewi": Sent(reads={**DISK, "disk": (1, 0.0, 12.0)})}).hosts[1].silent == ()


@pytest.mark.parametrize(
    ("began", "expected", "silent"),
    [
        (END + 11, 0, ()),
        (END - 5, 2, ()),
        (END - 10, 4, ("disk", "internal")),
        (END - 25, 6, ("disk", "internal")),
        (END - 50, 12, ("disk", "internal")),
        (END - 200, 12, ("disk", "internal")),
    ],
)
def test_a_host_that_has_just_begun_owes_only_what_came_due_since(
    status: Look, began: float, expected: int, silent: tuple[str, ...]
) -> None:
    lewi = status({"lewi": Sent(began=began, reads={})}).hosts[1]

    assert (lewi.expected, lewi.silent) == (expected, silent)


@pytest.mark.parametrize("service", ["influxdb", "edge"])
def test_what_failed_while_the_way_to_the_database_was_started_is_no_problem(status: Look, service: str) -> None:
    sent = Sent(newest=NOW - 90, reads={}, refused=4)

    just_now = status({"lewi": sent}, **{service: container(service, started=NOW - 5.0)})
    later = status({"lewi": Sent(refused=4)}, **{service: container(service, started=END - 30.0)})
    long_ago = status({"lewi": Sent(refused=4)}, **{service: container(service, started=END - 60.0)})

    assert told(just_now) == told(later) == []
    assert told(long_ago) == ["lewi: 4 of its writes failed in the last minute"]


@pytest.mark.parametrize("outcome", ["verified", "rolled back"])
def test_a_host_that_was_just_pushed_to_owes_nothing_yet(status: Look, site: Site, outcome: str) -> None:
    site.create_state_folder()
    at = datetime.fromtimestamp(NOW - 20, UTC).isoformat(timespec="seconds")
    line = {"at": at, "command": "push-config", "host": "lewi", "outcome": outcome}
    (site.state / "history.jsonl").write_text(json.dumps(line) + "\n{cut off")

    assert told(status({"lewi": Sent(newest=NOW - 60, reads={}, refused=4)})) == []


def test_a_sidecar_that_was_just_started_owes_nothing_yet_though_it_sent_before(status: Look) -> None:
    found = status({"biere": Sent(reads={}, refused=4)}, telegraf=container("telegraf", started=END + 5.0))

    assert (found.hosts[0].expected, found.hosts[0].silent, found.problems) == (0, (), ())


@pytest.mark.parametrize(
    ("newest", "message"),
    [(NOW - 40, None), (NOW - 41, "lewi is silent: its newest point is 41 s old"),
     (NOW - 7200, "lewi is silent: its newest point is 2 h old"), (NOW + 5, None)],
)  # fmt: skip
def test_a_host_whose_points_are_late_is_silent(status: Look, newest: float, message: str | None) -> None:
    found = status({"lewi": Sent(newest=newest)})

    assert told(found) == ([message] if message else [])
    assert found.hosts[1].age == max(0, NOW - newest)


@pytest.mark.parametrize("newest", [0, NOW - 3600], ids=["first seen so", "once right"])
def test_a_host_whose_clock_is_ahead_is_named_and_not_taken_for_alive(status: Look, newest: float) -> None:
    found = status({"lewi": Sent(newest=newest, future=NOW + 3600)})

    assert told(found) == ["the clock of lewi is wrong: its points are dated 60 min in the future"]
    assert found.hosts[1].age == (NOW - newest if newest else None)


def test_a_clock_that_was_ahead_and_is_right_again_is_no_problem(status: Look) -> None:
    assert told(status({"lewi": Sent(future=NOW + 3600)})) == []


def test_a_shard_that_is_not_open_is_named_with_its_days(status: Look, site: Site) -> None:
    day = 86400.0
    begin = NOW // day * day
    shards = [ShardSize("raw", begin + n * day, begin + (n + 1) * day, 1000) for n in (-1, 0, 1)]
    (site.root / Project.load(site).config.data / "data/telegraf/raw/1").mkdir(parents=True)

    found = status(shards=shards, closed=frozenset({1, 2, 3}))

    (only,) = told(found)
    assert "2001-09-08 in raw" in only
    assert "data/telegraf/raw/1 is closed" in only  # into today's nothing was written yet, and the third is tomorrow's


def test_a_file_that_was_put_aside_is_named_with_the_days_that_miss_it(status: Look, site: Site) -> None:
    day = 86400.0
    folder = site.root / Project.load(site).config.data / "data/telegraf/raw/1"
    folder.mkdir(parents=True)
    (folder / "000000001-000000001.tsm.bad").touch()

    (only,) = told(status(shards=[ShardSize("raw", NOW // day * day - day, NOW // day * day, 1000)]))

    assert only.startswith("points of 2001-09-08 in raw are missing")
    assert "data/telegraf/raw/1/000000001-000000001.tsm.bad" in only


@pytest.mark.parametrize(
    ("known", "message", "next_step"),
    [
        ("lewi", "biere has never sent data", "`aresmon logs telegraf` shows the reason"),
        ("biere", "lewi has never sent data", "`aresmon push-config lewi` deploys its configuration"),
    ],
)
def test_a_host_that_was_never_seen_gets_the_step_that_fits_it(
    status: Look, site: Site, known: str, message: str, next_step: str
) -> None:
    status()  # the fleet is read from the file; the database knows one host of it
    influxdb = service.admin_client(site)
    object.__setattr__(influxdb, "hosts", {known: Sent()})

    found = read_status(Project.load(site), FakeEngine({"influxdb": container("influxdb")}), now=NOW)

    unseen = [host for host in found.hosts if host.age is None]
    (problem,) = [problem for problem in found.problems if "never" in problem.what]
    assert len(unseen) == 1
    assert problem.what == message
    assert problem.next.startswith(next_step)


@pytest.mark.parametrize(("times", "is_told"), [(6, False), (5, True)])
def test_inputs_that_are_read_too_seldom_are_counted(status: Look, times: int, is_told: bool) -> None:
    found = status({"lewi": Sent(reads={name: (times, spread, first) for name, (_, spread, first) in DISK.items()})})

    assert told(found) == (
        [f"lewi: inputs were collected {2 * times} of 12 times in the last minute"] if is_told else []
    )


def test_writes_that_fail_are_told_though_data_arrives(status: Look) -> None:
    found = status({"lewi": Sent(refused=3)})

    assert told(found) == ["lewi: 3 of its writes failed in the last minute"]
    assert (found.hosts[1].refused, found.problems[0].about) == (3, "lewi")


def test_the_reads_of_an_agent_that_was_replaced_are_not_more_than_were_due(status: Look) -> None:
    lewi = status({"lewi": Sent(began=END + 11.0)}).hosts[1]

    assert (lewi.reads, lewi.expected) == (12, 12)


def test_an_input_of_two_collectors_is_counted_and_named_once(status: Look, site: Site) -> None:
    (site.overrides / "collectors").mkdir(parents=True)
    (site.overrides / "collectors" / "own.conf").write_text("# More of disks.\n[[inputs.disk]]\n")
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: {collect: [disk, own]}}\n")

    lewi = status({"lewi": Sent(reads={"internal": DISK["internal"]})}).hosts[1]

    assert (lewi.expected, lewi.silent) == (12, ("disk",))


def test_a_sites_own_input_may_name_its_points_as_it_likes(status: Look, site: Site) -> None:
    (site.overrides / "collectors").mkdir(parents=True)
    (site.overrides / "collectors" / "weather.conf").write_text("# Weather.\n[[inputs.exec]]\n")
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: {collect: [weather]}}\n")
    sent = Sent(points={"rain": 6, "internal_agent": 6}, reads={"exec": (6, 6.0, 6.0), "internal": DISK["internal"]})

    assert status({"lewi": sent}).problems == ()


@pytest.mark.parametrize(
    "error", [InfluxDBUnreachableError("nobody there", hint="wait"), InfluxDBError("no", status=401)]
)
def test_a_silent_database_hides_the_hosts_and_not_the_services(status: Look, error: Exception) -> None:
    found = status(error=error)

    assert (found.hosts, len(found.services)) == ((), 4)
    assert told(found) == [f"the hosts' state is unknown: {error}"]
    assert found.problems[0].next


def test_the_status_is_plain_data_for_scripts(status: Look) -> None:
    data = json.loads(json.dumps(status({"lewi": Sent(newest=NOW - 90)}).as_json()))

    assert (data["ok"], data["site"], data["server"], data["at"]) == (False, "aresmon", "biere", NOW)
    assert {"name", "state", "health", "image", "restarts", "memory", "memory_limit", "since"} <= set(
        data["services"][0]
    )
    assert data["hosts"][1] == {
        "name": "lewi",
        "agent": "systemd",
        "age": 90.0,
        "points": 30,
        "reads": 12,
        "expected": 12,
        "refused": 0,
        "silent": [],
        "ahead": 0.0,
        "late_after": 40.0,
        "restarts": 0,
        "failing": [],
        "partly": [],
    }
    assert set(data["problems"][0]) == {"about", "what", "next", "kind"}


def test_a_data_folder_that_is_full_within_a_week_is_a_problem_before_it_is_full(
    status: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "free_bytes", lambda _: 30 * 10**9)
    yesterday = ShardSize("raw", NOW - 2 * 86400, NOW - 86400, 10 * 10**9)

    found = status(shards=[yesterday])

    assert told(found) == ["the data grows by 10 GB a day and 30 GB is free: the disk is full in 3 days"]
    assert "storage.keep" in found.problems[0].next
    assert found.as_json()["capacity"]["bytes_a_day"] == 10 * 10**9


def test_the_capacity_is_told_and_an_ample_one_is_no_problem(status: Look) -> None:
    found = status(shards=[ShardSize("raw", NOW - 2 * 86400, NOW - 86400, 1000)])

    assert found.problems == ()
    assert found.capacity is not None
    assert (found.capacity.series, found.capacity.days_left) == (120, None)


@pytest.mark.parametrize(("restarts", "is_named"), [(2, False), (3, True), (40, True)])
def test_an_agent_that_restarts_again_and_again_is_named(status: Look, restarts: int, is_named: bool) -> None:
    found = status({"lewi": Sent(restarts=restarts), "biere": Sent()})

    told = [one.what for one in found.problems]
    assert (f"lewi: its agent restarts again and again: {restarts} times in the last 10 min" in told) is is_named


@pytest.mark.parametrize(
    ("restarted", "is_named"), [(NOW - 300, False), (NOW - 120, False), (NOW - 100, False), (NOW - 60, True)]
)
def test_restarts_until_the_last_push_are_the_pushes_own(status: Look, restarted: float, is_named: bool) -> None:
    found = status({"lewi": Sent(restarts=4, restarted=restarted, pushed=NOW - 120)})

    assert any("restarts again and again" in one.what for one in found.problems) is is_named


@pytest.mark.parametrize(("created", "is_named"), [(NOW - 100, False), (NOW - 4000, True)])
def test_restarts_until_its_container_was_made_are_those_of_up(status: Look, created: float, is_named: bool) -> None:
    made = container("telegraf", created=created, started=NOW - 30)

    found = status({"biere": Sent(restarts=4, restarted=NOW - 90)}, telegraf=made)

    assert any("restarts again and again" in one.what for one in found.problems) is is_named
