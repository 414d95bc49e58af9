"""Images from packages: InfluxDB and Telegraf as Go commands, HAProxy from the distribution.

What was compiled stays in the user's cache folder, so that a second build takes seconds. Go checks every
module against its public checksum database; the sums of the two commands are pinned here besides.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from aresmon.config import collectors, package_data
from aresmon.engine.docker import Engine
from aresmon.system import process
from aresmon.system.errors import AresmonError
from aresmon.system.progress import Progress

_HOUR = 3600.0
_ROOT_LOCK = threading.Lock()  # two images stand on the same root
_ROOT_TIME = "1700000000"  # mmdebstrap stamps every file with it: the same packages give the same image


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module and its checksum, as go.sum writes it."""

    path: str
    version: str
    checksum: str


INFLUXDB = Module("github.com/influxdata/influxdb", "v1.13.2", "h1:jwauUMQzyQIOfqZr90qsmlxVw/0MliHv3L7rsnUWsfo=")
# The last patch release of 1.39. Telegraf 1.40 needs Go 1.27, and its inputs.http_response needs version 1.8.4 of
# github.com/seancfoley/ipaddress-go, which the module proxy refused to serve in November 2026.
TELEGRAF = Module("github.com/influxdata/telegraf", "v1.39.3", "h1:SauZnzw7fZPkMNFq+GxazjPr7MyGl1/saEYxxKKvdyU=")
# Builds libflux, which influxd links, wherever a Go build asks pkg-config for it.
PKG_CONFIG = Module("github.com/influxdata/pkg-config", "v0.2.7", "h1:LPTCWmcPkyMryHHnf+STK/zVUjQ6OCvvOukSDlJLY9I=")

# Besides what the collectors name: our output, the agent's own sign of life, the marker of a push, and what a service
# of a small site is usually watched by, so that a collector for it needs no other image.
_PLUGINS = (
    *("outputs.influxdb", "outputs.file", "serializers.influx"),
    *("secretstores.docker", "secretstores.systemd"),
    *("parsers.csv", "parsers.grok", "parsers.influx", "parsers.json", "parsers.json_v2", "parsers.logfmt"),
    *("parsers.prometheus", "parsers.value"),
    *("processors.converter", "processors.dedup", "processors.enum", "processors.filter", "processors.override"),
    *("processors.pivot", "processors.regex", "processors.rename", "processors.starlark", "processors.strings"),
    # Reaching things.
    *("inputs.dns_query", "inputs.http_response", "inputs.net_response", "inputs.ping", "inputs.x509_cert"),
    # The machine.
    *("inputs.chrony", "inputs.conntrack", "inputs.exec", "inputs.fail2ban", "inputs.file", "inputs.filestat"),
    *("inputs.kernel", "inputs.mdstat", "inputs.mock", "inputs.nfsclient", "inputs.nftables", "inputs.ntpq"),
    *("inputs.openntpd", "inputs.procstat", "inputs.sensors", "inputs.smart", "inputs.smartctl"),
    *("inputs.systemd_units", "inputs.temp", "inputs.timex", "inputs.wireguard", "inputs.zfs"),
    # Web.
    *("inputs.apache", "inputs.nginx", "inputs.nginx_vts", "inputs.phpfpm", "inputs.prometheus", "inputs.varnish"),
    # Databases.
    *("inputs.elasticsearch", "inputs.memcached", "inputs.mongodb", "inputs.mysql", "inputs.postgresql"),
    *("inputs.postgresql_extensible", "inputs.redis", "inputs.redis_sentinel"),
    # Mail, messages, names.
    *("inputs.bind", "inputs.dovecot", "inputs.ldap", "inputs.mqtt_consumer", "inputs.openldap", "inputs.postfix"),
    *("inputs.rabbitmq", "inputs.unbound"),
    # Devices and guests.
    *("inputs.libvirt", "inputs.proxmox", "inputs.snmp", "inputs.upsd"),
)

# Plug-ins that Telegraf no longer has, and that `telegraf config migrate` replaces. They add the migration alone.
_MIGRATED = (
    *("inputs.KNXListener", "inputs.cassandra", "inputs.cisco_telemetry_gnmi", "inputs.http_listener"),
    *("inputs.httpjson", "inputs.io", "inputs.jolokia", "inputs.kafka_consumer_legacy", "inputs.logparser"),
    *("inputs.snmp_legacy", "inputs.tcp_listener", "inputs.udp_listener", "outputs.riemann_legacy"),
)


def build(
    images: Mapping[str, str], engine: Engine, progress: Progress, *, plugins: Iterable[str] = ()
) -> dict[str, str]:
    """Build images by service → reference; why not, for those that could not be.

    `plugins` are the Telegraf plug-ins that the agent must have. Takes about ten minutes on two cores the
    first time, seconds afterwards.
    """
    makers: dict[str, Callable[[str], None]] = {
        "influxdb": lambda reference: _from_binary(engine, "influxdb", reference, "influxd", compile_influxd()),
        "telegraf": lambda reference: _from_binary(
            engine, "telegraf", reference, "telegraf", compile_telegraf(plugins)
        ),
        "edge": lambda reference: _edge(engine, reference),
    }
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=len(makers)) as pool:
        at_work: dict[str, Future[None]] = {
            service: pool.submit(makers[service], reference) for service, reference in images.items()
        }
        for service, future in at_work.items():
            with progress.stage(f"building {images[service]} from packages") as stage:
                try:
                    future.result()
                except AresmonError as error:
                    failed[service] = f"{error.message}. {error.hint}".rstrip(". ")
                    stage.fail("could not be built")
    return failed


def cache_folder() -> Path:
    """The user's cache folder for what was compiled."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "aresmon"


def compile_influxd() -> Path:
    """The influxd binary, compiled if the cache does not have it. It links libc and libgcc_s."""
    _need("go", "cargo", "cc")
    target = cache_folder() / f"influxd-{INFLUXDB.version}"
    if not target.exists():
        helper = _go_install(PKG_CONFIG, "", cache_folder() / f"pkg-config-{PKG_CONFIG.version}")
        # flux asks for a Rust toolchain by number, which rustup would try to fetch.
        toolchain = {"RUSTUP_TOOLCHAIN": "stable"} if shutil.which("rustup") else {}
        environment = {"PKG_CONFIG": str(helper), "CGO_ENABLED": "1", **toolchain}
        stamp = f"-X main.version={INFLUXDB.version.lstrip('v')}"
        _go_install(INFLUXDB, "cmd/influxd", target, environment=environment, ldflags=stamp)
    return target


def compile_telegraf(plugins: Iterable[str] = ()) -> Path:
    """The telegraf binary with these plug-ins, compiled if the cache does not have it. It is static."""
    _need("go")
    tags = build_tags(plugins)
    target = cache_folder() / f"telegraf-{TELEGRAF.version}-{hashlib.sha256(tags.encode()).hexdigest()[:8]}"
    if not target.exists():
        stamp = f"-X {TELEGRAF.path}/internal.Version={TELEGRAF.version.lstrip('v')}"
        _go_install(TELEGRAF, "cmd/telegraf", target, environment={"CGO_ENABLED": "0"}, ldflags=stamp, tags=tags)
    return target


def build_tags(plugins: Iterable[str] = ()) -> str:
    """The build tags of Telegraf. If its plug-ins change, so must the name of the built image in images.yml."""
    wanted = sorted({*_PLUGINS, *plugins, *_shipped_plugins()})
    return ",".join(["custom", "migrations", *_MIGRATED, *wanted])


def build_root_filesystem(name: str, *packages: str) -> Path:
    """A minimal root file system of this machine's own distribution with these packages, as a tar."""
    _need("mmdebstrap")
    suite = _suite()
    listed = ",".join(packages)
    target = cache_folder() / f"rootfs-{suite}-{name}-{hashlib.sha256(listed.encode()).hexdigest()[:8]}.tar"
    with _ROOT_LOCK:
        if target.exists():
            return target
        with _made_whole(target) as part:
            lean = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")]
            argv: list[str | Path] = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                "--format=tar",
                f"--include={listed}",
                *lean,
                suite,
                part,
            ]
            process.run(argv, env={"SOURCE_DATE_EPOCH": _ROOT_TIME}, timeout=_HOUR)
    return target


def _edge(engine: Engine, reference: str) -> None:
    engine.import_tree("aresmon/rootfs:haproxy", build_root_filesystem("haproxy", "haproxy"))
    engine.build(reference, _context("edge"))


def _from_binary(engine: Engine, service: str, reference: str, name: str, binary: Path) -> None:
    engine.import_tree("aresmon/rootfs:base", build_root_filesystem("base", "ca-certificates"))
    engine.build(reference, _context(service, {name: binary}))


def _context(service: str, binaries: Mapping[str, Path] = {}) -> io.BytesIO:
    """The build context of an image: its Dockerfile and its binaries."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(package_data.COMPOSE / "images" / service / "Dockerfile", "Dockerfile")
        for name, path in binaries.items():
            tar.add(path, name)
    context.seek(0)
    return context


def _go_install(
    module: Module,
    command: str,
    target: Path,
    *,
    environment: Mapping[str, str] | None = None,
    ldflags: str = "",
    tags: str = "",
) -> Path:
    """Compile a Go command into `target`, after holding its module against the pinned checksum."""
    if target.exists():
        return target
    downloaded = process.run(
        ["go", "mod", "download", "-json", f"{module.path}@{module.version}"], cwd=_anywhere(), timeout=_HOUR
    )
    found = json.loads(downloaded.out).get("Sum")
    if found != module.checksum:
        raise AresmonError(f"{module.path} {module.version} has the checksum {found}, not the pinned {module.checksum}")
    with _made_whole(target) as part:
        folder = part.with_name(f"{part.name}.bin")
        env = {**(environment or {}), "GOBIN": str(folder), "GOFLAGS": "-trimpath"}
        package = f"{module.path}/{command}".rstrip("/")
        argv = ["go", "install", "-ldflags", f"-s -w {ldflags}".strip(), "-tags", tags, f"{package}@{module.version}"]
        try:
            process.run(argv, env=env, cwd=_anywhere(), timeout=_HOUR)
            next(folder.iterdir()).replace(part)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return target


class _made_whole:  # noqa: N801 (reads as a function)
    """A file beside its target that takes its place only when the work on it has succeeded."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.part = target.with_name(f".{target.name}.{os.getpid()}.part")

    def __enter__(self) -> Path:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AresmonError(f"{self.target.parent} cannot be created: {error.strerror}") from None
        return self.part

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.part.replace(self.target)
        else:
            self.part.unlink(missing_ok=True)


def _shipped_plugins() -> set[str]:
    return {plugin for collector in collectors.load().values() for plugin in collectors.plugins(collector.text)}


def _anywhere() -> Path:
    """A folder outside any Go module: `go install name@version` must not read somebody's go.mod."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise AresmonError(
            f"building it here takes {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint="install it, or copy the images from another machine: `aresmon images save` and `load`",
        )


def _suite() -> str:
    """The code name of this machine's distribution: what is compiled here runs on the same libc."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    suite = values.get("VERSION_CODENAME", "").strip('"')
    if not suite:
        raise AresmonError("building images from packages takes a Debian or Ubuntu with a code name in /etc/os-release")
    return suite
