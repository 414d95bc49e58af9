"""Hosts that have still to follow a change of how the edge is reached, until a push to each is proven.

Two lists in `.aresmon/authority/`, one host a line: those that may still write in the clear (`hosts-in-clear`), and
those that do not know the next certificate authority yet (`hosts-without-next`). A list that is not there is one that
nobody has begun.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from aresmon import authority, credentials, files
from aresmon.certificates import Doubt
from aresmon.fleet import Fleet
from aresmon.render.compose import variables
from aresmon.render.telegraf import AUTHORITY
from aresmon.site import Site

IN_CLEAR = "hosts-in-clear"
WITHOUT_NEXT = "hosts-without-next"


def in_clear(site: Site, fleet: Fleet) -> frozenset[str]:
    """The hosts that may still write in the clear: as it is noted, else those that had a password before TLS came."""
    if not fleet.edge.channel.is_tls:
        return frozenset()
    noted = _read(site.authority / IN_CLEAR)
    here = frozenset(host.name for host in fleet.hosts)
    if noted is not None:
        return noted & here
    return frozenset(name for name in here if (site.secrets / credentials.agent(name)).exists())


def without_next(site: Site, fleet: Fleet) -> frozenset[str]:
    """The hosts that do not know the next authority yet."""
    if not authority.is_changing(site.authority):
        return frozenset()
    return (_read(site.authority / WITHOUT_NEXT) or frozenset()) & frozenset(host.name for host in fleet.hosts)


def troubles(site: Site, fleet: Fleet) -> Iterator[tuple[str, Doubt]]:
    """Whom or what it concerns, what is still to be done, and how."""
    behind = in_clear(site, fleet)
    for name in sorted(behind):
        what = f"{name} may still write in the clear"
        yield name, Doubt(what, f"`aresmon push-config {name}` brings it to TLS; by hand: `aresmon authority close`")
    if not behind and variables(_environment(site)).get("AGENTS_IN_CLEAR") == "yes":
        yield "edge", Doubt("the agents' port still takes what comes in the clear", "`aresmon up` closes it to that")
    for name in sorted(without_next(site, fleet)):
        yield name, Doubt(f"{name} does not know the next authority yet", f"`aresmon push-config {name}`")


def begin(site: Site, fleet: Fleet) -> None:
    """Note who writes in the clear at the first `up` with TLS; without TLS, forget it. Before secrets are made."""
    path = site.authority / IN_CLEAR
    if not fleet.edge.channel.is_tls:
        path.unlink(missing_ok=True)
    elif not path.exists():
        note(site, IN_CLEAR, in_clear(site, fleet))


def close(site: Site) -> None:
    """Count every host as one that writes by TLS: the next `up` closes the port to the rest."""
    note(site, IN_CLEAR, ())
    site.record(command="authority close")


def next_step(site: Site, fleet: Fleet) -> Literal["prepare", "wait", "bring", "promote"]:
    """What the change to another authority waits for: to be begun, for hosts, for `up`, or for its last step."""
    if not authority.is_changing(site.authority):
        return "prepare"
    if not authority.is_brought(site.authority, site.bundle / "agents" / fleet.server / AUTHORITY):
        return "bring"
    return "wait" if without_next(site, fleet) else "promote"


def rotate(site: Site, fleet: Fleet, now: datetime) -> None:
    """Take the next step of the change to another authority, which is `prepare` or `promote`."""
    step = next_step(site, fleet)
    if step == "prepare":
        note(site, WITHOUT_NEXT, (host.name for host in fleet.hosts))  # first: who is on it too long is only pushed to
        authority.prepare_next(site.authority, now)
    elif step == "promote":
        authority.promote_next(site.authority)
        (site.authority / WITHOUT_NEXT).unlink(missing_ok=True)
    site.record(command="authority rotate", step=step)


def note(site: Site, which: str, hosts: Iterable[str]) -> None:
    """Make such a list anew."""
    files.write(site.authority / which, "".join(f"{name}\n" for name in sorted(hosts)).encode())


def followed(site: Site, host: str, trusted: bytes) -> None:
    """This host's data was seen to come by TLS; `trusted` is what it was given to know the edge by."""
    for which in (IN_CLEAR, *((WITHOUT_NEXT,) if knows_next(trusted) else ())):
        noted = _read(site.authority / which)
        if noted is not None and host in noted:
            note(site, which, noted - {host})


def knows_next(trusted: bytes) -> bool:
    """Whether there are two authorities in this file."""
    return trusted.count(b"BEGIN CERTIFICATE") > 1


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
