"""Dashboards and alert rules: how long they take to be made, and their queries to be answered.

bench/dashboard_files.py renders, beside Jinja2 and Grafana's own SDK; bench/dashboard_times.py asks a real InfluxDB
what Grafana would ask, on raw points alone, as most published dashboards do, and as the tiers choose.
Run it: `.venv/bin/python -m bench.dashboards` (twenty minutes on two idle cores, 3 GB of disk; needs the
engine and the built image of InfluxDB). For a try: `--hosts 2 --days 3 --fleets 3,20`, two minutes; `--only files`
and `--only times` do one half.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from bench import dashboard_files, dashboard_times
from bench.dashboard_times import FULL, Size
from bench.measure import ROOT


def measure(sizes: Sequence[Size] = FULL, fleets: Sequence[int] = dashboard_files.SIZES, only: str = "") -> str:
    """The tables and what they say, as Markdown. `only` is `files` or `times`, empty for both."""
    parts = []
    if only != "times":
        parts.append(dashboard_files.measure(fleets))
    if only != "files":
        parts.append(dashboard_times.measure(sizes))
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench.dashboards", description="Dashboards: made and asked for, timed.")
    parser.add_argument("--hosts", type=int, help="one database of so many hosts, in place of the two")
    parser.add_argument("--days", type=int, default=30, help="days in that database")
    parser.add_argument("--raw", type=int, help="of how many days the raw points are there; all of them")
    parser.add_argument("--downsampled", type=int, help="how many of these are downsampled; all of them")
    parser.add_argument("--fleets", default="3,100,1000", help="hosts whose dashboards are rendered")
    parser.add_argument("--only", choices=("files", "times"), default="")
    said = parser.parse_args(arguments)
    sizes: Sequence[Size] = FULL
    if said.hosts:
        raw = min(said.raw or said.days, said.days)
        sizes = [Size(said.hosts, said.days, raw, min(said.downsampled or raw, raw))]
    print(measure(sizes, [int(number) for number in said.fleets.split(",")], said.only))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1:])
