"""What is built from packages, and under which name."""

from __future__ import annotations

import hashlib

from aresmon.engine import build
from aresmon.engine.images import pins


def test_another_list_of_plugins_is_an_image_of_another_name() -> None:
    """An image that is on a machine already is taken as it is. If this fails, raise the last number of Telegraf's built
    image in compose/images.yml, so that it is built anew, and put the new pair here."""
    plugins = hashlib.sha256(build.build_tags().encode()).hexdigest()[:8]

    assert (pins()["telegraf"].build, plugins) == ("aresmon/telegraf:1.39.3-2", "c1a31345")
