"""What counts as proof that data arrives: not yesterday's, not another clock's, and not InfluxDB's silence."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.sites import eventually
from tests.fleet.desk import OTHER, QUICK, Desk, output
from tests.fleet.servers import Server
from tests.fleet.standing import kept

# Python runs this before anything else: for the program that is started so, it is another time.
SHIFTED = """import time
_time, _gmtime, _localtime = time.time, time.gmtime, time.localtime
time.time = lambda: _time() + {by}
time.gmtime = lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)
time.localtime = lambda seconds=None: _localtime(time.time() if seconds is None else seconds)
"""
# The journal's deadline is by the uptime; without more time it would be 35 s from the agent's start.
GIVEN_MORE_TIME = (
    "until (( $(sed -n 's/^deadline=//p' /var/lib/aresmon/*/pending) > $(cut -d. -f1 /proc/uptime) + 60 ))"
    "; do sleep 0.1; done"
)


@contextmanager
def other_password(desk: Desk, host: str) -> Iterator[None]:
    """The time in which InfluxDB knows another password than the host's agent."""
    desk.site.query(f"SET PASSWORD FOR \"agent-{host}\" = 'another'")
    try:
        yield
    finally:
        desk.site.query(f"SET PASSWORD FOR \"agent-{host}\" = '{desk.site.secret(f'agent-{host}')}'")


def test_what_is_there_already_is_not_restarted_and_its_data_is_looked_for(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)

    pushed = desk.push("lewi")

    assert (pushed.code, pushed.outcomes) == (0, {"lewi": "unchanged"}), pushed
    assert pushed.hosts["lewi"]["mark"] == before.config_id
    assert desk.kept(before) == {"lewi": "untouched"}


def test_what_is_there_already_and_does_not_arrive_is_silent_whatever_its_clock_once_was(
    desk: Desk, lewi: Server
) -> None:
    (before,) = desk.verified(lewi)
    later = (int(time.time()) + 600) * 10**9  # a point of this very configuration, from when its clock was ahead
    desk.site.write(f'aresmon_config,host=lewi gen="{before.config_id}" {later}')

    with other_password(desk, "lewi"):
        refused = lewi.attempt("journalctl -u telegraf -f -n 0 | grep -m 5 Unauthorized", timeout=20)
        pushed = desk.push("lewi", "--deadline", "5")

    assert refused.code == 0, refused
    assert (pushed.code, pushed.outcomes) == (5, {"lewi": "silent"}), pushed
    assert pushed.why("lewi") == "the configuration is already deployed, but no data arrives from this host"
    assert pushed.next("lewi") == "on lewi, run: journalctl -u telegraf -n 50"
    assert desk.kept(before) == {"lewi": "untouched"}


@contextmanager
def living(server: Server, seconds: int) -> Iterator[None]:
    """The time in which systemd ends the agent so many seconds after each start, and starts it again."""
    folder = "/run/systemd/system/telegraf.service.d"
    server.run(f"mkdir -p {folder}; printf '[Service]\\nRuntimeMaxSec={seconds}\\n' > {folder}/short.conf")
    server.run("systemctl daemon-reload")
    try:
        yield
    finally:
        server.run(f"rm -r {folder}; systemctl daemon-reload; systemctl restart telegraf")


def test_an_agent_that_dies_after_its_data_arrived_is_rolled_back(desk: Desk, ronflex: Server, lewi: Server) -> None:
    before = desk.verified(ronflex, lewi)
    slow = OTHER.replace('"1s"', '"5s"')
    desk.own(ronflex, lewi, text=slow)

    with living(ronflex, 8):
        pushed = desk.push("ronflex", "lewi", "--max-fail", "1")

    assert pushed.outcomes == {"ronflex": "rolled back", "lewi": "verified"}, pushed
    assert re.match(r"the agent exited (?:[89]|1\d) s after its start", pushed.why("ronflex")), pushed
    assert pushed.hosts["lewi"]["seconds"] > 10
    assert desk.kept(*before) == {"ronflex": "restored", "lewi": "new"}


def test_an_agent_that_dies_during_the_soak_is_rolled_back(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    desk.own(lewi)

    with living(lewi, 15):
        pushed = desk.push("lewi", "--soak", "20", "--deadline", "5")

    assert pushed.outcomes == {"lewi": "rolled back"}, pushed
    assert re.match(r"the agent exited (?:1[5-9]|2\d) s after its start", pushed.why("lewi")), pushed
    assert desk.kept(before) == {"lewi": "restored"}


def test_a_restart_loop_after_a_push_is_named(desk: Desk, lewi: Server) -> None:
    desk.verified(lewi)
    desk.own(lewi)

    with living(lewi, 8):
        pushed = desk.push("lewi")
        named = eventually(lambda: "lewi: its agent restarts again" in desk.run("status").out, 90)
        drift = desk.run("drift", "lewi")

    assert pushed.outcomes == {"lewi": "verified"}, pushed
    assert named, desk.run("status")
    assert drift.code == 5
    assert re.search(r"the agent has restarted \d+ times since the last push", drift.out), drift


@pytest.mark.parametrize("by", [3600, -3600])
def test_clocks_apart_prove_nothing_false_and_are_told(
    desk: Desk, ronflex: Server, lewi: Server, tmp_path: Path, by: int
) -> None:
    before = desk.verified(ronflex, lewi)
    desk.own(lewi)
    desk.own(ronflex, text=OTHER + output("ronflex", database="nope"))
    (tmp_path / "sitecustomize.py").write_text(SHIFTED.format(by=by), encoding="utf-8")
    desk.env["PYTHONPATH"] = str(tmp_path)

    pushed = desk.push("ronflex", "lewi", "--deadline", "5")

    apart = f"its clock is 3600 s {'behind' if by > 0 else 'ahead of'} this machine's"
    assert pushed.outcomes == {"ronflex": "rolled back", "lewi": "verified"}, pushed
    assert pushed.why("ronflex").endswith("The previous configuration is running and its data arrives")
    assert (pushed.notes("ronflex"), pushed.notes("lewi")) == ([apart], [apart])
    assert desk.kept(*before) == {"ronflex": "restored", "lewi": "new"}


@pytest.mark.parametrize(("gone", "back"), [("stop", "start"), ("pause", "unpause")])
def test_a_push_waits_for_an_influxdb_that_is_gone_and_is_proven_when_it_is_back(
    desk: Desk, lewi: Server, gone: str, back: str
) -> None:
    (before,) = desk.verified(lewi)
    desk.own(lewi)
    influxdb = desk.site.containers()["influxdb"]

    with lewi.hold("systemctl", matching="^restart") as hold:
        pushing = desk.start("push-config", "lewi", "--deadline", "5")
        hold.wait_reached()
        getattr(influxdb, gone)()
        hold.release()
        more_time = lewi.attempt(GIVEN_MORE_TIME)
        getattr(influxdb, back)()
        out, err = pushing.communicate()

    assert more_time.code == 0, (out, err)
    assert "lewi: paused: InfluxDB does not answer" in out
    assert "lewi: verified" in out
    assert pushing.returncode == 0
    assert kept(desk.site, before) == "new"


def test_what_was_pushed_is_expected_and_not_the_collectors(desk: Desk, lewi: Server) -> None:
    """`collect` names system and its inputs; the host's own file reads memory, and by one input that always fails."""
    desk.verified(lewi, text=OTHER)
    failing = '[[inputs.exec]]\n  commands = ["/bin/false"]\n  data_format = "influx"\n'
    desk.own(lewi, text=QUICK + failing)

    pushed = desk.push("lewi", "--strict")

    assert (pushed.code, pushed.outcomes) == (0, {"lewi": "verified"}), pushed
    told = eventually(lambda: told_of(desk, "lewi") == ["lewi: inputs.exec fails at each reading"], 150, every=2)
    assert told, desk.run("status", "--json")

    desk.own(lewi, text=QUICK)
    assert desk.push("lewi", "--strict").outcomes == {"lewi": "verified"}
    assert eventually(lambda: told_of(desk, "lewi") == [], 150, every=2), desk.run("status", "--json")


def told_of(desk: Desk, host: str) -> list[str]:
    """The problems that `status` has with a host."""
    problems = json.loads(desk.run("status", "--json").out)["problems"]
    return [one["what"] for one in problems if one["about"] == host]
