"""The alerts of RabbitMQ."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, interrupted, points


def _node(**fields: Value) -> Points:
    return points("rabbitmq_node", "node=rabbit@lewi", **fields)


def _queue(**fields: Value) -> Points:
    return points("rabbitmq_queue", "queue=mail,vhost=/", **fields)


CASES: dict[str, Case] = {
    "rabbitmq-alarm-critical": case(_node(mem_alarm=0, disk_free_alarm=1), _node(mem_alarm=0, disk_free_alarm=0)),
    "rabbitmq-memory-warning": case(_node(mem_used=95, mem_limit=100), _node(mem_used=85, mem_limit=100)),
    "rabbitmq-file-handles-warning": case(_node(fd_used=95, fd_total=100), _node(fd_used=85, fd_total=100)),
    "rabbitmq-node-down-critical": case(_node(running=0), _node(running=1)),
    "rabbitmq-queue-long-warning": case(
        _queue(messages_ready=1500),
        _queue(messages_ready=900),
        _queue(messages_ready=interrupted(1500, by=3)),
    ),
    "rabbitmq-no-consumer-critical": case(
        _queue(messages_ready=3, consumers=0),
        _queue(messages_ready=3, consumers=1),
        _queue(messages_ready=0, consumers=0),
    ),
    "rabbitmq-unroutable-warning": case(
        points("rabbitmq_overview", return_unroutable=grows(1)), points("rabbitmq_overview", return_unroutable=7)
    ),
}
