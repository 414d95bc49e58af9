"""Images: found here, pulled, built from packages where no registry answers, saved and loaded."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from aresmon.config import package_data
from aresmon.config.model import Config
from aresmon.engine.docker import Engine, NotPulledError
from aresmon.system import files
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress


@dataclass(frozen=True, slots=True)
class Images:
    """The image of each service that has one, its id, and for the others why not."""

    references: Mapping[str, str]
    ids: Mapping[str, str]
    missing: Mapping[str, str]


def local(engine: Engine, pins: Mapping[str, Pin]) -> Images:
    """What is on this machine already: of each service the best candidate. Nothing is fetched."""
    references, ids, missing = {}, {}, {}
    for service, pin in pins.items():
        for reference in pin.candidates:
            if image_id := engine.image_id(reference):
                references[service], ids[service] = reference, image_id
                break
        else:
            missing[service] = "not on this machine yet"
    return Images(references, ids, missing)


def obtain(engine: Engine, pins: Mapping[str, Pin], progress: Progress, *, plugins: Sequence[str] = ()) -> Images:
    """What is on this machine, and what can be brought to it: pulled, else built."""
    found = local(engine, pins)
    if not found.missing:
        return found
    wanted = {service: pins[service] for service in found.missing}
    refused = pull(engine, wanted, progress)
    buildable = {service: pins[service] for service in refused if pins[service].build}
    failed = build_all(engine, buildable, progress, plugins=plugins) if buildable else {}
    now = local(engine, pins)
    reasons = {service: failed.get(service) or refused.get(service, "") for service in now.missing}
    return Images(now.references, now.ids, reasons)


def pull(engine: Engine, pins: Mapping[str, Pin], progress: Progress) -> dict[str, str]:
    """Pull each; why not, for those that could not be.

    A registry that does not answer is asked once: the images of one registry share its fate.
    """
    refused: dict[str, str] = {}
    silent: dict[str, str] = {}
    for service, pin in pins.items():
        registry = _registry(pin.pull)
        if registry in silent:
            refused[service] = f"{pin.pull} could not be pulled: {silent[registry]}"
            continue
        with progress.stage(f"pulling {pin.pull}") as stage:
            try:
                engine.pull(pin.pull, stage.say)
            except NotPulledError as error:
                refused[service] = f"{pin.pull} could not be pulled: {error.message}"
                stage.fail("could not be pulled")
                if _is_silence(error.message):
                    silent[registry] = error.message
    return refused


def build_all(
    engine: Engine, pins: Mapping[str, Pin], progress: Progress, *, plugins: Sequence[str] = ()
) -> dict[str, str]:
    """Build each from packages; why not, for those that could not be."""
    unbuildable = {
        service: f"{pin.pull} cannot be built from packages" for service, pin in pins.items() if not pin.build
    }
    from aresmon.engine.build import build  # few commands build

    return unbuildable | build(
        {service: pin.build for service, pin in pins.items() if pin.build}, engine, progress, plugins=plugins
    )


def save(engine: Engine, images: Images, archive: Path, progress: Progress) -> None:
    """Write the images of a site into one tar, whole or not at all.

    Raises AresmonError with code 5 after writing, where the images of some services are missing.
    """
    references = sorted(set(images.references.values()))
    if not references:
        raise AresmonError("this machine has no image of this site", hint="`aresmon images pull` or `build` first")
    if archive.exists() and not _is_archive(archive):
        raise AresmonError(f"{archive} exists and is not an archive of images", hint="name another file")
    part = archive.with_name(f".{archive.name}.part")
    with progress.stage(f"writing {archive}"):
        try:
            engine.save(references, part)
            part.replace(archive)
        except OSError as error:
            raise files.cannot_write(archive, error) from error
        finally:
            part.unlink(missing_ok=True)
    if images.missing:
        raise AresmonError(
            f"{archive} has {', '.join(images.references)}, not {', '.join(images.missing)}",
            hint="on a machine that can reach a registry: `aresmon images pull`, then save again",
            code=ExitCode.DEGRADED,
        )


def load(engine: Engine, archive: Path, progress: Progress) -> Sequence[str]:
    """Take in the images of such a tar; their references."""
    try:
        if not tarfile.is_tarfile(archive):
            raise AresmonError(f"{archive} is not an archive of images", hint="`aresmon images save` writes one")
        with archive.open("rb") as file, progress.stage(f"reading {archive}"):
            return engine.load(file)
    except OSError as error:
        raise AresmonError(f"{archive} cannot be read: {error.strerror}") from None


def _is_archive(path: Path) -> bool:
    """Whether `docker save` has written this: an image layout, or before Docker 25 a list of repositories."""
    try:
        with tarfile.open(path) as archive:
            return bool({"oci-layout", "repositories"} & set(archive.getnames()))
    except (OSError, tarfile.TarError):
        return False


def _registry(reference: str) -> str:
    first = reference.partition("/")[0]
    return first if "/" in reference and ("." in first or ":" in first) else ""


def _is_silence(message: str) -> bool:
    said = message.lower()
    return any(
        word in said
        for word in ("lookup", "timeout", "refused", "unreachable", "no such host", "forbidden", "proxyconnect")
    )


def tar_of(contents: Mapping[str, bytes]) -> bytes:
    """Files by path as a tar, for a container; everybody may read them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


SERVICES = ("influxdb", "grafana", "edge", "telegraf")
"""Every service of the stack, in the order they start."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The image of one service. `build` is empty where it cannot be built from packages."""

    service: str
    pull: str
    build: str

    @property
    def candidates(self) -> tuple[str, ...]:
        """The images that serve, the best first."""
        return (self.pull, self.build) if self.build else (self.pull,)


def pins(config: Config | None = None) -> dict[str, Pin]:
    """The pins of this release, as a site's `images:` changes them; by service."""
    shipped_pins: Mapping[str, Mapping[str, str]] = yaml.safe_load(
        (package_data.COMPOSE / "images.yml").read_text("utf-8")
    )
    own = dict(config.images) if config else {}
    mirror = f"{config.mirror.rstrip('/')}/" if config and config.mirror else ""
    return {
        service: Pin(service, own[service], "")
        if service in own
        else Pin(service, mirror + shipped_pins[service]["pull"], shipped_pins[service].get("build", ""))
        for service in SERVICES
    }


def services(config: Config) -> tuple[str, ...]:
    """The services of this site, in the order they start."""
    return tuple(name for name in SERVICES if name != "telegraf" or config.sidecar)


def used_pins(config: Config) -> dict[str, Pin]:
    """The pins of the services that this site runs."""
    wanted = services(config)
    return {service: pin for service, pin in pins(config).items() if service in wanted}
