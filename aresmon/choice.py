"""Which image each service keeps although another one is pinned by now: only `upgrade` lets another version at data."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aresmon import versions
from aresmon.container import Container
from aresmon.engine import Engine
from aresmon.errors import AresmonError
from aresmon.fleet import Fleet
from aresmon.images import Images
from aresmon.intent import data_folders
from aresmon.site import Site
from aresmon.versions import Ran, Versions

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
class Kept:
    """A service that keeps what it runs: which image there is in its place, and why it is not taken. `lacks_other` is
    whether that one could not be had."""

    service: str
    now: Ran
    then: Ran
    why: str
    lacks_other: bool = False

    @property
    def told(self) -> str:
        return f"{self.service} keeps {self.now.image}: {self.why}"


def held(
    site: Site, fleet: Fleet, engine: Engine, found: Images, *, everything: bool = False
) -> tuple[Images, tuple[Kept, ...]]:
    """What `hold` says of a site as it is."""
    known = remembered(site, fleet)
    asked = lambda service, image, image_id: version(engine, fleet.site, service, image, image_id)  # noqa: E731
    return hold(found, present(engine, fleet.site, known), known, version_of=asked, everything=everything)


def remembered(site: Site, fleet: Fleet) -> Versions:
    """What is known of a site and still true: a data folder with nothing in it was written by nobody."""
    empty = [service for service, folder in data_folders(site, fleet).items() if _is_empty(folder)]
    return versions.read(site).without(empty)


def note(site: Site, fleet: Fleet, engine: Engine, chosen: Images) -> None:
    """Remember that these images are about to run: before they do, since they write at once."""
    known = remembered(site, fleet)
    running = {service: Ran(image, chosen.ids[service]) for service, image in chosen.references.items()}
    for service, ran in running.items():
        before = known.of(service)
        told = before.version if before.id == ran.id else ""
        if not told and service in versions.KEEPS_DATA and before.id != ran.id:
            told = version(engine, fleet.site, service, ran.image, ran.id)
        running[service] = replace(ran, version=told or versions.of_reference(ran.image))
    versions.write(site, versions.with_running(known, running))


def present(engine: Engine, project: str, known: Versions) -> dict[str, Ran]:
    """What runs, or ran last and is still here, by service."""
    found = {name: _of_container(one, known.of(name)) for name, one in engine.containers(project).items()}
    for service, ran in known.services.items():
        if service not in found and ran.id and engine.image_id(ran.id):
            found[service] = ran
    return found


def hold(
    found: Images,
    now: Mapping[str, Ran],
    known: Versions,
    *,
    version_of: VersionOf,
    everything: bool = False,
) -> tuple[Images, tuple[Kept, ...]]:
    """The images to run, where `found` are those that are pinned and `now` is what there is; and what is kept, and why.

    Kept is a service with data whose version would be another than in its last number, one whose pinned image is
    missing or had to be taken back by an upgrade, and with `everything` whatever there is. `version_of` is asked by
    service, image and id.

    Raises AresmonError where the data forbids the image that would be run.
    """
    kept = []
    for service, image in found.references.items():
        before = now.get(service, Ran())
        if before.id == found.ids[service]:
            continue
        then = Ran(image, found.ids[service])
        if before.id and everything:
            kept.append(Kept(service, before, then, "an upgrade comes to it in its turn"))
            continue
        then = replace(then, version=version_of(service, image, then.id))
        if before.id and not before.version:
            before = replace(before, version=version_of(service, before.image, before.id))
        why = _reason(service, before, then, known.of(service)) if before.id else ""
        if why:
            kept.append(Kept(service, before, then, why))
        else:
            _refuse(service, known.of(service), then, is_here=bool(before.id))
    lacking = {name: why for name, why in found.missing.items() if name in now}
    kept += [Kept(name, now[name], Ran(), why, lacks_other=not everything) for name, why in lacking.items()]
    references = {**found.references, **{one.service: one.now.image for one in kept}}
    ids = {**found.ids, **{one.service: one.now.id for one in kept}}
    missing = {service: why for service, why in found.missing.items() if service not in ids}
    return Images(references, ids, missing), tuple(kept)


def named(engine: Engine, chosen: Images, kept: tuple[Kept, ...]) -> Images:
    """The same, with what is kept under names that lead to it."""
    names = {one.service: name(engine, one.service, one.now).image for one in kept}
    return Images({**chosen.references, **names}, chosen.ids, chosen.missing)


def name(engine: Engine, service: str, ran: Ran) -> Ran:
    """The same under a name that leads to it: where its own means another image by now, one of ours is given to it."""
    if engine.image_id(ran.image) == ran.id:
        return ran
    ours = f"aresmon/former-{service}:{ran.id.removeprefix('sha256:')[:12]}"
    engine.tag(ran.id, ours)
    return replace(ran, image=ours)


def version(engine: Engine, project: str, service: str, reference: str, image_id: str) -> str:
    """The version of an image that is here: what its name tells, else what its program says; empty if nobody knows."""
    told = versions.of_reference(reference)
    if told or service not in _ASKED:
        return told
    try:
        code, said = engine.run_once(image_id, _ASKED[service], project=project, files=_nothing(), environment=())
    except AresmonError:
        return ""
    found = _SAID.search(said)
    return found[1] if code == 0 and found else ""


def _refuse(service: str, last: Ran, then: Ran, *, is_here: bool) -> None:
    """Raise AresmonError where the data forbids the image; `is_here`: what ran last is, and of the same line."""
    why = versions.objection(service, last.newest, then.version)
    if why:
        raise AresmonError(
            f"{service} cannot run as {then.image}: {why}",
            hint=f"name an image of {last.newest} or newer under `images.{service}`, or restore a backup of before "
            "with the aresmon of then (`aresmon backup list`); nothing was changed",
        )
    wrote = last.version or last.newest
    if not is_here and service in versions.KEEPS_DATA and wrote and not versions.is_same_line(wrote, then.version):
        raise AresmonError(
            f"{service} cannot run as {then.image}: its data is of {wrote}, whose image is not here any more, and only "
            "`aresmon upgrade` lets another version at it, from that one",
            hint=f"name an image of {wrote} under `images.{service}` and `aresmon up`; then take that line away, and "
            "`aresmon upgrade`. If none can be had: docs/upgrade.md, 'The previous image is missing'; "
            "nothing was changed",
        )


def _reason(service: str, now: Ran, then: Ran, remembered: Ran) -> str:
    if then.id == remembered.refused:
        return f"an upgrade to {then.image} was taken back; `aresmon upgrade` tries it again"
    if service in versions.KEEPS_DATA and not versions.is_same_line(now.version, then.version):
        return f"{then.image} is there, and only `aresmon upgrade` lets another version at its data"
    return ""


def _of_container(container: Container, remembered: Ran) -> Ran:
    known = remembered.version if remembered.id == container.image_id else ""
    return Ran(container.image, container.image_id, known or versions.of_reference(container.image))


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
