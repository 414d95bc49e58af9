"""The shipped collectors as a host's `collect` names them, each with the example of every option that it requires."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aresmon.config import collectors

SHIPPED = collectors.load()
ENV = {"HAPROXY_STATS": "/run/haproxy.sock"}
"""What the shipped collectors ask of a host's `env`."""


def entry(name: str) -> str | dict[str, dict[str, Any]]:
    """A collector as `collect` names it: with examples of the options that it requires, if there are such."""
    options = {one.name: one.example for one in SHIPPED[name].options.values() if one.is_required}
    return {name: options} if options else name


def entries(names: Iterable[str]) -> list[str | dict[str, dict[str, Any]]]:
    """Several of them, in the order of their names."""
    return [entry(name) for name in sorted(names)]


def configuration(name: str, **options: Any) -> str:
    """The tables of a collector with these options, and with examples for the others that it requires."""
    collector = SHIPPED[name]
    required = {one.name: one.example for one in collector.options.values() if one.is_required}
    given = {one: collector.options[one].value(value) for one, value in {**required, **options}.items()}
    return collector.configuration(given)
