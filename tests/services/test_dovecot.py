"""Dovecot, and what its own page of statistics tells."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, newest, tags_of

READ = collect("dovecot")
_CONFIGURATION = """\
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
log_path = /dev/stderr
mail_location = maildir:/tmp/mail/%u
first_valid_uid = 1
first_valid_gid = 1
passdb {
  driver = static
  args = password=right
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/tmp/mail/%u
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
  }
  inet_listener imaps {
    port = 0
  }
}
service stats {
  inet_listener http {
    address = 127.0.0.1
    port = 9900
  }
}
metric auth_success {
  filter = event=auth_request_finished AND success=yes
}
metric auth_failures {
  filter = event=auth_request_finished AND NOT success=yes
}
metric imap_command {
  filter = event=imap_command_finished
}
"""


@pytest.fixture(scope="module")
def dovecot(host: Host) -> Host:
    host.write("/etc/dovecot/dovecot.conf", _CONFIGURATION)
    host.run("install -d -o mail /tmp/mail")
    host.start("dovecot", "dovecot -F", ready="nc -z 127.0.0.1 143 && curl -fs http://127.0.0.1:9900/metrics")
    return host


def log_in(host: Host, password: str, count: int) -> None:
    """So many logins of clients that read the list of the folders; at most five at a time."""
    one = f"timeout 20 curl -s --user biere:{password} imap://127.0.0.1/"
    host.run(f"seq {count} | xargs -P 5 -I@ {one} > /dev/null || true", timeout=120)


def told_by_dovecot(host: Host) -> dict[str, tuple[int, float]]:
    """Of each metric, how often it happened and how many seconds that took."""
    lines = [line.split("\t") for line in host.run("doveadm stats dump").splitlines()[1:]]
    return {line[0]: (int(line[2]), int(line[3]) / 1e6) for line in lines}


def test_what_is_read_is_what_dovecot_tells(dovecot: Host) -> None:
    log_in(dovecot, "right", 3)
    log_in(dovecot, "wrong", 2)
    points = gather(dovecot, READ, of="dovecot")
    told = told_by_dovecot(dovecot)

    read = newest(points, "dovecot")
    assert read == {
        "dovecot_auth_success": 3,
        "dovecot_auth_failures": 2,
        "dovecot_imap_command": told["imap_command"][0],
        "dovecot_imap_command_duration_seconds": pytest.approx(told["imap_command"][1]),
    }
    assert told["imap_command"][0] >= 3
    assert tags_of(points, "dovecot") == set()
    assert fields_of(points, "dovecot") == read.keys()


def test_logins_that_fail_are_an_alert(dovecot: Host, alerts: Alerts) -> None:
    with agent(dovecot, READ, pace=50) as running:
        running.read(6, of="dovecot")
        log_in(dovecot, "right", 10)
        running.read(6, of="dovecot")
        assert alerts.firing(running) == set()
        log_in(dovecot, "wrong", 25)
        running.read(6, of="dovecot")

    assert alerts.firing(running) == {"dovecot-logins-warning"}


def test_a_dovecot_that_is_stopped_is_an_error_of_the_input(dovecot: Host, alerts: Alerts) -> None:
    with agent(dovecot, READ, pace=50) as running:
        running.read(10)
        dovecot.stop("dovecot", signal="KILL")
        running.read(60)

    assert "connection refused" in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}
