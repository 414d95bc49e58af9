"""The secrets of a site, told without their values: whom each is for, and what it takes to rotate it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aresmon.config.model import Config
from aresmon.site import external_secrets
from aresmon.site import secrets as site_secrets
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.json_schema import did_you_mean

Kind = Literal["agent", "reader", "admin", "person", "mark", "fixed"]

_PUSH = "a push to {}, proven by its points, with two passwords valid meanwhile; its agent is restarted once"
_READER = "Grafana starts anew, with two passwords valid meanwhile; its dashboards are away for as long"
_ADMIN = "set in InfluxDB; nothing is restarted"
_PERSON = "set in Grafana; hand the new one to whom it is for"
_GRAFANA_ADMIN = "set in Grafana, which then starts anew"
_MARK = "the sidecar and Grafana start anew, since their secrets' marks are other ones"
_KEY = "what Grafana encrypted with it could not be read any more, and Grafana has no way to encrypt it anew"
_KEY_NEXT = "leave it; if somebody may have seen it, begin with an empty Grafana: docs/secrets.md says how"
_UNKNOWN = ("nobody in aresmon.yml", "nothing there asks for it", "remove the file, if it is of no use to you")
_BACKUP = "the archives that were made with it can be read with it alone"
_BACKUP_NEXT = "keep it as long as the last of them; docs/secrets.md says how to begin with another one"


@dataclass(frozen=True, slots=True)
class SiteSecret:
    """One secret: who has it, and how it is rotated, or why it is not and what to do instead (`next`).

    `subject` is the host or the login that it is for; `made` is when its file was written, in UTC, empty where it is
    not there; `is_under_way`: a rotation of it was begun and has not ended.
    """

    name: str
    kind: Kind
    whom: str
    how: str
    subject: str = ""
    next: str = ""
    made: str = ""
    is_under_way: bool = False


def secrets(config: Config) -> list[SiteSecret]:
    """Every secret that this site has, in the order in which `--all` rotates them; those that cannot be come last."""
    agents = [
        SiteSecret(
            site_secrets.agent(host.name), "agent", f"{host.name}'s agent, to write", _PUSH.format(host.name), host.name
        )
        for host in config.hosts
    ]
    people = [
        SiteSecret(site_secrets.grafana_user(one.login), "person", f"{one.login}, for Grafana", _PERSON, one.login)
        for one in config.grafana.users
    ]
    admin = config.grafana.admin
    return [
        *agents,
        SiteSecret(site_secrets.INFLUXDB_ADMIN, "admin", "aresmon, as InfluxDB's admin", _ADMIN),
        *people,
        SiteSecret(site_secrets.GRAFANA_ADMIN, "person", f"{admin}, Grafana's administrator", _GRAFANA_ADMIN, admin),
        SiteSecret(site_secrets.INFLUXDB_GRAFANA, "reader", "Grafana, to read", _READER),
        SiteSecret(site_secrets.SITE_KEY, "mark", "aresmon, to see that a secret changed", _MARK),
        SiteSecret(site_secrets.GRAFANA_KEY, "fixed", "Grafana, to encrypt what it keeps", _KEY, next=_KEY_NEXT),
        SiteSecret(site_secrets.BACKUP, "fixed", "aresmon, to seal secrets in backups", _BACKUP, next=_BACKUP_NEXT),
        *(_given(external_secrets.ALERTS, name, "Grafana, to tell people", "alerts") for name in config.alerts.secrets),
        *(
            _given(external_secrets.BACKUP, name, "aresmon, to keep backups", "backup")
            for name in config.backup.secrets
        ),
    ]


def _given(folder: str, name: str, whom: str, command: str) -> SiteSecret:
    what = f"get another from them, then `aresmon {command} secret {name}`"
    return SiteSecret(f"{folder}/{name}", "fixed", whom, "somebody else gave it", name, what)


def found(folder: Path, known: Sequence[SiteSecret]) -> Iterator[SiteSecret]:
    """The same, with when each was made; then what else stands there, which is not rotated."""
    names = {one.name for one in known}
    for one in known:
        yield _seen(folder, one)
    for path in sorted(folder.glob("*")):
        is_ours = path.name in names or path.name in map(site_secrets.upcoming, names)
        if path.is_file() and not is_ours and not path.name.startswith("."):
            whom, why, what = _UNKNOWN
            yield _seen(folder, SiteSecret(path.name, "fixed", whom, why, next=what))


def _seen(folder: Path, one: SiteSecret) -> SiteSecret:
    try:
        made = datetime.fromtimestamp((folder / one.name).stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        made = ""
    under_way = (folder / site_secrets.upcoming(one.name)).exists()
    return SiteSecret(one.name, one.kind, one.whom, one.how, one.subject, one.next, made, under_way)


def chosen(known: Sequence[SiteSecret], names: Sequence[str], *, every: bool) -> list[SiteSecret]:
    """The secrets of these names, or all that can be rotated.

    Raises AresmonError for a name that is none, for one that cannot be rotated, and for no name.
    """
    if every and names:
        raise AresmonError("--all and names do not go together", hint="one or the other", code=ExitCode.USAGE)
    if not every and not names:
        hint = "name them, as `aresmon secrets list` shows them, or say --all"
        raise AresmonError("which secrets?", hint=hint, code=ExitCode.USAGE)
    _check(known, names)
    return [one for one in known if one.name in names or (every and one.kind != "fixed")]


def _check(known: Sequence[SiteSecret], names: Iterable[str]) -> None:
    by_name = {one.name: one for one in known}
    for name in names:
        if name not in by_name:
            meant = did_you_mean(name, by_name)
            raise AresmonError(f"there is no secret {name}{meant}", hint="`aresmon secrets list` shows them")
        if by_name[name].kind == "fixed":
            raise AresmonError(f"{name} is not rotated: {by_name[name].how}", hint=by_name[name].next)
