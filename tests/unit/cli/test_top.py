"""`aresmon top`: a connection that breaks is opened anew; what is refused before anything is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from aresmon.cli import common, main
from aresmon.cli.top import DatabaseLink
from aresmon.influxdb.client import InfluxDB, InfluxDBError, InfluxDBUnreachableError, Series
from aresmon.system.errors import AresmonError


class Server:
    """A server that can be reached or not, whose database answers or not."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.is_reached = True
        self.error: AresmonError | None = None

    @contextmanager
    def connect(self) -> Iterator[InfluxDB]:
        if not self.is_reached:
            raise AresmonError("biere cannot be reached")
        self.events.append("opened")
        yield cast(InfluxDB, self)
        self.events.append("closed")

    def query(self, *statements: str, database: str, within: float) -> list[list[Series]]:
        self.events.append(f"asked {len(statements)}")
        if self.error is not None:
            raise self.error
        return [[] for _ in statements]


def test_one_connection_serves_all_requests() -> None:
    server = Server()

    with DatabaseLink(server.connect) as link:
        answers: Sequence[Sequence[Series]] = link.ask(["a", "b"])
        link.ask(["c"])

    assert answers == [[], []]
    assert server.events == ["opened", "asked 2", "asked 1", "closed"]


def test_a_connection_that_broke_is_opened_anew_at_the_next_request() -> None:
    server = Server()

    with DatabaseLink(server.connect) as link:
        server.error = InfluxDBUnreachableError("nobody answers")
        with pytest.raises(InfluxDBUnreachableError):
            link.ask(["a"])
        server.is_reached = False
        with pytest.raises(AresmonError, match="biere cannot be reached"):
            link.ask(["a"])
        server.is_reached, server.error = True, None
        link.ask(["a"])

    assert server.events == ["opened", "asked 1", "closed", "opened", "asked 1", "closed"]


def test_a_statement_that_is_refused_breaks_no_connection() -> None:
    server = Server()

    with DatabaseLink(server.connect) as link:
        server.error = InfluxDBError("max-select-series")
        with pytest.raises(InfluxDBError):
            link.ask(["a"])
        server.error = None
        link.ask(["a"])

    assert server.events == ["opened", "asked 1", "asked 1", "closed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["top", "biere2"], "no host 'biere2' in aresmon.yml (did you mean 'biere'?)"),
        (["top", "--interval", "5"], "must be 10 to 3600, not 5"),
        (["top"], "aresmon up"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aresmon.yml").write_text("site: ares\nhosts: {biere: {}}\n")
    monkeypatch.chdir(tmp_path)
    common.the_console.cache_clear()

    result = CliRunner().invoke(main.app, arguments)

    common.the_console.cache_clear()
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
