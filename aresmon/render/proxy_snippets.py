"""What a proxy in front of the edge needs: a piece of its configuration, ready to be pasted."""

from __future__ import annotations

from collections.abc import Iterator

from aresmon.config.access import is_address, url_host, url_path
from aresmon.config.model import Config

_HAPROXY = """\
# Grafana of the site {site}, for an HAProxy on {where}.
# It speaks https and names whoever asks.
# {belief}
frontend {site}-grafana
  mode http
  bind :80
  bind :443 ssl crt /etc/haproxy/certs/{host}.pem alpn h2,http/1.1
  timeout client 60s
  http-request redirect scheme https code 308 unless {{ ssl_fc }}
  http-request return status 404 unless {{ hdr(host),field(1,:) -i {host} }}
  # Headers that clients set are not passed on.
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
# Grafana of the site {site}, for an nginx on {where}.
# {belief}
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
# Grafana of the site {site}, for a Caddy on {where}.
# It gets the certificate by itself.
# {belief}
{host} {{
  reverse_proxy {scheme}://{address}{caddy_tls}
}}
"""

_SNIPPETS = {"haproxy": _HAPROXY, "nginx": _NGINX, "caddy": _CADDY}
PROXIES = tuple(_SNIPPETS)


def snippet(proxy: str, config: Config) -> str:
    """The configuration of this proxy, one of PROXIES, for the site's Grafana."""
    listen, access, is_here = config.edge.grafana, config.grafana.access, _is_here(config)
    return _SNIPPETS[proxy].format(
        site=config.site,
        host=url_host(config.grafana.url),
        folder=url_path(config.grafana.url),
        scheme=access.scheme,
        address=listen.here if is_here else f"{config.server}:{listen.port}",
        where="the server itself" if is_here else "another machine",
        belief=_belief(config),
        tls=" ssl verify none" if access.tls else "",
        caddy_tls=" {\n    transport http {\n      tls_insecure_skip_verify\n    }\n  }" if access.tls else "",
    )


def find_warnings(config: Config) -> Iterator[tuple[str, str]]:
    """Why a snippet would not work yet as it stands, each with the next step."""
    access, url = config.grafana.access, config.grafana.url
    if not _is_believed(config):
        what = "the edge does not believe this proxy yet: all who come through it are one address to it"
        yield what, f"add this to aresmon.yml, then `aresmon up`: {_setting(config)}"
    if is_address(url_host(url)):
        what = f"the name in this snippet is {url_host(url)}, from {url}, under which people will not come"
        yield what, "set grafana.url in aresmon.yml, as https://grafana.example.org, then the same command again"
    elif not url.startswith("https://"):
        yield f"people come to this proxy by https, and grafana.url says {url}", f"say https://{url_host(url)} there"
    if access.tls:
        what = "the edge speaks https itself, because of grafana.tls: people can come without this proxy"
        yield what, "take grafana.tls out of aresmon.yml, or leave the proxy out; both together work too"


def _is_here(config: Config) -> bool:
    """Whether the proxy is on the server: where it alone can reach the edge, or aresmon.yml names no other."""
    listen, access = config.edge.grafana, config.grafana.access
    return listen.is_loopback or (access.is_behind_this_machine and len(access.behind) == 1)


def _is_believed(config: Config) -> bool:
    access = config.grafana.access
    return access.is_behind_this_machine if _is_here(config) else bool(access.behind)


def _setting(config: Config) -> str:
    return f"`grafana: {{behind: [{'127.0.0.1' if _is_here(config) else 'ITS ADDRESS'}]}}`"


def _belief(config: Config) -> str:
    if _is_believed(config):
        return "The edge believes it because of `grafana.behind` in aresmon.yml."
    return f"The edge believes it as soon as aresmon.yml says {_setting(config)}."
