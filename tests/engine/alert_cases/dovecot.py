"""The alerts of Dovecot."""

from __future__ import annotations

from tests.engine.alert_cases.shapes import Case, Points, Value, case, grows, points


def _dovecot(**fields: Value) -> Points:
    return points("dovecot", "", **fields)


CASES: dict[str, Case] = {
    "dovecot-logins-warning": case(
        _dovecot(dovecot_auth_failures=grows(10), dovecot_auth_success=grows(5)),
        _dovecot(dovecot_auth_failures=grows(10), dovecot_auth_success=grows(50)),
        _dovecot(dovecot_auth_failures=grows(0.5), dovecot_auth_success=grows(0)),  # a typing error or two
    ),
    "dovecot-slow-warning": case(
        _dovecot(dovecot_imap_command=grows(100), dovecot_imap_command_duration_seconds=grows(200)),
        _dovecot(dovecot_imap_command=grows(100), dovecot_imap_command_duration_seconds=grows(50)),
        _dovecot(dovecot_imap_command=grows(0.5), dovecot_imap_command_duration_seconds=grows(10)),
    ),
}
