"""What is read of Elasticsearch: of answers in the form that Elasticsearch 8 documents, about a node and a cluster that
are well, and about the same that lack memory, disk and a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, select, tags_of

RECORDED = Path(__file__).with_name("recorded") / "elasticsearch"
READ = collect("elasticsearch")
_ANSWERS = {"nodes": "/srv/_nodes/_local/stats/jvm,fs,breaker,thread_pool", "health": "/srv/_cluster/health"}


@pytest.fixture(scope="module")
def elasticsearch(host: Host) -> Host:
    show(host, "well")
    server = "python3 -m http.server --bind 127.0.0.1 --directory /srv 9200"
    host.start("elasticsearch", server, ready="curl -fs 127.0.0.1:9200/_cluster/health")
    return host


def show(host: Host, name: str) -> None:
    """Let the answers be those of a cluster that is well or ill."""
    for part, path in _ANSWERS.items():
        host.write(path, (RECORDED / f"{name}-{part}.json").read_text(encoding="utf-8"))


def told(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers about the node and the cluster."""
    nodes, health = (json.loads((RECORDED / f"{name}-{part}.json").read_text(encoding="utf-8")) for part in _ANSWERS)
    (node,) = nodes["nodes"].values()
    return node, health


@pytest.mark.parametrize("name", ["well", "ill"])
def test_what_is_read_is_what_elasticsearch_answers(elasticsearch: Host, name: str) -> None:
    show(elasticsearch, name)
    points = gather(elasticsearch, READ, of="elasticsearch_jvm")

    node, health = told(name)
    cluster = dict(only(points, "elasticsearch_cluster_health", name="wiki").fields)
    assert cluster.pop("status_code") == {"green": 1, "yellow": 2, "red": 3}[health["status"]]
    assert cluster == {field: health[field] for field in cluster}
    assert cluster.keys() == {*("unassigned_shards", "relocating_shards", "number_of_nodes", "number_of_pending_tasks")}
    assert only(points, "elasticsearch_jvm", node_name="wiki-1").fields == {
        "mem_heap_used_percent": node["jvm"]["mem"]["heap_used_percent"],
        "gc_collectors_old_collection_time_in_millis": node["jvm"]["gc"]["collectors"]["old"][
            "collection_time_in_millis"
        ],
    }
    assert only(points, "elasticsearch_fs").fields == {
        "total_available_in_bytes": node["fs"]["total"]["available_in_bytes"],
        "total_total_in_bytes": node["fs"]["total"]["total_in_bytes"],
    }
    assert only(points, "elasticsearch_breakers").fields == {"parent_tripped": node["breakers"]["parent"]["tripped"]}
    pools = node["thread_pool"]
    assert only(points, "elasticsearch_thread_pool").fields == {
        f"{pool}_{field}": pools[pool][field] for pool in ("write", "search") for field in ("rejected", "queue")
    }


def test_a_node_is_one_series_of_each_part(elasticsearch: Host) -> None:
    show(elasticsearch, "well")
    points = gather(elasticsearch, READ, of="elasticsearch_jvm")

    assert tags_of(points, "elasticsearch_jvm") == {"cluster_name", "node_name"}
    assert tags_of(points, "elasticsearch_cluster_health") == {"name"}
    assert not select(points, "elasticsearch_cluster_health_indices")


def test_a_cluster_that_lacks_everything_is_an_alert_for_each(elasticsearch: Host, alerts: Alerts) -> None:
    show(elasticsearch, "well")
    with agent(elasticsearch, READ, pace=60) as running:
        running.read(4, of="elasticsearch_jvm")
        assert alerts.firing(running) == set()
        show(elasticsearch, "ill")
        ill = 3
        running.until(lambda points: only(points, "elasticsearch_cluster_health")["status_code"] == ill)
        running.read(32, of="elasticsearch_jvm")
        firing = alerts.firing(running)

    assert firing == {
        *("elasticsearch-red-critical", "elasticsearch-yellow-warning", "elasticsearch-pending-warning"),
        *("elasticsearch-heap-warning", "elasticsearch-heap-critical"),
        *("elasticsearch-disk-warning", "elasticsearch-disk-critical"),
    }


def test_a_server_that_stops_is_an_error_of_its_input_and_an_alert(elasticsearch: Host, alerts: Alerts) -> None:
    with agent(elasticsearch, READ, pace=60) as running, elasticsearch.stopped("elasticsearch"):
        running.read(60)

    assert any("connection refused" in one for one in running.errors()), running.log()
    assert "input-fails-warning" in alerts.firing(running)
