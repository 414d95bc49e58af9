"""The same telegraf.conf and agent.env for each host with plain Jinja2, as a script of an afternoon would do it.

No checks, no whole-or-nothing writes, no manifest. Run by bench/render.py: `python jinja.py HOSTS.json FOLDER`,
where FOLDER has the two templates. Needs Jinja2 and nothing of aresmon.
"""

import json
import sys
from pathlib import Path

import jinja2  # type: ignore[import-not-found, unused-ignore]

hosts_file, folder = Path(sys.argv[1]), Path(sys.argv[2])
environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(hosts_file.parent), keep_trailing_newline=True, autoescape=False
)
templates = {name: environment.get_template(f"{name}.j2") for name in ("telegraf.conf", "agent.env")}
for host in json.loads(hosts_file.read_text())["fleet"]:
    target = folder / host["name"]
    target.mkdir(parents=True, exist_ok=True)
    for name, template in templates.items():
        (target / name).write_text(template.render(item=host))
