"""Hosts that have still to follow a change of how the edge is reached, until a push to each is proven.

Two lists in `.aresmon/authority/`, one host a line: those that may still write in the clear (`hosts-in-clear`), begun
by the first `up` with TLS, and those that were seen to know the next certificate authority (`hosts-with-next`). Of the
second, who is not on it is waited for: a host that came since, and everybody where it is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from aresmon.config.model import Config
from aresmon.config.names import AUTHORITY
from aresmon.site import ca, secrets
from aresmon.site.certificates import CertificateWarning
from aresmon.site.folder import Site
from aresmon.system import files
from aresmon.system.dotenv import variables

IN_CLEAR = "hosts-in-clear"
WITH_NEXT = "hosts-with-next"


def in_clear(site: Site, config: Config) -> frozenset[str]:
    """The hosts that may still write in the clear: as it is noted, else those that had a password before TLS came."""
    if not config.edge.channel.is_tls:
        return frozenset()
    noted = _read(site.authority / IN_CLEAR)
    here = frozenset(host.name for host in config.hosts)
    if noted is not None:
        return noted & here
    return frozenset(name for name in here if (site.secrets / secrets.agent(name)).exists())


def without_next(site: Site, config: Config) -> frozenset[str]:
    """The hosts that do not know the next authority yet."""
    if not ca.is_changing(site.authority):
        return frozenset()
    return frozenset(host.name for host in config.hosts) - (_read(site.authority / WITH_NEXT) or frozenset())


def troubles(site: Site, config: Config) -> Iterator[tuple[str, CertificateWarning]]:
    """Whom or what it concerns, what is still to be done, and how."""
    behind = in_clear(site, config)
    for name in sorted(behind):
        what = f"{name} may still write in the clear"
        yield (
            name,
            CertificateWarning(
                what, f"`aresmon push-config {name}` brings it to TLS; by hand: `aresmon authority close`"
            ),
        )
    if not behind and variables(_environment(site)).get("AGENTS_IN_CLEAR") == "yes":
        yield (
            "edge",
            CertificateWarning(
                "the agents' port still takes what comes in the clear", "`aresmon up` closes it to that"
            ),
        )
    for name in sorted(without_next(site, config)):
        yield name, CertificateWarning(f"{name} does not know the next authority yet", f"`aresmon push-config {name}`")


def begin(site: Site, config: Config) -> None:
    """Note who writes in the clear at the first `up` with TLS; without TLS, forget it. Before secrets are made."""
    path = site.authority / IN_CLEAR
    if not config.edge.channel.is_tls:
        path.unlink(missing_ok=True)
    elif not path.exists():
        note(site, IN_CLEAR, in_clear(site, config))


def close(site: Site) -> None:
    """Count every host as one that writes by TLS: the next `up` closes the port to the rest."""
    note(site, IN_CLEAR, ())
    site.record(command="authority close")


def next_step(site: Site, config: Config) -> Literal["finish", "prepare", "bring", "wait", "promote"]:
    """What a change to another authority waits for.

    That `up` brings the last step of the former change (`finish`), to be begun (`prepare`), that `up` gives the next
    authority to pushes (`bring`), for hosts (`wait`), or for its last step (`promote`).
    """
    is_changing = ca.is_changing(site.authority)
    if not ca.is_brought(site.authority, site.bundle / "agents" / config.server / AUTHORITY):
        return "bring" if is_changing else "finish"
    if not is_changing:
        return "prepare"
    return "wait" if without_next(site, config) else "promote"


def rotate(site: Site, config: Config, now: datetime) -> None:
    """Take the next step of the change to another authority, which is `prepare` or `promote`."""
    step = next_step(site, config)
    if step == "prepare":
        (site.authority / WITH_NEXT).unlink(missing_ok=True)  # first: what a former change left says nothing of this
        ca.prepare_next(site.authority, now)
    elif step == "promote":
        ca.promote_next(site.authority)
        (site.authority / WITH_NEXT).unlink(missing_ok=True)
    site.record(command="authority rotate", step=step)


def note(site: Site, which: str, hosts: Iterable[str]) -> None:
    """Make such a list anew."""
    files.write(site.authority / which, "".join(f"{name}\n" for name in sorted(hosts)).encode())


def followed(site: Site, host: str, trusted: bytes) -> None:
    """This host's data was seen to come by TLS; `trusted` is what it was given to know the edge by."""
    behind = _read(site.authority / IN_CLEAR) or frozenset()
    if host in behind:
        note(site, IN_CLEAR, behind - {host})
    knowing = _read(site.authority / WITH_NEXT) or frozenset()
    if host not in knowing and ca.knows_next(site.authority, trusted):
        note(site, WITH_NEXT, knowing | {host})


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
