"""What the host script finds out about data that does not arrive."""

from __future__ import annotations

import dataclasses

import pytest

from tests.unit.push.remote.sandbox import OLD, Sandbox, words

RESOLVED = ("http://localhost:8086", "http://127.0.0.1:9", "http://[::1]:9", "udp://localhost:8089")


def restart(box: Sandbox, *command: str) -> None:
    box.command(*command)
    box.call("systemctl", "restart", "telegraf")


@pytest.mark.parametrize("form", ["--config {}", "-config {}", "--config={}", "--config-directory {}"])
def test_a_service_that_reads_another_file_is_refused_before_anything_is_changed(box: Sandbox, form: str) -> None:
    other = box.root / "etc/other"
    restart(box, "--quiet", *form.format(other).split())
    before = box.pid

    told = box.bring()

    assert words(told)[-1] == f"refused other {other}"
    assert (box.pid, box.config.read_text()) == (before, OLD)


@pytest.mark.parametrize(
    "command",
    [
        "--config {folder}/telegraf.conf --config-directory {folder}/telegraf.d",
        "--config /nowhere -config={folder}/telegraf.conf",
        "--config {root}/link.conf",
        "--config-directory={folder}",
        "--quiet",
    ],
)
def test_a_service_that_reads_the_file_among_others_or_by_a_link_is_pushed_to(box: Sandbox, command: str) -> None:
    (box.root / "link.conf").symlink_to(box.config)
    restart(box, *command.format(folder=box.config.parent, root=box.root).split())

    assert box.bring()[-1].word == "committed"


def test_an_agent_that_starts_with_another_file_is_rolled_back_at_once(box: Sandbox) -> None:
    box.call("systemctl", "stop", "telegraf")
    box.command("--config", "/etc/other.conf")

    told = box.bring()

    assert words(told)[-1] == f"rolled-back the service reads /etc/other.conf, not {box.config}"
    assert (box.pid, box.config.read_text()) == (None, OLD)


def test_of_the_outputs_addresses_those_without_one_are_named_when_no_data_arrives(box: Sandbox) -> None:
    order = dataclasses.replace(box.order(), outputs=(*RESOLVED, "http://no-such-host.invalid:8086"))
    with box.push(order) as talk:
        talk.until("running")
        talk.say("rollback no data arrived")
        told = talk.hear()

    assert words(told, "unresolved") == ["unresolved no-such-host.invalid"]


def test_only_the_log_of_the_new_process_is_quoted(box: Sandbox) -> None:
    (box.root / "agent/log").write_text("then E! of the process before\n")
    (box.root / "agent/log-5a").write_text("now I! started\nnow E! of the new process\n")
    with box.push() as talk:
        talk.until("state", "switch")
        (box.root / "agent/invocation").write_text("5a")
        talk.until("running")
        talk.say("rollback it")
        told = talk.hear()

    assert words(told, "log") == ["log now E! of the new process"]


NOTICE = 'Option "fieldpass" of plugin "inputs.mem" deprecated since version 1.29.0 and will be removed in 1.40.0: x'
VALUED = 'for option "command" of plugin "inputs.exec" deprecated since version 1.39.0 and will be removed in 1.45.0'


def test_what_the_check_calls_deprecated_is_reported_without_values(box: Sandbox) -> None:
    lines = [
        f"# log: E! DeprecationError: {NOTICE}",
        f'# log: W! DeprecationWarning: Value "x --token s3cret" {VALUED}: use ["--token","s3cret"]',
        "# log: W! something else",
    ]

    told = box.bring(config="\n".join([*lines, ""]))

    assert words(told, "deprecated") == [f"deprecated {NOTICE}", f"deprecated Value {VALUED}"]
    assert told[-1].word == "committed"


def test_what_is_only_deprecated_is_not_quoted_as_an_error(box: Sandbox) -> None:
    (box.root / "agent/log").write_text(f"1 E! DeprecationError: {NOTICE}\n1 E! the reason\n1 E! DeprecationError: x\n")
    with box.push() as talk:
        talk.until("running")
        talk.say("rollback it")
        told = talk.hear()

    assert words(told, "log") == ["log 1 E! the reason"]
