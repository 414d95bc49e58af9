"""Images beside the pinned ones: older, newer, and ones that fail in every way there is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import docker.errors

from aresmon.engine.images import pins
from tests.engine.grafanas import context
from tests.engine.sites import client
from tests.harness.locks import lock

# Before the real program in the search path; Compose starts `influxd`, whatever the image's entrypoint is.
_INFLUXD, _HAPROXY, _TELEGRAF = "usr/local/bin/influxd", "usr/local/bin/haproxy", "usr/local/bin/telegraf"
_REAL = '#!/bin/bash\nexport {}\nexec /usr/bin/influxd "$@"\n'
_RUBBISH = """\
#!/bin/bash
# Changes files in place, and where it may not, puts others there; then fails.
shopt -s globstar nullglob
for file in /var/lib/influxdb/{meta,data,wal}/**/*; do
  [[ -f $file ]] || continue
  { echo rubbish > "$file"; } 2>/dev/null || { rm -f "$file"; echo rubbish > "$file"; }
done
rm -rf /var/lib/influxdb/wal/telegraf
mkdir /var/lib/influxdb/more && touch /var/lib/influxdb/more/new
exit 3
"""

INFLUXDB: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "does not start": {_INFLUXD: "#!/bin/bash\nexit 3\n"},
    "never answers": {_INFLUXD: "#!/bin/bash\nexec sleep 1000\n"},
    "refuses every point": {_INFLUXD: _REAL.format("INFLUXDB_DATA_CACHE_MAX_MEMORY_SIZE=1")},
    "lets nobody but us in": {_INFLUXD: _REAL.format("INFLUXDB_HTTP_UNIX_SOCKET_PERMISSIONS=0700")},
    "is empty": {_INFLUXD: _REAL.format("INFLUXDB_DATA_DIR=/tmp/data INFLUXDB_DATA_WAL_DIR=/tmp/wal")},
    "writes rubbish": {_INFLUXD: _RUBBISH},
}
EDGE: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "does not start": {_HAPROXY: "#!/bin/bash\nexit 3\n"},
}
TELEGRAF: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "sends nothing": {_TELEGRAF: "#!/bin/bash\nexec sleep 1000\n"},
}


def image(service: str, version: str, kind: str = "plain") -> str:
    """The reference of an image of this service that says it is of this version; made if it is not here."""
    files = {"influxdb": INFLUXDB, "edge": EDGE, "telegraf": TELEGRAF}[service][kind]
    return derived(pins()[service].build, service, version, files=files)


def derived(base: str, service: str, version: str, *, files: Mapping[str, str]) -> str:
    """An image like `base` with these files besides. It stays, as the built ones do."""
    name = f"aresmon-test/{service}"
    base_id = str(client().images.get(base).id)
    mark = hashlib.sha256("\0".join([base_id, version, *files, *files.values()]).encode()).hexdigest()[:8]
    reference = f"{name}:{version}-{mark}"
    with lock("images"):
        try:
            client().images.get(reference)
        except docker.errors.ImageNotFound:
            recipe = [f"FROM {base}", f"LABEL org.aresmon.test={mark}", *(f"COPY {one} /{one}" for one in files)]
            packed = context({"Dockerfile": "\n".join(recipe) + "\n", **files})
            client().images.build(fileobj=packed, custom_context=True, tag=reference, rm=True, forcerm=True)
    return reference
