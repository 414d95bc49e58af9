"""From OpenSSH's options for a host to those of asyncssh.

What asyncssh cannot do and OpenSSH would is an error that names the line. Left out on purpose are StrictHostKeyChecking
(an unknown key is never accepted), ControlMaster, forwardings, RequestTTY, RemoteCommand and LocalCommand: aresmon
opens its own connection, for programs without a terminal.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aresmon.ssh import configuration
from aresmon.ssh.configuration import ConfigurationError, HostConfiguration, SshDestination
from aresmon.ssh.library import asyncssh

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_UNSUPPORTED = {
    "BindInterface": "set BindAddress to the address of that interface",
    "RevokedHostKeys": "mark the keys with @revoked in ~/.ssh/known_hosts",
    "KnownHostsCommand": "write the keys that it prints into a file, and name that in UserKnownHostsFile",
}


def _host_key_algorithms() -> list[bytes]:
    return [*asyncssh.public_key.get_certificate_algs(), *asyncssh.public_key.get_public_key_algs()]


# OpenSSH's keyword, asyncssh's option, and the algorithms that asyncssh has.
_ALGORITHMS: tuple[tuple[str, str, Callable[[], Sequence[bytes]]], ...] = (
    ("Ciphers", "encryption_algs", asyncssh.encryption.get_encryption_algs),
    ("MACs", "mac_algs", asyncssh.mac.get_mac_algs),
    ("KexAlgorithms", "kex_algs", asyncssh.kex.get_kex_algs),
    ("HostKeyAlgorithms", "server_host_key_algs", _host_key_algorithms),
)
_FAST = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com")


@dataclass
class KnownHosts:
    """The files of known hosts that the connections of one command have read."""

    read: dict[tuple[Path, ...], asyncssh.SSHKnownHosts] = field(default_factory=dict, repr=False)

    def of(self, found: HostConfiguration) -> asyncssh.SSHKnownHosts:
        """The known hosts of a configuration. A line that cannot be parsed is skipped, as by OpenSSH."""
        paths = (*found.existing("userknownhostsfile"), *found.existing("globalknownhostsfile"))
        if paths not in self.read:
            self.read[paths] = known = asyncssh.SSHKnownHosts()
            for path in paths:
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                    with suppress(ValueError):
                        known.load(line)
        return self.read[paths]

    def has(self, found: HostConfiguration) -> bool:
        """Whether they have a key for this host."""
        port = int(found.get("port") or 22)
        name = found.get("hostkeyalias") or found.get("hostname")
        keys = self.of(found).match(name, "", port if port != 22 else None)
        return bool(keys[0] or keys[1])


def connection_options(found: HostConfiguration) -> dict[str, Any]:
    """asyncssh's options, except keys, known hosts and the way there. Raises ConfigurationError."""
    _check_supported(found)
    options: dict[str, Any] = {
        "host": found.get("hostname"),
        "port": int(found.get("port") or 22),
        "username": found.get("user"),
        "family": _FAMILIES.get(found.get("addressfamily"), socket.AF_UNSPEC),
        "local_addr": (address, 0) if (address := found.get("bindaddress")) else None,
        "tcp_keepalive": found.is_set("tcpkeepalive"),
        "public_key_auth": found.get("pubkeyauthentication").lower() not in ("no", "false"),
        "gss_auth": found.is_set("gssapiauthentication"),
        "gss_kex": found.is_set("gssapikeyexchange"),
        "gss_delegate_creds": found.is_set("gssapidelegatecredentials"),
        "agent_forwarding": _forwarded_agent(found),
        "env": dict(value.split("=", 1) for value in found.values.get("setenv", ()) if "=" in value),
        "send_env": [name for value in found.values.get("sendenv", ()) for name in value.split()],
        "request_pty": False,
    }
    if alias := found.get("hostkeyalias"):
        options["host_key_alias"] = alias
    if methods := found.get("preferredauthentications"):
        options["preferred_auth"] = methods
    if found.is_set("hostbasedauthentication"):
        options |= {"host_based_auth": True, "client_host_keysign": found.is_set("enablesshkeysign")}
    if found.is_set("compression"):
        options["compression_algs"] = ["zlib@openssh.com", "zlib", "none"]
    return {**options, **dict(_algorithms(found))}


def agent_socket(found: HostConfiguration) -> str:
    """The path of the agent's socket; empty if there is none."""
    value = next(iter(found.values.get("identityagent", ())), "SSH_AUTH_SOCK")
    if value.lower() == "none":
        return ""
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK", "")
    return os.environ.get(value[1:], "") if value.startswith("$") and "{" not in value else found.expand(value)


def proxy_command(found: HostConfiguration) -> str:
    """The command of ProxyCommand; empty if there is none."""
    return found.tokens(found.get("proxycommand"))


def jumps(found: HostConfiguration) -> list[str]:
    """The hosts of ProxyJump, the nearest first."""
    return [] if found.get("proxycommand") else [one for one in found.get("proxyjump").split(",") if one]


def keys_hint(found: HostConfiguration) -> str:
    """What to do where no key was accepted and OpenSSH has one that asyncssh cannot use; empty otherwise."""
    if provider := found.get("pkcs11provider"):
        where = configuration.locate("PKCS11Provider", provider)
        return f"{where}: aresmon uses keys of a PKCS#11 token through the agent only: `ssh-add -s {provider}`"
    return ""


def _forwarded_agent(found: HostConfiguration) -> bool | str:
    value = found.get("forwardagent")
    if value.lower() in ("", "no", "false"):
        return False
    if value.lower() in ("yes", "true"):
        return agent_socket(found) or False
    return os.environ.get(value[1:], "") if value.startswith("$") else found.expand(value)


def _check_supported(found: HostConfiguration) -> None:
    for keyword, remedy in _UNSUPPORTED.items():
        if value := found.get(keyword.lower()):
            where = configuration.locate(keyword, value)
            raise ConfigurationError(f"{where}: {keyword} is not supported by aresmon", hint=remedy)
    if found.get("proxycommand") and found.is_set("proxyusefdpass"):
        where = configuration.locate("ProxyUseFdpass")
        hint = "use a ProxyCommand that passes the data on, such as `nc %h %p`, without ProxyUseFdpass"
        raise ConfigurationError(f"{where}: ProxyUseFdpass is not supported by aresmon", hint=hint)


def _algorithms(found: HostConfiguration) -> Iterator[tuple[str, list[str]]]:
    """Those that differ from OpenSSH's own, of which asyncssh has fewer: its defaults serve as well.

    Without a setting, AES-GCM comes before ChaCha20-Poly1305, which costs asyncssh half as much CPU again.
    """
    for keyword, option, known in _ALGORITHMS:
        value = found.get(keyword.lower())
        is_default = not value or value == _defaults().get(keyword.lower())
        if is_default and keyword != "Ciphers":
            continue
        names = {name.decode() for name in known()}
        common = [name for name in value.split(",") if name in names]
        if is_default:
            common = [*_FAST, *(name for name in common if name not in _FAST)]
        if not common:
            where = configuration.locate(keyword)
            raise ConfigurationError(
                f"{where}: aresmon supports none of these {keyword}: {value}",
                hint=f"add one of {', '.join(sorted(names)[:8])}",
            )
        yield option, common


@functools.cache
def _defaults() -> HostConfiguration:
    """OpenSSH's options without any file."""
    return configuration.read(SshDestination("localhost"), without_files=True)
