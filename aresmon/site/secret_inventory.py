"""The list of a site's secrets, without their values: who uses each one, and how it is rotated."""

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

_PUSH = "by a push to {}, verified by its data, with both passwords valid meanwhile; the agent restarts once"
_READER = "Grafana restarts, with both passwords valid meanwhile; dashboards are unavailable during the restart"
_ADMIN = "set in InfluxDB; nothing restarts"
_PERSON = "set in Grafana; give the new password to its user"
_GRAFANA_ADMIN = "set in Grafana, which then restarts"
_MARK = "the sidecar and Grafana restart, since their secrets' fingerprints change"
_KEY = "Grafana could not decrypt its data with another key, and has no command to encrypt it again"
_KEY_NEXT = "keep it; if it was exposed, start with an empty Grafana as docs/secrets.md describes"
_UNKNOWN = ("nothing in aresmon.yml", "no setting uses it", "delete the file if you do not need it")
_BACKUP = "existing archives can be decrypted with this passphrase only"
_BACKUP_NEXT = "keep it as long as the archives; docs/secrets.md describes how to start with another one"


@dataclass(frozen=True, slots=True)
class SiteSecret:
    """One secret: who uses it, and how it is rotated, or why it cannot be and what to do instead (`next`).

    `subject` is the host or login that it belongs to; `made` is when its file was written (ISO 8601, UTC), empty
    without a file; `is_under_way`: its rotation was started and is not complete.
    """

    name: str
    kind: Kind
    whom: str
    how: str
    subject: str = ""
    next: str = ""
    made: str = ""
    is_under_way: bool = False


def list_secrets(config: Config) -> list[SiteSecret]:
    """Return every secret of this site in the order in which `--all` rotates them, the fixed ones last."""
    agents = [
        SiteSecret(
            site_secrets.agent_secret(host.name),
            "agent",
            f"{host.name}'s agent, to write",
            _PUSH.format(host.name),
            host.name,
        )
        for host in config.hosts
    ]
    people = [
        SiteSecret(
            site_secrets.grafana_user_secret(one.login), "person", f"{one.login}, for Grafana", _PERSON, one.login
        )
        for one in config.grafana.users
    ]
    admin = config.grafana.admin
    return [
        *agents,
        SiteSecret(site_secrets.INFLUXDB_ADMIN, "admin", "aresmon, as InfluxDB's admin", _ADMIN),
        *people,
        SiteSecret(site_secrets.GRAFANA_ADMIN, "person", f"{admin}, Grafana's administrator", _GRAFANA_ADMIN, admin),
        SiteSecret(site_secrets.INFLUXDB_GRAFANA, "reader", "Grafana, to read", _READER),
        SiteSecret(site_secrets.SITE_KEY, "mark", "aresmon, to detect changed secrets", _MARK),
        SiteSecret(site_secrets.GRAFANA_KEY, "fixed", "Grafana, to encrypt its data", _KEY, next=_KEY_NEXT),
        SiteSecret(site_secrets.BACKUP, "fixed", "aresmon, to encrypt secrets in backups", _BACKUP, next=_BACKUP_NEXT),
        *(
            _external(external_secrets.ALERTS, name, "Grafana, to send alerts", "alerts")
            for name in config.alerts.secrets
        ),
        *(
            _external(external_secrets.COLLECTORS, name, f"the agents of {', '.join(hosts)}", "collectors")
            for name, hosts in _collector_secrets(config).items()
        ),
        *(
            _external(external_secrets.BACKUP, name, "aresmon, to store backups", "backup")
            for name in config.backup.secrets
        ),
    ]


def _collector_secrets(config: Config) -> dict[str, list[str]]:
    """The secrets of collectors' options, by name: the hosts that use each."""
    found: dict[str, list[str]] = {}
    for host in config.hosts:
        for secret in host.secrets:
            found.setdefault(secret.name, []).append(host.name)
    return found


def _external(folder: str, name: str, whom: str, command: str) -> SiteSecret:
    what = f"get a new one from its issuer, then `aresmon {command} secret {name}`"
    return SiteSecret(f"{folder}/{name}", "fixed", whom, "it was issued by an external service", name, what)


def list_files(folder: Path, known: Sequence[SiteSecret]) -> Iterator[SiteSecret]:
    """Return the known secrets with the times of their files; then other files in the folder, which are not rotated."""
    names = {one.name for one in known}
    for one in known:
        yield _seen(folder, one)
    for path in sorted(folder.glob("*")):
        is_ours = path.name in names or path.name in map(site_secrets.next_name, names)
        if path.is_file() and not is_ours and not path.name.startswith("."):
            whom, why, what = _UNKNOWN
            yield _seen(folder, SiteSecret(path.name, "fixed", whom, why, next=what))


def _seen(folder: Path, one: SiteSecret) -> SiteSecret:
    try:
        made = datetime.fromtimestamp((folder / one.name).stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        made = ""
    under_way = (folder / site_secrets.next_name(one.name)).exists()
    return SiteSecret(one.name, one.kind, one.whom, one.how, one.subject, one.next, made, under_way)


def select(known: Sequence[SiteSecret], names: Sequence[str], *, every: bool) -> list[SiteSecret]:
    """Return the secrets with these names, or all that can be rotated.

    Raises AresmonError for an unknown name, for a secret that cannot be rotated, and if no name is given.
    """
    if every and names:
        raise AresmonError("--all and names cannot be combined", hint="use one or the other", code=ExitCode.USAGE)
    if not every and not names:
        hint = "name secrets from `aresmon secrets list`, or use --all"
        raise AresmonError("no secrets named", hint=hint, code=ExitCode.USAGE)
    _check(known, names)
    return [one for one in known if one.name in names or (every and one.kind != "fixed")]


def _check(known: Sequence[SiteSecret], names: Iterable[str]) -> None:
    by_name = {one.name: one for one in known}
    for name in names:
        if name not in by_name:
            meant = did_you_mean(name, by_name)
            raise AresmonError(f"there is no secret {name}{meant}", hint="`aresmon secrets list` shows all secrets")
        if by_name[name].kind == "fixed":
            raise AresmonError(f"{name} cannot be rotated: {by_name[name].how}", hint=by_name[name].next)
