"""Of each alert rule: data on which it must fire, and data on which it must not.

A module has the alerts of a collector, or of several: `CASES` by the uid of the rule, as `nginx-dropped-warning`.
"""

from __future__ import annotations

import importlib
import pkgutil

from tests.engine.alert_cases.shapes import Case


def _cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules(__path__):
        cases: dict[str, Case] = getattr(importlib.import_module(f"{__name__}.{module.name}"), "CASES", {})
        assert found.keys().isdisjoint(cases), (module.name, found.keys() & cases.keys())
        found |= cases
    return found


CASES = _cases()
