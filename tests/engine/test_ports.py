"""What is open, seen by a stranger: every TCP port at each address that somebody outside, on the server, or in a
neighbouring container could reach."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aresmon.engine.images import pins
from tests.engine.grafanas import grafana_for
from tests.engine.sites import ADDRESS, Site, client, site_in

PUBLISHED = {8086, 3000}
EDGE = PUBLISHED | {8087}
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_WITHIN = 2.0  # seconds


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A whole stack, whose database port nothing published may lead to."""
    with site_in(tmp_path_factory.mktemp("ports"), hosts={"box": {"collect": ["system"]}}) as made, grafana_for(made):
        result = made.run("up")
        assert result.code == 0, result
        yield made


def open_ports(address: str) -> set[int]:
    """Every TCP port that takes a connection at an address of this machine's, where a closed one answers at once."""
    found = set()
    for port in range(1, 65536):
        with socket.socket() as probe:
            probe.settimeout(_WITHIN)
            if probe.connect_ex((address, port)) == 0:
                found.add(port)
    return found


def addresses(site: Site, service: str) -> list[str]:
    """The addresses of a container on its networks."""
    networks = site.containers()[service].attrs["NetworkSettings"]["Networks"]
    return [one["IPAddress"] for one in networks.values() if one["IPAddress"]]


def test_outside_there_are_the_two_doors_of_the_edge_and_nothing_else(site: Site) -> None:
    doors = {int(where.rpartition(":")[2]) for where in (site.agents, site.grafana)}
    published = {
        int(binding["HostPort"])
        for container in site.containers().values()
        for bindings in container.attrs["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }

    assert published == doors
    assert doors <= open_ports(ADDRESS)


def test_an_account_on_the_server_reaches_three_doors_of_the_edge_and_one_of_grafana(site: Site) -> None:
    found = {(service, port) for service in ("edge", "grafana") for port in open_ports(addresses(site, service)[0])}

    assert found == {("edge", port) for port in EDGE} | {("grafana", 3000)}


def test_the_database_has_no_address_at_all(site: Site) -> None:
    assert addresses(site, "influxdb") == []
    assert site.containers()["influxdb"].attrs["HostConfig"]["NetworkMode"] == "none"


def test_the_sidecar_listens_on_nothing(site: Site) -> None:
    """It is on the machine's own network, where its ports would be the machine's."""
    pid = site.containers()["telegraf"].attrs["State"]["Pid"]
    own, tables = set[str](), list[list[str]]()
    for process in _tree(int(pid)):
        own |= {
            found[1] for link in Path(f"/proc/{process}/fd").iterdir() if (found := _SOCKET.match(str(link.readlink())))
        }
    for name in ("tcp", "tcp6", "udp", "udp6"):
        tables += [line.split() for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]]

    assert own, "none of its sockets could be seen"
    # 0A: a TCP port that listens; 07: a UDP port that takes from anybody.
    assert [row[1] for row in tables if row[9] in own and row[3] in ("0A", "07")] == []


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in _tree(int(child)))]


def test_a_neighbour_on_its_network_reaches_no_more_than_that(site: Site) -> None:
    """From a container beside: names and addresses of the stack, tried by a shell's own connections."""
    ports = "1 22 80 443 2375 2376 3000 3003 4242 5432 8083 8086 8087 8088 8089 8404 9090 25826"
    script = (
        f"for host in influxdb edge grafana telegraf; do for port in {ports}; do "
        'timeout 2 bash -c "exec 3<>/dev/tcp/$host/$port" 2>/dev/null && echo $host:$port; done; done; true'
    )
    found = client().containers.run(
        pins()["edge"].build, entrypoint=["bash", "-c", script], network=f"{site.name}_front", remove=True
    )

    assert set(found.decode().split()) == {"edge:3000", "edge:8086", "edge:8087", "grafana:3000"}
