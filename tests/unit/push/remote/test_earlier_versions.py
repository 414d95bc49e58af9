"""State files and units that 0.4.0 left on a host are read, and replaced, by this version."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.push.remote.sandbox import NEW, OLD, OLD_ENVIRONMENT, Sandbox, until, words

UNIT = "[Unit]\nDescription=Take back a push of aresmon\n\n[Service]\nType=oneshot\nEnvironment=ARESMON_UNIT=1\n"


def interrupt(box: Sandbox, *, deadline: int) -> None:
    """The state of a push of 0.4.0 that was killed after it had renamed its files into place."""
    (box.state / "undo").mkdir(parents=True)
    (box.state / "undo/0").write_text(OLD_ENVIRONMENT)
    (box.state / "undo/1").write_text(OLD)
    box.environment.write_text("NEW='1'\n")
    box.config.write_text(NEW)
    (box.state / "pending").write_text(
        "tx=20261101T000000-0123abcd\nkind=systemd\nby=ada\nwas=active\nproject=\nfolder=\n"
        f"watched={box.config}\ndeadline={deadline}\nfile=0 present {box.environment}\nfile=1 present {box.config}\n"
    )
    box.call("systemctl", "restart", "telegraf")


def deploy(box: Sandbox, content: str) -> None:
    """The record of a push of 0.4.0, with the files that are on the host."""
    box.state.mkdir()
    hashes = "".join(
        f"sha={hashlib.sha256(path.read_bytes()).hexdigest()} {path}\n" for path in (box.environment, box.config)
    )
    (box.state / "current").write_text(
        f"content={content}\ngen={content}-1\noutput=output\ntx=t-1\nby=ada\nat=1793491200\n{hashes}"
    )
    (box.state / "last").write_text("tx=t-1\noutcome=committed\nwhy=\nat=1793491200\n")


def test_an_interrupted_push_of_0_4_0_is_rolled_back_by_the_next_push(box: Sandbox) -> None:
    interrupt(box, deadline=box.uptime + 60)

    with box.push(config="# Another.\n") as talk:
        told = talk.hear(answer="rollback it")

    assert words(told, "recovered") == ["recovered 20261101T000000-0123abcd"]
    assert (box.config.read_text(), box.environment.read_text(), box.loaded) == (OLD, OLD_ENVIRONMENT, OLD)


@pytest.mark.parametrize("mode", ["deadman", "watchdog"])
def test_an_interrupted_push_of_0_4_0_is_rolled_back_by_its_watchdog(box: Sandbox, mode: str) -> None:
    interrupt(box, deadline=box.uptime - 1)
    (box.state / "host.bash").write_text(box.script)

    box.call("bash", str(box.state / "host.bash"), mode, str(box.state))

    assert (box.config.read_text(), box.environment.read_text(), box.loaded) == (OLD, OLD_ENVIRONMENT, OLD)
    assert box.last()["outcome"] == "undone"


def test_an_interrupted_push_of_0_4_0_is_rolled_back_at_boot(box: Sandbox) -> None:
    interrupt(box, deadline=box.uptime + 60)
    (box.state / "host.bash").write_text(box.script)
    (box.root / "etc/systemd/system/aresmon-undo-ares.service").write_text(UNIT)

    box.boot()

    assert (box.config.read_text(), box.environment.read_text(), box.loaded) == (OLD, OLD_ENVIRONMENT, OLD)


def test_a_configuration_that_0_4_0_deployed_is_unchanged_or_drifted(box: Sandbox) -> None:
    order = box.order(OLD, OLD_ENVIRONMENT)
    deploy(box, order.content)

    assert words(box.bring(order))[-1] == f"unchanged {order.content}-1"
    box.config.write_text("# By hand.\n")
    assert words(box.bring(order))[-1] == f"drift {box.config}"


def test_the_boot_unit_of_0_4_0_is_replaced(box: Sandbox) -> None:
    unit = box.root / "etc/systemd/system/aresmon-undo-ares.service"
    unit.write_text(UNIT)

    box.bring()

    assert "Description=Roll back an aresmon push" in unit.read_text()
    assert box.calls("systemctl enable") == ["systemctl enable --quiet aresmon-undo-ares.service"]
    until(lambda: not box.pending.exists())
