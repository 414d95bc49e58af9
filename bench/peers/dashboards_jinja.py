"""The same dashboard for each host with plain Jinja2, as a script of an afternoon would do it.

Run by bench/dashboard_files.py: `python dashboards_jinja.py HOSTS.json FOLDER`; the template of each kind of host lies
beside the first. Needs Jinja2 and nothing of aresmon.
"""

import json
import sys
from pathlib import Path

import jinja2  # type: ignore[import-not-found, unused-ignore]

hosts_file, folder = Path(sys.argv[1]), Path(sys.argv[2])
environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(hosts_file.parent),
    keep_trailing_newline=True,
    autoescape=False,
    variable_start_string="<<",
    variable_end_string=">>",
)
given = json.loads(hosts_file.read_text())
templates = {kind: environment.get_template(f"{kind}.j2") for kind in given["kinds"]}
for host in given["hosts"]:
    (folder / f"{host['name']}.json").write_text(templates[host["kind"]].render(item=host))
