"""The table of all checks: the probes that each one needs, the kinds of findings it may return, and its function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from aresmon.config.model import Config
from aresmon.doctor import check_data, check_machine, check_site
from aresmon.doctor.findings import Finding
from aresmon.doctor.problems import Kind
from aresmon.doctor.status import Status

ProbeResults = Mapping[str, Any]
"""The results of the probes by name; a `FailedProbe` for one that failed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the probes it needs, the kinds of findings it may return, and its function. `moot` returns the kinds
    that do not apply, such as the age of the last backup if there is none."""

    needs: tuple[str, ...]
    kinds: tuple[str, ...]
    judge: Callable[[ProbeResults], Iterator[Finding]]
    moot: Callable[[ProbeResults], Set[str]] = lambda _: frozenset()


def _check(
    needs: str,
    kinds: str,
    judge: Callable[[ProbeResults], Iterator[Finding]],
    moot: Callable[[ProbeResults], Set[str]] = lambda _: frozenset(),
) -> Check:
    """Return a check. `needs` are probes separated by commas, `kinds` are separated by spaces."""
    return Check(tuple(needs.split(", ")), tuple(kinds.split()), judge, moot)


def _only(kinds: str, *, moot: bool) -> Set[str]:
    """Return these kinds if `moot`, else none."""
    return frozenset(kinds.split()) if moot else frozenset()


MACHINE = (
    _check(
        "the engine",
        "engine-unreachable engine-old engine-warns engine-storage engine-restart engine-logs compose clock-engine",
        lambda seen: check_machine.engine(seen["the engine"]),
    ),
    _check(
        "this machine",
        "engine-boot clock-unsynchronised engine-socket memory-short port-dangerous",
        lambda seen: check_machine.machine(seen["this machine"]),
        lambda seen: (
            _only("engine-boot", moot=not seen["this machine"].at_boot)
            | _only("clock-unsynchronised", moot=not seen["this machine"].synchronised)
        ),
    ),
)
"""The checks that need no valid aresmon.yml."""

_STACK = (
    _check(
        "the containers, the engine",
        "service-restarts service-memory service-policy service-image service-stand-in service-log memory-promised",
        lambda seen: check_machine.stack(seen["the containers"], seen["the engine"].memory),
    ),
    _check(
        "the containers",
        "port-differs port-published",
        lambda seen: check_machine.ports(seen["the containers"]),
    ),
    _check(
        "the containers, this machine",
        "port-taken",
        lambda seen: check_machine.ports(seen["the containers"], seen["this machine"].listening),
    ),
    _check(
        "services and hosts",
        "service host input certificate channel shard",
        lambda seen: _status_findings(seen["services and hosts"]),
    ),
    _check(
        "the disks",
        "disk-short disk-filling inodes-short folder-unwritable",
        lambda seen: check_machine.disks(seen["the disks"]),
        lambda seen: _only("disk-filling", moot=all(one.growth is None for one in seen["the disks"])),
    ),
    _check(
        "the disks, what is in the database",
        "data-outgrows",
        lambda seen: check_machine.disks(seen["the disks"], seen["what is in the database"].capacity),
        lambda seen: _only("data-outgrows", moot=seen["what is in the database"].capacity.bytes_a_day is None),
    ),
)
_SITE = (
    _check(
        "the site's folder",
        "site-read-only aresmon-failed leftovers socket unfinished",
        lambda seen: check_site.folder(seen["the site's folder"]),
    ),
    _check(
        "the site's folder",
        "secret-open secret-unreadable secret-tracked secret-exposed gitignore",
        lambda seen: check_site.secrets(seen["the site's folder"]),
    ),
    _check(
        "the bundle",
        "bundle-edited bundle-version plan-pending",
        lambda seen: check_site.plan(seen["the bundle"]),
    ),
    _check(
        "the backups",
        "backup-none backup-old backup-failed backup-unverified backup-broken passphrase",
        lambda seen: check_site.backups(seen["the backups"]),
        lambda seen: (
            _only("backup-old backup-unverified", moot=seen["the backups"].record.last_made is None)
            | _only("backup-broken", moot=seen["the backups"].record.last_verified is None)
            | _only("passphrase", moot=not seen["the backups"].passphrase)
        ),
    ),
)
_DATA = (
    _check(
        "the database's users and policies",
        "database-differs downsampling downsampling-unknown",
        lambda seen: check_data.database(seen["the database's users and policies"]),
    ),
    _check(
        "what is in the database",
        "database-silent series-many series-host series-growing",
        lambda seen: check_data.series(seen["what is in the database"]),
        lambda seen: _only(
            "series-growing", moot=all(one.before is None for one in seen["what is in the database"].series)
        ),
    ),
    _check(
        "what is in the database",
        "clock-host",
        lambda seen: check_data.clocks(seen["what is in the database"]),
    ),
    _check(
        "what is in the database",
        "agent-old agents-differ",
        lambda seen: check_data.versions(seen["what is in the database"].versions),
        lambda seen: _only("agent-old agents-differ", moot=not seen["what is in the database"].versions),
    ),
    _check("InfluxDB's log", "influxdb-log", lambda seen: check_data.log(seen["InfluxDB's log"])),
)


def checks(config: Config) -> tuple[Check, ...]:
    """Return all checks for this site."""
    hosts = _check(
        "the hosts",
        "host-unreachable host-agent host-drift clock-host",
        lambda seen: check_data.hosts(seen["the hosts"], config),
    )
    pushes = _check("the pushes", "push-failed push-never", lambda seen: check_data.pushes(seen["the pushes"], config))
    return (*MACHINE, *_STACK, *_SITE, *_DATA, hosts, pushes)


_KINDS: Mapping[Kind, str] = {
    "service": "service",
    "certificate": "certificate",
    "channel": "channel",
    "release": "unfinished",
    "shard": "shard",
    "host": "host",
    "input": "input",
}
"""The kind of finding for each kind of problem of `status`. The kinds that are missing here have their own checks."""


def _status_findings(seen: Status) -> Iterator[Finding]:
    """Return the problems of `status` as findings."""
    for problem in seen.problems:
        if problem.kind in _KINDS:
            yield Finding(_KINDS[problem.kind], problem.what, problem.next)
