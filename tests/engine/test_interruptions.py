"""`up` may be interrupted or lose its database at any moment: the next one goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest
from docker.models.containers import Container

from aresmon.influxdb.client import InfluxDB, InfluxDBError
from tests.engine.sites import Result, Site, client, eventually, up_code

INTERRUPTED = 130
# CPython, interrupted within an eval() of its libraries, ends by the signal itself, though it was handled: to a
# shell that is 130 as well.
ANY_INTERRUPTED = (INTERRUPTED, -signal.SIGINT)


def ended(process: subprocess.Popen[str], already: str = "") -> Result:
    out, err = process.communicate(timeout=240)
    return Result(process.returncode, already + out, err)


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """What it printed up to and with the line that has this word."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if word in line:
            return seen
    raise AssertionError(f"'{word}' was never said: {seen}")


def finishes(site: Site) -> None:
    """A second `up` completes what the first began, and a third has nothing left to do."""
    site.up()
    assert site.run("up").steps == []
    site.mark(1)
    assert site.marks() == [1]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interruption_before_anything_began_is_told_in_one_line(site: Site, kind: signal.Signals) -> None:
    """Python is still loading modules: whatever is half there then, nobody is shown a traceback."""
    for after in (0.2, 0.35, 0.5, 0.6, 0.7):
        process = site.start("up", "--dry-run")
        time.sleep(after)
        process.send_signal(kind)

        result = ended(process)

        assert result.code in (*ANY_INTERRUPTED, 0, -kind), result
        # Python loses an interruption that meets one of its own callbacks, and says "Exception ignored".
        assert "Traceback" not in result.err or "Exception ignored in" in result.err, result


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
@pytest.mark.parametrize("word", ["starting influxdb", "configuring InfluxDB", "starting edge"])
def test_an_interrupted_up_is_finished_by_the_next(site: Site, kind: signal.Signals, word: str) -> None:
    process = site.start("up")
    seen = read_until(process, word)
    process.send_signal(kind)

    result = ended(process, seen)

    assert result.code == INTERRUPTED, result
    assert "Traceback" not in result.err
    assert "interrupted" in result.err
    finishes(site)


@pytest.mark.parametrize("after", [0.3, 0.9, 1.3, 2.0])
def test_an_up_interrupted_at_any_moment_is_finished_by_the_next(site: Site, after: float) -> None:
    process = site.start("up")
    time.sleep(after)
    process.send_signal(signal.SIGINT)

    result = ended(process)

    assert result.code in (*ANY_INTERRUPTED, up_code()), result  # the code of `up`: it was quicker
    assert "Traceback" not in result.err or "Exception ignored in" in result.err, result
    finishes(site)


def test_a_signal_to_the_whole_group_is_no_failure_of_compose(site: Site) -> None:
    """What ^C does: the terminal sends it to `docker compose` as well."""
    process = site.start("up", group=True)
    seen = read_until(process, "starting influxdb")
    time.sleep(0.4)
    os.killpg(process.pid, signal.SIGINT)

    result = ended(process, seen)

    assert result.code == INTERRUPTED, result
    finishes(site)


def test_waiting_for_data_can_be_interrupted_and_the_data_stays(sidecar_site: Site) -> None:
    site = sidecar_site
    process = site.start("up")
    seen = read_until(process, "waiting for data")
    site.mark(7)
    process.send_signal(signal.SIGINT)

    assert ended(process, seen).code == INTERRUPTED
    before = site.ids()
    site.up()
    assert site.ids() == before
    assert site.marks() == [7]


def test_an_interrupted_down_is_finished_by_the_next(site: Site) -> None:
    site.up()
    site.mark(1)
    process = site.start("down")
    seen = read_until(process, "stopping")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)

    assert ended(process, seen).code in (0, INTERRUPTED)
    assert site.run("down").code == 0
    assert site.containers() == {}
    site.up()
    assert site.marks() == [1]


@pytest.mark.parametrize("moment", [0.0, 0.5])
def test_influxdb_killed_during_up_is_started_again(site: Site, moment: float) -> None:
    process = site.start("up")
    killer = threading.Thread(target=kill, args=(site, "influxdb", moment))
    killer.start()

    result = ended(process)
    killer.join()

    assert "Traceback" not in result.err + result.out
    assert "internal error" not in result.err
    assert result.code in (up_code(), 4), result
    if result.code == 4:
        assert "next:" in result.err
    finishes(site)


def test_an_edge_killed_during_up_is_told_or_started_again(site: Site) -> None:
    process = site.start("up")
    killer = threading.Thread(target=kill, args=(site, "edge", 0.0))
    killer.start()

    result = ended(process)
    killer.join()

    assert "internal error" not in result.err
    assert result.code in (up_code(), 4), result
    finishes(site)


def test_of_two_at_once_the_second_is_refused_and_names_the_first(site: Site) -> None:
    process = site.start("up")
    seen = read_until(process, "create")

    process.send_signal(signal.SIGSTOP)  # it holds the lock, however slow the others are
    refused = [site.run(command) for command in ("up", "down", "render")]

    process.send_signal(signal.SIGCONT)
    for result in refused:
        assert result.code == 1, result
        assert f"is locked by `aresmon up` (process {process.pid}," in result.err
    site.check_up(ended(process, seen))


def test_status_needs_no_lock(site: Site) -> None:
    process = site.start("up")
    seen = read_until(process, "starting influxdb")

    assert site.run("status").code == 5

    site.check_up(ended(process, seen))


def test_a_killed_up_holds_no_lock(site: Site) -> None:
    process = site.start("up")
    read_until(process, "starting influxdb")
    process.kill()
    process.communicate()

    finishes(site)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL], ids=["INT", "KILL"])
def test_an_interrupted_reset_of_the_admin_leaves_no_open_database(site: Site, kind: signal.Signals) -> None:
    """The reset runs InfluxDB without authentication for a moment."""
    site.up()
    site.mark(1)
    (site.state / "secrets/influxdb-admin").write_text("another-password-than-before")
    process = site.start("up")
    seen = read_until(process, "configuring InfluxDB")
    assert eventually(lambda: bool(one_off(site)), within=60, every=0.05), seen
    process.send_signal(kind)
    ended(process)

    site.up()

    assert one_off(site) == []
    assert site.marks() == [1]
    with pytest.raises(InfluxDBError):
        InfluxDB(site.influxdb.socket).query("SHOW USERS")


def test_a_host_that_comes_back_after_a_power_cut(site: Site) -> None:
    """Everything killed at once, as the kernel's end does: the engine starts it, the data is there."""
    site.up()
    site.mark(1)
    before = site.ids()
    for container in site.containers().values():
        container.kill()

    assert site.run("status").code == 5
    site.up()

    assert site.ids() == before
    assert eventually(lambda: site.marks() == [1])


def one_off(site: Site) -> list[Container]:
    """The containers of the site that are not a service."""
    label = [f"com.docker.compose.project={site.name}", "com.docker.compose.oneoff=True"]
    found: list[Container] = client().containers.list(all=True, filters={"label": label}, ignore_removed=True)
    return found


def kill(site: Site, service: str, after: float) -> None:
    """Kill a service as soon as its container runs, or so many seconds later."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        container = site.containers().get(service)
        if container is not None and container.status == "running":
            time.sleep(after)
            container.kill()
            return
        time.sleep(0.02)
