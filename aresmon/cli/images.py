"""`aresmon images`: pull, build, save and load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aresmon.cli.common import command, the_console, the_engine, the_site
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.engine.images import Pin


app = typer.Typer(
    help="The images of the stack: pull them, build them from packages, carry them to a machine without a network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Services = Annotated[
    list[str] | None, typer.Argument(help="Services; without any, all of the site.", show_default=False)
]


@command(app, name="pull", example="aresmon images pull grafana")
def pull(services: Services = None) -> None:
    """Pull the pinned images. Exit code 5 if some could not be had."""
    from aresmon.engine import images

    pins = _chosen_pins(services)
    refused = images.pull(the_engine(), pins, the_console())
    _tell_images(
        pins, refused, "`aresmon images build` makes those that packages can make; `images load` takes a carried one"
    )


@command(app, name="build", example="aresmon images build telegraf")
def build(services: Services = None) -> None:
    """Build images from packages: InfluxDB and Telegraf as Go commands, HAProxy from the distribution.

    For machines where no registry answers. Takes Go, a Rust toolchain, a C compiler and mmdebstrap, and
    about eight minutes on two cores. Exit code 5 if some could not be built.
    """
    from aresmon.engine import images
    from aresmon.stack import plan

    site = the_site()
    pins = _chosen_pins(services)
    plugins = plan.plugins(site, site.config(), site.catalogue()) if site.file.exists() else []
    refused = images.build_all(the_engine(), pins, the_console(), plugins=plugins)
    _tell_images(pins, refused, "`aresmon images pull` where a registry answers, or `images load` of a saved one")


@command(app, name="save", example="aresmon images save /tmp/images.tar")
def save(archive: Annotated[Path, typer.Argument(help="The tar file to write.")]) -> None:
    """Write the images of the site into one tar file, to carry them to another machine."""
    from aresmon.engine import images

    engine = the_engine()
    images.save(engine, images.local(engine, _chosen_pins(None)), archive, the_console())
    the_console().say(f"{archive} is written; on the other machine: aresmon images load {archive.name}")


@command(app, name="load", example="aresmon images load images.tar")
def load(archive: Annotated[Path, typer.Argument(help="A tar file that `images save` wrote.")]) -> None:
    """Take in the images of such a tar file."""
    from aresmon.engine import images

    for reference in images.load(the_engine(), archive, the_console()):
        the_console().say(reference)


def _chosen_pins(services: list[str] | None) -> dict[str, Pin]:
    """The pins of these services: of the site if there is one, else as shipped."""
    from aresmon.engine import images
    from aresmon.engine.images import pins
    from aresmon.system import json_schema

    site = the_site()
    known = images.used_pins(site.config()) if site.file.exists() else pins()
    for service in services or ():
        if service not in known:
            raise AresmonError(
                f"no service '{service}'{json_schema.did_you_mean(service, known) or '; there are ' + ', '.join(known)}"
            )
    return {service: known[service] for service in services or known}


def _tell_images(pins: dict[str, Pin], refused: dict[str, str], hint: str) -> None:
    console = the_console()
    for service, why in refused.items():
        console.warn(f"{service}: {why}")
    if refused:
        raise AresmonError(
            f"not had: {', '.join(pins[service].pull for service in refused)}", hint=hint, code=ExitCode.DEGRADED
        )
    console.say("All images are here.")
