"""`aresmon images`: pull, build, save and load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aresmon.cli import output_file
from aresmon.cli.common import command, group, the_console, the_engine, the_site
from aresmon.cli.options import ImageArchive, Services
from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    from aresmon.engine.images import Pin


app = group("Pull, build, save and load container images.")


@command(app, name="pull", example="aresmon images pull grafana")
def pull(services: Services = None) -> None:
    """Pull the pinned images.

    Exit code: 5 if an image could not be pulled.
    """
    from aresmon.engine import images

    pins = _chosen_pins(services)
    refused = images.pull(the_engine(), pins, the_console())
    _tell_images(
        pins,
        refused,
        "`aresmon images build` builds those that can be built from packages; `aresmon images load` loads a saved one",
    )


@command(app, name="build", example="aresmon images build telegraf")
def build(services: Services = None) -> None:
    """Build images from packages, where no registry can be reached.

    InfluxDB and Telegraf are built from Go modules, HAProxy from packages of the distribution. Requires Go, a Rust
    toolchain, a C compiler and mmdebstrap; takes about ten minutes on two cores.

    Exit code: 5 if an image could not be built.
    """
    from aresmon.engine import images
    from aresmon.site.project import Project
    from aresmon.stack import plan

    site = the_site()
    pins = _chosen_pins(services)
    plugins = plan.plugins(Project.load(site)) if site.file.exists() else []
    refused = images.build_all(the_engine(), pins, the_console(), plugins=plugins)
    _tell_images(
        pins, refused, "`aresmon images pull` if a registry can be reached, or `aresmon images load` of a saved one"
    )


@command(app, name="save", example="aresmon images save /tmp/images.tar")
def save(archive: ImageArchive) -> None:
    """Save the site's images to a tar file, for another machine."""
    from aresmon.engine import images

    output_file.require_folder(archive)
    engine = the_engine()
    images.save(engine, images.local(engine, _chosen_pins(None)), archive, the_console())
    the_console().say(f"{archive} is written; on the other machine: aresmon images load {archive.name}")


@command(app, name="load", example="aresmon images load images.tar")
def load(archive: ImageArchive) -> None:
    """Load images from a tar file that `aresmon images save` wrote."""
    from aresmon.engine import images

    for reference in images.load(the_engine(), archive, the_console()):
        the_console().say(reference)


def _chosen_pins(services: list[str] | None) -> dict[str, Pin]:
    """The pins of these services: of the site if there is one, else as shipped."""
    from aresmon.engine import images
    from aresmon.engine.images import pins
    from aresmon.site.project import Project
    from aresmon.system import json_schema

    site = the_site()
    known = images.used_pins(Project.load(site).config) if site.file.exists() else pins()
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
            f"not available: {', '.join(pins[service].pull for service in refused)}", hint=hint, code=ExitCode.DEGRADED
        )
    console.say("All images are here.")
