"""Who may use Grafana, as aresmon.yml says: its administrator, guests, and people with a name of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aresmon.yamlfile import Document, Keys, Problem

Role = Literal["viewer", "editor", "admin"]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who logs in to Grafana. What is empty is not said: a name and an address are then their own, and a
    password is generated."""

    login: str
    role: Role
    name: str = ""
    email: str = ""
    password: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """The login as Grafana has kept it since version 11."""
        return self.login.lower()


def guests(settings: Mapping[str, Any]) -> tuple[Person, ...]:
    """The guests among Grafana's settings. A guest is nobody in particular, so its name is its login."""
    return tuple(
        Person(one["login"], "viewer", one["login"], password=one["password"]) for one in settings.get("guests", ())
    )


def users(settings: Mapping[str, Any]) -> tuple[Person, ...]:
    """The people among Grafana's settings."""
    return tuple(
        Person(one["login"], one.get("role", "viewer"), one.get("name", ""), one.get("email", ""))
        for one in settings.get("users", ())
    )


def contradictions(document: Document, settings: Mapping[str, Any], admin: str) -> Iterator[Problem]:
    """Logins that Grafana would take for one another. It compares them without case, and takes an e-mail address
    for a login."""
    taken: dict[str, Keys] = {admin.lower(): ("grafana", "admin")}
    for keys, word in _logins(settings):
        first = taken.setdefault(word.lower(), keys)
        if first[:3] != keys[:3]:
            what = "an address" if first[-1] == "email" else "a login"
            yield document.problem(keys, f"'{word}' is {what} of {first[0]}.{first[1]} already")


def _logins(settings: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    for group in ("guests", "users"):
        for index, one in enumerate(settings.get(group, ())):
            for key in ("login", "email"):
                if isinstance(one.get(key), str):
                    yield ("grafana", group, index, key), one[key]
