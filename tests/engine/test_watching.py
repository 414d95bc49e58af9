"""The main job: what InfluxDB holds of a server is what the server says of itself."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aresmon.config import view_files
from aresmon.monitoring import evaluation
from aresmon.render.grafana import alert_rules
from tests.engine import machine
from tests.engine.machine import Proxy
from tests.engine.sites import Site, client, eventually, has_grafana, site_in, up_code
from tests.harness import names

HOST = "box"
SERVERS = (("alive", "server"), ("dead", "server"), ("BACKEND", "backend"))
COLLECT = ["system", "disk", "diskio", "net", "docker", "haproxy"]


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with machine.haproxy() as made:
        yield made


@pytest.fixture(scope="module")
def others() -> Iterator[dict[str, str]]:
    """Containers that have nothing to do with the stack."""
    with machine.containers() as made:
        yield made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy, others: dict[str, str]) -> Iterator[Site]:
    """A site that watches this very machine with every shipped collector."""
    hosts = {HOST: {"collect": COLLECT, "env": {"HAPROXY_STATS": proxy.statistics}}}
    with site_in(tmp_path_factory.mktemp("watching"), hosts=hosts) as made:
        result = made.up()
        assert "waiting for data of box" in result.out
        yield made


def last(site: Site, measurement: str, field: str, **tags: str) -> Any:
    """The newest value of a field, waited for: some inputs answer only at their second reading."""
    where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in {"host": HOST, **tags}.items())
    statement = f'SELECT last("{field}") FROM "{measurement}" WHERE {where}'
    assert eventually(lambda: bool(site.query(statement)), within=45), statement
    return site.query(statement)[0].rows[0]["last"]


def tag_values(site: Site, measurement: str, tag: str) -> set[str]:
    found = site.query(f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"')
    return {row["value"] for series in found for row in series.rows}


def test_up_proved_its_data_and_a_second_one_touches_nothing(site: Site) -> None:
    before = site.ids()

    result = site.up()

    assert (result.steps, result.statements) == ([], [])
    assert has_grafana() == ("Nothing to do" in result.out)
    assert site.ids() == before
    assert site.run("up", "--dry-run").steps == []


def test_every_point_names_the_host_as_the_site_does(site: Site) -> None:
    last(site, "cpu", "usage_idle")

    hosts = {one.tags["host"] for one in site.query('SELECT count(*) FROM /.*/ GROUP BY "host"')}

    assert hosts == {HOST}
    assert socket.gethostname() != HOST


def test_memory_and_swap_are_the_machine_s(site: Site) -> None:
    assert last(site, "mem", "total") == machine.memory("MemTotal")
    assert last(site, "mem", "available") == pytest.approx(machine.memory("MemAvailable"), rel=0.2)
    assert last(site, "swap", "total") == machine.memory("SwapTotal")


def test_processors_uptime_and_load_are_the_machine_s(site: Site) -> None:
    assert last(site, "system", "n_cpus") == os.cpu_count()
    assert last(site, "system", "uptime") == pytest.approx(machine.uptime(), abs=30)
    assert last(site, "system", "load15") == pytest.approx(os.getloadavg()[2], abs=3)
    assert 0 <= last(site, "cpu", "usage_idle", cpu="cpu-total") <= 100


def test_the_parts_of_processor_use_and_idle_make_100_while_niced_work_runs(site: Site) -> None:
    (panel,) = (one for one in view_files.load()["system"].panels if one.title == "CPU usage")
    parts = [one.field for one in panel.series]
    fields = ", ".join(f'"{name}"' for name in (*parts, "usage_idle"))

    with machine.niced_work():
        statement = f"SELECT {fields} FROM cpu WHERE time > {time.time():.0f}s"
        assert eventually(lambda: sum(len(one.rows) for one in site.query(statement)) >= 2, within=60)
    rows = site.query(statement)[0].rows

    assert max(row["usage_nice"] for row in rows) > 0.5
    for row in rows:
        assert sum(row[name] for name in parts) + row["usage_idle"] == pytest.approx(100, abs=0.5)


def test_processes_are_the_machine_s_and_not_the_container_s(site: Site) -> None:
    """Others come and go meanwhile; a container of an agent's has fewer than ten."""
    since, here = time.time(), list[int]()

    def told() -> int:
        here.append(sum(1 for path in Path("/proc").iterdir() if path.name.isdigit()))
        found = site.query(f"SELECT total FROM processes WHERE time > {since + 1:.0f}s LIMIT 1")
        return int(found[0].rows[0]["total"]) if found else 0

    assert eventually(lambda: told() > 0, within=45, every=0.2)
    assert min(here) - 10 <= told() <= max(here) + 10
    assert told() > 30


def test_the_root_filesystem_is_what_df_says(site: Site) -> None:
    total, used = machine.filesystem("/")

    assert last(site, "disk", "total", path="/") == pytest.approx(total, rel=0.01)
    assert last(site, "disk", "used", path="/") == pytest.approx(used, rel=0.01, abs=2 << 30)


def test_no_filesystem_is_the_container_s_view_of_one(site: Site) -> None:
    last(site, "disk", "total")

    paths = tag_values(site, "disk", "path")

    assert paths
    assert all(os.path.ismount(path) for path in paths), paths
    assert not any(path.startswith(("/hostfs", "/etc/", "/run/secrets")) for path in paths)


def test_a_disk_that_is_mounted_later_has_its_own_size_and_is_let_go(site: Site) -> None:
    """Where the machine's root is private, a container sees neither before its next start, which it makes itself."""

    def told(path: Path) -> float:
        since = time.time() - 15
        found = site.query(f"SELECT last(total) AS total FROM disk WHERE time > {since:.0f}s AND path = '{path}'")
        return float(found[0].rows[0]["total"]) if found else 0

    agent = site.containers()["telegraf"]
    # What is there when it looks for the first time is what it compares with.
    assert eventually(lambda: agent.exec_run(["test", "-e", "/tmp/differing-at-start"]).exit_code == 0, within=60)
    with machine.mounted_disk() as path:
        total, _ = machine.filesystem(str(path))
        assert eventually(lambda: told(path) == total, within=90), told(path)

    assert eventually(lambda: told(path) == 0, within=90), told(path)
    seen = agent.exec_run(["cat", "/proc/self/mountinfo"])
    assert str(path) not in str(seen.output)
    agent.reload()
    assert agent.attrs["RestartCount"] <= 2


def test_disks_are_the_machine_s(site: Site) -> None:
    last(site, "diskio", "reads")

    assert tag_values(site, "diskio", "name") <= {path.name for path in Path("/sys/class/block").iterdir()}


def test_interfaces_are_the_machine_s(site: Site) -> None:
    wanted = machine.interfaces()
    assert eventually(lambda: wanted <= tag_values(site, "net", "interface"), within=45)

    seen = tag_values(site, "net", "interface") - {"all"}

    assert seen <= {path.name for path in Path("/sys/class/net").iterdir()}
    assert not any(name.startswith(("veth", "br-")) for name in seen)


def test_traffic_is_counted(site: Site) -> None:
    interface = next(name for name in sorted(machine.interfaces()))
    counted = int(Path(f"/sys/class/net/{interface}/statistics/rx_bytes").read_text())

    assert last(site, "net", "bytes_recv", interface=interface) == pytest.approx(counted, rel=0.05, abs=1 << 24)


def test_docker_is_counted_as_the_engine_counts(site: Site) -> None:
    """Others may start and stop containers meanwhile: what the agent read lies between what there was to be read."""
    counted = {"n_containers": "Containers", "n_containers_running": "ContainersRunning"}
    since, there = time.time(), list[dict[str, Any]]()

    def told() -> dict[str, int]:
        there.append(client().info())
        statement = f"SELECT {', '.join(counted)} FROM docker WHERE time > {since + 1:.0f}s LIMIT 1"
        return next((series.rows[0] for series in site.query(statement)), {})

    assert eventually(lambda: bool(told()), within=45, every=0.2)
    for field, name in counted.items():
        seen = [info[name] for info in there]
        assert min(seen) <= told()[field] <= max(seen), (told(), seen)


def test_a_container_that_ended_shows_its_exit_code(site: Site, others: dict[str, str]) -> None:
    assert last(site, "docker_container_status", "exitcode", container_name=others["ended"]) == 3
    assert tag_values_of(site, others["ended"]) == {"exited"}
    assert tag_values_of(site, others["running"]) == {"running"}


def test_a_container_that_its_engine_restarts_fires_and_one_that_is_replaced_does_not(site: Site) -> None:
    """Docker waits longer after each quick end, so that this one runs for long enough that it does not."""
    rules = json.loads((site.bundle / alert_rules.RULES).read_text(encoding="utf-8"))
    found = (rule for group in rules["groups"] for rule in group["rules"])
    rule = next(rule for rule in found if rule["uid"] == "container-restarting-warning")
    replaced = f"{names.fresh()}-replaced"

    def containers_that_fire() -> set[str]:
        return {dict(labels)["container_name"] for labels in evaluation.firing(rule, site.query, time.time())}

    def has_fired(name: str) -> bool:
        machine.replace(replaced)
        return name in containers_that_fire()

    try:
        with machine.restarting(11) as name:
            assert eventually(lambda: has_fired(name), within=240, every=5)
            starts = site.query(f"SELECT started_at FROM docker_container_status WHERE container_name = '{replaced}'")
            assert len({row["started_at"] for row in starts[0].rows}) > 4
            assert replaced not in containers_that_fire()
            assert not containers_that_fire() & {str(one.name) for one in site.containers().values()}
    finally:
        machine.remove(replaced)


def test_a_failing_health_check_shows(site: Site, others: dict[str, str]) -> None:
    assert last(site, "docker_container_health", "failing_streak", container_name=others["ailing"]) > 0


def test_the_stack_watches_its_own_containers(site: Site) -> None:
    names = {str(one.name) for one in site.containers().values()}

    assert last(site, "docker_container_mem", "limit", container_name=f"{site.name}-influxdb-1") == 2 << 30
    assert eventually(lambda: names <= tag_values(site, "docker_container_mem", "container_name"), within=30)


def test_haproxy_s_servers_are_as_haproxy_says(site: Site, proxy: Proxy) -> None:
    proxy.visit()
    assert last(site, "haproxy", "chkfail", proxy="carts", sv="dead") >= 1

    statement = 'SELECT last("status") FROM "haproxy" WHERE "proxy" = \'carts\' GROUP BY "sv", "type"'
    told = {(one.tags["sv"], one.tags["type"], one.rows[0]["last"]) for one in site.query(statement)}

    rows = proxy.rows()
    assert told == {(name, kind, rows["carts", name]["status"]) for name, kind in SERVERS}
    assert {state for _, _, state in told} == {"UP", "DOWN"}
    assert last(site, "haproxy", "active_servers", proxy="carts", sv="BACKEND") == 1


def test_haproxy_s_requests_are_counted(site: Site, proxy: Proxy) -> None:
    for _ in range(3):
        proxy.visit()
    wanted = int(proxy.rows()["shop", "FRONTEND"]["req_tot"])

    assert eventually(lambda: last(site, "haproxy", "req_tot", proxy="shop", sv="FRONTEND") == wanted, within=30)


def test_the_agent_finds_nothing_to_complain_about(site: Site) -> None:
    errors = [line for line in site.containers()["telegraf"].logs().decode().splitlines() if " E! " in line]

    # Other tests remove containers at any time, also between the list of them and the look at each.
    assert [line for line in errors if "No such container" not in line] == []


def test_logs_prints_what_a_service_wrote(site: Site) -> None:
    result = site.run("logs", "telegraf", "--tail", "1000")

    assert result.code == 0
    assert "Starting Telegraf 1.39.3" in result.out


def test_status_reads_every_input_each_ten_seconds(site: Site) -> None:
    """Asked last: it needs a whole minute of points."""

    def host() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(site.run("status", "--json").out)["hosts"][0]
        return found

    def read_all() -> bool:
        seen = host()
        return bool(seen["expected"] >= 6 * 11 and seen["reads"] == seen["expected"] and seen["silent"] == [])

    assert eventually(read_all, within=180, every=1), host()
    result = site.run("status", "--json")
    told = json.loads(result.out)

    assert set(told) >= {"ok", "site", "server", "at", "services", "hosts", "problems"}
    assert (told["site"], told["server"]) == (site.name, HOST)
    assert told["at"] == pytest.approx(time.time(), abs=10)
    assert told["hosts"][0]["age"] < 40
    assert {one["name"]: one["state"] for one in told["services"] if one["name"] != "grafana"} == dict.fromkeys(
        ("influxdb", "edge", "telegraf"), "running"
    )
    assert all(one["memory"] < one["memory_limit"] for one in told["services"] if one["memory_limit"])
    problems = [one["what"] for one in told["problems"]]
    assert problems == [] if has_grafana() else [one.partition(" ")[0] for one in problems] == ["grafana"]
    assert (result.code, told["ok"]) == (up_code(), has_grafana())


def test_points_are_ten_seconds_apart(site: Site) -> None:
    eventually(lambda: len(site.query('SELECT "total" FROM "mem"')[0].rows) >= 5, within=60)

    times = [row["time"] for row in site.query('SELECT "total" FROM "mem"')[0].rows]

    # On the clock's tens, though a busy machine may read one a moment late; and none is missing.
    assert sum(when % 10 != 0 for when in times) <= 1, times
    assert [round(when / 10) for when in times] == list(range(round(times[0] / 10), round(times[-1] / 10) + 1))


def tag_values_of(site: Site, container: str) -> set[str]:
    """The states that a container was seen in."""
    statement = f'SELECT last("pid") FROM "docker_container_status" WHERE "container_name" = \'{container}\' GROUP BY *'
    return {one.tags["container_status"] for one in site.query(statement)}
