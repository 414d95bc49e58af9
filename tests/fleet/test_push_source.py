"""What is to be pushed: from a repository that cannot be had, a file that cannot be meant, or one that is completed."""

from __future__ import annotations

import re

import pytest

from tests.fleet.desk import OTHER, QUICK, Desk, output
from tests.fleet.repository import Repository
from tests.fleet.servers import Server

NO_TOML = "[agent\n"
SKIPPED = "not started: 1 other host failed"
LATIN_1 = b"# caf\xe9\n"


@pytest.fixture
def configs(desk: Desk, configs_repo: Repository) -> Repository:
    """The site's repository, which has a first configuration for each of two hosts."""
    configs_repo.commit({"ronflex.conf": QUICK, "lewi.conf": QUICK})
    desk.site.configure(configs={"git": configs_repo.url})
    return configs_repo


def test_what_is_pushed_is_the_branchs_newest_commit_and_is_remembered_with_it(
    desk: Desk, configs: Repository, ronflex: Server, lewi: Server
) -> None:
    first = desk.push("ronflex", "lewi")
    commit = configs.commit({"lewi.conf": OTHER})

    second = desk.push("ronflex", "lewi")
    history = desk.run("history", "lewi")

    assert first.outcomes == {"ronflex": "verified", "lewi": "verified"}, first
    assert second.outcomes == {"ronflex": "unchanged", "lewi": "verified"}, second
    assert second.hosts["lewi"]["commit"] == commit
    assert commit[:7] in history.out
    assert "[[inputs.swap]]" in lewi.read("/etc/telegraf/telegraf.conf")
    assert "[[inputs.swap]]" not in ronflex.read("/etc/telegraf/telegraf.conf")


def test_a_file_that_cannot_be_used_refuses_its_host_and_the_others_go_on(
    desk: Desk, configs: Repository, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    configs.commit({"ronflex.conf": OTHER, "lewi.conf": NO_TOML})

    pushed = desk.push("ronflex", "lewi")

    assert (pushed.code, pushed.outcomes) == (5, {"ronflex": "verified", "lewi": "refused"}), pushed
    assert pushed.why("lewi").startswith("lewi.conf: not TOML: ")
    assert "line 1" in pushed.why("lewi")
    assert desk.kept(*before) == {"ronflex": "new", "lewi": "untouched"}


def test_a_host_whose_file_was_moved_keeps_its_configuration_until_somebody_decides(
    desk: Desk, configs: Repository, lewi: Server
) -> None:
    (before,) = desk.verified(lewi)
    configs.commit({"lewi.conf": None, "hosts/lewi.conf": QUICK}, "Sort")
    (desk.site.folder / "overrides" / "agents" / "lewi.conf").unlink()

    planned = desk.run("push-config", "lewi", "--dry-run")
    pushed = desk.push("lewi")
    kept = desk.kept(before)
    changed = desk.push("lewi", "--change-source")

    assert planned.code == 1, planned
    assert "it has hosts/lewi.conf" in planned.out
    assert (pushed.code, pushed.outcomes) == (1, {"lewi": "refused"}), pushed
    assert kept == {"lewi": "untouched"}
    assert changed.outcomes == {"lewi": "verified"}, changed


def test_what_is_wrong_with_one_hosts_files_stops_neither_a_push_nor_drift_elsewhere(
    desk: Desk, configs: Repository, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    (configs.clone / "lewi.conf").write_bytes(LATIN_1)
    (configs.clone / "biere.conf").symlink_to("/etc/passwd")
    configs.commit({"ronflex.conf": OTHER})
    desk.site.override("hosts/lewi.conf", "[[inputs.ping]\n")

    drift = desk.run("drift", "ronflex")
    pushed = desk.push("ronflex")
    others = desk.push("biere", "ronflex", "lewi")
    checked = desk.run("check")

    assert drift.code == 0, drift
    assert (pushed.code, pushed.outcomes) == (0, {"ronflex": "verified"}), pushed
    assert others.outcomes == {"biere": "refused", "ronflex": "unchanged", "lewi": "refused"}, others
    assert "is a link to '/etc/passwd'" in others.why("biere")
    assert "is not text: byte 5 is not UTF-8" in others.why("lewi")
    assert checked.code == 1, checked
    assert "overrides/hosts/lewi.conf: not TOML" in checked.err
    assert desk.kept(*before) == {"ronflex": "new", "lewi": "untouched"}


def test_a_failed_canary_keeps_the_others_from_being_begun(
    desk: Desk, configs: Repository, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    configs.commit({"ronflex.conf": OTHER + "  no_such_field = 1\n", "lewi.conf": OTHER})

    pushed = desk.push("--canary", "1", "ronflex", "lewi")

    assert (pushed.code, pushed.outcomes) == (1, {"ronflex": "refused", "lewi": "skipped"}), pushed
    assert pushed.why("lewi") == SKIPPED
    assert desk.kept(*before) == {"ronflex": "untouched", "lewi": "untouched"}


def test_what_telegraf_would_take_and_nobody_can_mean_is_refused(
    desk: Desk, configs: Repository, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    token = '[[inputs.http_response]]\n  urls = ["http://edge"]\n  bearer_token = "${GITLAB_TOKEN}"\n'
    configs.commit(
        {
            "biere.conf": QUICK.replace('interval = "1s"', 'interval = "0s"', 1),
            "ronflex.conf": QUICK.replace("[agent]\n", '[agent]\n  hostname = "other"\n'),
            "lewi.conf": OTHER + token + output("lewi").replace("http://", "htp://"),
        }
    )
    desk.env["GITLAB_TOKEN"] = "s3cr3t-of-ours"

    pushed = desk.push("biere", "ronflex", "lewi")

    assert pushed.code == 1
    assert pushed.outcomes == {"biere": "refused", "ronflex": "refused", "lewi": "refused"}, pushed
    assert "interval = '0s': must be a duration above zero" in pushed.why("biere")
    assert "[agent] hostname is 'other'" in pushed.why("ronflex")
    assert "the variable GITLAB_TOKEN is not set" in pushed.why("lewi")
    assert "'htp://edge:8086' must start with one of http://" in pushed.why("lewi")
    assert "s3cr3t" not in pushed.result.out + pushed.result.err
    assert set(desk.kept(*before).values()) == {"untouched"}


def test_a_file_is_completed_with_what_it_lacks_unless_it_is_empty(
    desk: Desk, configs: Repository, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    no_inputs = QUICK[: QUICK.index("[[inputs")] + output("ronflex")
    configs.commit({"biere.conf": "# later\n", "ronflex.conf": no_inputs, "lewi.conf": OTHER})

    pushed = desk.push("biere", "ronflex", "lewi", "--max-fail", "1")

    assert pushed.code == 5
    assert pushed.outcomes == {"biere": "refused", "ronflex": "verified", "lewi": "verified"}, pushed
    assert pushed.why("biere") == "biere.conf: is empty"
    assert pushed.hosts["ronflex"]["silent"] == [], "its own file has no input, so none is missed"
    assert "[[inputs.internal]]" in ronflex.read("/etc/telegraf/telegraf.conf")
    assert "[[outputs.influxdb]]" in lewi.read("/etc/telegraf/telegraf.conf")
    assert desk.kept(*before) == {"biere": "untouched", "ronflex": "new", "lewi": "new"}


def test_a_repository_that_cannot_be_had_touches_nothing(desk: Desk, configs: Repository, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    configs.commit({"lewi.conf": OTHER})

    desk.site.configure(configs={"git": configs.url, "branch": "mater"})
    no_branch = desk.run("push-config", "lewi")
    desk.site.configure(configs={"git": f"{configs.url}-gone"})
    no_folder = desk.run("push-config", "lewi")
    desk.site.configure(configs={"git": f"ssh://git@{lewi.address}:1/configs.git"})
    nobody_there = desk.run("push-config", "lewi")

    assert (no_branch.code, no_folder.code, nobody_there.code) == (1, 1, 1)
    assert "has no branch mater (did you mean 'master'?)" in no_branch.err
    assert "does not exist, or cannot be read" in no_folder.err
    assert "cannot be reached" in nobody_there.err
    assert "lewi: connect" not in no_branch.out + no_folder.out + nobody_there.out
    assert desk.kept(before) == {"lewi": "untouched"}


def test_a_history_that_was_rewritten_is_shown_and_pushed_nowhere(
    desk: Desk, configs: Repository, lewi: Server
) -> None:
    configs.commit({"lewi.conf": QUICK + "# lost\n"}, "Work of somebody's")
    (before,) = desk.verified(lewi)
    configs.force_push({"lewi.conf": OTHER}, "Another one in its place")

    result = desk.run("push-config", "lewi")

    assert result.code == 1, result
    assert "the history of master was rewritten" in result.err
    assert "Work of somebody's" in result.err
    assert "lewi: connect" not in result.out
    assert desk.kept(before) == {"lewi": "untouched"}


def test_a_checkout_that_is_dirty_ahead_or_diverged_is_refused(desk: Desk, configs: Repository, lewi: Server) -> None:
    configs.git("branch", "--set-upstream-to", "origin/master")
    desk.site.configure(configs={"git": str(configs.clone)})
    (before,) = desk.verified(lewi)

    (configs.clone / "lewi.conf").write_text(OTHER, encoding="utf-8")
    dirty = desk.run("push-config", "lewi")
    configs.git("commit", "--quiet", "--all", "--message", "Mine alone")
    ahead = desk.run("push-config", "lewi")
    configs.git("push", "--quiet")
    configs.git("commit", "--quiet", "--amend", "--message", "Mine, better")
    diverged = desk.run("push-config", "lewi")
    configs.git("reset", "--quiet", "--hard", "origin/master")
    even = desk.push("lewi")

    assert (dirty.code, ahead.code, diverged.code) == (1, 1, 1)
    assert "has uncommitted changes: lewi.conf" in dirty.err
    assert "it has commits that are not in origin/master" in ahead.err
    assert "it and origin/master have diverged" in diverged.err
    assert "lewi: connect" not in dirty.out + ahead.out + diverged.out
    assert even.outcomes == {"lewi": "verified"}, even
    assert desk.kept(before) == {"lewi": "new"}


REAL = """[agent]
  interval = "1s" # was ${OLD_INTERVAL} before
  flush_interval = "1s"
  hostname = ""

[[inputs.mem]] # the box of $USER

[[inputs.exec]]
  commands = [
    "sh -c 'for part in one two; do echo slots,part=$part used=1i; done'",
    '''sh -c "uptime | awk '{print \\"load value=\\" $NF}'"''',
  ]
  data_format = "influx"
"""


def test_what_telegraf_takes_is_deployed_and_what_keeps_the_config_id_is_refused(
    desk: Desk, configs: Repository, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    filtered = OTHER + output("ronflex") + '  namepass = ["mem", "swap"]\n'
    elsewhere = OTHER + output("lewi").replace("http://edge:8086", "http://127.0.0.1:9")
    configs.commit({"biere.conf": "\ufeff" + REAL, "ronflex.conf": filtered, "lewi.conf": elsewhere})

    pushed = desk.push("biere", "ronflex", "lewi", "--max-fail", "2", "--deadline", "5", "--canary", "0")

    assert pushed.outcomes == {"biere": "verified", "ronflex": "refused", "lewi": "rolled back"}, pushed
    assert re.match(r"ronflex\.conf:\d+: outputs.influxdb: namepass keeps out the measurement", pushed.why("ronflex"))
    assert "lewi: no output leads to this site" in pushed.result.err
    assert "outputs.influxdb writes to http://127.0.0.1:9" in pushed.result.err
    assert desk.kept(*before) == {"biere": "new", "ronflex": "untouched", "lewi": "restored"}
