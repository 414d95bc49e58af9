"""What a person sees. The only importer of rich; colours and movement only where there is a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table
from rich.text import Text

from aresmon.arrivals import HostStatus
from aresmon.bundle import Difference
from aresmon.catalogue import Collector
from aresmon.errors import AresmonError
from aresmon.plan import Step
from aresmon.progress import Stage
from aresmon.proof import FRESH
from aresmon.status import ServiceStatus, Status, age

_STEP_COLOURS = {"create": "green", "recreate": "yellow", "start": "green", "remove": "red"}
_LONGEST_DIFF = 60  # lines of one diff; a first `up` would show every file


class Console:
    """Output to people on standard output, errors and warnings on standard error."""

    def __init__(self) -> None:
        self.out = RichConsole(highlight=False, soft_wrap=False)
        self.err = RichConsole(stderr=True, highlight=False)

    # Words -------------------------------------------------------------------------------------------

    def say(self, text: str = "", style: str = "") -> None:
        """A line, never cut: it may be copied."""
        self.out.print(Text(text, style=style), soft_wrap=True)

    def raw(self, text: str) -> None:
        """Text for another program, as it is."""
        self.out.file.write(text)

    def data(self, value: Any) -> None:
        """JSON, for scripts."""
        self.raw(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def error(self, error: AresmonError) -> None:
        """What went wrong, and what to do next."""
        self.err.print(Text(error.message, style="bold red"), soft_wrap=True)
        if error.hint:
            self.err.print(Text.assemble(("next: ", "bold"), error.hint), soft_wrap=True)

    # Progress ----------------------------------------------------------------------------------------

    @contextmanager
    def stage(self, what: str) -> Iterator[Stage]:
        """A piece of work: a spinner on a terminal, else a line."""
        begun = time.monotonic()
        stage = _Stage(what, self.out.status(what) if self.out.is_terminal else None)
        if stage.spinner is None:
            self.say(f"{what} ...")
            yield stage
            if stage.failure:
                self.say(f"{what}: {stage.failure}")
            return
        with stage.spinner:
            yield stage
        took = time.monotonic() - begun
        mark, style = ("x", "yellow") if stage.failure else ("-", "green")
        ending = stage.failure or (f"{took:.0f} s" if took >= 1 else "")
        self.out.print(
            Text.assemble((f"{mark} ", style), what, (f"  {ending}" if ending else "", "dim")), soft_wrap=True
        )

    def note(self, text: str) -> None:
        self.say(f"note: {text}")

    def warn(self, text: str, hint: str = "") -> None:
        self.err.print(Text.assemble(("warning: ", "bold yellow"), text), soft_wrap=True)
        if hint:
            self.err.print(Text.assemble(("   next: ", "bold"), hint), soft_wrap=True)

    # Tables ------------------------------------------------------------------------------------------

    def plan(self, steps: Sequence[Step], difference: Difference, *, is_first: bool, whole: bool) -> None:
        """The steps that `up` takes, and what changes in the bundle. `whole` shows every line of it; a first
        bundle is no change to read line by line."""
        if is_first:
            self.say(f"{len(difference.changed)} new files; `aresmon render --output FOLDER` shows them")
        else:
            self.diff(difference.text(), longest=None if whole else _LONGEST_DIFF)
        for step in steps:
            style = _STEP_COLOURS[step.action]
            self.out.print(Text.assemble((f"{step.action:>9} ", style), step.service, (f"  {step.because}", "dim")))

    def diff(self, diff: str, *, longest: int | None = None) -> None:
        """A unified diff."""
        lines = diff.splitlines()
        shown = lines if longest is None else lines[:longest]
        styles = {"+": "green", "-": "red", "@": "cyan"}
        for line in shown:
            self.out.print(Text(line, style=styles.get(line[:1], "")), soft_wrap=True)
        if len(shown) < len(lines):
            self.say(f"... {len(lines) - len(shown)} more lines; `aresmon up --dry-run` shows them all", style="dim")

    def status(self, status: Status, *, well: str = "All is well.") -> None:
        """Services, hosts, and what is wrong; `well` is said if nothing is."""
        for table in _status_tables(status):
            self.out.print(table)
        for trouble in status.troubles:
            self.out.print(Text.assemble(("! ", "bold yellow"), trouble.what), soft_wrap=True)
            self.out.print(Text.assemble(("  next: ", "bold"), trouble.next), soft_wrap=True)
        if not status.troubles:
            self.say(well, style="green")

    def collectors(self, collectors: Iterable[Collector]) -> None:
        """What can be watched."""
        table = _table("COLLECTOR", "WATCHES", "NEEDS")
        for one in collectors:
            own = "" if one.is_shipped else " (overrides/)"
            table.add_row(one.name + own, one.title, ", ".join(variable.name for variable in one.required))
        self.out.print(table)

    def watch(self, look: Callable[[], Status], every: float) -> None:
        """The status again and again, until ^C; without a terminal, one after the other."""
        if not self.out.is_terminal:
            while True:
                self.status(look())
                time.sleep(every)
        with Live(console=self.out, auto_refresh=False, screen=True) as live:
            while True:
                with self.out.capture() as captured:
                    self.status(look())
                live.update(Text.from_ansi(captured.get()), refresh=True)
                time.sleep(every)


class _Stage:
    def __init__(self, what: str, spinner: Any) -> None:
        self.what, self.spinner, self.failure = what, spinner, ""

    def say(self, detail: str) -> None:
        if self.spinner is not None:
            self.spinner.update(f"{self.what}: {detail}"[:120])

    def fail(self, detail: str) -> None:
        self.failure = detail


def _status_tables(status: Status) -> Iterator[Table]:
    services = _table("SERVICE", "STATE", "IMAGE", ">RESTARTS", ">MEMORY", ">UP")
    for service in status.services:
        services.add_row(*_service_row(service, status.at))
    yield services
    if status.hosts:
        hosts = _table("HOST", "AGENT", ">NEWEST", ">POINTS/MIN", ">READS", "SILENT")
        for host in status.hosts:
            hosts.add_row(*_host_row(host))
        yield hosts


def _service_row(service: ServiceStatus, at: float) -> list[str | Text]:
    word = service.health if service.state == "running" and service.health else service.state
    colour = {"healthy": "green", "running": "green", "starting": "yellow"}.get(word, "red")
    memory = f"{service.memory >> 20}/{service.memory_limit >> 20} MiB" if service.memory_limit else ""
    up = age(at - service.since) if service.since else ""
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
        Text(age(host.age), style="green" if host.age < FRESH else "red"),
        str(host.points),
        reads,
        silent,
    ]


def _table(*columns: str) -> Table:
    """A table without lines, which a narrow terminal folds rather than cuts; `>` is for numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.lstrip(">"), justify="right" if is_number else "left", overflow="fold", no_wrap=is_number
        )
    return table
