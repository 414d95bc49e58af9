"""What a proxy in front of the edge needs: a piece of its configuration, ready to be pasted."""

from __future__ import annotations

from aresmon.door import folder_of
from aresmon.fleet import Fleet

_HAPROXY = """\
# Grafana of the site {site}, for an HAProxy on {where}. It speaks https and names whoever asks; the edge believes it
# because of `grafana: {{behind: [{peer}]}}` in aresmon.yml.
frontend {site}-grafana
  mode http
  bind :80
  bind :443 ssl crt /etc/haproxy/certs/{host}.pem alpn h2,http/1.1
  timeout client 60s
  http-request redirect scheme https code 308 unless {{ ssl_fc }}
  http-request return status 404 unless {{ hdr(host),field(1,:) -i {host} }}
  # What strangers say of themselves is not passed on.
  http-request del-header X-Forwarded-For
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend {site}-grafana

backend {site}-grafana
  mode http
  timeout connect 5s
  timeout server 60s
  option forwardfor
  option httpchk GET /api/health
  http-check expect status 200
  server edge {address} check{tls}
"""

_NGINX = """\
# Grafana of the site {site}, for an nginx on {where}. The edge believes it because of
# `grafana: {{behind: [{peer}]}}` in aresmon.yml.
server {{
  listen 443 ssl;
  server_name {host};
  ssl_certificate /etc/nginx/certs/{host}.crt;
  ssl_certificate_key /etc/nginx/certs/{host}.key;
  location {folder}/ {{
    proxy_pass {scheme}://{address};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
  }}
}}
"""

_CADDY = """\
# Grafana of the site {site}, for a Caddy on {where}, which gets the certificate by itself. The edge believes it
# because of `grafana: {{behind: [{peer}]}}` in aresmon.yml.
{host} {{
  reverse_proxy {scheme}://{address}{caddy_tls}
}}
"""

_SNIPPETS = {"haproxy": _HAPROXY, "nginx": _NGINX, "caddy": _CADDY}
PROXIES = tuple(_SNIPPETS)


def snippet(proxy: str, fleet: Fleet) -> str:
    """The configuration of this proxy, one of PROXIES, for the site's Grafana."""
    listen, door = fleet.edge.grafana, fleet.grafana.door
    is_here = listen.is_loopback
    return _SNIPPETS[proxy].format(
        site=fleet.site,
        host=_host(fleet),
        folder=folder_of(fleet.grafana.url),
        scheme=door.scheme,
        address=listen.here if is_here else f"{fleet.server}:{listen.port}",
        where="the server itself" if is_here else "another machine",
        peer="127.0.0.1" if is_here else "ITS ADDRESS",
        tls=" ssl verify none" if door.tls else "",
        caddy_tls=" {\n    transport http {\n      tls_insecure_skip_verify\n    }\n  }" if door.tls else "",
    )


def _host(fleet: Fleet) -> str:
    """The name that people type, without scheme, port and folder."""
    return fleet.grafana.url.partition("://")[2].partition("/")[0].partition(":")[0]
