"""Mosquitto, and what is read of its own topics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import Point, only, tags_of

READ = collect(
    {"mosquitto": {"user": "monitoring", "password": {"secret": "mosquitto"}}}, secrets={"mosquitto": "biere"}
)
_CONFIGURATION = """\
listener 1883 127.0.0.1
sys_interval 1
max_queued_messages 10
password_file /etc/mosquitto/passwords
acl_file /etc/mosquitto/acl
"""
_ACL = """\
user monitoring
topic read $SYS/broker/#
user device
topic readwrite room/#
"""
_DEVICE = "-u device -P x"
_TOPICS = {
    ("clients", "connected"): "clients/connected",
    ("messages", "stored"): "messages/stored",
    ("heap", "current"): "heap/current",
    ("messages", "received"): "messages/received",
    ("messages", "sent"): "messages/sent",
    ("messages", "dropped"): "publish/messages/dropped",
    ("bytes", "received"): "bytes/received",
    ("bytes", "sent"): "bytes/sent",
}


@pytest.fixture
def mosquitto(host: Host) -> Iterator[Host]:
    host.write("/etc/mosquitto/mosquitto.conf", _CONFIGURATION)
    host.write("/etc/mosquitto/acl", _ACL, owner="mosquitto", mode="0600")
    host.run(
        "cd /etc/mosquitto; rm -f passwords; touch passwords; mosquitto_passwd -b passwords monitoring biere; "
        "mosquitto_passwd -b passwords device x; chown mosquitto passwords"
    )
    command = "mosquitto -c /etc/mosquitto/mosquitto.conf"
    host.start("mosquitto", command, ready="nc -z 127.0.0.1 1883", user="mosquitto")
    yield host
    host.stop("mosquitto")


def told_by_mosquitto(host: Host) -> dict[str, float]:
    """The last value of each topic of the broker's own."""
    heard = host.run("timeout 3 mosquitto_sub -u monitoring -P biere -v -t '$SYS/broker/#' || true")
    words = [line.removeprefix("$SYS/broker/").rsplit(" ", 1) for line in heard.splitlines()]
    return {topic: float(value) for topic, value in words if topic in _TOPICS.values()}


def has_all(points: list[Point]) -> bool:
    seen = {(one.tags["group"], one.tags["kind"]) for one in points if "group" in one.tags}
    return seen == set(_TOPICS) and any(one.measurement == "mosquitto_port" for one in points)


def test_what_is_read_is_what_mosquitto_tells(mosquitto: Host) -> None:
    with agent(mosquitto, READ, longest=1) as running:
        running.until(has_all)
        before = told_by_mosquitto(mosquitto)
        mosquitto.run(f"for n in 1 2 3; do mosquitto_pub {_DEVICE} -t room/light -m $n -r; done; sleep 2")
        points = running.read(3, of="mosquitto_total")
        after = told_by_mosquitto(mosquitto)
    assert running.errors() == []

    assert only(points, "mosquitto_port", server="127.0.0.1", port="1883")["result_code"] == 0
    # The agent has two connections, and what asked for this here a third.
    assert only(points, "mosquitto", group="clients", kind="connected")["value"] in (2, 3)
    for (group, kind), topic in _TOPICS.items():
        name = "mosquitto" if topic in ("clients/connected", "messages/stored", "heap/current") else "mosquitto_total"
        value = only(points, name, group=group, kind=kind)["value"]
        if name == "mosquitto_total":
            assert before.get(topic, 0) <= value <= after[topic], topic
    assert only(points, "mosquitto", group="messages", kind="stored")["value"] >= 1
    assert only(points, "mosquitto", group="heap", kind="current")["value"] > 10_000
    assert tags_of(points, "mosquitto") == tags_of(points, "mosquitto_total") == {"group", "kind"}


def test_messages_that_no_client_fetches_are_dropped_and_an_alert(mosquitto: Host, alerts: Alerts) -> None:
    # A client that wants them all, and is gone: ten wait for it.
    mosquitto.run(f"mosquitto_sub {_DEVICE} -i asleep -c -q 1 -t room/temperature -E")
    with agent(mosquitto, READ, pace=30) as running:
        running.until(has_all)
        running.read(3, of="mosquitto_total")
        assert alerts.firing(running) == set()
        sent = f"mosquitto_pub {_DEVICE} -q 1 -t room/temperature -l"
        mosquitto.run(f"for n in {{1..8}}; do seq 1000 | {sent}; sleep 1; done")
        points = running.read(2, of="mosquitto_total")

    assert only(points, "mosquitto_total", group="messages", kind="dropped")["value"] > 7000
    assert alerts.firing(running) == {"mosquitto-dropped-warning"}


def test_a_broker_that_is_stopped_is_an_alert_and_is_read_again_afterwards(mosquitto: Host, alerts: Alerts) -> None:
    with agent(mosquitto, READ, pace=60) as running:
        running.until(has_all)
        assert alerts.firing(running) == set()
        with mosquitto.stopped("mosquitto"):
            running.read(8, of="mosquitto_port")
            assert alerts.firing(running) == {"mosquitto-down-critical"}
        running.read(1, of="mosquitto")
