"""The files of a new collector: kinds of fields, settings and secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aresmon.agents import field_kinds, new_collector, sampling
from aresmon.agents.line_protocol import FieldValue, Point, parse
from aresmon.config import collectors, view_files
from aresmon.system.errors import AresmonError

USAGE = """\
# Read what a station tells
[[inputs.http]]
  urls = ["http://localhost/"]
  # timeout = 5
  # method = "GET"
"""
SENT = """\
2026-01-01T00:00:00Z I! Starting Telegraf
station,place=roof,url=http://a/\\ b wind=1.5,gusts=1i,rain_total=3i,state="ok",up=true,visitors=7i 1000000000
station,place=roof,url=http://a/\\ b wind=1.7,gusts=0i,rain_total=3i,state="ok",up=true,visitors=8i 3000000000
station,place=roof,url=http://a/\\ b wind=1.9,gusts=2i,rain_total=3i,state="a \\"b\\"",up=false,visitors=11i 5000000000
"""


class Telegraf:
    """Prints its example, and then what it is told to; keeps what it was given."""

    def __init__(self, sent: str = SENT) -> None:
        self.sent, self.given = sent, ""

    def __call__(self, command: Sequence[str], files: Mapping[str, str]) -> str:
        if "--usage" in command:
            return USAGE
        (self.given,) = files.values()
        return self.sent


def test_points_are_read_from_what_telegraf_prints() -> None:
    first, *_, last = parse(SENT)

    assert first == Point(
        "station",
        {"place": "roof", "url": "http://a/ b"},
        {"wind": 1.5, "gusts": 1, "rain_total": 3, "state": "ok", "up": True, "visitors": 7},
        10**9,
    )
    assert (last.fields["state"], last.fields["up"]) == ('a "b"', False)


def test_a_text_with_a_line_separator_of_unicode_is_one_field() -> None:
    (point,) = parse('station state="a\u2028b",up=true 1\n')

    assert point.fields == {"state": "a\u2028b", "up": True}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("anything", [["a", "b"]], "states"),
        ("anything", [[True, False]], "states"),
        ("result_code", [[0, 0, 1]], "states"),
        ("visitors", [[1, 2, 3]], "counters"),
        ("visitors", [[1, 2, 2]], "gauges"),
        ("visitors", [[1, 2, 3], [5, 4, 6]], "gauges"),
        ("requests", [[4, 4, 4]], "counters"),
        ("seconds_total", [[0.5, 0.7, 0.9]], "counters"),
        ("wind", [[1.5, 1.7, 1.9]], "gauges"),
        ("uptime", [[1, 2, 3]], "gauges"),
        ("connections_active", [[1, 2, 3]], "gauges"),
        ("errors", [[3, 2, 3]], "gauges"),
    ],
)
def test_the_kind_of_a_field_is_recognised_by_its_name_and_how_it_grew(
    name: str, values: list[list[FieldValue]], kind: str
) -> None:
    assert field_kinds.kind_of(name, values)[0] == kind


def test_both_files_are_accepted_and_say_what_was_seen(tmp_path: Path) -> None:
    sample = sampling.take(Telegraf(), "inputs.http", ["urls=http://a/ b"])

    conf, yml = new_collector.write(tmp_path / "collectors", "station", sample)

    view = view_files.load(tmp_path)["station"].measurements["station"]
    assert dict(view.fields) == {
        "gusts": "gauge",
        "wind": "gauge",
        "visitors": "counter",
        "rain_total": "counter",
        "state": "state",
        "up": "state",
    }
    assert collectors.read(conf).inputs == ("http",)
    assert "- rain_total  # 3; by its name" in yml.read_text()
    assert "# the tag place is roof" in yml.read_text()


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (["urls=http://a/"], 'urls = ["http://a/"]'),
        (["urls=http://a/", "urls=http://b/"], 'urls = ["http://a/", "http://b/"]'),
        (['urls=["http://a/"]'], 'urls = ["http://a/"]'),
        (["timeout=7"], "timeout = 7"),
        (["method=7"], 'method = "7"'),
        (['other=a"b\\c'], r'other = "a\"b\\c"'),
    ],
)
def test_a_setting_has_the_type_that_it_has_in_telegrafs_example(given: list[str], lines: str) -> None:
    telegraf = Telegraf()

    sampling.take(telegraf, "http", given)

    assert f"[[inputs.http]]\n  {lines}\n" in telegraf.given


def test_a_password_becomes_an_option_that_is_a_secret_and_an_interval_is_kept(tmp_path: Path) -> None:
    telegraf = Telegraf()
    sample = sampling.take(telegraf, "http", [], '  interval = "5m"\n  username = "ada"\n  password = "hunter2"\n')

    conf, yml = new_collector.write(tmp_path, "station", sample)

    collector = collectors.read(conf)
    assert 'password = "hunter2"' in telegraf.given
    assert 'interval = "5m"' not in telegraf.given
    assert "hunter2" not in conf.read_text() + yml.read_text() + repr(sample)
    assert 'password = "{{password}}"' in collector.text
    assert 'interval = "5m"' in collector.text
    assert (collector.options["password"].is_secret, collector.options["password"].is_required) == (True, True)


@pytest.mark.parametrize(
    ("plugin", "given", "text", "told"),
    [
        ("httpp", [], "", "Telegraf has no input httpp (did you mean 'http'?)"),
        ("redis", [], "", "this Telegraf has no input redis"),
        ("http", ["urls"], "", "--set urls is no setting"),
        ("http", ["api_key=x"], "", "--set api_key would show a secret in the list of processes"),
        ("http", [], "urls = [", "the settings of http are not TOML: line 1"),
    ],
)
def test_wrong_settings_are_refused_without_a_reading(plugin: str, given: list[str], text: str, told: str) -> None:
    telegraf = Telegraf()

    with pytest.raises(AresmonError) as raised:
        sampling.take(telegraf, plugin, given, text)

    assert raised.value.message.startswith(told)
    assert telegraf.given == ""


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["urls=http://ada:hunter2@a/"], ""),
        (["urls=http://a/?token=hunter2"], ""),
        ([], '  servers = ["ada:hunter2@tcp(127.0.0.1:3306)/"]\n'),
        ([], '  address = "host=a user=ada password=hunter2"\n'),
        ([], '  [inputs.http.headers]\n    X-Auth-Token = "hunter2"\n'),
    ],
    ids=["a login", "a token", "a login of MySQL", "a connection of PostgreSQL", "a header"],
)
def test_a_setting_with_a_secret_in_it_is_refused_and_nothing_is_written(
    tmp_path: Path, given: list[str], text: str
) -> None:
    sample = sampling.take(Telegraf(), "http", given, text)

    with pytest.raises(AresmonError) as raised:
        new_collector.write(tmp_path, "station", sample)

    assert "has a password in an address" in raised.value.message
    assert "hunter2" not in raised.value.message + (raised.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_the_example_of_a_secret_is_a_name_that_it_can_have(tmp_path: Path) -> None:
    sample = sampling.take(Telegraf(), "http", [], '  password = "hunter2"\n')

    conf, _ = new_collector.write(tmp_path, "weather_station", sample)

    option = collectors.read(conf).options["password"]
    assert option.example == {"secret": "weather-station"}
    assert option.find_fault(option.example) == ""


def test_a_secret_in_a_comment_is_masked(tmp_path: Path) -> None:
    sample = sampling.take(Telegraf(), "http", [], '  # password = "hunter2"\n  urls = ["http://a/"]\n')

    conf, _ = new_collector.write(tmp_path, "station", sample)

    assert '  # password = "***"\n' in conf.read_text()


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "station.yml").touch()

    for name, told in (("station", "station.yml exists already"), ("nginx", "there is a collector nginx already")):
        with pytest.raises(AresmonError) as raised:
            new_collector.paths(tmp_path, name)
        assert told in raised.value.message


def test_what_telegraf_says_is_told_if_nothing_is_sent() -> None:
    said = "2026-01-01T00:00:00Z E! [inputs.http] Error in plugin: connection refused\n"

    with pytest.raises(AresmonError) as raised:
        sampling.take(Telegraf(said), "http", [])

    assert raised.value.message == "inputs.http sent nothing: connection refused"
    assert 'urls = ["http://localhost/"]' in (raised.value.hint or "")
