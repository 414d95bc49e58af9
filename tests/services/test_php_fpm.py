"""PHP-FPM, and what is read of its status page, by a socket of its own."""

from __future__ import annotations

import json

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import only, tags_of

SOCKET, POOL = "/run/php/status.sock", "127.0.0.1:9000"
READ = collect({"php-fpm": {"pools": [f"{SOCKET}:status"]}})
_CONFIGURATION = f"""\
[global]
error_log = /dev/stderr
[www]
user = www-data
group = www-data
listen = {POOL}
listen.owner = www-data
listen.group = www-data
pm = dynamic
pm.max_children = 3
pm.start_servers = 2
pm.min_spare_servers = 1
pm.max_spare_servers = 2
pm.status_path = /status
pm.status_listen = {SOCKET}
slowlog = /tmp/slow.log
request_slowlog_timeout = 1s
"""
_ASK = (
    "env SCRIPT_NAME={name} SCRIPT_FILENAME={file} REQUEST_METHOD=GET QUERY_STRING={query} "
    "cgi-fcgi -bind -connect {where}"
)
_SLEEP = "<?php sleep((int) $_GET['for']); echo 'done';\n"


def ask(seconds: int) -> str:
    return _ASK.format(name="/sleep.php", file="/srv/sleep.php", query=f"for={seconds}", where=POOL)


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    return make_host("SYS_PTRACE")  # with which php-fpm looks what a slow script does


@pytest.fixture(scope="module")
def php(host: Host) -> Host:
    host.write("/etc/php/fpm.conf", _CONFIGURATION)
    host.write("/srv/sleep.php", _SLEEP)
    host.run("usermod -aG www-data telegraf; mkdir -p /run/php")
    host.start("php", "php-fpm8.2 --nodaemonize --fpm-config /etc/php/fpm.conf", ready=f"{ask(0)} | grep done")
    return host


def told_by_php(host: Host) -> dict[str, int]:
    """What its status page says."""
    page = host.run(_ASK.format(name="/status", file="/status", query="json", where=SOCKET))
    told = json.loads(page[page.index("{") :])
    return {key.replace(" ", "_"): value for key, value in told.items()}


def test_what_is_read_is_what_php_fpm_tells(php: Host) -> None:
    php.run("; ".join([ask(0)] * 3))
    before = told_by_php(php)
    points = gather(php, READ, of="phpfpm")

    read = only(points, "phpfpm", pool="www")
    assert tags_of(points, "phpfpm") == {"pool"}
    assert 3 < before["accepted_conn"] == read["accepted_conn"]
    for field in ("active_processes", "idle_processes", "listen_queue", "max_children_reached", "slow_requests"):
        assert read[field] == before[field], field


def test_the_socket_needs_its_group(php: Host) -> None:
    php.run("gpasswd -d telegraf www-data")
    try:
        with agent(php, READ, longest=1) as running:
            running.until(lambda points: bool(running.errors()))
    finally:
        php.run("usermod -aG www-data telegraf")

    assert "permission denied" in running.errors()[0]


def test_scripts_that_take_long_are_alerts(php: Host, alerts: Alerts) -> None:
    with agent(php, READ, pace=20) as running:
        running.read(15, of="phpfpm")
        assert alerts.firing(running) == set()
        # Twelve visitors at once for three processes, each of them with a slow page.
        with php.meanwhile("visitors", f"for n in {{1..12}}; do while true; do {ask(2)}; done & done; wait"):
            points = running.read(45, of="phpfpm")

    last = only(points, "phpfpm")
    assert last["max_children_reached"] > 0
    assert last["slow_requests"] > 5
    assert last["listen_queue"] > 0
    assert alerts.firing(running, points) == {"php-fpm-queue-warning", "php-fpm-slow-warning"}


def test_a_pool_that_is_stopped_is_an_error_of_its_input_and_an_alert(php: Host, alerts: Alerts) -> None:
    with agent(php, READ, pace=20) as running:
        running.read(10)
        with php.stopped("php"):
            running.read(20)

    assert "status.sock" in running.errors()[0]
    # What was slow before may be counted still.
    assert "input-fails-warning" in alerts.firing(running)
