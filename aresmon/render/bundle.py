"""The whole bundle: path → bytes."""

from __future__ import annotations

from collections.abc import Mapping

from aresmon.config import names
from aresmon.config.collectors import Catalogue
from aresmon.config.model import Config, Host
from aresmon.config.views import Views
from aresmon.render import compose, telegraf
from aresmon.render.compose import AgentContext, RenderContext

Files = dict[str, bytes]
_NOT_YET = "# `aresmon up` makes it: the certificate authority by which agents know the edge.\n"


def render(
    config: Config, catalogue: Catalogue, views: Views, place: RenderContext, *, shipped_files: Mapping[str, bytes]
) -> Files:
    """Every file of the bundle, by its path in it.

    `shipped_files` are the files that aresmon ships, by their path in the package.
    """
    from aresmon.render.grafana import alert_rules  # not for a push, which renders agents' files only
    from aresmon.render.grafana.dashboards import dashboards

    files: Files = {
        "compose.yml": shipped_files["compose/compose.yml"],
        "influxdb/influxdb.conf": shipped_files["compose/influxdb.conf"],
        "influxdb/start.sh": shipped_files["compose/influxdb-start.sh"],
        "influxdb/health.sh": shipped_files["compose/influxdb-health.sh"],
        "influxdb/memory.sh": shipped_files["compose/influxdb-memory.sh"],
        "edge/start.sh": shipped_files["compose/edge-start.sh"],
        "edge/haproxy.cfg": shipped_files["compose/haproxy.cfg"],
    }
    files |= {path: content for path, content in shipped_files.items() if path.startswith("grafana/provisioning/")}
    files |= dashboards(config, views)
    files |= alert_rules.render(config, views, formerly=place.provisioned)
    for name in (*compose.agent_files(config.sidecar), *compose.mail_files(config)):
        files[name] = shipped_files[f"compose/{name}"]
    frame = telegraf.TelegrafTemplates.of(shipped_files)
    for host in config.hosts:
        files |= agent_files(host, config, catalogue, place.agents, frame)
        if host == config.sidecar:
            account = place.agents.account(host)
            variables = telegraf.variables(host, config, account=account, in_clear=host.name in place.in_clear)
            files[compose.AGENT_ENVIRONMENT] = compose.agent_environment(variables).encode()
            files |= compose.container_secrets(host, place.secrets, shipped_files)
            files[f"agents/{host.name}/{names.AGENT_HEALTH}"] = shipped_files[compose.SHIPPED_HEALTH]
    files[".env"] = compose.environment(config, place, files).encode()
    return dict(sorted(files.items()))


def agent_files(
    host: Host, config: Config, catalogue: Catalogue, agents: AgentContext, frame: telegraf.TelegrafTemplates
) -> Files:
    """The files of one host's agent: `up` writes them with all others, a push those of its host."""
    folder = f"agents/{host.name}"
    live = agents.sidecar_config_id if host == config.sidecar else ""
    files: Files = {f"{folder}/telegraf.conf": agent(host, catalogue, agents, frame, live=live).encode()}
    if config.edge.channel.by_site:
        files[f"{folder}/{names.AUTHORITY}"] = (agents.trusted or _NOT_YET).encode()
    if host != config.sidecar:
        files[f"{folder}/agent.env"] = telegraf.environment(host, config, account=agents.account(host)).encode()
    return files


def agent(
    host: Host, catalogue: Catalogue, agents: AgentContext, frame: telegraf.TelegrafTemplates, *, live: str = ""
) -> str:
    """A host's configuration with its config ID: the one under which it was last pushed, or with which it runs
    (`live`), if it is still the same."""
    own, extra = agents.own_agents.get(host.name), agents.host_fragments.get(host.name, "")
    body = agents.proven.get(host.name) or telegraf.configuration(host, catalogue, frame, own=own, extra=extra)
    content = telegraf.fingerprint(body)
    known = (one for one in (agents.config_ids.get(host.name, ""), live) if one.startswith(f"{content}-"))
    return telegraf.with_config_id(body, next(known, f"{content}-up"), frame)
