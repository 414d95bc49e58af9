"""`backup` of aresmon.yml: what it comes to, and what is told of its mistakes."""

from __future__ import annotations

import pytest

from aresmon.config.backup import Bucket, Destination, KeepRules, Schedule, parse_schedule
from tests.unit.conftest import errors, load

HOSTS = "hosts: {biere: }\n"
WHOLE = """\
backup:
  to:
  - {folder: /srv/backups}
  - {ssh: backup@lewi, folder: monitoring}
  - s3: {endpoint: "https://s3.example.org/", bucket: ares-backups, prefix: a/b/, region: eu-west-3, access_key: KEY}
  keep: {last: 1, daily: 2, weekly: 3, monthly: 0}
  every: monday@5:30
  verify: never
"""


def test_without_backup_archives_go_into_the_sites_folder_every_night_and_are_verified_every_week() -> None:
    backup = load(HOSTS).backup

    assert backup.to == (Destination(folder="data/backups"),)
    assert backup.keep == KeepRules(last=7, daily=14, weekly=8, monthly=12)
    assert backup.every == Schedule("daily", 210)
    assert backup.verify == Schedule("weekly", 270, "sunday")
    assert backup.secrets == ()


def test_all_of_it_is_read() -> None:
    backup = load(HOSTS + WHOLE).backup

    assert backup.to == (
        Destination(folder="/srv/backups"),
        Destination(folder="monitoring", ssh="backup@lewi"),
        Destination(bucket=Bucket("ares-backups", "KEY", "s3", "https://s3.example.org", "a/b", "eu-west-3")),
    )
    assert backup.keep == KeepRules(1, 2, 3, 0)
    assert (backup.every, backup.verify) == (Schedule("weekly", 330, "monday"), Schedule("never"))
    assert backup.secrets == ("s3",)


@pytest.mark.parametrize(
    ("text", "hours"), [("never", 0), ("daily@00:00", 24), ("weekly@1:00", 168), ("friday", 168), ("monthly", 744)]
)
def test_a_schedule_says_how_long_it_may_be_between_two_runs(text: str, hours: int) -> None:
    assert parse_schedule(text).hours == hours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("to: []", "aresmon.yml:2 backup.to: is empty; at least one is needed"),
        ("to: [{ssh: lewi}]", "aresmon.yml:2 backup.to[0]: misses folder"),
        (
            "to: [{folder: /a, s3: {bucket: abc, access_key: KEY}}]",
            "aresmon.yml:2 backup.to[0]: must be one place: `s3`, or a `folder` with or without `ssh`",
        ),
        ("to: [{folder: /a}, {folder: /a}]", "aresmon.yml:2 backup.to[1]: is the same place as one before"),
        (
            "to: [{folder: .aresmon/backups}]",
            "aresmon.yml:2 backup.to[0].folder: '.aresmon/backups' is no folder for archives; "
            "as /srv/backups, or data/backups",
        ),
        (
            "to: [{folder: data/influxdb/backups}]",
            "aresmon.yml:2 backup.to[0].folder: 'data/influxdb/backups' is inside of storage.data, which goes with its "
            "data",
        ),
        ("keep: {last: -1}", "aresmon.yml:2 backup.keep.last: -1 is less than the minimum of 0"),
        (
            "every: dayly@3:30",
            "aresmon.yml:2 backup.every: must be `never`, or `daily`, `weekly`, `monthly` or a day of the week with a "
            "time, as daily@03:30, not 'dayly@3:30'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(text: str, message: str) -> None:
    assert message in errors(f"{HOSTS}backup: {{{text}}}\n")


@pytest.mark.parametrize(
    "text",
    ["access_key: 'S3CRET/S3CRET'", "endpoint: 'https://me:S3CRET@s3.example.org'", "secret: S3CRET"],
)
def test_a_secret_in_the_clear_is_not_repeated(text: str) -> None:
    key = "" if text.startswith("access_key") else "access_key: KEY, "

    told = errors(f"{HOSTS}backup: {{to: [{{s3: {{bucket: abc, {key}{text}}}}}]}}\n")

    assert told
    assert "S3CRET" not in "\n".join(told)
