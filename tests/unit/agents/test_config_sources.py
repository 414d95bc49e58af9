"""Where each host's configuration comes from, with a real repository: nothing that came from it is lost in silence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aresmon.agents import sources
from aresmon.agents.sources import ConfigSources, Release, Releases
from aresmon.config.model import Config
from aresmon.site.folder import Site
from aresmon.site.project import Project
from tests.unit.agents.test_repository import Repository, plain_git, refusal, repository  # noqa: F401 (a fixture)
from tests.unit.conftest import load

OLD = "a" * 40
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 812\n"


class Sources:
    """A site with hosts h1 and h4, and the repository that its aresmon.yml names."""

    def __init__(self, site: Site, work: Repository) -> None:
        site.create_state_folder()
        self.site, self.work = site, work

    @property
    def config(self) -> Config:
        return load(f"hosts: {{h1: , h4: }}\nconfigs: {{git: '{self.work.folder}', branch: master}}\n")

    def fetch(self, config: Config | None = None, *, change_source: Sequence[str] = ()) -> ConfigSources:
        config = config or self.config
        return sources.fetch(Project(self.site, config), config.hosts, change_source=change_source)

    def deployed(self, host: str, commit: str) -> None:
        """Note that the host's file of this commit was deployed."""
        releases = Releases(self.site.releases(host))
        releases.add("# as deployed\n", Release(releases.next_number(), "m", "ada", 0.0, commit))


@pytest.fixture
def made(site: Site, tmp_path: Path) -> Sources:
    work = repository(tmp_path / "work")
    work.commit("First", h1="# h1\n")
    return Sources(site, work)


@pytest.mark.parametrize("content", [b"# caf\xe9\n", b"#" * ((1 << 20) + 1), POINTER.encode()])
def test_a_file_that_cannot_be_used_is_an_error_of_its_host_alone(made: Sources, content: bytes) -> None:
    sha = made.work.commit(h4=content)

    found = made.fetch()

    assert (found.text("h1"), found.commits) == ("# h1\n", {"h1": sha})
    assert refusal(lambda: found.text("h4")).message.startswith(f"h4.conf at commit {sha[:7]} ")


def test_a_pointer_of_git_lfs_is_called_that(made: Sources) -> None:
    made.work.commit(h4=POINTER)

    error = refusal(lambda: made.fetch().text("h4"))

    assert "is a pointer of Git LFS" in error.message
    assert "git lfs untrack" in error.hint


def test_a_folder_of_the_hosts_name_is_an_error_of_its_host(made: Sources) -> None:
    (made.work.folder / "h4.conf").mkdir()
    (made.work.folder / "h4.conf" / "telegraf.conf").write_text("# h4\n")
    made.work.commit()

    assert refusal(lambda: made.fetch().text("h4")).message.endswith(" is a folder, not a file")


def test_a_submodule_of_the_hosts_name_is_an_error_of_its_host(made: Sources) -> None:
    head = made.work.git("rev-parse", "HEAD")
    made.work.git("update-index", "--add", "--cacheinfo", f"160000,{head},h4.conf")
    made.work.git("commit", "--quiet", "--message", "Submodule")

    assert refusal(lambda: made.fetch().text("h4")).message.endswith(" is a submodule, not a file")


def test_a_host_that_never_had_a_file_is_told_what_is_near(made: Sources) -> None:
    (made.work.folder / "hosts").mkdir()
    (made.work.folder / "hosts" / "h4.conf").write_text("# h4\n")
    made.work.commit(H4="# H4\n")

    found = made.fetch()

    assert (found.text("h4"), found.near) == (None, {"h4": ["H4.conf", "hosts/h4.conf"]})


def test_a_host_whose_file_was_moved_is_refused_with_where_it_went(made: Sources) -> None:
    made.deployed("h4", made.work.commit(h4="# h4\n"))
    (made.work.folder / "hosts").mkdir()
    made.work.git("mv", "h4.conf", "hosts/h4.conf")
    sha = made.work.commit("Sort")

    error = refusal(lambda: made.fetch().text("h4"))

    assert f"has no h4.conf since commit {sha[:7]} (Sort); it has hosts/h4.conf" in error.message
    assert "move hosts/h4.conf to h4.conf at the top" in error.hint
    assert "its collectors instead" in error.hint
    assert "`aresmon push-config h4 --change-source`" in error.hint
    assert made.fetch(change_source=["h4"]).text("h4") is None


def test_a_file_of_the_sites_own_does_not_take_its_place_in_silence(made: Sources) -> None:
    made.deployed("h4", OLD)
    (made.site.overrides / "agents").mkdir(parents=True)
    (made.site.overrides / "agents" / "h4.conf").write_text("[[inputs.cpu]]\n")

    error = refusal(lambda: made.fetch().text("h4"))

    assert "overrides/agents/h4.conf instead" in error.hint
    assert made.fetch(change_source=["h4"]).text("h4") == "[[inputs.cpu]]\n"


def test_a_host_is_refused_too_where_aresmon_yml_has_no_repository_any_more(made: Sources) -> None:
    made.deployed("h4", OLD)

    found = made.fetch(load("hosts: {h1: , h4: }\n"))

    error = refusal(lambda: found.text("h4"))
    assert found.text("h1") is None
    assert "from commit aaaaaaa of `configs`, which aresmon.yml no longer has" in error.message


def test_a_host_whose_last_release_came_from_elsewhere_is_not_refused(made: Sources) -> None:
    made.deployed("h4", OLD)
    made.deployed("h4", "")

    assert made.fetch().text("h4") is None
