"""Runs the live screen on scripted answers, for a terminal of a test. Its argument is a file: while that exists, the
database is away."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aresmon.influxdb.client import Series
from aresmon.system import signals
from aresmon.terminal import live
from aresmon.terminal.feed import Feed
from aresmon.terminal.reader import Reader
from aresmon.terminal.screen import Screen
from aresmon.terminal.state import ScreenState
from tests.unit.terminal import test_feed


def main(away: Path) -> None:
    signals.install_handlers()
    known, database = test_feed.make(time.time())

    def ask(texts: Sequence[str]) -> list[Sequence[Series]]:
        database.is_away = away.exists()
        return database(texts)

    reader = Reader(Feed(known.config, known.views, ask), live.wanted(ScreenState()), 0.2)
    reader.start()
    live.run(reader, Screen(), ScreenState(), site="Arès")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
