"""Exporters for Prometheus: node_exporter, and a page with what it does not have."""

from __future__ import annotations

import re

import pytest

from tests.services.agent import Setup, agent, collect, gather, plugins
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import by_labels, fields_of, newest, only, select, tags_of
from tests.unit.conftest import REPOSITORY

NODE = "http://127.0.0.1:9100/metrics"
KEPT = ["node_memory_MemTotal_bytes", "node_cpu_seconds_total", "node_memory_Mem*ree_bytes"]
READ = collect({"prometheus": {"name": "node", "url": NODE, "metrics": KEPT}})
_START = "prometheus-node-exporter --web.listen-address=127.0.0.1:9100"
_OTHER = """\
# TYPE jobs_running gauge
jobs_running{host="ronflex",exporter="inner"} 3
jobs_waiting{queue="mail"} 7
# TYPE job_seconds histogram
job_seconds_bucket{le="1"} 4
job_seconds_bucket{le="+Inf"} 5
job_seconds_sum 12.5
job_seconds_count 5
# TYPE jobs_done_total counter
jobs_done_total 40
"""
_SERVER = """\
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer biere"
        page = open("/srv/page", "rb").read() if known else b""
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(page)
http.server.HTTPServer(("127.0.0.1", 9200), Page).serve_forever()
"""


def other(given: str = "biere") -> Setup:
    """The other page, which asks for a token."""
    jobs = {"name": "jobs", "url": "http://127.0.0.1:9200/metrics", "metrics": ["job*"], "token": {"secret": "jobs"}}
    return collect({"prometheus": jobs}, secrets={"jobs": given})


@pytest.fixture(scope="module")
def exporters(host: Host) -> Host:
    host.start("node", _START, ready=f"curl -fs {NODE}")
    host.write("/srv/page", _OTHER)
    host.write("/srv/server.py", _SERVER)
    host.start("jobs", "python3 /srv/server.py", ready="nc -z 127.0.0.1 9200")
    return host


def told_by_curl(host: Host, metric: str) -> dict[str, float]:
    """The value of each set of labels of a metric, as `cpu=0,mode=idle`, on the page of node_exporter."""
    page = host.run(f"curl -fsS {NODE}")
    lines = re.findall(rf"^{metric}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
    return {labels.replace('"', ""): float(value) for labels, value in lines}


def test_what_is_read_is_what_the_page_shows(exporters: Host) -> None:
    points = gather(exporters, READ, of="prometheus")

    total = only(points, "prometheus", metric="node_memory_MemTotal_bytes")
    assert total.tags == {"host": "lewi", "exporter": "node", "metric": "node_memory_MemTotal_bytes"}
    assert {"": total["gauge"]} == told_by_curl(exporters, "node_memory_MemTotal_bytes")
    told = told_by_curl(exporters, "node_cpu_seconds_total")
    read = by_labels(select(points, "prometheus", metric="node_cpu_seconds_total"), "prometheus", "counter")
    assert {dict(labels)["labels"] for labels in read} == told.keys()
    for labels, value in read.items():
        assert value == pytest.approx(told[dict(labels)["labels"]], rel=0.1, abs=20), labels
    assert {one.tags["metric"] for one in select(points, "prometheus")} == {
        *("node_memory_MemTotal_bytes", "node_cpu_seconds_total"),
        "node_memory_MemFree_bytes",
    }


def test_labels_never_become_another_host_and_every_type_has_its_field(exporters: Host) -> None:
    points = gather(exporters, other(), of="prometheus")

    running = only(points, "prometheus", metric="jobs_running")
    assert running.fields == {"gauge": 3}
    assert running.tags == {
        "host": "lewi",
        "exporter": "jobs",
        "metric": "jobs_running",
        "labels": "exporter=inner,host=ronflex",
    }
    assert only(points, "prometheus", metric="jobs_waiting", labels="queue=mail").fields == {"value": 7}
    assert only(points, "prometheus", metric="job_seconds").fields == {"sum": 12.5, "count": 5}
    assert only(points, "prometheus", metric="jobs_done_total").fields == {"counter": 40}
    assert tags_of(points, "prometheus") == {"exporter", "metric", "labels"}


def test_two_exporters_of_a_host_are_read_apart(exporters: Host) -> None:
    first = {"name": "one", "url": NODE, "metrics": ["node_load1"]}
    points = gather(exporters, collect({"prometheus": first}, {"prometheus": first | {"name": "two"}}), of="prometheus")

    assert {(one.tags["exporter"], one.tags["metric"]) for one in select(points, "prometheus")} == {
        *(("one", "node_load1"), ("two", "node_load1"))
    }


def test_the_page_itself_is_measured(exporters: Host) -> None:
    points = gather(exporters, other(), of="prometheus_page")

    page = only(points, "prometheus_page", exporter="jobs")
    assert (page["result_code"], page["content_length"]) == (0, len(_OTHER))
    assert tags_of(points, "prometheus_page") == {"exporter"}
    assert fields_of(points, "prometheus_page") == {"result_code", "response_time", "content_length"}


def test_an_exporter_that_stops_is_an_alert(exporters: Host, alerts: Alerts) -> None:
    with agent(exporters, READ, pace=50) as running:
        running.read(2, of="prometheus_page")
        assert alerts.firing(running) == set()
        with exporters.stopped("node"):
            running.read(6, of="prometheus_page")
        assert "exporter-down-critical" in alerts.firing(running)


def test_a_page_that_refuses_its_login_is_an_alert(exporters: Host, alerts: Alerts) -> None:
    with agent(exporters, other("wrong"), pace=50) as running:
        running.read(6, of="prometheus_page")

    assert only(running.points(), "prometheus_page")["result_code"] == 6
    assert "exporter-down-critical" in alerts.firing(running)
    assert "wrong" not in running.log()


def test_the_collector_of_the_documentation_reads_its_exporter(exporters: Host) -> None:
    page = (REPOSITORY / "docs" / "own-collectors.md").read_text(encoding="utf-8")
    example = page.partition("## A collector for an exporter\n")[2].partition("```toml\n")[2].partition("```")[0]

    points = gather(exporters, plugins(example), of="node_files")

    assert fields_of(points, "node_files") == {
        "node_filefd_allocated",
        "node_filefd_maximum",
        "node_context_switches_total",
    }
    maximum = newest(points, "node_files")["node_filefd_maximum"]
    assert {"": maximum} == told_by_curl(exporters, "node_filefd_maximum")
