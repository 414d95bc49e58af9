"""Values as people read them: `91 %`, `12.4 GiB`, `3.1 Mb/s`. Units have Grafana's names, as in the catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
_DECIMAL = ("", "k", "M", "G", "T", "P")
RATES = ("ops", "reqps", "rps", "wps", "iops", "mps", "cps", "eps")
"""Units of what is counted a second, whatever it is."""
# Unit → what it is divided by, the prefixes, what stands after them.
_SCALED: Mapping[str, tuple[int, Sequence[str], str]] = {
    "bytes": (1024, _BINARY, "B"),
    "decbytes": (1000, _DECIMAL, "B"),
    "binBps": (1024, _BINARY, "B/s"),
    "Bps": (1000, _DECIMAL, "B/s"),
    "bps": (1000, _DECIMAL, "b/s"),
    "pps": (1000, _DECIMAL, "p/s"),
    **dict.fromkeys(RATES, (1000, _DECIMAL, "/s")),
    "short": (1000, _DECIMAL, ""),
}
_TIMES: Mapping[str, float] = {
    "ns": 1e-9,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "dtdurations": 1,
    "dtdurationms": 1e-3,
}
"""Unit of a time → how many seconds it is."""
_PLAIN: Mapping[str, str] = {
    "percent": " %",
    "none": "",
    "cpm": " per minute",
    "celsius": " °C",
    "hertz": " Hz",
    "volt": " V",
    "watt": " W",
}
_WHOLE = ((86400, "days"), (3600, "hours"), (60, "min"), (1, "s"))
_SHORTEST = ((1, "s"), (60, "min"), (3600, "h"), (86400, "d"))


def format_value(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A value with its unit; `-` for none. `decimals` are those that the catalogue asks for, else about three digits
    are shown. A unit that is not known here is put after the value."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if unit in _TIMES:
        return format_seconds(value * _TIMES[unit])
    if unit == "percentunit":
        return f"{_digits(value * 100, decimals)} %"
    if unit in _SCALED:
        return _scaled(value, *_SCALED[unit], decimals)
    suffix = _PLAIN.get(unit, f" {unit}")
    return f"{_digits(value, decimals)}{suffix}"


def format_limit(value: float, unit: str) -> str:
    """A threshold with its unit, exact: `90 %`, `14 days`, `10 per second`, `1,000`."""
    if unit in _TIMES:
        return _format_time(value * _TIMES[unit])
    if unit in RATES:
        return f"{value:,.10g} per second"
    if unit in _SCALED and unit != "short":
        return format_value(value, unit)
    return f"{value * 100:,.10g} %" if unit == "percentunit" else f"{value:,.10g}{_PLAIN.get(unit, '')}"


def _format_time(seconds: float) -> str:
    """In the largest unit of which these are several whole ones."""
    found = next((one for one in _WHOLE if seconds >= 2 * one[0] and not seconds % one[0]), None)
    if found is not None:
        return f"{seconds / found[0]:.0f} {found[1]}"
    return f"{seconds:.10g} s" if seconds >= 1 else f"{seconds * 1000:.10g} ms"


def format_seconds(seconds: float) -> str:
    """`340 ms`, `12 s`, `5 min`, `3.2 h`, `41 d`"""
    size = abs(seconds)
    if size < 1:
        return f"{seconds * 1000:.0f} ms" if size else "0 s"
    factor, name = next(pair for pair in reversed(_SHORTEST) if size >= pair[0] * (1 if pair[0] == 1 else 1.5))
    number = seconds / factor
    return f"{number:.0f} {name}" if abs(number) >= 10 or name in ("s", "min") else f"{number:.1f} {name}"


def _scaled(value: float, base: int, prefixes: Sequence[str], suffix: str, decimals: int | None) -> str:
    step = 0
    number = value
    while abs(number) >= base * 0.9995 and step < len(prefixes) - 1:
        number, step = number / base, step + 1
    # Decimals are asked for of what has no prefix, such as a count.
    text = _digits(number, decimals if not step else None)
    return f"{text} {prefixes[step]}{suffix}".rstrip()


def _digits(number: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = (
            0
            if abs(number) >= 99.95 or math.isclose(number, round(number), rel_tol=5e-4)
            else 1
            if abs(number) >= 9.995
            else 2
        )
    text = f"{number:.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text
