"""How what agents send is kept from others on its way to the edge, as aresmon.yml says (`edge.tls`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.config.access import KeyPair
from aresmon.system.yaml_document import Document, Keys, YamlProblem

TLS: Keys = ("edge", "tls")
OFF = (None, False, "off")
"""`off` without quotes is false in YAML."""


@dataclass(frozen=True, slots=True)
class AgentTls:
    """`by_site`: the site's own authority vouches for the edge. With a `pair`, somebody does whom the hosts know."""

    by_site: bool = False
    pair: KeyPair | None = None

    @property
    def is_tls(self) -> bool:
        return self.by_site or self.pair is not None

    @property
    def scheme(self) -> str:
        """What the edge speaks on `edge.agents`."""
        return "https" if self.is_tls else "http"


def read_agent_tls(document: Document, settings: Mapping[str, Any], file: str) -> AgentTls:
    """The channel among the settings of `edge`, which have been checked."""
    said = settings.get("tls")
    if not isinstance(said, dict):
        return AgentTls(by_site=said == "site")
    at = tuple(
        (name, document.problem((*TLS, name), "").describe(file).rstrip(": ")) for name in ("certificate", "key")
    )
    return AgentTls(pair=KeyPair(said["certificate"], said["key"], at, service="edge"))


def find_problems(document: Document, settings: Mapping[str, Any]) -> Iterator[YamlProblem]:
    """What is wrong between these settings."""
    said = settings.get("tls")
    if said is True:
        yield document.problem(TLS, "must be `site`, `off`, or {certificate: FILE, key: FILE}, not true")
    if said not in OFF and settings.get("url", "").startswith("http://"):
        message = f"with edge.tls agents come by https: say https:// instead of '{settings['url']}'"
        yield document.problem(("edge", "url"), message)
