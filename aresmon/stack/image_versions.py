"""Which services keep their image although another one is pinned: only `upgrade` runs another version on their data."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from aresmon import __version__
from aresmon.config.layout import Layout
from aresmon.engine.containers import Container
from aresmon.engine.docker import Engine
from aresmon.engine.images import Images
from aresmon.site import bundle
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from aresmon.system.json_file import JsonFile

VersionOf = Callable[[str, str, str], str]

# How each program prints its version: Grafana and HAProxy on the first line, Telegraf on the only one.
_VERSION_COMMANDS = {
    "influxdb": ("influxd", "version"),
    "grafana": ("grafana", "--version"),
    "edge": ("haproxy", "-v"),
    "telegraf": ("telegraf", "--version"),
}
_PRINTED_VERSION = re.compile(r"\bv?([0-9]+(?:\.[0-9]+)+)")


@dataclass(frozen=True, slots=True)
class KeptImage:
    """A service that keeps its current image, and why it does not run the pinned one. `is_pinned_missing` is whether
    that one could not be obtained."""

    service: str
    current: ServiceHistory
    pinned: ServiceHistory
    reason: str
    is_pinned_missing: bool = False

    @property
    def description(self) -> str:
        return f"{self.service} keeps {self.current.image}: {self.reason}"


def select_images(
    project: Project, engine: Engine, found: Images, *, everything: bool = False
) -> tuple[Images, tuple[KeptImage, ...]]:
    """The images to run for a site in its present state, and what is kept; see `select`."""
    known = read_current(project)
    ask = lambda service, image, image_id: find_version(engine, project.config.site, service, image, image_id)  # noqa: E731
    return select(found, find_images(engine, project.config.site, known), known, version_of=ask, everything=everything)


def read_current(project: Project) -> Versions:
    """The recorded versions of a site, without those of services whose data folder is empty."""
    empty = [service for service, folder in project.data_folders().items() if _is_empty(folder)]
    return read(project.site).without(empty)


def record_start(project: Project, engine: Engine, chosen: Images) -> None:
    """Record that these images are about to run. Call it before they start, because they write at once."""
    known = read_current(project)
    running = {service: ServiceHistory(image, chosen.ids[service]) for service, image in chosen.references.items()}
    for service, ran in running.items():
        before = known.of(service)
        details = before.version if before.id == ran.id else ""
        if not details and service in KEEPS_DATA and before.id != ran.id:
            details = find_version(engine, project.config.site, service, ran.image, ran.id)
        running[service] = replace(ran, version=details or version_in(ran.image))
    write(project.site, with_running(known, running))


def find_images(engine: Engine, project: str, known: Versions) -> dict[str, ServiceHistory]:
    """The image that each service runs, or ran last if it is still here."""
    found = {name: _of_container(one, known.of(name)) for name, one in engine.containers(project).items()}
    for service, ran in known.services.items():
        if service not in found and ran.id and engine.image_id(ran.id):
            found[service] = ran
    return found


def select(
    found: Images,
    now: Mapping[str, ServiceHistory],
    known: Versions,
    *,
    version_of: VersionOf,
    everything: bool = False,
) -> tuple[Images, tuple[KeptImage, ...]]:
    """The images to run, and the services that keep theirs; `found` are the pinned images, `now` the current ones.

    A service keeps its image if it has data and the pinned version is not just another patch release, if the pinned
    image is missing or an upgrade to it was rolled back, and always with `everything`. `version_of` returns the
    version of an image, by service, image and id.

    Raises AresmonError if an image to run cannot run on the data.
    """
    kept = []
    for service, image in found.references.items():
        before = now.get(service, ServiceHistory())
        if before.id == found.ids[service]:
            continue
        then = ServiceHistory(image, found.ids[service])
        if before.id and everything:
            kept.append(KeptImage(service, before, then, "it is upgraded later in this run"))
            continue
        then = replace(then, version=version_of(service, image, then.id))
        if before.id and not before.version:
            before = replace(before, version=version_of(service, before.image, before.id))
        why = _reason(service, before, then, known.of(service)) if before.id else ""
        if why:
            kept.append(KeptImage(service, before, then, why))
        else:
            _refuse(service, known.of(service), then, is_here=bool(before.id))
    lacking = {name: why for name, why in found.missing.items() if name in now}
    kept += [
        KeptImage(name, now[name], ServiceHistory(), why, is_pinned_missing=not everything)
        for name, why in lacking.items()
    ]
    references = {**found.references, **{one.service: one.current.image for one in kept}}
    ids = {**found.ids, **{one.service: one.current.id for one in kept}}
    missing = {service: why for service, why in found.missing.items() if service not in ids}
    return Images(references, ids, missing), tuple(kept)


def tag_kept(engine: Engine, chosen: Images, kept: tuple[KeptImage, ...]) -> Images:
    """The same images; those that are kept have a tag that refers to them."""
    names = {one.service: ensure_tag(engine, one.service, one.current).image for one in kept}
    return Images({**chosen.references, **names}, chosen.ids, chosen.missing)


def ensure_tag(engine: Engine, service: str, ran: ServiceHistory) -> ServiceHistory:
    """The same image with a name that refers to it: its own, or a new tag if that means another image by now."""
    if engine.image_id(ran.image) == ran.id:
        return ran
    ours = f"aresmon/former-{service}:{ran.id.removeprefix('sha256:')[:12]}"
    engine.tag(ran.id, ours)
    return replace(ran, image=ours)


def find_version(engine: Engine, project: str, service: str, reference: str, image_id: str) -> str:
    """The version of a local image: from its tag, else as its program prints it; empty if unknown."""
    details = version_in(reference)
    if details or service not in _VERSION_COMMANDS:
        return details
    try:
        code, said = engine.run_once(
            image_id, _VERSION_COMMANDS[service], project=project, files=_nothing(), environment=()
        )
    except AresmonError:
        return ""
    found = _PRINTED_VERSION.search(said)
    return found[1] if code == 0 and found else ""


def _refuse(service: str, last: ServiceHistory, then: ServiceHistory, *, is_here: bool) -> None:
    """Raise AresmonError if the image cannot run on the data; `is_here`: the image that ran last is here, and of the
    same minor release."""
    why = find_objection(service, last.newest, then.version)
    if why:
        raise AresmonError(
            f"{service} cannot run as {then.image}: {why}",
            hint=f"set `images.{service}` to an image of {last.newest} or newer, or restore an older backup with the "
            "aresmon release that made it (`aresmon backup list`); nothing was changed",
        )
    wrote = last.version or last.newest
    if not is_here and service in KEEPS_DATA and wrote and not is_same_line(wrote, then.version):
        raise AresmonError(
            f"{service} cannot run as {then.image}: its data was written by {wrote}, whose image is no longer here, "
            "and only `aresmon upgrade`, starting from that version, runs another version on its data",
            hint=f"set `images.{service}` to an image of {wrote} and run `aresmon up`; then remove that line and run "
            "`aresmon upgrade`. If there is no such image: docs/upgrade.md, 'The previous image is missing'; "
            "nothing was changed",
        )


def _reason(service: str, now: ServiceHistory, then: ServiceHistory, remembered: ServiceHistory) -> str:
    if then.id == remembered.refused:
        return f"an upgrade to {then.image} was rolled back; `aresmon upgrade` tries it again"
    if service in KEEPS_DATA and not is_same_line(now.version, then.version):
        return f"{then.image} is available, and only `aresmon upgrade` runs another version on its data"
    return ""


def _of_container(container: Container, remembered: ServiceHistory) -> ServiceHistory:
    known = remembered.version if remembered.id == container.image_id else ""
    return ServiceHistory(container.image, container.image_id, known or version_in(container.image))


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _nothing() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w"):
        pass
    return packed.getvalue()


_FILE = "versions.json"
_TAG = re.compile(r"v?([0-9]+(?:\.[0-9]+)+)")
KEEPS_DATA = ("influxdb", "grafana")
"""The services whose data another version may change irreversibly."""


@dataclass(frozen=True, slots=True)
class ServiceHistory:
    """The image that a service runs, or ran last: its name, id and version, empty if unknown. `newest` is the newest
    version that ever wrote to the data folder; `refused` the id of an image whose upgrade was rolled back."""

    image: str = ""
    id: str = ""
    version: str = ""
    newest: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """The recorded versions of a site. `aresmon` is the release that last ran `up`; empty if unknown."""

    aresmon: str = ""
    services: Mapping[str, ServiceHistory] = field(default_factory=dict)

    def of(self, service: str) -> ServiceHistory:
        return self.services.get(service, ServiceHistory())

    def with_service(self, service: str, ran: ServiceHistory) -> Versions:
        return replace(self, services={**self.services, service: ran})

    def without(self, services: Collection[str]) -> Versions:
        """The same without these services."""
        return replace(self, services={name: one for name, one in self.services.items() if name not in services})


def read(site: Layout) -> Versions:
    """The recorded versions of a site; before the first `up` of this release, only the one that rendered its bundle."""
    try:
        found = _file(site).read()
    except AresmonError:
        found = None
    return found or Versions(bundle.version_of(site.bundle))


def write(site: Layout, versions: Versions) -> None:
    """Record these versions, if they are not yet recorded."""
    if versions != read(site):
        _file(site).write(versions)


def _file(site: Layout) -> JsonFile[Versions]:
    return JsonFile(site.state / _FILE, _parse, asdict, mode=0o644)


def _parse(data: Any) -> Versions:
    services = {str(name): ServiceHistory(**one) for name, one in data["services"].items()}
    return Versions(str(data["aresmon"]), services)


def with_running(versions: Versions, running: Mapping[str, ServiceHistory]) -> Versions:
    """The same, after this release of aresmon has started these."""
    for service, now in running.items():
        before = versions.of(service)
        kept = before.refused if before.refused != now.id else ""
        versions = versions.with_service(service, replace(now, newest=newer(before.newest, now.version), refused=kept))
    return replace(versions, aresmon=__version__)


def version_in(reference: str) -> str:
    """The version in an image's tag: `12.4.5` of `grafana/grafana:12.4.5-ubuntu`; else nothing."""
    _, colon, tag = reference.partition("@")[0].rpartition(":")
    found = _TAG.match(tag) if colon and "/" not in tag else None
    return found[1] if found else ""


def newer(one: str, other: str) -> str:
    """The newer of two versions; if one is unknown, the other."""
    return other if parse_version(other) > parse_version(one) else one


def parse_version(version: str) -> tuple[int, ...]:
    """A version as comparable numbers, `1.13.1-rc2` as (1, 13, 1); empty if it has none."""
    found = _TAG.match(version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def is_same_line(one: str, other: str) -> bool:
    """Whether both are known and differ at most in the patch release: 1.13.1 and 1.13.2."""
    mine, theirs = parse_version(one), parse_version(other)
    return bool(mine and theirs) and mine[:2] == theirs[:2]


def find_objection(service: str, newest: str, wanted: str) -> str:
    """Why `wanted` cannot run on data written by `newest`; empty if it can, or if one of the two is unknown."""
    last, then = parse_version(newest), parse_version(wanted)
    if service not in KEEPS_DATA or not last or not then:
        return ""
    if service == "influxdb" and then[0] != last[0]:
        return f"InfluxDB {wanted} cannot read the data of InfluxDB {last[0]}.x"
    if service == "influxdb" and then[:2] < last[:2]:
        return f"its data was written by InfluxDB {newest}, and an older version ({wanted}) may not be able to read it"
    if service == "grafana" and then < last:
        return f"its database was migrated by Grafana {newest}, which an older version ({wanted}) cannot undo"
    return ""


def check_release(site: Layout) -> None:
    """Raise AresmonError if a newer release of aresmon last started this site."""
    wrote = read(site).aresmon
    if parse_version(wrote)[:2] > parse_version(__version__)[:2]:
        raise AresmonError(
            f"this site was last started by aresmon {wrote}, which is newer than this release ({__version__})",
            hint=f"use aresmon {wrote}; to downgrade, restore an older backup with the aresmon release that made it "
            "(`aresmon backup list`). Nothing was changed",
        )


def version_warning(site: Layout) -> tuple[str, str] | None:
    """A warning if another release of aresmon last started the site, and the next step."""
    wrote = read(site).aresmon
    if not wrote or wrote == __version__:
        return None
    if parse_version(wrote) > parse_version(__version__):
        return f"the site was last started by aresmon {wrote}, and this is {__version__}", f"use aresmon {wrote}"
    return f"the site was last started by aresmon {wrote}, and this is {__version__}", "`aresmon upgrade` (`--dry-run`)"
