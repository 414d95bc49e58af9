"""The journal of a push: it is on the disk whole, and one that is not changes nothing on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.push.remote.sandbox import NEW, OLD, OLD_ENVIRONMENT, Sandbox, until, words

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda text: b"",
    "cut": lambda text: text[: len(text) // 2],
    "without its end": lambda text: text[: text.rindex(b"end=")],
    "garbled": lambda text: text.replace(b"was=active", b"was=inactiv"),
    "with a null byte": lambda text: text.replace(b"by=ada", b"by=\0da"),
    "followed by zeros": lambda text: text + bytes(512),
    "of something else": lambda text: b"hello\n",
}


def interrupt(box: Sandbox, **given: Any) -> bytes:
    """A push that was killed, with its watchdog, while the new configuration ran; its journal."""
    with box.push(**given) as talk:
        talk.until("running")
        text = box.pending.read_bytes()
        talk.kill()
    box.kill_all()
    box.call("systemctl", "start", "telegraf")
    return text


def restore(box: Sandbox, mode: str) -> None:
    box.call("bash", str(box.state / "host.bash"), mode, str(box.state))


def state(box: Sandbox) -> object:
    """What a journal that cannot be read must leave as it is."""
    undo = {path.name: path.read_bytes() for path in sorted((box.state / "undo").iterdir())}
    return box.pid, box.config.read_text(), box.environment.read_text(), box.pending.read_bytes(), undo


@pytest.mark.parametrize(("mode", "step"), [("boot", 1), ("watchdog", 7)])
def test_of_a_journal_only_its_whole_length_restores_anything(box: Sandbox, mode: str, step: int) -> None:
    text = interrupt(box)
    box.uptime += 1000
    for length in range(0, len(text), step):
        box.pending.write_bytes(text[:length])
        before = state(box)
        restore(box, mode)
        assert state(box) == before, f"with {length} of {len(text)} bytes"

    box.pending.write_bytes(text)
    restore(box, mode)
    assert (box.config.read_text(), box.last()["outcome"]) == (OLD, "undone")


def test_a_look_reports_a_journal_of_any_length_but_the_whole_as_damaged(box: Sandbox) -> None:
    text = interrupt(box)
    for length in range(0, len(text), 7):
        box.pending.write_bytes(text[:length])
        assert words(box.look(), "damaged", "pending") == [f"damaged {box.pending}"], length

    box.pending.write_bytes(text)
    assert words(box.look(), "damaged", "pending") == ["pending t0"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_push_over_a_damaged_journal_keeps_the_agent_running_and_reports_it(box: Sandbox, damage: str) -> None:
    first = box.order()
    box.bring(first)
    with box.push(config="# Another.\n") as talk:
        talk.until("running")
        text = box.pending.read_bytes()
        talk.say("rollback it")
        talk.hear()
    box.pending.write_bytes(DAMAGES[damage](text))
    before = box.pid

    told = box.bring(first)

    assert words(told, "damaged", "recovered", "unchanged") == [
        f"damaged {box.pending}",
        f"unchanged {first.config_id}",
    ]
    assert (box.pid, box.loaded) == (before, NEW)
    assert not box.pending.exists()
    box.pending.write_bytes(DAMAGES[damage](text))
    assert box.bring(config="# Another.\n")[-1].word == "committed"
    assert not box.pending.exists()


def test_the_files_of_an_interrupted_push_with_a_damaged_journal_are_drift(box: Sandbox) -> None:
    box.bring()
    text = interrupt(box, config="# Another.\n")
    box.pending.write_bytes(text[:100])
    before = state(box)

    told = box.bring(config="# Third.\n")

    assert told[-1].word == "drift"
    assert words(told, "damaged") == [f"damaged {box.pending}"]
    assert state(box) == before
    assert box.bring(config="# Third.\n", overwrite=True)[-1].word == "committed"
    assert not (box.state / "undo").exists()


def test_what_stood_there_before_the_first_push_is_kept_until_it_may_go(box: Sandbox) -> None:
    text = interrupt(box)
    box.pending.write_bytes(text[:-1])
    before = state(box)

    told = box.bring(config="# Another.\n")

    assert words(told)[-1].startswith(f"refused journal the journal of an interrupted push, {box.pending}, is damaged")
    assert state(box) == before
    assert box.bring(config="# Another.\n", overwrite=True)[-1].word == "committed"


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_journal_whose_previous_files_are_damaged_restores_nothing(box: Sandbox, damage: str) -> None:
    interrupt(box)
    saved = box.state / "undo" / "1"
    saved.write_text(OLD[:5]) if damage == "cut" else saved.unlink()
    before = state(box)

    restore(box, "boot")

    assert state(box) == before
    assert (box.root / "log").read_text() == f"the journal {box.pending} is damaged: nothing was restored\n"


@pytest.mark.parametrize("end", ["commit", "rollback it"])
def test_a_push_whose_own_journal_is_damaged_meanwhile_ends_as_it_is_told(box: Sandbox, end: str) -> None:
    with box.push() as talk:
        talk.until("running")
        box.pending.write_bytes(b"")
        talk.say(end)
        told = talk.hear()

    is_new = end == "commit"
    assert told[-1].word == ("committed" if is_new else "rolled-back")
    assert (box.loaded, box.environment.read_text()) == ((NEW, "NEW='1'\n") if is_new else (OLD, OLD_ENVIRONMENT))
    assert not box.pending.exists()


def test_a_journal_is_synced_before_it_has_its_name_also_when_more_time_is_given(box: Sandbox) -> None:
    box.trip(9999, "fail")
    with box.push() as talk:
        talk.until("running")
        talk.say("extend 60")
        until(lambda: b"deadline=1090" in box.pending.read_bytes())
        talk.say("rollback it")
        talk.hear()

    calls = [line for line in (box.root / "count").read_text().splitlines() if "/pending.new" in line]
    assert [call.split(" ")[:2] for call in calls] == [["sync", f"{box.pending}.new"], ["mv", "-T"]] * 2
    saved = {f"{box.state}/undo", f"{box.state}/undo/0", f"{box.state}/undo/1"}
    staged = {f"{path.parent}/.{path.name}.aresmon" for path in (box.environment, box.config)}
    assert set(calls[0].split(" ")[2:]) == saved | staged


@pytest.mark.parametrize("length", range(0, 150, 10))
def test_a_cut_journal_of_0_4_0_restores_nothing(box: Sandbox, length: int) -> None:
    (box.state / "undo").mkdir(parents=True)
    for index, content in enumerate((OLD_ENVIRONMENT, OLD)):
        (box.state / f"undo/{index}").write_text(content)
    (box.state / "host.bash").write_text(box.script)
    lines = f"file=0 present {box.environment}\nfile=1 present {box.config}\n"
    head = f"tx=t-1\nkind=systemd\nby=ada\nwas=active\nproject=\nfolder=\nwatched={box.config}\ndeadline=1\n"
    box.pending.write_text((head + lines)[: len(head + lines) - 1 - length])
    before = state(box)

    restore(box, "watchdog")

    assert state(box) == before


def test_a_damaged_record_of_the_last_push_is_drift(box: Sandbox) -> None:
    box.bring()
    record = box.state / "current"
    for text in (b"", record.read_bytes()[:20], bytes(100)):
        record.write_bytes(text)
        told = box.bring(config="# Another.\n")
        assert words(told)[-1] == f"drift {record}", text
    assert box.bring(config="# Another.\n", overwrite=True)[-1].word == "committed"


def test_a_damaged_path_in_the_record_of_the_last_push_is_drift(box: Sandbox) -> None:
    box.bring()
    record = box.state / "current"
    record.write_text(record.read_text().replace("sha=", "sha=0 no", 1))

    told = words(box.bring(config="# Another.\n"))

    assert told[-1].startswith("drift no"), told
    assert box.bring(config="# Another.\n", overwrite=True)[-1].word == "committed"


def test_a_lock_with_a_garbled_age_is_reported(box: Sandbox) -> None:
    with box.push() as first:
        first.until("running")
        (box.state / "lock").write_text("x y[0] ada\n")
        assert words(box.bring(by="eve"))[-1] == "locked 0 ada"
        first.say("commit")
        first.until("committed")
