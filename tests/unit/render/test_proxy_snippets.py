"""`aresmon snippet`: what it prints is true of the site, and what the site lacks is told beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aresmon.cli import common, main
from aresmon.render.proxy_snippets import PROXIES

Snippet = Callable[[str, str], Result]
proxies = pytest.mark.parametrize("proxy", PROXIES)
TLS = "tls: {certificate: c.pem, key: k.pem}"
WELL = "grafana: {url: 'https://grafana.example.org', behind: [127.0.0.1]}"


@pytest.fixture
def snippet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snippet]:
    """Run `aresmon snippet` in a site with these settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    common.the_console.cache_clear()

    def run(proxy: str, settings: str) -> Result:
        (tmp_path / "aresmon.yml").write_text(f"{settings}\nhosts: {{a: }}\n")
        return CliRunner().invoke(main.app, ["snippet", proxy])

    yield run
    common.the_console.cache_clear()


@proxies
def test_a_site_that_names_its_proxy_is_told_nothing(snippet: Snippet, proxy: str) -> None:
    result = snippet(proxy, WELL)

    assert (result.exit_code, result.stderr) == (0, "")
    assert "# The edge believes it because of `grafana.behind` in aresmon.yml.\n" in result.stdout
    assert "grafana.example.org" in result.stdout


@proxies
@pytest.mark.parametrize(
    ("edge", "wanted"), [("127.0.0.1:3000", "127.0.0.1"), ("0.0.0.0:3000", "ITS ADDRESS")], ids=["here", "afar"]
)
def test_what_the_edge_does_not_believe_yet_is_not_said_to_be_believed(
    snippet: Snippet, proxy: str, edge: str, wanted: str
) -> None:
    result = snippet(proxy, f"edge: {{grafana: '{edge}'}}\ngrafana: {{url: 'https://grafana.example.org'}}")

    setting = f"`grafana: {{behind: [{wanted}]}}`"
    assert f"# The edge believes it as soon as aresmon.yml says {setting}.\n" in result.stdout
    assert f"next: add this to aresmon.yml, then `aresmon up`: {setting}" in result.stderr
    assert "because of" not in result.stdout


@pytest.mark.parametrize(
    ("behind", "where"), [("127.0.0.1", "the server itself"), ("192.0.2.7", "another machine")], ids=["here", "afar"]
)
def test_where_the_edge_listens_to_all_the_proxy_is_where_the_file_says(
    snippet: Snippet, behind: str, where: str
) -> None:
    settings = f"grafana: {{url: 'https://grafana.example.org', behind: [{behind}]}}"
    result = snippet("haproxy", f"edge: {{grafana: '0.0.0.0:3000'}}\n{settings}")

    assert f"for an HAProxy on {where}.\n" in result.stdout
    assert result.stderr == ""


@proxies
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("grafana: {behind: [127.0.0.1]}", "next: set grafana.url in aresmon.yml"),
        (WELL.replace("https", "http"), "next: say https://grafana.example.org there"),
        (WELL.replace("behind", f"{TLS}, behind"), "the edge speaks https itself, because of grafana.tls"),
    ],
    ids=["no url", "http", "tls"],
)
def test_what_the_site_says_otherwise_is_told_with_the_next_step(
    snippet: Snippet, proxy: str, settings: str, told: str
) -> None:
    result = snippet(proxy, settings)

    assert result.exit_code == 0
    assert told in result.stderr
    assert result.stderr.count("next: ") == 1


@proxies
@pytest.mark.parametrize("behind", ["", "behind: [127.0.0.1], "], ids=["not named", "named"])
def test_its_comments_end_before_column_100_for_the_longest_name_of_a_site(
    snippet: Snippet, proxy: str, behind: str
) -> None:
    url = "url: 'https://grafana.example.org'"
    for edge in ("127.0.0.1:3000", "0.0.0.0:3000"):
        result = snippet(proxy, f"site: {'s' * 31}\nedge: {{grafana: '{edge}'}}\ngrafana: {{{behind}{url}}}")

        comments = [line for line in result.stdout.splitlines() if line.lstrip().startswith("#")]
        assert len(comments) >= 2
        assert max(map(len, comments)) <= 100
