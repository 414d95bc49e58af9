"""Access to Grafana as aresmon.yml sets it: TLS, anonymous visitors, reverse proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from aresmon.system.yaml_document import Document, Keys, YamlProblem

TLS: Keys = ("grafana", "tls")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key; each a path, absolute or from the site's folder. `at` says where in aresmon.yml
    each stands, by its name; `service` whose it is: Grafana's, or the agents' (`edge`)."""

    certificate: str
    key: str
    at: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    service: Literal["grafana", "edge"] = field(default="grafana", compare=False)

    def where(self, name: str) -> str:
        """`aresmon.yml:7 grafana.tls.certificate`"""
        return dict(self.at).get(name, f"{self.service}.tls.{name}")


@dataclass(frozen=True, slots=True)
class EdgeAccess:
    """`behind` are the proxies whose X-Forwarded-For is believed, as addresses or networks."""

    tls: KeyPair | None = None
    anonymous: bool = False
    behind: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        """What the edge speaks on `edge.grafana`."""
        return "https" if self.tls else "http"

    @property
    def is_behind_this_machine(self) -> bool:
        """Whether one of the proxies runs here: it comes in by the engine's own address then."""
        return any(ipaddress.ip_network(one).is_loopback for one in self.behind)


def url_path(url: str) -> str:
    """The folder under which people see Grafana: `/grafana`, or nothing."""
    return urlsplit(url).path.rstrip("/")


def url_host(url: str) -> str:
    """The name that people type, without scheme, port and folder: `grafana.example.org`.

    An IPv6 address has no brackets, and is written as certificates have it.
    """
    name = urlsplit(url).hostname or ""
    return str(ipaddress.ip_address(name)) if is_address(name) else name


def url_problems(document: Document, keys: Keys, url: str) -> Iterator[YamlProblem]:
    """What is wrong with an address whose form has been checked: brackets with no IPv6 address in them."""
    try:
        urlsplit(url)
        ipaddress.IPv6Address(url.partition("[")[2].partition("]")[0] or "::")
    except ValueError:
        yield document.problem(keys, f"'{url}' has no IPv6 address in its brackets")


def is_address(name: str) -> bool:
    """Whether a name is an IP address, which is nobody's name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def read_access(document: Document, settings: Mapping[str, Any], file: str) -> EdgeAccess:
    """The access to Grafana among its settings, which have been checked."""
    pair = settings.get("tls")
    at = tuple(
        (name, document.problem((*TLS, name), "").describe(file).rstrip(": ")) for name in ("certificate", "key")
    )
    return EdgeAccess(
        tls=KeyPair(pair["certificate"], pair["key"], at) if pair else None,
        anonymous=settings.get("anonymous", False),
        behind=tuple(str(ipaddress.ip_network(one)) for one in settings.get("behind", ())),
    )


def find_edge_problems(document: Document, settings: Mapping[str, Any], listen: str) -> Iterator[YamlProblem]:
    """What is wrong between the settings of the access. `listen` is `edge.grafana`."""
    yield from url_problems(document, ("grafana", "url"), settings.get("url", ""))
    for index, word in enumerate(settings.get("behind", ())):
        keys: Keys = ("grafana", "behind", index)
        try:
            network = ipaddress.ip_network(word)
        except ValueError:
            yield document.problem(keys, f"'{word}' is no IP address and no network, as 192.0.2.7 or 10.0.0.0/24")
            continue
        if network.prefixlen == 0:
            yield document.problem(keys, f"'{word}' is everybody: whoever asks could then give any address as theirs")
        elif network.is_loopback and listen.startswith("["):
            yield document.problem(
                keys,
                f"with edge.grafana on {listen}, all clients look like this machine: listen on an IPv4 address",
            )
    if settings.get("tls") and settings.get("url", "").startswith("http://"):
        message = f"with grafana.tls people come by https: say https:// instead of '{settings['url']}'"
        yield document.problem(("grafana", "url"), message)


def find_warnings(document: Document, is_loopback: bool) -> Iterator[YamlProblem]:
    """What works otherwise than one would think. `is_loopback` says where `edge.grafana` listens."""
    settings = document.data.get("grafana", {})
    if is_loopback and settings.get("url", "").startswith("https://") and not {"tls", "behind"} & set(settings):
        message = (
            "people come through a proxy, so their logins are limited as if all were one: say `behind: [127.0.0.1]`"
        )
        yield document.problem(("grafana", "url"), message)


Role = Literal["viewer", "editor", "admin"]


@dataclass(frozen=True, slots=True)
class GrafanaUser:
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


def read_guests(settings: Mapping[str, Any]) -> tuple[GrafanaUser, ...]:
    """The guests among Grafana's settings. A guest is nobody in particular, so its name is its login."""
    return tuple(
        GrafanaUser(one["login"], "viewer", one["login"], password=one["password"])
        for one in settings.get("guests", ())
    )


def read_users(settings: Mapping[str, Any]) -> tuple[GrafanaUser, ...]:
    """The people among Grafana's settings."""
    return tuple(
        GrafanaUser(one["login"], one.get("role", "viewer"), one.get("name", ""), one.get("email", ""))
        for one in settings.get("users", ())
    )


def find_user_problems(document: Document, settings: Mapping[str, Any], admin: str) -> Iterator[YamlProblem]:
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
