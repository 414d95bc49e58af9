"""The whole bundle: path → bytes."""

from __future__ import annotations

from collections.abc import Mapping

from aresmon.config import names
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.config.views import Views
from aresmon.render import compose, telegraf
from aresmon.render.compose import RenderContext
from aresmon.render.grafana import alert_rules
from aresmon.render.grafana.dashboards import dashboards

Files = dict[str, bytes]
_NOT_YET = "# `aresmon up` makes it: the certificate authority by which agents know the edge.\n"


def render(
    config: Config, catalogue: Catalogue, views: Views, place: RenderContext, *, shipped_files: Mapping[str, bytes]
) -> Files:
    """Every file of the bundle, by its path in it.

    `shipped_files` are the files that aresmon ships, by their path in the package.
    """
    files: Files = {
        "compose.yml": shipped_files["compose/compose.yml"],
        "influxdb/influxdb.conf": shipped_files["compose/influxdb.conf"],
        "influxdb/start.sh": shipped_files["compose/influxdb-start.sh"],
        "influxdb/health.sh": shipped_files["compose/influxdb-health.sh"],
        "edge/haproxy.cfg": shipped_files["compose/haproxy.cfg"],
    }
    files |= {path: content for path, content in shipped_files.items() if path.startswith("grafana/provisioning/")}
    files |= dashboards(config, views)
    files |= alert_rules.render(config, views, formerly=place.provisioned)
    for name in (*compose.agent_files(config.sidecar), *compose.mail_files(config)):
        files[name] = shipped_files[f"compose/{name}"]
    frame = telegraf.TelegrafTemplates.of(shipped_files)
    for host in config.hosts:
        folder, account = f"agents/{host.name}", place.accounts.get(f"agent-{host.name}", "")
        files[f"{folder}/telegraf.conf"] = agent(host, catalogue, place, frame).encode()
        if config.edge.channel.by_site:
            files[f"{folder}/{names.AUTHORITY}"] = (place.trusted or _NOT_YET).encode()
        if host == config.sidecar:
            variables = telegraf.variables(host, config, account=account, in_clear=host.name in place.in_clear)
            files[compose.AGENT_ENVIRONMENT] = compose.agent_environment(variables).encode()
        else:
            files[f"{folder}/agent.env"] = telegraf.environment(host, config, account=account).encode()
    files[".env"] = compose.environment(config, place, files).encode()
    return dict(sorted(files.items()))


def agent(host: Host, catalogue: Catalogue, place: RenderContext, frame: telegraf.TelegrafTemplates) -> str:
    """A host's configuration with its mark: the one under which it was last pushed, if it is still the same."""
    own, extra = place.own_agents.get(host.name), place.host_fragments.get(host.name, "")
    body = place.proven.get(host.name) or telegraf.configuration(host, catalogue, frame, own=own, extra=extra)
    content = telegraf.fingerprint(body)
    pushed = place.marks.get(host.name, "")
    return telegraf.marked(body, pushed if pushed.startswith(f"{content}-") else f"{content}-up", frame)
