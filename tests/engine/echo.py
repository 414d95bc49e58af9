"""What stands behind the edge in place of Grafana: it answers every request with what it saw of it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import urllib3
from docker.models.containers import Container

from aresmon.engine.images import pins
from tests.engine.door import Answer
from tests.engine.sites import Site, client, eventually

_HEADERS = (
    *("host", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "x-webauth-user", "x-grafana-id"),
    *("x-jwt-assertion", "x-http-method-override", "authorization", "cookie", "upgrade"),
)
# What has a header `X-Slow` is answered after a second; the log tells how many of its kind were there at once, and
# whose it was. A password of `wrong`, and a form with that word, is answered with 401 as Grafana would.
_CONFIGURATION = """\
global
  log stderr format raw local0
  lua-load /tmp/sleep.lua
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend echo
  bind :3000
  option http-buffer-request
  http-after-response set-header X-Echo yes
  http-after-response set-header Server grafana
  http-request return status 401 content-type application/json string '{"message": "Invalid username or password"}' \
if { req.hdr(authorization),word(2,' '),b64dec -m end :wrong }
  http-request return status 401 content-type application/json string '{"message": "Invalid username or password"}' \
if { req.body -m sub wrong }
  use_backend slow if { req.hdr(x-slow) -m found }
  http-request return status 200 content-type application/json lf-string '%s' unless { req.hdr(x-slow) -m found }
backend slow
  server late 127.0.0.1:3001
frontend late
  bind 127.0.0.1:3001
  option httpclose
  log global
  http-request capture req.hdr(x-forwarded-for) len 40
  http-request lua.sleep
  http-request set-var(txn.now) fe_conn
  log-format "slow %%[var(txn.now)] %%[capture.req.hdr(0)]"
  http-request return status 200
"""
_SLEEP = 'core.register_action("sleep", {"http-req"}, function() core.msleep(1000) end)\n'


@contextmanager
def behind(site: Site, *, scheme: str = "http") -> Iterator[Container]:
    """Put it where the site's edge looks for Grafana, until the end."""
    body = {"method": "%[method]", "path": "%[path,url_enc]"}
    seen = {name: f"%[req.hdr({name}),url_enc]" for name in _HEADERS}
    told = json.dumps(body | seen)
    engine = client()
    container = engine.containers.create(
        pins()["edge"].build, entrypoint=["haproxy"], command=["-db", "-f", "/tmp/echo.cfg"], name=f"{site.name}-echo"
    )
    try:
        container.put_archive("/tmp", archive("sleep.lua", _SLEEP.encode()))
        container.put_archive("/tmp", archive("echo.cfg", (_CONFIGURATION % told).encode()))
        engine.networks.get(f"{site.name}_inside").connect(container, aliases=["grafana"])
        container.start()
        assert eventually(lambda: _is_there(site, scheme)), container.logs().decode()
        yield container
    finally:
        container.remove(force=True)


def slow_requests(container: Container) -> list[tuple[int, str]]:
    """How many slow requests there were at once when one was answered, and its address; in the order of answers."""
    lines = [line.split() for line in container.logs().decode().splitlines()]
    return [(int(line[1]), line[2]) for line in lines if line[:1] == ["slow"] and len(line) == 3]


def saw(answer: Answer) -> dict[str, Any]:
    """What the echo saw of a request that reached it."""
    seen: dict[str, Any] = json.loads(answer.body)
    return seen


def _is_there(site: Site, scheme: str) -> bool:
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    with requests.Session() as session:
        session.trust_env = session.verify = False
        return session.get(f"{scheme}://{site.grafana}/api/health", timeout=5).status_code == 200


def archive(name: str, content: bytes) -> bytes:
    """A tar archive with this one file, for `put_archive`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o644
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
