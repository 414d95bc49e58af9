"""The keys to log in with, in OpenSSH's order: the agent's that IdentityFile names, its others, then the files.

Source: pubkey_prepare() of OpenSSH's sshconnect2.c. A file that is missing, encrypted or no key is skipped, as there;
the public half beside it still names a key of the agent.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aresmon.ssh.configuration import HostConfiguration
from aresmon.ssh.library import asyncssh

KeyArgument = asyncssh.SSHKeyPair | asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]


@dataclass(frozen=True)
class Identity:
    """What a file of IdentityFile holds: a key, of which the private half may be missing or encrypted."""

    public: bytes
    private: asyncssh.SSHKey | None = field(default=None, repr=False)


@dataclass
class KeyFiles:
    """The files of keys and certificates that the connections of one command have read."""

    identities: dict[Path, Identity | None] = field(default_factory=dict, repr=False)
    certificates: dict[Path, asyncssh.SSHCertificate | None] = field(default_factory=dict, repr=False)

    def identity(self, path: Path) -> Identity | None:
        if path not in self.identities:
            self.identities[path] = _read_identity(path)
        return self.identities[path]

    def certificate(self, path: Path) -> asyncssh.SSHCertificate | None:
        if path not in self.certificates:
            self.certificates[path] = None
            with suppress(OSError, ValueError):
                self.certificates[path] = asyncssh.read_certificate(path)
        return self.certificates[path]


@asynccontextmanager
async def open_keys(configuration: HostConfiguration, files: KeyFiles, agent: str) -> AsyncIterator[list[KeyArgument]]:
    """The keys to try; those of the agent, at this socket, can sign while the context lasts."""
    paths = configuration.paths("identityfile")
    own = [one for path in paths if (one := files.identity(path)) is not None]
    named = [path.with_name(f"{path.name}-cert.pub") for path in paths]
    candidates = map(files.certificate, [*configuration.paths("certificatefile"), *named])
    certificates = [one for one in candidates if one is not None]
    if not agent:
        yield list(_local(own, certificates))
        return
    async with asyncssh.SSHAgentClient(agent) as client:
        held: Sequence[asyncssh.SSHKeyPair] = []
        with suppress(OSError, ValueError, asyncssh.Error):
            held = await client.get_keys()
        publics = {one.public for one in own} | {one.public_data for one in certificates}
        named_first = [pair for pair in held if pair.public_data in publics]
        others = [] if configuration.is_set("identitiesonly") else [pair for pair in held if pair not in named_first]
        in_agent = {pair.public_data for pair in held}
        rest = [one for one in own if one.public not in in_agent]
        yield [*_certified([*named_first, *others], certificates), *_local(rest, certificates)]


def _certified(
    pairs: Sequence[asyncssh.SSHKeyPair], certificates: Sequence[asyncssh.SSHCertificate]
) -> Iterator[asyncssh.SSHKeyPair]:
    """The agent's keys, each after its certificates."""
    for pair in pairs:
        for certificate in certificates:
            if certificate.key.public_data == pair.public_data:
                certified = copy.copy(pair)
                certified.set_certificate(certificate)
                yield certified
        yield pair


def _local(own: Sequence[Identity], certificates: Sequence[asyncssh.SSHCertificate]) -> Iterator[KeyArgument]:
    """The keys of files, each after its certificates."""
    for identity in own:
        if identity.private is None:
            continue
        fitting = [one for one in certificates if one.key.public_data == identity.public]
        yield from ((identity.private, one) for one in fitting)
        if not fitting:  # otherwise asyncssh tries the key alone too
            yield identity.private


def _read_identity(path: Path) -> Identity | None:
    with suppress(OSError, ValueError):
        private = asyncssh.read_private_key(path)
        return Identity(private.public_data, private)
    for public in (path, path.with_name(f"{path.name}.pub")):
        with suppress(OSError, ValueError):
            return Identity(asyncssh.read_public_key(public).public_data)
    return None
