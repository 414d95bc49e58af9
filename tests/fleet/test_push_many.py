"""Several hosts and several operators: a canary, an end to it, one push to a host at a time."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.engine.sites import Site
from tests.fleet.desk import OTHER, Desk, heard, pushed_by
from tests.fleet.servers import Server

BAD = "[[inputs.cpu]]\n  nonsense = 1\n"


def test_what_the_canary_refuses_no_other_host_is_asked_to_take(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, ronflex, lewi)
    desk.own(biere, text=BAD)

    result = desk.run("push-config", "biere", "ronflex", "lewi", "--json")

    outcomes = {one["host"]: one["outcome"] for one in json.loads(result.out)["hosts"]}
    assert (result.code, outcomes) == (1, {"biere": "refused", "ronflex": "skipped", "lewi": "skipped"}), result
    assert set(desk.kept(*before).values()) == {"untouched"}


def test_as_many_failures_as_are_allowed_stop_nobody(desk: Desk, biere: Server, ronflex: Server, lewi: Server) -> None:
    desk.verified(biere, ronflex, lewi)
    desk.own(biere, ronflex, lewi)
    desk.own(biere, text=BAD)

    result = desk.run("push-config", "biere", "ronflex", "lewi", "--max-fail", "1", "--json")

    outcomes = {one["host"]: one["outcome"] for one in json.loads(result.out)["hosts"]}
    assert (result.code, outcomes) == (5, {"biere": "refused", "ronflex": "verified", "lewi": "verified"}), result


@pytest.fixture
def colleague(desk: Desk, tmp_path: Path) -> Desk:
    """Somebody else with the same site in a folder of their own: the site's lock is not theirs."""
    folder = tmp_path / "colleague"
    folder.mkdir()
    for name in ("aresmon.yml", "overrides"):
        source = desk.site.folder / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.exists():
            shutil.copy(source, folder / name)
    (folder / ".aresmon").mkdir(mode=0o700)
    for name in ("secrets", "run"):
        (folder / ".aresmon" / name).symlink_to(desk.site.state / name)
    return Desk(Site(folder, desk.site.name, settings=desk.site.settings), desk.operator)


def test_of_two_operators_the_second_is_told_who_the_first_is(desk: Desk, colleague: Desk, lewi: Server) -> None:
    before = desk.verified(lewi)
    desk.own(lewi)

    with lewi.hold("systemctl", matching="^restart") as hold:
        first = desk.start("push-config", "lewi", "--json")
        hold.wait_reached()
        second = colleague.push("lewi")
        same_folder = desk.run("push-config", "lewi")
        hold.release()
        pushed = pushed_by(first)

    assert (second.code, second.outcomes) == (1, {"lewi": "refused"}), second
    assert "root has been pushing to this host for" in second.why("lewi")
    assert "--break-lock" in second.next("lewi")
    assert (same_folder.code, "is locked by `aresmon push-config`" in same_folder.err) == (1, True)
    assert pushed.outcomes == {"lewi": "verified"}
    assert desk.kept(*before) == {"lewi": "new"}


def test_a_lock_whose_holder_hangs_is_broken_when_that_is_meant(desk: Desk, colleague: Desk, lewi: Server) -> None:
    before = desk.verified(lewi)
    desk.own(lewi)
    colleague.own(lewi, text=OTHER + "# of the colleague\n")
    stuck = desk.start("push-config", "lewi", "--deadline", "600")
    heard(stuck, "lewi: switch")
    lewi.run("""kill -STOP "$(cut -d' ' -f1 /var/lib/aresmon/*/lock)" """)
    stuck.kill()
    stuck.communicate()

    refused = colleague.push("lewi")
    broken = colleague.push("lewi", "--break-lock")

    assert refused.outcomes == {"lewi": "refused"}, refused
    assert broken.outcomes == {"lewi": "verified"}, broken
    assert "the lock of root was taken over" in broken.notes("lewi")
    assert any("was rolled back first" in note for note in broken.notes("lewi")), broken
    assert "# of the colleague" in lewi.read("/etc/telegraf/telegraf.conf")
    assert desk.kept(*before) == {"lewi": "new"}


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interruption_brings_the_former_configurations_back_in_good_order(
    desk: Desk, ronflex: Server, lewi: Server, kind: signal.Signals
) -> None:
    before = desk.verified(ronflex, lewi)
    elsewhere = '[[outputs.influxdb]]\n  urls = ["http://edge:9"]\n  skip_database_creation = true\n'
    desk.own(ronflex, lewi, text=OTHER + elsewhere)
    process = desk.start("push-config", "ronflex", "lewi")
    heard(process, "ronflex: verify")

    process.send_signal(kind)
    out, err = process.communicate(timeout=120)

    assert process.returncode == 130, (out, err)
    assert "ronflex: ROLLED BACK: aresmon was interrupted" in out
    assert "lewi: SKIPPED: not started: aresmon was interrupted" in out
    assert "Traceback" not in err
    assert desk.kept(*before) == {"ronflex": "restored", "lewi": "untouched"}
