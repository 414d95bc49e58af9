"""The way in to Grafana as its administrator, also where an older data folder has another one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from aresmon.config.model import Config
from aresmon.engine.docker import Engine
from aresmon.grafana import client
from aresmon.grafana.answers import GrafanaError, GrafanaNotRunningError, GrafanaUnreachableError
from aresmon.grafana.client import Account, Grafana
from aresmon.site import certificates, secrets
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress

_DEFAULT_ADMIN = (1, "")
# The image's own variables lead to its data. Its log is a file by default, on a file system that is read-only.
_RESET_COMMAND = (
    *("env", "GF_LOG_MODE=console"),
    *("grafana", "cli", "--homepath", "/usr/share/grafana"),
    *("admin", "reset-admin-password", "--password-from-stdin", "--user-id"),
)


def check_running(config: Config, engine: Engine) -> None:
    """Raise AbsentGrafanaError where the site's Grafana has no container on this engine."""
    if "grafana" not in engine.containers(config.site):
        raise GrafanaNotRunningError


def connect_as_admin(project: Project, engine: Engine, progress: Progress) -> tuple[Grafana, list[str]]:
    """Grafana as the administrator that aresmon.yml names, once it is ready, and what had to be changed for that.

    Grafana takes the administrator's login and password from its settings on an empty data folder alone. On
    another the password is set by Grafana's own program, in its container, and the login by its API.

    Raises GrafanaUnreachableError where Grafana does not get ready, AresmonError where there is no way in.
    """
    ours = admin_client(project)
    client.wait_until_ready(ours, is_running=lambda: engine.is_running(project.config.site, "grafana"))
    try:
        if ours.me().is_server_admin:
            return ours, []
    except GrafanaError as error:
        if error.status != 401:
            raise
    found = _list_server_admins(project.site.root / project.config.grafana.data / "grafana.db")
    user, login = _choose_admin(found, project.config.grafana.admin)
    way, details = _log_in(ours, user, login, engine=engine, config=project.config, progress=progress)
    return ours, [*details, *_set_up_admin(way, ours)]


def running_client(project: Project, engine: Engine) -> Grafana:
    """The same client; raises GrafanaNotRunningError where the site's Grafana has no container on this engine."""
    check_running(project.config, engine)
    return admin_client(project)


def admin_client(project: Project) -> Grafana:
    """Grafana as the administrator that aresmon.yml names. Nothing is asked yet."""
    pair = project.config.grafana.access.tls
    return client.connect(
        project.config,
        secrets.read(project.site.secrets, secrets.GRAFANA_ADMIN),
        fingerprint=certificates.fingerprint(project.site.root, pair) if pair else "",
    )


def _list_server_admins(path: Path) -> list[tuple[int, str]]:
    """Id and login of those who may look after Grafana, from its own database; none where that cannot be read."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)) as database:
            rows = database.execute("SELECT id, login FROM user WHERE is_admin = 1 ORDER BY id").fetchall()
    except sqlite3.Error:
        return []
    return [(int(user), str(login)) for user, login in rows]


def _choose_admin(admins: list[tuple[int, str]], wanted: str) -> tuple[int, str]:
    """The one to go in by: who has the wanted login already, else the first."""
    named = [one for one in admins if one[1].lower() == wanted.lower()]
    return next(iter([*named, *admins]), _DEFAULT_ADMIN)


def _log_in(
    ours: Grafana, user: int, login: str, *, engine: Engine, config: Config, progress: Progress
) -> tuple[Grafana, list[str]]:
    """Grafana as this administrator of it, by our password, which is set where it has another."""
    logins = [login] if login else list(dict.fromkeys([ours.login.lower(), "admin"]))
    others = [one for one in logins if one.lower() != ours.login.lower()]
    for other in others:
        if ours.accepts(other, ours.password):
            return ours.as_user(other, ours.password), []
    progress.note("the password of Grafana's administrator differs from the site's secret; it is reset")
    said = _reset_password(engine, config, user, ours.password)
    for other in logins:
        if ours.accepts(other, ours.password):
            return ours.as_user(other, ours.password), [f"reset the password of {other}"]
    raise AresmonError(
        f"Grafana rejects its administrator although the password was reset ({said})",
        hint="after five wrong passwords Grafana locks a login for five minutes: wait, then run `aresmon up`",
        code=ExitCode.BROKEN,
    )


def _reset_password(engine: Engine, config: Config, user: int, password: str) -> str:
    """Set a password by Grafana's own program; its last words.

    Source: Grafana's pkg/cmd/grafana-cli/commands/reset_password_command.go. It ends with 0 where there is no such
    user, so what it says is no proof.
    """
    container = engine.containers(config.site).get("grafana")
    if container is None or container.state != "running":
        raise GrafanaUnreachableError("Grafana is not running, so the password of its administrator cannot be set")
    done = engine.execute(container.id, [*_RESET_COMMAND, str(user)], given=f"{password}\n")
    said = ((done.err.strip() or done.out.strip()).splitlines() or ["it said nothing"])[-1].strip()
    if done.code != 0:
        raise AresmonError(
            f"Grafana's administrator has another password, and `grafana cli` could not set it: {said}",
            hint="`aresmon logs grafana` may show why; then `aresmon up` continues from here",
            code=ExitCode.BROKEN,
        )
    return said


def _set_up_admin(way: Grafana, ours: Grafana) -> list[str]:
    """Make who we are the administrator that aresmon.yml names; what was changed."""
    me = way.me()
    if me.login.lower() == ours.login.lower():
        return []
    named = next((one for one in way.accounts() if one.login.lower() == ours.login.lower()), None)
    if named is None:
        way.update(me, login=ours.login, name=me.name, email=_kept_email(me))
        return [f"rename the administrator {me.login} to {ours.login}"]
    way.set_password(named.id, ours.password)
    way.set_server_admin(named.id, True)
    if named.is_disabled:
        way.enable(named.id, True)
    return [f"make {named.login} the administrator; {me.login}, which was used for that, has the same password"]


def _kept_email(account: Account) -> str:
    """The address to keep: Grafana puts the login there where none is given, which must not stay behind."""
    return "" if account.email == account.login else account.email
