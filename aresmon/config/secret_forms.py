"""The forms that secrets of `alerts` must have for their use, and what is wrong with a value, without showing it.

Source: Go's net/url, with which Grafana parses an address. An address that it cannot parse stops Grafana when it
starts, with the whole address in its log.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

Form = Literal["address", "bot", "plain"]
"""`bot` is Telegram's token; `plain` is a password, or a token that goes along with an address."""

FORMS: dict[Form, str] = {
    "address": "an http or https address, as https://host/path",
    "bot": "a bot's token, as 123456:letters",
    "plain": "a password or a token",
}
LONGEST = 2048
# Grafana expands a `$` in what it reads from a file.
_PLAIN = re.compile(rf"[!-#%-~]{{1,{LONGEST}}}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?|[0-9a-fA-F:.]+")
_UNFIT = re.compile(r"[\"'<>{}\\^`|]")
_HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_QUOTES = "\"'`"


def find_fault(value: str, *forms: Form) -> str:
    """What keeps a value from being of all these forms, as `has quotes around it`; empty if nothing does."""
    if not value:
        return "is empty"
    if value[0] in _QUOTES and value[-1] in _QUOTES:
        return "has quotes around it; leave them out"
    if len(value) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if "$" in value:
        return "has a dollar, which Grafana would expand"
    if not _PLAIN.fullmatch(value):
        return "has a space, a line's end, or a sign beyond ASCII in it"
    return next((found for form in forms if (found := _form_fault(value, form))), "")


def _form_fault(value: str, form: Form) -> str:
    if form == "address":
        return _address_fault(value)
    if form == "bot" and not _TOKEN.fullmatch(value):
        return "is no token of Telegram's: digits, a colon, letters"
    return ""


def _address_fault(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is no address: its host or its port cannot be read"
    if parts.scheme not in ("http", "https") or not value.lower().startswith(f"{parts.scheme}://"):
        return "does not begin with https:// or http://"
    if not _HOST.fullmatch(host) or port == 0:
        return "is no address: after https:// a host must stand, and a port must be a number from 1 to 65535"
    if _UNFIT.search(value):
        return "has a quote, a bracket or another sign in it that no address has"
    return "has a % in it that two hexadecimal digits must follow" if _HALF_ESCAPE.search(value) else ""
