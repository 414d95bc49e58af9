"""What is wrong with the site's folder, its bundle, its secrets and its backups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aresmon import __version__
from aresmon.doctor.facts import BackupFacts, FolderFacts, PlanFacts, SecretFacts
from aresmon.doctor.findings import Finding
from aresmon.system.git import listed

_VERIFIED_WITHIN = 35 * 86400.0
_DAY = 86400.0


def folder(seen: FolderFacts) -> Iterator[Finding]:
    """What stands in the folder, and what does not belong there."""
    if not seen.writable:
        yield Finding("site-read-only", f"{seen.root} cannot be written by who runs this")
    for path in seen.leftovers:
        yield Finding("leftovers", f"{path} was kept aside, or left behind by a command that was interrupted")
    for what, next_step in seen.unfinished:
        yield Finding("unfinished", what, next_step)
    for path in seen.failures:
        yield Finding("aresmon-failed", f"aresmon failed; {path} says how", f"please report it, then remove {path}")
    if seen.socket is not None:
        if not seen.socket.exists:
            yield Finding("socket", "InfluxDB runs, and its socket is not there")
        if seen.socket.folder_mode & 0o077:
            what = f"others may enter the folder of InfluxDB's socket (mode {seen.socket.folder_mode & 0o777:o})"
            yield Finding("socket", what, f"`chmod 700 {seen.root}/.aresmon {seen.root}/.aresmon/run`")


def secrets(seen: FolderFacts) -> Iterator[Finding]:
    """Who may read the secrets, and where else they stand. No value is ever told."""
    for secret in seen.secrets:
        yield from _secret(secret)
    if seen.tracked:
        what = f"git has {len(seen.tracked)} files of .aresmon: {listed(seen.tracked)}"
        yield Finding("secret-tracked", what, "`git rm -r --cached .aresmon`, commit, and change the secrets")
    for name, path in seen.told:
        what = f"the secret {name} stands in {path}"
        yield Finding("secret-told", what, f"take it out of {path}, remove .aresmon/secrets/{name}, then `aresmon up`")
    if seen.in_git and seen.has_state and not seen.ignored:
        yield Finding("gitignore", "git does not ignore .aresmon, which has the secrets in it")


def plan(seen: PlanFacts) -> Iterator[Finding]:
    """The bundle, and what `up` would do with it."""
    if seen.edited:
        yield Finding("bundle-edited", f"edited by hand: {listed(seen.edited)}")
    if not seen.version:
        return  # nothing was ever brought up: the services say so
    if seen.version != __version__:
        what = f"the bundle was rendered by aresmon {seen.version}, and this is {__version__}"
        yield Finding("bundle-version", what)
    elif seen.steps or set(seen.changed) - set(seen.edited):
        told = [*seen.steps, *(f"{len(seen.changed)} files of the bundle change" for _ in seen.changed[:1])]
        yield Finding("plan-pending", f"`aresmon up` would do this: {listed(told)}")


def backups(seen: BackupFacts) -> Iterator[Finding]:
    """How old the last backup is, whether one was tried, and whether its passphrase is elsewhere too."""
    made, verified, failed = seen.record.last_made, seen.record.last_verified, seen.record.last_failed
    if failed is not None:
        yield Finding("backup-failed", f"the last backup failed {_ago(seen.at - failed.at)}: {failed.what}")
    if made is None:
        yield Finding("backup-none", "no backup was ever made from here")
    elif seen.due and seen.at - made.at > seen.due:
        yield Finding("backup-old", f"the last backup, {made.archive}, was made {_ago(seen.at - made.at)}")
    if verified is not None and not verified.ok:
        what = f"{verified.archive} does not hold, as was found {_ago(seen.at - verified.at)}: {verified.what}"
        yield Finding("backup-broken", what)
    elif made is not None and (verified is None or seen.at - verified.at > _VERIFIED_WITHIN):
        when = "ever" if verified is None else f"since {_ago(seen.at - verified.at)}"
        yield Finding("backup-unverified", f"no backup was restored for trial {when}")
    if seen.passphrase and seen.record.kept_passphrase != seen.passphrase:
        yield Finding("passphrase", "nobody was shown the passphrase that the backups' secrets are locked with")


def leaks(values: Sequence[tuple[str, str]], texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of these secrets (name, value) stand in which of these texts (path, text).

    One of few characters is found in any text, and says nothing.
    """
    return [(name, path) for name, value in values if len(value) >= 8 for path, text in texts if value in text]


def _secret(secret: SecretFacts) -> Iterator[Finding]:
    if secret.mode & 0o077:
        what = f"{secret.path} is open to others (mode {secret.mode & 0o777:o})"
        fix = "700" if secret.path.endswith("/") else "600"
        yield Finding("secret-open", what, f"`chmod {fix} {secret.path}`; change it if others may have read it")
    if secret.wanted is not None and secret.owner != secret.wanted:
        what = f"{secret.path} belongs to user {secret.owner}, and user {secret.wanted} should have it"
        yield Finding("secret-open", what, "`aresmon up`", "warning")
    if not secret.readable:
        yield Finding("secret-unreadable", f"{secret.path} cannot be read by who runs this")


def _ago(seconds: float) -> str:
    return f"{seconds / _DAY:.0f} days ago" if seconds >= 2 * _DAY else f"{max(0.0, seconds) / 3600:.0f} hours ago"
