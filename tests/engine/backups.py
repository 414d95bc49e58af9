"""What the tests of backups and restores share: a site with all kinds of points, and tampering with archives."""

from __future__ import annotations

import dataclasses
import io
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aresmon.backup import archive as backup_archive
from aresmon.backup.archive import ArchiveMember, Days, hash_member
from aresmon.backup.checksums import DAY
from aresmon.influxdb import influxql
from tests.engine.grafanas import grafana_for
from tests.engine.sites import DATABASE, Site, site_in
from tests.engine.test_interruptions import read_until

Points = dict[tuple[str, str], set[tuple[object, ...]]]


@contextmanager
def filled_site(folder: Path, **settings: Any) -> Iterator[Site]:
    """A running site with a stand-in for Grafana, and points of every kind, some of them days old."""
    with site_in(folder, **settings) as site, grafana_for(site):
        # As `init` writes it: with an authority of its own, whose files each have their owner.
        site.configure(edge={"agents": site.agents, "grafana": site.grafana, "tls": "site"})
        started = site.run("up")
        assert started.code == 0, started
        fill(site)
        note(site, "before")
        yield site


def fill(site: Site) -> None:
    """Numbers, whole numbers, truths and texts, with and without tags, in several policies, on four days."""
    now = int(time.time())
    times = [now - minute * 60 for minute in range(0, 3 * 1440, 7)]
    lines = [f"cpu,host=box,cpu=cpu{at % 2} usage={at % 97}.5,n={at}i,odd={at % 2 == 1} {at}" for at in times]
    lines += [f'said,host=box text="ä\\"b {at % 5}" {at}' for at in times]
    lines += [f"untagged value={at % 13} {at}" for at in times]
    site.influxdb.write("\n".join(lines), database=DATABASE, policy="raw")
    old = [now // DAY * DAY - day * DAY for day in range(40)]
    for policy in ("1m", "1h"):
        points = "\n".join(f"cpu,host=box usage={at % 89}.25 {at}" for at in old)
        site.influxdb.write(points, database=DATABASE, policy=policy)


def points(site: Site) -> Points:
    """Every point of the database by policy and measurement, but those that aresmon tells the dashboards, and those of
    which continuous queries may make others at any moment."""
    (policies,) = site.influxdb.query(f"SHOW RETENTION POLICIES ON {DATABASE}")
    found: Points = {}
    for policy in (row["name"] for series in policies for row in series.rows):
        for series in site.query(f"SELECT * FROM {influxql.identifier(policy)}./.*/ GROUP BY *"):
            if not series.name.startswith(("aresmon_", "internal_")):
                place = found.setdefault((policy, series.name), set())
                # A tag that other series of the measurement have is empty, as soon as there is such a series.
                tags = sorted((key, value) for key, value in series.tags.items() if value)
                place |= {(*tags, *_values(row)) for row in series.rows}
    return found


def _values(row: Mapping[str, object]) -> list[tuple[str, object]]:
    """The fields of a point; columns of other measurements in the same answer have nothing in them."""
    return sorted((name, value) for name, value in row.items() if value is not None)


def note(site: Site, text: str) -> None:
    """Put a text into Grafana's database, to be found again by `noted`."""
    with closing(sqlite3.connect(site.folder / "data/grafana/grafana.db")) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS note (text TEXT)")
        database.execute("INSERT INTO note VALUES (?)", (text,))


def noted(site: Site) -> list[str]:
    with closing(sqlite3.connect(site.folder / "data/grafana/grafana.db")) as database:
        return [str(row[0]) for row in database.execute("SELECT text FROM note ORDER BY rowid")]


def archives(site: Site) -> list[Path]:
    """The archives in the site's own folder for them, the newest last."""
    return sorted((site.folder / "data/backups").glob("*.tar"))


def backed_up(site: Site) -> Path:
    """Make a backup, which must succeed; its archive."""
    before = set(archives(site))
    while not before.isdisjoint({archive_name_now(site)}):
        time.sleep(0.1)
    result = site.run("backup")
    assert result.code == 0, result
    (made,) = set(archives(site)) - before
    return made


def archive_name_now(site: Site) -> Path:
    """Where a backup that begins in this second goes."""
    return site.folder / "data/backups" / f"{site.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"


def killed_at(site: Site, word: str, *arguments: str) -> str:
    """Kill aresmon as soon as it says this word; what it had said."""
    process = site.start(*arguments)
    try:
        return read_until(process, word)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{process.stderr.read() if process.stderr else ''}") from None
    finally:
        process.kill()
        process.communicate()


def rewritten(
    archive: Path,
    target: Path,
    change: Callable[[dict[str, bytes]], Mapping[str, bytes]],
    *,
    days: Days | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """A copy whose members were changed by somebody who knows its format: the hashes are right again.

    `days` are told instead of what the archive says of its points, and `origin` of where it comes from.
    """
    with tarfile.open(archive) as tar:
        contents = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    said = backup_archive.decode_manifest(contents.pop(backup_archive.NAME))
    changed = change(contents)
    folder = target.with_suffix(".parts")
    members: list[ArchiveMember] = []
    for name, body in changed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
        members.append(hash_member(name, folder / name))
    said = dataclasses.replace(
        said,
        members=tuple(members),
        days=said.days if days is None else days,
        origin=dataclasses.replace(said.origin, **(origin or {})),
    )
    with tarfile.open(target, "w") as tar:
        for name, body in {backup_archive.NAME: backup_archive.encode_manifest(said), **changed}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return target
