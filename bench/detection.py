"""How long it takes until a fault is told: each rule of a site on data that turn bad, and a killed agent for real.

By rule: the rules as they are rendered, a real InfluxDB with the points of bench/faults.py, and the evaluator that was
held against Grafana (aresmon/monitoring); the clock is simulated. Grafana evaluates every minute, at a moment
of its own. *At best* the fault is read and written at once and evaluated as soon as the condition holds; *at worst* it
happens just after a reading (10 s), its points wait for the flush and its jitter (12 s), and the evaluation has just
been (60 s). Then comes `for`. Times are to ten seconds. Until a message leaves, Grafana waits for what else fires
(`group_wait`, 30 s as it comes), as Prometheus' Alertmanager does.

Beside it what dockprom's and Netdata's published rules take for the same fault (bench/detection_peers.py): their
files are read, nothing of theirs is run.

For real: a site and a host with systemd and Telegraf (bench/push_hosts.py), whose agent is killed for good; and one
whose new agent is killed as soon as a push has started it.

Run it: `.venv/bin/python -m bench detection` (three minutes; needs the engine and the built images).
`.venv/bin/python -m bench.detection --only rules` leaves out what is for real, half a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aresmon.config import builtin_alerts, collectors, model, view_files
from aresmon.config.names import DATABASE
from aresmon.config.views import EVALUATED_EVERY
from aresmon.influxdb.client import InfluxDB, Series
from aresmon.monitoring import evaluation
from aresmon.render.grafana import alert_rules
from aresmon.system.errors import AresmonError
from bench import push_hosts
from bench.detection_peers import DOCKPROM, NETDATA, Peer
from bench.faults import COLLECT, FAULTS
from bench.measure import ROOT, run, table, tell
from bench.month import INTERVAL
from bench.push_hosts import Controller
from bench.scratch import Scratch, influxdb
from tests.fleet.servers import Server

_HOUR = 3600
_LIMIT = 4 * _HOUR  # after the fault: what does not fire by then never does
_FLUSH = 12  # seconds: telegraf/agent.conf, flush_interval and flush_jitter
_BATCH = 5000
_HEALTHY = "healthy"
_Found = TypeVar("_Found")
_DROP_IN = "/run/systemd/system/telegraf.service.d/killed.conf"
_KILLER = (
    "[Service]\\nRestart=no\\n"
    f'ExecStartPost=/bin/sh -c "sleep 1; ! grep -q inputs.disk {push_hosts.LIVE} || kill -9 $MAINPID"\\n'
)
"""A file for systemd, as printf takes it."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Of one rule, seconds from the fault until it fires; None where it never does."""

    uid: str
    alert: str
    severity: str
    over: int
    lasting: int
    least: float | None
    most: float | None


def measure(only: str = "") -> str:
    """The tables, as Markdown. `only` is `rules` or `real`, empty for both."""
    parts = [] if only == "real" else [_rules_told(by_rule())]
    parts += [] if only == "rules" else [_real()]
    return "\n".join(parts)


# By rule ---------------------------------------------------------------------------------------------


def by_rule() -> list[Detection]:
    """Every rule of a site with the collectors of a server, on a fault of its own. Raises RuntimeError where one holds
    before its fault."""
    rules = _rules()
    # On a ten, but on no edge of a minute: the windows of counters' steps are whole minutes.
    at = int(time.time()) // 60 * 60 - _LIMIT - 2 * _HOUR + 20
    with influxdb("detection") as scratch:
        tell("writing what is read of every fault")
        _write(scratch, at)
        database = InfluxDB(scratch.socket)
        return [_detect(one, rule, database, at) for one, rule in rules]


def host_of(alert: str) -> str:
    """The host on which an alert's fault happens."""
    return f"fails-{alert}"


def _rules() -> list[tuple[alert_rules.AlertSpec, Mapping[str, Any]]]:
    """Every rule with what it was made of; of those of each host, that of the host whose agent dies."""
    collect = ", ".join(COLLECT)
    env = "{HAPROXY_STATS: 'http://127.0.0.1:8404/stats'}"
    hosts = "".join(f"  {name}: {{collect: [{collect}], env: {env}}}\n" for name in (_HEALTHY, host_of("agent-silent")))
    site, views = model.load(f"hosts:\n{hosts}", collectors.load()), view_files.load()
    groups = json.loads(alert_rules.render(site, views)[alert_rules.RULES])["groups"]
    files = {rule["uid"]: rule for group in groups for rule in group["rules"]}
    wanted = [one for one in alert_rules.list_rules(site, views) if one.host in ("", host_of("agent-silent"))]
    return [(one, files[one.uid]) for one in wanted]


def _write(scratch: Scratch, at: int) -> None:
    line = scratch.line(DATABASE)
    line.tell(f'CREATE DATABASE "{DATABASE}"')
    texts: list[str] = []
    for alert, fault in FAULTS.items():
        for sign in fault.signs:
            texts += sign.lines(host_of(alert), at=at, since=at - 8 * _HOUR, until=at + _LIMIT)
    for first in range(0, len(texts), _BATCH):
        line.write("\n".join(texts[first : first + _BATCH]).encode(), "")


def _detect(one: alert_rules.AlertSpec, rule: Mapping[str, Any], database: InfluxDB, at: int) -> Detection:
    tell(one.uid)
    holds = _held(one, rule, database, at)
    if holds(at - INTERVAL, 0):
        raise RuntimeError(f"{one.uid} holds before its fault")
    lasting = int(rule["for"].removesuffix("s"))
    first = first_that(lambda moment: holds(at + moment, 0))
    late = first_that(lambda moment: holds(at + moment, _FLUSH))
    if late is not None and not all(holds(at + late + more, _FLUSH) for more in range(0, lasting + 1, EVALUATED_EVERY)):
        raise RuntimeError(f"{one.uid} does not hold for {lasting} s once it does")
    read = INTERVAL if FAULTS[one.alert.id].signs else 0
    over = max(node["relativeTimeRange"]["from"] for node in rule["data"])
    least = None if first is None else first + lasting
    most = None if late is None else late + read + EVALUATED_EVERY + lasting
    return Detection(one.uid, one.alert.id, one.severity, over, lasting, least, most)


def _held(
    one: alert_rules.AlertSpec, rule: Mapping[str, Any], database: InfluxDB, at: int
) -> Callable[[float, float], bool]:
    """Whether a rule's condition holds for its host at a moment, where the newest points are so many seconds away."""
    host = host_of(one.alert.id)

    def holds(now: float, delay: float) -> bool:
        def ask(statement: str) -> Sequence[Series]:
            if one.alert.id == builtin_alerts.UNREACHABLE.id and now >= at:
                raise AresmonError("nobody answers")
            return database.query(arrived(statement, by=now - delay), database=DATABASE)[0]

        found = evaluation.states(rule, ask, now)
        return any(dict(labels).get("host", host) == host for labels in found)

    return holds


def arrived(statement: str, *, by: float) -> str:
    """A query that sees only what was there by a moment, in seconds since 1970."""
    return re.sub(r"time <= (\d+)ms", lambda end: f"time <= {min(int(end[1]), int(by * 1000))}ms", statement)


def first_that(holds: Callable[[float], bool], *, step: int = INTERVAL, limit: int = _LIMIT) -> float | None:
    """After how many seconds something holds first, to a step; looked for minute by minute, then within one."""
    for minute in range(0, limit, 60):
        if holds(minute):
            return next(moment for moment in range(max(0, minute - 60 + step), minute + 1, step) if holds(moment))
    return None


# For real --------------------------------------------------------------------------------------------


def _real() -> str:
    with push_hosts.real_hosts(1) as (controller, servers):
        (server,) = servers.values()
        run(controller.aresmon("push-config", server.name), environment=controller.environment)
        _until(lambda: not _problems(controller, server), "the host is well")
        tell("killing the agent")
        server.run("systemctl kill --signal KILL telegraf; systemctl stop telegraf")
        begun = time.monotonic()
        said = _until(lambda: _problems(controller, server), "status says so")
        silent = time.monotonic() - begun
        pushed = _killed_by_push(controller, server)
    return table(
        ("an agent is killed, for real", "reported after", "message"),
        [
            ("`aresmon status`, asked again and again", f"{silent:.0f} s", said[0]),
            (
                "`aresmon push-config`, which starts it and proves it",
                f"{pushed[0]:.0f} s",
                f"exit code {pushed[1]}, {pushed[2]}",
            ),
        ],
    )


def _killed_by_push(controller: Controller, server: Server) -> tuple[float, int, str]:
    """A push whose agent, and not that of before, is killed a second after it was started: seconds, exit code, and
    what is there afterwards."""
    tell("pushing to a host that kills its agent")
    server.run("systemctl start telegraf")
    _until(lambda: not _problems(controller, server), "the host is well")
    before = push_hosts.look([server])[server.name].sha256
    file = controller.site / "aresmon.yml"
    file.write_text(file.read_text().replace("[system]", "[system, disk]"), encoding="utf-8")
    server.run(f"mkdir -p $(dirname {_DROP_IN}); printf '{_KILLER}' > {_DROP_IN}; systemctl daemon-reload")
    found = run(
        controller.aresmon("push-config", server.name),
        environment=controller.environment,
        allowed=range(256),
    )
    is_former = push_hosts.look([server])[server.name].sha256 == before
    return found.seconds, found.code, f"the {'former' if is_former else 'new'} configuration is in place"


def _problems(controller: Controller, server: Server) -> list[str]:
    told = json.loads(run(controller.aresmon("status", "--json"), allowed=(0, 5)).said)
    return [str(one["what"]) for one in told["problems"] if server.name in one["what"]]


def _until(look: Callable[[], _Found], what: str, within: float = 240.0) -> _Found:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.5)
    raise RuntimeError(f"it did not come to that in {within:.0f} s: {what}")


# Telling ---------------------------------------------------------------------------------------------


def _rules_told(found: Sequence[Detection]) -> str:
    rows = [
        (
            f"`{one.alert}` {one.severity}", FAULTS[one.alert].what, _minutes(one.over), _minutes(one.lasting),
            _minutes(one.least), _minutes(one.most), *_peers(f"{one.alert}-{one.severity}"),
        )
        for one in sorted(found, key=lambda one: (one.most is None, one.most or 0))
    ]  # fmt: skip
    never = [f"`{one.uid}`" for one in found if one.most is None]
    header = ("rule", "fault", "looks at", "`for`", "at best", "at worst", "dockprom", "Netdata")
    ends = f"Never, within {_LIMIT // _HOUR} h: {', '.join(never)}.\n" if never else ""
    return table(header, rows) + f"\n{len(found)} rules. {ends}\n"


def _peers(rule: str) -> Iterator[str]:
    for known in (DOCKPROM, NETDATA):
        yield _range(known[rule]) if rule in known else "-"


def _range(peer: Peer) -> str:
    return f"{_minutes(peer.least)} to {_minutes(peer.most)}"


def _minutes(seconds: float | None) -> str:
    """`50 s`, `2 min 20 s`, `1 h 5 min`"""
    if seconds is None:
        return "**never**"
    whole = round(seconds)
    if whole >= _HOUR:
        return f"{whole // _HOUR} h" + (f" {whole % _HOUR // 60} min" if whole % _HOUR >= 60 else "")
    if whole >= 60:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole} s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.detection", description="How long it takes until a fault is told.")
    parser.add_argument("--only", choices=("rules", "real"), default="")
    print(measure(parser.parse_args().only))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
