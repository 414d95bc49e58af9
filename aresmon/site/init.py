"""Write a first aresmon.yml for this machine: local services are detected, other settings are shown in comments."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path

import yaml

from aresmon.config.package_data import site_schema
from aresmon.site.folder import Site
from aresmon.system import files
from aresmon.system.errors import AresmonError

_ANYWHERE = ("", "*", "0.0.0.0", "::")  # noqa: S104 (read, not bound)
_HAPROXY_CONFIG = Path("/etc/haproxy/haproxy.cfg")


def write(site: Site, *, docker: bool, hostname: str = "", haproxy_config: Path = _HAPROXY_CONFIG) -> str:
    """Write `aresmon.yml` for this machine and return its text. Raises AresmonError if it exists already."""
    if site.file.exists() or site.file.is_symlink():
        raise AresmonError(f"{site.file} already exists and was not changed", hint="`aresmon check` validates it")
    text = compose(
        host_name(hostname) if hostname else this_host(), docker=docker, haproxy=find_haproxy(haproxy_config)
    )
    site.create_state_folder()
    files.write(site.state / "schema.json", (json.dumps(site_schema(), indent=1) + "\n").encode())
    files.write(site.file, text.encode())
    return text


def write_repository(folder: Path, content: Mapping[str, bytes]) -> int:
    """Write a first repository of configurations and return the number of files.

    Raises AresmonError if one of the files exists already, or if the folder has others and is no working copy of git.
    """
    if folder.exists() and not folder.is_dir():
        raise AresmonError(f"{folder} is not a folder", hint="name another one")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".git").exists():
        raise AresmonError(
            f"{folder} contains files and is not a git repository",
            hint="name a new folder or an empty one, or the clone of a repository",
        )
    existing = [name for name in content if (folder / name).exists()]
    if existing:
        raise AresmonError(f"{folder} already contains {', '.join(existing[:5])}", hint="name another folder")
    for name, text in content.items():
        files.write(folder / name, text)
    return len(content)


def compose(host: str, *, docker: bool, haproxy: str) -> str:
    """Return the text of the file, with comments. `haproxy` is the URL of its statistics page; empty for none."""
    collect = ["system", "disk", "diskio", "net", *(["docker"] if docker else []), *(["haproxy"] if haproxy else [])]
    name = host if yaml.safe_load(host) == host else f'"{host}"'
    env = f'\n    env: {{HAPROXY_STATS: "{haproxy}"}}' if haproxy else ""
    return f"""\
# yaml-language-server: $schema=.aresmon/schema.json
# The servers, and what to monitor on them. `aresmon check` validates this file, `aresmon up` applies it.
# docs/reference/aresmon-yml.md describes every setting.
site: aresmon

# The host that runs the stack: this machine.
server: {name}

hosts:
  {name}:
    agent: docker                # a Telegraf container in the stack; `systemd` for the distribution's service
    collect: [{", ".join(collect)}]{env}
  # Another server to monitor:
  # lewi:
  #   agent: systemd
  #   collect: [system, disk, diskio, net]

# Where InfluxDB stores its data, and how long it keeps each resolution.
storage:
  data: data/influxdb
  keep: {{raw: 7d, 1m: 90d, 1h: 2y}}

# grafana:
#   url: https://grafana.example.org   # the address that people use
#   admin: admin                       # its password: .aresmon/secrets/grafana-admin
#   guests: [{{login: guest, password: guest}}]   # read-only accounts

# Where alerts are sent; without it, alerts appear in Grafana only. docs/alerts.md
# alerts:
#   send_to:
#     - ntfy: {{url: "https://ntfy.example.org/servers"}}

# Where the stack listens: on loopback, unless other hosts are monitored. Agents connect with HTTPS.
edge:
  tls: site
#   grafana: 127.0.0.1:3000
#   agents: 127.0.0.1:8086
"""


def this_host() -> str:
    """Return this machine's name as a key for `hosts`."""
    return host_name(socket.gethostname())


def host_name(name: str) -> str:
    """Return a host name as a key for `hosts`: the first label, in lower case, with invalid characters replaced."""
    short = re.sub(r"[^a-z0-9-]+", "-", name.lower().partition(".")[0]).strip("-")
    return short[:63].strip("-") or "server"


def find_haproxy(config: Path) -> str:
    """Return the URL of this machine's HAProxy statistics page; empty if it has none.

    Its administration socket is not offered: a process that can open it can also change the running HAProxy.
    """
    try:
        return parse_haproxy(config.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def parse_haproxy(text: str) -> str:
    """Return the URL of the statistics page in a HAProxy configuration; empty if it has none."""
    for section in re.split(r"^(?=(?:listen|frontend|backend|defaults|global)\b)", text, flags=re.MULTILINE):
        port = re.search(
            r"^\s*bind\s+(?P<address>[0-9.]*|\*|\[?[0-9A-Fa-f:.]*\]?):(?P<port>\d+)\b(?P<rest>.*)$",
            section,
            flags=re.MULTILINE,
        )
        uri = re.search(r"^\s*stats\s+uri\s+(\S+)", section, flags=re.MULTILINE)
        if (
            port
            and "ssl" not in port["rest"]
            and (uri or re.search(r"^\s*stats\s+enable", section, flags=re.MULTILINE))
        ):
            address = port["address"].strip("[]")
            address = "127.0.0.1" if address in _ANYWHERE else f"[{address}]" if ":" in address else address
            found = f"http://{address}:{port['port']}{uri[1] if uri else '/haproxy?stats'}"
            return found if re.fullmatch(r"[A-Za-z0-9:/.?=&;_\[\]-]+", found) else ""
    return ""
