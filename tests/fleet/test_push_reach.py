"""Getting to the hosts: who is away, who may be somebody else, a narrow way, a sudo that asks, a line that breaks."""

from __future__ import annotations

import os
import pty
import select
import socket
import sys
import time
from collections.abc import Mapping

from tests.engine.sites import Result
from tests.fleet.desk import OTHER, Desk, heard, pushed_by
from tests.fleet.servers import Server

DROPS = "journalctl -u ssh | grep -c 'drop connection'"
LARGE = OTHER + "# filling\n" * 500_000
"""More than sshd takes on before somebody reads it."""


def test_a_host_that_is_away_does_not_hold_up_the_others(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, ronflex, lewi)

    ronflex.power_off()
    pushed = desk.push("biere", "ronflex", "lewi")
    ronflex.power_on()

    assert pushed.outcomes == {"biere": "verified", "ronflex": "unreachable", "lewi": "verified"}, pushed
    assert pushed.code == 5
    assert pushed.why("ronflex").startswith("ronflex is unreachable: ")
    assert "try `ssh ronflex`" in pushed.next("ronflex")
    assert desk.kept(before[0], before[2]) == {"biere": "new", "lewi": "new"}
    assert desk.push("ronflex").outcomes == {"ronflex": "verified"}


def test_a_host_that_is_unknown_or_shows_another_key_is_left_alone(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, ronflex, lewi)
    desk.operator.wrong_key(ronflex)
    desk.operator.forget_key(lewi)
    known = desk.operator.known_hosts.read_bytes()

    pushed = desk.push("biere", "ronflex", "lewi")

    assert pushed.outcomes == {"biere": "verified", "ronflex": "unreachable", "lewi": "unreachable"}, pushed
    assert pushed.code == 5
    assert pushed.why("ronflex") == "ronflex: its host key differs from the one in ~/.ssh/known_hosts"
    assert "`ssh-keygen -R ronflex`" in pushed.next("ronflex")
    assert pushed.why("lewi").startswith("lewi: its host key is not in ~/.ssh/known_hosts")
    assert desk.operator.known_hosts.read_bytes() == known
    assert desk.kept(*before) == {"biere": "new", "ronflex": "untouched", "lewi": "untouched"}


def test_a_bastion_that_drops_connections_is_asked_again(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    for far in (ronflex, lewi):
        desk.operator.add_host(far, alias=f"{far.name}-far", jump="biere")
        desk.configure(far.name, ssh=f"{far.name}-far")
    before = desk.verified(ronflex, lewi)
    desk.own(ronflex, lewi)
    # Two may be at the door at a time, and two strangers stand there until somebody was turned away for them.
    biere.write("/etc/ssh/sshd_config.d/narrow.conf", "MaxStartups 2:100:2\nLogLevel DEBUG\n")
    biere.run("systemctl restart ssh")
    biere.wait_for_ssh()

    strangers = [let_in(biere) for _ in range(2)]
    turned_away = int(biere.run(f"{DROPS} || true"))
    pushing = desk.start("push-config", "--canary", "0", "--json", "ronflex", "lewi")
    another = biere.attempt(f"until (( $({DROPS}) > {turned_away} )); do sleep 0.05; done", timeout=30)
    for one in strangers:
        one.close()
    pushed = pushed_by(pushing)

    assert another.code == 0, biere.journal(unit="ssh")
    assert pushed.outcomes == {"ronflex": "verified", "lewi": "verified"}, pushed
    assert desk.kept(*before) == {"ronflex": "new", "lewi": "new"}


def test_a_sudo_that_wants_a_password_fails_at_once_and_is_answered_with_ask_sudo(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    desk.own(lewi)
    desk.operator.add_host(lewi, alias="lewi-bob", user="bob")
    desk.configure("lewi", ssh="lewi-bob")

    unasked = desk.push("lewi")
    after_refusal = desk.kept(before)
    wrong = at_a_terminal(desk, "push-config", "lewi", "--ask-sudo", answers={"sudo password on the hosts: ": "guess"})
    after_mistake = desk.kept(before)
    right = at_a_terminal(
        desk, "push-config", "lewi", "--ask-sudo", answers={"sudo password on the hosts: ": "hunter2-test"}
    )

    assert (unasked.code, unasked.outcomes) == (1, {"lewi": "refused"}), unasked
    assert "sudo failed: sudo: a password is required" in unasked.why("lewi")
    assert "--ask-sudo" in unasked.next("lewi")
    assert wrong.code == 1, wrong
    assert "sudo failed" in wrong.out
    assert (after_refusal, after_mistake) == ({"lewi": "untouched"}, {"lewi": "untouched"})
    assert right.code == 0, right
    assert "verified" in right.out
    assert "hunter2" not in right.out
    assert desk.kept(before) == {"lewi": "new"}


def test_requiretty_is_named_with_the_line_that_ends_it(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    desk.own(lewi)
    lewi.write("/etc/sudoers.d/zz", "Defaults requiretty\n")

    refused = desk.push("lewi")
    after_refusal = desk.kept(before)
    lewi.write("/etc/sudoers.d/zzz", "Defaults:ares !requiretty\n")
    accepted = desk.push("lewi")

    assert refused.outcomes == {"lewi": "refused"}, refused
    assert "requiretty" in refused.why("lewi")
    assert "Defaults:USER !requiretty" in refused.next("lewi")
    assert after_refusal == {"lewi": "untouched"}
    assert accepted.outcomes == {"lewi": "verified"}, accepted


def test_a_host_that_stalls_in_the_middle_stops_nobody_else(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, ronflex, lewi)

    with biere.hold("bash", matching="aresmon_script") as stalled:
        pushing = desk.start("push-config", "--canary", "1", "--json", "biere", "ronflex", "lewi")
        stalled.wait_reached()
        with biere.unplugged():
            pushed = pushed_by(pushing)

    assert pushed.outcomes == {"biere": "unreachable", "ronflex": "verified", "lewi": "verified"}, pushed
    assert desk.kept(*before) == {"biere": "untouched", "ronflex": "new", "lewi": "new"}


def test_a_line_that_breaks_in_the_copy_leaves_the_old_files(desk: Desk, ronflex: Server, lewi: Server) -> None:
    before = desk.verified(ronflex, lewi)
    desk.own(ronflex)
    desk.own(lewi, text=LARGE)

    with (
        ronflex.hold("sha256sum", matching=r"\.telegraf\.conf\.aresmon") as arrived,
        lewi.hold("lsattr") as arriving,  # the last program before the files are read from the connection
    ):
        pushing = desk.start("push-config", "--canary", "0", "ronflex", "lewi")
        arrived.wait_reached()
        arriving.wait_reached()
        with ronflex.unplugged(), lewi.unplugged():
            heard(pushing, "ronflex: connection lost: reconnecting", "lewi: connection lost: reconnecting")
    out, err = pushing.communicate(timeout=120)

    assert pushing.returncode == 1, (out, err)
    assert "ronflex: UNREACHABLE: the connection to ronflex was lost" in out
    assert "lewi: UNREACHABLE: the connection to lewi was lost" in out
    assert out.count("Nothing was changed on the host") == 2
    assert desk.kept(*before) == {"ronflex": "untouched", "lewi": "untouched"}


def let_in(server: Server, within: float = 10) -> socket.socket:
    """A stranger at the door of sshd, who was greeted and says nothing."""
    deadline = time.monotonic() + within
    while True:
        stranger = socket.create_connection((server.address, 22), timeout=5)
        if stranger.recv(64).startswith(b"SSH-"):
            return stranger
        stranger.close()
        assert time.monotonic() < deadline, "nobody is let in"


def at_a_terminal(desk: Desk, *arguments: str, answers: Mapping[str, str], within: float = 60) -> Result:
    """Run aresmon as somebody at a terminal, who answers these questions."""
    argv = [sys.executable, "-m", "aresmon", "-C", str(desk.site.folder), *arguments]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(argv[0], argv, {**os.environ, **desk.operator.env(), "TERM": "dumb"})  # noqa: S606
    seen, asked, deadline = "", dict(answers), time.monotonic() + within
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            seen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # it has ended
            break
        for question in [one for one in asked if one in seen]:
            os.write(terminal, f"{asked.pop(question)}\n".encode())
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return Result(os.waitstatus_to_exitcode(status), seen, "")
