"""What a secret of `alerts` must look like, held against the values that people give."""

from __future__ import annotations

import pytest

from aresmon.config.secret_forms import Form, find_fault

ADDRESS = "https://hooks.example.org/services/T0/B0/very-secret"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (ADDRESS, "address"),
        ("http://127.0.0.1:8080/hook?token=a&b=%20#x", "address"),
        ("http://[::1]:9/", "address"),
        ("https://user:word@ntfy.example.org/ops", "address"),
        ("HTTPS://hooks.example.org", "address"),
        ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "bot"),
        ("pa'ss\"word\\{}", "plain"),
    ],
)
def test_what_fits_has_no_fault(value: str, form: Form) -> None:
    assert find_fault(value, form) == ""


@pytest.mark.parametrize(
    ("value", "form", "found"),
    [
        (f'"{ADDRESS}"', "address", "has quotes around it"),
        (f"'{ADDRESS}'", "address", "has quotes around it"),
        ("'password-secret'", "plain", "has quotes around it"),
        (f'{ADDRESS}"', "address", "has a quote"),
        (f"<{ADDRESS}>", "address", "does not begin with https://"),
        ("hooks.example.org/secret", "address", "does not begin with https://"),
        ("ftp://hooks.example.org/secret", "address", "does not begin with https://"),
        ("https:/hooks.example.org/secret", "address", "does not begin with https://"),
        ("https:///secret", "address", "a host must stand"),
        ("https://hooks.example.org:secret/x", "address", "cannot be read"),
        ("https://hooks.example.org:99999/secret", "address", "cannot be read"),
        ("https://[::1/secret", "address", "cannot be read"),
        ("https://hooks.example.org/secret%zz", "address", "hexadecimal"),
        ("110201543-secret", "bot", "no token of Telegram's"),
        (ADDRESS, "bot", "no token of Telegram's"),
        ("se$cret", "plain", "dollar"),
        ("a secret", "plain", "space"),
        ("secret\nsecret", "plain", "line's end"),
        ("sécret", "plain", "beyond ASCII"),
        ("secret" * 400, "plain", "longer than"),
        ("", "plain", "is empty"),
    ],
)
def test_a_fault_is_told_in_words_that_show_nothing_of_it(value: str, form: Form, found: str) -> None:
    told = find_fault(value, form)

    assert found in told
    assert "cret" not in told
    assert "hooks" not in told


def test_a_secret_with_two_uses_must_fit_both() -> None:
    assert "no token" in find_fault(ADDRESS, "address", "bot")
    assert "does not begin" in find_fault("1:a", "bot", "address")
