"""The alert of nginx."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, case, grows, points


def _nginx(accepted: float, handled: float) -> Points:
    return points("nginx", "server=127.0.0.1,port=80", accepts=grows(accepted), handled=grows(handled))


CASES: dict[str, Case] = {"nginx-dropped-warning": case(_nginx(120, 100), _nginx(100, 100), _nginx(0, 0))}
