"""Two ends of WireGuard in one container, by wireguard-go. Their sockets take the place of the kernel's interface."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import newest, only, tags_of

READ = collect({"wireguard": {"interfaces": ["wg1"]}})
_PORTS = {"wg0": 51820, "wg1": 51821}
_NANOSECONDS = 10**9
ROOTS = ("dac_override",)
"""What opens the sockets, which are root's."""
# An end whose peer is set anew and has a keepalive makes a handshake at once; else there is one every two minutes.
_HANDSHAKES = "while sleep 0.5; do wg set wg0 peer {key} remove; {add}; done"


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    made = make_host("NET_ADMIN", devices=("/dev/net/tun",))
    for end in _PORTS:
        made.run(f"cd /run; (umask 077; wg genkey > {end}.key); wg pubkey < {end}.key > {end}.pub")
    return made


@pytest.fixture
def wireguard(host: Host) -> Iterator[Host]:
    """Two ends that are peers of each other: wg1 with a keepalive, wg0 without."""
    for end, port in _PORTS.items():
        host.start(end, f"wireguard-go -f {end}", ready=f"wg show {end}")
        host.run(f"wg set {end} private-key /run/{end}.key listen-port {port}; ip link set {end} up")
    host.run(f"{peer(host, 'wg0', 'wg1')}; {peer(host, 'wg1', 'wg0', 'persistent-keepalive 1')}")
    host.wait("[[ $(wg show wg1 latest-handshakes | cut -f2) -gt 0 ]]")
    yield host
    for end in filter(host.is_running, _PORTS):
        host.stop(end)


def public_key(host: Host, end: str) -> str:
    return host.run(f"cat /run/{end}.pub").strip()


def peer(host: Host, end: str, other: str, more: str = "") -> str:
    """The command that makes one end the peer of the other."""
    endpoint = f"127.0.0.1:{_PORTS[other]}"
    return f"wg set {end} peer {public_key(host, other)} allowed-ips 10.9.0.0/24 endpoint {endpoint} {more}"


def told_by_wg(host: Host, end: str) -> dict[str, list[str]]:
    """What `wg show` prints of its one peer, by the peer's key."""
    lines = host.run(f"wg show {end} dump").splitlines()[1:]
    return {key: rest for key, *rest in (line.split("\t") for line in lines)}


def test_what_is_read_is_what_wg_tells(wireguard: Host) -> None:
    before = told_by_wg(wireguard, "wg1")
    points = gather(wireguard, READ, of="wireguard_peer", capabilities=ROOTS)
    after = told_by_wg(wireguard, "wg1")

    (key,) = before
    read = newest(points, "wireguard_peer", device="wg1")
    _, _, addresses, handshake, received, sent, keepalive = before[key]
    assert key == public_key(wireguard, "wg0")
    assert {one.tags["public_key"] for one in points if one.measurement == "wireguard_peer"} == {key}
    assert read["last_handshake_time_ns"] // _NANOSECONDS == int(handshake)
    assert int(received) <= read["rx_bytes"] <= int(after[key][4])
    assert int(sent) <= read["tx_bytes"] <= int(after[key][5])
    assert (read["allowed_peer_cidr"], read["persistent_keepalive_interval_ns"]) == (
        addresses,
        int(keepalive) * _NANOSECONDS,
    )
    assert only(points, "wireguard_device", name="wg1")["peers"] == len(before)
    assert tags_of(points, "wireguard_peer") == {"device", "public_key"}
    assert tags_of(points, "wireguard_device") == {"name"}


def test_without_interfaces_all_are_read_and_no_key_but_public_ones(wireguard: Host) -> None:
    points = gather(wireguard, collect("wireguard"), of="wireguard_peer", capabilities=ROOTS)

    assert {one.tags["name"] for one in points if one.measurement == "wireguard_device"} == set(_PORTS)
    private = wireguard.run("cat /run/wg0.key /run/wg1.key").split()
    assert not any(key in one.line for key in private for one in points)


def test_a_peer_that_goes_away_is_an_alert(wireguard: Host, alerts: Alerts) -> None:
    handshakes = _HANDSHAKES.format(
        key=public_key(wireguard, "wg1"), add=peer(wireguard, "wg0", "wg1", "persistent-keepalive 1")
    )
    with agent(wireguard, READ, pace=60, capabilities=ROOTS) as running:
        with wireguard.meanwhile("handshakes", handshakes):
            running.read(60, of="wireguard_device")
        assert alerts.firing(running) == set()
        wireguard.stop("wg0", signal="KILL")
        running.read(60, of="wireguard_device")

    assert alerts.firing(running) == {"wireguard-peer-warning"}


def test_an_account_that_may_not_ask_is_an_error_of_the_input(wireguard: Host) -> None:
    with agent(wireguard, collect("wireguard"), pace=10) as running:
        running.read(3)

    assert "permission denied" in running.errors()[0]
