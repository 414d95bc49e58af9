"""Commands on the site's file: `init`, `render`, `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import the_console, the_engine, the_project, the_site
from aresmon.system.errors import AresmonError

if TYPE_CHECKING:
    from aresmon.site.project import Project


def init() -> None:
    """Write a commented aresmon.yml for this machine.

    It is filled in with the machine's name and the services found on it, such as Docker or HAProxy. An existing file
    is never overwritten. Other services that collectors are for are named.
    """
    from aresmon.site import init as site_init

    site = the_site()
    site_init.write(site, docker=the_engine().socket.exists())
    the_console().say(f"{site.file} is written. Check it, then run: aresmon up")
    _tell_services(the_project())


def _tell_services(project: Project) -> None:
    """Name what else this machine runs that collectors are for; programs of other users are seen only by root."""
    import asyncio
    import os

    from aresmon.cli import discoveries
    from aresmon.ssh.transport import Local

    host, is_root = project.config.host(project.config.server), os.geteuid() == 0
    asyncio.run(discoveries.tell_services(the_console(), project, host, Local(host.name), as_root=is_root))


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
