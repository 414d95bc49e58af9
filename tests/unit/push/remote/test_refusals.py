"""What the host script refuses, and that it leaves everything as it was then."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.server
import operator
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aresmon.push.protocol import HostMessage, PushedFile, WriteAccess
from tests.unit.push.remote.sandbox import NEW, OLD, OLD_ENVIRONMENT, Sandbox, Talk, words


def assert_untouched(box: Sandbox, told: list[HostMessage], *, pid: int | None, config: str = OLD) -> None:
    """The files, the agent's process and the journal are what they were, and nothing lies about."""
    assert (box.config.read_text(), box.pid) == (config, pid)
    assert not box.pending.exists()
    assert box.strays() == []
    assert {one.word for one in told} & {"running", "committed", "rolled-back", "broken"} == set()


def refused(box: Sandbox, told: list[HostMessage]) -> str:
    """The one refusal of a push, which was its last word."""
    assert [one.word for one in told].count("refused") == 1
    assert told[-1].word == "refused"
    return told[-1].rest


# The lock ---------------------------------------------------------------------------------------------


def test_a_second_push_is_refused_and_told_whose_the_first_is(box: Sandbox) -> None:
    with box.push() as first:
        first.until("running")
        box.uptime += 7

        told = box.bring(by="eve")

        first.say("commit")
        first.until("committed")
    assert words(told) == ["state lock", "locked 7 ada"]
    assert box.loaded == NEW


def test_a_lock_ends_with_its_holder(box: Sandbox) -> None:
    with box.push() as first:
        first.until("running")
        first.kill()

    assert box.bring()[-1].word == "committed"


def test_a_state_that_cannot_be_made_is_told(box: Sandbox) -> None:
    box.state.write_text("a file stands there")
    before = box.pid

    told = box.bring()

    assert refused(box, told) == f"kind {box.state} is not a folder"
    assert (box.config.read_text(), box.pid) == (OLD, before)


@pytest.mark.parametrize("name", ["lock", "turn", "pending", "current", "last"])
def test_a_folder_in_the_place_of_a_state_file_is_named(box: Sandbox, name: str) -> None:
    (box.state / name).mkdir(parents=True)
    before = box.pid

    told = box.bring()

    assert refused(box, told) == f"kind {box.state}/{name} is a folder, and must be a file"
    assert (box.config.read_text(), box.pid) == (OLD, before)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("masked", "masked telegraf.service is masked, so systemd does not start it"),
        ("bad-setting", "unit systemd cannot load telegraf.service (bad-setting)"),
        ("not-found", "probe Telegraf is not installed"),
    ],
)
def test_a_unit_that_systemd_does_not_start_is_told_with_its_state(box: Sandbox, state: str, why: str) -> None:
    box.fault("load state", state)

    assert refused(box, box.bring()) == why


def test_a_machine_without_systemd_run_is_told_so(box: Sandbox) -> None:
    (box.root / "bin/systemd-run").unlink()
    path = box.root / "bin"
    for program in Path("/usr/bin").iterdir():
        if program.name != "systemd-run" and not (path / program.name).exists():
            (path / program.name).symlink_to(program)
    box.only_own_programs = True
    before = box.pid

    told = box.bring()

    assert refused(box, told) == "watchdog the watchdog could not be started: systemd-run is not installed"
    assert_untouched(box, told, pid=before)
    assert not (box.state / "undo").exists()


def test_a_lock_without_room_is_told(box: Sandbox) -> None:
    box.state.mkdir()
    (box.state / "lock").symlink_to("/dev/full")

    assert refused(box, box.bring()) == f"lock no space left in {box.state}"


# The probe --------------------------------------------------------------------------------------------


def test_a_machine_without_telegraf_is_told(box: Sandbox) -> None:
    box.fault("no telegraf")
    before = box.pid

    told = box.bring()

    assert refused(box, told) == "probe Telegraf is not installed"
    assert_untouched(box, told, pid=before)


def test_an_agent_that_is_down_already_is_pushed_to_by_force_alone(box: Sandbox) -> None:
    box.bring()
    box.call("systemctl", "stop", "telegraf")

    told = box.bring(config="# Another.\n")

    assert refused(box, told) == "probe the agent is not running (inactive)"
    assert_untouched(box, told, pid=None, config=NEW)
    assert box.bring(config="# Another.\n", force=True)[-1].word == "committed"


# Files that cannot be replaced -----------------------------------------------------------------------


@pytest.mark.parametrize("which", ["config", "environment", "config.parent"])
@pytest.mark.parametrize("attributes", ["----i---------e-------", "-----a--------e-------"])
def test_a_file_that_cannot_be_replaced_stops_the_push(box: Sandbox, which: str, attributes: str) -> None:
    path = operator.attrgetter(which)(box)
    box.fault("attributes", f"{path} {attributes}\n")
    before = box.pid

    told = box.bring()

    assert refused(box, told) == f"immutable {attributes.strip('-e').strip('-')} {path}"
    assert_untouched(box, told, pid=before)
    assert not (box.state / "undo").exists()


def test_a_file_that_is_mounted_stops_the_push_also_behind_a_link(box: Sandbox) -> None:
    (box.root / "etc/telegraf").rename(box.root / "real-telegraf")
    (box.root / "etc/telegraf").symlink_to(box.root / "real-telegraf")
    with (box.root / "self/mountinfo").open("a") as mounts:
        mounts.write(f"40 22 8:1 /x {box.root}/real-telegraf/telegraf.conf rw - ext4 /dev/sda1 rw\n")
    before = box.pid

    told = box.bring()

    assert refused(box, told) == f"mounted {box.config}"
    assert_untouched(box, told, pid=before)


# Links ------------------------------------------------------------------------------------------------


STAT = """\
#!/bin/bash
case "$*" in
  '-c %u -- '*) echo {uid} ;;
  '-c %U -- '*) echo {name} ;;
  *) exec /usr/bin/stat "$@" ;;
esac
"""


def own(box: Sandbox, uid: int, name: str) -> None:
    """Have links belong to this account, whoever runs the tests."""
    fake = box.root / "bin/stat"
    fake.write_text(STAT.format(uid=uid, name=name))
    fake.chmod(0o755)


def linked_to(box: Sandbox, target: str) -> Path:
    """Have the configuration be root's link, in place of the file that it is."""
    own(box, 0, "root")
    place = box.root / target
    place.parent.mkdir(parents=True, exist_ok=True)
    box.config.rename(place)
    box.config.symlink_to(place)
    return place


@pytest.mark.parametrize("answer", ["commit", "rollback no"])
def test_a_link_stays_a_link_and_the_file_behind_it_is_replaced_or_restored(box: Sandbox, answer: str) -> None:
    place = linked_to(box, "srv/git/box.conf")
    link = box.config.readlink()

    with box.push() as talk:
        told = talk.hear(answer=answer)

    assert (box.config.is_symlink(), box.config.readlink()) == (True, link)
    assert place.read_text() == (NEW if answer == "commit" else OLD)
    assert words(told, "link") == [f"link {box.config} {place}"]
    assert box.strays() + [str(path) for path in place.parent.iterdir() if path != place] == []


def test_a_second_push_follows_the_link_too_and_an_edit_behind_it_is_drift(box: Sandbox) -> None:
    place = linked_to(box, "srv/box.conf")
    box.bring()

    assert box.bring(config="# 2\n")[-1].word == "committed"
    place.write_text("# edited\n")

    assert words(box.bring(config="# 3\n"))[-1] == f"drift {box.config}"
    assert box.config.is_symlink()


def test_a_link_to_a_file_that_is_not_there_yet_is_one_again_after_a_rollback(box: Sandbox) -> None:
    own(box, 0, "root")
    place = box.root / "srv/box.conf"
    place.parent.mkdir()
    box.config.unlink()
    box.config.symlink_to(place)

    with box.push() as talk:
        talk.hear(answer="rollback no")

    assert (box.config.is_symlink(), place.exists()) == (True, False)
    assert box.bring()[-1].word == "committed"
    assert (box.config.is_symlink(), place.read_text()) == (True, NEW)


@pytest.mark.parametrize("target", ["nowhere/box.conf", "srv"])
def test_a_link_that_leads_to_no_file_is_refused(box: Sandbox, target: str) -> None:
    (box.root / "srv").mkdir()
    box.config.unlink()
    box.config.symlink_to(box.root / target)
    before = box.pid

    told = box.bring()

    assert refused(box, told).startswith(f"link {box.config} leads to {box.root / target}, which is not a file")
    assert (box.config.is_symlink(), box.pid) == (True, before)


def test_a_link_of_another_account_is_not_followed(box: Sandbox) -> None:
    place = linked_to(box, "srv/box.conf")
    own(box, 1000, "mallory")

    told = box.bring()

    assert refused(box, told) == f"link {box.config} leads to {place}, and belongs to mallory"
    assert (box.config.is_symlink(), place.read_text()) == (True, OLD)


# Drift ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["environment", "both"])
def test_a_file_that_was_edited_stays_until_it_may_go(box: Sandbox, which: str) -> None:
    box.bring()
    before = box.pid
    edited = [box.config, box.environment] if which == "both" else [getattr(box, which)]
    for path in edited:
        path.write_text("EDITED='by hand'\n")

    told = box.bring(config="# Another.\n")

    assert sorted(words(told, "drift")) == sorted(f"drift {path}" for path in edited)
    assert told[-1].word == "drift"
    assert_untouched(box, told, pid=before, config=box.config.read_text())
    assert [path.read_text() for path in edited] == ["EDITED='by hand'\n"] * len(edited)
    assert box.bring(config="# Another.\n", overwrite=True)[-1].word == "committed"
    assert box.loaded == "# Another.\n"


def test_a_file_that_is_gone_has_drifted_too(box: Sandbox) -> None:
    box.bring()
    box.environment.unlink()

    assert words(box.bring(), "drift") == [f"drift {box.environment}"]


def test_drift_is_told_even_where_the_content_to_bring_is_the_same(box: Sandbox) -> None:
    box.bring()
    box.config.write_text("# By hand.\n")

    told = box.bring()

    assert words(told, "drift", "unchanged") == [f"drift {box.config}"]
    assert box.bring(overwrite=True)[-1].word == "committed"
    assert box.loaded == NEW


def test_a_look_tells_drift(box: Sandbox) -> None:
    box.bring()
    box.config.write_text("# By hand.\n")

    assert words(box.look(), "drift") == [f"drift {box.config}"]


def test_an_edit_that_was_rolled_back_is_none(box: Sandbox) -> None:
    box.bring()
    box.config.write_text("# By hand.\n")
    box.config.write_text(NEW)

    assert box.bring()[-1].word == "unchanged"


SOMEBODYS = '[[outputs.influxdb]]\n  urls = ["http://127.0.0.1:9"]\n\n[[inputs.procstat]]\n'
DEFAULT = "# As the package has it.\n[agent]\n\n  interval = '10s'\n[[outputs.influxdb]]\n"


def test_a_configuration_of_somebody_else_stays_until_it_may_go(box: Sandbox) -> None:
    box.config.write_text(SOMEBODYS)
    box.environment.write_text("TOKEN=x\n")
    before = box.pid

    told = box.bring()

    digest = hashlib.sha256(SOMEBODYS.encode()).hexdigest()
    assert [f"{one.word} {one.rest}" for one in told[-2:]] == [f"found {digest}", "unmanaged TOKEN"]
    assert_untouched(box, told, pid=before, config=SOMEBODYS)
    told = box.bring(overwrite=True)
    assert told[-1].word == "committed"
    assert words(told, "found") == [f"found {digest}"]
    assert words(box.bring(config="# another\n"), "found") == []


def test_a_configuration_of_somebody_else_may_go_if_it_is_kept(box: Sandbox) -> None:
    box.config.write_text(SOMEBODYS)

    told = box.bring(replaces=("0" * 64, hashlib.sha256(SOMEBODYS.encode()).hexdigest()))

    assert told[-1].word == "committed"


def test_a_look_tells_a_configuration_of_somebody_else(box: Sandbox) -> None:
    box.config.write_text(SOMEBODYS)

    assert words(box.look(), "found")


@pytest.mark.parametrize(
    "content", ["", "# outputs\n", "[[inputs.cpu]]\n", "#[[outputs.file]]\n  # [[outputs.file]]\n"]
)
def test_a_configuration_without_an_output_is_nobodys_work(box: Sandbox, content: str) -> None:
    box.config.write_text(content)
    (box.config.parent / "telegraf.d").mkdir()
    (box.config.parent / "telegraf.d" / "in.conf").write_text("[[inputs.mem]]\n")

    assert box.bring()[-1].word == "committed"


def test_inputs_are_somebodys_work_where_the_outputs_are_in_another_file(box: Sandbox) -> None:
    box.config.write_text("[[inputs.cpu]]\n")
    (box.config.parent / "telegraf.d").mkdir()
    (box.config.parent / "telegraf.d" / "out.conf").write_text("[[outputs.file]]\n")

    assert words(box.bring())[-1].startswith("found ")


@pytest.mark.parametrize(
    "written", ["[[outputs.file]]", "  [ outputs . file ]", '["outputs".file]', "outputs.file = []"]
)
def test_an_output_is_known_however_it_is_written(box: Sandbox, written: str) -> None:
    box.config.write_text(f"{written}\n")

    assert words(box.bring())[-1].startswith("found")


@pytest.mark.parametrize(
    ("content", "last"),
    [
        (DEFAULT, "committed"),
        (DEFAULT.replace("# As", "# Long ago, as").replace("\n\n", "\r\n\n#  urls = []\n"), "committed"),
        (DEFAULT.replace("10s", "30s"), "found"),
    ],
)
def test_the_default_of_telegrafs_package_is_nobodys_work(box: Sandbox, content: str, last: str) -> None:
    box.config.with_name("telegraf.conf.sample").write_text(DEFAULT)
    box.config.write_text(content)

    assert box.bring()[-1].word == last


@pytest.mark.parametrize(("program", "option"), [("dpkg-query", "-W"), ("rpm", "-q")])
def test_an_unchanged_file_of_a_package_is_nobodys_work(box: Sandbox, program: str, option: str) -> None:
    box.config.write_text(SOMEBODYS)
    content = SOMEBODYS.encode()
    listed = {
        "dpkg-query": f" {box.config} {hashlib.md5(content, usedforsecurity=False).hexdigest()}",
        "rpm": f"{hashlib.sha256(content).hexdigest()} {box.config}",
    }
    fake = box.root / "bin" / program
    fake.write_text(f"#!/bin/bash\n[ $1 = {option} ] && echo '{listed[program]}'\n")
    fake.chmod(0o755)

    assert box.bring()[-1].word == "committed"


def test_a_configuration_that_is_brought_back_as_it_was_is_not_checked(box: Sandbox) -> None:
    told = box.bring(config="# check: no\n", as_found=10)

    assert told[-1].word == "committed"
    assert box.config.read_text() == "# check: no\n"


def test_variables_of_somebody_else_stay_until_they_may_go(box: Sandbox) -> None:
    box.environment.write_text("# ours\nOLD='1'\nTOKEN=x\nPROXY='http://a b'\nnot a line\n")
    before = box.pid

    told = box.bring()

    assert words(told)[-1] == "unmanaged TOKEN PROXY"
    assert_untouched(box, told, pid=before)
    assert box.bring(overwrite=True)[-1].word == "committed"


def test_after_the_first_push_variables_are_aresmons(box: Sandbox) -> None:
    box.bring()

    assert box.bring(environment="OTHER='1'\n", names=())[-1].word == "committed"


@pytest.mark.parametrize("content", [None, "# nothing\nOLD=\n"])
def test_an_environment_without_other_variables_is_accepted(box: Sandbox, content: str | None) -> None:
    if content is None:
        box.environment.unlink()
    else:
        box.environment.write_text(content)

    assert box.bring()[-1].word == "committed"


# Staging ----------------------------------------------------------------------------------------------


def test_a_connection_that_ends_in_the_copy_leaves_nothing_behind(box: Sandbox) -> None:
    before = box.pid
    whole = box.given(box.order(config="# long\n" * 1000))

    with Talk(box, whole[:-100]) as talk:
        talk.hang_up()
        told = talk.hear()

    assert refused(box, told).startswith(f"stage {box.config} did not arrive complete: ")
    assert_untouched(box, told, pid=before)


def test_a_file_that_was_changed_on_its_way_is_not_taken(box: Sandbox) -> None:
    before = box.pid
    given = box.given(box.order())

    with Talk(box, given[:-2] + b"!\n") as talk:
        told = talk.hear()

    assert refused(box, told).startswith(f"stage {box.config} did not arrive complete")
    assert_untouched(box, told, pid=before)


@pytest.mark.parametrize("which", ["config", "environment"])
def test_a_disk_without_room_leaves_nothing_behind(box: Sandbox, which: str) -> None:
    before = box.pid
    path: Path = getattr(box, which)
    (path.parent / f".{path.name}.aresmon").symlink_to("/dev/full")

    told = box.bring()

    assert refused(box, told).startswith(f"stage {path} cannot be written: ")
    assert refused(box, told).endswith(" KiB free")
    assert_untouched(box, told, pid=before)


def test_a_folder_that_cannot_be_made_is_told(box: Sandbox) -> None:
    order = box.order()
    extra = PushedFile(str(box.config / "below" / "a file"), b"x")

    told = box.bring(dataclasses.replace(order, files=(*order.files, extra)))

    assert refused(box, told).startswith(f"stage {extra.path} cannot be written: ")
    assert box.strays() == []


def test_an_owner_that_is_not_there_is_told(box: Sandbox) -> None:
    before = box.pid
    order = box.order()
    owned = dataclasses.replace(order.files[1], owner="root:no-such-group")

    told = box.bring(dataclasses.replace(order, files=(order.files[0], owned)))

    why = f"stage {box.config}: chown root:no-such-group failed: do this user and group exist?"
    assert refused(box, told) == why
    assert_untouched(box, told, pid=before)


def test_a_mode_that_is_none_is_told(box: Sandbox) -> None:
    order = box.order()

    told = box.bring(dataclasses.replace(order, files=(dataclasses.replace(order.files[0], mode="rwx"),)))

    assert refused(box, told) == f"stage {box.environment}: chmod rwx failed"
    assert box.strays() == []


# The check --------------------------------------------------------------------------------------------


def test_a_configuration_that_telegraf_refuses_is_told_in_its_words(box: Sandbox) -> None:
    before = box.pid

    told = box.bring(config="# check: line 3: plugin inputs.cpus does not exist\n")

    assert refused(box, told).startswith("check ")
    assert "E! line 3: plugin inputs.cpus does not exist" in refused(box, told)
    assert_untouched(box, told, pid=before)


def test_what_does_not_go_with_the_rest_is_told(box: Sandbox) -> None:
    (box.root / "etc/telegraf/telegraf.d").mkdir()
    (box.root / "etc/telegraf/telegraf.d/old.conf").write_text("# check: two outputs of one name\n")

    assert "two outputs of one name" in refused(box, box.bring())


def test_a_variable_that_is_not_set_is_told(box: Sandbox) -> None:
    assert "MISSING is not set" in refused(box, box.bring(config="# $MISSING\n"))


def test_a_check_without_a_word_is_told_as_such(box: Sandbox) -> None:
    (box.root / "bin/telegraf").unlink()
    (box.root / "bin/telegraf").symlink_to("/bin/false")

    assert refused(box, box.bring()) == "check the check failed without a message"


# The right to write -----------------------------------------------------------------------------------


@contextmanager
def edge(status: int) -> Iterator[tuple[int, list[tuple[str, str | None, str | None]]]]:
    """Something that answers every write so; its port, and what it was asked."""
    asked: list[tuple[str, str | None, str | None]] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.headers["Authorization"], self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def access(url: str) -> WriteAccess:
    return WriteAccess(url, "agent-box", "pass=word==", "telegraf")


@pytest.mark.own_sockets("a stand-in for the edge answers over HTTP")
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "http://localhost:{}"])
def test_a_write_that_is_allowed_writes_nothing(box: Sandbox, form: str) -> None:
    with edge(204) as (port, asked):
        told = box.bring(access=access(form.format(port)))

    pair = base64.b64encode(b"agent-box:pass=word==").decode()
    assert told[-1].word == "committed"
    assert asked == [("/write?db=telegraf", f"Basic {pair}", "0")]


@pytest.mark.own_sockets("a stand-in for the edge answers over HTTP")
@pytest.mark.parametrize("status", [401, 500])
def test_a_write_that_is_refused_stops_the_push(box: Sandbox, status: int) -> None:
    before = box.pid
    with edge(status) as (port, _):
        told = box.bring(access=access(f"http://127.0.0.1:{port}"))

    assert refused(box, told) == f"write {status} http://127.0.0.1:{port}"
    assert_untouched(box, told, pid=before)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid:8086", "http://[::1]:1"])
def test_an_edge_that_is_not_reached_stops_the_push(box: Sandbox, url: str) -> None:
    assert refused(box, box.bring(access=access(url))) == f"write 000 {url}"


def test_over_tls_curl_is_asked_and_told_the_password_in_no_command_line(box: Sandbox) -> None:
    told = box.bring(access=access("https://edge.example.org"))

    pair = base64.b64encode(b"agent-box:pass=word==").decode()
    assert told[-1].word == "committed"
    assert (box.root / "curl-config").read_text() == f'header = "Authorization: Basic {pair}"\n'
    assert pair not in "".join(box.calls())
    assert box.calls("curl")[0].endswith("https://edge.example.org/write?db=telegraf")


def test_over_tls_a_refusal_stops_the_push_too(box: Sandbox) -> None:
    box.fault("answer", "401")

    told = box.bring(access=access("https://edge.example.org"))

    assert refused(box, told) == "write 401 https://edge.example.org"


# What is worth knowing --------------------------------------------------------------------------------


def buffering(folder: Path) -> str:
    return f'  buffer_strategy = "disk"\n  buffer_directory = "{folder}"\n'


def test_points_on_the_disk_that_another_output_would_leave_there_are_told(box: Sandbox) -> None:
    folder = box.root / "buffer"
    folder.mkdir()
    (folder / "points").write_bytes(b"x" * 1234)
    box.bring(config=buffering(folder))

    told = box.bring(config="# Another.\n", output="another")

    assert words(told, "buffered") == [f"buffered 1234 {folder}"]
    assert told[-1].word == "committed"


@pytest.mark.parametrize("output", ["output", "another"])
def test_an_empty_buffer_or_the_same_output_is_nothing_to_tell(box: Sandbox, output: str) -> None:
    folder = box.root / "buffer"
    folder.mkdir()
    (folder / "points").write_bytes(b"" if output == "another" else b"x")
    box.bring(config=buffering(folder))

    assert words(box.bring(config="# Another.\n", output=output), "buffered") == []


# Arming -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["systemd-run", "daemon-reload"])
def test_without_a_watchdog_nothing_is_switched(box: Sandbox, fault: str) -> None:
    box.fault(fault)
    before = box.pid

    told = box.bring()

    assert refused(box, told).startswith("watchdog the watchdog could not be started: ")
    assert not (box.state / "undo").exists()
    assert_untouched(box, told, pid=before)


def test_without_room_for_the_former_files_nothing_is_switched(box: Sandbox) -> None:
    box.state.mkdir()
    (box.state / "pending.new").symlink_to("/dev/full")
    before = box.pid

    told = box.bring()

    assert refused(box, told).startswith(f"prepare the previous files could not be saved in {box.state}: ")
    assert_untouched(box, told, pid=before)


def test_a_password_of_the_environment_is_in_nothing_that_is_told(box: Sandbox) -> None:
    told = box.bring(environment="ARESMON_PASSWORD='s3cret-word'\n", names=("ARESMON_PASSWORD", "OLD"))

    assert told[-1].word == "committed"
    assert "s3cret-word" not in "".join([*words(told), *box.calls(), (box.root / "log").read_text()])
    assert box.environment.read_text() == "ARESMON_PASSWORD='s3cret-word'\n"
    assert OLD_ENVIRONMENT not in "".join(words(told))
