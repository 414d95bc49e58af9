"""Sample outputs in the documents: each is what the console prints today for the state that it shows."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aresmon.backup.record import BackupRecord, CompletedBackup, Verification
from aresmon.cli.console import Console
from aresmon.doctor import problems
from aresmon.doctor.activity import HostStatus
from aresmon.doctor.problems import Problem, ServiceStatus
from aresmon.doctor.status import Status
from aresmon.influxdb.capacity import Capacity
from aresmon.push.result import PushOutcome, PushResult
from aresmon.terminal import once
from aresmon.terminal.state import ScreenState
from aresmon.terminal.text import UNICODE, plain
from tests.golden.conftest import HOW, UPDATE
from tests.unit.conftest import ARES, REPOSITORY, load
from tests.unit.terminal import samples

Show = Callable[[Console], None]

NOW = 1_000_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MIB = 1 << 20
SITE = load(ARES.read_text(encoding="utf-8"))


def running(name: str, image: str, memory: int, limit: int, up: float) -> ServiceStatus:
    """A healthy service; memory in MiB, `up` in seconds."""
    return ServiceStatus(name, "running", "healthy", image, 0, memory * MIB, limit * MIB, NOW - up)


def problem_of(host: HostStatus) -> tuple[Problem, ...]:
    return tuple(problems.of_host(host, SITE, {}))


# Three servers, one of which fell silent.
SILENT = HostStatus("lewi", "systemd", 190.0, 0, 0, 66, 0, ())
THREE = Status(
    "ares",
    "biere",
    NOW,
    services=(
        running("influxdb", "influxdb:1.13.2", 310, 2048, 41 * DAY),
        running("grafana", "grafana/grafana:12.4.5", 121, 512, 41 * DAY),
        running("edge", "haproxy:3.2.22", 8, 256, 41 * DAY),
        running("telegraf", "telegraf:1.39.3", 15, 256, 41 * DAY),
    ),
    hosts=(
        HostStatus("biere", "docker", 4.0, 396, 72, 72, 0, ()),
        HostStatus("ronflex", "systemd", 6.0, 354, 72, 72, 0, ()),
        SILENT,
    ),
    problems=problem_of(SILENT),
    capacity=Capacity(2_100_000_000, 18_300_000, 1012, 120_000_000_000, 4_800_000_000, None, ()),
    backups=BackupRecord(
        CompletedBackup(NOW - 5 * HOUR, "ares-20261124T033000Z.tar", 412_000_000, "/srv/backups, nas"),
        last_verified=Verification(NOW - 2 * DAY, "ares-20261122T033000Z.tar", True, ""),
    ),
)

# A machine that reaches no registry, so that Grafana's image is missing.
NO_GRAFANA = ServiceStatus("grafana", "absent", "", "grafana/grafana:12.4.5", 0, 0, 0, 0.0)
ALONE = Status(
    "vm",
    "vm",
    NOW,
    services=(
        running("influxdb", "aresmon/influxdb:1.13.2", 32, 2048, 101),
        NO_GRAFANA,
        running("edge", "aresmon/haproxy:debian", 3, 256, 99),
        running("telegraf", "aresmon/telegraf:1.39.3-2", 14, 256, 99),
    ),
    hosts=(HostStatus("vm", "docker", 18.0, 393, 72, 72, 0, ()),),
    problems=tuple(problems.of_service(NO_GRAFANA, {"grafana": "not here"}, {})),
)

PUSHED = [
    PushResult("biere", PushOutcome.VERIFIED, config_id="99e67a9a7c43-20261129T092224-096cd307", seconds=22.9),
    PushResult("ronflex", PushOutcome.VERIFIED, config_id="0bec0e3930ea-20261129T092224-caa88017", seconds=22.7),
    PushResult("lewi", PushOutcome.VERIFIED, config_id="e680b88f21a6-20261129T092224-c3c4900d", seconds=22.7),
]

SAMPLES: dict[tuple[str, str], tuple[int, Show]] = {
    ("README.md", "aresmon status"): (100, lambda console: console.status(THREE)),
    ("README.md", "aresmon push-config biere ronflex lewi"): (100, lambda console: console.results(PUSHED)),
    ("README.md", "aresmon top"): (80, lambda console: show_top(80)),
    ("docs/tutorial.md", "aresmon status"): (100, lambda console: console.status(ALONE)),
}


def show_top(columns: int) -> None:
    """The fleet of three, as the terminal view shows it."""
    monochrome = once.lines(ScreenState(), samples.snapshot(), columns, UNICODE, site="ares")
    sys.stdout.write("".join(f"{plain(one)}\n" for one in monochrome))


def sample(document: Path, command: str) -> re.Match[str]:
    """The output that a document shows after a command, up to the next command or the end of the block."""
    text = document.read_text(encoding="utf-8")
    found = re.search(rf"(?<=^\$ {re.escape(command)}\n)(.*?)(?=^\$ |^```$)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{document.name} shows no output of `{command}`"
    return found


@pytest.mark.parametrize(("name", "command"), SAMPLES, ids=" ".join)
def test_a_sample_is_what_is_printed(
    name: str, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    width, show = SAMPLES[name, command]
    document = REPOSITORY / name
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    show(Console())

    printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    found = sample(document, command)
    if os.environ.get(UPDATE):
        document.write_text(found.string[: found.start()] + printed + found.string[found.end() :], encoding="utf-8")
        pytest.skip(f"{name} is updated")
    assert found[0] == printed, HOW
