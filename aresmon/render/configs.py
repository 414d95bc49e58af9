"""A first repository of agent configurations: what the collectors render, to be owned and edited by people."""

from __future__ import annotations

from collections.abc import Mapping

from aresmon.catalogue import ALWAYS, Catalogue
from aresmon.fleet import Fleet

_TO = {"telegraf/configs/gitlab-ci.yml": ".gitlab-ci.yml", "telegraf/configs/README.md": "README.md"}


def repository(fleet: Fleet, catalogue: Catalogue, shipped_files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of such a repository, by their path in it."""
    files = {path: shipped_files[name] for name, path in _TO.items()}
    for host in fleet.hosts:
        parts = [f"# What the agent of {host.name} reads. aresmon adds its name, its output and its mark.\n"]
        parts.extend(catalogue[name].text for name in host.collect if name != ALWAYS)
        files[f"{host.name}.conf"] = "\n".join(part.rstrip("\n") + "\n" for part in parts).encode()
    return files
