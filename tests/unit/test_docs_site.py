"""The documentation site: strict build, every page in navigation and search, nothing fetched from other hosts."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
# What a browser fetches by itself when it shows a page; a link that somebody has to follow is not among it.
FETCHED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}


def options() -> list[str]:
    """The options that `make docs` builds with."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (found,) = re.findall(r"-m sphinx (.*) docs build/docs$", makefile, re.MULTILINE)
    return shlex.split(found)


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does, from another folder into another one."""
    command = [sys.executable, "-m", "sphinx", *options(), str(source), str(target)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def is_elsewhere(address: str) -> bool:
    """Whether a browser would ask another host for this address."""
    return bool(re.match(r"([a-z]+:)?//", address, re.IGNORECASE))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a build with any warning fails here."""
    folder = tmp_path_factory.mktemp("site")
    result = build(DOCS, folder)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    return folder


def test_navigation_lists_every_page(site: Path) -> None:
    links = [attrs for tag, attrs in Tags(site / "index.html").found if tag == "a"]
    listed = {str(each["href"]) for each in links if (each.get("class") or "").startswith("reference internal")}

    assert {f"{page}.html" for page in PAGES - {"index"}} <= listed


def test_navigation_is_on_every_page(site: Path) -> None:
    for page in PAGES:
        entries = [attrs for tag, attrs in Tags(site / f"{page}.html").found if tag == "li"]
        assert sum("toctree-l1" in (each.get("class") or "") for each in entries) >= len(PAGES) - 1, page


def test_search_index_has_every_page(site: Path) -> None:
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))

    assert set(index["docnames"]) == PAGES
    assert "telegraf" in index["terms"]
    assert "searchindex.js" in (site / "search.html").read_text(encoding="utf-8")


def fetched(site: Path) -> Iterator[tuple[str, str]]:
    """Every address that a page or a style sheet of the site makes a browser fetch, with the file that names it."""
    for page in site.rglob("*.html"):
        for tag, attrs in Tags(page).found:
            address = attrs.get(FETCHED.get(tag, ""))
            if address and attrs.get("rel") != "canonical":
                yield page.name, address
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        for address in re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", text):
            yield sheet.name, address


def test_no_page_fetches_from_another_host(site: Path) -> None:
    seen = list(fetched(site))

    assert len(seen) > 100
    assert [each for each in seen if is_elsewhere(each[1])] == []


@pytest.mark.parametrize(
    ("page", "text", "warning"),
    [
        ("tutorial.md", "[gone](gone.md)", "gone.md"),
        ("tutorial.md", "[gone](images.md#no-such-heading)", "no-such-heading"),
        ("tutorial.md", "[gone](#no-such-heading)", "no-such-heading"),
        ("unlisted.md", "# A page that the start page does not list", "unlisted.md"),
    ],
)
def test_build_fails(page: str, text: str, warning: str, tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text("# Start\n\n## Pages\n\n- [Tutorial](tutorial.md)\n- [Images](images.md)\n")
    for name in ("tutorial.md", "images.md"):
        (source / name).write_text("# A page\n\n## A heading\n")
    with (source / page).open("a") as file:
        file.write(f"\n{text}\n")

    result = build(source, tmp_path / "site")

    assert result.returncode != 0
    assert warning in result.stderr
