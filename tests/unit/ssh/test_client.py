"""A connection as OpenSSH would make it, to a server of this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from aresmon.ssh import configuration
from aresmon.ssh.client import Connections, Ssh
from aresmon.ssh.transport import UnreachableHostError
from tests.unit.ssh.agent import open_agent
from tests.unit.ssh.conftest import Door, Home, hello, open_door, repeat, run, unreachable

pytestmark = pytest.mark.own_sockets("an ssh server and an agent of the test itself")

RELAY = """
import os, socket, sys, threading
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def send():
    while data := os.read(0, 65536):
        peer.sendall(data)
threading.Thread(target=send, daemon=True).start()
while data := peer.recv(65536):
    os.write(1, data)
"""


def entry(door: Door, home: Home, *lines: str, alias: str = "lewi") -> str:
    """An entry of ~/.ssh/config for this server; its key is known."""
    with (home.ssh / "known_hosts").open("a") as file:
        file.write(door.known)
    settings = ("HostName 127.0.0.1", f"Port {door.port}", "User root", *lines)
    return "\n  ".join([f"Host {alias}", *settings]) + "\n"


def test_files_that_are_missing_are_skipped(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            lines = (
                "IdentityFile ~/.ssh/gone",
                "IdentityFile ~/.ssh/id_ed25519",
                "CertificateFile ~/.ssh/gone-cert.pub",
                "UserKnownHostsFile ~/.ssh/gone ~/.ssh/known_hosts",
                "ServerAliveInterval 2m",
                "PKCS11Provider /usr/lib/gone.so",
            )
            home.configure(entry(door, home, *lines))
            assert await hello() == "@hello"

    run(test)


def test_the_default_keys_and_tokens_in_names_of_files_are_found(home: Home) -> None:
    key, other = home.key("id_ed25519"), home.key("id_127.0.0.1_root_lewi")

    async def test() -> None:
        async with open_door(key) as door:
            home.configure(entry(door, home))
            assert await hello() == "@hello"
        async with open_door(other) as door:
            home.configure(entry(door, home, "IdentityFile %d/.ssh/id_%h_%r_%n"))
            assert await hello() == "@hello"

    run(test)


def test_include_and_match_are_evaluated_as_openssh_does(home: Home) -> None:
    key = home.key("mine")

    async def test() -> None:
        async with open_door(key) as door:
            folder = home.path / "conf.d"
            folder.mkdir()
            (folder / "30-keys.conf").write_text(
                'Match host 127.0.0.1 exec "test %n = lewi"\n IdentityFile ~/.ssh/mine\n'
            )
            (folder / "20-lewi.conf").write_text(entry(door, home))
            home.configure(f"Include {folder}/*.conf\n")
            assert await hello() == "@hello"

    run(test)


def test_a_host_is_looked_up_by_its_alias_in_known_hosts(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            text = entry(door, home, "HostKeyAlias the-real-lewi")
            (home.ssh / "known_hosts").write_text(
                f"not a line of this file\nthe-real-lewi {door.known.split(' ', 1)[1]}"
            )
            home.configure(text)
            assert await hello() == "@hello"

    run(test)


def test_a_line_of_known_hosts_that_cannot_be_parsed_is_skipped(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            (home.ssh / "known_hosts").write_text("alone\n|1|x|y ssh-ed25519 AAAA\n@strange * ssh-ed25519 AAAA\n")
            home.configure(entry(door, home))
            assert await hello() == "@hello"

    run(test)


def test_an_unknown_and_a_changed_host_key_are_told_apart(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            home.configure(entry(door, home, "UserKnownHostsFile ~/.ssh/known_here"))
            (home.ssh / "known_here").write_text("")
            unknown, _ = await unreachable()
            stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            (home.ssh / "known_here").write_text(f"[127.0.0.1]:{door.port} {stranger}")
            changed, hint = await unreachable()

        assert unknown.startswith("lewi: its host key is not in ~/.ssh/known_here")
        assert changed == "lewi: its host key differs from the one in ~/.ssh/known_here"
        assert "ssh-keygen -R lewi" in hint

    run(test)


def test_no_file_of_known_hosts_trusts_nobody(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            home.configure(entry(door, home, "UserKnownHostsFile none", "GlobalKnownHostsFile none"))
            why, _ = await unreachable()

        assert "its host key is not in" in why

    run(test)


def test_a_proxy_command_is_run_by_the_shell_with_its_tokens(home: Home) -> None:
    key = home.key("id_ed25519")
    relay = home.path / "relay.py"
    relay.write_text(RELAY)

    async def test() -> None:
        async with open_door(key) as door:
            command = f"ProxyCommand {sys.executable} {relay} %h $(echo %p)"
            home.configure(entry(door, home, f"{command} 2>/dev/null"))
            assert await hello() == "@hello"
            relay.write_text(f"print('a warning', file=__import__('sys').stderr, flush=True)\n{RELAY}")
            home.configure(entry(door, home, command))
            assert await hello() == "@hello"
            home.configure(entry(door, home, "ProxyCommand echo no way to %h >&2"))
            why, _ = await unreachable()

        assert why == "lewi is unreachable: ProxyCommand ended: no way to 127.0.0.1"

    run(test)


def test_jump_hosts_follow_their_own_configuration(home: Home) -> None:
    near, far = home.key("near"), home.key("far")

    async def test() -> None:
        async with open_door(near) as bastion, open_door(far) as door:
            known = home.ssh / "known_bastion"
            first = entry(bastion, home, "IdentityFile ~/.ssh/near", f"UserKnownHostsFile {known}", alias="bastion")
            known.write_text(bastion.known)
            (home.ssh / "known_hosts").unlink()
            home.configure(first + entry(door, home, "IdentityFile ~/.ssh/far", "ProxyJump bastion"))
            assert await hello() == "@hello"
            known.write_text("")
            why, hint = await unreachable()

        assert why.startswith("lewi: its jump host bastion: its host key is not in ~/.ssh/known_bastion")
        assert "`ssh bastion`" in hint

    run(test)


def test_jump_hosts_that_name_each_other_are_an_error(home: Home) -> None:
    home.configure("Host lewi\n ProxyJump near\nHost near\n ProxyJump far\nHost far\n ProxyJump near\n")

    async def test() -> None:
        why, _ = await unreachable()
        assert "~/.ssh/config:2: more than 10 jump hosts" in why

    run(test)


def test_no_terminal_is_requested(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            home.configure(entry(door, home, "RequestTTY force", "RemoteCommand tmux"))
            assert await hello() == "@hello"
            assert door.terminals == [None]

    run(test)


def test_what_is_sent_follows_the_first_input_and_its_end_follows_both(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key, program=repeat) as door:
            home.configure(entry(door, home))
            connections = Connections()
            for sent in ([], ["second"]):
                async with Ssh("lewi", "lewi", connections).start("true\n", b"first\n", as_root=False) as conversation:
                    for line in sent:
                        await conversation.send(line)
                    await conversation.end()
                    assert [line async for line in conversation.lines()] == ["true", "first", *sent]

    run(test)


def test_algorithms_that_asyncssh_lacks_are_left_out(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key, encryption_algs=["aes256-ctr"]) as door:
            home.configure(entry(door, home, "Ciphers aes256-ctr", "KexAlgorithms +diffie-hellman-group1-sha1"))
            assert await hello() == "@hello"

    run(test)


def test_what_aresmon_cannot_follow_is_named_with_its_line(home: Home) -> None:
    home.configure("Host lewi\n  HostName 127.0.0.1\n  BindInterface eth0\n")

    async def test() -> None:
        why, hint = await unreachable()
        assert why == "lewi is unreachable: ~/.ssh/config:3: BindInterface is not supported by aresmon"
        assert "BindAddress" in hint

    run(test)


def test_a_mistake_in_the_configuration_is_named_with_its_line(home: Home) -> None:
    home.configure("Host lewi\n  HostName 127.0.0.1\n  ServerAliveInterval often\n")

    async def test() -> None:
        why, hint = await unreachable()
        assert f"{home.ssh}/config line 3: invalid time value" in why
        assert "`ssh -G lewi`" in hint

    run(test)


def test_without_a_key_that_is_accepted_a_token_is_named(home: Home) -> None:
    async def test() -> None:
        async with open_door() as door:
            home.configure(entry(door, home, "PKCS11Provider /usr/lib/opensc-pkcs11.so"))
            why, hint = await unreachable()
            home.configure(entry(door, home))
            _, general = await unreachable()

        assert why == "lewi is unreachable: it accepts none of your keys"
        assert "~/.ssh/config:5" in hint
        assert "`ssh-add -s /usr/lib/opensc-pkcs11.so`" in hint
        assert "`ssh lewi` must log in without a prompt" in general

    run(test)


def test_the_agents_key_that_a_file_names_is_tried_first(home: Home) -> None:
    home.key("locked", passphrase="not known here")
    locked = asyncssh.read_private_key(home.ssh / "locked", "not known here")
    others = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(3)]

    async def test() -> None:
        async with open_door(locked) as door, open_agent(home.path / "agent", *others, locked) as agent:
            home.configure(entry(door, home, "IdentityFile ~/.ssh/locked", f"IdentityAgent {agent}"))
            assert await hello() == "@hello"
            assert door.offered == [locked.export_public_key().decode().split()[1]] * 2

    run(test)


def test_with_identities_only_the_agents_other_keys_are_not_offered(home: Home) -> None:
    key, other = home.key("id_ed25519"), asyncssh.generate_private_key("ssh-ed25519")

    async def test() -> None:
        async with open_door(key) as door, open_agent(home.path / "agent", other) as agent:
            home.configure(entry(door, home, f"IdentityAgent {agent}", "IdentitiesOnly yes"))
            assert await hello() == "@hello"
            home.configure(entry(door, home, f"IdentityAgent {home.path}/no-agent-here"))

        assert set(door.offered) == set(door.accepted)

    run(test)


def test_a_certificate_serves_a_key_of_the_agent(home: Home) -> None:
    authority, key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_user_certificate(key, "ares", principals=["root"])
    certificate.write_certificate(home.ssh / "ares-cert.pub")
    (home.ssh / "authorities").write_text(f"cert-authority {authority.export_public_key().decode()}")

    async def test() -> None:
        async with (
            open_door(authorized_client_keys=str(home.ssh / "authorities")) as door,
            open_agent(home.path / "agent", key) as agent,
        ):
            home.configure(entry(door, home, "CertificateFile ~/.ssh/ares-cert.pub", f"IdentityAgent {agent}"))
            assert await hello() == "@hello"

    run(test)


def test_without_the_openssh_client_its_file_is_read_all_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    key = home.key("id_ed25519")
    monkeypatch.setattr(configuration, "is_available", lambda: False)

    async def test() -> None:
        async with open_door(key) as door:
            home.configure(entry(door, home))
            assert await hello() == "@hello"
            home.configure(entry(door, home, "ServerAliveInterval 2m"))
            why, hint = await unreachable()

        assert "~/.ssh/config" in why
        assert "line 5" in why
        assert "install the OpenSSH client" in hint

    run(test)


def test_hosts_that_do_not_answer_do_not_hold_up_the_others(home: Home) -> None:
    key = home.key("id_ed25519")

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with open_door(key) as door:
            stalled = f"Host silent*\n  HostName 127.0.0.1\n  Port {port}\n"
            home.configure(stalled + entry(door, home))
            waiting = [asyncio.create_task(unreachable(f"silent{number}")) for number in range(20)]
            await asyncio.sleep(1)
            assert await asyncio.wait_for(hello(), 8) == "@hello"
            for one in waiting:
                one.cancel()
        server.close()

    run(test)


def test_a_folder_as_a_key_or_a_file_of_known_hosts_is_skipped(home: Home) -> None:
    key = home.key("id_ed25519")
    Path(home.ssh / "folder").mkdir()

    async def test() -> None:
        async with open_door(key) as door:
            lines = ("IdentityFile ~/.ssh/folder", "IdentityFile ~/.ssh/id_ed25519")
            known = "UserKnownHostsFile ~/.ssh/folder ~/.ssh/known_hosts"
            home.configure(entry(door, home, *lines, known))
            assert await hello() == "@hello"

    run(test)


# Connections that are opened early --------------------------------------------------------------------


@asynccontextmanager
async def connecting_early(home: Home, *lines: str) -> AsyncIterator[tuple[Door, Ssh]]:
    """A server, and a host to which a connection is being opened."""
    async with open_door(home.key("id_ed25519")) as door:
        home.configure(entry(door, home, *lines))
        host = Ssh("lewi", "lewi", Connections())
        host.connect_early()
        yield door, host


def test_a_connection_that_was_opened_early_is_the_one_that_is_used(home: Home) -> None:
    async def test() -> None:
        async with connecting_early(home) as (door, host):
            host.connect_early()  # again, which opens no other
            async with host.connect() as first:
                assert len(door.users) == 1
                async with host.connect() as second:
                    assert second is not first
            assert len(door.users) == 2

    run(test)


def test_one_that_was_lost_meanwhile_is_opened_anew(home: Home) -> None:
    async def test() -> None:
        async with connecting_early(home) as (_, host):
            lost = await host.connections.early["lewi"]
            lost.close()
            await lost.wait_closed()
            async with host.start("true", b"", as_root=False) as conversation:
                assert [line async for line in conversation.lines()] == ["@hello"]

    run(test)


def test_one_that_fails_early_fails_where_it_is_used(home: Home) -> None:
    async def test() -> None:
        async with connecting_early(home, "UserKnownHostsFile ~/.ssh/none") as (_, host):
            with pytest.raises(UnreachableHostError, match="lewi: its host key is not in "):
                async with host.connect():
                    pass

    run(test)


def test_those_that_are_not_used_are_closed_at_the_end(home: Home) -> None:
    key = home.key("id_ed25519")

    async def test() -> None:
        async with open_door(key) as door:
            home.configure(entry(door, home) + entry(door, home, "UserKnownHostsFile ~/.ssh/none", alias="away"))
            connections = Connections()
            for name in ("lewi", "away"):
                Ssh(name, name, connections).connect_early()
            opened = await connections.early["lewi"]
            connections.close_early()
            await opened.wait_closed()
            assert connections.early == {}

    run(test)
