"""How Sphinx makes the documentation site: `make docs`. The pages stay plain Markdown, readable without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aresmon import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "aresmon"
version = release = __version__
language = "en"
extensions = ["myst_parser"]
root_doc = "index"
# A heading's anchor is the one that forges give it, so a link works in both places.
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"aresmon {version}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False


def navigation(start_page: str) -> Iterator[str]:
    """One hidden table of contents for each second-level heading, with the pages listed under it."""
    for section in re.split(r"^## ", start_page, flags=re.MULTILINE)[1:]:
        caption = section.partition("\n")[0]
        pages = re.findall(r"^- \[([^\]]+)\]\(([^)#]+)\.md\)", section, re.MULTILINE)
        entries = "".join(f"{title} <{page}>\n" for title, page in pages)
        yield f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}```\n"


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation to the start page; `source` holds the text of `page` as its only element."""
    if page == root_doc:
        source[0] += "".join(navigation(source[0]))


def setup(app: Sphinx) -> None:
    """Register with Sphinx. https://www.sphinx-doc.org/en/master/extdev/event_callbacks.html"""
    app.connect("source-read", add_navigation)
