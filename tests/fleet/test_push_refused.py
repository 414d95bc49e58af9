"""What a host refuses, or cannot do: nothing is changed there, and it is told why."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.fleet.desk import QUICK, Desk
from tests.fleet.servers import Server, start_agent
from tests.fleet.standing import standing

UNTOUCHED = {"biere": "untouched", "ronflex": "untouched", "lewi": "untouched"}
REFUSED = {"biere": "refused", "ronflex": "refused", "lewi": "refused"}
EVERY = ("biere", "ronflex", "lewi")


def test_a_host_that_cannot_take_the_files_keeps_its_old_ones(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, ronflex, lewi)

    lewi.run("chmod 0700 /etc/telegraf")
    with biere.full_disk("/etc/telegraf"), ronflex.read_only("/etc/telegraf"):
        pushed = desk.push(*EVERY)
        left = [standing(one).left for one in (biere, ronflex, lewi)]
    lewi.run("chmod 0755 /etc/telegraf")

    assert (pushed.code, pushed.outcomes) == (1, REFUSED), pushed
    assert pushed.why("biere") == "/etc/telegraf/telegraf.conf cannot be written: 0 KiB free"
    assert "its filesystem is mounted read-only" in pushed.why("ronflex")
    assert "open /etc/telegraf/telegraf.d: permission denied" in pushed.why("lewi")
    assert left == [("/etc/telegraf/.filler",), (), ()]
    assert desk.kept(*before) == UNTOUCHED


def test_a_file_that_cannot_be_replaced_is_refused_before_anything_is_changed(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    desk.own(ronflex, lewi)
    config = "/etc/telegraf/telegraf.conf"

    ronflex.run(f"cp -p {config} /var/kept && mount --bind /var/kept {config}")
    lewi.run(f"chattr +i {config}")
    try:
        pushed = desk.push("ronflex", "lewi", "--max-fail", "1")
        undo = [one.exists(f"/var/lib/aresmon/{desk.site.name}/undo") for one in (ronflex, lewi)]
    finally:
        ronflex.run(f"umount {config}")
        lewi.run(f"chattr -i {config}")

    assert (pushed.code, pushed.outcomes) == (1, {"ronflex": "refused", "lewi": "refused"}), pushed
    assert pushed.why("ronflex").startswith(f"{config} is a mount point")
    assert pushed.why("lewi").startswith(f"{config} is immutable")
    assert f"chattr -i {config}" in pushed.next("lewi")
    assert undo == [False, False]
    assert desk.kept(*before) == {"ronflex": "untouched", "lewi": "untouched"}
    assert desk.push("ronflex", "lewi").outcomes == {"ronflex": "verified", "lewi": "verified"}


def test_a_host_without_room_for_the_journal_keeps_its_old_files(desk: Desk, ronflex: Server, lewi: Server) -> None:
    (pushed_before,) = desk.verified(lewi)
    start_agent(ronflex, desk.site, every="1s")
    by_hand = standing(ronflex)
    desk.own(ronflex, lewi)

    with lewi.full_disk("/var/lib/aresmon"), ronflex.full_disk("/var/lib/aresmon"):
        pushed = desk.push("ronflex", "lewi", "--overwrite")

    assert (pushed.code, pushed.outcomes) == (1, {"ronflex": "refused", "lewi": "refused"}), pushed
    assert pushed.why("ronflex") == f"no space left in /var/lib/aresmon/{desk.site.name}"
    assert "the previous files could not be saved in /var/lib/aresmon" in pushed.why("lewi")
    assert desk.kept(by_hand, pushed_before) == {"ronflex": "untouched", "lewi": "untouched"}


def test_what_the_hosts_own_telegraf_does_not_take_is_told_in_its_words(
    desk: Desk, biere: Server, ronflex: Server, lewi: Server
) -> None:
    desk.configure("ronflex", env={"ARCHIVES": "1"})
    before = desk.verified(biere, ronflex, lewi)
    desk.own(biere, text=QUICK + "  no_such_field = 1\n")
    desk.own(ronflex, lewi)
    # The check alone would take a variable without quotes; the service, which is strict, would not.
    ronflex.write("/etc/telegraf/telegraf.d/strict.conf", "[[outputs.file]]\n  rotation_max_archives = ${ARCHIVES}\n")
    lewi.write("/etc/telegraf/telegraf.d/unknown.conf", "[[inputs.no_such_plugin]]\n")

    pushed = desk.push(*EVERY)

    assert (pushed.code, pushed.outcomes) == (1, REFUSED), pushed
    assert "/etc/telegraf/telegraf.conf failed: plugin inputs.mem: line" in pushed.why("biere")
    assert '["no_such_field"], but they were not used' in pushed.why("biere")
    assert "telegraf.d/strict.conf failed: error parsing data: line 2: invalid TOML syntax" in pushed.why("ronflex")
    assert "telegraf.d/unknown.conf failed" in pushed.why("lewi")
    assert "undefined but requested input: no_such_plugin" in pushed.why("lewi")
    assert desk.kept(*before) == UNTOUCHED


def test_a_file_in_telegraf_d_that_does_no_harm_is_noted(desk: Desk, lewi: Server) -> None:
    (before,) = desk.verified(lewi)
    lewi.write("/etc/telegraf/telegraf.d/swap.conf", "[[inputs.swap]]\n")
    desk.own(lewi)

    pushed = desk.push("lewi")

    assert (pushed.code, pushed.outcomes) == (0, {"lewi": "verified"}), pushed
    assert pushed.notes("lewi") == ["Telegraf also reads telegraf.d/: swap.conf"]
    assert desk.kept(before) == {"lewi": "new"}


def test_what_the_hosts_telegraf_is_about_to_remove_is_noted(desk: Desk, lewi: Server) -> None:
    """Telegraf 1.39 warns of `fieldpass`, which 1.40 was to remove."""
    (before,) = desk.verified(lewi)
    lewi.write("/etc/telegraf/telegraf.d/swap.conf", "[[inputs.swap]]\n  fieldpass = ['used']\n")
    desk.own(lewi)

    pushed = desk.push("lewi")

    assert (pushed.code, pushed.outcomes) == (0, {"lewi": "verified"}), pushed
    assert (
        "fieldpass of inputs.swap is deprecated since Telegraf 1.29.0, and is to be removed in 1.40.0: "
        "use 'fieldinclude' instead"
    ) in pushed.notes("lewi")
    assert desk.kept(before) == {"lewi": "new"}


def test_variables_that_somebody_set_there_are_named_and_kept_until_told_otherwise(desk: Desk, lewi: Server) -> None:
    start_agent(lewi, desk.site, every="1s")
    lewi.run("echo GITLAB_TOKEN=s3cr3t-of-theirs >> /etc/default/telegraf; systemctl restart telegraf")
    before = standing(lewi)
    desk.own(lewi)

    refused = desk.push("lewi")
    after_refusal = desk.kept(before)
    overwritten = desk.push("lewi", "--overwrite")

    assert (refused.code, refused.outcomes) == (1, {"lewi": "refused"}), refused
    assert refused.why("lewi").endswith("/etc/default/telegraf sets GITLAB_TOKEN, which aresmon.yml does not")
    assert "--overwrite" in refused.next("lewi")
    assert "s3cr3t" not in refused.result.out + refused.result.err
    assert after_refusal == {"lewi": "untouched"}
    assert (overwritten.code, overwritten.outcomes) == (0, {"lewi": "verified"}), overwritten
    assert desk.kept(before) == {"lewi": "new"}
    assert "GITLAB_TOKEN" not in lewi.read("/etc/default/telegraf")


def test_a_password_that_influxdb_does_not_know_is_found_before_anything_is_switched(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    desk.own(ronflex, lewi)
    secret = desk.site.state / "secrets" / "agent-lewi"
    secret.write_text("another-than-influxdb-knows", encoding="utf-8")

    pushed = desk.push("ronflex", "lewi")

    assert pushed.outcomes == {"ronflex": "verified", "lewi": "refused"}, pushed
    assert pushed.code == 5
    assert pushed.why("lewi") == "InfluxDB rejected the password of user agent-lewi (401)"
    assert "another-than-influxdb-knows" not in pushed.result.out + pushed.result.err
    assert desk.kept(*before) == {"ronflex": "new", "lewi": "untouched"}


def test_a_user_without_the_right_to_write_and_a_service_that_reads_another_file_are_refused(
    desk: Desk, ronflex: Server, lewi: Server
) -> None:
    before = desk.verified(ronflex, lewi)
    desk.own(ronflex, lewi)
    drop_in = "/etc/systemd/system/telegraf.service.d/other.conf"
    start = "ExecStart=/usr/bin/telegraf -config /etc/telegraf/other.conf"
    ronflex.run("cp -p /etc/telegraf/telegraf.conf /etc/telegraf/other.conf")
    ronflex.run(f"mkdir -p {drop_in.rpartition('/')[0]}")
    ronflex.write(drop_in, f"[Service]\nExecStart=\n{start}\n")
    ronflex.run("systemctl daemon-reload; systemctl restart telegraf")
    pid = standing(ronflex).pid
    desk.site.query('REVOKE ALL ON "telegraf" FROM "agent-lewi"')
    try:
        pushed = desk.push("ronflex", "lewi", "--max-fail", "2")
    finally:
        desk.site.query('GRANT WRITE ON "telegraf" TO "agent-lewi"')
    still = standing(ronflex).pid
    ronflex.run(f"rm -r {drop_in} /etc/telegraf/other.conf; systemctl daemon-reload; systemctl restart telegraf")

    assert pushed.outcomes == {"ronflex": "refused", "lewi": "refused"}, pushed
    assert pushed.why("ronflex") == "the service reads /etc/telegraf/other.conf, not /etc/telegraf/telegraf.conf"
    assert "systemctl cat telegraf" in pushed.next("ronflex")
    assert pushed.why("lewi") == "InfluxDB user agent-lewi has no write permission (403)"
    assert "lewi: connect" not in pushed.result.out
    assert still == pid
    assert desk.kept(*before) == {"ronflex": "restored", "lewi": "untouched"}


@pytest.mark.parametrize("how", ["stop", "pause"])
def test_without_influxdb_no_host_is_begun(desk: Desk, ronflex: Server, lewi: Server, how: str) -> None:
    before = desk.verified(ronflex, lewi)
    desk.own(ronflex, lewi)
    influxdb = desk.site.containers()["influxdb"]

    with ExitStack() as stack:
        getattr(influxdb, how)()
        stack.callback(getattr(influxdb, {"stop": "start", "pause": "unpause"}[how]))
        result = desk.run("push-config", "ronflex", "lewi")

    assert result.code == 1, result
    assert "InfluxDB does not answer" in result.err
    assert "ronflex: connect" not in result.out
    assert desk.kept(*before) == {"ronflex": "untouched", "lewi": "untouched"}
