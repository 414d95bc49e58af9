"""What a person sees: tables at two widths, a plan, a diff. Golden, since only eyes judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aresmon.cli.console import Console
from aresmon.doctor.activity import HostStatus
from aresmon.doctor.problems import Problem, ServiceStatus
from aresmon.doctor.status import Status
from aresmon.influxdb.capacity import Capacity
from aresmon.site.bundle import BundleDifference
from aresmon.stack.plan import Step
from aresmon.system.errors import AresmonError
from tests.golden.conftest import Compare
from tests.unit.conftest import SHIPPED, VIEWS

NOW = 1_000_000_000.0
MIB = 1 << 20

STATUS = Status(
    site="ares",
    server="biere",
    at=NOW,
    services=(
        ServiceStatus("influxdb", "running", "healthy", "influxdb:1.13.2", 0, 310 * MIB, 2048 * MIB, NOW - 3 * 86400),
        ServiceStatus("grafana", "absent", "", "mirror.example.org:5000/library/grafana/grafana:12.4.5", 0, 0, 0, 0.0),
        ServiceStatus("edge", "running", "starting", "haproxy:3.2.22", 12, 20 * MIB, 256 * MIB, NOW - 90),
        ServiceStatus("telegraf", "exited", "", "telegraf:1.39.3", 0, 0, 256 * MIB, 0.0),
    ),
    hosts=(
        HostStatus("biere", "docker", 4.0, 1234, 84, 84, 0, ()),
        HostStatus(
            "ronflex.ares-ensiie.example.org", "systemd", 7300.0, 0, 0, 60, 2, ("docker", "disk", "kernel_vmstat")
        ),
        HostStatus("lewi", "systemd", None, 0, 0, 60, 2, ()),
        HostStatus("young", "systemd", 3.0, 5, 0, 0, 0, ()),
    ),
    problems=(
        Problem(
            "telegraf",
            "telegraf is exited (exit code 1)",
            "`aresmon logs telegraf` shows the reason, `aresmon up` starts it",
        ),
        Problem(
            "grafana",
            "grafana is not running: image mirror.example.org:5000/library/grafana/grafana:12.4.5 is not on this "
            "machine",
            "when a registry can be reached: `aresmon images pull grafana && aresmon up`",
        ),
    ),
    capacity=Capacity(2_100_000_000, 183_000_000, 5012, 12_400_000_000, 16_800_000_000, 71.3, ()),
)
SMALL = Capacity(2_100_000, 1_830_000, 412, 120_000_000_000, 168_000_000, None, ())
WELL = Status("ares", "biere", NOW, STATUS.services[:1], STATUS.hosts[:1], (), SMALL)
OLD = "".join(f"{n} [bold]old[/]\n" for n in range(70)).encode()
DIFF = BundleDifference(("edge/haproxy.cfg",), (), (), {"edge/haproxy.cfg": OLD}, {"edge/haproxy.cfg": b""})
STEPS = [
    Step("influxdb", "recreate", "its configuration changed"),
    Step("edge", "create", "there is no container"),
    Step("telegraf", "start", "it is exited"),
    Step("chronograf", "remove", "no longer part of the site"),
]

Show = Callable[[Console], None]

SHOWN: dict[str, tuple[int, Show]] = {
    "status-80": (80, lambda console: console.status(STATUS)),
    "status-120": (120, lambda console: console.status(STATUS)),
    "status-well": (80, lambda console: console.status(WELL)),
    "collectors-80": (
        80,
        lambda console: console.collectors(SHIPPED[name] for name in ("disk", "haproxy", "http", "internal")),
    ),
    "collector-80": (80, lambda console: console.collector(SHIPPED["redis"], VIEWS["redis"])),
    "collector-120": (120, lambda console: console.collector(SHIPPED["redis"], VIEWS["redis"])),
    "plan": (80, lambda console: console.plan(STEPS, DIFF, is_first=False, whole=False)),
    "plan-whole": (80, lambda console: console.plan(STEPS[:1], DIFF, is_first=False, whole=True)),
    "plan-first": (
        80,
        lambda console: console.plan(
            STEPS[1:2], BundleDifference((".env",), (), (), {}, {".env": b""}), is_first=True, whole=True
        ),
    ),
}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What is printed at this width where there is no terminal."""

    def shown(name: str) -> str:
        width, show = SHOWN[name]
        monkeypatch.setenv("COLUMNS", str(width))
        show(Console())
        return "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())

    return shown


def test_the_console_shows_its_golden_texts(shown: Callable[[str], str], compare: Compare) -> None:
    compare(Path(__file__).with_name("console"), {f"{name}.txt": shown(name).encode() for name in SHOWN})


@pytest.mark.parametrize("name", ["status-80", "collectors-80"])
def test_tables_keep_within_80_columns_and_cut_no_word(shown: Callable[[str], str], name: str) -> None:
    tables = [line for line in shown(name).splitlines() if not line.startswith(("! ", "  next: ", "Data: "))]

    assert max(map(len, tables)) <= 80
    assert "…" not in "".join(tables)


def test_a_long_diff_is_cut_with_a_word_on_how_to_see_it_whole(shown: Callable[[str], str]) -> None:
    cut, whole = shown("plan"), shown("plan-whole")

    assert "... 13 more lines; `aresmon up --dry-run` shows them all\n" in cut
    assert "-69 [bold]old[/]\n" in whole, "brackets are text, not markup"
    assert "more lines" not in whole


def test_an_error_is_never_wrapped_and_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    long = "aresmon.yml:3 hosts.lewi: " + "word " * 40

    Console().error(AresmonError(f"{long}\nsecond [line]", hint="do this"))

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"{long}\nsecond [line]\nnext: do this\n"


def test_a_stage_without_a_terminal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().stage("pulling grafana") as stage:
        stage.say("half of it")

    assert capsys.readouterr().out == "pulling grafana ...\n"


def test_a_stage_that_fails_without_a_terminal_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().stage("pulling grafana") as stage:
        stage.fail("could not be pulled")

    assert "could not be pulled" in capsys.readouterr().out
