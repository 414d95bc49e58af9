"""Secrets in addresses that Telegraf would write into the data."""

from __future__ import annotations

import pytest

from aresmon.agents import lint

BEFORE = '[agent]\n  hostname = "lewi"\n'


def warnings(inputs: str, **environment: str) -> list[tuple[int, str]]:
    output = "[[outputs.influxdb]]\n  skip_database_creation = true\n"
    return [(one.line, one.text) for one in lint.warnings(f"{BEFORE}{inputs}\n{output}", environment)]


@pytest.mark.parametrize(
    ("plugin", "setting", "tag"),
    [
        ("http_response", 'urls = ["http://a/", "https://bob:hunter2@a/"]', "server"),
        ("http", 'urls = ["https://a/?api_key=hunter2"]', "url"),
        ("http", 'urls = ["https://hunter2@a/"]', "url"),
        ("rabbitmq", 'url = "http://bob:${PASSWORD}@a/"', "url"),
        ("x509_cert", 'sources = ["https://bob:hunter2@a"]', "source"),
        ("prometheus", 'urls = ["http://a/metrics?token=hunter2"]', "url"),
        ("http", 'urls = ["${ADDRESS}"]', "url"),
        ("phpfpm", 'taginclude = ["u*"]\n urls = ["http://bob:hunter2@a/status"]', "url"),
    ],
)
def test_a_secret_that_would_become_a_tag_is_warned_of_and_not_shown(plugin: str, setting: str, tag: str) -> None:
    lines = 4 + setting.count("\n")

    ((line, text),) = warnings(f"[[inputs.{plugin}]]\n {setting}\n", PASSWORD="x", ADDRESS="http://bob:hunter2@a/")

    assert line == lines
    assert f"inputs.{plugin} writes this address into the data as the tag {tag}" in text
    assert text.endswith(f'tagexclude = ["{tag}"]')
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("plugin", "setting"),
    [
        ("http_response", 'urls = ["https://a/@b"]\n username = "bob"\n password = "hunter2"'),
        ("http_response", 'tagexclude = ["serv*"]\n urls = ["https://bob:hunter2@a/"]'),
        ("http", 'taginclude = ["host"]\n urls = ["https://bob:hunter2@a/"]'),
        ("prometheus", 'urls = ["http://bob:hunter2@a/metrics"]'),
        ("prometheus", 'url_tag = ""\n urls = ["http://a/metrics?token=hunter2"]'),
        ("redis", 'servers = ["tcp://bob:hunter2@a:6379"]'),
        ("http", "urls = 5"),
    ],
)
def test_an_address_without_a_secret_in_a_tag_is_well(plugin: str, setting: str) -> None:
    assert warnings(f"[[inputs.{plugin}]]\n {setting}\n") == []
