"""Fail2ban with a jail that reads a log of its own, asked with the right that the collector says it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of
from tests.services.rights import give_sudo

READ = collect("fail2ban")
_LOG = "/var/log/door.log"
_JAILS = f"""\
[DEFAULT]
backend = polling
action =
[sshd]
enabled = false
[door]
enabled = true
filter = sshd
logpath = {_LOG}
maxretry = 3
[window]
enabled = true
filter = sshd
logpath = {_LOG}
maxretry = 500
"""


@pytest.fixture
def fail2ban(host: Host) -> Iterator[Host]:
    host.write("/etc/fail2ban/jail.local", _JAILS)
    host.write(_LOG, "")
    give_sudo(host, "fail2ban")
    host.run("rm -f /var/lib/fail2ban/*")
    host.start("fail2ban", "fail2ban-server -xf start", ready="fail2ban-client status window")
    yield host
    if host.is_running("fail2ban"):
        host.stop("fail2ban")


def fail(host: Host, address: str, times: int) -> None:
    """Somebody tries passwords."""
    line = f"lewi sshd[77]: Failed password for root from {address} port 4000 ssh2"
    host.run(f'for n in {{1..{times}}}; do echo "$(date "+%b %e %T") {line}" >> {_LOG}; done')


def told_by_fail2ban(host: Host, jail: str) -> dict[str, int]:
    page = host.run(f"fail2ban-client status {jail}")
    return {name: int(value) for name, value in re.findall(r"Currently (failed|banned):\s*(\d+)", page)}


def test_what_is_read_is_what_fail2ban_tells(fail2ban: Host) -> None:
    fail(fail2ban, "192.0.2.7", 4)
    fail(fail2ban, "192.0.2.8", 2)
    fail2ban.wait("fail2ban-client status door | grep -q 'Currently banned:.*1'")
    fail2ban.wait("fail2ban-client status window | grep -q 'Total failed:.*6'")

    points = gather(fail2ban, READ, of="fail2ban")

    for jail in ("door", "window"):
        assert only(points, "fail2ban", jail=jail).fields == told_by_fail2ban(fail2ban, jail)
    assert only(points, "fail2ban", jail="door")["banned"] == 1
    assert only(points, "fail2ban", jail="window")["failed"] == 2
    assert tags_of(points, "fail2ban") == {"jail"}


def test_many_banned_addresses_are_an_alert(fail2ban: Host, alerts: Alerts) -> None:
    addresses = " ".join(f"192.0.2.{number}" for number in range(1, 106))
    with agent(fail2ban, READ, pace=60) as running:
        running.read(2, of="fail2ban")
        assert alerts.firing(running) == set()
        fail2ban.run(f"fail2ban-client set door banip {addresses}")
        fail2ban.wait("fail2ban-client status door | grep -q 'Currently banned:.*105'")
        running.read(26, of="fail2ban")  # each jail is a reading of its own

    assert alerts.firing(running) == {"fail2ban-banned-information"}


def test_a_fail2ban_that_is_stopped_is_an_error_of_the_input_and_an_alert(fail2ban: Host, alerts: Alerts) -> None:
    fail2ban.stop("fail2ban")
    with agent(fail2ban, READ, pace=120) as running:
        running.read(80)

    assert "fail2ban-client" in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}


def test_the_right_to_ask_is_no_right_to_change_anything(fail2ban: Host) -> None:
    for command in ("set door banip 192.0.2.9", "unban --all", "stop", "--str2sec status"):
        refused = fail2ban.attempt(f"sudo -n /usr/bin/fail2ban-client {command}", user="telegraf")
        assert "a password is required" in refused.err, refused
    assert told_by_fail2ban(fail2ban, "door")["banned"] == 0


def test_without_the_right_the_input_reports_an_error(fail2ban: Host) -> None:
    fail2ban.run("rm /etc/sudoers.d/telegraf-fail2ban")
    with agent(fail2ban, READ, pace=600) as running:
        running.read(3)

    assert "sudo" in running.errors()[0]
