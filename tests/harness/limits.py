"""Tests with a real engine are marked so, and the first in each folder has time for images, which may be compiled."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.harness.names import real_folder

_IMAGES_TAKE = 1800
_begun: set[str] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if real_folder(item.path):
            item.add_marker(pytest.mark.engine)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    give_time_for_images(item)
    return (yield)


def give_time_for_images(item: pytest.Item) -> None:
    """Give the first test of a folder that the process runs the time that its images may take."""
    folder = real_folder(item.path)
    if folder and folder not in _begun:
        _begun.add(folder)
        item.add_marker(pytest.mark.timeout(_IMAGES_TAKE))
