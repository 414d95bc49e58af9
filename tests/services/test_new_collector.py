"""`collectors new`, on what real services send: fields, their kinds, and files that aresmon accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aresmon.agents import new_collector, sampling
from aresmon.agents.sampling import Sample
from aresmon.config import collectors, view_files
from aresmon.system.errors import AresmonError
from tests.services.host import Host

_MEMCACHED = "memcached -u memcache -l 127.0.0.1 -p 11311"
_LOAD = r"while sleep 0.2; do printf 'set a 0 0 1\r\nx\r\nget a\r\nget b\r\nquit\r\n' | nc 127.0.0.1 11311; done"


@pytest.fixture(scope="module")
def memcached(host: Host) -> Host:
    host.start("memcached-new", _MEMCACHED, ready="nc -z 127.0.0.1 11311")
    return host


def on(host: Host) -> sampling.Run:
    """Runs the host's Telegraf."""

    def run(command: Sequence[str], files: Mapping[str, str]) -> str:
        for name, text in files.items():
            host.write(f"/{name}", text)
        done = host.attempt(" ".join(f"'{word}'" for word in command))
        return done.out + done.err

    return run


def take(host: Host, address: str = "127.0.0.1:11311") -> Sample:
    with host.meanwhile("load", _LOAD):
        return sampling.take(on(host), "memcached", [f"servers={address}"])


def test_the_files_have_what_the_service_sends_with_the_kind_of_each_field(memcached: Host, tmp_path: Path) -> None:
    sample = take(memcached)

    conf, yml = new_collector.write(tmp_path / "collectors", "cache", sample)

    collector, view = collectors.read(conf), view_files.load(tmp_path)["cache"]
    told = memcached.run(r"printf 'stats\r\nquit\r\n' | nc 127.0.0.1 11311")
    fields = dict(view.measurements["memcached"].fields)
    assert collector.inputs == ("memcached",)
    assert 'servers = ["127.0.0.1:11311"]' in collector.text
    assert set(fields) <= set(re.findall(r"STAT (\w+) ", told))
    assert len(fields) > 30
    assert set(view.measurements["memcached"].tags) == {"server"}
    counters = ("cmd_get", "cmd_set", "get_hits", "get_misses", "bytes_read", "bytes_written", "total_connections")
    gauges = ("curr_connections", "bytes", "uptime", "threads", "curr_items")
    assert {name: fields[name] for name in counters} == dict.fromkeys(counters, "counter")
    assert {fields[name] for name in gauges} <= {"gauge", "peak"}
    assert "get_hits  # " in yml.read_text()
    assert "; as in memcached.yml" in yml.read_text()
    shown = {series.field for panel in view.panels for series in panel.series}
    assert {"cmd_get", "bytes"} <= shown


def test_a_service_that_does_not_answer_is_an_error_with_what_telegraf_says_and_no_file(memcached: Host) -> None:
    with pytest.raises(AresmonError) as raised:
        take(memcached, "127.0.0.1:9")

    assert "inputs.memcached sent nothing: " in raised.value.message
    assert "connection refused" in raised.value.message
    assert 'servers = ["localhost:11211"]' in (raised.value.hint or "")
