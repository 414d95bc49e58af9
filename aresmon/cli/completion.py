"""Shell completion of arguments: names read from the site's files, within a second and without a word.

A shell asks at every press of the Tab key, in any folder and while aresmon.yml is being edited. So nothing here
validates, connects or writes, and whatever fails completes nothing.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from aresmon.config.model import Config
    from aresmon.site.folder import Site


_SECONDS = 1.0  # at the most: a folder of archives may be on a file server that does not answer
_ARCHIVE = re.compile(r"[a-z0-9][a-z0-9-]*-[0-9]{8}T[0-9]{6}Z\.tar")

Names = Callable[[typer.Context], Iterable[str]]
Completion = Callable[[typer.Context, str], list[str]]


def _completion(names: Names) -> Completion:
    """What Typer calls for the names of an argument: those that are not on the command line yet."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        given = {one for value in ctx.params.values() if isinstance(value, (list, tuple)) for one in value}
        try:
            signal.signal(signal.SIGALRM, _give_up)
            signal.setitimer(signal.ITIMER_REAL, _SECONDS)
            return [name for name in names(ctx) if name not in given]
        except Exception:  # an error message would land in the line that is being typed
            return []
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return complete


def _give_up(*_: object) -> None:
    raise TimeoutError


def choice(*names: str) -> Completion:
    """The completion of an option that has a few fixed values."""
    return _completion(lambda ctx: names)


@_completion
def hosts(ctx: typer.Context) -> Iterable[str]:
    """The hosts in aresmon.yml, even if other settings there are wrong."""
    return list(_settings(ctx)["hosts"])


@_completion
def services(ctx: typer.Context) -> Iterable[str]:
    """The services of the stack."""
    from aresmon.engine.images import SERVICES

    return SERVICES


@_completion
def archives(ctx: typer.Context) -> Iterable[str]:
    """The backup archives that this machine knows of: those in local folders, and the last ones made elsewhere."""
    from aresmon.backup import record
    from aresmon.config import backup

    site = _site(ctx)
    names = set()
    for place in backup.read(_settings(ctx).get("backup") or {}).to:
        if place.folder and not place.ssh:
            names |= {path.name for path in (site.root / place.folder).glob("*.tar") if _ARCHIVE.fullmatch(path.name)}
    last = record.read(site)
    names |= {one.archive for one in (last.last_made, last.last_verified) if one is not None}
    return ["latest", *sorted(names, reverse=True)]


@_completion
def releases(ctx: typer.Context) -> Iterable[str]:
    """The releases of the host on the command line, the newest first."""
    from aresmon.agents.sources import Releases

    found = Releases(_site(ctx).releases(ctx.params["host"])).all()
    return [str(one.number) for one in reversed(found)]


@_completion
def logins(ctx: typer.Context) -> Iterable[str]:
    """The users of Grafana in aresmon.yml."""
    return [user["login"] for user in _settings(ctx)["grafana"]["users"]]


@_completion
def proxies(ctx: typer.Context) -> Iterable[str]:
    """The proxies that `aresmon snippet` knows."""
    from aresmon.render.proxy_snippets import PROXIES

    return PROXIES


@_completion
def measurements(ctx: typer.Context) -> Iterable[str]:
    """The measurements that are downsampled."""
    from aresmon.config import view_files

    return sorted({name for view in view_files.load(_site(ctx).overrides).values() for name in view.measurements})


@_completion
def secrets(ctx: typer.Context) -> Iterable[str]:
    """The secrets that can be rotated."""
    from aresmon.site import secret_inventory

    return [one.name for one in secret_inventory.list_secrets(_config(ctx)) if one.kind != "fixed"]


@_completion
def collector_secrets(ctx: typer.Context) -> Iterable[str]:
    """The secrets that options of collectors in aresmon.yml name."""
    return sorted({secret.name for host in _config(ctx).hosts for secret in host.secrets})


@_completion
def alert_secrets(ctx: typer.Context) -> Iterable[str]:
    """The secrets that `alerts` in aresmon.yml names."""
    return _config(ctx).alerts.secrets


@_completion
def backup_secrets(ctx: typer.Context) -> Iterable[str]:
    """The secrets that `backup.to` in aresmon.yml names."""
    return _config(ctx).backup.secrets


@_completion
def contact_points(ctx: typer.Context) -> Iterable[str]:
    """The contact points that aresmon.yml configures in Grafana."""
    alerts = _config(ctx).alerts
    return [*(one.name for one in alerts.reachable), *(["heartbeat"] if alerts.heartbeat is not None else [])]


def collectors(ctx: typer.Context, incomplete: str) -> list[str]:
    """The collectors, after those that a list such as `system,disk` has already."""
    before, comma, _ = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in collector(ctx, "") if name not in given]


@_completion
def collector(ctx: typer.Context) -> Iterable[str]:
    """The collectors."""
    from aresmon.config import collectors as config_collectors

    return config_collectors.load(_site(ctx).overrides)


def _site(ctx: typer.Context) -> Site:
    """The site of the command line: options before the command are parsed, but not yet acted upon."""
    from aresmon.site.folder import find_site

    return find_site(Path(ctx.find_root().params["folder"]))


def _config(ctx: typer.Context) -> Config:
    from aresmon.site.project import parse
    from aresmon.system.yaml_document import read_text

    site = _site(ctx)
    return parse(site, read_text(site.file), checked=True)


def _settings(ctx: typer.Context) -> dict[str, Any]:
    """aresmon.yml as it is, whether valid or not."""
    import yaml

    text = _site(ctx).file.read_text(encoding="utf-8")
    settings: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return settings
