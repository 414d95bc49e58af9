"""What the tests of real services do with an agent's configuration and with its points."""

from __future__ import annotations

import re

import pytest

from tests.services.agent import hurried, plugins
from tests.services.alerts import stretched
from tests.services.points import by_labels, exposed, fields_of, newest, only, parse, select, tags_of

TEXT = (
    'disk,host=lewi,path=/srv/a\\ b\\,c free=12i,full=0.5,mode="a, \\"b\\" = c",ok=true 1700000000500000000\n'
    "disk,host=lewi,path=/ free=3i 1700000001000000000\n"
    "disk,host=lewi,path=/ free=2i 1700000002000000000\n"
    "disk,host=lewi,path=/ fre"
)


def test_points_are_read_with_their_types_and_what_is_escaped() -> None:
    first, *others = parse(TEXT)

    assert (first.measurement, first.time) == ("disk", 1_700_000_000.5)
    assert first.tags == {"host": "lewi", "path": "/srv/a b,c"}
    assert first.fields == {"free": 12, "full": 0.5, "mode": 'a, "b" = c', "ok": True}
    assert [one["free"] for one in others] == [3, 2]


def test_the_newest_point_of_a_series_is_found_and_several_series_are_an_error() -> None:
    points = parse(TEXT)

    assert only(points, "disk", path="/")["free"] == 2
    assert len(select(points, "disk")) == 3
    assert (fields_of(points, "disk"), tags_of(points, "disk")) == ({"free", "full", "mode", "ok"}, {"path"})
    with pytest.raises(AssertionError, match="/srv/a b,c"):
        only(points, "disk")
    with pytest.raises(AssertionError, match="no series"):
        only(points, "mem")


def test_the_newest_value_of_each_field_is_found_where_a_reading_is_several_points() -> None:
    points = parse("cpu,host=lewi a=1i 2000000000\ncpu,host=lewi b=5i 2000000000\ncpu,host=lewi a=2i 3000000000\n")

    assert newest(points, "cpu") == {"a": 2, "b": 5}
    with pytest.raises(AssertionError, match="/srv/a b,c"):
        newest(parse(TEXT), "disk")


def test_values_of_a_page_for_prometheus_are_found_again_by_their_labels() -> None:
    page = '# TYPE up gauge\nup{server="a",code="200"} 1\nup{server="b",code="200"} 0.5\ngo_threads 7\n'
    points = parse("x,code=200,host=lewi,server=a up=1 2000000000\nx,code=200,host=lewi,server=b up=0.5 2000000000\n")

    assert by_labels(points, "x", "up") == exposed(page)["up"]
    assert exposed(page) == {
        "up": {
            frozenset({("server", "a"), ("code", "200")}): 1,
            frozenset({("server", "b"), ("code", "200")}): 0.5,
        }
    }


def test_points_are_stretched_until_now_keep_their_types_and_begin_before_every_window() -> None:
    lines = list(stretched(parse(TEXT)[:2], "biere", 10, 1_800_000_000))

    text = 'disk,host=biere,path=/srv/a\\ b\\,c free=12i,full=0.5,mode="a, \\"b\\" = c",ok=true'
    assert lines == [
        f"{text} 1799998140000000000",
        f"{text} 1799999995000000000",
        "disk,host=biere,path=/ free=3i 1799998140000000000",
        "disk,host=biere,path=/ free=3i 1800000000000000000",
    ]


@pytest.mark.parametrize(
    ("pace", "longest", "expected"),
    [(10, float("inf"), ("1000ms", "6000ms")), (50, float("inf"), ("200ms", "1200ms")), (10, 1, ("1000ms", "1000ms"))],
)
def test_every_interval_is_shorter_by_the_pace(pace: float, longest: float, expected: tuple[str, str]) -> None:
    text = hurried(plugins('[[inputs.nginx]]\n  urls = []\n  interval = "1m"\n').text, pace, longest)

    assert re.findall(r'^ *(?:flush_)?interval = "(.*)"', text, re.MULTILINE) == [expected[0], expected[0], expected[1]]
    assert ('flush_jitter = "0s"' in text, 'precision = "1ms"' in text) == (True, True)
