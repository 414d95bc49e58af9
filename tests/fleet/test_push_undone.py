"""What is taken back for what becomes of the agent, and what is brought whatever systemd says of it."""

from __future__ import annotations

import re

from tests.fleet.desk import QUICK, Desk, output, pushed_by
from tests.fleet.pushes import ELSEWHERE, NEW
from tests.fleet.servers import Server

DYING = NEW + '[[outputs.file]]\n  files = ["/nowhere/not-for-telegraf"]\n'
"""The agent says that it is ready, opens its outputs, tries once more after 15 s, and ends."""

LIMIT = "[Unit]\nStartLimitBurst=5\nStartLimitIntervalSec=600\n"
"""As systemd's own limit, which is five starts in ten seconds, for a test that is slower than that."""

ROOM = QUICK + '[[inputs.exec]]\n  commands = ["/usr/local/bin/room"]\n  data_format = "influx"\n'
BUFFERED = QUICK.replace(
    "[agent]", '[agent]\n  buffer_strategy = "disk"\n  buffer_directory = "/var/lib/telegraf/wait"'
)
SPARE = '[[outputs.influxdb]]\n  urls = ["http://edge:9"]\n  skip_database_creation = true\n'


def test_an_agent_is_judged_by_what_becomes_of_it_and_not_by_what_systemd_says(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    ronflex.hang_stop(seconds=90)
    lewi.write("/etc/systemd/system/telegraf.service.d/limit.conf", LIMIT)
    lewi.run("systemctl daemon-reload && systemctl reset-failed telegraf")
    lewi.run("for start in 1 2 3 4 5; do systemctl restart telegraf; done")
    desk.own(biere, text=DYING)
    desk.own(ronflex, lewi, text=NEW)

    pushed = desk.push("biere", "ronflex", "lewi", "--deadline", "30")

    assert (pushed.code, pushed.outcomes) == (3, {"biere": "rolled back", "ronflex": "verified", "lewi": "verified"}), (
        pushed
    )
    assert re.match(
        r"the agent exited (?:1[5-9]|2\d) s after its start\. Telegraf logged: .*not-for-telegraf", pushed.why("biere")
    )
    assert 25 <= pushed.hosts["ronflex"]["seconds"] < 60
    assert "Start request repeated too quickly" in lewi.journal(lines=200, unit="telegraf")
    assert desk.kept(*before) == {"biere": "restored", "ronflex": "new", "lewi": "new"}


def test_an_input_that_falls_silent_is_named_and_with_strict_is_a_reason(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    for one in (ronflex, lewi):
        one.write("/usr/local/bin/room", "#!/bin/sh\necho room degrees=21\n", mode="0755")
    before = desk.verified(ronflex, lewi, text=ROOM)
    for one in (ronflex, lewi):
        one.run("rm /usr/local/bin/room")
    desk.own(ronflex, lewi, text=ROOM + "# new\n")

    named = desk.push("ronflex")
    strict = desk.push("lewi", "--strict")

    assert (named.code, named.outcomes, named.hosts["ronflex"]["silent"]) == (0, {"ronflex": "verified"}, ["room"]), (
        named
    )
    assert named.why("ronflex") == "no data from room since the push"
    assert (strict.code, strict.outcomes) == (3, {"lewi": "rolled back"}), strict
    assert strict.why("lewi").startswith("no data arrived from room")
    assert desk.kept(*before) == {"ronflex": "new", "lewi": "restored"}


def test_a_way_back_that_fails_is_said_loudly_with_what_to_do(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    desk.own(lewi, text=NEW)
    with lewi.hold("systemctl", matching="^restart telegraf") as hold:
        pushing = desk.start("push-config", "lewi", "--json")
        hold.wait_reached()
        lewi.run("mv /usr/bin/telegraf /usr/bin/telegraf.away && ln -s /bin/false /usr/bin/telegraf")
        hold.release()
        pushed = pushed_by(pushing)
    still = desk.push("lewi")
    lewi.run("mv -T /usr/bin/telegraf.away /usr/bin/telegraf")

    forced = desk.push("lewi", "--force")

    assert (pushed.code, pushed.outcomes) == (4, {"lewi": "broken"}), pushed
    assert pushed.next("lewi") == "on lewi, run: journalctl -u telegraf -n 50"
    assert (still.code, still.outcomes) == (1, {"lewi": "refused"}), still
    assert re.match(r"the agent is not running \((failed|activating)\)", still.why("lewi"))
    assert (forced.code, forced.outcomes) == (0, {"lewi": "verified"}), forced
    assert desk.kept(before) == {"lewi": "new"}


def test_points_that_wait_on_the_disk_for_another_output_are_told(desk: Desk, lewi: Server) -> None:
    desk.verified(lewi, text=BUFFERED + output("lewi") + SPARE)
    lewi.run("until [ $(du -sb /var/lib/telegraf/wait | cut -f 1) -gt 20000 ]; do sleep 0.2; done")
    desk.own(lewi, text=BUFFERED + output("lewi"))

    pushed = desk.push("lewi")

    assert pushed.outcomes == {"lewi": "verified"}, pushed
    (note,) = pushed.notes("lewi")
    assert re.fullmatch(
        r"\d+ bytes of buffered points in /var/lib/telegraf/wait will not be sent, since .* changed", note
    )


def test_after_a_canary_that_was_rolled_back_no_other_host_is_begun(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    hosts = desk.site.settings["hosts"]
    desk.site.configure(
        server="box", hosts={**{name: hosts[name] for name in hosts if name != "box"}, "box": hosts["box"]}
    )
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, text=ELSEWHERE)
    desk.own(ronflex, lewi, text=NEW)

    stopped = desk.push("--all", "--canary", "1", "--deadline", "5")
    kept = desk.kept(*before)
    allowed = desk.push("biere", "ronflex", "lewi", "--canary", "1", "--max-fail", "1", "--deadline", "5")

    assert stopped.code == 3, stopped
    assert stopped.outcomes == {"biere": "rolled back", "ronflex": "skipped", "lewi": "skipped", "box": "skipped"}
    assert stopped.why("lewi") == "not started: 1 other host failed"
    assert kept == {"biere": "restored", "ronflex": "untouched", "lewi": "untouched"}
    assert allowed.code == 3, allowed
    assert allowed.outcomes == {"biere": "rolled back", "ronflex": "verified", "lewi": "verified"}


def test_after_a_push_there_is_nothing_for_up_to_do(desk: Desk, lewi: Server) -> None:
    desk.verified(lewi, text=NEW)
    before = desk.site.ids()

    up = desk.site.up()

    assert (up.steps, up.statements) == ([], []), up
    assert desk.site.ids() == before
    assert desk.push("lewi").outcomes == {"lewi": "unchanged"}
