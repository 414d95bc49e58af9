"""Of each alert rule: data on which it must fire, and data on which it must not.

A module has the alerts of a collector, or of several: `CASES` by the uid of the rule, as `nginx-dropped-warning`. Where
a collector has options that must be given, `COLLECT` has its entry as `collect:` of aresmon.yml takes it, and `ENV` the
variables that a host must give.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from aresmon.config import collectors
from tests.engine.alert_cases.shapes import Case


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{found.name}")


def _collect() -> list[Any]:
    """Every shipped collector, each with the options that it cannot do without."""
    told = [entry for module in _modules() for entry in getattr(module, "COLLECT", ())]
    named = {entry if isinstance(entry, str) else next(iter(entry)) for entry in told}
    return [*(name for name in collectors.load() if name not in named | {collectors.ALWAYS}), *told]


def _cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for module in _modules():
        cases: dict[str, Case] = getattr(module, "CASES", {})
        assert found.keys().isdisjoint(cases), (module.__name__, found.keys() & cases.keys())
        found |= cases
    return found


COLLECT = _collect()
ENV: dict[str, str] = {name: value for module in _modules() for name, value in getattr(module, "ENV", {}).items()}
CASES = _cases()
