from __future__ import annotations

import re


def with_variable(environment: str, name: str, value: str) -> str:
    """Such a `.env` with another value for one of its variables."""
    return re.sub(rf"^{name}='.*'$", lambda _: f"{name}='{value}'", environment, flags=re.MULTILINE)


def variables(environment: str) -> dict[str, str]:
    """What such a `.env` says, by name."""
    pairs = (line.partition("=") for line in environment.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value.strip("'") for name, _, value in pairs}
