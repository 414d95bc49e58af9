"""What all tests share."""

from __future__ import annotations

pytest_plugins = (
    "tests.harness.blocked",
    "tests.harness.limits",
    "tests.harness.turns",
    "tests.harness.order",
    "tests.harness.workers",
    "tests.harness.leftovers",
)
