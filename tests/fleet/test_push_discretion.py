"""What a push keeps to itself, what it leaves alone, and what it tells to scripts."""

from __future__ import annotations

import base64
import json
import stat

from aresmon.site import folder
from tests.fleet.desk import OTHER, QUICK, Desk, pushed_by
from tests.fleet.repository import Repository
from tests.fleet.servers import Server
from tests.fleet.standing import standing

PROCESSES = "ps -eo args; cat /proc/[0-9]*/cmdline"
HOLDING = (
    "find / /run /tmp -xdev -type f -exec grep -lFf /run/sought {} + | grep -v /run/sought | xargs stat -c '%a %n'"
)
EVERYTHING = "find /etc /var/lib /usr/local /home -xdev -type f -exec sha256sum {} + | sort"


def forms(desk: Desk, host: str) -> list[str]:
    """A host's password, as it could be seen: plain, and as HTTP carries it."""
    password = desk.site.secret(f"agent-{host}")
    return [password, base64.b64encode(f"agent-{host}:{password}".encode()).decode().rstrip("=")]


def test_a_password_is_seen_nowhere_while_it_is_brought_and_afterwards(
    desk: Desk, configs_repo: Repository, lewi: Server
) -> None:
    configs_repo.commit({"lewi.conf": OTHER})
    desk.site.configure(configs={"git": configs_repo.url})
    secrets = forms(desk, "lewi")

    with lewi.hold("setpriv") as checking, lewi.hold("systemctl", matching="^restart") as restarting:
        pushing = desk.start("push-config", "lewi")
        checking.wait_reached()
        seen = lewi.run(PROCESSES)
        checking.release()
        restarting.wait_reached()
        seen += lewi.run(PROCESSES)
        restarting.release()
        out, err = pushing.communicate(timeout=120)
    journal = lewi.run("journalctl --no-pager --output cat")
    lewi.write("/run/sought", "\n".join(secrets))
    there = lewi.run(HOLDING).splitlines()
    files = [path for path in desk.site.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    here = [path for path in files if any(one.encode() in path.read_bytes() for one in secrets)]

    assert pushing.returncode == 0, (out, err)
    assert "telegraf config check" in seen
    assert "systemctl restart telegraf" in seen
    assert "committed" in journal
    assert "(command continued)" not in journal  # sudo's log of a command line that is a program
    assert [one for one in secrets if one in seen + out + err + journal] == []
    assert there == ["640 /etc/default/telegraf"]
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in here] == [("agent-lewi", 0o600)]


def test_files_are_the_agents_to_read_and_nobodys_to_write(desk: Desk, lewi: Server) -> None:
    desk.verified(lewi)

    modes = lewi.run("stat -c '%n %a %U:%G' /etc/telegraf/telegraf.conf /etc/default/telegraf /var/lib/aresmon/*")
    left = lewi.run("find /etc/telegraf /etc/default -name '*.aresmon*'")

    assert modes.splitlines() == [
        "/etc/telegraf/telegraf.conf 640 root:telegraf",
        "/etc/default/telegraf 640 root:telegraf",
        f"/var/lib/aresmon/{desk.site.name} 700 root:root",
    ]
    assert left == ""


def test_a_dry_run_shows_what_would_change_and_touches_nothing(desk: Desk, ronflex: Server, lewi: Server) -> None:
    password = desk.site.secret("agent-ronflex")
    before = [desk.by_hand(ronflex), *desk.verified(lewi)]
    desk.own(ronflex, lewi)
    files = [one.run(EVERYTHING) for one in (ronflex, lewi)]
    history = desk.run("history", "--json").out

    shown = desk.run("push-config", "ronflex", "lewi", "--dry-run")
    told = desk.run("push-config", "ronflex", "lewi", "--dry-run", "--json")

    assert (shown.code, told.code) == (0, 0), (shown, told)
    assert "lewi: would change" in shown.out
    assert "+[[inputs.swap]]" in shown.out.splitlines()
    assert '-  password = "***"' in shown.out.splitlines()
    assert password not in shown.out + told.out
    assert [(one["host"], one["changes"]) for one in json.loads(told.out)] == [("ronflex", True), ("lewi", True)]
    assert [one.run(EVERYTHING) for one in (ronflex, lewi)] == files
    assert desk.run("history", "--json").out == history
    assert desk.kept(*before) == {"ronflex": "untouched", "lewi": "untouched"}


def test_a_script_reads_one_document_and_people_read_lines(desk: Desk, ronflex: Server, lewi: Server) -> None:
    desk.own(ronflex, lewi, text=QUICK)

    told = desk.run("push-config", "ronflex", "lewi", "--canary", "0", "--json")
    shown = desk.run("push-config", "ronflex", "lewi", "--canary", "0")

    document = json.loads(told.out)
    assert (told.code, told.err, document["ok"]) == (0, "", True), told
    assert [(one["host"], one["outcome"], one["why"], one["next"]) for one in document["hosts"]] == [
        ("ronflex", "verified", "", ""),
        ("lewi", "verified", "", ""),
    ]
    assert document["hosts"][1]["mark"] == standing(lewi).config_id
    assert document["hosts"][1]["seconds"] > 0
    assert "2 hosts: 2 unchanged" in shown.out
    assert document["hosts"][1]["mark"] in shown.out


def test_a_push_waits_for_another_command_if_it_may_and_tells_why_it_was_made(desk: Desk, lewi: Server) -> None:
    desk.own(lewi)
    with folder.Site(desk.site.folder).lock("backup"):
        refused = desk.run("push-config", "lewi")
        waiting = desk.start("push-config", "lewi", "--wait", "--why", "read swap too", "--json")
        assert waiting.stderr is not None
        told = waiting.stderr.readline()

    pushed = pushed_by(waiting)

    assert (refused.code, "is locked by `aresmon backup`" in refused.err) == (1, True), refused
    assert "waiting for `aresmon backup`" in told
    assert (pushed.code, pushed.outcomes) == (0, {"lewi": "verified"}), pushed
    shown = desk.run("history", "lewi").out
    assert "read swap too" in shown, shown
