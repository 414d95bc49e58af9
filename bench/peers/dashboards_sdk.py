"""As many dashboards, panels and queries with Grafana's own Python SDK, whose builders make one host after the other.

Every panel is a time series; rows, variables of the database, annotations and colours are left out. The SDK has no
queries of InfluxDB, so they are given as they are. Run by bench/dashboard_files.py: `python dashboards_sdk.py
HOSTS.json FOLDER`. Needs grafana-foundation-sdk and nothing of aresmon.
"""

# mypy: ignore-errors

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, timeseries
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.cog.encoder import JSONEncoder


class Query(builder.Builder, variants.Dataquery):
    """A query that is JSON already."""

    def __init__(self, target):
        self.target = target

    def build(self):
        return self

    def to_json(self):
        return self.target


hosts_file, folder = Path(sys.argv[1]), Path(sys.argv[2])
given = json.loads(hosts_file.read_text())
for host in given["hosts"]:
    board = dashboard.Dashboard(host["name"]).uid(host["uid"]).tags(["host"]).refresh("30s").time("now-6h", "now")
    board.with_variable(dashboard.ConstantVariable("host").value(host["name"]))
    for one in given["kinds"][host["kind"]]:
        panel = timeseries.Panel().title(one["title"]).description(one["description"]).unit(one["unit"])
        panel.max_data_points(500).height(8).span(12)
        for target in one["targets"]:
            panel.with_target(Query(target))
        board.with_panel(panel)
    (folder / f"{host['name']}.json").write_text(json.dumps(board.build(), cls=JSONEncoder))
