"""What `make bench` measures has a place on the page of performance."""

from __future__ import annotations

import pytest

from bench import __main__ as bench
from tests.unit.conftest import REPOSITORY


@pytest.mark.parametrize("part", [*bench.PARTS, "soak"])
def test_each_part_has_a_place_on_the_page_and_is_named_there(part: str) -> None:
    page = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")

    assert page.count(f"<!-- bench:{part} -->\n") == page.count(f"<!-- /bench:{part} -->\n") == 1
    assert part in page.partition("## Run the benchmarks")[2].partition("```\n")[0]
