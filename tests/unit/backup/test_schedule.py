"""What makes backups by itself, as text; systemd's own judgement of it is in tests/fleet."""

from __future__ import annotations

import re
import shlex

import pytest

from aresmon.backup import schedule as backup_schedule
from aresmon.backup.schedule import Run
from aresmon.config.backup import parse_schedule

RUN = Run("ares", ["/opt/aresmon/bin/aresmon"], "/srv/ares", "root", ["/srv/ares/data/influxdb", "/mnt/backups"])
ODD = Run("ares", ["/opt/my tools/aresmon"], "/srv/my site", "ops", ["/mnt/100%"])


def nightly() -> list[backup_schedule.ScheduledJob]:
    return backup_schedule.jobs(parse_schedule("daily@03:30"), parse_schedule("sunday@04:30"))


def test_each_job_has_a_service_and_a_timer_and_the_proof_waits_for_the_backup() -> None:
    units = backup_schedule.units(RUN, nightly())

    assert list(units) == [
        *("aresmon-ares-backup.service", "aresmon-ares-backup.timer"),
        *("aresmon-ares-verify.service", "aresmon-ares-verify.timer"),
    ]
    verify = units["aresmon-ares-verify.service"]
    assert "ExecStart=/opt/aresmon/bin/aresmon --site /srv/ares backup --verify latest\n" in verify
    assert "After=network-online.target docker.service aresmon-ares-backup.service\n" in verify


def test_a_backup_waits_for_its_disks_and_writes_there_alone() -> None:
    service = backup_schedule.units(RUN, nightly())["aresmon-ares-backup.service"]

    assert "RequiresMountsFor=/srv/ares /mnt/backups\n" in service
    assert "ReadWritePaths=-/srv/ares -/mnt/backups /tmp\n" in service
    assert "ProtectSystem=strict\n" in service


@pytest.mark.parametrize(
    ("when", "calendar", "line"),
    [
        ("daily@03:30", "*-*-* 03:30:00", "30 3 * * *"),
        ("sunday@04:05", "Sun *-*-* 04:05:00", "5 4 * * sun"),
        ("weekly", "Sun *-*-* 00:00:00", "0 0 * * sun"),
        ("monthly@23:59", "*-*-01 23:59:00", "59 23 1 * *"),
    ],
)
def test_a_time_of_the_file_is_the_same_for_systemd_and_for_cron(when: str, calendar: str, line: str) -> None:
    jobs = backup_schedule.jobs(parse_schedule(when), parse_schedule("never"))

    assert f"OnCalendar={calendar}\n" in backup_schedule.units(RUN, jobs)["aresmon-ares-backup.timer"]
    assert backup_schedule.cron(RUN, jobs).splitlines()[-1].startswith(f"{line} root /opt/aresmon/bin/aresmon ")


def test_what_is_never_done_has_no_timer() -> None:
    assert backup_schedule.jobs(parse_schedule("never"), parse_schedule("never")) == []
    assert [job.name for job in backup_schedule.jobs(parse_schedule("daily"), parse_schedule("never"))] == ["backup"]


def test_a_timer_catches_up_after_the_machine_was_off() -> None:
    timer = backup_schedule.units(RUN, nightly())["aresmon-ares-backup.timer"]

    assert "Persistent=true\n" in timer
    assert re.search(r"^RandomizedDelaySec=\d+min$", timer, re.MULTILINE)


def test_spaces_and_percents_of_paths_reach_the_command() -> None:
    service = backup_schedule.units(ODD, nightly())["aresmon-ares-backup.service"]
    *_, line = backup_schedule.cron(ODD, nightly()).splitlines()

    assert 'ExecStart="/opt/my tools/aresmon" --site "/srv/my site" backup\n' in service
    assert 'RequiresMountsFor="/srv/my site" /mnt/100%%\n' in service
    _, _, _, _, _, user, *command, _ = shlex.split(line)
    assert (user, command) == (
        "ops",
        ["/opt/my tools/aresmon", "--site", "/srv/my site", "backup", "--verify", "latest"],
    )
