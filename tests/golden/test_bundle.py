"""The whole bundle of the example site, for a machine that is the same everywhere."""

from __future__ import annotations

from pathlib import Path

from aresmon.config.model import load
from aresmon.config.package_data import package_files
from aresmon.render.bundle import render
from tests.golden.conftest import Compare
from tests.unit.conftest import ARES, SHIPPED, VIEWS, place


def test_the_example_site_renders_to_the_golden_bundle(compare: Compare) -> None:
    config = load(ARES.read_text(encoding="utf-8"), SHIPPED)

    files = render(config, SHIPPED, VIEWS, place(), shipped_files=package_files())

    compare(Path(__file__).with_name("ares"), files)
