"""What stands and runs on a server, and the promise about it: one configuration, whole, and its data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.engine.sites import Site, eventually
from tests.fleet.servers import Server

Kept = Literal["untouched", "restored", "new"]

_LOOK = r"""
shopt -s nullglob
files=(/etc/telegraf/*.conf /etc/telegraf/*.pem /etc/default/telegraf)
for file in "${files[@]}"; do
  echo "file=$file $(sha256sum < "$file" | cut -c -64) $(stat -c '%a %U:%G' "$file")"
done
for left in /etc/telegraf/.* /etc/default/.*.aresmon /var/lib/aresmon/*/{pending,check,*.new}; do
  [[ $left =~ /\.\.?$ || ! -e $left ]] || echo "left=$left"
done
systemctl show telegraf -p ActiveState,MainPID
pid=$(systemctl show telegraf --property MainPID --value)
echo "mark=$(sed -n '/metric_name = "aresmon_config"/,$ s/^ *value = "\(.*\)"$/\1/p' /etc/telegraf/telegraf.conf)"
cat /var/lib/aresmon/*/current 2> /dev/null | sed -n 's/^gen=/current=/p; s/^sha=\(\S*\) \(.*\)/sha=\2 \1/p'
if [[ $pid != 0 ]]; then # what it runs with is what stands there: read since it was put there, and the same variables
  for file in "${files[@]}"; do
    [[ $(stat -c %Z "$file") -le $(stat -c %Z /proc/$pid) ]] || echo "stale=$file"
  done
  while IFS= read -r line; do
    grep -qzxF -- "$line" /proc/$pid/environ || echo "stale=${line%%=*} of its environment"
  done < <(sed "s/='\(.*\)'$/=\1/; /^#/d; /^$/d" /etc/default/telegraf)
fi
"""


@dataclass(frozen=True)
class Standing:
    """`files` are hash, mode and owner by path, `left` what a push forgot, `stale` what its agent does not run with,
    `proven` the hashes that the host remembers with `current`, their mark."""

    server: Server = field(repr=False)
    files: Mapping[str, str]
    active: str
    pid: str
    config_id: str
    current: str
    proven: Mapping[str, str]
    left: tuple[str, ...]
    stale: tuple[str, ...]


def standing(server: Server) -> Standing:
    """Look at a server, past its network."""
    pairs = [line.split("=", 1) for line in server.run(_LOOK).splitlines()]
    one = {name: value for name, value in pairs if name not in ("file", "left", "sha", "stale")}

    def by_path(kind: str) -> dict[str, str]:
        return {path: rest for path, _, rest in (value.partition(" ") for name, value in pairs if name == kind)}

    return Standing(
        server,
        files=by_path("file"),
        active=one["ActiveState"],
        pid=one["MainPID"],
        config_id=one["mark"],
        current=one.get("current", ""),
        proven=by_path("sha"),
        left=tuple(value for name, value in pairs if name == "left"),
        stale=tuple(value for name, value in pairs if name == "stale"),
    )


def kept(site: Site, before: Standing, *, name: str = "") -> Kept:
    """Hold a server to the promise: nothing is left half, and it runs either what it ran before or something else
    that was proven, whole; if it runs at all, its data arrives, under its own name or this one. Which of these it is.
    """
    # A script whose connection was lost goes on until it notices that.
    assert eventually(lambda: not standing(before.server).left, within=30), standing(before.server)
    now = standing(before.server)
    if now.files == before.files:
        assert now.active == before.active, now
        word: Kept = "untouched" if now.pid == before.pid else "restored"
    else:
        assert now.active == "active", now
        assert now.config_id == now.current != before.config_id, now
        assert {path: now.files[path].split()[0] for path in now.proven} == now.proven, now
        word = "new"
    assert not now.stale or word == "untouched", now
    if now.active == "active":
        assert arrives(site, name or before.server.name, now.config_id), before.server.journal(unit="telegraf")
    return word


def arrives(site: Site, host: str, mark: str = "", *, within: float = 30) -> bool:
    """Whether points of a host, taken from now on, arrive: those with this mark, or any without one."""
    where = f"\"host\" = '{host}' AND time > {int(time.time())}s"
    marked = f'SELECT last("gen") FROM "aresmon_config" WHERE "gen" = \'{mark}\' AND {where}'
    statement = marked if mark else f"SELECT * FROM /.*/ WHERE {where} LIMIT 1"
    return eventually(lambda: bool(site.query(statement)), within, every=0.2)
