"""The secrets of a site: one file each, made by us, readable by its service alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from aresmon.config.model import Config
from aresmon.system import files
from aresmon.system.errors import AresmonError

INFLUXDB_ADMIN = "influxdb-admin"
INFLUXDB_GRAFANA = "influxdb-grafana"
GRAFANA_ADMIN = "grafana-admin"
GRAFANA_KEY = "grafana-secret-key"
SITE_KEY = "site-key"
BACKUP = "backup-passphrase"

_USERS = {INFLUXDB_GRAFANA: "grafana"}
_SECOND = "2~"
"""How the password of the second database user begins; none that is generated for the first does."""

# Grafana expands a `$` in what it reads from a file, and the shell of many a recipe would too.
_ALLOWED = re.compile(r"^[A-Za-z0-9._~!@%^*+=:,/?-]{4,256}$")


def agent(host: str) -> str:
    """The name of the secret of a host's agent."""
    return f"agent-{host}"


def upcoming(name: str) -> str:
    """Where the next value of a secret stands while it is being rotated. No host and no login has such a name."""
    return f"{name}~next"


def account(name: str, password: str) -> str:
    """The database user whose password this is, of the two that an agent's secret and Grafana's may be for.

    InfluxDB 1.x knows one password a user, so that two can be valid at once only for two users. Which of them, the
    password itself tells: one file, written in one step, is then all there is to agree on.
    """
    user = _USERS.get(name, name)
    return f"{user}~2" if password.startswith(_SECOND) else user


def other(account: str) -> str:
    """The other one of two database users."""
    return account.removesuffix("~2") if account.endswith("~2") else f"{account}~2"


def successor(name: str, password: str) -> str:
    """A new password, for the other database user than this one is for."""
    return generated() if account(name, password).endswith("~2") else f"{_SECOND}{generated()}"


def following(name: str, current: str, begun: str = "") -> str:
    """The next value of a secret for the database: the one that was begun with, or a new one.

    One for the same user with another password would shut out who writes with the present one.
    """
    is_usable = begun == current or account(name, begun) != account(name, current)
    return begun if begun and is_usable else successor(name, current)


def sweep(folder: Path) -> None:
    """Remove what writes that were killed in their middle left: secrets are in it."""
    for path in folder.glob(".*"):
        path.unlink(missing_ok=True)


def accounts(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The database user that each of these secrets is for, by its name; without those that are not made yet."""
    return {name: account(name, read(folder, name)) for name in names if (folder / name).exists()}


def under_way(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The next values of those of these secrets that are being rotated, by where they stand."""
    return {name: read(folder, name) for name in map(upcoming, names) if (folder / name).exists()}


def grafana_user(login: str) -> str:
    """The name of the secret of someone's password for Grafana."""
    return f"grafana-user-{login.lower()}"


def owners(config: Config, users: Mapping[str, int]) -> dict[str, int]:
    """Every secret of a site, with the user id that reads it."""
    own = os.getuid()
    named = {SITE_KEY: own, INFLUXDB_ADMIN: own, BACKUP: own}
    named |= dict.fromkeys((INFLUXDB_GRAFANA, GRAFANA_ADMIN, GRAFANA_KEY), users["grafana"])
    named |= dict.fromkeys((grafana_user(person.login) for person in config.grafana.users), own)
    for host in config.hosts:
        named[agent(host.name)] = users["telegraf"] if host == config.sidecar else own
    return named


def ensure(folder: Path, wanted: Mapping[str, int]) -> dict[str, str]:
    """Make what is missing, tighten what is open to others, and read them all; by name.

    Raises AresmonError naming a file that cannot be used, never what is in it.
    """
    return {name: _ensure(folder / name, owner) for name, owner in wanted.items()}


def foreseen(folder: Path, wanted: Iterable[str]) -> dict[str, str]:
    """The same with nothing made or tightened: of what is missing, a value that nobody will have."""
    return {name: read(folder, name) if (folder / name).exists() else generated() for name in wanted}


def read(folder: Path, name: str) -> str:
    """One secret. Raises AresmonError where it is missing or not readable."""
    path = folder / name
    try:
        value = path.read_text(encoding="ascii").rstrip("\n")
    except FileNotFoundError:
        raise AresmonError(f"{path} does not exist", hint="`aresmon up` makes it") from None
    except UnicodeDecodeError:
        raise AresmonError(
            f"{path}: a secret is ASCII text", hint="remove it, and `aresmon up` makes another"
        ) from None
    except OSError as error:
        raise AresmonError(
            f"{path} cannot be read: {error.strerror}",
            hint="the site belongs to who ran `aresmon up` first: run this as them, or with sudo",
        ) from None
    if not _ALLOWED.match(value):
        raise AresmonError(
            f"{path}: a secret is one line of 4 to 256 letters, digits or . _ ~ ! @ % ^ * + = : , / ? -",
            hint="remove it, and `aresmon up` makes another; or write one of these characters",
        )
    return value


def replace(folder: Path, name: str, value: str, owner: int) -> None:
    """Write another value for a secret. Raises AresmonError, and writes nothing, for one that cannot be one."""
    check(value)
    files.write(folder / name, value.encode(), mode=0o600, owner=owner)


def remove(folder: Path, name: str) -> None:
    """Remove a secret, if it is there."""
    (folder / name).unlink(missing_ok=True)


def check(value: str) -> None:
    """Raise AresmonError, which does not repeat it, for what cannot be a secret."""
    if not _ALLOWED.match(value):
        raise AresmonError(
            "a password is one line of 4 to 256 letters, digits or . _ ~ ! @ % ^ * + = : , / ? -",
            hint="choose another; nothing was changed",
        )


def fingerprints(folder: Path, wanted: Iterable[str]) -> dict[str, str]:
    """A mark that changes with each of these secrets and tells nothing of it: keyed with a secret of the site.

    Secrets that are not made yet have none; other files in the folder are nobody's business.
    """
    names = [name for name in wanted if name != SITE_KEY and (folder / name).exists()]
    if not (folder / SITE_KEY).exists():
        return {}
    key = read(folder, SITE_KEY).encode()
    return {name: _mark(key, name, read(folder, name)) for name in names}


def generated() -> str:
    """A new secret, of 32 characters from the system's random source."""
    return secrets.token_urlsafe(24)


def mark(secret: Callable[[str], str], name: str) -> str:
    """The same mark of one secret, read by `secret`."""
    return _mark(secret(SITE_KEY).encode(), name, secret(name))


def _mark(key: bytes, name: str, value: str) -> str:
    return hmac.new(key, f"{name}:{value}".encode(), hashlib.sha256).hexdigest()[:12]


def _ensure(path: Path, owner: int) -> str:
    if not path.exists():
        files.write(path, generated().encode(), mode=0o600, owner=owner)
    try:
        status = path.stat()
        if status.st_mode & 0o077:
            path.chmod(0o600)
        if status.st_uid != owner and os.getuid() == 0:
            os.chown(path, owner, owner)
    except OSError as error:
        raise files.cannot_write(path, error) from error
    value = read(path.parent, path.name)
    if path.read_bytes() != value.encode():
        # An editor ends the file with a newline, which Telegraf would take for a part of the password.
        files.write(path, value.encode(), mode=0o600, owner=owner)
    return value
