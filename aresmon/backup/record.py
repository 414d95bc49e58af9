"""The record of the last backup, failure and verification, in `backups.json`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from aresmon.config.layout import Layout
from aresmon.config.units import format_age_in_words
from aresmon.system.json_file import JsonFile


@dataclass(frozen=True, slots=True)
class CompletedBackup:
    """A backup that was stored. `at` is in seconds since 1970; `destination` names the destinations that stored it."""

    at: float
    archive: str
    bytes: int
    destination: str


@dataclass(frozen=True, slots=True)
class FailedBackup:
    """A backup that was not made, and why; `at` is in seconds since 1970."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The verification of an archive; `what` is what was compared, or what failed."""

    at: float
    archive: str
    ok: bool
    what: str


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """The record of a site. `last_failed` is set only if no backup was made since. `kept_passphrase` is the digest of
    the passphrase that was displayed, to be kept elsewhere."""

    last_made: CompletedBackup | None = None
    last_failed: FailedBackup | None = None
    last_verified: Verification | None = None
    kept_passphrase: str = ""


def read(site: Layout) -> BackupRecord:
    """The record of a site; an empty one if there is none that can be read."""
    return _file(site).read_or(BackupRecord())


def find_problems(record: BackupRecord, *, due: float, now: float) -> Iterator[tuple[str, str]]:
    """Yield the problems of the backups, each with the next step; `due` is the longest interval in seconds, 0 for any.

    A site that never made a backup is not reported here; `aresmon doctor` does.
    """
    made, failed, verified = record.last_made, record.last_failed, record.last_verified
    if failed is not None:
        yield f"the last backup failed: {failed.what}", "fix it, then `aresmon backup`"
    elif made is not None and due and now - made.at > due:
        yield (
            f"the last backup is {format_age_in_words(now - made.at)} old",
            "`aresmon backup`; check why its timer did not run it",
        )
    if verified is not None and not verified.ok:
        yield (
            f"the archive {verified.archive} failed its verification: {verified.what}",
            "`aresmon backup`, then `aresmon backup --verify latest`",
        )


def describe(record: BackupRecord, *, now: float) -> str:
    """The last backup and the last verification, in one line."""
    made, verified = record.last_made, record.last_verified
    if made is None:
        return "Backup: none yet"
    verification = "none verified yet"
    if verified is not None:
        outcome = "was verified" if verified.ok else "failed its verification"
        verification = f"{verified.archive} {outcome} {format_age_in_words(now - verified.at)} ago"
    age, size = format_age_in_words(now - made.at), made.bytes / 10**6
    return f"Backup: {age} ago, {size:.1f} MB, in {made.destination}; {verification}"


def save_made(site: Layout, made: CompletedBackup) -> None:
    """Record a backup that was made; an earlier failure is removed."""
    _write(site, replace(read(site), last_made=made, last_failed=None))


def save_failed(site: Layout, failed: FailedBackup) -> None:
    """Record a backup that failed."""
    _write(site, replace(read(site), last_failed=failed))


def save_verified(site: Layout, verified: Verification) -> None:
    """Record the result of a verification."""
    _write(site, replace(read(site), last_verified=verified))


def passphrase_digest(passphrase: str) -> str:
    """Identify a passphrase. The digest is keyed with the passphrase itself, because the site's key may be replaced."""
    return hmac.new(passphrase.encode(), b"shown", hashlib.sha256).hexdigest()[:12]


def save_passphrase(site: Layout, digest: str) -> None:
    """Record that the passphrase with this digest was displayed."""
    _write(site, replace(read(site), kept_passphrase=digest))


def _write(site: Layout, record: BackupRecord) -> None:
    _file(site).write(record)


def _file(site: Layout) -> JsonFile[BackupRecord]:
    return JsonFile(site.state / "backups.json", _parse, asdict)


def _parse(data: Any) -> BackupRecord:
    return BackupRecord(
        last_made=_one(CompletedBackup, data.get("last_made")),
        last_failed=_one(FailedBackup, data.get("last_failed")),
        last_verified=_one(Verification, data.get("last_verified")),
        kept_passphrase=str(data.get("kept_passphrase", "")),
    )


def _one(kind: Any, data: dict[str, Any] | None) -> Any:
    return None if data is None else kind(**data)
