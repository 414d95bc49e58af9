"""The user's folder: found, locked, and with a state that stays out of the way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aresmon.site import folder as site_folder
from aresmon.site.folder import HostFiles, Site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError


def test_the_nearest_folder_above_with_a_file_is_the_site(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "aresmon.yml").touch()
    (tmp_path / "a" / "b" / "aresmon.yml").touch()

    assert site_folder.find_site(inner) == Site(tmp_path / "a" / "b")
    assert site_folder.find_site(tmp_path / "a") == Site(tmp_path)


def test_a_folder_without_a_file_anywhere_above_is_its_own_site(tmp_path: Path) -> None:
    assert site_folder.find_site(tmp_path) == Site(tmp_path)


def test_a_site_is_found_by_the_real_path_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert site_folder.find_site(tmp_path / "link").root == tmp_path / "real"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_site_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AresmonError, match="is not a folder"):
        site_folder.find_site(tmp_path / name)


def test_the_state_is_closed_to_others_and_to_git(site: Site) -> None:
    site.create_state_folder()

    modes = {path.relative_to(site.root).as_posix(): path.stat().st_mode & 0o777 for path in site.state.iterdir()}
    assert site.state.stat().st_mode & 0o777 == 0o700
    assert {modes[".aresmon/secrets"], modes[".aresmon/run"]} == {0o700}
    assert "*" in (site.state / ".gitignore").read_text().splitlines()


def test_a_state_that_is_there_is_left_as_it_is(site: Site) -> None:
    site.create_state_folder()
    (site.state / ".gitignore").write_text("mine")

    site.create_state_folder()

    assert (site.state / ".gitignore").read_text() == "mine"


@pytest.mark.parametrize("name", ["it's", "a$b", "a:b", 'a"b', "a\\b", "café", "a\nb", "a\n", "a#b"])
def test_a_path_that_compose_would_read_in_its_own_way_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()

    with pytest.raises(AresmonError, match="the path of a site's folder"):
        Site(folder).create_state_folder()

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["with space", "a.b_c@d+e-f"])
def test_a_path_of_plain_characters_is_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    Site(tmp_path / name).create_state_folder()

    assert (tmp_path / name / ".aresmon" / "secrets").is_dir()


def test_a_folder_that_cannot_be_made_is_told_with_a_reason(site: Site) -> None:
    (site.root / ".aresmon").write_text("a file")

    with pytest.raises(AresmonError, match=r"\.aresmon cannot be written"):
        site.create_state_folder()


def test_a_second_holder_is_refused_and_told_who_holds_the_site(site: Site) -> None:
    with site.lock("up"), pytest.raises(AresmonError, match="is locked by") as caught, site.lock("down"):
        pass

    assert f"`aresmon up` (process {os.getpid()}, " in caught.value.message


def test_a_second_holder_may_wait_for_the_first_and_is_told_for_whom(site: Site) -> None:
    told, order = list[str](), list[str]()
    is_held = threading.Event()

    def back_up() -> None:
        with site.lock("backup"):
            is_held.set()
            while not told:
                time.sleep(0.01)
            order.append("backup")

    first = threading.Thread(target=back_up)
    first.start()
    assert is_held.wait(10)
    with site.lock("push-config", on_wait=told.append) as waited:
        order.append("push-config")
        holder = (site.state / "lock").read_text()
    first.join()

    assert waited
    assert [one.startswith("`aresmon backup` (process ") for one in told] == [True]
    assert order == ["backup", "push-config"]
    assert holder.startswith("`aresmon push-config` (process ")
    with site.lock("push-config", on_wait=told.append) as waited:
        assert not waited


def test_of_several_holders_only_the_present_one_is_named(site: Site) -> None:
    with site.lock("up --dry-run and a long time ago"):
        pass

    with site.lock("up"), pytest.raises(AresmonError) as caught, site.lock("down"):
        pass

    assert caught.value.message.count("\n") == 0
    assert "long time ago" not in caught.value.message


def test_a_holder_in_another_process_is_named_and_its_end_ends_the_lock(site: Site) -> None:
    program = (
        "import sys, pathlib; from aresmon.site.folder import Site\n"
        "with Site(pathlib.Path(sys.argv[1])).lock('up --dry-run'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(site.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AresmonError, match=rf"`aresmon up --dry-run` \(process {other.pid}, "), site.lock("down"):
            pass
        other.kill()

    with site.lock("down"):
        pass


def test_an_exception_releases_the_lock(site: Site) -> None:
    with pytest.raises(RuntimeError), site.lock("up"):
        raise RuntimeError

    with site.lock("up"):
        pass


def test_a_lock_that_cannot_be_made_is_told_and_is_no_unexpected_error(site: Site) -> None:
    site.create_state_folder()
    (site.state / "lock").mkdir()

    with pytest.raises(AresmonError, match="lock"), site.lock("up"):
        pass


def test_the_history_gets_one_line_for_each_event(site: Site) -> None:
    site.create_state_folder()
    site.record(command="up", steps=["create edge"])
    site.record(command="down", note="two\nlines")

    events = [json.loads(line) for line in (site.state / "history.jsonl").read_text().splitlines()]
    assert [event["command"] for event in events] == ["up", "down"]
    assert events[0]["steps"] == ["create edge"]
    assert all(event["at"].endswith("+00:00") and event["by"] for event in events)


def test_who_stands_behind_sudo_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    monkeypatch.setenv("LOGNAME", "root")
    site.create_state_folder()

    site.record(command="up")

    assert json.loads((site.state / "history.jsonl").read_text())["by"] == "alice as root"


def test_a_sites_own_fragments_are_read_by_host(site: Site) -> None:
    folder = site.overrides / "hosts"
    folder.mkdir(parents=True)
    (folder / "lewi.example.org.conf").write_text("x = 1")

    assert site.host_fragments() == HostFiles({"lewi.example.org": "x = 1"})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"# caf\xe9\n", "is no text: byte 5 is not UTF-8"),
        (b"[[inputs.cpu]\n", "overrides/agents/h4.conf: not TOML: "),
        (None, "is a folder, not a file"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_for_its_host_alone(site: Site, content: bytes | None, why: str) -> None:
    folder = site.overrides / "agents"
    folder.mkdir(parents=True)
    (folder / "h1.conf").write_text("x = 1")
    path = folder / "h4.conf"
    path.mkdir() if content is None else path.write_bytes(content)

    found = site.own_agents()

    assert (found.text("h1"), found.text("h2")) == ("x = 1", None)
    with pytest.raises(AresmonError, match=re.escape(why)) as caught:
        found.text("h4")
    assert caught.value.hint


def test_the_sites_own_collectors_are_known_to_its_fleet(site: Site) -> None:
    (site.overrides / "collectors").mkdir(parents=True)
    (site.overrides / "collectors" / "weather.conf").write_text("# Weather.\n[[inputs.exec]]\n")
    site.file.write_text("hosts: {a: {collect: [weather]}}\n")

    assert Project.load(site).config.hosts[0].collect == ("weather", "internal")


def test_what_grafana_ever_had_of_us_is_remembered_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.create_state_folder()
    assert site.provisioned_uids() == frozenset()

    site.record_provisioned(["b", "a"])
    written = (site.state / "provisioned").stat().st_mtime_ns
    site.record_provisioned(["a"])
    assert (site.state / "provisioned").stat().st_mtime_ns == written

    site.record_provisioned(["c"])
    assert site.provisioned_uids() == {"a", "b", "c"}
