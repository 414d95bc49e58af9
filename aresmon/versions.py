"""Which releases have run on a site, kept in `versions.json`, and what follows from it for what may run next."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

from aresmon import __version__, files
from aresmon.errors import AresmonError
from aresmon.layout import Layout

_FILE = "versions.json"
_TAG = re.compile(r"v?([0-9]+(?:\.[0-9]+)+)")
KEEPS_DATA = ("influxdb", "grafana")
"""The services whose data another version may change in a way that nothing takes back."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What runs for a service, or ran last: its image's name and id, and its version, empty where nobody knows it.
    `newest` is the newest version that ever wrote into its data folder; `refused` the id of an image that an upgrade
    had to take back."""

    image: str = ""
    id: str = ""
    version: str = ""
    newest: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """What is known of a site. `aresmon` is the release that last brought it up; empty where that is not known."""

    aresmon: str = ""
    services: Mapping[str, Ran] = field(default_factory=dict)

    def of(self, service: str) -> Ran:
        return self.services.get(service, Ran())

    def with_service(self, service: str, ran: Ran) -> Versions:
        return replace(self, services={**self.services, service: ran})

    def without(self, services: Collection[str]) -> Versions:
        """What is left to know once the data of these is gone."""
        return replace(self, services={name: one for name, one in self.services.items() if name not in services})


def read(site: Layout) -> Versions:
    """What is known of a site; before the first `up` of this release, which one rendered its bundle."""
    try:
        told = json.loads((site.state / _FILE).read_bytes())
        services = {str(name): Ran(**one) for name, one in told["services"].items()}
        return Versions(str(told["aresmon"]), services)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Versions(_of_bundle(site))


def write(site: Layout, versions: Versions) -> None:
    """Keep what is known, if it is another than before."""
    if versions != read(site):
        files.write(site.state / _FILE, (json.dumps(asdict(versions), indent=1) + "\n").encode())


def with_running(versions: Versions, running: Mapping[str, Ran]) -> Versions:
    """The same, once these run and this release of aresmon has brought them up."""
    for service, now in running.items():
        before = versions.of(service)
        kept = before.refused if before.refused != now.id else ""
        versions = versions.with_service(service, replace(now, newest=newer(before.newest, now.version), refused=kept))
    return replace(versions, aresmon=__version__)


def of_reference(reference: str) -> str:
    """The version that an image's name tells: `12.4.5` of `grafana/grafana:12.4.5-ubuntu`; else nothing."""
    _, colon, tag = reference.partition("@")[0].rpartition(":")
    found = _TAG.match(tag) if colon and "/" not in tag else None
    return found[1] if found else ""


def newer(one: str, other: str) -> str:
    """The newer of two versions; the one that is known, where the other is not."""
    return other if numbers(other) > numbers(one) else one


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers that compare; empty where it has none: `1.13.1-rc2` is (1, 13, 1)."""
    found = _TAG.match(version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def is_same_line(one: str, other: str) -> bool:
    """Whether both are known and differ in their last number at the most: 1.13.1 and 1.13.2."""
    mine, theirs = numbers(one), numbers(other)
    return bool(mine and theirs) and mine[:2] == theirs[:2]


def objection(service: str, newest: str, wanted: str) -> str:
    """Why data that `newest` has written must not meet `wanted`; empty where it may, or where one is not known."""
    last, then = numbers(newest), numbers(wanted)
    if service not in KEEPS_DATA or not last or not then:
        return ""
    if service == "influxdb" and then[0] != last[0]:
        return f"InfluxDB {wanted} does not read the data of InfluxDB {last[0]}.x: it is another database"
    if service == "influxdb" and then[:2] < last[:2]:
        return f"its data was written by InfluxDB {newest}, and an older one ({wanted}) may not understand it"
    if service == "grafana" and then < last:
        return f"its database was written by Grafana {newest}, whose changes an older one ({wanted}) cannot take back"
    return ""


def check_release(site: Layout) -> None:
    """Raise AresmonError where a newer release of aresmon brought this site up."""
    wrote = read(site).aresmon
    if numbers(wrote)[:2] > numbers(__version__)[:2]:
        raise AresmonError(
            f"this site was brought up by aresmon {wrote}, which is newer than this one ({__version__})",
            hint=f"use aresmon {wrote}; to go back, restore the backup of then with the aresmon of then "
            "(`aresmon backup list`). Nothing was changed",
        )


def doubt(site: Layout) -> tuple[str, str] | None:
    """What a person should know where another release of aresmon brought the site up, and what to do."""
    wrote = read(site).aresmon
    if not wrote or wrote == __version__:
        return None
    if numbers(wrote) > numbers(__version__):
        return f"the site was brought up by aresmon {wrote}, and this is {__version__}", f"use aresmon {wrote}"
    return f"the site was brought up by aresmon {wrote}, and this is {__version__}", "`aresmon upgrade` (`--dry-run`)"


def _of_bundle(site: Layout) -> str:
    try:
        return str(json.loads((site.bundle / "manifest.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
