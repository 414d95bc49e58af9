"""How the containers run: without root, without a way to write, with limits; and nothing secret can be seen."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from aresmon.system import process
from tests.engine.door import basic, knock
from tests.engine.sites import Site, client, site_in

SERVICES = ["influxdb", "edge", "telegraf"]
USERS = {"influxdb": "1500:1500", "edge": "99:99", "telegraf": "1510:1510"}


class Processes(threading.Thread):
    """Every command line and environment that any process of the machine showed while it ran."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    for name in ("cmdline", "environ"):
                        with suppress(OSError):
                            self.seen.add((folder / name).read_bytes())
            time.sleep(0.005)


@pytest.fixture(scope="module")
def watched() -> Processes:
    return Processes()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, watched: Processes) -> Iterator[Site]:
    hosts = {"box": {"collect": ["system", "docker"]}, "other": {"agent": "systemd"}}
    with site_in(tmp_path_factory.mktemp("containers"), hosts=hosts) as made:
        watched.start()
        made.up()
        (made.state / "secrets/agent-other").write_text("a-password-to-be-set")
        made.up()
        watched.done.set()
        watched.join()
        yield made


@pytest.fixture(scope="module")
def inspected(site: Site) -> dict[str, dict[str, Any]]:
    """What the engine tells of each container."""
    return {name: container.attrs for name, container in site.containers().items()}


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_can_write_nothing_and_gain_nothing(inspected: dict[str, dict[str, Any]], service: str) -> None:
    host, config = inspected[service]["HostConfig"], inspected[service]["Config"]

    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidMode"] == ""
    assert host["Devices"] in (None, [])
    assert config["User"] == USERS[service]


@pytest.mark.parametrize("service", SERVICES)
def test_the_process_itself_runs_without_root_and_capabilities(site: Site, service: str) -> None:
    pid = site.containers()[service].attrs["State"]["Pid"]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )

    assert status["Uid"].split() == [USERS[service].partition(":")[0]] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_limits_and_a_health_check(inspected: dict[str, dict[str, Any]], service: str) -> None:
    host, config = inspected[service]["HostConfig"], inspected[service]["Config"]

    assert host["Memory"] == {"influxdb": 2 << 30, "edge": 256 << 20, "telegraf": 256 << 20}[service]
    assert host["PidsLimit"] == 512
    assert (host["LogConfig"]["Type"], host["LogConfig"]["Config"]) == ("local", {"max-size": "10m", "max-file": "3"})
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert config["Healthcheck"]["Test"][0] == "CMD"


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_becomes_healthy(site: Site, service: str) -> None:
    deadline = time.monotonic() + 60
    while (health := site.containers()[service].attrs["State"]["Health"]["Status"]) != "healthy":
        assert time.monotonic() < deadline, health
        time.sleep(1)


def test_only_the_agent_has_the_engine_s_socket(inspected: dict[str, dict[str, Any]]) -> None:
    def has_socket(details: dict[str, Any]) -> bool:
        return any(mount["Destination"] == "/var/run/docker.sock" for mount in details["Mounts"])

    assert {service for service, details in inspected.items() if has_socket(details)} == {"telegraf"}


def test_what_is_mounted_is_read_only_but_for_the_data(inspected: dict[str, dict[str, Any]]) -> None:
    writable = {
        (service, mount["Destination"])
        for service, details in inspected.items()
        for mount in details["Mounts"]
        if mount["RW"] and mount["Type"] != "tmpfs"
    }

    assert writable - {("grafana", "/var/lib/grafana")} == {
        ("influxdb", "/var/lib/influxdb"),
        ("influxdb", "/run/influxdb"),
    }


def test_only_the_edge_publishes_and_only_its_two_ports(site: Site, inspected: dict[str, dict[str, Any]]) -> None:
    published = {
        f"{binding['HostIp']}:{binding['HostPort']}": service
        for service, details in inspected.items()
        for bindings in (details["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or []
    }

    assert published == {site.agents: "edge", site.grafana: "edge"}
    assert inspected["influxdb"]["HostConfig"]["NetworkMode"] != "host"


def test_nobody_listens_anywhere_else_for_the_stack(site: Site) -> None:
    """Asked of the kernel: every listening socket in the machine's own network that belongs to the stack."""
    ports = {int(address.rpartition(":")[2]) for address in (site.agents, site.grafana)}
    told = process.run(["ss", "-Hltnp"]).out
    ours = {line.split()[3] for line in told.splitlines() if int(line.split()[3].rpartition(":")[2]) in ports}

    assert ours == {site.agents, site.grafana}
    agent = [
        line for line in told.splitlines() if f"pid={site.containers()['telegraf'].attrs['State']['Pid']}," in line
    ]
    assert agent == [], "the agent, in the machine's own network, listens nowhere"


def test_influxdb_has_no_network(inspected: dict[str, dict[str, Any]]) -> None:
    assert inspected["influxdb"]["HostConfig"]["NetworkMode"] == "none"
    assert [one["IPAddress"] for one in inspected["influxdb"]["NetworkSettings"]["Networks"].values()] == [""]


def test_the_network_inside_has_no_way_out_and_no_foreign_containers(site: Site) -> None:
    network = client().networks.get(f"{site.name}_inside").attrs

    assert network["Internal"] is True
    members = {one["Name"].split("-")[-2] for one in network["Containers"].values()}
    assert members - {"grafana"} == {"edge"}


@pytest.mark.parametrize("target", ["/debug/vars", "/debug/pprof/", "/debug/requests", "/metrics", "/ping", "/query"])
def test_even_from_its_own_container_influxdb_asks_who_we_are(site: Site, target: str) -> None:
    ask = f'exec 3<>/dev/tcp/127.0.0.1/8086; printf "GET {target} HTTP/1.0\\r\\n\\r\\n" >&3; head -n 1 <&3'

    answer = process.run(["docker", "exec", str(site.containers()["influxdb"].id), "bash", "-c", ask]).out

    assert answer.split()[1] in ("401", "404"), answer


def test_the_administration_s_socket_is_in_a_folder_of_ours_alone(site: Site) -> None:
    run = site.state / "run"

    assert (run / "influxdb/influxdb.sock").is_socket()
    assert {path.stat().st_mode & 0o777 for path in (site.state, run, site.state / "secrets")} == {0o700}


# Secrets -------------------------------------------------------------------------------------------------


def secrets_of(site: Site) -> dict[str, str]:
    found = {path.name: path.read_text() for path in (site.state / "secrets").iterdir() if path.is_file()}
    assert len(found) >= 7
    return found


def shown(site: Site, text: str) -> set[str]:
    """Which secrets can be read in a text, as they are, as an address or a header would carry them."""
    user = {"influxdb-admin": "aresmon", "influxdb-grafana": "grafana"}
    return {
        name
        for name, value in secrets_of(site).items()
        if value in text
        or quote(value, safe="") in text
        or basic(user.get(name, name), value).removeprefix("Basic ") in text
    }


def test_no_secret_shows_in_what_the_engine_tells(site: Site, inspected: dict[str, dict[str, Any]]) -> None:
    assert shown(site, json.dumps(inspected)) == set()


def test_no_secret_was_in_any_command_line_or_environment(site: Site, watched: Processes) -> None:
    assert len(watched.seen) > 20
    assert any(b"compose" in line for line in watched.seen)
    assert any(b"PATH=" in line for line in watched.seen)
    assert shown(site, b"\n".join(watched.seen).decode(errors="replace")) == set()


def test_no_secret_is_in_the_bundle_or_the_history(site: Site) -> None:
    paths = [path for path in site.state.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    assert any(path.name == "history.jsonl" for path in paths)

    for path in paths:
        assert shown(site, path.read_text(errors="replace")) == set(), path


def test_no_secret_is_in_any_log(site: Site) -> None:
    for name, secret in (("agent-other", site.secret("agent-other")), ("agent-box", "wrong")):
        knock(site.agents, "POST", "/write?db=telegraf", authorization=[basic(name, secret)])

    for service, container in site.containers().items():
        assert shown(site, container.logs().decode(errors="replace")) == set(), service


def test_no_secret_is_printed(site: Site) -> None:
    for command in (["up"], ["up", "--dry-run"], ["status", "--json"], ["render"], ["logs", "influxdb"]):
        result = site.run(*command)
        assert shown(site, result.out + result.err) == set(), command


def test_no_container_carries_a_secret_in_its_environment(site: Site) -> None:
    for container in site.containers().values():
        environment = Path(f"/proc/{container.attrs['State']['Pid']}/environ").read_bytes()
        assert shown(site, environment.decode(errors="replace")) == set()
