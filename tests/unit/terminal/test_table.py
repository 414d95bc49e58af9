"""A panel that is a table, in characters: the columns, units and order that its view gives."""

from __future__ import annotations

from dataclasses import replace

from aresmon.config.views import Panel, SeriesSpec, TableColumn
from aresmon.monitoring.curves import Window
from aresmon.monitoring.host_panels import NamedCurve, PanelReading
from aresmon.terminal import panel as terminal_panel
from aresmon.terminal.text import UNICODE, plain

FILESYSTEMS = Panel(
    *("Filesystems", "table", "none", "How full each filesystem is."),
    series=(SeriesSpec("disk", "free"), SeriesSpec("disk", "used_percent")),
    columns=(
        TableColumn("path", "Mount point"),
        TableColumn("Used", unit="percent", decimals=0),
        TableColumn("Free", "Left", unit="bytes"),
    ),
    sort=(("Used", True),),
)
WINDOW = Window(1000, 1120, 30, "raw")


def curve(name: str, path: str, value: float | None) -> NamedCurve:
    return NamedCurve(name, (path,), (value,))


def drawn(panel: Panel) -> list[list[str]]:
    """The words of each line below the title."""
    curves = (
        *(curve("Free", path, value) for path, value in (("/", 3e9), ("/srv", 2e6), ("/new", None))),
        *(curve("Used", path, value) for path, value in (("/", 41.2), ("/srv", 97.6), ("/new", None))),
    )
    lines = terminal_panel.draw(PanelReading(panel, WINDOW, curves), 60, 5, UNICODE)
    return [plain(one).split() for one in lines[1:]]


def test_a_table_has_the_columns_of_its_view_and_is_sorted_as_it_says() -> None:
    assert drawn(FILESYSTEMS) == [
        ["Used", "Left"],
        ["/srv", "98", "%", "1.91", "MiB"],
        ["/", "41", "%", "2.79", "GiB"],
        ["/new", "-", "-"],
    ]


def test_a_table_without_columns_has_its_series_in_their_order() -> None:
    assert drawn(replace(FILESYSTEMS, columns=(), sort=()))[0] == ["Free", "Used"]


def test_columns_without_room_are_counted() -> None:
    curves = tuple(NamedCurve(f"Value {number}", ("/",), (1.0,)) for number in range(9))
    lines = terminal_panel.draw(PanelReading(replace(FILESYSTEMS, columns=()), WINDOW, curves), 40, 5, UNICODE)

    assert plain(lines[1]).split("  ")[-2:] == ["Value 2", "+6"]
    assert plain(lines[2]).split() == ["/", "1", "1", "1"]


def test_rows_without_room_are_counted() -> None:
    curves = tuple(NamedCurve("Used", (f"/{number}",), (1.0,)) for number in range(9))
    lines = terminal_panel.draw(PanelReading(FILESYSTEMS, WINDOW, curves), 40, 5, UNICODE)

    assert [plain(one).split()[0] for one in lines[1:]] == ["Used", "/0", "/1", "+7"]


def test_more_columns_than_a_digit_counts_are_counted_whole() -> None:
    curves = tuple(NamedCurve(f"Value {number} of this", ("/",), (1.0,)) for number in range(12))
    lines = terminal_panel.draw(PanelReading(replace(FILESYSTEMS, columns=()), WINDOW, curves), 40, 5, UNICODE)

    assert plain(lines[1]).endswith("  +10")


def test_a_bar_gives_way_to_its_value() -> None:
    curves = tuple(NamedCurve(f"a-name-that-is-long-{number}", (), (1.5e14,)) for number in range(2))
    reading = PanelReading(replace(FILESYSTEMS, kind="bargauge", unit="widgets"), WINDOW, curves)

    lines = terminal_panel.draw(reading, 40, 5, UNICODE)

    assert [plain(one).rpartition("█ ")[2] for one in lines[1:3]] == ["150000000000000 widgets"] * 2
