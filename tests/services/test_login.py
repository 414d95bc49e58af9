"""Logins by ssh on a booted host, as its journal tells them."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import fields_of, only, tags_of

READ = collect("login")
_SETTINGS = "PermitRootLogin yes\nMaxStartups 100\n"
_OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o NumberOfPasswordPrompts=1"
_PASSWORD = "beer-and-bread"


@pytest.fixture(scope="module")
def host(make_host: MakeHost) -> Host:
    """A host on which root and marie have a password, and marie a key."""
    made = make_host(systemd=True)
    made.write("/etc/ssh/sshd_config.d/test.conf", _SETTINGS)
    made.write("/tmp/right", f"#!/bin/sh\necho {_PASSWORD}\n", mode="0755")
    made.write("/tmp/wrong", "#!/bin/sh\necho guess\n", mode="0755")
    made.run(
        f"useradd -m marie; echo root:{_PASSWORD} | chpasswd; echo marie:{_PASSWORD} | chpasswd; "
        "usermod -aG systemd-journal telegraf; ssh-keygen -q -t ed25519 -N '' -f /run/key; "
        "install -D -o marie -m 600 /run/key.pub ~marie/.ssh/authorized_keys; chown marie ~marie/.ssh; "
        # Wrong passwords are answered at once, instead of after two seconds.
        "sed -i 's/pam_unix.so/& nodelay/' /etc/pam.d/common-auth; "
        "systemctl start ssh"
    )
    made.wait("nc -z 127.0.0.1 22")
    return made


def login(host: Host, user: str, *, answer: str = "", key: str = "") -> int:
    """Log in with the password that a program answers, or with a key; the exit code of ssh."""
    return host.attempt(by_ssh(user, answer=answer, key=key)).code


def by_ssh(user: str, *, answer: str = "", key: str = "") -> str:
    how = f"-o PasswordAuthentication=no -i {key}" if key else "-o PubkeyAuthentication=no"
    return f"SSH_ASKPASS=/tmp/{answer} SSH_ASKPASS_REQUIRE=force ssh {_OPTIONS} {how} {user}@127.0.0.1 true < /dev/null"


def guess(host: Host, times: int) -> None:
    """Try wrong passwords, all at once."""
    host.run(f"for n in {{1..{times}}}; do {by_ssh('root', answer='wrong')} & done; wait")


def told_by_the_journal(host: Host, pattern: str) -> int:
    return int(host.run(f"journalctl --quiet --unit=ssh --since=-1min --output=cat | grep -cE '{pattern}' || true"))


def forgotten(host: Host) -> None:
    """Until then, the journal of the last minute has logins of the test before."""
    host.run("journalctl --rotate; journalctl --vacuum-time=1us")


def test_what_is_read_is_what_the_journal_tells(host: Host) -> None:
    forgotten(host)
    guess(host, 2)
    assert login(host, "nobody-here", answer="wrong") == 255
    assert login(host, "root", answer="right") == login(host, "marie", answer="right") == 0
    assert login(host, "marie", key="/run/key") == 0

    points = gather(host, READ, of="login")

    read = only(points, "login").fields
    assert read["failed"] == told_by_the_journal(host, "^Failed (password|keyboard)") == 3
    assert read["accepted"] == told_by_the_journal(host, "^Accepted") == 3
    assert read["by_password"] == told_by_the_journal(host, "^Accepted password") == 2
    assert (read["root"], read["root_by_password"], read["sessions"]) == (1, 1, 0)
    assert tags_of(points, "login") == set()
    assert fields_of(points, "login") == {
        *("failed", "accepted", "by_password", "root", "root_by_password", "sessions")
    }


def test_a_key_that_is_not_accepted_is_one_failure(host: Host) -> None:
    forgotten(host)
    assert login(host, "root", key="/run/key") == 255
    read = only(gather(host, READ, of="login"), "login")

    assert told_by_the_journal(host, "^Failed") == 0
    assert (read["failed"], read["accepted"]) == (1, 0)


def test_a_name_that_looks_like_an_accepted_login_is_none(host: Host) -> None:
    forgotten(host)
    assert login(host, "'x: Accepted password for root from'", answer="wrong") == 255
    read = only(gather(host, READ, of="login"), "login")

    assert (read["failed"], read["accepted"], read["root"]) == (1, 0, 0)


def test_open_sessions_are_counted(host: Host) -> None:
    command = f"ssh {_OPTIONS} -i /run/key marie@127.0.0.1 sleep 60"
    with host.meanwhile("session", f"{command} & {command} & wait"):
        host.wait("[[ $(pgrep -u marie -c sleep) == 2 ]]")
        points = gather(host, READ, of="login")

    assert only(points, "login")["sessions"] == 2


def test_guesses_are_an_alert_and_another_one_when_a_password_is_accepted_after_them(
    host: Host, alerts: Alerts
) -> None:
    forgotten(host)
    with agent(host, READ, pace=120) as running:
        guess(host, 1)
        running.read(3, of="login")
        assert alerts.firing(running) == set()
        guess(host, 12)
        running.read(8, of="login")
        assert alerts.firing(running) == {"login-failures-information"}
        assert login(host, "marie", answer="right") == 0
        running.read(2, of="login")
        assert alerts.firing(running) == {"login-failures-information", "login-after-failures-warning"}


def test_root_who_logs_in_by_password_is_an_alert(host: Host, alerts: Alerts) -> None:
    forgotten(host)
    with agent(host, READ, pace=120) as running:
        assert login(host, "marie", answer="right") == 0
        running.read(2, of="login")
        assert alerts.firing(running) == set()
        assert login(host, "root", answer="right") == 0
        running.read(2, of="login")

    assert alerts.firing(running) == {"login-root-password-information"}


def test_an_account_outside_of_the_group_is_an_error_of_the_input(host: Host) -> None:
    host.run("gpasswd -d telegraf systemd-journal")
    with agent(host, READ, pace=100) as running:
        running.read(3)

    assert "insufficient permissions" in running.errors()[0]
