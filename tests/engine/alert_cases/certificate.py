"""The alerts of certificates."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, points

_DAY = 86400


def _certificate(**fields: Value) -> Points:
    return points("x509_cert", "source=https://wiki.example.org:443", **fields)


CASES: dict[str, Case] = {
    "certificate-ends-warning": case(_certificate(expiry=13 * _DAY), _certificate(expiry=15 * _DAY)),
    "certificate-ends-critical": case(
        _certificate(expiry=-_DAY),
        _certificate(expiry=6 * _DAY),
        _certificate(expiry=lambda age: _DAY if age > 90 else 89 * _DAY),  # renewed
    ),
    "certificate-invalid-warning": case(
        _certificate(verification_code=1),
        _certificate(verification_code=0),
        _certificate(verification_code=lambda age: 1 if age < 600 else 0),
    ),
}
