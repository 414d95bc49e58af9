"""Paths of a host's files and sockets in options: the same ones for both kinds of agents.

An agent in a container has the host's files below `/hostfs`; compose/agent.yml mounts them there.
"""

from __future__ import annotations

import re

from aresmon.config.collector_options import OptionValue

_BEFORE = r"(^|[(=]|unix:(?!//)|\w://)"  # a path alone, or in `unix(…)`, `host=…`, `unix:…` and `file:///…`
_PATH = re.compile(rf"{_BEFORE}/(?!hostfs(?:/|$))")
_MOUNTED = re.compile(rf"{_BEFORE}/hostfs(?:/|$)")


def in_container(value: OptionValue | None) -> OptionValue | None:
    """The value of an option with files as an agent in a container needs it. A path below /hostfs stays."""
    if isinstance(value, str):
        return _PATH.sub(r"\1/hostfs/", value)
    return tuple(str(in_container(one)) for one in value) if isinstance(value, tuple) else value


def is_mounted(value: object) -> bool:
    """Whether a value has a path that only a container has."""
    several = value if isinstance(value, list) else [value]
    return any(isinstance(one, str) and _MOUNTED.search(one) is not None for one in several)
