"""The alerts of OpenLDAP."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, interrupted, points


def _slapd(**fields: Value) -> Points:
    return points("openldap", "server=127.0.0.1,port=389", **fields)


CASES: dict[str, Case] = {
    "openldap-connections-warning": case(
        _slapd(connections_current=85, connections_max_file_descriptors=100),
        _slapd(connections_current=75, connections_max_file_descriptors=100),
    ),
    "openldap-waiting-warning": case(
        _slapd(threads_pending=3), _slapd(threads_pending=0), _slapd(threads_pending=interrupted(3))
    ),
}
