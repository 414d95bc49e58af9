"""Files of the repository that may be meant for a host that has none at the top."""

from __future__ import annotations

import pytest

from aresmon.agents.near_files import is_top_level, near

HOSTS = ("lewi", "ronflex", "web.example.org")


@pytest.mark.parametrize(
    "path",
    [
        *("Lewi.conf", "lewi.CONF", "LEWI.Conf"),  # another case
        *("lewi.ares-ensiie.eu.conf", "hosts/lewi.example.org.conf"),  # with a domain
        *("hosts/lewi.conf", "a/b/Lewi.conf", "lewi/telegraf.conf", "hosts/lewi/telegraf.conf"),  # in a sub-folder
    ],
)
def test_a_file_that_may_be_meant_is_near(path: str) -> None:
    assert near(["README.md", path], "lewi", HOSTS) == [path]


@pytest.mark.parametrize("path", ["README.md", "lewi", "lewi.toml", "lewis.conf", "ronflex.conf", "hosts/ronflex.conf"])
def test_any_other_file_is_not(path: str) -> None:
    assert near([path], "lewi", HOSTS) == []


def test_a_host_with_a_domain_may_have_a_file_without_it_unless_that_is_another_hosts() -> None:
    assert near(["web.conf", "hosts/web.conf"], "web.example.org", HOSTS) == ["web.conf", "hosts/web.conf"]
    assert near(["web.conf"], "web.example.org", (*HOSTS, "web")) == []


def test_a_file_a_folder_or_a_submodule_of_the_hosts_name_is_at_the_top() -> None:
    assert is_top_level(["lewi.conf"], "lewi")
    assert is_top_level(["lewi.conf/telegraf.conf"], "lewi")
    assert not is_top_level(["hosts/lewi.conf", "lewi.conf.d/x"], "lewi")
