"""The tables that commands print: their style, and the rows of `status` and of a push."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from aresmon.config.units import format_age
from aresmon.push.result import GOOD, PushOutcome, PushResult

if TYPE_CHECKING:
    from aresmon.doctor.activity import HostStatus
    from aresmon.doctor.problems import ServiceStatus
    from aresmon.doctor.status import Status

OUTCOME_COLOURS: Mapping[str, str] = {
    PushOutcome.VERIFIED: "green",
    PushOutcome.UNCHANGED: "green",
    PushOutcome.UNVERIFIED: "yellow",
    PushOutcome.SKIPPED: "dim",
    PushOutcome.ROLLED_BACK: "yellow",
}


def new_table(*columns: str) -> Table:
    """A table without lines, which a narrow terminal folds rather than cuts; `>` is for numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.lstrip(">"), justify="right" if is_number else "left", overflow="fold", no_wrap=is_number
        )
    return table


def result_row(result: PushResult) -> list[str | Text]:
    outcome = Text(str(result.outcome), style=OUTCOME_COLOURS.get(result.outcome, "red"))
    seconds = f"{result.seconds:.1f}" if result.seconds else ""
    return [result.host, outcome, seconds, result.commit[:7], result.config_id if result.outcome in GOOD else ""]


def status_tables(status: Status) -> Iterator[Table]:
    services = new_table("SERVICE", "STATE", "IMAGE", ">RESTARTS", ">MEMORY", ">UP")
    for service in status.services:
        services.add_row(*_service_row(service, status.at))
    yield services
    if status.hosts:
        hosts = new_table("HOST", "AGENT", ">NEWEST", ">POINTS/MIN", ">READS", "SILENT")
        for host in status.hosts:
            hosts.add_row(*_host_row(host))
        yield hosts


def _service_row(service: ServiceStatus, at: float) -> list[str | Text]:
    word = service.health if service.state == "running" and service.health else service.state
    colour = {"healthy": "green", "running": "green", "starting": "yellow"}.get(word, "red")
    memory = f"{service.memory >> 20}/{service.memory_limit >> 20} MiB" if service.memory_limit else ""
    up = format_age(at - service.since) if service.since else ""
    return [service.name, Text(word, style=colour), service.image, str(service.restarts), memory, up]


def _host_row(host: HostStatus) -> list[str | Text]:
    if host.age is None:
        return [host.name, host.agent, Text("never", style="yellow"), "", "", ""]
    silent = Text(", ".join(host.silent), style="yellow")
    due = f"{host.reads}/{host.expected}" if host.expected else "starting"
    reads = Text(due, style="" if host.reads >= host.expected else "yellow")
    return [
        host.name,
        host.agent,
        Text(format_age(host.age), style="green" if host.age <= host.late_after else "red"),
        str(host.points),
        reads,
        silent,
    ]
