"""Which image each service keeps although another one is pinned by now: only `upgrade` lets another version at data."""

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

# How each program tells its version. Grafana's and HAProxy's first line, Telegraf's only one.
_ASKED = {
    "influxdb": ("influxd", "version"),
    "grafana": ("grafana", "--version"),
    "edge": ("haproxy", "-v"),
    "telegraf": ("telegraf", "--version"),
}
_SAID = re.compile(r"\bv?([0-9]+(?:\.[0-9]+)+)")


@dataclass(frozen=True, slots=True)
class KeptImage:
    """A service that keeps what it runs: which image there is in its place, and why it is not taken. `lacks_other` is
    whether that one could not be had."""

    service: str
    now: ServiceHistory
    then: ServiceHistory
    why: str
    lacks_other: bool = False

    @property
    def description(self) -> str:
        return f"{self.service} keeps {self.now.image}: {self.why}"


def held(
    project: Project, engine: Engine, found: Images, *, everything: bool = False
) -> tuple[Images, tuple[KeptImage, ...]]:
    """What `hold` says of a site as it is."""
    known = remembered(project)
    asked = lambda service, image, image_id: version(engine, project.config.site, service, image, image_id)  # noqa: E731
    return hold(found, present(engine, project.config.site, known), known, version_of=asked, everything=everything)


def remembered(project: Project) -> Versions:
    """What is known of a site and still true: a data folder with nothing in it was written by nobody."""
    empty = [service for service, folder in project.data_folders().items() if _is_empty(folder)]
    return read(project.site).without(empty)


def note(project: Project, engine: Engine, chosen: Images) -> None:
    """Remember that these images are about to run: before they do, since they write at once."""
    known = remembered(project)
    running = {service: ServiceHistory(image, chosen.ids[service]) for service, image in chosen.references.items()}
    for service, ran in running.items():
        before = known.of(service)
        details = before.version if before.id == ran.id else ""
        if not details and service in KEEPS_DATA and before.id != ran.id:
            details = version(engine, project.config.site, service, ran.image, ran.id)
        running[service] = replace(ran, version=details or of_reference(ran.image))
    write(project.site, with_running(known, running))


def present(engine: Engine, project: str, known: Versions) -> dict[str, ServiceHistory]:
    """What runs, or ran last and is still here, by service."""
    found = {name: _of_container(one, known.of(name)) for name, one in engine.containers(project).items()}
    for service, ran in known.services.items():
        if service not in found and ran.id and engine.image_id(ran.id):
            found[service] = ran
    return found


def hold(
    found: Images,
    now: Mapping[str, ServiceHistory],
    known: Versions,
    *,
    version_of: VersionOf,
    everything: bool = False,
) -> tuple[Images, tuple[KeptImage, ...]]:
    """The images to run, where `found` are those that are pinned and `now` is what there is; and what is kept, and why.

    Kept is a service with data whose version would be another than in its last number, one whose pinned image is
    missing or had to be taken back by an upgrade, and with `everything` whatever there is. `version_of` is asked by
    service, image and id.

    Raises AresmonError where the data forbids the image that would be run.
    """
    kept = []
    for service, image in found.references.items():
        before = now.get(service, ServiceHistory())
        if before.id == found.ids[service]:
            continue
        then = ServiceHistory(image, found.ids[service])
        if before.id and everything:
            kept.append(KeptImage(service, before, then, "an upgrade comes to it in its turn"))
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
        KeptImage(name, now[name], ServiceHistory(), why, lacks_other=not everything) for name, why in lacking.items()
    ]
    references = {**found.references, **{one.service: one.now.image for one in kept}}
    ids = {**found.ids, **{one.service: one.now.id for one in kept}}
    missing = {service: why for service, why in found.missing.items() if service not in ids}
    return Images(references, ids, missing), tuple(kept)


def named(engine: Engine, chosen: Images, kept: tuple[KeptImage, ...]) -> Images:
    """The same, with what is kept under names that lead to it."""
    names = {one.service: name(engine, one.service, one.now).image for one in kept}
    return Images({**chosen.references, **names}, chosen.ids, chosen.missing)


def name(engine: Engine, service: str, ran: ServiceHistory) -> ServiceHistory:
    """The same under a name that leads to it: where its own means another image by now, one of ours is given to it."""
    if engine.image_id(ran.image) == ran.id:
        return ran
    ours = f"aresmon/former-{service}:{ran.id.removeprefix('sha256:')[:12]}"
    engine.tag(ran.id, ours)
    return replace(ran, image=ours)


def version(engine: Engine, project: str, service: str, reference: str, image_id: str) -> str:
    """The version of an image that is here: what its name tells, else what its program says; empty if nobody knows."""
    details = of_reference(reference)
    if details or service not in _ASKED:
        return details
    try:
        code, said = engine.run_once(image_id, _ASKED[service], project=project, files=_nothing(), environment=())
    except AresmonError:
        return ""
    found = _SAID.search(said)
    return found[1] if code == 0 and found else ""


def _refuse(service: str, last: ServiceHistory, then: ServiceHistory, *, is_here: bool) -> None:
    """Raise AresmonError where the data forbids the image; `is_here`: what ran last is, and of the same line."""
    why = objection(service, last.newest, then.version)
    if why:
        raise AresmonError(
            f"{service} cannot run as {then.image}: {why}",
            hint=f"name an image of {last.newest} or newer under `images.{service}`, or restore a backup of before "
            "with the aresmon of then (`aresmon backup list`); nothing was changed",
        )
    wrote = last.version or last.newest
    if not is_here and service in KEEPS_DATA and wrote and not is_same_line(wrote, then.version):
        raise AresmonError(
            f"{service} cannot run as {then.image}: its data is of {wrote}, whose image is not here any more, and only "
            "`aresmon upgrade` lets another version at it, from that one",
            hint=f"name an image of {wrote} under `images.{service}` and `aresmon up`; then take that line away, and "
            "`aresmon upgrade`. If none can be had: docs/upgrade.md, 'The previous image is missing'; "
            "nothing was changed",
        )


def _reason(service: str, now: ServiceHistory, then: ServiceHistory, remembered: ServiceHistory) -> str:
    if then.id == remembered.refused:
        return f"an upgrade to {then.image} was taken back; `aresmon upgrade` tries it again"
    if service in KEEPS_DATA and not is_same_line(now.version, then.version):
        return f"{then.image} is there, and only `aresmon upgrade` lets another version at its data"
    return ""


def _of_container(container: Container, remembered: ServiceHistory) -> ServiceHistory:
    known = remembered.version if remembered.id == container.image_id else ""
    return ServiceHistory(container.image, container.image_id, known or of_reference(container.image))


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
"""The services whose data another version may change in a way that nothing takes back."""


@dataclass(frozen=True, slots=True)
class ServiceHistory:
    """What runs for a service, or ran last: its image's name and id, and its version, empty where nobody knows it.
    `newest` is the newest version that ever wrote into its data folder; `refused` the id of an image that an upgrade
    had to take back."""

    image: str = ""
    id: str = ""
    version: str = ""
    newest: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """What is known of a site. `aresmon` is the release that last brought it up; empty where that is not known."""

    aresmon: str = ""
    services: Mapping[str, ServiceHistory] = field(default_factory=dict)

    def of(self, service: str) -> ServiceHistory:
        return self.services.get(service, ServiceHistory())

    def with_service(self, service: str, ran: ServiceHistory) -> Versions:
        return replace(self, services={**self.services, service: ran})

    def without(self, services: Collection[str]) -> Versions:
        """What is left to know once the data of these is gone."""
        return replace(self, services={name: one for name, one in self.services.items() if name not in services})


def read(site: Layout) -> Versions:
    """What is known of a site; before the first `up` of this release, which one rendered its bundle."""
    try:
        found = _file(site).read()
    except AresmonError:
        found = None
    return found or Versions(bundle.version_of(site.bundle))


def write(site: Layout, versions: Versions) -> None:
    """Keep what is known, if it is another than before."""
    if versions != read(site):
        _file(site).write(versions)


def _file(site: Layout) -> JsonFile[Versions]:
    return JsonFile(site.state / _FILE, _parse, asdict, mode=0o644)


def _parse(data: Any) -> Versions:
    services = {str(name): ServiceHistory(**one) for name, one in data["services"].items()}
    return Versions(str(data["aresmon"]), services)


def with_running(versions: Versions, running: Mapping[str, ServiceHistory]) -> Versions:
    """The same, once these run and this release of aresmon has brought them up."""
    for service, now in running.items():
        before = versions.of(service)
        kept = before.refused if before.refused != now.id else ""
        versions = versions.with_service(service, replace(now, newest=newer(before.newest, now.version), refused=kept))
    return replace(versions, aresmon=__version__)


def of_reference(reference: str) -> str:
    """The version that an image's name tells: `12.4.5` of `grafana/grafana:12.4.5-ubuntu`; else nothing."""
    _, colon, tag = reference.partition("@")[0].rpartition(":")
    found = _TAG.match(tag) if colon and "/" not in tag else None
    return found[1] if found else ""


def newer(one: str, other: str) -> str:
    """The newer of two versions; the one that is known, where the other is not."""
    return other if numbers(other) > numbers(one) else one


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers that compare; empty where it has none: `1.13.1-rc2` is (1, 13, 1)."""
    found = _TAG.match(version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def is_same_line(one: str, other: str) -> bool:
    """Whether both are known and differ in their last number at the most: 1.13.1 and 1.13.2."""
    mine, theirs = numbers(one), numbers(other)
    return bool(mine and theirs) and mine[:2] == theirs[:2]


def objection(service: str, newest: str, wanted: str) -> str:
    """Why data that `newest` has written must not meet `wanted`; empty where it may, or where one is not known."""
    last, then = numbers(newest), numbers(wanted)
    if service not in KEEPS_DATA or not last or not then:
        return ""
    if service == "influxdb" and then[0] != last[0]:
        return f"InfluxDB {wanted} does not read the data of InfluxDB {last[0]}.x: it is another database"
    if service == "influxdb" and then[:2] < last[:2]:
        return f"its data was written by InfluxDB {newest}, and an older one ({wanted}) may not understand it"
    if service == "grafana" and then < last:
        return f"its database was written by Grafana {newest}, whose changes an older one ({wanted}) cannot take back"
    return ""


def check_release(site: Layout) -> None:
    """Raise AresmonError where a newer release of aresmon brought this site up."""
    wrote = read(site).aresmon
    if numbers(wrote)[:2] > numbers(__version__)[:2]:
        raise AresmonError(
            f"this site was brought up by aresmon {wrote}, which is newer than this one ({__version__})",
            hint=f"use aresmon {wrote}; to go back, restore the backup of then with the aresmon of then "
            "(`aresmon backup list`). Nothing was changed",
        )


def version_warning(site: Layout) -> tuple[str, str] | None:
    """What a person should know where another release of aresmon brought the site up, and what to do."""
    wrote = read(site).aresmon
    if not wrote or wrote == __version__:
        return None
    if numbers(wrote) > numbers(__version__):
        return f"the site was brought up by aresmon {wrote}, and this is {__version__}", f"use aresmon {wrote}"
    return f"the site was brought up by aresmon {wrote}, and this is {__version__}", "`aresmon upgrade` (`--dry-run`)"
