"""Checks of the site's folder, its bundle, its secrets and its backups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aresmon import __version__
from aresmon.config.units import format_age_in_words
from aresmon.doctor.facts import BackupFacts, FolderFacts, PlanFacts, SecretFacts
from aresmon.doctor.findings import Finding
from aresmon.system.git import format_names

_VERIFIED_WITHIN = 35 * 86400.0


def folder(seen: FolderFacts) -> Iterator[Finding]:
    """Check the folder's permissions, leftovers of interrupted commands, crash logs, and InfluxDB's socket."""
    if not seen.writable:
        yield Finding("site-read-only", f"the current user cannot write to {seen.root}")
    for path in seen.leftovers:
        yield Finding("leftovers", f"{path} was set aside, or left behind by an interrupted command")
    for what, next_step in seen.unfinished:
        yield Finding("unfinished", what, next_step)
    for path in seen.failures:
        yield Finding(
            "aresmon-failed", f"aresmon crashed; {path} has the traceback", f"please report it, then delete {path}"
        )
    if seen.socket is not None:
        if not seen.socket.exists:
            yield Finding("socket", "InfluxDB is running, but its socket does not exist")
        if seen.socket.folder_mode & 0o077:
            mode = f"mode {seen.socket.folder_mode & 0o777:o}"
            what = f"the folder of InfluxDB's socket is accessible to other users ({mode})"
            yield Finding("socket", what, f"`chmod 700 {seen.root}/.aresmon {seen.root}/.aresmon/run`")


def secrets(seen: FolderFacts) -> Iterator[Finding]:
    """Check who may read the secrets, and whether they appear elsewhere. A finding never contains a secret's value."""
    for secret in seen.secrets:
        yield from _secret(secret)
    if seen.tracked:
        what = f"git tracks {len(seen.tracked)} files in .aresmon: {format_names(seen.tracked)}"
        yield Finding("secret-tracked", what, "`git rm -r --cached .aresmon`, commit, and rotate the secrets")
    for name, path in seen.exposed:
        what = f"{path} contains the secret {name}"
        next_step = f"remove it from {path}, delete .aresmon/secrets/{name}, then `aresmon up`"
        yield Finding("secret-exposed", what, next_step)
    if seen.in_git and seen.has_state and not seen.ignored:
        yield Finding("gitignore", "git does not ignore .aresmon, which contains the secrets")


def plan(seen: PlanFacts) -> Iterator[Finding]:
    """Check the bundle for edits, and compare it with what `up` would render."""
    if seen.edited:
        yield Finding("bundle-edited", f"edited by hand: {format_names(seen.edited)}")
    if not seen.version:
        return  # `up` has never run: the checks of the services report that
    if seen.version != __version__:
        what = f"the bundle was rendered by aresmon {seen.version}; this is aresmon {__version__}"
        yield Finding("bundle-version", what)
    elif seen.steps or set(seen.changed) - set(seen.edited):
        actions = [*seen.steps, *(f"change {len(seen.changed)} files of the bundle" for _ in seen.changed[:1])]
        yield Finding("plan-pending", f"`aresmon up` would: {format_names(actions)}")


def backups(seen: BackupFacts) -> Iterator[Finding]:
    """Check the age of the last backup, its last verification, and whether the passphrase has been displayed."""
    made, verified, failed = seen.record.last_made, seen.record.last_verified, seen.record.last_failed
    if failed is not None:
        yield Finding(
            "backup-failed", f"the last backup failed {format_age_in_words(seen.at - failed.at)} ago: {failed.what}"
        )
    if made is None:
        yield Finding("backup-none", "no backup of this site has been made")
    elif seen.max_age and seen.at - made.at > seen.max_age:
        yield Finding(
            "backup-old", f"the last backup, {made.archive}, was made {format_age_in_words(seen.at - made.at)} ago"
        )
    if verified is not None and not verified.ok:
        what = (
            f"{verified.archive} failed verification {format_age_in_words(seen.at - verified.at)} ago: {verified.what}"
        )
        yield Finding("backup-broken", what)
    elif made is not None and (verified is None or seen.at - verified.at > _VERIFIED_WITHIN):
        when = "no backup has been verified"
        if verified is not None:
            when = f"the last backup was verified {format_age_in_words(seen.at - verified.at)} ago"
        yield Finding("backup-unverified", when)
    if seen.passphrase and seen.record.kept_passphrase != seen.passphrase:
        yield Finding("passphrase", "the backup passphrase has never been displayed")


def leaks(values: Sequence[tuple[str, str]], texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the (name, path) of each secret (name, value) whose value appears in a text (path, text).

    Values of fewer than eight characters are not searched for: they may occur in any text by chance.
    """
    return [(name, path) for name, value in values if len(value) >= 8 for path, text in texts if value in text]


def _secret(secret: SecretFacts) -> Iterator[Finding]:
    if secret.mode & 0o077:
        what = f"{secret.path} is accessible to other users (mode {secret.mode & 0o777:o})"
        fix = "700" if secret.path.endswith("/") else "600"
        yield Finding("secret-open", what, f"`chmod {fix} {secret.path}`; rotate it if others may have read it")
    if secret.expected_owner is not None and secret.owner != secret.expected_owner:
        what = f"{secret.path} belongs to user {secret.owner} instead of user {secret.expected_owner}"
        yield Finding("secret-open", what, "`aresmon up`", "warning")
    if not secret.readable:
        yield Finding("secret-unreadable", f"the current user cannot read {secret.path}")
