"""What the probes of `doctor` return, as plain values. Sizes are in bytes, times in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aresmon.backup.record import BackupRecord
from aresmon.config.listen import ListenAddress
from aresmon.influxdb.capacity import Capacity


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The Docker engine. `clock_offset` is in seconds, positive if its clock is ahead of this process's; `compose` is
    its version, empty if not installed; `memory` is the machine's; `limits_logs` is None if its settings cannot be
    read."""

    version: str
    storage: str
    live_restore: bool
    log_driver: str
    limits_logs: bool | None
    warnings: tuple[str, ...]
    root: str
    memory: int
    clock_offset: float
    compose: str


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """This machine. `at_boot` is the UnitFileState of docker.service and `synchronised` is NTPSynchronized, both as
    systemd reports them and empty without systemd. `socket_mode` is that of the engine's socket, 0 without one."""

    at_boot: str
    synchronised: str
    memory: int
    available: int
    socket_mode: int
    listening: tuple[ListenerFacts, ...]


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """A TCP port on which a process of this machine listens; `by` names the process, empty if unknown."""

    at: ListenAddress
    by: str = ""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A container of the stack. `expected_images` are the accepted images, the pinned one first; empty for a service
    of overrides/."""

    name: str
    state: str
    image: str
    expected_images: tuple[str, ...]
    restart: str
    restarts: int
    out_of_memory: bool
    memory_limit: int
    limits_log: bool
    published: frozenset[str]
    is_leftover: bool = False


@dataclass(frozen=True, slots=True)
class StackFacts:
    """The containers of the site, and the addresses that aresmon.yml publishes, by setting."""

    services: tuple[ServiceFacts, ...]
    configured_ports: Mapping[str, ListenAddress]


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The filesystem of one of the site's folders. `device` identifies the filesystem; `growth` is the recent increase
    of used space in bytes a day, from the server's own metrics, None if unknown."""

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
    """A file with a secret in it. `owner` is its user ID, `expected_owner` the one it should have, None for any;
    `readable` is whether this process may read it."""

    path: str
    mode: int
    owner: int
    expected_owner: int | None
    readable: bool


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """The site's folder. `tracked` are files of .aresmon that git tracks; `exposed` are the names of secrets, each with
    a file that contains its value; `leftovers` are files of interrupted commands, or set aside; `unfinished` are
    interrupted operations, each with the command that completes it."""

    root: str
    writable: bool
    has_state: bool
    in_git: bool
    ignored: bool
    secrets: tuple[SecretFacts, ...]
    tracked: tuple[str, ...]
    exposed: tuple[tuple[str, str], ...]
    leftovers: tuple[str, ...]
    failures: tuple[str, ...]
    socket: SocketFacts | None = None
    unfinished: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SocketFacts:
    """InfluxDB's socket: whether it exists, and the mode of the folder that restricts access to it."""

    exists: bool
    folder_mode: int


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What `up` would do now. `version` is that of the aresmon that rendered the bundle, empty without a bundle."""

    version: str
    edited: tuple[str, ...]
    changed: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What `up` would change in the database, in words, and the continuous queries that aresmon does not manage."""

    changes: tuple[str, ...]
    downsampling_changes: tuple[str, ...]
    unmanaged_queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """Series of one host in one measurement. `is_minimum`: InfluxDB stopped counting at this number. `now` is how many
    had points in the last hour and `before` how many in the same hour a day earlier; None if not queried."""

    host: str
    measurement: str
    count: int
    is_minimum: bool = False
    before: int | None = None
    now: int | None = None


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is in the database. `tags` counts the values of each tag of the host and measurement with the most series;
    `clock_offsets` are seconds by which each host's newest point is ahead of now, negative if its clock is behind;
    `versions` are the agents'."""

    capacity: Capacity
    series: tuple[SeriesCount, ...]
    tags: Mapping[str, int]
    clock_offsets: Mapping[str, float]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PushFacts:
    """The outcome of the last push to each host, and the reason; no entry for a host without a push."""

    last: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host that was visited over ssh. `error` and `next` say why it could not be checked; `active` is the agent's
    unit state; `clock_offset` is in seconds, positive if its clock is ahead."""

    name: str
    error: str = ""
    next: str = ""
    active: str = ""
    version: str = ""
    clock_offset: float = 0.0
    drifted: tuple[str, ...] = ()
    pending: str = ""
    damaged: str = ""
    restarts: str = ""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The record of the site's backups. `at` is now; `max_age` is the age in seconds above which the last backup is
    overdue, 0 without a schedule; `passphrase` is the fingerprint of the one in use, empty if there is none yet."""

    record: BackupRecord
    at: float
    max_age: float
    passphrase: str
