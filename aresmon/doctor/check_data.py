"""What is wrong with what is in the database, with what InfluxDB says of itself, and with the agents that write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from aresmon.config.model import Config
from aresmon.doctor.facts import DatabaseFacts, DataFacts, HostFacts, PushFacts, SeriesCount
from aresmon.doctor.findings import Finding
from aresmon.push import enroll
from aresmon.push.result import GOOD
from aresmon.system.git import listed, plain

_MANY, _FAR_TOO_MANY = 100_000, 1_000_000
# What one host may have without a word: an agent with a hundred containers has a few thousand.
_SUSPICIOUS, _FAR_ABOVE = 5_000, 5
_FLOOD = 20_000
_GROWN, _GROWN_BY = 1.5, 500
_APART = 5.0  # seconds; points carry whole ones, and take a while to arrive
_HIDES_SILENCE = 60.0
_DIRE = ("corrupt", "panic", "failed to open", "no space left", "read-only file system", "input/output error")


def database(seen: DatabaseFacts) -> Iterator[Finding]:
    """The database against the site's file."""
    for change in seen.changes:
        yield Finding("database-differs", f"`up` would {change}")
    for change in seen.coarser:
        kind = "downsampling" if "downsampl" in change else "database-differs"
        yield Finding(kind, f"`up` would {change}")
    for name in seen.unknown:
        yield Finding("downsampling-unknown", f"the continuous query {plain(name)} is not one of ours")


def series(seen: DataFacts) -> Iterator[Finding]:
    """How many series there are, and whose they are."""
    total = seen.capacity.series
    if total > _MANY:
        what = f"there are {total} series"
        yield Finding("series-many", what, _whose(seen.series), "bad" if total > _FAR_TOO_MANY else "warning")
    floods = flooding(seen.series)
    for one in floods:
        yield _flood(one, seen.tags if one == worst(seen.series) else {})
    for one in seen.series:
        if one.now is not None and one.before is not None and _has_grown(one.before, one.now) and one not in floods:
            what = f"{one.host}: {one.measurement} has {one.now} series now and had {one.before} a day ago"
            yield Finding("series-growing", what)


def flooding(counts: Sequence[SeriesCount]) -> list[SeriesCount]:
    """Of each host that has far more series than the others, the measurement that has the most of them."""
    by_host: Counter[str] = Counter()
    for one in counts:
        by_host[one.host] += one.count
    found = []
    for host, total in by_host.items():
        others = [count for name, count in by_host.items() if name != host]
        usual = median(others) if others else _FLOOD / _FAR_ABOVE
        if total >= _FLOOD or (total >= _SUSPICIOUS and total >= _FAR_ABOVE * usual):
            found.append(max((one for one in counts if one.host == host), key=lambda one: one.count))
    return found


def worst(counts: Sequence[SeriesCount]) -> SeriesCount | None:
    """The host and measurement with the most series."""
    return max(counts, key=lambda one: one.count, default=None)


def clocks(seen: DataFacts) -> Iterator[Finding]:
    """Hosts whose points are not of now."""
    for host, ahead in sorted(seen.ahead.items()):
        if ahead > _APART:
            what = f"{host} writes points of {ahead:.0f} s ahead of now"
            yield Finding("clock-host", what, severity="bad" if ahead > _HIDES_SILENCE else None)
        elif ahead < -_APART:
            yield Finding("clock-host", f"{host} writes, and its points are {-ahead:.0f} s old: its clock is behind")


def versions(seen: Mapping[str, str]) -> Iterator[Finding]:
    """The agents' Telegrafs, by host."""
    oldest = ".".join(map(str, enroll.OLDEST))
    for host, told in sorted(seen.items()):
        if told and enroll.version(told) < enroll.OLDEST:
            yield Finding("agent-old", f"{host} has Telegraf {plain(told)}, and {oldest} is the oldest that serves")
    hosts_of: dict[str, list[str]] = {}
    for host, told in sorted(seen.items()):
        hosts_of.setdefault(told, []).append(host)
    if len(hosts_of) > 1:
        told_of = "; ".join(f"{plain(one)}: {listed(hosts)}" for one, hosts in sorted(hosts_of.items()))
        yield Finding("agents-differ", f"agents of {len(hosts_of)} versions: {told_of}")


def log(lines: Sequence[str]) -> Iterator[Finding]:
    """InfluxDB's own errors, each told once with how often it came."""
    counted: Counter[str] = Counter()
    for line in lines:
        if message := error_of(line):
            counted[message] += 1
    for message, times in counted.most_common(10):
        is_dire = any(word in message.lower() for word in _DIRE)
        often = f" ({times} times)" if times > 1 else ""
        yield Finding("influxdb-log", f"InfluxDB says{often}: {message}", severity="bad" if is_dire else None)


def error_of(line: str) -> str:
    """What a line of InfluxDB's log says, if it is an error; without what differs each time.

    Such a line is `ts=… lvl=error msg="…" log_id=… error="…"`; a crash of the program begins with `panic:`.
    """
    text = line.partition(" ")[2] if re.match(r"\d{4}-\d\d-\d\dT\S+ ", line) else line
    if text.startswith(("panic:", "fatal error:")):
        return plain(text.strip())[:200]
    if "lvl=error" not in text and "lvl=panic" not in text and "lvl=fatal" not in text:
        return ""
    fields = re.findall(r'\b(msg|error|name|path|db_shard_id)=("(?:[^"\\]|\\.)*"|\S+)', text)
    told = [value[1:-1].replace('\\"', '"') if value.startswith('"') else value for _, value in fields]
    return plain(": ".join(told) or text.strip())[:200]


def pushes(seen: PushFacts, config: Config) -> Iterator[Finding]:
    """How the last push to each host ended."""
    for host in config.hosts:
        outcome, why = seen.last.get(host.name, ("", ""))
        if outcome and outcome not in GOOD:
            what = f"the last push to {host.name} ended as {outcome}" + (f": {plain(why)}" if why else "")
            yield Finding("push-undone", what, f"`aresmon push-config {host.name}`")
        elif not outcome and host != config.sidecar:
            yield Finding(
                "push-never", f"{host.name} was never pushed to from here", f"`aresmon push-config {host.name}`"
            )


def hosts(seen: Sequence[HostFacts]) -> Iterator[Finding]:
    """What a visit to each host found."""
    for one in seen:
        if one.trouble:
            yield Finding("host-unreachable", one.trouble, one.next or f"`ssh {one.name}` asks the same")
            continue
        if one.active != "active":
            what = f"{one.name}: the agent is {one.active or 'not there'}"
            yield Finding("host-agent", what, f"`aresmon push-config {one.name}`")
        if one.pending:
            what = f"{one.name}: a push ({one.pending}) is under way, or was left in its middle"
            yield Finding("host-drift", what, f"`aresmon push-config {one.name}`")
        if one.drifted:
            what = f"{one.name}: edited since the last push: {listed(one.drifted)}"
            yield Finding("host-drift", what, f"`aresmon drift {one.name}` shows it")
        if abs(one.apart) > 2:
            side = "ahead of" if one.apart > 0 else "behind"
            yield Finding("clock-host", f"{one.name}: its clock is {abs(one.apart):.0f} s {side} this machine's")


def _flood(one: SeriesCount, tags: Mapping[str, int]) -> Finding:
    many = f"{'at least ' if one.is_least else ''}{one.count}"
    tag = max((name for name in tags if name != "host"), key=lambda name: tags[name], default="")
    named = f"; its tag {plain(tag)} has {tags[tag]} values or more" if tag else ""
    grown = f", {one.now} within the last hour and {one.before} within one a day ago" if one.before is not None else ""
    take_out = f'tagexclude = ["{plain(tag)}"]' if tag else "tagexclude"
    return Finding(
        "series-host",
        f"{plain(one.host)} has {many} series in {plain(one.measurement)}{named}{grown}",
        f"take the tag out: `{take_out}` in that input of its configuration, then `aresmon push-config {one.host}`; "
        f"until then `aresmon hosts block {one.host}` cuts it off",
    )


def _whose(counts: Sequence[SeriesCount]) -> str:
    most = sorted(counts, key=lambda one: -one.count)[:3]
    told = ", ".join(f"{plain(one.host)} {plain(one.measurement)}: {one.count}" for one in most)
    return f"the most are in {told}" if told else ""


def _has_grown(before: int, now: int) -> bool:
    return now > _GROWN * before and now - before > _GROWN_BY
