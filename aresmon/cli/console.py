"""The output of commands. Colours and animation only on a terminal."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.text import Text

from aresmon.cli.tables import OUTCOME_COLOURS, new_table, result_row, status_tables
from aresmon.config.units import format_age
from aresmon.push.result import GOOD, PushOutcome, PushResult, describe_reason
from aresmon.system import characters, output
from aresmon.system.errors import AresmonError, any_of
from aresmon.system.progress import Stage

if TYPE_CHECKING:
    from aresmon.config.collectors import Collector
    from aresmon.config.model import Host
    from aresmon.config.views import View
    from aresmon.doctor.status import Status
    from aresmon.grafana.alerts import RuleStatus
    from aresmon.push.drift import Drift, PlannedPush
    from aresmon.site.bundle import BundleDifference
    from aresmon.stack.plan import Step


_STATE_COLOURS = {"firing": "red", "pending": "yellow", "error": "red", "unknown": "dim", "quiet": "green"}
_MOST_ROWS = 20
_MOST_NAMES = 8
_STEP_COLOURS = {"create": "green", "recreate": "yellow", "start": "green", "remove": "red"}
_WIDEST = 1000  # columns where there is no terminal
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

    def raw(self, text: str, *, at_once: bool = False) -> None:
        """Text for another program, as it is; `at_once` if the program should not wait for more of it."""
        self.out.file.write(text)
        if at_once:
            self.out.file.flush()

    def line(self, text: str) -> None:
        """A line of many where there is no terminal, at once: rich takes a third of a millisecond for each."""
        self.out.file.write(f"{text}\n")
        self.out.file.flush()

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
        spinner = "line" if characters.is_ascii_locale() else "dots"
        stage = _Stage(what, self.out.status(what, spinner=spinner) if self.out.is_terminal else None)
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

    # Pushes ------------------------------------------------------------------------------------------

    @contextmanager
    def rollout(self, hosts: Sequence[str], *, quiet: bool = False) -> Iterator[Rollout]:
        """A push to several hosts: a table that moves on a terminal, else a line for each state."""
        shown = Rollout(self, hosts, quiet=quiet)
        if quiet or not self.out.is_terminal:
            yield shown
            return
        with Live(get_renderable=shown.table, console=self.out, refresh_per_second=4, transient=True):
            yield shown

    def results(self, results: Sequence[PushResult], *, quiet: bool = False) -> None:
        """What became of each host; those that went well in a line, if there are many."""
        if quiet:
            return
        counts = Counter(result.outcome for result in results)
        table = new_table("HOST", "OUTCOME", ">SECONDS", "COMMIT", "CONFIG ID")
        for result in results:
            if len(results) <= _MOST_ROWS or result.outcome not in GOOD:
                table.add_row(*result_row(result))
        if table.row_count:
            self.out.print(table)
        alike: dict[tuple[Any, ...], list[str]] = {}
        for result in results:
            alike.setdefault((result.outcome, result.why, result.next, result.notes), []).append(result.host)
        for (outcome, why, next_step, notes), hosts in alike.items():
            self._told(_some(hosts), outcome, why, next_step, notes)
        if len(results) > 1:
            self.say(f"{len(results)} hosts: " + ", ".join(f"{number} {outcome}" for outcome, number in counts.items()))

    def _told(self, hosts: str, outcome: PushOutcome, why: str, next_step: str, notes: Sequence[str]) -> None:
        if why:
            mark = ("  " if outcome in GOOD else "! ", "bold yellow")
            self.out.print(Text.assemble(mark, f"{hosts}: {outcome.upper()}: {why}"), soft_wrap=True)
        if next_step:
            self.out.print(Text.assemble(("  next: ", "bold"), next_step), soft_wrap=True)
        for note in notes:
            self.say(f"  note: {hosts}: {note}", style="dim")

    def push_plan(self, planned: Sequence[PlannedPush]) -> None:
        """What a push would change, host by host."""
        for one in planned:
            if one.refusal is not None:
                continue
            commit = f" (configs {one.commit[:7]})" if one.commit else ""
            self.say(f"{one.host}: {'would change' if one.diff else 'nothing to do'}{commit}")
            self.diff(one.diff)
            if one.found:
                ways = "a push asks, or takes --adopt or --overwrite"
                self.say(f"  the host has a configuration of its own ({one.found}): {ways}")
            for path in one.drifted:
                self.say(f"  {path} was edited by hand since the last push")
            for note in one.notes:
                self.say(f"  note: {one.host}: {note}", style="dim")
        self.say("Nothing was changed.")

    def drift(self, found: Sequence[Drift]) -> None:
        """How live files differ from what was pushed."""
        for one in found:
            if not one.what:
                self.say(f"{one.host}: as it was pushed", style="green")
                continue
            self.out.print(Text.assemble(("! ", "bold yellow"), f"{one.host}: {one.what}"), soft_wrap=True)
            self.diff(one.diff)
            self.out.print(Text.assemble(("  next: ", "bold"), one.next), soft_wrap=True)

    def hosts(self, rows: Sequence[tuple[Host, int]]) -> None:
        """The hosts of a site, each with the number of its last release, 0 without one."""
        table = new_table("HOST", "AGENT", "SSH", "COLLECTS", ">RELEASE")
        for host, release in rows:
            table.add_row(host.name, host.agent, host.ssh, ", ".join(host.collect), str(release or "-"))
        self.out.print(table)

    def users(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The users of Grafana."""
        table = new_table("LOGIN", "ROLE", "STATE", "NAME", "FROM")
        for one in rows:
            colour = Text(one["state"], style="green" if one["state"] == "active" else "yellow")
            origin = "elsewhere" if one["kind"] == "own" else "aresmon.yml"
            table.add_row(one["login"], one["role"], colour, one["name"], origin)
        self.out.print(table)

    def pushes(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """The history of pushes."""
        reasons = [describe_reason(one) for one in lines]
        more = ["WHY"] if any(reasons) else []
        table = new_table("WHEN", "HOST OR SECRET", ">RELEASE", "OUTCOME", "COMMIT", "BY", *more)
        table.columns[0].no_wrap = True
        for one, reason in zip(lines, reasons, strict=True):
            when = str(one.get("at", ""))[:16].replace("T", " ")
            release = str(one.get("release") or "")
            host = str(one.get("host") or one.get("secret", ""))
            outcome = str(one.get("outcome", ""))
            colour = Text(outcome, style="green" if outcome == "rotated" else OUTCOME_COLOURS.get(outcome, "red"))
            cells = (when, host, release, colour, str(one.get("commit", ""))[:7], str(one.get("by", "")))
            table.add_row(*cells, *([reason] if more else []))
        self.out.print(table)

    def secrets(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The secrets of a site."""
        table = new_table("NAME", "FOR", "MADE", "ROTATED")
        for one in rows:
            table.add_row(one["name"], one["for"], one["made"][:10] or "-", one["rotated"])
        self.out.print(table)
        self.say("`aresmon secrets rotate --all --dry-run` shows what each requires. Not rotated:")
        for one in (one for one in rows if one["rotated"] == "no"):
            self.say(f"  {one['name']}: {one['how']}")

    # Tables ------------------------------------------------------------------------------------------

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A plain table; a column whose title begins with `>` stands to the right."""
        table = new_table(*columns)
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    def plan(self, steps: Sequence[Step], difference: BundleDifference, *, is_first: bool, whole: bool) -> None:
        """The steps that `up` takes, and what changes in the bundle. `whole` shows every line of it; a first
        bundle is no change to read line by line."""
        if is_first:
            self.say(f"{len(difference.changed)} new files; `aresmon render --output FOLDER` shows them")
        else:
            self.diff(difference.text(), longest=None if whole else _LONGEST_DIFF)
        for step in steps:
            style = _STEP_COLOURS[step.action]
            self.out.print(Text.assemble((f"{step.action:>9} ", style), step.service, (f"  {step.reason}", "dim")))

    def diff(self, diff: str, *, longest: int | None = None) -> None:
        """A unified diff."""
        lines = diff.splitlines()
        shown = lines if longest is None else lines[:longest]
        styles = {"+": "green", "-": "red", "@": "cyan"}
        for line in shown:
            self.out.print(Text(line, style=styles.get(line[:1], "")), soft_wrap=True)
        if len(shown) < len(lines):
            self.say(f"... {len(lines) - len(shown)} more lines; `aresmon up --dry-run` shows them all", style="dim")

    def status(self, status: Status, *, well: str = "No problems found.") -> None:
        """Services, hosts, and what is wrong; `well` is said if nothing is."""
        from aresmon.backup import record
        from aresmon.influxdb import capacity

        for table in status_tables(status):
            self.out.print(table)
        if status.capacity is not None:
            self.say(capacity.describe(status.capacity))
        if status.backups is not None:
            self.say(record.describe(status.backups, now=status.at))
        for problem in status.problems:
            self.out.print(Text.assemble(("! ", "bold yellow"), problem.what), soft_wrap=True)
            self.out.print(Text.assemble(("  next: ", "bold"), problem.next), soft_wrap=True)
        if not status.problems:
            self.say(well, style="green")

    def collectors(self, collectors: Iterable[Collector]) -> None:
        """What can be watched."""
        table = new_table("COLLECTOR", "WATCHES", "NEEDS")
        for one in collectors:
            own = "" if one.is_shipped else " (overrides/)"
            options = [any_of([option.name, *option.unless]) for option in one.options.values() if option.is_required]
            needs = [*(variable.name for variable in one.required), *options]
            table.add_row(one.name + own, one.title, ", ".join(needs))
        self.out.print(table)

    def collector(self, collector: Collector, view: View | None) -> None:
        """Everything that is known of one collector."""
        from aresmon.cli.collector_page import collector_page

        for line, style in collector_page(collector, view, self.out.width):
            self.say(line, style)

    def alerts(self, rules: Sequence[RuleStatus]) -> None:
        """The rules of alerts, and what fires now."""
        table = new_table("ALERT", "SEVERITY", "FIRES", "STATE")
        for column in (table.columns[0], table.columns[1], table.columns[-1]):
            column.no_wrap = True
        for rule in rules:
            lasting = f" for {format_age(rule.lasting)}" if rule.lasting else ""
            where = f" ({rule.place})" if rule.place else ""
            state = Text(rule.state, style=_STATE_COLOURS.get(rule.state, "dim"))
            table.add_row(rule.alert, rule.severity, f"{rule.condition}{lasting}{where}", state)
        # Another program reads it line by line.
        wide = RichConsole(file=self.out.file, width=_WIDEST, highlight=False)
        (self.out if self.out.is_terminal else wide).print(table)
        for rule in rules:
            for place, what in rule.about if rule.state == "firing" else ():
                self.out.print(Text.assemble((f"! {rule.severity}: ", "bold yellow"), what or place), soft_wrap=True)
            if rule.state == "error":
                self.out.print(Text.assemble((f"! {rule.alert}: ", "bold yellow"), rule.error), soft_wrap=True)

    def watch(self, look: Callable[[], Status], every: float) -> None:
        """The status again and again, until ^C; without a terminal, one after the other."""
        if not self.out.is_terminal:
            while not output.is_lost():
                self.status(look())
                time.sleep(every)
            return
        with Live(console=self.out, auto_refresh=False, screen=True) as live:
            while True:
                with self.out.capture() as captured:
                    self.status(look())
                live.update(Text.from_ansi(captured.get()), refresh=True)
                time.sleep(every)


class Rollout:
    """What a push shows while it goes on."""

    def __init__(self, console: Console, hosts: Sequence[str], *, quiet: bool) -> None:
        self._console, self._quiet, self._begun = console, quiet, time.monotonic()
        self._states = dict.fromkeys(hosts, "waiting")
        self._results: dict[str, PushResult] = {}

    def started(self, host: str) -> Callable[[str], None]:
        """A host's push begins; what is returned shows each state that it enters."""

        def enter(state: str) -> None:
            self._states[host] = state
            if not self._quiet and not self._console.out.is_terminal:
                self._console.line(f"{host}: {state}")

        return enter

    def finished(self, result: PushResult) -> None:
        """A host's push has ended."""
        self._results[result.host] = result
        if not self._quiet and not self._console.out.is_terminal:
            self._console.line(f"{result.host}: {result.outcome}")

    def table(self) -> Group:
        """The hosts that are under way, as many as fit, and how many are waiting and done."""
        height = max(3, self._console.out.height - 4)
        table = new_table("HOST", "STATE")
        active = [host for host, state in self._states.items() if host not in self._results and state != "waiting"]
        ended = list(self._results)[-max(1, height - len(active)) :] if len(active) < height else []
        for host in [*ended, *active][-height:]:
            result = self._results.get(host)
            state = self._states[host] if result is None else str(result.outcome)
            table.add_row(host, Text(state, style="cyan" if result is None else OUTCOME_COLOURS.get(state, "red")))
        waiting = len(self._states) - len(active) - len(self._results)
        took = time.monotonic() - self._begun
        counts = f"{len(self._results)} done, {len(active)} under way, {waiting} waiting, {took:.0f} s"
        return Group(table, Text(counts, style="dim"))


def _some(hosts: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(hosts) - _MOST_NAMES} more" if len(hosts) > _MOST_NAMES else ""
    return ", ".join(hosts[:_MOST_NAMES]) + more


class _Stage:
    def __init__(self, what: str, spinner: Any) -> None:
        self.what, self.spinner, self.failure = what, spinner, ""

    def say(self, detail: str) -> None:
        if self.spinner is not None:
            self.spinner.update(f"{self.what}: {detail}"[:120])

    def fail(self, detail: str) -> None:
        self.failure = detail
