"""Checks of the database's contents, InfluxDB's log, the agents and the pushes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from aresmon.config.model import Config
from aresmon.doctor.facts import DatabaseFacts, DataFacts, HostFacts, PushFacts, SeriesCount
from aresmon.doctor.findings import Finding
from aresmon.push import enroll
from aresmon.push.result import describe_damaged, is_good
from aresmon.system.git import format_names, without_escapes

_MANY, _FAR_TOO_MANY = 100_000, 1_000_000
# An agent with a hundred containers has a few thousand series, which is normal.
_SUSPICIOUS, _FAR_ABOVE = 5_000, 5
_FLOOD = 20_000
_GROWN, _GROWN_BY = 1.5, 500
_MAX_CLOCK_OFFSET = 5.0  # seconds; timestamps are whole seconds, and points take a while to arrive
_HIDES_SILENCE = 60.0
_DIRE = ("corrupt", "panic", "failed to open", "no space left", "read-only file system", "input/output error")


def database(seen: DatabaseFacts) -> Iterator[Finding]:
    """Compare the database's policies, users and continuous queries with the site's file."""
    for change in seen.changes:
        yield Finding("database-differs", f"`up` would {change}")
    for change in seen.downsampling_changes:
        kind = "downsampling" if "downsampl" in change else "database-differs"
        yield Finding(kind, f"`up` would {change}")
    for name in seen.unmanaged_queries:
        yield Finding("downsampling-unknown", f"aresmon does not manage the continuous query {without_escapes(name)}")


def series(seen: DataFacts) -> Iterator[Finding]:
    """Check the number of series, in total and by host."""
    total = seen.capacity.series
    if total > _MANY:
        what = f"there are {total} series"
        yield Finding("series-many", what, _largest(seen.series), "bad" if total > _FAR_TOO_MANY else "warning")
    floods = flooding(seen.series)
    for one in floods:
        yield _flood(one, seen.tags if one == worst(seen.series) else {})
    for one in seen.series:
        if one.now is not None and one.before is not None and _has_grown(one.before, one.now) and one not in floods:
            what = f"{one.host}: {one.measurement} has {one.now} series now, and had {one.before} a day ago"
            yield Finding("series-growing", what)


def flooding(counts: Sequence[SeriesCount]) -> list[SeriesCount]:
    """Return, for each host with far more series than the others, its measurement with the most series."""
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
    """Return the host and measurement with the most series; None if there are none."""
    return max(counts, key=lambda one: one.count, default=None)


def clocks(seen: DataFacts) -> Iterator[Finding]:
    """Check the hosts' clocks by the timestamps of their newest points."""
    for host, offset in sorted(seen.clock_offsets.items()):
        if offset > _MAX_CLOCK_OFFSET:
            what = f"{host}: its points are dated {offset:.0f} s in the future: its clock is ahead"
            yield Finding("clock-host", what, severity="bad" if offset > _HIDES_SILENCE else None)
        elif offset < -_MAX_CLOCK_OFFSET:
            yield Finding("clock-host", f"{host}: its new points are dated {-offset:.0f} s ago: its clock is behind")


def versions(seen: Mapping[str, str]) -> Iterator[Finding]:
    """Check the agents' Telegraf versions, given by host."""
    oldest = ".".join(map(str, enroll.OLDEST))
    for host, version in sorted(seen.items()):
        if version and enroll.version(version) < enroll.OLDEST:
            what = f"{host} has Telegraf {without_escapes(version)}; the oldest supported version is {oldest}"
            yield Finding("agent-old", what)
    hosts_of: dict[str, list[str]] = {}
    for host, version in sorted(seen.items()):
        hosts_of.setdefault(version, []).append(host)
    if len(hosts_of) > 1:
        versions_text = "; ".join(
            f"{without_escapes(one)}: {format_names(hosts)}" for one, hosts in sorted(hosts_of.items())
        )
        yield Finding("agents-differ", f"the agents have {len(hosts_of)} versions: {versions_text}")


def log(lines: Sequence[str]) -> Iterator[Finding]:
    """Report each distinct error in InfluxDB's log once, with its count."""
    counted: Counter[str] = Counter()
    for line in lines:
        if message := error_of(line):
            counted[message] += 1
    for message, times in counted.most_common(10):
        is_dire = any(word in message.lower() for word in _DIRE)
        often = f" ({times} times)" if times > 1 else ""
        yield Finding("influxdb-log", f"InfluxDB logged{often}: {message}", severity="bad" if is_dire else None)


def error_of(line: str) -> str:
    """Return the error in a line of InfluxDB's log, without timestamps and IDs; empty for other lines.

    Such a line is `ts=… lvl=error msg="…" log_id=… error="…"`; a crash starts with `panic:` or `fatal error:`.
    """
    text = line.partition(" ")[2] if re.match(r"\d{4}-\d\d-\d\dT\S+ ", line) else line
    if text.startswith(("panic:", "fatal error:")):
        return without_escapes(text.strip())[:200]
    if "lvl=error" not in text and "lvl=panic" not in text and "lvl=fatal" not in text:
        return ""
    fields = re.findall(r'\b(msg|error|name|path|db_shard_id)=("(?:[^"\\]|\\.)*"|\S+)', text)
    values = [value[1:-1].replace('\\"', '"') if value.startswith('"') else value for _, value in fields]
    return without_escapes(": ".join(values) or text.strip())[:200]


def pushes(seen: PushFacts, config: Config) -> Iterator[Finding]:
    """Check the outcome of the last push to each host."""
    for host in config.hosts:
        outcome, why = seen.last.get(host.name, ("", ""))
        if outcome and not is_good(outcome):
            what = f"the last push to {host.name} did not succeed ({outcome})" + (
                f": {without_escapes(why)}" if why else ""
            )
            yield Finding("push-failed", what, f"`aresmon push-config {host.name}`")
        elif not outcome and host != config.sidecar:
            what = f"no configuration has been deployed to {host.name} from here"
            yield Finding("push-never", what, f"`aresmon push-config {host.name}`")


def hosts(seen: Sequence[HostFacts], config: Config) -> Iterator[Finding]:
    """Check what the visits to the hosts found."""
    for one in seen:
        is_sidecar = config.sidecar is not None and one.name == config.sidecar.name
        log = "`aresmon logs telegraf`" if is_sidecar else f"on {one.name}: `journalctl -u telegraf -n 50`"
        if one.error:
            yield Finding("host-unreachable", one.error, one.next or f"run `ssh {one.name}` to see the same error")
            continue
        if one.restarts:
            yield Finding("host-agent", f"{one.name}: {one.restarts}", log)
        elif one.active != "active":
            what = f"{one.name}: the agent is {one.active or 'not installed'}"
            yield Finding("host-agent", what, "`aresmon up`" if is_sidecar else f"`aresmon push-config {one.name}`")
        if one.pending:
            what = f"{one.name}: a push ({one.pending}) is in progress, or was interrupted"
            yield Finding("host-drift", what, f"`aresmon push-config {one.name}`")
        if one.damaged:
            what = f"{one.name}: {describe_damaged(one.damaged)}"
            yield Finding("host-drift", what, f"`aresmon push-config {one.name}`")
        if one.drifted:
            what = f"{one.name}: edited since the last push: {format_names(one.drifted)}"
            yield Finding("host-drift", what, f"`aresmon drift {one.name}` shows the differences")
        if abs(one.clock_offset) > 2:
            side = "ahead of" if one.clock_offset > 0 else "behind"
            yield Finding("clock-host", f"{one.name}: its clock is {abs(one.clock_offset):.0f} s {side} this machine's")


def _flood(one: SeriesCount, tags: Mapping[str, int]) -> Finding:
    many = f"{'at least ' if one.is_minimum else ''}{one.count}"
    tag = max((name for name in tags if name != "host"), key=lambda name: tags[name], default="")
    named = f"; its tag {without_escapes(tag)} has {tags[tag]} values or more" if tag else ""
    grown = (
        f", {one.now} in the last hour and {one.before} in the same hour yesterday" if one.before is not None else ""
    )
    setting = f'tagexclude = ["{without_escapes(tag)}"]' if tag else "tagexclude"
    return Finding(
        "series-host",
        f"{without_escapes(one.host)} has {many} series in {without_escapes(one.measurement)}{named}{grown}",
        f"exclude the tag: `{setting}` in that input of its configuration, then `aresmon push-config {one.host}`; "
        f"until then `aresmon hosts block {one.host}` stops its writes",
    )


def _largest(counts: Sequence[SeriesCount]) -> str:
    most = sorted(counts, key=lambda one: -one.count)[:3]
    text = ", ".join(f"{without_escapes(one.host)} {without_escapes(one.measurement)}: {one.count}" for one in most)
    return f"the largest are {text}" if text else ""


def _has_grown(before: int, now: int) -> bool:
    return now > _GROWN * before and now - before > _GROWN_BY
