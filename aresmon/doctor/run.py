"""All looks and all checks: what is seen at once, each within its time, then judged, with nothing changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.config.model import Config
from aresmon.doctor import facts, findings, probe_database, probe_machine, probe_site
from aresmon.doctor import status as doctor_status
from aresmon.doctor.checks import MACHINE, Check, Seen, checks
from aresmon.doctor.findings import Finding, Report, SkippedCheck
from aresmon.engine.docker import Engine
from aresmon.influxdb import capacity, service
from aresmon.influxdb.client import InfluxDB, preload_docker_sdk
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError, SiteError

WITHIN = 30.0
"""Seconds for the looks that are made at once; with visits to hosts twice that. `status` comes after them."""
_LOG_LINES = 500
_AT_ONCE = 32
_THROUGH_SSH = 2  # sshd lets ten sessions into a connection (MaxSessions), and each question is one
_STATUS = "services and hosts"


@dataclass(frozen=True, slots=True)
class Examination:
    """What is examined, and by which ways: the site, its engine, its InfluxDB; `is_here` is whether the stack is on
    this machine, `visit` visits the hosts if that is wanted."""

    site: Site
    engine: Engine
    influxdb: Callable[[], InfluxDB] | None = None
    is_here: bool = True
    visit: Callable[[], tuple[facts.HostFacts, ...]] | None = None


def examine(case: Examination) -> Report:
    """Look at everything that can be looked at from here. Never raises for what is wrong with the site."""
    try:
        project = Project.load(case.site)
    except AresmonError as error:
        return _without_a_file(case, error)
    preload_docker_sdk()
    config, looks = project.config, _looks(case, project)
    # Last: it counts every point of a minute, which too many series make so dear that no other question is answered.
    status = {_STATUS: looks.pop(_STATUS)}
    at_once = _AT_ONCE if case.is_here else _THROUGH_SSH
    seen = gather(looks, within=WITHIN * (2 if case.visit else 1), at_once=at_once)
    seen |= gather(status, within=WITHIN / 2)
    found = [Finding("file-notice", notice) for notice in config.notices]
    looked_for = ["file-wrong", "file-notice"]
    _judge(checks(config), seen, found, looked_for)
    return findings.report(config.site, found, looked_for, _skipped(case, config, seen))


def _without_a_file(case: Examination, error: AresmonError) -> Report:
    """What can be known where the file says nothing: the machine and its engine."""
    preload_docker_sdk()
    looks = {
        "the engine": lambda: probe_machine.engine(case.engine),
        "this machine": lambda: probe_machine.machine(case.engine),
    }
    seen = gather(looks, within=WITHIN)
    wrong = error.errors if isinstance(error, SiteError) else (error.message,)
    found = [Finding("file-wrong", one, "" if isinstance(error, SiteError) else error.hint) for one in wrong]
    looked_for = ["file-wrong"]
    _judge(MACHINE, seen, found, looked_for)
    skipped = [SkippedCheck("everything that aresmon.yml names", "the file cannot be read", is_expected=True)]
    return findings.report(str(case.site.root), found, looked_for, skipped)


def _judge(made: Sequence[Check], seen: Seen, found: list[Finding], looked_for: list[str]) -> None:
    """Make the checks whose facts are there; what does not answer is a finding itself."""
    for check in made:
        if all(name in seen and not isinstance(seen[name], FailedProbe) for name in check.needs):
            found.extend(check.judge(seen))
            looked_for.extend(set(check.kinds) - check.moot(seen))
    found.extend(_silences(seen))


# Looks -----------------------------------------------------------------------------------------------


def _looks(case: Examination, project: Project) -> dict[str, Callable[[], Any]]:
    """Every look that can be made from here, by its name."""
    site, config, engine = project.site, project.config, case.engine

    def influxdb() -> InfluxDB:
        return case.influxdb() if case.influxdb else service.influxdb(site)

    def data() -> facts.DataFacts:
        free = capacity.free_bytes(site.root / config.data) if case.is_here else None
        return probe_database.look(influxdb(), config, free=free)

    looks: dict[str, Callable[[], Any]] = {
        "the engine": lambda: probe_machine.engine(engine),
        "the containers": lambda: probe_machine.stack(engine, config),
        _STATUS: lambda: doctor_status.look(project, engine, influxdb=case.influxdb),
        "what is in the database": data,
        "InfluxDB's log": lambda: _log(engine, config),
        "the pushes": lambda: probe_site.pushes(site),
    }
    if case.is_here:
        looks |= {
            "this machine": lambda: probe_machine.machine(engine),
            "the disks": lambda: probe_machine.disks(project, *_engine_root(engine), _or_none(influxdb)),
            "the site's folder": lambda: probe_site.folder(project, influxdb_runs=_runs(engine, config)),
            "the bundle": lambda: probe_site.plan(project, engine),
            "the database's users and policies": lambda: probe_database.differences(influxdb(), project),
            "the backups": lambda: probe_site.backups(project),
        }
    if case.visit is not None:
        looks["the hosts"] = case.visit
    return looks


def _log(engine: Engine, config: Config) -> tuple[str, ...]:
    pieces = "".join(engine.logs(config.site, "influxdb", tail=_LOG_LINES, follow=False))
    return tuple(probe_machine.recent(pieces.splitlines()))


def _engine_root(engine: Engine) -> tuple[str]:
    try:
        return (probe_machine.engine_root(engine),)
    except AresmonError:
        return ("",)


def _or_none(influxdb: Callable[[], InfluxDB]) -> InfluxDB | None:
    try:
        return influxdb()
    except AresmonError:
        return None


def _runs(engine: Engine, config: Config) -> bool:
    try:
        return engine.is_running(config.site, "influxdb")
    except AresmonError:
        return False


def _silences(seen: Seen) -> Iterator[Finding]:
    """What could not be looked at because the engine or the database does not answer: that is the finding."""
    engine, data = seen.get("the engine"), seen.get("what is in the database")
    if isinstance(engine, FailedProbe):
        yield Finding("engine-unreachable", engine.why, engine.next)
    if isinstance(data, FailedProbe) and data.error == "UnreachableError":
        yield Finding("database-silent", data.why, data.next)


def _skipped(case: Examination, config: Config, seen: Seen) -> list[SkippedCheck]:
    told = {"the engine"}
    skipped = [
        SkippedCheck(name, one.why) for name, one in seen.items() if isinstance(one, FailedProbe) and name not in told
    ]
    if not case.is_here:
        why = f"the stack is on {config.server}; `aresmon doctor` there looks at them"
        skipped.append(SkippedCheck("disks, secrets, ports and clock of the server", why, is_expected=True))
    if case.visit is None:
        skipped.append(SkippedCheck("ssh and sudo on the hosts", "--hosts looks at them", is_expected=True))
    return skipped


@dataclass(frozen=True, slots=True)
class FailedProbe:
    """A look that told nothing, and why; `error` is the kind of error that it was."""

    why: str
    next: str = ""
    error: str = ""


def gather(looks: Mapping[str, Callable[[], Any]], *, within: float, at_once: int = 32) -> dict[str, Any]:
    """What each look tells, or a Failed, by name. After `within` seconds the rest is left behind.

    In threads that end with the process: one that hangs in the kernel cannot be ended.
    """
    told: dict[str, Any] = {}
    places = threading.Semaphore(at_once)

    def run(name: str, look: Callable[[], Any]) -> None:
        with places:
            told[name] = _told(name, look)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in looks.items()]
    deadline = time.monotonic() + within
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    known = dict(told)
    return {name: known.get(name, FailedProbe(f"no answer within {within:.0f} s")) for name in looks}


def _told(name: str, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except AresmonError as error:
        return FailedProbe(error.message.replace("\n", "; "), error.hint, type(error).__name__)
    except OSError as error:
        return FailedProbe(f"{error.filename or name}: {error.strerror or error}")
    except Exception as error:  # one look's fault must not hide what the others saw
        return FailedProbe(f"the check itself failed: {type(error).__name__}: {error}", "please report it")
