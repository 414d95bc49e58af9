"""Probes of the site's folder, secrets, bundle and history. No secret's value leaves this module."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from aresmon.backup import contents, record
from aresmon.config.layout import SOCKET
from aresmon.doctor import facts
from aresmon.doctor.check_site import leaks
from aresmon.engine import images
from aresmon.engine.docker import Engine
from aresmon.influxdb import backfill
from aresmon.influxdb.capacity import format_size
from aresmon.site import bundle, external_secrets, secrets
from aresmon.site import folder as site_folder
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.stack import folder_swap, image_versions
from aresmon.stack import plan as stack_plan
from aresmon.system import git
from aresmon.system.errors import AresmonError

_WEEK = 7 * 86400.0
_OLD = 3600.0  # seconds: younger files may belong to a command that is running
_KEPT = (".aresmon-former-", ".aresmon-rejected-", ".aresmon-failed-")  # kept intact by a restore or an upgrade
_LARGEST = 1 << 20  # bytes of a file that is searched for secrets


def folder(project: Project, *, influxdb_runs: bool) -> facts.FolderFacts:
    """Read the state of the site's folder."""
    in_git = _git(project.site, "rev-parse", "--is-inside-work-tree") == ["true"]
    tracked = _git(project.site, "ls-files", "-z", "--", ".aresmon") if in_git else []
    return facts.FolderFacts(
        root=str(project.site.root),
        writable=os.access(project.site.root, os.W_OK | os.X_OK)
        and not os.statvfs(project.site.root).f_flag & os.ST_RDONLY,
        has_state=project.site.state.is_dir(),
        in_git=in_git,
        ignored=bool(in_git and _git(project.site, "check-ignore", ".aresmon/secrets/x")),
        secrets=tuple(_secrets(project)),
        tracked=tuple(tracked),
        exposed=tuple(leaks(_values(project.site), _texts(project.site))),
        leftovers=tuple(sorted(_leftovers(project))),
        failures=tuple(sorted(_failures(project.site))),
        socket=_socket(project.site) if influxdb_runs else None,
        unfinished=tuple(_unfinished(project.site)),
    )


def plan(project: Project, engine: Engine) -> facts.PlanFacts:
    """Return what `up` would do. Nothing is fetched or changed."""
    on_disk = bundle.read_site(project.site)
    if not on_disk.exists:
        return facts.PlanFacts("", (), (), ())
    found, _ = image_versions.select_images(project, engine, images.local(engine, images.used_pins(project.config)))
    wanted = stack_plan.decide(project, engine, found)
    difference = wanted.difference
    steps = tuple(f"{step.action} {step.service} ({step.reason})" for step in wanted.steps)
    return facts.PlanFacts(on_disk.version, difference.edited, (*difference.changed, *difference.removed), steps)


def pushes(site: Site) -> facts.PushFacts:
    """Read the outcome of the last push to each host from the site's history."""
    last = {}
    for event in site.history("push-config"):
        last[str(event.get("host", ""))] = str(event.get("outcome", "")), str(event.get("why", ""))
    return facts.PushFacts(last)


def backups(project: Project) -> facts.BackupFacts:
    """Read the record of backups, and how old the last one may be."""
    has_one = (project.site.secrets / secrets.BACKUP).exists()
    mark = record.passphrase_digest(secrets.read(project.site.secrets, secrets.BACKUP)) if has_one else ""
    return facts.BackupFacts(record.read(project.site), time.time(), project.config.backup.every.missed_after, mark)


def _secrets(project: Project) -> Iterator[facts.SecretFacts]:
    """Read the permissions of each secret, and of the folders that protect them."""
    users = site_folder.service_user_ids()
    owners = secrets.owners(project.config, users)
    for path in (project.site.state, project.site.secrets):
        if path.is_dir():
            yield _secret(project.site, path, None)
    for path in sorted(project.site.secrets.glob("*")):
        if path.is_file():
            yield _secret(project.site, path, owners.get(path.name))
    for path in sorted((project.site.secrets / external_secrets.ALERTS).glob("*")):
        yield _secret(project.site, path, users["grafana"])
    for path in sorted(project.site.tls.glob("*.pem")):
        yield _secret(project.site, path, users["edge"])


def _secret(site: Site, path: Path, wanted: int | None) -> facts.SecretFacts:
    status = path.stat()
    name = f"{path.relative_to(site.root)}{'/' if path.is_dir() else ''}"
    readable = os.access(path, os.R_OK)
    return facts.SecretFacts(name, stat.S_IMODE(status.st_mode), status.st_uid, wanted, readable)


def _values(site: Site) -> list[tuple[str, str]]:
    found = []
    for path in sorted(site.secrets.rglob("*")):
        if path.is_file() and os.access(path, os.R_OK):
            found.append((str(path.relative_to(site.secrets)), path.read_text("utf-8", "replace").strip()))
    return found


def _texts(site: Site) -> list[tuple[str, str]]:
    """Read the files of the site that people read and share."""
    paths = [site.file, *site.overrides.rglob("*"), *site.bundle.rglob("*")]
    return [
        (str(path.relative_to(site.root)), path.read_text("utf-8", "replace"))
        for path in paths
        if path.is_file() and path.stat().st_size <= _LARGEST
    ]


def _leftovers(project: Project) -> Iterator[str]:
    """Return temporary files of interrupted commands, and folders that a restore or an upgrade kept."""
    now = time.time()
    written = (*project.site.state.glob(".*.????????"), *project.site.secrets.glob(".*.????????"))
    aside = (path for folder in project.data_folders().values() for path in folder.glob(".aresmon-*"))
    for path in (*written, *aside):
        is_kept = path.name.startswith(_KEPT)
        if is_kept or now - path.lstat().st_mtime > _OLD:
            name = os.path.relpath(path, project.site.root) if path.is_relative_to(project.site.root) else str(path)
            yield f"{name} ({format_size(contents.folder_size(path))})" if is_kept else name


def _unfinished(site: Site) -> Iterator[tuple[str, str]]:
    """Return what interrupted commands have left to do, by their journals; `status` reports an upgrade's."""
    try:
        if folder_swap.pending(site):
            yield "a restore was interrupted while it moved the data into place", "`aresmon up` completes it"
    except AresmonError as error:
        yield error.message, error.hint
    owed = backfill.read_journal(site.state / backfill.JOURNAL)
    if owed:
        yield f"`aresmon data backfill` was interrupted with {len(owed)} pieces left", "`aresmon data backfill`"


def _failures(site: Site) -> Iterator[str]:
    for path in site.log.glob("*.log"):
        if time.time() - path.stat().st_mtime < _WEEK:
            yield str(path.relative_to(site.root))


def _socket(site: Site) -> facts.SocketFacts:
    return facts.SocketFacts(
        (site.socket_folder / SOCKET).exists(), stat.S_IMODE(site.socket_folder.parent.stat().st_mode)
    )


def _git(site: Site, *arguments: str) -> list[str]:
    """Run git and return its output's lines or names; none if git is not installed or fails."""
    try:
        done = git.run_git(arguments, cwd=site.root, env=None, timeout=git.LOCALLY / 3)
    except AresmonError:
        return []
    return [one.strip() for one in done.out.replace("\0", "\n").splitlines() if one.strip()] if done.code == 0 else []
