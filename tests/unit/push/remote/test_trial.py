"""The trial of new inputs, as the host script makes it: what it reports, and that it changes and stops nothing."""

from __future__ import annotations

import dataclasses

import pytest

from aresmon.agents import trial
from aresmon.push.protocol import PushedFile
from tests.unit.push.remote.sandbox import NEW, OLD, Sandbox, until, words

NGINX = "E! [inputs.nginx] Error in plugin: dial tcp 127.0.0.1:80: connect: connection refused"
DOCKER = "E! [agent] Starting input inputs.docker: failed to ping daemon"
BROKER = "I! [inputs.mqtt_consumer] Startup failed: network Error; retrying..."
OTHER = ["I! Loading config: x", "E! [outputs.influxdb] no", "W! [inputs.mem] slow", "I! [inputs.mem] says E! [x]"]


def config(*logged: str) -> str:
    return NEW + "".join(f"# trial: {line}\n" for line in logged)


def test_each_error_of_a_tried_input_is_reported_once_before_anything_is_changed(box: Sandbox) -> None:
    told = box.bring(box.order(config(NGINX, NGINX, *OTHER, DOCKER, BROKER), trial=("nginx", "docker")))

    assert words(told, "tried") == [
        "tried [inputs.nginx] Error in plugin: dial tcp 127.0.0.1:80: connect: connection refused",
        "tried [agent] Starting input inputs.docker: failed to ping daemon",
        "tried [inputs.mqtt_consumer] Startup failed: network Error; retrying...",
    ]
    said = words(told)
    assert max(said.index(one) for one in words(told, "tried")) < said.index("state prepare")
    assert said[-1].startswith("committed")
    ran = (box.root / "agent/trial").read_text()
    assert "--input-filter nginx:docker --output-filter none" in ran
    assert f"--config {box.config.parent}/.telegraf.conf.aresmon " in ran
    assert "environment=1" in ran


def test_of_a_long_message_the_middle_is_left_out_and_the_cause_at_its_end_kept(box: Sandbox) -> None:
    long = f"E! [inputs.exec] Error in plugin: exit status 1 for {'awk ' * 200}: No such file"

    (tried,) = words(box.bring(box.order(config(long), trial=("exec",))), "tried")

    assert tried.startswith("tried [inputs.exec] Error in plugin: exit status 1 for awk awk ")
    assert tried.endswith("awk : No such file")
    assert len(tried) == len("tried ") + 400


def test_a_trial_does_not_run_as_if_somebody_had_logged_in(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {**box.variables, "SSH_CLIENT": "192.0.2.1 50000 22"}
    monkeypatch.setattr(Sandbox, "variables", variables)

    box.bring(box.order(config(NGINX), trial=("nginx",)))

    assert "ssh=\n" in (box.root / "agent/trial").read_text()


def test_without_inputs_to_try_nothing_is_run(box: Sandbox) -> None:
    told = box.bring(box.order(config(NGINX)))

    assert words(told, "tried") == []
    assert not (box.root / "agent/trial").exists()


def test_a_trial_that_does_not_end_is_ended_and_told(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 1)

    told = box.bring(box.order(config(NGINX) + "# trial hangs\n", trial=("nginx", "redis")))

    assert [one.partition(" ")[0] for one in words(told) if one.startswith("tried")] == ["tried", "tried-late"]
    assert words(told)[-1].startswith("committed")


def test_a_configuration_that_the_check_rejects_is_refused_without_waiting_for_the_trial(box: Sandbox) -> None:
    told = box.bring(box.order("# check: unknown field\n" + config(NGINX), trial=("nginx",)))

    assert words(told)[-1].startswith("refused check ")
    assert words(told, "tried") == []


def test_killed_during_the_trial_the_host_is_as_it_was(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 2)
    with box.push(box.order(config() + "# trial hangs\n", trial=("nginx",))) as talk:
        talk.until("state", "check")
        talk.kill()

    assert (box.config.read_text(), box.loaded, box.pending.exists()) == (OLD, OLD, False)
    until(lambda: words(box.bring())[-1].startswith("committed"))  # its check may still have the lock
    assert box.strays() == []


def test_a_connection_that_ends_during_the_trial_changes_nothing(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 1)
    with box.push(box.order(config() + "# trial hangs\n", trial=("nginx",))) as talk:
        talk.until("state", "check")
        talk.hang_up()
        told = talk.hear()

    assert "switch" not in " ".join(words(told))
    assert (box.config.read_text(), box.loaded, box.strays()) == (OLD, OLD, [])


def test_the_inputs_of_a_container_are_tried_in_a_copy_of_its_project(dock: Sandbox) -> None:
    made = dock.order(config(NGINX), trial=("nginx",))
    env = PushedFile(str(dock.folder / ".env"), b"COMPOSE_FILE=agent.yml\n")

    told = dock.bring(dataclasses.replace(made, files=(env, *made.files)))

    assert words(told, "tried") == [
        "tried [inputs.nginx] Error in plugin: dial tcp 127.0.0.1:80: connect: connection refused"
    ]
    assert words(told)[-1].startswith("committed")
    assert not (dock.state / "check").exists()
