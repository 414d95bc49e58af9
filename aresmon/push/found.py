"""A configuration that somebody wrote on a host that was never pushed to: what it does, and how it is adopted."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aresmon.config import telegraf_toml
from aresmon.config.masks import mask_secrets
from aresmon.config.model import Config, Host
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.system.errors import AresmonError

_PLUGIN = re.compile(r"^[ \t]*\[\[?[ \t]*(inputs|outputs)\.([A-Za-z0-9_]+)[ \t]*\]\]?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FoundConfiguration:
    """What was found. `inputs` and `outputs` are for a person, with their number and where they write to."""

    content: bytes = field(repr=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Its SHA-256."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def summary(self) -> str:
        return f"inputs: {', '.join(self.inputs) or 'none'}; outputs: {', '.join(self.outputs) or 'none'}"


def read(content: bytes) -> FoundConfiguration:
    """Describe a configuration, also one that cannot be parsed. No secret is among the descriptions."""
    text = content.decode(errors="replace")
    counts = Counter(_PLUGIN.findall(text))
    inputs = [
        name if number == 1 else f"{name} ({number})" for (kind, name), number in counts.items() if kind[0] == "i"
    ]
    targets = _targets(_tables(text))
    outputs = [
        f"{name} ({', '.join(targets[name])})" if targets.get(name) else name for kind, name in counts if kind[0] == "o"
    ]
    return FoundConfiguration(content, tuple(inputs), tuple(mask_secrets(one) for one in outputs))


def adopted(
    found: FoundConfiguration, host: Host, config: Config, templates: TelegrafTemplates, *, is_first: bool
) -> str:
    """The configuration as a host's own file; with `is_first`, with an output to this site besides those that it has.

    Raises AresmonError if it is not UTF-8.
    """
    try:
        text = telegraf.adopted(found.content.decode(), host.name, templates)
    except UnicodeDecodeError as error:
        raise AresmonError(
            f"its configuration cannot be adopted: byte {error.start} is not UTF-8",
            hint="save it as UTF-8 on the host, or replace it with --overwrite",
        ) from None
    if not is_first:
        return text
    written = {url for urls in _targets(_tables(text)).values() for url in urls}
    if not written or any(_is_site(url, config) for url in written):
        return text  # a configuration without an output is completed with one
    comment = "# To this site, added by aresmon. The other outputs are as they were found."
    return f"{text.rstrip()}\n\n{comment}\n{templates.output}"


def _is_site(url: str, config: Config) -> bool:
    return "ARESMON_URL" in url or url.rstrip("/") == config.edge.url.rstrip("/")


def _targets(tables: dict[str, Any]) -> dict[str, list[str]]:
    """Where the outputs write to, by the name of their plug-in."""
    outputs = tables.get("outputs", {})
    found = outputs.items() if isinstance(outputs, dict) else ()
    return {
        name: [url for one in _list(tables) if isinstance(one, dict) for url in _urls(one)] for name, tables in found
    }


def _urls(output: dict[str, Any]) -> Iterator[str]:
    for key in ("urls", "url", "brokers", "servers", "address", "files"):
        yield from (str(one) for one in _list(output.get(key, [])))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tables(text: str) -> dict[str, Any]:
    try:
        return telegraf_toml.parse(text)
    except TelegrafTomlError:
        return {}
