"""Commands on the site's file: `init`, `check`, `render`, `collectors`, `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import the_console, the_engine, the_project, the_site
from aresmon.system.errors import AresmonError, SiteError, plural

if TYPE_CHECKING:
    from aresmon.site.project import Project


def init() -> None:
    """Write a commented aresmon.yml for this machine.

    It is filled in with the machine's name and the services found on it, such as Docker or HAProxy. An existing file
    is never overwritten.
    """
    from aresmon.site import init as site_init

    site = the_site()
    site_init.write(site, docker=the_engine().socket.exists())
    the_console().say(f"{site.file} is written. Check it, then run: aresmon up")


def check(
    configs: Annotated[
        Path | None,
        typer.Option(
            "--configs", metavar="FOLDER", show_default=False, help="Also check the <host>.conf files in this folder."
        ),
    ] = None,
) -> None:
    """Validate aresmon.yml and overrides/.

    All errors are reported at once, each with its line.

    With --configs, each <host>.conf is completed as `aresmon push-config` does, and checked for errors; Telegraf's own
    check runs too if its image is on this machine.
    """
    project, console = the_project(), the_console()
    site, config = project.site, project.config
    if wrong := project.wrong_overrides():
        raise SiteError(wrong, hint="docs/tutorial.md describes the files in overrides/")
    project.views  # noqa: B018 (which raises, for a view of the site's own that is wrong)
    _print_warnings(project)
    _print_missing_secrets(project)
    console.say(f"{site.file}: {plural(len(config.hosts), 'host')}, server {config.server}. No errors.")
    if configs is not None:
        _check_configurations(project, configs)


def _check_configurations(project: Project, folder: Path) -> None:
    from aresmon.agents import check as agents_check
    from aresmon.engine import images

    config, console, engine = project.config, the_console(), the_engine()
    try:
        image = images.local(engine, images.used_pins(config)).references.get("telegraf", "")
    except AresmonError:
        image = ""
    names, warnings = agents_check.check_folder(folder, config, project.catalogue, engine=engine, image=image)
    for warning in warnings:
        console.warn(warning)
    if not image:
        console.warn("Telegraf's own check was skipped: its image is not on this machine", hint="`aresmon up` pulls it")
    console.say(f"{folder}: {', '.join(f'{name}.conf' for name in names)}. No errors.")


def render(
    configs: Annotated[
        Path | None,
        typer.Option(
            "--configs",
            metavar="FOLDER",
            show_default=False,
            help="Write a <host>.conf for each host to this folder instead, to start a repository.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write to this folder instead of .aresmon/bundle."),
    ] = None,
) -> None:
    """Write the generated files without starting anything.

    These are the Compose file and the configuration of every service and agent: all that `aresmon up` uses.
    """
    from aresmon.config import package_data
    from aresmon.engine import images
    from aresmon.render.telegraf import repository
    from aresmon.site import bundle
    from aresmon.site import init as site_init
    from aresmon.stack import plan

    project, console, engine = the_project(), the_console(), the_engine()
    site, config = project.site, project.config
    if configs is not None:
        written = site_init.write_repository(
            configs, repository(config, project.catalogue, package_data.package_files())
        )
        console.say(f"{written} files in {configs}. Commit them, and set configs.git in aresmon.yml to the repository")
        return
    try:
        references = images.local(engine, images.used_pins(config)).references
    except AresmonError:
        references = {}  # no engine here: the pinned images
    files = plan.render_site(project, engine, references)
    folder = (output or site.bundle).resolve()
    if output is None:
        with site.lock("render"):
            bundle.write(bundle.read_site(site), files)
    else:
        found = bundle.read(folder)
        if found.files and not found.exists:
            raise AresmonError(f"{folder} contains files that aresmon did not write", hint="use an empty folder")
        bundle.write(found, files)
    console.say(f"{len(files)} files in {folder}")


def schema_command() -> None:
    """Print the JSON Schema of aresmon.yml, for editors.

    It includes the options of the shipped collectors and of those in overrides/collectors.
    """
    from aresmon.config import collectors

    the_console().data(collectors.editor_schema(collectors.load(the_site().overrides)))


def _print_warnings(project: Project, *, is_server: bool = False) -> None:
    """Print warnings about the file and about the certificates that it names.

    A certificate is checked on the server only; elsewhere it need not exist.
    """
    from aresmon.site import certificates
    from aresmon.stack import location

    console = the_console()
    for notice in (*project.config.notices, *project.wrong_overrides()):
        console.warn(notice)
    if is_server or location.is_local(project):
        found = certificates.find_warnings(
            project.site.root, project.config.grafana.access.tls, project.config.grafana.url
        )
        found += certificates.find_warnings(
            project.site.root, project.config.edge.channel.pair, project.config.edge.url
        )
        for warning in found:
            console.warn(warning.what, hint=warning.next)


def _print_missing_secrets(project: Project) -> None:
    """Print which secrets of `alerts` are missing; they exist on the server only."""
    from aresmon.site import external_secrets
    from aresmon.stack import location

    if location.is_local(project):
        wrong = dict(external_secrets.find_problems(project.site.secrets, project.config.alerts.secrets))
        for name, what in wrong.items():
            the_console().warn(what, hint=external_secrets.next_step(wrong) if name == list(wrong)[-1] else "")
