"""A folder of agent configurations, held against the site and against Telegraf itself before it is merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from aresmon import agentcheck, intent, lint, orders
from aresmon.catalogue import Catalogue
from aresmon.engine import Engine
from aresmon.errors import AresmonError, SiteError
from aresmon.fleet import Fleet, Host
from aresmon.render import telegraf
from aresmon.render.telegraf import Frame
from aresmon.schema import did_you_mean
from aresmon.yamlfile import read_text


def configurations(
    folder: Path, fleet: Fleet, catalogue: Catalogue, *, engine: Engine, image: str
) -> tuple[list[str], list[str]]:
    """The hosts whose configurations in this folder are sound, and what is not wise in them.

    With an image, Telegraf's own check looks at each too. Raises SiteError with everything that is wrong.
    """
    texts = _texts(folder)
    errors, warnings = list(_strangers(texts, fleet)), list[str]()
    frame = Frame.of(intent.shipped_files())
    hosts = [host for host in fleet.hosts if host.name in texts]
    for host in hosts:
        try:
            body = telegraf.configuration(host, catalogue, frame, own=texts[host.name])
            orders.check(host, body, fleet)
            warnings += [f"{host.name}.conf: {one}" for one in lint.warnings(body)]
            _ask_telegraf(host, body, fleet, engine, image)
        except AresmonError as error:
            errors.append(error.message)
    if errors:
        raise SiteError(errors, hint="nothing was pushed")
    return [host.name for host in hosts], warnings


def _texts(folder: Path) -> Mapping[str, str]:
    texts = {path.stem: read_text(path) for path in sorted(folder.glob("*.conf"))}
    if not texts:
        raise AresmonError(f"{folder} has no .conf", hint="name the folder of `configs`, with one <host>.conf each")
    return texts


def _strangers(texts: Mapping[str, str], fleet: Fleet) -> Iterator[str]:
    known = [host.name for host in fleet.hosts]
    for name in texts:
        if name not in known:
            yield f"{name}.conf: there is no host {name}{did_you_mean(name, known)}"


def _ask_telegraf(host: Host, body: str, fleet: Fleet, engine: Engine, image: str) -> None:
    if not image:
        return
    variables = {"ARESMON_PASSWORD": "none"} | telegraf.variables(host, fleet)
    agentcheck.check(engine, image, host.name, body.encode(), variables, project=fleet.site)
