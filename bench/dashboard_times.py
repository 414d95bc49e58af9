"""How long a dashboard's queries take in a database of a month, on raw points alone and as the tiers choose.

"Raw alone" is what most published dashboards do: they ask the points themselves whatever the range. Two databases
one after the other, each in an InfluxDB of its own: three hosts, and thirty. Beside it is one of its newest day alone,
so that the cost of a default range can be held against the age of a database.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from aresmon.config import collectors, model, units
from aresmon.config.names import DATABASE
from aresmon.influxdb import backfill, downsampling, influxql
from aresmon.influxdb.downsampling import Downsampling
from aresmon.influxdb.events import HostEvent
from aresmon.render.grafana.dashboards import PATH, dashboards
from bench import month
from bench.asking import AT_A_TIME, Board, Opening, ask, ask_as_grafana, middle, policy_for, read_board
from bench.measure import count, mib, seconds, table, tell, verdict
from bench.month import COLLECT, DAY, HOUR
from bench.scratch import Line, Scratch, influxdb

AIM = 1.0
"""Seconds of database time of a dashboard at its default range."""
_PATIENCE = 60.0  # seconds after which no further query of a dashboard begins
_REPETITIONS, _BUDGET = 3, 10.0
_SLOWEST = 5
_TURNS = 5
_DAYS = (1, 7, 30)
_YOUNG = "young"
"""A database of one day, beside the other."""
_KEPT = {"1m": 90 * 24, "1h": 2 * 365 * 24}  # hours, as aresmon.yml has them by default


@dataclass(frozen=True, slots=True)
class Size:
    """A database: hosts, days of points, of how many days (the newest) the raw points and those of `1m` are there,
    and of how many these were downsampled; the others are written as the downsampling would leave them."""

    hosts: int
    days: int = 30
    raw: int = 30
    downsampled: int = 30

    @property
    def names(self) -> list[str]:
        return [f"host-{number:02}" for number in range(self.hosts)]

    def words(self) -> str:
        """What is in the database, for the table's note."""
        said = f"{self.hosts} hosts, {self.days} days"
        if self.raw < self.days:
            said += f"; raw points and those of `1m` of the newest {self.raw}, before that of `1h` alone"
        if self.downsampled < self.days:
            said += f"; {self.downsampled} days downsampled, older points of `1m` and `1h` written as that leaves them"
        return said


FULL = (Size(3, downsampled=2), Size(30, raw=1, downsampled=1))


@dataclass(frozen=True, slots=True)
class Time:
    """A dashboard at a range on a policy: its queries in turn, and seconds with six at a time, 0 where not tried."""

    opening: Opening
    together: float


@dataclass(frozen=True, slots=True)
class Look:
    """A dashboard at a range, in seconds; `raw` is None where the raw points do not reach back so far."""

    board: Board
    span: int
    policy: str
    chosen: Time
    raw: Time | None


@dataclass(frozen=True, slots=True)
class Age:
    """A dashboard's default range: seconds in a database of one day, and in the whole one."""

    board: str
    young: float
    old: float


@dataclass(slots=True)
class Work:
    """What it took to fill the database: how many and seconds, by kind; the longest statement."""

    done: dict[str, tuple[int, float]] = field(default_factory=dict)
    longest: tuple[float, str] = (0.0, "")
    halved: int = 0
    sizes: dict[str, int] = field(default_factory=dict)

    def note(self, kind: str, number: int, took: float) -> None:
        """Some more of a kind."""
        before = self.done.get(kind, (0, 0.0))
        self.done[kind] = before[0] + number, before[1] + took


def measure(sizes: Sequence[Size] = FULL) -> str:
    """The tables, the verdicts and the slowest queries, as Markdown."""
    return "\n".join(_measure(size) for size in sizes)


def _measure(size: Size) -> str:
    tell(f"filling a database: {size.words()}")
    work, boards = Work(), _boards(size.names)
    today = int(time.time()) // DAY
    with influxdb("dashboards") as scratch, ExitStack() as stack:
        lines = [stack.enter_context(closing(scratch.line(DATABASE))) for _ in range(AT_A_TIME)]
        young = stack.enter_context(closing(scratch.line(_YOUNG)))
        _prepare(lines[0], size, today)
        _prepare(young, replace(size, days=1), today)
        month.write(scratch, month.make_day(month.views()), database=_YOUNG, hosts=size.names, days=[today - 1])
        _fill(scratch, size, today, work)
        scratch.rest()
        work.sizes = {policy: scratch.size(DATABASE, policy) for policy in ("raw", "1m", "1h")}
        ages = [_age(lines[0], young, board, today * DAY) for board in boards]
        looks = [
            _look(lines, board, span, today * DAY, size)
            for board in boards
            for span in sorted({board.since, *(days * DAY for days in _DAYS if days <= size.days)})
        ]
    return _told(size, work, looks, ages)


def _boards(hosts: Sequence[str]) -> list[Board]:
    """A host's dashboard, those of collectors and the fleet's, as they are rendered."""
    collect = ", ".join(COLLECT)
    text = "".join(f"  {host}: {{collect: [{collect}]}}\n" for host in hosts)
    files = dashboards(model.load(f"site: bench\nhosts:\n{text}", collectors.load()), month.views())
    own = f"{PATH}/hosts/{hosts[0]}.json"
    found = [read_board("one host", files[own], hosts[0])]
    for path in sorted(path for path in files if "/hosts/" not in path):
        name = path.removeprefix(f"{PATH}/").removesuffix(".json")
        found.append(read_board("the fleet" if name == "fleet" else f"`{name}`, all hosts", files[path], ".*"))
    return found


# Filling ---------------------------------------------------------------------------------------------


def _prepare(line: Line, size: Size, today: int) -> None:
    """The database and its policies as `up` makes them, raw points being kept as long as they are wanted here."""
    line.tell(influxql.create_database(line.database, (size.raw + 2) * 24))
    line.tell(*(influxql.create_policy(line.database, policy, hours) for policy, hours in _KEPT.items()))
    line.tell(influxql.create_policy(line.database, downsampling.FOREVER_POLICY, units.FOREVER))
    hosts = downsampling.host_points((host, host) for host in size.names)
    pushed = (HostEvent(host, "push", "pushed", "its data arrives") for host in size.names)
    pushes = [event.line((today - day) * DAY - HOUR) for event in pushed for day in range(size.days)]
    line.write("\n".join((downsampling.tier_points(), hosts, *pushes)).encode(), downsampling.FOREVER_POLICY)


def _fill(scratch: Scratch, size: Size, today: int, work: Work) -> None:
    """Write the days and downsample them as `up` does where points were there before their tiers."""
    ages = range(size.days)  # 0 is yesterday
    _write(scratch, "raw", size, [today - 1 - age for age in ages if age < size.raw], work)
    for tier in downsampling.TIERS:
        days = [today - 1 - age for age in ages if age < size.downsampled]
        ready = [age for age in ages if age >= size.downsampled and (tier.policy == "1h" or age < size.raw)]
        ones = [one for one in downsampling.downsamplings(month.views()) if one.tier == tier]
        piece = backfill.FIRST_PIECE[tier.policy]
        with closing(scratch.line(DATABASE)) as line:
            took = sum(
                _downsample(line, one, work, since=start, until=start + piece)
                for day in days
                for one in ones
                for start in range(day * DAY, (day + 1) * DAY, piece)
            )
        if days:
            work.note(f"days downsampled into `{tier.policy}`", len(days), took)
        _write(scratch, tier.policy, size, [today - 1 - age for age in ready], work)


def _write(scratch: Scratch, policy: str, size: Size, days: Sequence[int], work: Work) -> None:
    if days:
        day = month.make_day(month.views(), policy)
        begun = time.monotonic()
        month.write(scratch, day, database=DATABASE, hosts=size.names, days=days)
        values = day.values * len(day.intervals) * size.hosts * len(days)
        work.note(f"values written into `{policy}`", values, time.monotonic() - begun)
        tell(f"{len(days)} days of `{policy}` are written")


def _downsample(line: Line, one: Downsampling, work: Work, *, since: int, until: int) -> float:
    """Seconds that it took; what InfluxDB ends after half a minute is done again in halves."""
    answer = line.ask(one.backfill_statement(since, until))
    work.longest = max(work.longest, (answer.seconds, f"`{one.measurement.name}` into `{one.tier.policy}`"))
    if not answer.error:
        return answer.seconds
    if "timeout" not in answer.error or until - since <= HOUR:
        raise RuntimeError(f"{one.name} failed after {answer.seconds:.1f} s: {answer.error}")
    work.halved += 1
    middle = (since + until) // 2 // HOUR * HOUR
    parts = ((since, middle), (middle, until))
    return answer.seconds + sum(_downsample(line, one, work, since=begin, until=end) for begin, end in parts)


# Asking ----------------------------------------------------------------------------------------------


def _age(old: Line, young: Line, board: Board, until: int) -> Age:
    """Both in turns, so that whatever else the machine does falls on both alike."""
    spent: dict[Line, list[float]] = {young: [], old: []}
    for _ in range(_TURNS):
        for line, several in spent.items():
            one = ask(line, board, policy=policy_for(board.since), since=until - board.since, until=until)
            several.append(one.seconds())
    return Age(board.name, *(statistics.median(several) for several in spent.values()))


def _look(lines: Sequence[Line], board: Board, span: int, until: int, size: Size) -> Look:
    tell(f"{board.name}, {_range(span)}")
    policy = policy_for(span) if board.tiers else "raw"
    raw = _time(lines, board, "raw", span, until) if span <= size.raw * DAY else None
    chosen = raw if policy == "raw" and raw is not None else _time(lines, board, policy, span, until)
    return Look(board, span, policy, chosen, raw)


def _time(lines: Sequence[Line], board: Board, policy: str, span: int, until: int) -> Time:
    openings: list[Opening] = []
    together: list[float] = []
    begun = time.monotonic()
    for turn in range(_REPETITIONS):
        if turn and time.monotonic() - begun > _BUDGET:
            break
        one = ask(lines[0], board, policy=policy, since=until - span, until=until, limit=_PATIENCE)
        openings.append(one)
        if not one.whole:
            break
        together.append(ask_as_grafana(lines, board, policy=policy, since=until - span, until=until))
    return Time(middle(openings), statistics.median(together) if together else 0.0)


# Telling ---------------------------------------------------------------------------------------------


def _told(size: Size, work: Work, looks: Sequence[Look], ages: Sequence[Age]) -> str:
    usual = [one for one in looks if one.span == one.board.since]
    parts = (
        f"**{size.words()}.**\n",
        _openings(looks),
        _ages(size, ages),
        *(_usual(one) for one in usual),
        _slowest(usual, "at the default ranges"),
        _slowest(looks, "at any range, on the policy that the tiers choose"),
        _filling(work),
    )
    return "\n".join(parts)


def _openings(looks: Sequence[Look]) -> str:
    header = (
        "dashboard, range", "queries", "raw alone, in turn", "six at a time", "answers", "policy", "in turn",
        "six at a time", "answers", "raw / policy", "unfolded, raw alone", "unfolded",
    )  # fmt: skip
    rows = []
    for one in looks:
        raw = _times(one.raw, one.board) if one.raw else ("not there",) * 4
        ours = _times(one.chosen, one.board)
        ratio = "-"
        if one.raw and one.raw.opening.whole and one.chosen.opening.whole:
            ratio = f"{one.raw.opening.seconds() / one.chosen.opening.seconds():.1f}"
        name = f"{one.board.name}, {_range(one.span)}{' (default)' if one.span == one.board.since else ''}"
        queries = f"{len(one.board.shown())} of {len(one.board.queries)}"
        policy = f"`{one.policy}`" if one.raw or one.policy != "raw" else "`raw`, as far as it is kept"
        rows.append((name, queries, *raw[:3], policy, *ours[:3], ratio, raw[3], ours[3]))
    return table(header, rows)


def _times(of: Time, board: Board) -> tuple[str, str, str, str]:
    """In turn, six at a time, bytes; in turn with everything unfolded."""
    opening = of.opening
    if not opening.whole:
        some = f"after {seconds(opening.seconds(folded=True))}, {len(opening.asked)} of {len(board.queries)} asked"
        return some, "-", "-", "-"
    given_up = f", {opening.errors()} given up" if opening.errors() else ""
    together = seconds(of.together) if of.together else "-"
    return (
        f"{seconds(opening.seconds())}{given_up}",
        together,
        mib(opening.size()),
        seconds(opening.seconds(folded=True)),
    )


def _ages(size: Size, ages: Sequence[Age]) -> str:
    rows = [(one.board, seconds(one.young), seconds(one.old), f"{one.old / one.young:.2f}") for one in ages]
    return table(("default range, in a database of", "1 day", f"{size.days} days", "ratio"), rows)


def _usual(one: Look) -> str:
    """Whether the aim is held, and which panel costs most."""
    opening = one.chosen.opening
    empty = sorted({asked.query.panel for asked in opening.asked if asked.is_empty})
    nothing = f" Nothing was there for {', '.join(empty)}." if empty else ""
    panels: dict[str, float] = {}
    for asked in opening.asked:
        if not asked.query.folded:
            panels[asked.query.panel] = panels.get(asked.query.panel, 0.0) + asked.seconds
    costs, panel = max((took, name) for name, took in panels.items())
    held = verdict(measured=opening.seconds(), aim=AIM)
    return (
        f"{one.board.name.capitalize()}, {_range(one.span)}: target under {AIM:.0f} s in turn; {held}, "
        f"{seconds(opening.seconds())}. Most of it: *{panel}*, {seconds(costs)}.{nothing}\n"
    )


def _slowest(looks: Sequence[Look], where: str) -> str:
    every = [(asked, one) for one in looks for asked in one.chosen.opening.asked]
    every.sort(key=lambda pair: -pair[0].seconds)
    rows = [
        (f"*{asked.query.panel}*, {one.board.name}, {_range(one.span)}", seconds(asked.seconds), mib(asked.size))
        for asked, one in every[:_SLOWEST]
    ]
    return table((f"the slowest queries {where}", "time", "answer"), rows)


def _filling(work: Work) -> str:
    rows: list[tuple[object, ...]] = [
        (kind, count(number), seconds(took), _speed(kind, number, took)) for kind, (number, took) in work.done.items()
    ]
    rows += [(f"bytes on disk of `{policy}`", mib(size), "", "") for policy, size in work.sizes.items()]
    longest = f"The longest statement of the downsampling of a day: {work.longest[1]}, {seconds(work.longest[0])}"
    return (
        table(("filling the database", "", "time", ""), rows)
        + f"\n{longest}; InfluxDB ends what takes 30 s, which it did {work.halved} times.\n"
    )


def _speed(kind: str, number: int, took: float) -> str:
    return f"{seconds(took / number)} a day" if kind.startswith("days") else f"{count(number / took)} a second"


def _range(span: int) -> str:
    """`15 min`, `6 h`, `7 d`"""
    if span < HOUR:
        return f"{span // 60} min"
    return f"{span // HOUR} h" if span <= DAY else f"{span // DAY} d"
