"""Run `doctor`: all probes at the same time, each with a time limit, then all checks. Nothing is changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.config.model import Config
from aresmon.doctor import facts, findings, probe_database, probe_machine, probe_site
from aresmon.doctor import status as doctor_status
from aresmon.doctor.checks import MACHINE, Check, ProbeResults, checks
from aresmon.doctor.findings import Finding, Report, SkippedCheck
from aresmon.engine import docker as engine_docker
from aresmon.engine.docker import Engine
from aresmon.influxdb import capacity, service
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError, SiteError

WITHIN = 30.0
"""Seconds for the probes that run at the same time; twice that with visits to hosts. `status` runs after them."""
_LOG_LINES = 500
_AT_ONCE = 32
_THROUGH_SSH = 2  # sshd allows ten sessions on a connection (MaxSessions), and each request is one
_STATUS, _ENGINE = "services and hosts", "the engine"


@dataclass(frozen=True, slots=True)
class Examination:
    """A site to examine, with connections to its engine and InfluxDB. `is_here`: the stack is on this machine; `visit`
    visits the hosts over ssh, None with no `--hosts`."""

    site: Site
    engine: Engine
    influxdb: Callable[[], InfluxDB] | None = None
    is_here: bool = True
    visit: Callable[[], tuple[facts.HostFacts, ...]] | None = None


def examine(case: Examination) -> Report:
    """Run every probe and check that is possible from here. Problems of the site become findings, never exceptions."""
    try:
        project = Project.load(case.site)
    except AresmonError as error:
        return _without_a_file(case, error)
    engine_docker.preload_sdk()
    config, probes = project.config, _probes(case, project)
    # Last: it counts all points of a minute, and with too many series InfluxDB answers nothing else meanwhile.
    status = {_STATUS: probes.pop(_STATUS)}
    at_once = _AT_ONCE if case.is_here else _THROUGH_SSH
    results = gather(probes, within=WITHIN * (2 if case.visit else 1), at_once=at_once)
    results |= gather(status, within=WITHIN / 2)
    found = [Finding("file-wrong", one) for one in project.wrong_overrides()]
    found += [Finding("file-notice", notice) for notice in config.notices]
    checked_kinds = ["file-wrong", "file-notice"]
    _run_checks(checks(config), results, found, checked_kinds)
    return findings.report(config.site, found, checked_kinds, _skipped(case, config, results))


def _without_a_file(case: Examination, error: AresmonError) -> Report:
    """Check what needs no valid aresmon.yml: the machine and its engine."""
    engine_docker.preload_sdk()
    probes = {
        "the engine": lambda: probe_machine.engine(case.engine),
        "this machine": lambda: probe_machine.machine(case.engine),
    }
    results = gather(probes, within=WITHIN)
    wrong = error.errors if isinstance(error, SiteError) else (error.message,)
    found = [Finding("file-wrong", one, "" if isinstance(error, SiteError) else error.hint) for one in wrong]
    checked_kinds = ["file-wrong"]
    _run_checks(MACHINE, results, found, checked_kinds)
    skipped = [SkippedCheck("everything that aresmon.yml configures", "the file is invalid", is_expected=True)]
    return findings.report(str(case.site.root), found, checked_kinds, skipped)


def _run_checks(made: Sequence[Check], results: ProbeResults, found: list[Finding], checked_kinds: list[str]) -> None:
    """Run the checks whose probes succeeded, and add a finding for an engine or database that does not respond."""
    for check in made:
        if all(name in results and not isinstance(results[name], FailedProbe) for name in check.needs):
            found.extend(check.judge(results))
            checked_kinds.extend(set(check.kinds) - check.moot(results))
    found.extend(_unreachable(results))


# Probes ----------------------------------------------------------------------------------------------


def _probes(case: Examination, project: Project) -> dict[str, Callable[[], Any]]:
    """Return every probe that is possible from here, by name."""
    site, config, engine = project.site, project.config, case.engine

    def influxdb() -> InfluxDB:
        return case.influxdb() if case.influxdb else service.admin_client(site)

    def data() -> facts.DataFacts:
        free = capacity.free_bytes(site.root / config.data) if case.is_here else None
        return probe_database.look(influxdb(), config, free=free)

    probes: dict[str, Callable[[], Any]] = {
        "the engine": lambda: probe_machine.engine(engine),
        "the containers": lambda: probe_machine.stack(engine, config),
        _STATUS: lambda: doctor_status.read_status(project, engine, influxdb=case.influxdb),
        "what is in the database": data,
        "InfluxDB's log": lambda: _log(engine, config),
        "the pushes": lambda: probe_site.pushes(site),
    }
    if case.is_here:
        probes |= {
            "this machine": lambda: probe_machine.machine(engine),
            "the disks": lambda: probe_machine.disks(project, *_engine_root(engine), _or_none(influxdb)),
            "the site's folder": lambda: probe_site.folder(project, influxdb_runs=_runs(engine, config)),
            "the bundle": lambda: probe_site.plan(project, engine),
            "the database's users and policies": lambda: probe_database.differences(influxdb(), project),
            "the backups": lambda: probe_site.backups(project),
        }
    if case.visit is not None:
        probes["the hosts"] = case.visit
    return probes


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


def _unreachable(results: ProbeResults) -> Iterator[Finding]:
    """Report an engine or database that does not respond."""
    engine, data = results.get(_ENGINE), results.get("what is in the database")
    if isinstance(engine, FailedProbe):
        yield Finding("engine-unreachable", engine.why, engine.next)
    if isinstance(data, FailedProbe) and data.error == InfluxDBUnreachableError.__name__:
        yield Finding("database-silent", data.why, data.next)


def _skipped(case: Examination, config: Config, results: ProbeResults) -> list[SkippedCheck]:
    """Return the checks that did not run. A failed probe of the engine is left out: it is a finding already."""
    failed = {name: one.why for name, one in results.items() if isinstance(one, FailedProbe) and name != _ENGINE}
    skipped = [SkippedCheck(name, why) for name, why in failed.items()]
    if not case.is_here:
        why = f"the stack is on {config.server}; run `aresmon doctor` there"
        skipped.append(SkippedCheck("disks, secrets, ports and clock of the server", why, is_expected=True))
    if case.visit is None:
        skipped.append(SkippedCheck("ssh and sudo on the hosts", "use --hosts", is_expected=True))
    return skipped


@dataclass(frozen=True, slots=True)
class FailedProbe:
    """A probe that failed, and why; `error` is the class name of the exception."""

    why: str
    next: str = ""
    error: str = ""


def gather(probes: Mapping[str, Callable[[], Any]], *, within: float, at_once: int = 32) -> dict[str, Any]:
    """Run all probes and return their results, or a FailedProbe, by name. Waits at most `within` seconds.

    The threads are daemons, since a thread that hangs in the kernel cannot be stopped.
    """
    results: dict[str, Any] = {}
    slots = threading.Semaphore(at_once)

    def run(name: str, probe: Callable[[], Any]) -> None:
        with slots:
            results[name] = _run_probe(name, probe)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in probes.items()]
    deadline = time.monotonic() + within
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    finished = dict(results)
    return {name: finished.get(name, FailedProbe(f"no answer within {within:.0f} s")) for name in probes}


def _run_probe(name: str, probe: Callable[[], Any]) -> Any:
    try:
        return probe()
    except AresmonError as error:
        return FailedProbe(error.message.replace("\n", "; "), error.hint, type(error).__name__)
    except OSError as error:
        return FailedProbe(f"{error.filename or name}: {error.strerror or error}")
    except Exception as error:  # a bug in one probe must not hide the results of the others
        return FailedProbe(f"the probe crashed: {type(error).__name__}: {error}", "please report it")
