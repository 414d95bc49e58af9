"""An archive proven: restored into a second InfluxDB and compared, with nothing that runs touched."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aresmon import (
    backuprecord,
    credentials,
    events,
    exchange,
    gathering,
    images,
    intent,
    scratch,
    sealing,
    store,
    trial,
)
from aresmon.backuprecord import Verified
from aresmon.engine import Engine
from aresmon.errors import AresmonError, ExitCode
from aresmon.fleet import Fleet
from aresmon.manifest import Difference, Manifest
from aresmon.packing import DamagedError
from aresmon.progress import Progress
from aresmon.scratch import FOLDER, Form
from aresmon.site import Site
from aresmon.trial import Also, Source


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found: of how many values on how many days, and what does not hold. `notes` are what could not
    be looked at."""

    archive: str
    where: str
    values: int
    days: int
    differences: tuple[Difference, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.differences and not self.faults

    @property
    def code(self) -> ExitCode:
        return ExitCode.DONE if self.ok else ExitCode.BROKEN

    @property
    def what(self) -> str:
        """In one line."""
        if self.ok:
            return f"{self.values} values on {self.days} days of measurements are as they were"
        told = [*self.faults, *map(str, self.differences[:1])]
        more = len(self.differences) - 1
        return "; ".join(told) + (f" and {more} more days" if more > 0 else "")


def verify(site: Site, engine: Engine, archive: str, progress: Progress) -> Verdict:
    """Restore an archive for trial, compare it with its manifest, and remember what came out.

    Raises AresmonError where it cannot be tried; that an archive is damaged is a verdict.
    """
    fleet = site.fleet()
    with site.lock("backup --verify"):
        exchange.check_none(site)
        source = trial.find(site, fleet, archive)
        folder = site.state / "staging-verify"
        scratch.remove(folder)
        try:
            verdict = _verify(site, fleet, engine, source, folder=folder, progress=progress)
        except DamagedError as error:
            verdict = Verdict(source.name, source.where, 0, 0, (), (error.message,), (), 0.0)
        finally:
            scratch.remove(folder)
            scratch.remove(site.root / fleet.data / FOLDER)
        backuprecord.note_verified(site, Verified(time.time(), verdict.archive, verdict.ok, verdict.what))
        if verdict.ok:
            with suppress(AresmonError):
                events.tell_backup(store.influxdb(site), fleet.server, "proven", verdict.archive)
        return verdict


def form(site: Site, fleet: Fleet, engine: Engine) -> Form:
    """How a second InfluxDB is run here. Raises AresmonError where there is no image for it."""
    running = engine.containers(fleet.site).get("influxdb")
    image = running.image if running else images.local(engine, intent.used_pins(fleet)).references.get("influxdb", "")
    if not image:
        raise AresmonError("there is no image of InfluxDB here", hint="`aresmon images pull influxdb`, or `build`")
    return Form(
        folder=site.root / fleet.data / FOLDER,
        image=image,
        user=intent.users()["influxdb"],
        memory=dict(fleet.memory)["influxdb"],
        project=fleet.site,
    )


def _verify(site: Site, fleet: Fleet, engine: Engine, source: Source, *, folder: Path, progress: Progress) -> Verdict:
    begun = time.monotonic()

    def accept(said: Manifest) -> None:
        if said.origin.site != fleet.site:
            raise AresmonError(f"{source.name} is of the site {said.origin.site}, and this is {fleet.site}")

    def place(name: str) -> Path | None:
        return folder / name if name in ("grafana/grafana.db", gathering.SECRETS) else None

    also = Also(accept, place)
    with trial.tried(site, engine, source, form(site, fleet, engine), progress=progress, also=also) as found:
        said, differences = found.manifest, found.differences
    faults, notes = _look_at_rest(site, said, folder)
    return Verdict(
        archive=source.name,
        where=source.where,
        values=sum(marks[1].values for marks in said.days.values()),
        days=len(said.days),
        differences=differences,
        faults=tuple(faults),
        notes=tuple(notes),
        seconds=time.monotonic() - begun,
    )


def _look_at_rest(site: Site, said: Manifest, folder: Path) -> tuple[list[str], list[str]]:
    """What is wrong with Grafana's database and the secrets, and what could not be looked at."""
    faults, notes = [], []
    if said.has("grafana"):
        fault = trial.grafana_fault(folder / "grafana/grafana.db")
        faults.extend([fault] if fault else [])
    else:
        notes.append("Grafana's database is not in it: it never ran when the archive was made")
    try:
        sealing.unseal((folder / gathering.SECRETS).read_bytes(), credentials.read(site.secrets, credentials.BACKUP))
    except sealing.WrongPassphraseError:
        faults.append("its secrets do not open with the passphrase that the site has now")
    except OSError:
        notes.append("there are no secrets in it")
    return faults, notes
