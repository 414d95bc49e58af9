"""RabbitMQ, and what its management plug-in tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, select, tags_of

READ = collect(
    {"rabbitmq": {"password": {"secret": "rabbitmq"}, "queues": ["mail", "orders"]}}, secrets={"rabbitmq": "biere"}
)
_API = "http://127.0.0.1:15672/api"
_CURL = "curl -fsS -u guest:guest -H 'content-type: application/json'"


@pytest.fixture(scope="module")
def rabbitmq(host: Host) -> Host:
    # Statistics each second, instead of each five.
    host.write("/etc/rabbitmq/rabbitmq.conf", "collect_statistics_interval = 1000\n")
    host.run("rabbitmq-plugins enable --offline rabbitmq_management; chown -R rabbitmq /etc/rabbitmq", timeout=90)
    server = "env HOME=/var/lib/rabbitmq rabbitmq-server"
    host.start("rabbitmq", server, ready="rabbitmqctl await_startup", user="rabbitmq", within=150)
    host.run(
        "rabbitmqctl add_user telegraf biere && rabbitmqctl set_user_tags telegraf monitoring "
        "&& rabbitmqctl set_permissions -p / telegraf '' '' ''",
        timeout=90,
    )
    for queue in ("mail", "orders", "temporary"):
        host.run(f"{_CURL} -X PUT {_API}/queues/%2f/{queue} -d '{{}}'")
    return host


def publish(host: Host, key: str, count: int = 1) -> None:
    message = json.dumps({"properties": {}, "routing_key": key, "payload": "x", "payload_encoding": "string"})
    host.run(
        f"for n in {{1..{count}}}; do {_CURL} -X POST {_API}/exchanges/%2f/amq.default/publish -d '{message}'; done"
    )


def told_by_rabbitmq(host: Host, path: str) -> Any:
    return json.loads(host.run(f"{_CURL} {_API}/{path}"))


def test_what_is_read_is_what_rabbitmq_tells(rabbitmq: Host) -> None:
    publish(rabbitmq, "mail", 3)
    rabbitmq.wait(f"{_CURL} {_API}/queues/%2f/mail | grep -q '\"messages_ready\":3'")
    points = gather(rabbitmq, READ, of="rabbitmq_queue", readings=3)
    node = told_by_rabbitmq(rabbitmq, "nodes")[0]

    read = only(points, "rabbitmq_node", node="rabbit@lewi").fields
    for name in ("mem_limit", "disk_free_limit", "fd_total", "mem_alarm", "disk_free_alarm", "running"):
        assert read[name] == int(node[name]), name
    for name in ("mem_used", "disk_free", "fd_used"):
        assert read[name] == pytest.approx(node[name], rel=0.5), name
    queue = only(points, "rabbitmq_queue", queue="mail", vhost="/").fields
    assert queue == {"messages_ready": 3, "messages_unack": 0, "consumers": 0, "messages_publish": 3}
    assert {one.tags["queue"] for one in select(points, "rabbitmq_queue")} == {"mail", "orders"}
    assert tags_of(points, "rabbitmq_queue") == {"queue", "vhost"}
    assert only(points, "rabbitmq_overview")["messages_published"] == 3
    assert fields_of(points, "rabbitmq_overview") == {
        *("messages_published", "messages_delivered_get", "return_unroutable", "connections")
    }


def test_messages_that_nobody_consumes_are_an_alert(rabbitmq: Host, alerts: Alerts) -> None:
    with agent(rabbitmq, READ, pace=50) as running:
        points = running.read(45, of="rabbitmq_queue", within=120)

    assert only(points, "rabbitmq_queue", queue="mail")["messages_ready"] == 3
    assert alerts.firing(running) == {"rabbitmq-no-consumer-critical"}
    rabbitmq.run("rabbitmqctl purge_queue mail", timeout=60)


def test_a_disk_that_is_too_full_is_an_alert(rabbitmq: Host, alerts: Alerts) -> None:
    with agent(rabbitmq, READ, pace=20) as running:
        running.read(6, of="rabbitmq_node")
        assert alerts.firing(running) == set()
        rabbitmq.run("rabbitmqctl set_disk_free_limit 900GB", timeout=60)
        running.until(lambda points: only(points, "rabbitmq_node")["disk_free_alarm"] == 1)
        running.read(24, of="rabbitmq_node", within=120)
        assert alerts.firing(running) == {"rabbitmq-alarm-critical"}
        rabbitmq.run("rabbitmqctl set_disk_free_limit 50MB", timeout=60)


def test_memory_that_is_used_up_is_an_alert(rabbitmq: Host, alerts: Alerts) -> None:
    rabbitmq.run("rabbitmqctl set_vm_memory_high_watermark absolute 60MB", timeout=60)
    with agent(rabbitmq, READ, pace=50) as running:
        running.read(40, of="rabbitmq_node", within=120)
        firing = alerts.firing(running)
    rabbitmq.run("rabbitmqctl set_vm_memory_high_watermark 0.4", timeout=60)

    assert firing == {"rabbitmq-alarm-critical", "rabbitmq-memory-warning"}


def test_a_server_that_is_stopped_is_an_error_of_its_input_and_an_alert(rabbitmq: Host, alerts: Alerts) -> None:
    with agent(rabbitmq, READ, pace=50) as running:
        running.read(10)
        rabbitmq.run("rabbitmqctl stop_app", timeout=60)
        running.read(60, within=120)

    assert "input-fails-warning" in alerts.firing(running)
