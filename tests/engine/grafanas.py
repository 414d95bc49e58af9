"""A site with a stand-in for Grafana: a container whose port leads to a socket, behind which the test answers."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors

from aresmon.engine.images import pins
from tests.engine.sites import Site, client
from tests.grafana.standin import RESET, StandIn, serving
from tests.grafana.state import State
from tests.harness.locks import lock

_USER = 472
_SOCKET = "stand-in.sock"
_CONFIGURATION = f"""\
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend grafana
  bind :3000
  default_backend stand_in
backend stand_in
  server test unix@/var/lib/grafana/{_SOCKET}
"""
_PROGRAM = f"""\
#!/bin/bash
# `grafana cli … admin reset-admin-password --password-from-stdin --user-id N`, and nothing else of Grafana.
if [[ $1 != cli || " $* " != *" admin reset-admin-password --password-from-stdin --user-id "* ]]; then
  echo "No help topic for '$*'" >&2
  exit 1
fi
IFS= read -r password
exec 3<>/dev/tcp/127.0.0.1/3000
printf 'POST {RESET}?user=%s HTTP/1.0\\r\\nHost: grafana\\r\\nContent-Length: %s\\r\\n\\r\\n%s' \\
  "${{!#}}" "${{#password}}" "$password" >&3
read -r _ code _ <&3
while IFS= read -r line <&3 && [[ -n ${{line%$'\\r'}} ]]; do :; done
cat <&3
[[ $code == 200 ]]
"""


def image() -> str:
    """The reference of the image, which is made if it is not here. It stays, as the built ones do."""
    files = {
        "Dockerfile": f"FROM {pins()['edge'].build}\n"
        "COPY stand-in.cfg /etc/stand-in.cfg\n"
        "COPY grafana /usr/bin/grafana\n"
        'ENTRYPOINT ["haproxy", "-db", "-f", "/etc/stand-in.cfg"]\n',
        "stand-in.cfg": _CONFIGURATION,
        "grafana": _PROGRAM,
    }
    mark = hashlib.sha256("\0".join(files.values()).encode()).hexdigest()[:12]
    reference = f"aresmon-test/grafana:{mark}"
    with lock("images"):
        try:
            client().images.get(reference)
        except docker.errors.ImageNotFound:
            client().images.build(fileobj=context(files), custom_context=True, tag=reference, rm=True, forcerm=True)
    return reference


def context(files: Mapping[str, str]) -> io.BytesIO:
    """What an image is built from: programs and a Dockerfile, by name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o755
            tar.addfile(entry, io.BytesIO(content.encode()))
    packed.seek(0)
    return packed


class SiteStandIn(StandIn):
    """The stand-in of a site: on an empty data folder it makes the administrator that the site's secrets name."""

    def __init__(self, site: Site) -> None:
        super().__init__(State(site.folder / "data" / "grafana"), provisioning=site.bundle / "grafana/provisioning")
        self.site = site

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, str]:
        if not self.state.users:
            admin = self.site.settings.get("grafana", {}).get("admin", "admin")
            self.state.begin(admin, self.site.secret("grafana-admin"))
        return super().answer(method, target, headers, body)


@dataclass
class Grafanas:
    """The stand-in beside a site, which can be stopped and started again; its state outlives that."""

    site: Site
    standin: SiteStandIn
    running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Listen on the socket in Grafana's data folder."""
        self.running.enter_context(serving(self.standin, socket=self.folder / _SOCKET))

    def stop(self) -> None:
        """Go away, as a Grafana that ended: the container's port answers 503."""
        self.running.close()

    @property
    def folder(self) -> Path:
        """Grafana's data folder, owned by the user that Grafana runs as."""
        folder = self.site.folder / "data" / "grafana"
        folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0 and folder.stat().st_uid != _USER:
            os.chown(folder, _USER, _USER)
        return folder


@contextmanager
def grafana_for(site: Site) -> Iterator[Grafanas]:
    """Give a site, before its first `up`, an image of the stand-in, and answer there until the end of the block.

    Raises AssertionError at the end for requests that Grafana's description does not allow.
    """
    site.configure(images={**site.settings.get("images", {}), "grafana": image()})
    made = Grafanas(site, SiteStandIn(site))
    with made.running:
        made.start()
        yield made
