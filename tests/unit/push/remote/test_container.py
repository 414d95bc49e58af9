"""The host script where the agent runs in a container: the same states, by way of Compose."""

from __future__ import annotations

import dataclasses
import os
import signal
from typing import Any

import pytest

from aresmon.push.protocol import PushedFile, PushOrder
from tests.unit.push.remote.sandbox import NEW, OLD, Sandbox, until, words

COMPOSE = "docker compose --project-name ares --project-directory"


def order(dock: Sandbox, config: str = NEW, **changes: Any) -> PushOrder:
    """An order as for an agent in a container: a Compose project and its configuration."""
    made = dock.order(config, **changes)
    env = PushedFile(str(dock.folder / ".env"), b"COMPOSE_FILE=agent.yml\n")
    return dataclasses.replace(made, files=(env, *made.files))


def test_an_agent_in_a_container_is_brought_and_started(dock: Sandbox) -> None:
    told = dock.bring(order(dock))

    assert [one.word for one in told][-1] == "committed"
    assert dock.loaded == NEW
    assert (dock.folder / ".env").read_bytes() == b"COMPOSE_FILE=agent.yml\n"
    assert dock.strays() == []
    assert [call for call in dock.calls("systemctl") if "telegraf" in call] == []


def test_what_the_containers_telegraf_calls_deprecated_is_reported(dock: Sandbox) -> None:
    notice = 'Plugin "inputs.sflow" deprecated since version 1.31.0 and will be removed in 1.40.0: x'

    told = dock.bring(order(dock, f"# log: W! DeprecationWarning: {notice}\n"))

    assert words(told, "deprecated") == [f"deprecated {notice}"]


def test_a_configuration_is_checked_by_the_containers_own_telegraf_on_a_copy(dock: Sandbox) -> None:
    dock.bring(order(dock))

    told = dock.bring(order(dock, "# check: line 7: unknown field\n"))

    assert "E! line 7: unknown field" in words(told)[-1]
    assert words(told)[-1].startswith("refused check ")
    assert dock.loaded == NEW
    assert dock.config.read_text() == NEW
    assert dock.strays() == []
    assert not (dock.state / "check").exists()
    assert all(f"{COMPOSE} {dock.state}/check " in call for call in dock.calls(COMPOSE) if " run " in call)


def test_what_the_first_push_brought_goes_with_it(dock: Sandbox) -> None:
    with dock.push(order(dock)) as talk:
        talk.until("running")
        talk.say("rollback it")
        told = talk.hear()

    assert words(told)[-1] == "rolled-back it"
    assert not dock.config.exists()
    assert dock.pid is None
    assert any(call.endswith("rm --stop --force telegraf") for call in dock.calls(COMPOSE))


def test_the_former_container_comes_back(dock: Sandbox) -> None:
    dock.bring(order(dock, OLD))

    with dock.push(order(dock)) as talk:
        talk.until("running")
        assert dock.loaded == NEW
        talk.hang_up()
        told = talk.hear()

    assert words(told)[-1] == "rolled-back the connection ended"
    assert (dock.loaded, dock.config.read_text()) == (OLD, OLD)


def test_a_container_that_ends_is_seen(dock: Sandbox) -> None:
    (dock.root / "agent/log").write_text("hello\n2026-01-01T00:00:00Z E! no such host\n")
    with dock.push(order(dock)) as talk:
        talk.until("running")
        assert dock.pid
        os.kill(dock.pid, signal.SIGKILL)
        told = talk.hear()

    assert told[-1].rest.startswith("the agent exited ")
    assert words(told, "log") == ["log 2026-01-01T00:00:00Z E! no such host"]


def test_a_container_that_was_started_again_is_seen_at_the_word(dock: Sandbox) -> None:
    with dock.push(order(dock)) as talk:
        talk.until("running")
        dock.call("systemctl", "restart", "telegraf")
        talk.say("commit")
        told = talk.hear()

    assert told[-1].word == "rolled-back"


def test_a_push_that_is_killed_is_rolled_back_when_its_time_is_over(dock: Sandbox) -> None:
    dock.bring(order(dock, OLD))
    with dock.push(order(dock)) as talk:
        talk.until("running")
        talk.kill()

    dock.wait_settled()

    until(lambda: dock.loaded == OLD)
    assert dock.config.read_text() == OLD
    assert dock.last()["outcome"] == "undone"


@pytest.mark.parametrize("name", ["COMPOSE_FILE", "ARESMON_URL"])
def test_nothing_of_the_callers_environment_reaches_compose(
    dock: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sandbox, "variables", {**dock.variables, name: "the caller's"})

    assert dock.bring(order(dock))[-1].word == "committed"
