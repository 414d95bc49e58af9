"""Secrets that somebody else gave, one file each: those of `alerts`, of collectors' options, and of `backup`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from aresmon.config import secret_forms
from aresmon.config.collector_options import SECRET_NAME
from aresmon.config.secret_forms import FORMS, Form
from aresmon.site import secrets as site_secrets
from aresmon.system import files
from aresmon.system.errors import AresmonError, SiteError

ALERTS = "alerts"

Uses = Mapping[str, tuple[Form, ...]]
"""The secrets that aresmon.yml names, each with the forms that its uses take."""


def write_alert_secret(secrets: Path, name: str, value: str, *, owner: int, uses: Uses | None = None) -> Path:
    """Keep a secret under this name, in the folder of the site's secrets, for Grafana's user; where it is now.

    Raises AresmonError for a name or a value that cannot be used; the value is not in it.
    """
    _check_name(name)
    value = value.strip()
    forms = (uses or {}).get(name, ())
    if found := secret_forms.find_fault(value, *forms):
        raise AresmonError(f"{name}: the value {found}", hint=f"{_wanted(forms)}; nothing was changed")
    prepare_folder(secrets, owner)
    path = secrets / ALERTS / name
    files.write(path, value.encode(), mode=0o600, owner=owner)
    return path


def _check_name(name: str) -> None:
    if not SECRET_NAME.fullmatch(name):
        raise AresmonError(f"{name!r} is not a valid name for a secret", hint="lower-case letters, digits and hyphens")


def prepare_folder(secrets: Path, owner: int) -> None:
    """Make their folder, which Grafana's container has mounted, and give it and all in it to Grafana's user alone."""
    folder = secrets / ALERTS
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, mode in ((folder, 0o700), *((one, 0o600) for one in sorted(folder.iterdir()))):
            status = path.stat()
            if status.st_mode & 0o777 != mode:
                path.chmod(mode)
            if status.st_uid != owner and os.getuid() == 0:
                os.chown(path, owner, owner)
    except OSError as error:
        raise files.cannot_write(folder, error) from error


def check(secrets: Path, uses: Uses) -> None:
    """Raise SiteError for those that are not there or cannot be used: with such a one Grafana would not start, and
    would write an address that it cannot read into its log."""
    wrong = dict(find_problems(secrets, uses))
    if wrong:
        raise SiteError(list(wrong.values()), hint=f"{next_step(wrong)}; nothing was changed")


def next_step(names: Iterable[str]) -> str:
    """What brings these secrets."""
    one, *more = names
    return "`aresmon alerts secret NAME` sets each of them" if more else f"`aresmon alerts secret {one}` sets it"


def find_problems(secrets: Path, uses: Uses) -> Iterator[tuple[str, str]]:
    """Those that are not there or cannot be used, by name, each with what is wrong with it."""
    for name, forms in uses.items():
        path = secrets / ALERTS / name
        try:
            found = secret_forms.find_fault(path.read_text(encoding="ascii"), *forms)
        except FileNotFoundError:
            yield name, f"alerts: the secret {name} is not set; it must be {_wanted(forms)}"
        except OSError as error:
            yield name, f"{path} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            yield name, f"{path} contains a character that is not ASCII; it must be {_wanted(forms)}"
        else:
            if found:
                yield name, f"{path} {found}; it must be {_wanted(forms)}"


def read_alert_secret(secrets: Path, name: str) -> str:
    """One of them. Raises AresmonError where it is missing or cannot be used."""
    path = secrets / ALERTS / name
    again = f"`aresmon alerts secret {name}` sets it again"
    try:
        value = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{path} cannot be read", hint=again) from None
    if found := secret_forms.find_fault(value):
        raise AresmonError(f"{path} {found}", hint=again)
    return value


def _wanted(forms: Iterable[Form]) -> str:
    """`an http or https address, as https://host/path, on one line, without spaces, dollars and quotes around it`"""
    words = " and ".join(FORMS[form] for form in forms) or "an address, a password or a token"
    return f"{words}, on one line, without spaces, dollars and quotes around it"


def fingerprints(secrets: Path, names: Iterable[str]) -> dict[str, str]:
    """A mark of each that changes with it and tells nothing of it, by its name as `alerts/discord` or
    `collectors/mysql`; of those that are there."""
    if not (secrets / site_secrets.SITE_KEY).exists():
        return {}

    here = (name for name in names if (secrets / name).is_file())
    return {name: site_secrets.fingerprint(partial(read_secret, secrets), name) for name in here}


def read_secret(secrets: Path, name: str) -> str:
    """A secret by its name among all those of the site, as `agent-lewi`, `alerts/discord` or `collectors/mysql`.

    Raises AresmonError where it is missing or cannot be used.
    """
    folder, _, rest = name.rpartition("/")
    readers = {ALERTS: read_alert_secret, COLLECTORS: read_collector_secret, BACKUP: read_backup_secret}
    return readers[folder](secrets, rest) if folder else site_secrets.read(secrets, name)


COLLECTORS = "collectors"
_LONGEST_VARIABLE = 2048
# What an environment file carries to systemd and to a shell alike. Bytes of standard input that are not UTF-8 become
# surrogates.
_IN_VARIABLE = re.compile(rf"[^\x00-\x1f\x7f'\"\\$\ud800-\udfff]{{1,{_LONGEST_VARIABLE}}}")
_IN_VARIABLE_FORM = "one line without quotes, backslashes and dollars"


def write_collector_secret(secrets: Path, name: str, value: str, *, owner: int) -> Path:
    """Keep a secret of a collector's option under this name, for the user of the server's own agent; where it is now.

    Raises AresmonError for a name or a value that cannot be used; the value is not in it.
    """
    _check_name(name)
    value = value.rstrip("\r\n")
    if fault := _variable_fault(value):
        raise AresmonError(f"{name}: the value {fault}", hint="nothing was changed")
    path = secrets / COLLECTORS / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.getuid() == 0:
            os.chown(path.parent, owner, owner)
    except OSError as error:
        raise files.cannot_write(path.parent, error) from error
    files.write(path, value.encode(), mode=0o600, owner=owner)
    return path


def read_collector_secret(secrets: Path, name: str) -> str:
    """One of them. Raises AresmonError where it is missing or cannot be used."""
    path = secrets / COLLECTORS / name
    hint = f"`aresmon collectors secret {name}` sets it"
    try:
        value = path.read_text(encoding="utf-8").rstrip("\n")
    except FileNotFoundError:
        raise AresmonError(f"the secret {name}, which a collector needs, is not set", hint=hint) from None
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{path} cannot be read", hint=hint) from None
    if fault := _variable_fault(value):
        raise AresmonError(f"{path} {fault}", hint=hint)
    return value


def _variable_fault(value: str) -> str:
    """What keeps a value from being a variable of an agent; empty if nothing does."""
    if not value.strip():
        return "is empty" if not value else "has nothing but spaces in it"
    if not _IN_VARIABLE.fullmatch(value):
        return f"must be {_IN_VARIABLE_FORM}, of {_LONGEST_VARIABLE} characters at the most"
    return "begins or ends with a space" if value != value.strip() else ""


def find_collector_problems(secrets: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those that are not there or cannot be used, by name, each with what is wrong with it."""
    for name in names:
        try:
            read_collector_secret(secrets, name)
        except AresmonError as error:
            yield name, error.message


def check_collector_secrets(secrets: Path, names: Iterable[str]) -> None:
    """Raise SiteError naming all those that are missing or cannot be used."""
    wrong = [what for _, what in find_collector_problems(secrets, names)]
    if wrong:
        raise SiteError(wrong, hint="`aresmon collectors secret NAME` sets each of them; nothing was changed")


BACKUP = "backup"
_VALUE = re.compile(r"[!-~]{8,256}")


def write_backup_secret(secrets: Path, name: str, value: str) -> Path:
    """Keep a secret under this name, in the folder of the site's secrets; where it is now.

    Raises AresmonError for a name or a value that cannot be used; the value is not in it.
    """
    _check_name(name)
    value = value.strip()
    if not _VALUE.fullmatch(value):
        raise AresmonError(
            f"{name}: the value is not a secret access key", hint="8 to 256 characters on one line; nothing was changed"
        )
    folder = secrets / BACKUP
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    files.write(folder / name, value.encode(), mode=0o600)
    return folder / name


def read_backup_secret(secrets: Path, name: str) -> str:
    """One of them. Raises AresmonError where it is missing or cannot be used."""
    path = secrets / BACKUP / name
    again = f"`aresmon backup secret {name}` sets it"
    try:
        value = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise AresmonError(f"backup.to: the secret {name} is not set", hint=again) from None
    except (OSError, UnicodeDecodeError):
        raise AresmonError(f"{path} cannot be read", hint=again) from None
    if not _VALUE.fullmatch(value):
        raise AresmonError(f"{path} does not contain a secret access key", hint=again)
    return value


def missing_backup_secrets(secrets: Path, names: Iterable[str]) -> Iterator[str]:
    """Those that are not there yet."""
    return (name for name in names if not (secrets / BACKUP / name).is_file())
