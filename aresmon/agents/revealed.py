"""Logins and secrets in the addresses of inputs that Telegraf writes into the data, as tags.

Source: the plug-ins of Telegraf 1.39, of which these write a whole address; others write its host, or hide passwords.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from aresmon.agents.tables import Configuration, LintFinding, Settings
from aresmon.config.masks import may_have_secret

_TAGS = {
    "inputs.couchdb": "server",
    "inputs.http": "url",
    "inputs.http_response": "server",
    "inputs.influxdb": "url",
    "inputs.jolokia2_agent": "jolokia_agent_url",
    "inputs.jolokia2_proxy": "jolokia_proxy_url",
    "inputs.nginx_upstream_check": "url",
    "inputs.phpfpm": "url",
    "inputs.prometheus": "url",
    "inputs.rabbitmq": "url",
    "inputs.ravendb": "url",
    "inputs.x509_cert": "source",
}
_ADDRESSES = ("url", "urls", "hosts", "servers", "sources")
_LOGIN = re.compile(r"(://)[^/\s?#]*@")


def find_warnings(found: Configuration) -> Iterator[LintFinding]:
    """A warning for each setting whose secret would become a tag."""
    for one in found.plugins("inputs"):
        tag = str(one.read.get("url_tag", _TAGS.get(one.name, ""))) if one.name in _TAGS else ""
        for key in _ADDRESSES if tag and _is_kept(tag, one) else ():
            if any(_reveals(one, value) for text in (one.written, one.read) for value in _texts(text.get(key))):
                yield LintFinding(
                    f"{one.name} writes this address into the data as the tag {tag}, with the login or the secret in "
                    f'it: use its settings for a login, or leave the tag out: tagexclude = ["{tag}"]',
                    one.line(key),
                )


def _is_kept(tag: str, one: Settings) -> bool:
    included = _texts(one.read.get("taginclude"))
    is_excluded = any(fnmatchcase(tag, pattern) for pattern in _texts(one.read.get("tagexclude")))
    return not is_excluded and (not included or any(fnmatchcase(tag, pattern) for pattern in included))


def _reveals(one: Settings, address: str) -> bool:
    # This plug-in takes the login out of its tag, and nothing else.
    shown = _LOGIN.sub(r"\1", address) if one.name == "inputs.prometheus" else address
    return may_have_secret(shown)


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
