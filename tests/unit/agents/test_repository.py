"""The repository of configurations: brought, pinned, refused. Git is real, its remotes are folders of the test."""

from __future__ import annotations

import base64
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aresmon.agents import repository as agents_repository
from aresmon.agents.repository import Commit, ConfigsRepository
from aresmon.config.model import ConfigsSettings
from aresmon.site.folder import Site
from aresmon.system import git as system_git
from aresmon.system import process
from aresmon.system.errors import AresmonError

NOWHERE = "127.0.2.1:1"  # loopback, and nobody listens
TOKEN = "glpat-Secret~Token"  # no printed word may have it


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git as it is shipped, and an author; nothing of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")


class Repository:
    """A repository that people commit to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        return process.run(["git", *arguments], cwd=self.folder).out.strip()

    def write(self, **files: str | bytes) -> None:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (self.folder / f"{name}.conf").write_bytes(data)

    def commit(self, subject: str = "Change", **files: str | bytes) -> str:
        self.write(**files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")


def repository(folder: Path) -> Repository:
    folder.mkdir(parents=True)
    made = Repository(folder)
    made.git("init", "--quiet", "--initial-branch", "master")
    return made


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    """A repository without an upstream, with a first commit."""
    made = repository(tmp_path / "work")
    made.commit("First", biere="# biere\n", ronflex="# ronflex\n")
    return made


@pytest.fixture
def checkout(work: Repository, tmp_path: Path) -> Repository:
    """A clone of `work`, that follows it."""
    work.git("clone", "--quiet", str(work.folder), str(tmp_path / "checkout"))
    return Repository(tmp_path / "checkout")


def source(site: Site, git: str | Path | Repository, branch: str = "master") -> ConfigsRepository:
    address = str(git.folder) if isinstance(git, Repository) else str(git)
    return ConfigsRepository(site.state / "configs.git", ConfigsSettings(address, branch))


def refusal(action: Callable[[], object]) -> AresmonError:
    with pytest.raises(AresmonError) as caught:
        action()
    assert caught.value.hint
    assert TOKEN not in f"{caught.value.message}{caught.value.hint}"
    return caught.value


# Brought and read ------------------------------------------------------------------------------------


def test_a_fetch_brings_the_tip_of_the_branch_and_pins_it(site: Site, work: Repository) -> None:
    sha = work.commit("Watch the disks\n\nThey filled up.", biere="# more\n")
    configurations = source(site, work)

    tip = configurations.fetch()

    assert (tip.sha, tip.short, tip.author, tip.subject) == (sha, sha[:7], "Ada", "Watch the disks")
    assert tip.at == work.git("log", "-1", "--format=%aI")
    assert configurations.pinned() == tip
    assert configurations.read(tip.sha, "biere") == "# more\n"


def test_before_a_fetch_nothing_is_pinned(site: Site, work: Repository) -> None:
    assert source(site, work).pinned() is None


def test_reading_needs_neither_the_repository_nor_its_present_state(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    before = configurations.fetch()
    work.commit(biere="# after\n")
    after = configurations.fetch()
    shutil.rmtree(work.folder)

    assert configurations.pinned() == after
    assert configurations.read(before.sha, "biere") == "# biere\n"
    assert configurations.read(after.sha, "biere") == "# after\n"


def test_a_second_fetch_with_nothing_new_is_the_same(site: Site, work: Repository) -> None:
    configurations = source(site, work)

    assert configurations.fetch() == configurations.fetch()


def test_a_host_without_a_file_has_none(site: Site, work: Repository) -> None:
    configurations = source(site, work)

    assert configurations.read(configurations.fetch().sha, "lewi") is None


def test_hosts_are_the_files_at_the_top_that_end_in_conf(site: Site, work: Repository) -> None:
    work.write(**{"lewi.ares-ensiie.eu": "# dots\n", "": "# nobody's\n"})
    (work.folder / "README.md").write_text("no host\n")
    (work.folder / "telegraf.conf").mkdir()
    (work.folder / "telegraf.conf" / "inner.conf").write_text("no host\n")
    work.commit()
    configurations = source(site, work)

    tip = configurations.fetch()

    assert configurations.hosts(tip.sha) == ["biere", "lewi.ares-ensiie.eu", "ronflex"]
    assert configurations.read(tip.sha, "lewi.ares-ensiie.eu") == "# dots\n"
    assert "is a folder" in refusal(lambda: configurations.read(tip.sha, "telegraf")).message


@pytest.mark.parametrize("content", ["a\r\nb\r\n", "no newline", "", "été\n", "\N{REPLACEMENT CHARACTER}\r\n"])
def test_a_file_is_read_byte_for_byte(site: Site, work: Repository, content: str) -> None:
    work.commit(biere=content)
    configurations = source(site, work)

    assert configurations.read(configurations.fetch().sha, "biere") == content


def test_what_is_no_text_is_refused_with_file_and_commit(site: Site, work: Repository) -> None:
    sha = work.commit(biere=b"# caf\xe9\n")
    configurations = source(site, work)
    configurations.fetch()

    error = refusal(lambda: configurations.read(sha, "biere"))

    assert error.message == f"biere.conf at commit {sha[:7]} is not text: byte 5 is not UTF-8"


def test_a_file_of_a_mebibyte_is_read_and_a_larger_one_refused(site: Site, work: Repository) -> None:
    sha = work.commit(biere="#" * (1 << 20), ronflex="#" * ((1 << 20) + 1))
    configurations = source(site, work)
    configurations.fetch()

    assert len(configurations.read(sha, "biere") or "") == 1 << 20
    assert (
        f"ronflex.conf at commit {sha[:7]} has 1.0 MiB" in refusal(lambda: configurations.read(sha, "ronflex")).message
    )


def test_a_link_to_a_file_beside_it_is_followed(site: Site, work: Repository) -> None:
    work.write(common="# common\n")
    (work.folder / "lewi.conf").symlink_to("common.conf")
    sha = work.commit()
    configurations = source(site, work)
    configurations.fetch()

    assert configurations.read(sha, "lewi") == "# common\n"
    assert "lewi" in configurations.hosts(sha)


@pytest.mark.parametrize("target", ["/etc/passwd", "../x.conf", "sub/x.conf", "gone.conf", "lewi.conf", "other.conf"])
def test_a_link_that_leads_elsewhere_is_refused(site: Site, work: Repository, target: str) -> None:
    (work.folder / "lewi.conf").symlink_to(target)
    (work.folder / "other.conf").symlink_to("biere.conf")
    sha = work.commit()
    configurations = source(site, work)
    configurations.fetch()

    error = refusal(lambda: configurations.read(sha, "lewi"))

    assert error.message == f"lewi.conf at commit {sha[:7]} is a link to {target!r}, which is not followed"


def test_the_log_has_the_commits_that_touched_the_hosts_file(site: Site, work: Repository) -> None:
    first = work.git("rev-parse", "HEAD")
    work.commit("Not biere", ronflex="# x\n")
    second = work.commit("Biere", biere="# 2\n")
    third = work.commit("Biere again", biere="# 3\n")
    configurations = source(site, work)
    configurations.fetch()

    assert [commit.subject for commit in configurations.log(first, third, "biere")] == ["Biere again", "Biere"]
    assert [commit.sha for commit in configurations.log(first, second, "biere")] == [second]
    assert configurations.log(third, third, "biere") == []
    assert [commit.subject for commit in configurations.log("", third, "ronflex")] == ["Not biere", "First"]
    assert configurations.log("", third, "lewi") == []


def test_the_log_has_ten_commits_at_most(site: Site, work: Repository) -> None:
    for number in range(12):
        work.commit(f"Number {number}", biere=f"# {number}\n")
    configurations = source(site, work)
    tip = configurations.fetch()

    subjects = [commit.subject for commit in configurations.log("", tip.sha, "biere")]

    assert subjects == [f"Number {number}" for number in range(11, 1, -1)]


def test_the_log_of_a_link_has_what_touched_the_file_behind_it(site: Site, work: Repository) -> None:
    work.write(common="# common\n")
    (work.folder / "lewi.conf").symlink_to("common.conf")
    since = work.commit()
    until = work.commit("Common", common="# changed\n")
    configurations = source(site, work)
    configurations.fetch()

    assert [commit.subject for commit in configurations.log(since, until, "lewi")] == ["Common"]


def test_what_would_steer_a_terminal_is_not_told(site: Site, work: Repository) -> None:
    work.commit("Harm\x1b]0;less\x07 \r been")

    assert source(site, work).fetch().subject == "Harm?]0;less? ? been"


def test_a_commit_that_is_not_in_the_clone_is_refused(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    configurations.fetch()

    assert "git ls-tree failed" in refusal(lambda: configurations.read("1" * 40, "biere")).message


def test_another_branch_is_pinned_apart(site: Site, work: Repository) -> None:
    source(site, work).fetch()
    work.git("switch", "--quiet", "--orphan", "site/next")
    sha = work.commit("Another start", biere="# next\n")

    following = source(site, work, "site/next")

    assert following.pinned() is None
    assert following.fetch().sha == sha
    assert source(site, work).pinned() != following.pinned()


# A history that changes ------------------------------------------------------------------------------


def test_a_rewritten_history_is_refused_and_the_pin_kept(site: Site, work: Repository) -> None:
    base = work.git("rev-parse", "HEAD")
    work.commit("Lost one", biere="# 1\n")
    work.commit("Lost two", biere="# 2\n")
    configurations = source(site, work)
    had = configurations.fetch()
    work.git("reset", "--quiet", "--hard", base)
    now = work.commit("Instead", biere="# other\n")

    error = refusal(configurations.fetch)

    assert f"the last fetch was at {had.short}, which is not an ancestor of {now[:7]} (Instead)" in error.message
    assert error.message.endswith(
        f":\n  {had.short} Lost two\n  {work.git('rev-parse', '--short=7', 'ORIG_HEAD~')} Lost one"
    )
    assert f"remove the folder {configurations.folder} " in error.hint
    assert configurations.pinned() == had


def test_a_branch_that_was_set_back_is_a_rewritten_history_too(site: Site, work: Repository) -> None:
    for number in range(7):
        work.commit(f"Number {number}")
    configurations = source(site, work)
    configurations.fetch()
    work.git("reset", "--quiet", "--hard", "HEAD~7")

    told = refusal(configurations.fetch).message.splitlines()[1:]

    assert ([line.split()[-1] for line in told[:5]], told[5]) == (["6", "5", "4", "3", "2"], "  and 2 more")


def test_the_way_out_of_a_rewritten_history_leads_out(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    configurations.fetch()
    work.git("commit", "--quiet", "--amend", "--message", "Rewritten")
    refusal(configurations.fetch)

    shutil.rmtree(configurations.folder)

    assert configurations.fetch().subject == "Rewritten"


def test_a_refused_history_that_comes_back_is_taken_again(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    had = configurations.fetch().sha
    work.git("commit", "--quiet", "--amend", "--message", "Rewritten")
    refusal(configurations.fetch)
    work.git("reset", "--quiet", "--hard", had)
    sha = work.commit("Follows")

    assert configurations.fetch().sha == sha


def test_a_merge_of_the_old_history_is_no_rewriting(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    configurations.fetch()
    work.git("switch", "--quiet", "--create", "side", "HEAD")
    work.commit("Aside", ronflex="# aside\n")
    work.git("switch", "--quiet", "master")
    work.commit("Meanwhile", biere="# meanwhile\n")
    work.git("merge", "--quiet", "--no-edit", "side")

    assert configurations.fetch().subject.startswith("Merge branch")


# Our clone -------------------------------------------------------------------------------------------


def test_a_clone_that_was_left_half_made_is_made_anew(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    for name in ("configs.git", "configs.git.new"):
        (site.state / name / "objects").mkdir(parents=True)
        (site.state / name / "HEAD").write_text("ref: refs/he")

    assert configurations.fetch().subject == "First"
    assert [path.name for path in site.state.iterdir()] == ["configs.git"]


def test_what_a_killed_git_left_locked_does_not_hold_up_the_next(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    configurations.fetch()
    sha = work.commit()
    for name in ("refs/aresmon/incoming.lock", "refs/aresmon/branches/master.lock", "config.lock", "packed-refs.lock"):
        (configurations.folder / name).touch()

    assert configurations.fetch().sha == sha


def wreck_head(folder: Path) -> None:
    (folder / "HEAD").unlink()


def wreck_objects(folder: Path) -> None:
    for path in (folder / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"")


def wreck_one_file(folder: Path) -> None:
    blob = process.run(
        ["git", f"--git-dir={folder}", "rev-parse", "refs/aresmon/branches/master:biere.conf"]
    ).out.strip()
    (folder / "objects" / blob[:2] / blob[2:]).unlink()


def wreck_settings(folder: Path) -> None:
    (folder / "config").write_text("[core\nbare")


@pytest.mark.parametrize("wreck", [wreck_head, wreck_objects, wreck_one_file, wreck_settings])
def test_a_damaged_clone_is_made_anew_and_keeps_what_it_knew(
    site: Site, work: Repository, wreck: Callable[[Path], None]
) -> None:
    configurations = source(site, work)
    tip = configurations.fetch()
    wreck(configurations.folder)

    assert configurations.fetch() == tip

    assert configurations.pinned() == tip
    assert configurations.read(tip.sha, "biere") == "# biere\n"
    assert [path.name for path in site.state.iterdir()] == ["configs.git"]


def test_packed_refs_of_a_damaged_clone_are_kept_too(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    tip = configurations.fetch()
    process.run(["git", f"--git-dir={configurations.folder}", "pack-refs", "--all"])
    wreck_head(configurations.folder)

    configurations.fetch()

    assert configurations.pinned() == tip


@pytest.mark.parametrize("wreck", [wreck_head, wreck_objects])
def test_a_rewritten_history_is_refused_even_where_the_clone_is_damaged(
    site: Site, work: Repository, wreck: Callable[[Path], None]
) -> None:
    configurations = source(site, work)
    had = configurations.fetch()
    work.git("commit", "--quiet", "--amend", "--message", "Rewritten")
    wreck(configurations.folder)

    error = refusal(configurations.fetch)

    assert f"was at {had.short}" in error.message
    assert f"remove the folder {configurations.folder} " in error.hint


def test_a_clone_is_not_lost_between_two_renames(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    tip = configurations.fetch()
    configurations.folder.rename(site.state / "configs.git.old")

    assert configurations.fetch() == tip
    assert configurations.pinned() == tip


def test_a_clone_that_cannot_be_made_anew_stays_as_it_is(site: Site, work: Repository) -> None:
    configurations = source(site, work)
    configurations.fetch()
    wreck_head(configurations.folder)
    work.folder.rename(work.folder.with_name("away"))

    refusal(configurations.fetch)

    assert [path.name for path in site.state.iterdir()] == ["configs.git"]
    assert (configurations.folder / "refs" / "aresmon" / "branches" / "master").exists()


def test_hooks_and_templates_of_the_user_have_no_part_in_our_clone(
    site: Site, work: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (tmp_path / "config").write_text(f"[core]\nhooksPath = {hook.parent}\n[fetch]\nprune = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    assert source(site, work).fetch().subject == "First"


def test_the_repository_of_a_caller_is_not_touched(
    site: Site, work: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other")
    other.commit("Theirs", biere="# theirs\n")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    monkeypatch.setenv("GIT_TRACE", "1")
    configurations = source(site, work)

    assert configurations.read(configurations.fetch().sha, "biere") == "# biere\n"


def test_our_clone_may_belong_to_another_user(site: Site, work: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    configurations = source(site, work)
    tip = configurations.fetch()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    assert configurations.pinned() == tip
    assert configurations.read(tip.sha, "biere") == "# biere\n"


# A repository that cannot be had ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["file:///nonexistent/configs", "/nonexistent/configs", "nonexistent", "~/nonexistent"]
)
def test_a_folder_that_is_not_there_is_named(site: Site, address: str) -> None:
    error = refusal(source(site, address).fetch)

    assert "nonexistent" in error.message
    assert "does not exist, or cannot be read" in error.message
    assert "configs.git in aresmon.yml" in error.hint


def test_a_folder_that_is_no_repository_is_named(site: Site, work: Repository) -> None:
    inside = work.folder / "inside"
    inside.mkdir()

    error = refusal(source(site, inside).fetch)

    assert f"{inside} is no git repository" in error.message


@pytest.mark.parametrize(
    "address", [f"ssh://git@{NOWHERE}/configs.git", f"http://{NOWHERE}/x.git", f"git://{NOWHERE}/x"]
)
def test_a_machine_that_does_not_answer_is_told(site: Site, address: str) -> None:
    error = refusal(source(site, address).fetch)

    assert error.message.startswith(f"{address} cannot be reached: ")
    assert f"`git ls-remote {address}`" in error.hint
    assert list(site.state.iterdir()) == []


def test_a_machine_that_does_not_answer_takes_nothing_away(site: Site, work: Repository) -> None:
    tip = source(site, work).fetch()
    unreachable = source(site, f"ssh://git@{NOWHERE}/configs.git")

    refusal(unreachable.fetch)

    assert unreachable.pinned() == tip


def test_a_branch_that_is_not_there_is_told_with_those_that_are(site: Site, work: Repository) -> None:
    work.git("branch", "next")

    error = refusal(source(site, work, "mater").fetch)

    assert error.message == f"{work.folder} has no branch mater (did you mean 'master'?)"
    assert error.hint == "set configs.branch in aresmon.yml to one of its branches: master, next"


def test_a_name_that_no_branch_can_have_is_an_unknown_branch(site: Site, work: Repository) -> None:
    assert "has no branch a..b" in refusal(source(site, work, "a..b").fetch).message


def test_a_repository_without_a_commit_has_no_branch_yet(site: Site, tmp_path: Path) -> None:
    empty = repository(tmp_path / "empty")

    assert "has no branch yet" in refusal(source(site, empty).fetch).message


def test_a_repository_with_a_part_of_its_history_is_refused(site: Site, work: Repository, tmp_path: Path) -> None:
    work.commit("Second")
    work.git("clone", "--quiet", "--depth", "1", f"file://{work.folder}", str(tmp_path / "part"))

    error = refusal(source(site, tmp_path / "part").fetch)

    assert "has only a part of its history" in error.message
    assert "git fetch --unshallow" in error.hint


def test_git_that_is_not_installed_is_named(site: Site, work: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    assert "git is not installed" in refusal(source(site, work).fetch).message


def test_a_repository_that_does_not_come_to_an_end_is_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(slow))
    monkeypatch.setattr(agents_repository, "TIMEOUT", 0.5)

    error = refusal(source(site, "git@example.org:configs.git").fetch)

    assert "the fetch from git@example.org:configs.git did not finish within" in error.message


def test_a_repository_of_another_user_is_explained(
    site: Site, work: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    error = refusal(source(site, work).fetch)

    assert "belongs to another user" in error.message
    assert f"`git config --global --add safe.directory {work.folder}`" in error.hint


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", "does not let us in"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "does not let us in"),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403", "does not let us in"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "key ssh does not know"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "is no git repository"),
        ("remote: The project you were looking for could not be found or you don't", "is no git repository"),
        ("fatal: repository 'https://h/x.git/' not found", "is no git repository"),
        ("ssh: Could not resolve hostname h: Name or service not known", "cannot be reached"),
        ("ssh: connect to host h port 22: Connection timed out", "cannot be reached"),
        ("fatal: unable to access 'https://h/': server certificate verification failed", "cannot be reached"),
    ],
)
def test_what_git_says_has_a_meaning(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    fake = tmp_path / "fake-ssh"
    (tmp_path / "said").write_text(f"{said}\n")
    fake.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(fake))

    error = refusal(source(site, "git@example.org:configs.git").fetch)

    assert error.message == f"git@example.org:configs.git {told_in(error, told)}: {said.splitlines()[0]}"


def told_in(error: AresmonError, told: str) -> str:
    """The sentence between the address and git's words."""
    sentence = error.message.removeprefix("git@example.org:configs.git ").partition(": ")[0]
    assert told in sentence
    return sentence


def test_ssh_asks_nobody_and_keeps_what_the_user_set(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "ssh"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/seen\nexit 255\n')
    fake.chmod(0o755)
    (tmp_path / "config").write_text(f"[core]\nsshCommand = {fake} -i /configured\n")
    cases = [
        {"GIT_SSH_COMMAND": f"{fake} -i /given"},
        {"GIT_CONFIG_GLOBAL": str(tmp_path / "config")},
        {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    ]
    for changes in cases:
        with monkeypatch.context() as changed:
            for name, value in changes.items():
                changed.setenv(name, value)
            refusal(source(site, "git@example.org:configs.git").fetch)

    seen = (tmp_path / "seen").read_text().splitlines()
    assert [line.partition("-o BatchMode=yes")[0] for line in seen] == ["-i /given ", "-i /configured ", ""]


# Over http: who we are, and nobody is told ------------------------------------------------------------


class Guarded(http.server.SimpleHTTPRequestHandler):
    """A repository as plain files, for whoever has the token."""

    def do_GET(self) -> None:
        wanted = base64.b64encode(f"ada:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="configs"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


@pytest.fixture
def guarded(work: Repository) -> Iterator[str]:
    """The address of `work` behind a password, without its scheme."""
    work.git("update-server-info")
    folder = str(work.folder / ".git")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Guarded(*given, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.own_sockets("git fetches over HTTP from a server here")
def test_a_login_in_the_address_is_used_and_is_in_no_command_line(
    site: Site, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "config").write_text(f"[trace2]\nnormalTarget = {trace}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    configurations = source(site, f"http://ada:{TOKEN}@{guarded}")

    tip = configurations.fetch()

    holders = [
        path for path in configurations.folder.rglob("*") if path.is_file() and TOKEN in path.read_text("latin-1")
    ]
    assert tip.subject == "First"
    assert [(path.name, path.stat().st_mode & 0o777) for path in holders] == [("credentials", 0o600)]
    assert "remote-http" in trace.read_text()
    assert TOKEN not in trace.read_text()


@pytest.mark.own_sockets("git fetches over HTTP from a server here")
@pytest.mark.parametrize("login", [f"ada:{TOKEN}x", f"{TOKEN}:", f"{TOKEN}", f"ada:{TOKEN}/x"])
def test_a_refused_login_is_told_without_it(site: Site, guarded: str, login: str) -> None:
    error = refusal(source(site, f"http://{login}@{guarded}").fetch)

    assert f"http://***@{guarded}" in error.message
    assert ("is no address" if "/" in login else "does not let us in") in error.message


@pytest.mark.parametrize(
    ("address", "url", "secret"),
    [
        ("https://u:p%40ss@h:8/x", "https://h:8/x", "https://u:p%40ss@h:8"),
        ("https://u:p@ss@h/x@y", "https://h/x@y", "https://u:p%40ss@h"),
        ("https://u:@h", "https://h", "https://u:@h"),
        ("https://u@h/x", "https://h/x", ""),
        ("https://h:8/x@y", "https://h:8/x@y", ""),
        ("https://h/x@y", "https://h/x@y", ""),
        ("https://[::1]:8/x@y", "https://[::1]:8/x@y", ""),
        ("ssh://git@h/x", "ssh://git@h/x", ""),
    ],
)
def test_a_login_is_taken_out_of_the_address(tmp_path: Path, address: str, url: str, secret: str) -> None:
    remote = system_git.remote(address, tmp_path)

    assert (remote.url, remote.secret) == (url, secret)


@pytest.mark.own_sockets("git fetches over HTTP from a server here")
def test_a_refused_login_does_not_stay(site: Site, guarded: str) -> None:
    source(site, f"http://ada:{TOKEN}@{guarded}").fetch()
    without = source(site, f"http://{guarded}")

    refusal(without.fetch)

    assert not (without.folder / "credentials").exists()


@pytest.mark.own_sockets("git fetches over HTTP from a server here")
def test_a_name_without_a_password_leaves_the_password_to_gits_helpers(
    site: Site, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_text(f"http://ada:{TOKEN}@{guarded}\n")
    (tmp_path / "config").write_text(f'[credential]\nhelper = "store --file={tmp_path}/kept"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    assert source(site, f"http://ada@{guarded}").fetch().subject == "First"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://user:pass@h/x", "https://***@h/x"),
        ("https://token@h/x", "https://***@h/x"),
        ("https://u:p@ss/w@h/x", "https://***@h/x"),
        ("fatal: 'http://u:p@h/': no; 'http://u:p@h/'", "fatal: 'http://***@h/': no; 'http://***@h/'"),
        ("ssh://git:pass@h/x", "ssh://git:***@h/x"),
        ("ssh://git@h:22/x", "ssh://git@h:22/x"),
        ("git@h:infra/configs.git", "git@h:infra/configs.git"),
        ("https://h/x", "https://h/x"),
    ],
)
def test_logins_are_masked(text: str, masked: str) -> None:
    assert system_git.mask_secrets(text) == masked


# A checkout on this machine --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/.git", "file://{}", "checkout", "./checkout"])
def test_a_checkout_is_found_by_any_of_its_names(tmp_path: Path, checkout: Repository, form: str) -> None:
    site = Site(tmp_path)

    assert source(site, form.format(checkout.folder)).fetch().subject == "First"


def test_a_checkout_below_the_home_folder_is_found(
    site: Site, checkout: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(checkout.folder.parent))

    assert source(site, "~/checkout").fetch().subject == "First"


def test_a_bare_repository_on_this_machine_needs_nothing_more(site: Site, work: Repository, tmp_path: Path) -> None:
    work.git("clone", "--quiet", "--bare", str(work.folder), str(tmp_path / "bare.git"))

    assert source(site, tmp_path / "bare.git").fetch().subject == "First"


def test_a_linked_work_tree_is_a_checkout_too(site: Site, checkout: Repository, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "next")

    assert source(site, tmp_path / "linked").fetch().subject == "First"


def test_changes_in_no_commit_are_refused_and_listed(site: Site, checkout: Repository) -> None:
    checkout.write(biere="# changed\n", lewi="# new\n")
    (checkout.folder / "ronflex.conf").unlink()
    checkout.git("add", "ronflex.conf")

    error = refusal(source(site, checkout).fetch)

    assert error.message.endswith("has uncommitted changes: biere.conf, ronflex.conf, lewi.conf")
    assert f"git -C {checkout.folder} stash" in error.hint


def test_many_changes_are_told_in_short(site: Site, checkout: Repository) -> None:
    checkout.write(**{f"host-{number:02}": "" for number in range(13)})

    error = refusal(source(site, checkout).fetch)

    assert "host-09.conf and 3 more" in error.message


def test_what_can_be_no_configuration_may_be_unfinished(site: Site, checkout: Repository) -> None:
    (checkout.folder / "notes.txt").write_text("new\n")
    (checkout.folder / "sub").mkdir()
    (checkout.folder / "sub" / "x.conf").write_text("new\n")
    (checkout.folder / ".git" / "info" / "exclude").write_text("ignored.conf\n")
    checkout.write(ignored="x\n")

    assert source(site, checkout).fetch().subject == "First"


def test_a_checkout_that_is_clean_and_on_another_branch_is_taken(site: Site, checkout: Repository) -> None:
    checkout.git("switch", "--quiet", "--create", "mine")
    checkout.commit("On another branch", biere="# mine\n")

    assert source(site, checkout).fetch().subject == "First"


def test_a_checkout_without_an_upstream_is_taken(site: Site, checkout: Repository) -> None:
    checkout.git("branch", "--unset-upstream")
    sha = checkout.commit("Here alone")

    assert source(site, checkout).fetch().sha == sha


def ahead(work: Repository, checkout: Repository) -> None:
    checkout.commit("Here only")


def behind(work: Repository, checkout: Repository) -> None:
    work.commit("There only")
    checkout.git("fetch", "--quiet")


def diverged(work: Repository, checkout: Repository) -> None:
    ahead(work, checkout)
    behind(work, checkout)


def gone(work: Repository, checkout: Repository) -> None:
    checkout.git("update-ref", "-d", "refs/remotes/origin/master")


@pytest.mark.parametrize(
    ("become", "what", "then"),
    [
        (ahead, "it has commits that are not in origin/master (ahead 1)", "git -C {} push"),
        (behind, "it lacks commits of origin/master (behind 1)", "git -C {} pull --ff-only"),
        (
            diverged,
            "it and origin/master have diverged (ahead 1, behind 1)",
            "git -C {0} pull --rebase && git -C {0} push",
        ),
        (gone, "its upstream origin/master does not exist", "git -C {} push --set-upstream origin master"),
    ],
)
def test_a_checkout_that_differs_from_its_upstream_is_refused(
    site: Site,
    work: Repository,
    checkout: Repository,
    *,
    become: Callable[[Repository, Repository], None],
    what: str,
    then: str,
) -> None:
    become(work, checkout)

    error = refusal(source(site, checkout).fetch)

    assert error.message == f"{checkout.folder}, branch master: {what}, so nobody else could repeat this push"
    assert error.hint == f"run `{then.format(checkout.folder)}` and push again"


def test_the_way_out_for_a_branch_that_is_not_checked_out_goes_there_first(
    site: Site, work: Repository, checkout: Repository
) -> None:
    behind(work, checkout)
    checkout.git("switch", "--quiet", "--create", "mine")

    error = refusal(source(site, checkout).fetch)

    assert f"`git -C {checkout.folder} switch master && git -C {checkout.folder} pull --ff-only`" in error.hint


def test_a_checkout_is_only_looked_at(site: Site, checkout: Repository) -> None:
    (checkout.folder / "biere.conf").touch()
    before = {path: path.stat().st_mtime_ns for path in checkout.folder.rglob("*")}

    source(site, checkout).fetch()

    assert {path: path.stat().st_mtime_ns for path in checkout.folder.rglob("*")} == before


def test_a_commit_is_shown_by_its_first_digits() -> None:
    assert Commit("4f1c9ab" + "0" * 33, "Ada", "2026-11-24T06:00:00+00:00", "x").short == "4f1c9ab"
