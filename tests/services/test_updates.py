"""Updates that wait: Debian's apt with repositories of the test's own, and what dnf 4.14 printed of a repository with
five newer packages, two of them in a security advisory."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from tests.services.agent import Agent, Setup, agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.conftest import MakeHost
from tests.services.host import Host
from tests.services.points import Point, fields_of, only, tags_of

READ = collect("updates")
RECORDED = Path(__file__).with_name("recorded") / "dnf"
_DAY = 86400
_LISTS = "/var/lib/apt/lists"
_FEDORA = "/srv/fedora"
_DNF = """\
#!/bin/bash
case "$*" in
  "-q -C check-update") cat {folder}/check-update.txt; exit {code};;
  "-q -C check-update --security") cat {folder}/security.txt; exit {code};;
  "-q -C needs-restarting -r") cat {folder}/{reboot}.txt;;
  *) echo "No such command: $*"; exit 1;;
esac
"""


@pytest.fixture(scope="module")
def debian(host: Host) -> Host:
    """A Debian of whose packages three have a newer version, one of them for security."""
    host.run("rm /etc/apt/sources.list")
    repository(host, "bookworm", "Debian", "stable", "nginx-light", "curl")
    repository(host, "bookworm-security", "Debian-Security", "stable-security", "openssl")
    host.run("apt-get update")
    return host


def repository(host: Host, name: str, label: str, suite: str, *packages: str) -> None:
    """A repository with version 99 of these packages."""
    stanza = "Package: {}\nVersion: 99\nArchitecture: amd64\nFilename: x.deb\nSize: 1\nSHA256: {:064d}\n\n"
    listed = "".join(stanza.format(one, 1) for one in packages)
    checksum = hashlib.sha256(listed.encode()).hexdigest()
    release = (
        f"Origin: Debian\nLabel: {label}\nSuite: {suite}\nCodename: {name}\nComponents: main\nArchitectures: amd64\n"
        f"Date: Sun, 29 Nov 2026 08:00:00 +0000\nSHA256:\n {checksum} {len(listed)} main/binary-amd64/Packages\n"
    )
    folder = f"/srv/{name}/dists/{name}"
    host.write(f"{folder}/main/binary-amd64/Packages", listed)
    host.write(f"{folder}/Release", release)
    host.write(f"/etc/apt/sources.list.d/{name}.list", f"deb [trusted=yes] file:/srv/{name} {name} main\n")


def told_by_apt(host: Host) -> list[str]:
    """The packages that it calls upgradable, each with its repository."""
    lines = host.run("apt list --upgradable 2> /dev/null").splitlines()
    return [line.split()[0] for line in lines if "upgradable from" in line]


def test_what_is_read_is_what_apt_tells(debian: Host) -> None:
    told = told_by_apt(debian)
    points = gather(debian, READ, of="updates")

    read = only(points, "updates").fields
    assert (read["pending"], read["security"]) == (len(told), sum("-security" in one for one in told)) == (3, 1)
    assert (read["reboot"], read["broken"]) == (0, 0)
    assert 0 <= read["lists_age"] < 600
    assert tags_of(points, "updates") == set()
    assert fields_of(points, "updates") == {"pending", "security", "reboot", "broken", "lists_age"}


def test_a_package_on_hold_is_not_counted_and_a_reboot_is_told(debian: Host) -> None:
    debian.run("apt-mark hold curl; touch /run/reboot-required")
    read = only(gather(debian, READ, of="updates"), "updates")
    debian.run("apt-mark unhold curl; rm /run/reboot-required")

    assert (read["pending"], read["security"], read["reboot"]) == (2, 1, 1)


def test_the_age_is_that_of_the_lists_or_of_the_last_refresh_that_found_nothing_new(debian: Host) -> None:
    debian.run(f"touch -d '5 days ago' {_LISTS}")
    old = only(gather(debian, READ, of="updates"), "updates")["lists_age"]
    debian.run("touch -d '2 days ago' /var/lib/apt/periodic/update-success-stamp")
    refreshed = only(gather(debian, READ, of="updates"), "updates")["lists_age"]
    debian.run(f"touch {_LISTS}; rm /var/lib/apt/periodic/update-success-stamp")

    assert (old, refreshed) == (pytest.approx(5 * _DAY, abs=600), pytest.approx(2 * _DAY, abs=600))


def test_security_updates_that_wait_for_long_are_an_alert(debian: Host, alerts: Alerts) -> None:
    with agent(debian, READ, pace=3600) as running:
        running.read(1, of="updates")

    assert alerts.firing(running, repeated(running, days=0.9)) == set()
    assert alerts.firing(running, repeated(running, days=1.1)) == {"updates-security-warning"}
    assert alerts.firing(running, repeated(running, days=6.1)) == {
        "updates-security-warning",
        "updates-security-late-critical",
    }


def repeated(running: Agent, *, days: float) -> list[Point]:
    """What it has read, as of every quarter of an hour for so many days."""
    read, apart = only(running.points(), "updates"), 900 / running.pace
    return [dataclasses.replace(read, time=read.time - apart * number) for number in range(int(days * 96))]


def test_old_lists_are_an_alert(debian: Host, alerts: Alerts) -> None:
    debian.run(f"touch -d '5 days ago' {_LISTS}")
    with agent(debian, READ, pace=3600) as running:
        running.read(1, of="updates")
    debian.run(f"touch {_LISTS}")

    assert alerts.firing(running, repeated(running, days=0.1)) == {"updates-lists-warning"}


def test_a_package_manager_that_cannot_answer_is_an_alert_and_not_without_updates(debian: Host, alerts: Alerts) -> None:
    debian.write("/etc/apt/apt.conf.d/99broken", "This is no { configuration\n")
    with agent(debian, READ, pace=3600) as running:
        running.read(1, of="updates")
    debian.run("rm /etc/apt/apt.conf.d/99broken")

    assert only(running.points(), "updates").fields.keys() == {"broken", "reboot", "lists_age"}
    assert alerts.firing(running, repeated(running, days=0.1)) == {"updates-broken-warning"}


@pytest.fixture(scope="module")
def fedora(make_host: MakeHost) -> Host:
    """A host on whose path dnf is, and no apt-get."""
    host = make_host()
    host.run(f"mkdir -p {_FEDORA}; ln -s /bin/{{awk,bash,cat,date,stat,telegraf}} {_FEDORA}")
    for file in RECORDED.iterdir():
        host.write(f"/srv/recorded/{file.name}", file.read_text(encoding="utf-8"))
    return host


def printing(host: Host, *, code: int, reboot: str) -> Setup:
    host.write(f"{_FEDORA}/dnf", _DNF.format(folder="/srv/recorded", code=code, reboot=reboot), mode="0755")
    return collect("updates", env={"PATH": _FEDORA})


def test_without_any_lists_of_dnf_nothing_is_said_of_updates(fedora: Host) -> None:
    setup = printing(fedora, code=0, reboot="no-reboot")

    assert only(gather(fedora, setup, of="updates"), "updates").fields == {"broken": 1, "reboot": 0}


def test_what_is_read_is_what_dnf_printed(fedora: Host) -> None:
    file = "/var/cache/dnf/updates-17fe14f926d9cf14/repodata/repomd.xml"
    fedora.run(f"mkdir -p $(dirname {file}); touch -d '3 hours ago' {file}")
    waiting = only(gather(fedora, printing(fedora, code=100, reboot="reboot"), of="updates"), "updates").fields

    assert waiting == {
        "pending": 5,
        "security": 2,
        "reboot": 1,
        "broken": 0,
        "lists_age": pytest.approx(3 * 3600, abs=60),
    }


def test_a_dnf_that_fails_is_not_one_without_updates(fedora: Host) -> None:
    failed = only(gather(fedora, printing(fedora, code=1, reboot="no-such"), of="updates"), "updates").fields

    assert failed.keys() - {"lists_age"} == {"broken", "reboot"}
    assert (failed["broken"], failed["reboot"]) == (1, 0)
