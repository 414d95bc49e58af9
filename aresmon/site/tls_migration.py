"""Hosts that have still to follow a change of how the edge is reached, until a push to each is proven.

Two lists in `.aresmon/authority/`, one host a line: those that may still write in the clear (`hosts-in-clear`), begun
by the first `up` with TLS, and those that were seen to know the next certificate authority (`hosts-with-next`). Of the
second, who is not on it is waited for: a host that came since, and everybody where it is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from aresmon.config.names import AUTHORITY
from aresmon.site import ca, secrets
from aresmon.site.certificates import CertificateWarning
from aresmon.site.folder import Site
from aresmon.site.project import Project
from aresmon.system import files, locked_file
from aresmon.system.dotenv import variables
from aresmon.system.locked_file import Change

IN_CLEAR = "hosts-in-clear"
WITH_NEXT = "hosts-with-next"


def unencrypted_hosts(project: Project) -> frozenset[str]:
    """The hosts that may still write in the clear: as it is noted, else those that had a password before TLS came."""
    if not project.config.edge.channel.is_tls:
        return frozenset()
    noted = _read(project.site.authority / IN_CLEAR)
    here = frozenset(host.name for host in project.config.hosts)
    if noted is not None:
        return noted & here
    return frozenset(name for name in here if (project.site.secrets / secrets.agent_secret(name)).exists())


def hosts_without_next(project: Project) -> frozenset[str]:
    """The hosts that do not know the next authority yet."""
    if not ca.is_changing(project.site.authority):
        return frozenset()
    return frozenset(host.name for host in project.config.hosts) - (
        _read(project.site.authority / WITH_NEXT) or frozenset()
    )


def find_problems(project: Project) -> Iterator[tuple[str, CertificateWarning]]:
    """Whom or what it concerns, what is still to be done, and how."""
    behind = unencrypted_hosts(project)
    for name in sorted(behind):
        what = f"{name} may still write unencrypted"
        yield (
            name,
            CertificateWarning(
                what,
                f"`aresmon push-config {name}` switches it to TLS; if you did that by hand: `aresmon authority close`",
            ),
        )
    if not behind and variables(_environment(project.site)).get("AGENTS_IN_CLEAR") == "yes":
        yield (
            "edge",
            CertificateWarning("the agents' port still accepts unencrypted data", "`aresmon up` ends this"),
        )
    for name in sorted(hosts_without_next(project)):
        yield (
            name,
            CertificateWarning(
                f"{name} does not have the next authority's certificate yet", f"`aresmon push-config {name}`"
            ),
        )


def begin(project: Project) -> None:
    """Note who writes in the clear at the first `up` with TLS; without TLS, forget it. Before secrets are made."""
    path = project.site.authority / IN_CLEAR
    if not project.config.edge.channel.is_tls:
        path.unlink(missing_ok=True)
    elif not path.exists():
        write_list(project.site, IN_CLEAR, unencrypted_hosts(project))


def require_tls(site: Site) -> None:
    """Count every host as one that writes by TLS: the next `up` closes the port to the rest."""
    write_list(site, IN_CLEAR, ())
    site.record(command="authority close")


def next_step(project: Project) -> Literal["finish", "prepare", "bring", "wait", "promote"]:
    """What a change to another authority waits for.

    That `up` brings the last step of the former change (`finish`), to be begun (`prepare`), that `up` gives the next
    authority to pushes (`bring`), for hosts (`wait`), or for its last step (`promote`).
    """
    is_changing = ca.is_changing(project.site.authority)
    if not ca.is_deployed(project.site.authority, project.site.bundle / "agents" / project.config.server / AUTHORITY):
        return "bring" if is_changing else "finish"
    if not is_changing:
        return "prepare"
    return "wait" if hosts_without_next(project) else "promote"


def rotate(project: Project, now: datetime) -> None:
    """Take the next step of the change to another authority, which is `prepare` or `promote`."""
    step = next_step(project)
    if step == "prepare":
        (project.site.authority / WITH_NEXT).unlink(
            missing_ok=True
        )  # first: what a former change left says nothing of this
        ca.prepare_next(project.site.authority, now)
    elif step == "promote":
        ca.promote_next(project.site.authority)
        (project.site.authority / WITH_NEXT).unlink(missing_ok=True)
    project.site.record(command="authority rotate", step=step)


def write_list(site: Site, which: str, hosts: Iterable[str]) -> None:
    """Replace such a list."""
    files.write(site.authority / which, _lines(hosts))


def record_tls(site: Site, host: str, trusted: bytes) -> None:
    """Record that a host's data arrives by TLS; `trusted` are the certificates (PEM) that it was given."""
    next_authority = ca.certificates(site.authority / ca.NEXT).encode()
    for name, change in list_changes(host, trusted, next_authority).items():
        locked_file.update(site.authority / name, change)


def list_changes(host: str, trusted: bytes, next_authority: bytes) -> dict[str, Change]:
    """How the lists change once a host's data arrives by TLS, by file.

    `trusted` are the certificates that the host was given, `next_authority` that of the next authority, empty where
    there is none; both are PEM.
    """
    found: dict[str, Change] = {IN_CLEAR: partial(_without, host)}
    if next_authority and next_authority in trusted:
        found[WITH_NEXT] = partial(_with, host)
    return found


def _without(host: str, content: bytes | None) -> bytes | None:
    hosts = _hosts(content)
    return _lines(hosts - {host}) if host in hosts else None


def _with(host: str, content: bytes | None) -> bytes | None:
    hosts = _hosts(content)
    return None if host in hosts else _lines(hosts | {host})


def _hosts(content: bytes | None) -> frozenset[str]:
    return frozenset((content or b"").decode("ascii", errors="replace").split())


def _lines(hosts: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(hosts)).encode()


def _environment(site: Site) -> str:
    try:
        return (site.bundle / ".env").read_text(encoding="utf-8")
    except OSError:
        return ""


def _read(path: Path) -> frozenset[str] | None:
    try:
        return frozenset(path.read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError):
        return None
