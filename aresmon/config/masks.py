"""Hides the secrets of a configuration that is shown: Telegraf's TOML, variables, Compose files, and diffs of them.

A secret is known by its name (`password = "…"`, `api_token: "…"`, `HAPROXY_PASSWORD=…`) or by its place: the login of
an address, a setting of a PostgreSQL connection or of a query (`host=db password=…`), the login of a MySQL server.
A reference to a variable or to a secret store is no secret.
"""

from __future__ import annotations

import re

NAMES = "passw|passphrase|pwd|token|secret|api[_-]?key|access_key|private_key|authorization|credential|community"
"""What is in the name of a setting that is a secret, as a regular expression without regard to case."""
# A Compose project's `.env` says where secrets are kept, as TELEGRAF_SECRET='/srv/…'. The first line is for speed:
# most words have no text in quotes behind them.
_QUOTED = re.compile(
    rf"""(?<![\w.-])(?=[\w.-]++["']?(?:\s*=\s*|:[ ])["'])
        (?!(?-i:[A-Z]+_SECRETS?='/))([\w.-]*(?:{NAMES})[\w.-]*["']?(?:\s*=\s*|:[ ]))
        (?:(\"{{3}}|'{{3}})(?!\$|@\{{).+?\2|(["'])(?!\$|@\{{|\3)(?:\\.|(?!\3)[^\n])+(?:\3|$))""",
    re.MULTILINE | re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# A path there says where a secret is kept.
_BARE = re.compile(
    r"""(?=[apst])((?:passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key)=)(?![/.$@"'*])[^\s&"';]+""",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"""(://[^\s/:@"']*):[^\s/@"'$]+@""")
_TOKEN_AS_LOGIN = re.compile(r"""(https?://)(?!\*)[^\s/:@"'$]+@""")
_MYSQL = re.compile(r"""(["'=][^\s/:@"']*):[^\s"'$]+@(?=(?:tcp|unix)\()""")

# Of an option: also a login without a password, which is a token, and one without a scheme.
_IN_OPTION = re.compile(
    r"""://[^/\s?#]*@ | ^[^\s/@:]+:(?!//)[^\s@]+@
      | (?:^|[\s?&;])[\w-]*(?:passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key)\s*=\s*[^\s&]
      | [?&](?:key|auth|sig|signature)=[^&]""",
    re.IGNORECASE | re.VERBOSE,
)


def may_have_secret(value: str) -> bool:
    """Whether an address, or settings of a connection, have a login or a secret in them."""
    return _IN_OPTION.search(value) is not None


def mask_secrets(text: str) -> str:
    """Return a configuration, or a diff of one, with `***` for every password and token."""
    text = _QUOTED.sub(lambda found: f"{found[1]}{_quoted(found)}", text)
    text = _TOKEN_AS_LOGIN.sub(r"\1***@", _LOGIN.sub(r"\1:***@", text))
    text = _BARE.sub(r"\1***", text)
    return _MYSQL.sub(r"\1:***@", text) if "@tcp(" in text or "@unix(" in text else text


def _quoted(found: re.Match[str]) -> str:
    quotes = found[2] or found[3]
    return f"{quotes}***{quotes}"
