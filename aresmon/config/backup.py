"""`backup` of aresmon.yml: where archives go, which of them stay, and when they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os.path import normpath
from pathlib import PurePath
from typing import Any, Literal

from aresmon.config import package_data
from aresmon.config.access import url_problems
from aresmon.system.yaml_document import Document, Keys, YamlProblem

Every = Literal["never", "daily", "weekly", "monthly"]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS: Mapping[Every, int] = {"never": 0, "daily": 24, "weekly": 7 * 24, "monthly": 31 * 24}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an S3-compatible store. `endpoint` is empty for Amazon's own; `secret` is the name of the secret
    that goes with `access_key`."""

    name: str
    access_key: str
    secret: str
    endpoint: str = ""
    prefix: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """A place for archives: a folder of the server's, a folder at the other end of `ssh`, or a bucket."""

    folder: str = ""
    ssh: str = ""
    bucket: Bucket | None = None


@dataclass(frozen=True, slots=True)
class KeepRules:
    """How many archives stay: so many of the last ones, and of so many days, weeks and months the last of each."""

    last: int
    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is done, at the server's clock: on every day, every week on `day`, on the first of every month,
    at this minute of the day; `never` is by hand alone."""

    every: Every
    minute: int = 0
    day: str = "sunday"

    @property
    def hours(self) -> int:
        """The longest time between two runs, in hours; 0 where there is none."""
        return _HOURS[self.every]

    @property
    def missed_after(self) -> int:
        """After so many seconds without one, runs are missed: two in a row, since one may be under way, or may have
        met a machine that was off; 0 where there is none."""
        return 2 * self.hours * 3600


@dataclass(frozen=True, slots=True)
class Backup:
    """All of `backup`. `every` is when an archive is made, `verify` when the last one is proven; `is_wanted` is whether
    the file says anything of it, so that somebody counts on it."""

    to: tuple[Destination, ...]
    keep: KeepRules
    every: Schedule
    verify: Schedule
    is_wanted: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets that must be there; `aresmon backup secret NAME` takes each in."""
        return tuple(dict.fromkeys(one.bucket.secret for one in self.to if one.bucket))


def read(settings: Mapping[str, Any]) -> Backup:
    """`backup` as types; whatever is not said has its default."""
    keep = settings.get("keep", {})
    return Backup(
        to=tuple(_destination(one) for one in settings.get("to", _default("to"))),
        keep=KeepRules(*(keep.get(rule, _default("keep", rule)) for rule in ("last", "daily", "weekly", "monthly"))),
        every=parse_schedule(settings.get("every", _default("every"))),
        verify=parse_schedule(settings.get("verify", _default("verify"))),
        is_wanted=bool(settings),
    )


def parse_schedule(text: str) -> Schedule:
    """`sunday@04:30` as a type; without a time it is midnight, and `weekly` is sunday."""
    word, _, time = text.partition("@")
    hour, _, minute = (time or "00:00").partition(":")
    minutes = int(hour) * 60 + int(minute)
    if word in DAYS:
        return Schedule("weekly", minutes, word)
    every: dict[str, Every] = {"never": "never", "daily": "daily", "weekly": "weekly", "monthly": "monthly"}
    return Schedule(every[word], minutes)


def _destination(settings: Mapping[str, Any]) -> Destination:
    if "s3" not in settings:
        return Destination(folder=settings["folder"], ssh=settings.get("ssh", ""))
    details = settings["s3"]
    return Destination(
        bucket=Bucket(
            name=details["bucket"],
            access_key=details["access_key"],
            secret=details.get("secret", _s3_default("secret")),
            endpoint=details.get("endpoint", "").rstrip("/"),
            prefix=details.get("prefix", "").strip("/"),
            region=details.get("region", _s3_default("region")),
        )
    )


# What the schema cannot say --------------------------------------------------------------------------


def find_problems(
    document: Document, settings: Mapping[str, Any], data: Mapping[str, PurePath]
) -> Iterator[YamlProblem]:
    """What is wrong between settings. `data` are the data folders, by setting; `settings` is what the schema allows."""
    seen: list[Any] = []
    for index, one in enumerate(settings.get("to") or ()):
        keys: Keys = ("backup", "to", index)
        if one in seen:
            yield document.problem(keys, "is the same place as one before")
        seen.append(one)
        if "s3" in one and len(one) > 1:
            yield document.problem(keys, "must be one place: `s3`, or a `folder` with or without `ssh`")
        elif "s3" not in one and "folder" not in one:
            yield document.problem(keys, "misses folder" if "ssh" in one else "must have a `folder` or `s3`")
        elif "s3" in one and isinstance(one["s3"], dict):
            yield from url_problems(document, (*keys, "s3", "endpoint"), one["s3"].get("endpoint", ""))
        elif "folder" in one and "ssh" not in one:
            yield from _misplaced(document, (*keys, "folder"), one["folder"], data)


def _misplaced(document: Document, keys: Keys, folder: str, data: Mapping[str, PurePath]) -> Iterator[YamlProblem]:
    path = PurePath(normpath(folder))
    if path.parts[:1] in ((".aresmon",), ("overrides",), ("..",)) or not path.name:
        yield document.problem(keys, f"'{folder}' is no folder for archives; as /srv/backups, or data/backups")
    for setting, other in data.items():
        if path.is_relative_to(other):
            yield document.problem(keys, f"'{folder}' is inside of {setting}, which goes with its data")


def _default(*keys: str) -> Any:
    below: Any = package_data.site_schema()["properties"]["backup"]
    for key in keys:
        below = below["properties"][key]
    return below["default"]


def _s3_default(key: str) -> str:
    place = package_data.site_schema()["properties"]["backup"]["properties"]["to"]["items"]
    return str(place["properties"]["s3"]["properties"][key]["default"])
