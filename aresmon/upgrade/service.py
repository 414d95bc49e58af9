"""The upgrade of one service: keep its folder, try the new image, verify it by data, or roll both back.

InfluxDB is tried while nobody can reach it: the edge stops first, agents keep what they have, and it starts once the
new one has what the former had and takes points. So nothing arrives that a way back would lose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from aresmon.engine import images
from aresmon.engine.compose import Compose
from aresmon.engine.docker import Engine
from aresmon.engine.images import Images, used_pins
from aresmon.grafana import users as grafana_users
from aresmon.influxdb import service as influxdb_service
from aresmon.site import secrets as site_secrets
from aresmon.site.folder import service_user_ids
from aresmon.site.project import Project
from aresmon.stack import folder_swap, image_versions, readiness, up, upgrade_journal
from aresmon.stack.image_versions import ServiceHistory
from aresmon.stack.upgrade_journal import UpgradeJournal
from aresmon.system.errors import AresmonError, ExitCode
from aresmon.system.progress import Progress
from aresmon.upgrade import snapshot, verification

_ARRIVES_WITHIN = 60.0  # seconds


class RolledBackError(AresmonError):
    """The new image failed, and the former one runs again with its data."""


@dataclass(frozen=True, slots=True)
class UpgradeWork:
    """What a turn works on. `within` is how many seconds a service may take to be ready, and data to arrive."""

    project: Project
    engine: Engine
    progress: Progress
    within: float = readiness.WITHIN

    @property
    def compose(self) -> Compose:
        return Compose(self.project.site.bundle, self.project.site.bundle)

    def folder(self, service: str) -> Path | None:
        """The service's data folder, if it has one."""
        return self.project.data_folders().get(service)


def execute(work: UpgradeWork, turn: UpgradeJournal) -> None:
    """Bring a service to its new image.

    Raises TakenBackError where that failed and the former one is back with its data, AresmonError with code 4 where
    the way back failed too.
    """
    folder = work.folder(turn.service)
    if folder is not None and folder.is_dir():
        snapshot.check_room(folder)
    try:
        turn, had = _stop_and_snapshot(work, turn)
        turn = _save(work, replace(turn, stage="trying"))
        _remember_version(
            work,
            turn.service,
            replace(turn.wanted, newest=image_versions.newer(turn.former.newest, turn.wanted.version)),
        )
        _start_new_image(work, turn)
        _VERIFICATIONS[turn.service](work, turn, had)
    except AresmonError as error:
        details = upgrade_journal.read(work.project.site) or turn
        roll_back(work, replace(details, failed=error.message))
    except KeyboardInterrupt:
        details = upgrade_journal.read(work.project.site) or turn
        if details.stage in ("copying", "trying"):
            roll_back(work, details)
        raise
    else:
        _complete(work, turn)


def resume(work: UpgradeWork, turn: UpgradeJournal) -> None:
    """Go on with a turn that was interrupted: back, or forward where data may have arrived meanwhile."""
    if turn.stage == "proven":
        _complete(work, turn)
    elif turn.stage == "opened" and not turn.failed:
        try:
            if not _is_running(work, turn):
                _start_new_image(work, turn)
            _open_edge(work, turn)
        except AresmonError as error:
            roll_back(work, replace(turn, failed=error.message))
        else:
            _complete(work, turn)
    else:
        roll_back(work, turn)


def roll_back(work: UpgradeWork, turn: UpgradeJournal) -> None:
    """Bring the former image and folder back, and say so; what a first try left undone is done by the next.

    Raises TakenBackError if it is the new image that failed, nothing if the turn was only interrupted, and AresmonError
    with code 4 where the way back fails.
    """
    if turn.stage != "returning":
        was_opened = turn.stage == "opened"
        is_whole = turn.stage != "copying"
        turn = replace(turn, stage="returning", was_opened=was_opened, snapshot=turn.snapshot if is_whole else "")
        upgrade_journal.write(work.project.site, turn)
    aside = _failed_folder(turn) if turn.was_opened else ""
    try:
        broken, arrived = _restore_previous(work, turn)
    except AresmonError as error:
        reason = f". The upgrade had failed: {turn.failed}" if turn.failed else ""
        raise AresmonError(
            f"{turn.service} could not be rolled back to {turn.former.image}: {error.message}{reason}",
            hint="; ".join(filter(None, (error.hint, "`aresmon upgrade` tries it again"))),
            code=ExitCode.BROKEN,
        ) from None
    upgrade_journal.forget(work.project.site)
    _delete_snapshots(work, turn, keep=aside)
    _report_rollback(work, turn, broken=broken, arrived=arrived, aside=aside)


# Steps ---------------------------------------------------------------------------------------------------


def _stop_and_snapshot(
    work: UpgradeWork, turn: UpgradeJournal
) -> tuple[UpgradeJournal, verification.DataSummary | None]:
    """Stop the service and keep its folder; what InfluxDB had."""
    folder = work.folder(turn.service)
    had = None
    if folder is None or not folder.is_dir():
        upgrade_journal.write(work.project.site, turn)
        return turn, had
    turn = replace(turn, snapshot=f"{snapshot.PREFIX}before-{_stamp(turn)}")
    upgrade_journal.write(work.project.site, turn)
    if turn.service == "influxdb":
        with work.progress.stage("stopping the edge; agents buffer their data"):
            work.compose.stop("edge")
        had = verification.summarise(influxdb_service.admin_client(work.project.site), turn.begun)
    with work.progress.stage(f"stopping {turn.service} and copying its data"):
        work.compose.stop(turn.service)
        snapshot.delete(folder, turn.snapshot)
        snapshot.create(folder, turn.snapshot)
    return turn, had


def _start_new_image(work: UpgradeWork, turn: UpgradeJournal) -> None:
    found = _images_with(work, turn)
    up.recreate_service(work.project, work.engine, work.progress, service=turn.service, found=found, within=work.within)


def _is_running(work: UpgradeWork, turn: UpgradeJournal) -> bool:
    container = work.engine.containers(work.project.config.site).get(turn.service)
    return container is not None and container.state == "running" and container.image_id == turn.wanted.id


def _save(work: UpgradeWork, turn: UpgradeJournal) -> UpgradeJournal:
    upgrade_journal.write(work.project.site, turn)
    return turn


def _verify_influxdb(work: UpgradeWork, turn: UpgradeJournal, had: verification.DataSummary | None) -> None:
    """That it has what was there and takes points; then that the agents' arrive."""
    influxdb = influxdb_service.admin_client(work.project.site)
    with work.progress.stage("comparing its data with that before the upgrade"):
        verification.wait_for_answer(influxdb, work.within)
        missing = verification.missing_data(had, verification.summarise(influxdb, turn.begun)) if had else ""
        if missing:
            raise AresmonError(f"{turn.wanted.image} lacks data that was there before: {missing}")
        verification.check_write(influxdb, work.project.config.server, f"{turn.former.image} -> {turn.wanted.image}")
    _open_edge(work, _save(work, replace(turn, stage="opened")))


def _verify_edge(work: UpgradeWork, turn: UpgradeJournal, _: verification.DataSummary | None) -> None:
    _wait_for_hosts(work, turn)


def _verify_grafana(work: UpgradeWork, turn: UpgradeJournal, _: verification.DataSummary | None) -> None:
    """That its administrator gets in, and finds the people that should be there."""
    secrets = site_secrets.ensure(
        work.project.site.secrets, site_secrets.owners(work.project.config, service_user_ids())
    )
    grafana_users.ensure(work.project, work.engine, secrets, work.progress)


def _verify_telegraf(work: UpgradeWork, turn: UpgradeJournal, _: verification.DataSummary | None) -> None:
    sidecar = work.project.config.sidecar
    if sidecar is not None:
        with work.progress.stage(f"waiting for data of {sidecar.name}"):
            _check_arrival(work, (sidecar.name,))


_VERIFICATIONS: Mapping[str, Callable[[UpgradeWork, UpgradeJournal, verification.DataSummary | None], None]] = {
    "influxdb": _verify_influxdb,
    "edge": _verify_edge,
    "grafana": _verify_grafana,
    "telegraf": _verify_telegraf,
}


def _open_edge(work: UpgradeWork, turn: UpgradeJournal) -> None:
    if _start_edge(work, within=min(work.within, _ARRIVES_WITHIN)):
        _wait_for_hosts(work, turn)


def _start_edge(work: UpgradeWork, *, within: float = _ARRIVES_WITHIN) -> bool:
    """Start the edge; whether there is one, which after a `down` there is not."""
    edge = work.engine.containers(work.project.config.site).get("edge")
    if edge is None:
        return False
    if edge.state != "running":
        with work.progress.stage("starting the edge"):
            work.compose.run("start", "edge")
    ready = readiness.probes(work.project.config, influxdb_service.anonymous_client(work.project.site))
    readiness.wait(work.engine, work.project.config.site, ["edge"], ready, within=within)
    return True


def _wait_for_hosts(work: UpgradeWork, turn: UpgradeJournal) -> None:
    if not turn.hosts:
        work.progress.note("no host was sending data before, so none is waited for")
        return
    with work.progress.stage(f"waiting for data of {verification.format_hosts(turn.hosts)}"):
        _check_arrival(work, turn.hosts)


def _check_arrival(work: UpgradeWork, hosts: tuple[str, ...]) -> None:
    patience = min(work.within, _ARRIVES_WITHIN)
    unproven = verification.wait_for_any_host(
        influxdb_service.admin_client(work.project.site), hosts, time.time(), within=patience
    )
    if unproven:
        raise AresmonError(unproven)


def _missing_data(work: UpgradeWork, hosts: tuple[str, ...]) -> str:
    if not hosts:
        return ""
    return verification.wait_for_any_host(
        influxdb_service.admin_client(work.project.site), hosts, time.time(), within=_ARRIVES_WITHIN
    )


def _complete(work: UpgradeWork, turn: UpgradeJournal) -> None:
    """The new image is proven: the copy goes."""
    upgrade_journal.write(work.project.site, replace(turn, stage="proven"))
    _delete_snapshots(work, turn)
    upgrade_journal.forget(work.project.site)


def _delete_snapshots(work: UpgradeWork, turn: UpgradeJournal, *, keep: str = "") -> None:
    folder = work.folder(turn.service)
    for name in (turn.snapshot, f"{snapshot.PREFIX}before-{_stamp(turn)}", _failed_folder(turn)):
        if folder is not None and name and name != keep:
            snapshot.delete(folder, name)


# The way back -------------------------------------------------------------------------------------------


def _restore_previous(work: UpgradeWork, turn: UpgradeJournal) -> tuple[list[str], str]:
    """The former folder and image; which files of the copy somebody wrote to, and why no data arrives, if none does."""
    with work.progress.stage(f"rolling {turn.service} back to {turn.former.image}"):
        broken = _restore_folder(work, turn)
        refused = turn.wanted.id if turn.failed else turn.former.refused
        _remember_version(work, turn.service, replace(turn.former, refused=refused))
    if not work.engine.containers(work.project.config.site):
        return broken, ""  # after a `down`: alone, few services are ever ready, and whoever called starts them all
    found = _images_with(work, turn, former=True)
    up.recreate_service(work.project, work.engine, work.progress, service=turn.service, found=found)
    return broken, _missing_data(work, turn.hosts) if _start_edge(work) else ""


def _restore_folder(work: UpgradeWork, turn: UpgradeJournal) -> list[str]:
    """Put the copy in the place of what is there; the files of it that somebody wrote to. As often as one likes."""
    folder = work.folder(turn.service)
    if folder is not None and not folder.is_dir():
        raise AresmonError(
            f"{folder}, with the data from before the upgrade, does not exist",
            hint="is its disk mounted? If that data is lost, delete .aresmon/upgrade.json",
        )
    work.compose.stop(turn.service)
    folder_swap.finish(work.project.site)
    if folder is None or not turn.snapshot:
        return []
    kept = folder / turn.snapshot
    if not kept.is_dir() or not any(kept.iterdir()):
        return []  # it is in its place already
    broken = snapshot.list_modified(folder, turn.snapshot)
    here = [path.name for path in snapshot.list_contents(folder)]
    folder_swap.begin(work.project.site, [folder_swap.plan_swap(folder, kept, folder / _failed_folder(turn), here)])
    folder_swap.finish(work.project.site)
    return broken


def _report_rollback(work: UpgradeWork, turn: UpgradeJournal, *, broken: list[str], arrived: str, aside: str) -> None:
    """What came of the way back, as the error that it is; nothing where the turn was only interrupted."""
    restore = f"`aresmon restore {turn.archive}`" if turn.archive else "`aresmon restore`"
    if broken:
        raise AresmonError(
            f"{turn.service} is back on {turn.former.image}, but {turn.wanted.image} changed {', '.join(broken[:3])}",
            hint=f"to restore the contents: {restore}",
            code=ExitCode.BROKEN,
        )
    if aside:
        folder = work.folder(turn.service)
        work.progress.warn(
            f"data that arrived after the edge was started is only in {folder}/{aside}", hint="check it, then delete it"
        )
    if arrived:
        raise AresmonError(
            f"{turn.service} is back on {turn.former.image}, but {arrived}. The upgrade had failed: {turn.failed}",
            hint="`aresmon status` shows more",
            code=ExitCode.BROKEN,
        )
    if turn.failed:
        raise RolledBackError(
            f"{turn.service} was rolled back to {turn.former.image} with its previous data: {turn.failed}",
            hint="`aresmon upgrade` tries again; the services after it were not changed",
            code=ExitCode.ROLLED_BACK,
        )
    work.progress.note(f"{turn.service}: an interrupted upgrade was rolled back to {turn.former.image}")


def _images_with(work: UpgradeWork, turn: UpgradeJournal, *, former: bool = False) -> Images:
    """The images of all services as they are, but for the one whose turn it is."""
    found = images.local(work.engine, used_pins(work.project.config))
    now, kept = image_versions.select_images(work.project, work.engine, found, everything=True)
    now = image_versions.tag_kept(work.engine, now, tuple(one for one in kept if one.service != turn.service))
    chosen = image_versions.ensure_tag(work.engine, turn.service, turn.former) if former else turn.wanted
    missing = {service: why for service, why in now.missing.items() if service != turn.service}
    return Images({**now.references, turn.service: chosen.image}, {**now.ids, turn.service: chosen.id}, missing)


def _remember_version(work: UpgradeWork, service: str, ran: ServiceHistory) -> None:
    known = image_versions.read_current(work.project)
    image_versions.write(work.project.site, known.with_service(service, ran))


def _failed_folder(turn: UpgradeJournal) -> str:
    return f"{snapshot.PREFIX}failed-{_stamp(turn)}"


def _stamp(turn: UpgradeJournal) -> str:
    return datetime.fromtimestamp(turn.begun, UTC).strftime("%Y%m%dT%H%M%SZ")
