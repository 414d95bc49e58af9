"""What an examination works from: what was seen, as plain values. Sizes are in bytes, times in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aresmon.backup.record import BackupRecord
from aresmon.config.model import ListenAddress
from aresmon.influxdb.capacity import Capacity


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The Docker engine. `apart` is by how many seconds its clock is ahead of this process's; `compose` is empty where
    there is none; `memory` is its machine's; `bounds_logs` is None where its settings cannot be read."""

    version: str
    storage: str
    live_restore: bool
    log_driver: str
    bounds_logs: bool | None
    warnings: tuple[str, ...]
    root: str
    memory: int
    apart: float
    compose: str


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """This machine. `at_boot` is systemd's word on docker.service, `synchronised` its word on the clock; both are
    empty where systemd does not run. `socket_mode` is that of the engine's socket, 0 where there is none."""

    at_boot: str
    synchronised: str
    memory: int
    available: int
    socket_mode: int
    listening: tuple[ListenerFacts, ...]


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """A TCP port of this machine on which somebody listens; `by` is who, empty where it cannot be seen."""

    at: ListenAddress
    by: str = ""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A container of the stack. `wanted` are the images that serve, the pinned one first; none where it is not ours to
    choose."""

    name: str
    state: str
    image: str
    wanted: tuple[str, ...]
    restart: str
    restarts: int
    out_of_memory: bool
    memory_limit: int
    bounds_log: bool
    published: frozenset[str]
    is_leftover: bool = False


@dataclass(frozen=True, slots=True)
class StackFacts:
    """The containers of the site, and the ports that aresmon.yml wants published, by setting."""

    services: tuple[ServiceFacts, ...]
    wanted: Mapping[str, ListenAddress]


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The filesystem of one of the site's folders. `device` tells one filesystem from another; `growth` is what was
    used more a day lately, by the server's own points, None where they do not tell."""

    what: str
    folder: str
    device: int
    total: int
    free: int
    inodes: int
    inodes_free: int
    writable: bool
    setting: str
    growth: float | None = None


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A file with a secret in it. `owner` is the user id it has, `wanted` the one it should have, None where any will
    do; `readable` is whether this process may read it."""

    path: str
    mode: int
    owner: int
    wanted: int | None
    readable: bool


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """The site's folder. `tracked` are files of .aresmon that git has, `told` are secrets' names with the files in
    which their values stand; `leftovers` are what interrupted commands left, or kept aside; `unfinished` is what was
    begun and goes on with a command, with that command."""

    root: str
    writable: bool
    has_state: bool
    in_git: bool
    ignored: bool
    secrets: tuple[SecretFacts, ...]
    tracked: tuple[str, ...]
    told: tuple[tuple[str, str], ...]
    leftovers: tuple[str, ...]
    failures: tuple[str, ...]
    socket: SocketFacts | None = None
    unfinished: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SocketFacts:
    """InfluxDB's socket: whether it is there, and the mode of the folder that keeps others out."""

    exists: bool
    folder_mode: int


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What `up` would do now. `version` is the aresmon that rendered the bundle, empty where there is none."""

    version: str
    edited: tuple[str, ...]
    changed: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What `up` would change in the database, as a person reads it, and continuous queries that are not ours."""

    changes: tuple[str, ...]
    coarser: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """Series of one host in one measurement. `is_least`: InfluxDB stopped counting there. `before` is how many of them
    were there a day earlier and `now` how many are there now, in an hour each; None where that was not asked."""

    host: str
    measurement: str
    count: int
    is_least: bool = False
    before: int | None = None
    now: int | None = None


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is in the database. `tags` are the values of each tag of the host and measurement with the most series;
    `ahead` is by how many seconds a host's newest point is ahead of now, negative if it is behind by the clock and not
    by silence; `versions` are the agents'."""

    capacity: Capacity
    series: tuple[SeriesCount, ...]
    tags: Mapping[str, int]
    ahead: Mapping[str, float]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PushFacts:
    """How the last push to each host ended, and why; empty for a host that was never pushed to."""

    last: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host that was visited. `trouble` and `next` are why it could not be looked at; `apart` is by how many seconds
    its clock is ahead."""

    name: str
    trouble: str = ""
    next: str = ""
    active: str = ""
    version: str = ""
    apart: float = 0.0
    drifted: tuple[str, ...] = ()
    pending: str = ""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What is known of the site's backups. `at` is now, `due` how many seconds may pass between two of them, 0 where
    they are made by hand alone; `passphrase` is the mark of the one in use, empty where there is none yet."""

    record: BackupRecord
    at: float
    due: float
    passphrase: str
