"""A host's Telegraf configuration, and the variables it reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.config import telegraf_text, telegraf_toml
from aresmon.config.access import url_host
from aresmon.config.collectors import ALWAYS, Catalogue
from aresmon.config.model import Config, Host
from aresmon.config.names import AUTHORITY, DATABASE, SECRET, STORE
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.system.errors import AresmonError

"""The file by which agents know the edge."""
"""The measurement of the marker, and `gen` its field."""

_HEALTH = "/tmp/alive"  # noqa: S108 (inside the container; as in compose/agent.yml)
_ABOVE = 2  # lines above a host's own file
_WITH_NAME = r'\g<0>\n  hostname = "${ARESMON_HOST}"'
_HOSTNAME = re.compile(r"""^([ \t]*hostname[ \t]*=[ \t]*)(?:\"{6}|'{6}|""|'')""", re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*\[[ \t]*agent[ \t]*\][ \t]*(?:#.*)?\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TelegrafTemplates:
    """What aresmon itself puts into every configuration: shipped Telegraf fragments, by what they are for."""

    agent: str
    output: str
    in_container: str
    health: str
    marker: str

    @classmethod
    def of(cls, shipped_files: Mapping[str, bytes]) -> TelegrafTemplates:
        """The frame among the shipped files, which are named by their path in the package."""
        return cls(
            *(
                shipped_files[f"telegraf/{name}.conf"].decode()
                for name in ("agent", "output", "docker", "health", "marker")
            )
        )


def configuration(
    host: Host, catalogue: Catalogue, frame: TelegrafTemplates, *, own: str | None = None, extra: str = ""
) -> str:
    """The `telegraf.conf` of a host, without its config ID.

    `own` is the host's file of the `configs` repository, which wins over the collectors and is completed with what
    is aresmon's: the host's name, the output, the agent's account of itself. `extra` is the site's own fragment.

    Raises AresmonError if `own` cannot be completed.
    """
    parts = [_heading(host.name)]
    if own is not None:
        own = telegraf_text.without_bom(without_config_id(own, frame))  # it may be a copy of the live one
        parts.extend(_completed(host, own, catalogue, frame))
    else:
        parts.extend(
            [frame.agent, frame.output, *([frame.in_container, frame.health] if host.agent == "docker" else [])]
        )
        parts.extend(_collected(host, catalogue))
    if extra:
        parts.append(f"{_source(host)}\n{telegraf_text.without_bom(extra)}")
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _collected(host: Host, catalogue: Catalogue, *, without: str = "") -> Iterator[str]:
    """The tables of each of its collectors."""
    for use in host.uses:
        if use.name != without:
            yield catalogue[use.name].configuration(dict(use.options), in_container=host.agent == "docker")


def place(host: Host, body: str, own: str | None, line: int) -> str:
    """Which line of which file a line of the completed configuration is, as `lewi.conf:12`.

    Only the file's name where the line is none of the host's own files; 0 is no line.
    """
    name, lines = f"{host.name}.conf", body.split("\n")
    fragment = lines.index(_source(host)) + 1 if _source(host) in lines else len(lines)
    if line > fragment:
        return f"overrides/hosts/{name}:{line - fragment}"
    mine, at = telegraf_text.without_bom(own or "").rstrip("\n").split("\n"), line - 1 - _ABOVE
    same = next(
        (n for n, (one, other) in enumerate(zip(lines[_ABOVE:], mine, strict=False)) if one != other), len(mine)
    )
    is_added = lines[_ABOVE + same + 1 : _ABOVE + same + 2] == mine[same : same + 1]  # the host's name
    at -= int(is_added and at > same)
    return f"{name}:{at + 1}" if own and 0 <= at < len(mine) else name


def fingerprint(body: str) -> str:
    """What tells one configuration from another: twelve hexadecimal digits."""
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def with_config_id(body: str, config_id: str, frame: TelegrafTemplates) -> str:
    """The configuration with the config ID by which it is recognised in the database."""
    return f"{body}\n{frame.marker.replace('@MARK@', config_id)}"


def without_config_id(text: str, frame: TelegrafTemplates) -> str:
    """A configuration without the config ID that `with_config_id` gave it."""
    before, _, after = frame.marker.partition("@MARK@")
    return re.sub(rf"\n?{re.escape(before)}[^\"\n]*{re.escape(after)}", "", text)


def adopted(text: str, host: str, frame: TelegrafTemplates) -> str:
    """A live configuration as a host's own file: without what `configuration` and `with_config_id` put around it.

    The rest of the heading's line is that of another release where that one rendered it.
    """
    beginning, _, _ = _heading(host).partition(" Do not edit")
    return re.sub(rf"\A{re.escape(beginning)}[^\n]*\n", "", without_config_id(text, frame)).lstrip("\n")


def _source(host: Host) -> str:
    return f"# From overrides/hosts/{host.name}.conf"


def _heading(host: str) -> str:
    return f"# {host}'s agent, generated by aresmon. Do not edit: the next push overwrites it.\n"


def config_id_in(text: str, frame: TelegrafTemplates) -> str:
    """The config ID of a configuration; empty where it has none."""
    before, _, after = frame.marker.partition("@MARK@")
    found = re.search(rf"{re.escape(before)}([^\"\n]*){re.escape(after.rstrip())}", text)
    return found[1] if found else ""


def _completed(host: Host, own: str, catalogue: Catalogue, frame: TelegrafTemplates) -> Iterator[str]:
    """The host's own file first: what it says outside any table must not fall into one of ours."""
    try:
        tables = telegraf_toml.parse(own)
    except TelegrafTomlError as error:
        raise AresmonError(f"{host.name}.conf: not TOML: {error}") from None
    if not tables:
        raise AresmonError(f"{host.name}.conf: is empty", hint="remove it, and the host's collectors count")
    outputs, inputs = _kind(host, tables, "outputs"), _kind(host, tables, "inputs")
    yield _named(host, own, tables) if "agent" in tables else own
    if "agent" not in tables:
        yield frame.agent
    if "influxdb" not in outputs:
        yield frame.output
    if host.agent == "docker":  # its own secret stores and files stand beside ours
        stores = _kind(host, tables, "secretstores").values()
        if not any(one.get("id") == STORE for several in stores for one in several):
            yield frame.in_container
        if not any(_HEALTH in one.get("files", ()) for one in outputs.get("file", ())):
            yield frame.health
    if ALWAYS not in inputs:
        yield catalogue[ALWAYS].configuration()


def _kind(host: Host, tables: Mapping[str, object], kind: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The plug-ins of a kind, by name."""
    found = tables.get(kind, {})
    if not isinstance(found, dict):
        raise AresmonError(f"{host.name}.conf: {kind} is a table, as [[{kind}.name]]")
    return {
        name: [one for one in several if isinstance(one, dict)]
        for name, several in found.items()
        if isinstance(several, list)
    }


def _named(host: Host, own: str, tables: Mapping[str, object]) -> str:
    """The file with the host's name in its `[agent]`."""
    agent = tables["agent"]
    if not isinstance(agent, dict):
        raise AresmonError(f"{host.name}.conf: agent is a table, as [agent]")
    if agent.get("hostname"):
        return own
    named = agent | {"hostname": "${ARESMON_HOST}"}
    pattern, with_name = (_HOSTNAME, r'\1"${ARESMON_HOST}"') if "hostname" in agent else (_HEADING, _WITH_NAME)
    for found in pattern.finditer(own):  # not every match is a setting: some may be in a string
        text = f"{own[: found.start()]}{found.expand(with_name)}{own[found.end() :]}"
        if _is(text, {**tables, "agent": named}):
            return text
    raise AresmonError(
        f"{host.name}.conf: [agent] has no hostname, and aresmon finds no place for it",
        hint='put `hostname = "${ARESMON_HOST}"` below a line that says [agent] and nothing else',
    )


def _is(text: str, tables: Mapping[str, object]) -> bool:
    try:
        return telegraf_toml.parse(text) == tables
    except TelegrafTomlError:
        return False


def ca_path(host: Host) -> str:
    """Where a host's agent finds the site's certificate authority."""
    return f"{'/etc/aresmon' if host.agent == 'docker' else '/etc/telegraf'}/{AUTHORITY}"


def variables(host: Host, config: Config, *, account: str = "", in_clear: bool = False) -> dict[str, str]:
    """The variables that a host's agent reads; `account` is its database user, where that is the second of its two;
    `in_clear` is for the server's own agent, while it has still to follow to TLS.

    No secret is among them: in a container the password is a reference to a Docker secret, and for a
    systemd service it is added when its file is brought there.
    """
    edge, is_sidecar = config.edge, host == config.sidecar
    here = f"{'http' if in_clear else edge.channel.scheme}://{edge.agents.here}"
    named = {
        "ARESMON_HOST": host.name,
        "ARESMON_URL": here if is_sidecar else edge.url,
        "ARESMON_CA": ca_path(host) if edge.channel.by_site else "",
        # The server's own goes by an address, which no certificate of somebody else's is for.
        "ARESMON_EDGE": url_host(edge.url) if is_sidecar and edge.channel.pair else "",
        "ARESMON_DATABASE": DATABASE,
        "ARESMON_USER": account or agent_user(host),
        **dict(host.env),
    }
    return named | ({"ARESMON_PASSWORD": f"@{{{STORE}:{SECRET}}}"} if host.agent == "docker" else {})


def placeholders(host: Host) -> dict[str, str]:
    """The variables that are secrets, with a word in their place: for whoever checks a configuration."""
    return {"ARESMON_PASSWORD": "none", **{one.variable: "none" for one in host.secrets}}


def environment(host: Host, config: Config, *, account: str = "") -> str:
    """The same as a file, without the password of a systemd service and without the secrets of its collectors."""
    text = environment_file(variables(host, config, account=account))
    if host.agent == "systemd":
        text += f"# ARESMON_PASSWORD is the content of .aresmon/secrets/agent-{host.name} on {config.server}.\n"
    return text


def environment_file(variables: Mapping[str, str], password: str = "", secrets: Mapping[str, str] | None = None) -> str:
    """Variables as a file, one `NAME=value` a line, as systemd and a shell read it; `secrets` are variables too."""
    named = {**variables, **({"ARESMON_PASSWORD": password} if password else {}), **(secrets or {})}
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(named.items()))


def _quoted(value: str) -> str:
    """As both systemd and a shell read it; neither the schema nor a secret lets a quote in."""
    return value if re.fullmatch(r"[A-Za-z0-9_.:/@{}-]*", value) else f"'{value}'"


def agent_user(host: Host) -> str:
    """The database user of a host's agent: the first of its two."""
    return f"agent-{host.name}"


_TO = {"telegraf/configs/gitlab-ci.yml": ".gitlab-ci.yml", "telegraf/configs/README.md": "README.md"}


def repository(config: Config, catalogue: Catalogue, shipped_files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of such a repository, by their path in it."""
    files = {path: shipped_files[name] for name, path in _TO.items()}
    for host in config.hosts:
        parts = [f"# What the agent of {host.name} reads. aresmon adds its name, its output and its config ID.\n"]
        parts.extend(_collected(host, catalogue, without=ALWAYS))
        files[f"{host.name}.conf"] = "\n".join(part.rstrip("\n") + "\n" for part in parts).encode()
    return files
