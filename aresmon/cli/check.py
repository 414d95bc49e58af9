"""`aresmon check`: what is wrong with aresmon.yml and overrides/, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aresmon.cli.common import the_console, the_engine, the_project
from aresmon.cli.options import Json
from aresmon.config.units import format_hours
from aresmon.system.errors import AresmonError, ExitCode, SiteError, plural

if TYPE_CHECKING:
    from aresmon.site.project import Project

Warned = tuple[str, str]
"""A warning, and the next step."""

_ERROR = re.compile(
    r"(?:(?P<file>[^:]+):(?P<line>[0-9]+)(?: (?P<where>[^\s:]+))?|(?P<whole>[^:\s]+\.(?:conf|yml))): (?P<what>.*)",
    re.DOTALL,
)


def check(
    configs: Annotated[
        Path | None,
        typer.Option(
            "--configs", metavar="FOLDER", show_default=False, help="Also check the <host>.conf files in this folder."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate aresmon.yml and overrides/.

    All errors are reported at once, each with its line.

    With --configs, each <host>.conf is completed as `aresmon push-config` does, and checked for errors; Telegraf's own
    check runs too if its image is on this machine.
    """
    if as_json:
        _print_json(configs)
        return
    project, console = the_project(), the_console()
    _check_overrides(project)
    _warn(find_warnings(project))
    _warn(_missing_secrets(project))
    config = project.config
    console.say(f"{project.site.file}: {plural(len(config.hosts), 'host')}, server {config.server}. No errors.")
    if configs is not None:
        names, warnings = _check_configurations(project, configs)
        _warn(warnings)
        console.say(f"{configs}: {', '.join(f'{name}.conf' for name in names)}. No errors.")


def print_warnings(project: Project, *, is_server: bool = False) -> None:
    """Print warnings about the file and about the certificates that it names."""
    _warn(find_warnings(project, is_server=is_server))


def find_warnings(project: Project, *, is_server: bool = False) -> list[Warned]:
    """Warnings about the file and about the certificates that it names.

    A certificate is checked on the server only; elsewhere it need not exist.
    """
    from aresmon.site import certificates
    from aresmon.stack import location

    root, config = project.site.root, project.config
    found = [(notice, "") for notice in (*config.notices, *project.wrong_overrides())]
    if is_server or location.is_local(project):
        for pair, url in ((config.grafana.access.tls, config.grafana.url), (config.edge.channel.pair, config.edge.url)):
            found += [(one.what, one.next) for one in certificates.find_warnings(root, pair, url)]
    return [*found, *_alerts_beyond_retention(project)]


def _alerts_beyond_retention(project: Project) -> Iterator[Warned]:
    """The alerts of collectors that look back over more time than the raw points are kept, and so never fire."""
    from aresmon.render.grafana import alert_rules

    raw = project.config.keep.raw
    rules = alert_rules.list_rules(project.config, project.views)
    for alert in dict.fromkeys(one.alert for one in rules if one.view is not None):
        if 0 < raw < alert.over / 3600:
            what = f"the alert {alert.id} looks back over {format_hours(alert.over // 3600)}, so it can never fire"
            yield (
                f"storage.keep.raw: points are kept for {format_hours(raw)}; {what}",
                f"keep them for longer, or switch it off: `alerts: {{rules: {{{alert.id}: {{watch: off}}}}}}`",
            )


def _warn(warnings: Sequence[Warned]) -> None:
    for what, next_step in warnings:
        the_console().warn(what, hint=next_step)


def _check_overrides(project: Project) -> None:
    """Raise SiteError for what is wrong with the files in overrides/."""
    if wrong := project.wrong_overrides():
        raise SiteError(wrong, hint="docs/tutorial.md describes the files in overrides/")
    _ = project.views


def _missing_secrets(project: Project) -> list[Warned]:
    """The secrets that aresmon.yml names and that are not set, or cannot be used; they exist on the server only."""
    from aresmon.site import external_secrets
    from aresmon.stack import location

    if not location.is_local(project):
        return []
    secrets, config = project.site.secrets, project.config
    wrong = dict(external_secrets.find_problems(secrets, config.alerts.secrets))
    steps = [external_secrets.next_step(wrong) if name == [*wrong][-1] else "" for name in wrong]
    return [
        *zip(wrong.values(), steps, strict=True),
        *_missing_collector_secrets(project),
        *(
            (f"backup.to: the secret {name} is not set", f"`aresmon backup secret {name}` sets it")
            for name in external_secrets.missing_backup_secrets(secrets, config.backup.secrets)
        ),
    ]


def _missing_collector_secrets(project: Project) -> Iterator[Warned]:
    from aresmon.site import external_secrets

    names = dict.fromkeys(secret.name for host in project.config.hosts for secret in host.secrets)
    wrong = dict(external_secrets.find_collector_problems(project.site.secrets, names))
    places = project.collector_secret_places() if wrong else {}
    for name, what in wrong.items():
        yield f"{places.get(name, 'aresmon.yml')}: {what}", f"`aresmon collectors secret {name}` sets it"


def _check_configurations(project: Project, folder: Path) -> tuple[list[str], list[Warned]]:
    """The hosts whose files are in the folder, and warnings. Raises SiteError with all errors."""
    from aresmon.agents import check as agents_check
    from aresmon.engine import images

    config, engine = project.config, the_engine()
    try:
        image = images.local(engine, images.used_pins(config)).references.get("telegraf", "")
    except AresmonError:
        image = ""
    names, warnings = agents_check.check_folder(folder, config, project.catalogue, engine=engine, image=image)
    found = [(warning, "") for warning in warnings]
    if not image:
        found.append(("Telegraf's own check was skipped: its image is not on this machine", "`aresmon up` pulls it"))
    return names, found


def _print_json(configs: Path | None) -> None:
    """The same for scripts; exits with 1 if there is an error."""
    result: dict[str, Any] = {"errors": [], "warnings": []}
    try:
        project = the_project()
        result |= {"hosts": [host.name for host in project.config.hosts], "server": project.config.server}
        _check_overrides(project)
        warnings = [*find_warnings(project), *_missing_secrets(project)]
        if configs is not None:
            result["configs"], more = _check_configurations(project, configs)
            warnings += more
        result["warnings"] = [{"what": what, "next": next_step} for what, next_step in warnings]
    except SiteError as error:
        result["errors"] = [_parsed(one) for one in error.errors]
    the_console().data(result)
    if result["errors"]:
        raise typer.Exit(ExitCode.REFUSED)


def _parsed(error: str) -> dict[str, Any]:
    """`aresmon.yml:12 hosts.lewi: …` in its parts; line 0 is the whole file."""
    found = _ERROR.fullmatch(error)
    if found is None:
        return {"file": "", "line": 0, "where": "", "what": error}
    return {
        "file": found["file"] or found["whole"],
        "line": int(found["line"] or 0),
        "where": found["where"] or "",
        "what": found["what"],
    }
