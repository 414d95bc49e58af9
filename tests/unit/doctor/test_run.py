"""The doctor as a whole: its kinds, its reports, what it does where little or nothing can be looked at."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from aresmon.cli import common, doctor, main
from aresmon.cli.console import Console
from aresmon.config.model import Config
from aresmon.doctor import findings, run
from aresmon.doctor.checks import checks
from aresmon.doctor.findings import Finding, Report, SkippedCheck, kinds
from aresmon.doctor.run import Examination, FailedProbe
from aresmon.influxdb.client import InfluxDB, InfluxDBUnreachableError
from aresmon.site.folder import Site
from aresmon.system.errors import AresmonError, ExitCode
from tests.unit.conftest import REPOSITORY, FakeEngine


class NoEngine(FakeEngine):
    """No engine answers on this machine."""

    @property
    def client(self) -> Any:
        raise AresmonError("no Docker engine answers", hint="start it")

    def containers(self, project: str) -> Any:
        return self.client


def report(*found: Finding, skipped: tuple[SkippedCheck, ...] = (), passed: tuple[str, ...] = ()) -> Report:
    return findings.report("ares", found, (*passed, *(one.kind for one in found)), skipped)


def test_every_kind_has_a_check_that_may_find_it(ares: Config) -> None:
    looked_for = {kind for check in checks(ares) for kind in check.kinds} | {"file-wrong", "file-notice"}

    assert looked_for == set(kinds())


def test_every_kind_says_what_why_and_what_next() -> None:
    for kind in kinds().values():
        assert kind.severity in findings.SEVERITIES, kind
        assert all((kind.group, kind.good, kind.why, kind.next)), kind
        assert not kind.why.endswith("."), kind


def test_the_kinds_of_one_group_stand_together() -> None:
    groups = [kind.group for kind in kinds().values()]

    assert [one for position, one in enumerate(groups) if groups.index(one) == position] == list(dict.fromkeys(groups))
    assert all(groups.index(one) + groups.count(one) > position for position, one in enumerate(groups))


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (report(), ExitCode.DONE),
        (report(Finding("engine-logs", "a note")), ExitCode.DONE),
        (report(Finding("backup-none", "a warning")), ExitCode.DEGRADED),
        (report(Finding("service", "bad")), ExitCode.DEGRADED),
        (report(skipped=(SkippedCheck("a check", "it hung"),)), ExitCode.DEGRADED),
        (report(skipped=(SkippedCheck("the hosts", "not asked for", is_expected=True),)), ExitCode.DONE),
    ],
    ids=["nothing", "note", "warning", "bad", "not made", "not asked for"],
)
def test_what_is_wrong_or_could_not_be_seen_makes_the_exit_code(found: Report, code: ExitCode) -> None:
    assert found.code == code


def test_the_findings_stand_in_the_order_of_their_kinds_and_each_once() -> None:
    later, worse = Finding("backup-none", "none"), Finding("disk-short", "b")
    lighter = Finding("disk-short", "a", severity="warning")

    found = report(later, lighter, worse, worse)

    assert found.findings == (worse, lighter, later)
    assert found.counts() == {"bad": 1, "warning": 2, "note": 0}


def test_a_kind_that_was_found_did_not_pass() -> None:
    found = report(Finding("disk-short", "full"), passed=("disk-short", "compose"))

    assert found.passed == ("compose",)


def test_the_report_is_plain_data_for_scripts() -> None:
    data = json.loads(json.dumps(report(Finding("disk-short", "full"), skipped=(SkippedCheck("x", "y"),)).as_json()))

    assert data["ok"] is False
    assert set(data["findings"][0]) == {"kind", "group", "severity", "what", "why", "next"}
    assert data["not_looked_at"] == [{"what": "x", "why": "y", "expected": False}]


# Looks that fail or hang -----------------------------------------------------------------------------


def test_a_look_that_hangs_is_named_and_stops_no_other() -> None:
    released = threading.Event()
    begun = time.monotonic()

    seen = run.gather({"hangs": released.wait, "tells": lambda: 5}, within=0.3)

    released.set()
    assert seen["tells"] == 5
    assert "no answer within" in seen["hangs"].why
    assert time.monotonic() - begun < 10


def test_no_more_looks_are_made_at_once_than_may_be() -> None:
    now, most = 0, 0
    lock = threading.Lock()

    def look() -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return 1

    seen = run.gather({str(number): look for number in range(20)}, within=60, at_once=2)

    assert set(seen.values()) == {1}
    assert most <= 2


def refused() -> None:
    raise AresmonError("one\ntwo", hint="mend it")


def no_disk() -> None:
    raise OSError(5, "Input/output error", "disk")


@pytest.mark.parametrize(
    ("look", "failed"),
    [
        (refused, FailedProbe("one; two", "mend it", "AresmonError")),
        (no_disk, FailedProbe("disk: Input/output error")),
        (
            lambda: 1 / 0,
            FailedProbe("the probe crashed: ZeroDivisionError: division by zero", "please report it"),
        ),
    ],
    ids=["refused", "no disk", "a fault of ours"],
)
def test_a_look_that_fails_says_why(look: Callable[[], Any], failed: FailedProbe) -> None:
    assert run.gather({"it": look}, within=30)["it"] == failed


def test_without_an_engine_the_folder_is_still_looked_at(site: Site) -> None:
    site.file.write_text("hosts: {biere: {collect: [disk]}, lewi: }\n")

    found = run.examine(Examination(site, NoEngine()))

    kinds_found = {one.kind for one in found.findings}
    assert {"engine-unreachable", "backup-none", "push-never"} <= kinds_found
    assert next(one for one in found.findings if one.kind == "engine-unreachable").next == "start it"
    assert {"secret-open", "leftovers"} <= set(found.passed)
    assert "service" not in found.passed
    assert found.code == ExitCode.DEGRADED


def test_a_database_that_does_not_respond_is_a_finding(site: Site) -> None:
    def influxdb() -> InfluxDB:
        raise InfluxDBUnreachableError("InfluxDB does not respond", hint="start it")

    site.file.write_text("hosts: {biere: {collect: [disk]}}\n")

    found = run.examine(Examination(site, NoEngine(), influxdb))

    assert [(one.what, one.next) for one in found.findings if one.kind == "database-silent"] == [
        ("InfluxDB does not respond", "start it")
    ]


@pytest.mark.parametrize("text", ["hosts: {biere: {collekt: [disk]}}\n", None], ids=["wrong", "missing"])
def test_a_file_that_cannot_be_read_is_the_first_finding_and_the_machine_is_looked_at(
    site: Site, text: str | None
) -> None:
    if text is not None:
        site.file.write_text(text)

    found = run.examine(Examination(site, NoEngine()))

    assert found.findings[0].kind == "file-wrong"
    assert str(site.file) in found.findings[0].what or "collekt" in found.findings[0].what
    assert "memory-short" in {*found.passed, *(one.kind for one in found.findings)}
    assert found.code == ExitCode.DEGRADED


def test_nothing_is_changed(site: Site) -> None:
    site.file.write_text("hosts: {biere: {collect: [disk]}}\n")

    run.examine(Examination(site, NoEngine()))

    assert [path.name for path in site.root.iterdir()] == ["aresmon.yml"]


def test_elsewhere_what_is_the_servers_own_is_not_this_machines(site: Site) -> None:
    site.file.write_text("hosts: {biere: {ssh: biere, collect: [disk]}}\n")

    found = run.examine(Examination(site, NoEngine(), is_here=False))

    assert not {"disk-short", "secret-open", "engine-boot"} & set(found.passed)
    assert any("on biere" in one.why and one.is_expected for one in found.skipped)


# What a person reads ---------------------------------------------------------------------------------


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def told(found: Report, *, verbose: bool = False) -> str:
        doctor.tell(Console(), found, verbose=verbose)
        return capsys.readouterr().out

    return told


def test_each_finding_is_told_with_its_reason_and_its_remedy(told: Callable[..., str]) -> None:
    text = told(report(Finding("disk-short", "InfluxDB's data: 1 MB is free", "make room"), passed=("compose",)))

    assert text == (
        "Disk and memory\n"
        "  bad: InfluxDB's data: 1 MB is free\n"
        "    next: make room\n"
        f"    why: {kinds()['disk-short'].why}\n"
        "1 bad; 1 checks passed.\n"
    )


def test_many_of_one_kind_are_cut_and_verbose_names_them_all(told: Callable[..., str]) -> None:
    many = report(*(Finding("host", f"host{number:02} is silent", "look there") for number in range(20)))

    assert "and 12 more like these" in told(many)
    assert told(many).count("next: look there") == 1
    assert "host19 is silent" in told(many, verbose=True)


def test_verbose_names_what_is_as_it_should_be(told: Callable[..., str]) -> None:
    text = told(report(passed=("compose", "clock-host")), verbose=True)

    assert kinds()["compose"].good in text
    assert "2 checks passed. No problems found." in text


def test_what_was_not_looked_at_is_told_by_its_reason(told: Callable[..., str]) -> None:
    text = told(report(skipped=(SkippedCheck("the disks", "it hung"), SkippedCheck("the log", "it hung"))))

    assert "Not checked: the disks, the log: it hung\n" in text


def test_the_command_prints_json_for_scripts_and_ends_with_five(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.file.write_text("hosts: {biere: {collect: [disk]}}\n")
    monkeypatch.chdir(site.root)
    monkeypatch.setattr(common, "the_engine", NoEngine)
    monkeypatch.setattr("aresmon.cli.doctor.the_engine", NoEngine)
    common.the_console.cache_clear()

    result = CliRunner().invoke(main.app, ["doctor", "--json"])

    common.the_console.cache_clear()
    assert result.exit_code == ExitCode.DEGRADED, result.output
    assert json.loads(result.stdout)["findings"][0]["kind"] == "engine-unreachable"


def test_a_document_describes_every_kind() -> None:
    page = (REPOSITORY / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")

    for kind in kinds().values():
        assert f"`{kind.name}`" in page, kind.name
        assert kind.good in page
