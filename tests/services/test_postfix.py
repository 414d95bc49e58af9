"""Postfix, and what is read of its queues."""

from __future__ import annotations

import json

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

READ = collect("postfix")


@pytest.fixture(scope="module")
def postfix(host: Host) -> Host:
    host.run(
        "postconf -e relayhost='[127.0.0.1]:9' inet_interfaces=loopback-only myhostname=lewi.example.org "
        "maillog_file=/var/log/postfix.log queue_run_delay=5s minimal_backoff_time=1h; touch /etc/aliases; newaliases"
    )
    host.start("postfix", "postfix start-fg", ready="postqueue -j")
    return host


def send(host: Host, count: int) -> None:
    sent = "printf 'Subject: late\\n\\nMy \"queue_name\": \"hold\" {\\n' | sendmail -f 'a@example.org' 'b@example.org'"
    host.run(f"for n in {{1..{count}}}; do {sent}; done", timeout=120)


def told_by_postfix(host: Host) -> list[dict[str, object]]:
    return [json.loads(line) for line in host.run("postqueue -j").splitlines()]


def test_what_is_read_is_what_postfix_tells(postfix: Host) -> None:
    send(postfix, 3)
    postfix.wait('[[ $(postqueue -j | grep -c \'"queue_name": "deferred"\') == 3 ]]')
    postfix.run("postsuper -h $(postqueue -j | head -1 | cut -d'\"' -f8)")
    points = gather(postfix, READ, of="postfix_queue")
    told = told_by_postfix(postfix)

    for queue in ("active", "deferred", "hold", "incoming"):
        mails = [one for one in told if one["queue_name"] == queue]
        read = only(points, "postfix_queue", queue=queue)
        assert (read["length"], read["size"]) == (len(mails), sum(int(str(one["message_size"])) for one in mails)), (
            queue
        )
    assert only(points, "postfix_queue", queue="hold")["length"] == 1
    assert 0 < only(points, "postfix_queue", queue="deferred")["age"] < 120
    assert tags_of(points, "postfix_queue") == {"queue"}


def test_a_relay_that_is_away_is_an_alert(postfix: Host, alerts: Alerts) -> None:
    with agent(postfix, READ, pace=150) as running:
        running.read(3, of="postfix_queue")
        assert alerts.firing(running) == set()
        send(postfix, 60)
        points = running.read(42, of="postfix_queue")

    assert only(points, "postfix_queue", queue="deferred")["length"] > 50
    assert alerts.firing(running) == {"postfix-deferred-warning"}


def test_a_postfix_that_is_stopped_is_an_error_of_the_input(postfix: Host, alerts: Alerts) -> None:
    with agent(postfix, READ, pace=100) as running:
        running.read(5)
        postfix.run("postfix stop")
        running.read(75)
    assert "mail system is down" in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}
