"""How long a test may take: the first of a process waits for images, which may have to be compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

_IMAGES_TAKE = 1800
_begun: set[Path] = set()


def give_time_for_images(item: pytest.Item, folder: Path) -> None:
    """Give the first test of this folder that the process runs the time that its images may take."""
    if folder not in _begun:
        _begun.add(folder)
        item.add_marker(pytest.mark.timeout(_IMAGES_TAKE))
