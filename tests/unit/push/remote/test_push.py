"""The host script where all goes well: what it tells, what stands there afterwards, what it remembers."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import stat
import subprocess
import time
from pathlib import Path

import pytest

from aresmon.push.protocol import HostSurvey, PushedFile
from tests.unit.push.remote.sandbox import NEW, OLD, OLD_ENVIRONMENT, Sandbox, Talk, until, words

STATES = ["lock", "probe", "stage", "check", "prepare", "switch", "restart", "verify", "commit"]


def gathered(box: Sandbox) -> HostSurvey:
    found = HostSurvey()
    for told in box.look():
        assert found.add(told)
    return found


def test_a_push_goes_through_its_states_and_ends_with_the_new_files(box: Sandbox) -> None:
    before = box.pid

    told = box.bring()

    assert words(told, "state") == [f"state {state}" for state in STATES]
    assert (told[-1].word, told[-1].rest) == ("committed", str(box.pid))
    assert box.pid != before
    assert (box.config.read_text(), box.environment.read_text(), box.loaded) == (NEW, "NEW='1'\n", NEW)
    assert box.strays() == []


def test_nothing_is_under_way_once_it_has_ended(box: Sandbox) -> None:
    box.bring()

    assert not box.pending.exists()
    assert (box.last()["tx"], box.last()["outcome"]) == ("t0", "committed")
    assert (box.root / "log").read_text() == "push t0 by ada: committed\n"


def test_the_watchdog_ends_with_the_push_that_he_waits_beside(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")
        (unit,) = box.calls("systemd-run")
        assert "--unit=aresmon-watchdog-t0 /bin/sh" in unit
        until(lambda: box.calls("sleep"))
        talk.say("commit")
        talk.until("committed")
    time.sleep(0.15)

    slept = len(box.calls("sleep"))
    time.sleep(0.3)

    assert len(box.calls("sleep")) == slept
    assert box.loaded == NEW


def test_the_probe_tells_what_runs_there_before_anything_is_touched(box: Sandbox) -> None:
    (probe,) = [one for one in box.bring() if one.word == "probe"]

    told = probe.values
    assert (told["active"], told["loaded"], told["version"], told["restarts"]) == ("active", "loaded", "1.39.3", "0")
    assert abs(float(told["clock"]) - time.time()) < 60


@pytest.mark.parametrize(
    "text",
    [
        OLD.encode(),
        b"",
        b"no line break",
        b"\\n \\ [[a]]\t'$x' `y` \"&\n\n\n",
        b"caf\xe9\r\n",
        "é".encode(),
        b"a\0b",
        b"\\" * 70_000,
    ],
)
def test_the_live_file_is_shown_as_it_was(box: Sandbox, text: bytes) -> None:
    box.config.write_bytes(text)

    seen = gathered(box)

    assert seen.files == {str(box.config): (hashlib.sha256(text).hexdigest(), text)}


def test_new_files_have_their_mode_and_old_folders_stay_as_they_are(box: Sandbox) -> None:
    box.config.parent.chmod(0o750)

    box.bring()

    assert [stat.S_IMODE(path.stat().st_mode) for path in (box.config, box.environment)] == [0o640, 0o640]
    assert stat.S_IMODE(box.config.parent.stat().st_mode) == 0o750


def test_what_the_host_keeps_is_for_its_root_alone(box: Sandbox) -> None:
    box.bring()

    assert stat.S_IMODE(box.state.stat().st_mode) == 0o700
    assert [path for path in box.state.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("answer", ["commit", "rollback it"])
def test_former_files_are_gone_when_a_push_has_ended_since_a_password_is_among_them(box: Sandbox, answer: str) -> None:
    with box.push() as talk:
        talk.until("running")
        kept = [path.read_text() for path in sorted((box.state / "undo").iterdir())]
        talk.say(answer)
        talk.hear()

    assert sorted(kept) == sorted([OLD, OLD_ENVIRONMENT])
    assert not (box.state / "undo").exists()


def test_former_files_that_a_killed_push_left_are_removed_by_the_next_one(box: Sandbox) -> None:
    box.bring()
    (box.state / "undo").mkdir()
    (box.state / "undo" / "0").write_text("former password")

    box.bring()

    assert not (box.state / "undo").exists()


def test_the_host_remembers_what_was_brought(box: Sandbox) -> None:
    order = box.order()
    box.bring(order)

    seen = gathered(box)

    remembered = seen.last_push
    assert (remembered.content, remembered.config_id, remembered.by) == (order.content, order.config_id, "ada")
    assert abs(remembered.at - time.time()) < 60
    assert remembered.hashes == {one.path: hashlib.sha256(one.content).hexdigest() for one in order.files}
    assert (seen.drifted, seen.pending) == ([], "")
    assert seen.last["outcome"] == "committed"


def test_the_same_content_again_touches_nothing(box: Sandbox) -> None:
    first = box.order()
    box.bring(first)
    before, restarts = box.config.stat(), len(box.calls("systemctl restart"))

    told = box.bring()

    assert words(told, "state", "unchanged") == ["state lock", "state probe", f"unchanged {first.config_id}"]
    assert box.config.stat() == before
    assert len(box.calls("systemctl restart")) == restarts
    assert box.last()["tx"] == "t0"


def test_the_same_content_is_brought_again_where_the_agent_does_not_run(box: Sandbox) -> None:
    box.bring()
    box.call("systemctl", "stop", "telegraf")

    told = box.bring(force=True)

    assert told[-1].word == "committed"
    assert box.loaded == NEW


def test_another_content_takes_the_place_of_the_first(box: Sandbox) -> None:
    box.bring()

    told = box.bring(config="# Another.\n")

    assert told[-1].word == "committed"
    assert box.loaded == "# Another.\n"
    assert gathered(box).last_push.config_id.endswith("-1")


def test_files_that_were_not_there_are_made_with_their_folders(box: Sandbox) -> None:
    extra, empty = (
        PushedFile(str(box.root / "etc/new/deep" / name), content) for name, content in [("x", b"x"), ("e", b"")]
    )
    order = box.order()

    told = box.bring(dataclasses.replace(order, files=(empty, *order.files, extra)))

    assert told[-1].word == "committed"
    assert (Path(extra.path).read_bytes(), Path(empty.path).read_bytes()) == (b"x", b"")


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_file_of_any_size_and_any_bytes_arrives_whole(box: Sandbox, size: int) -> None:
    content = b"# " + os.urandom(size) + b"\n\0\n"
    order = box.order()

    told = box.bring(dataclasses.replace(order, files=(order.files[0], PushedFile(str(box.config), content))))

    assert told[-1].word == "committed"
    assert box.config.read_bytes() == content


def test_a_configuration_is_checked_with_its_variables_as_the_agents_user(box: Sandbox) -> None:
    (box.root / "agent/user").write_text("telegraf")

    told = box.bring(config="# $NEW\n")

    assert told[-1].word == "committed"
    (as_user,) = box.calls("setpriv")
    assert as_user.startswith(
        "setpriv --reuid=telegraf --regid=telegraf --init-groups timeout 20 telegraf config check "
    )


def test_what_telegraf_reads_besides_is_checked_and_told(box: Sandbox) -> None:
    (box.root / "etc/telegraf/telegraf.d").mkdir()
    for name in ("own.conf", "other.conf", "not-read"):
        (box.root / "etc/telegraf/telegraf.d" / name).touch()

    told = box.bring()

    assert words(told, "included") == ["included other.conf", "included own.conf"]
    assert any(call.endswith("/telegraf.d") for call in box.calls("telegraf config check"))


def test_without_a_proof_it_ends_by_itself(box: Sandbox) -> None:
    with box.push(verify=False) as talk:
        told = talk.hear()

    assert words(told, "state")[-2:] == ["state restart", "state commit"]
    assert told[-1].word == "committed"


def test_the_version_is_asked_of_the_program_once(box: Sandbox) -> None:
    box.bring()
    box.bring(config="# Another.\n")

    assert gathered(box).facts["version"] == "1.39.3"
    assert box.calls("telegraf --version") == ["telegraf --version"]


def test_a_program_that_has_changed_is_asked_again(box: Sandbox) -> None:
    box.bring()
    program = box.root / "bin/telegraf"
    text = program.read_text().replace("1.39.3", "1.40.0")
    program.unlink()
    program.write_text(text)
    program.chmod(0o755)

    assert gathered(box).facts["version"] == "1.40.0"


def test_a_look_changes_nothing_not_even_on_a_host_that_aresmon_never_saw(box: Sandbox) -> None:
    def everything() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in box.root.glob("[ev][ta][cr]/**/*")}

    before = everything()

    seen = gathered(box)

    assert everything() == before
    assert (seen.content(str(box.config)), seen.last_push.content, seen.last) == (OLD.encode(), "", {})
    assert not box.state.exists()


def test_a_look_at_a_host_without_a_configuration_says_so(box: Sandbox) -> None:
    box.config.unlink()

    seen = gathered(box)

    assert seen.content(str(box.config)) is None
    assert seen.files[str(box.config)] == ("-", None)


def test_a_look_takes_no_lock_and_tells_what_is_under_way(box: Sandbox) -> None:
    with box.push() as talk:
        talk.until("running")

        seen = gathered(box)

        talk.say("commit")
        talk.until("committed")
    assert (seen.pending, seen.facts["active"]) == ("t0", "active")


def test_the_first_push_to_an_agent_that_does_not_run_starts_it(box: Sandbox) -> None:
    box.call("systemctl", "stop", "telegraf")

    told = box.bring()

    assert told[-1].word == "committed"
    assert box.loaded == NEW


def test_the_unit_that_goes_before_the_agent_at_a_start_is_written_once(box: Sandbox) -> None:
    box.bring()
    box.bring(config="# Another.\n")

    unit = (box.root / "etc/systemd/system/aresmon-undo-ares.service").read_text()
    assert f"ConditionPathExists={box.state}/pending\nBefore=telegraf.service\n" in unit
    assert f"ExecStart=/bin/bash {box.state}/host.bash boot {box.state}\n" in unit
    assert box.calls("systemctl enable") == ["systemctl enable --quiet aresmon-undo-ares.service"]


def test_a_machine_without_systemd_gets_its_watchdog_too(tmp_path: Path) -> None:
    box = Sandbox(tmp_path / "plain", has_systemd=False)
    box.settle()
    with box.push() as talk:
        talk.until("running")
        talk.kill()

        box.wait_settled()

    assert box.loaded == OLD
    assert box.calls("systemd-run") == []
    box.close()


def test_the_host_keeps_the_very_script_that_it_was_given(box: Sandbox) -> None:
    box.bring()
    first = (box.state / "host.bash").stat()
    box.bring(config="# Another.\n")

    assert (box.state / "host.bash").read_text() == box.script
    assert (box.state / "host.bash").stat().st_ino == first.st_ino


@pytest.mark.parametrize(
    "given", [b"", b"\n", b"10\nmode=boot\n", b"mode=push\n\n", b"hello\nworld\n\n", b"mode=deadman\nstate=/x\n\n"]
)
def test_what_is_no_order_is_refused(box: Sandbox, given: bytes) -> None:
    talk = Talk(box, given)
    talk.hang_up()
    with talk:
        told = talk.hear()

    assert words(told) == ["refused header not a request of aresmon"]


def test_a_value_keeps_what_looks_like_a_separator(box: Sandbox) -> None:
    box.bring(by="=a = b==")

    assert gathered(box).last_push.by == "=a = b=="


@pytest.mark.parametrize(("verify", "programs", "shells"), [(True, 27, 14), (False, 26, 13)])
def test_a_push_starts_few_programs(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, verify: bool, programs: int, shells: int
) -> None:
    """On a small host, starting them takes longer than what they do."""
    trace = box.root / "trace"
    plain = box.script
    before = f"exec 7>>{trace}; BASH_XTRACEFD=7 PS4='+|$0|$BASHPID|'; set -x\n"
    monkeypatch.setattr(Sandbox, "script", property(lambda _: before + plain))
    box.bring()
    trace.write_text("")

    told = box.bring(box.order("# another\n", verify=verify))

    assert told[-1].word == "committed"
    known = subprocess.run(
        ["/bin/bash", "-c", "compgen -bk"], capture_output=True, text=True, check=True
    ).stdout.split()
    own = {*known, *re.findall(r"^(\w+)\(\)", plain, re.MULTILINE)} - {"exec"}
    lines = re.findall(r"^\++\|bash\|(\d+)\|(.*)", trace.read_text(errors="replace"), re.MULTILINE)
    started = [line for _, line in lines if re.match(r"[a-z][a-z0-9-]* ", line) and line.split(" ")[0] not in own]
    assert 0 < len(started) <= programs, "\n".join(started)
    assert len({process for process, _ in lines}) - 1 <= shells
