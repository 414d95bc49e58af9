"""OpenSSH's options for a host, held against the real `ssh -G`."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from pathlib import Path

import pytest

from aresmon.ssh import configuration, options
from aresmon.ssh.configuration import ConfigurationError, SshDestination
from tests.unit.ssh.conftest import Home


def read(text: str, *, home: Home, destination: str = "lewi") -> configuration.HostConfiguration:
    home.configure(text)
    return configuration.read(SshDestination.parse(destination))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lewi", ("lewi", "", 0)),
        ("bob@lewi", ("lewi", "bob", 0)),
        ("bob@lewi:2222", ("lewi", "bob", 2222)),
        ("2001:db8::1", ("2001:db8::1", "", 0)),
        ("bob@[2001:db8::1]:2222", ("2001:db8::1", "bob", 2222)),
        ("[2001:db8::1]", ("2001:db8::1", "", 0)),
    ],
)
def test_a_destination_is_taken_apart(text: str, parts: tuple[str, str, int]) -> None:
    found = SshDestination.parse(text)

    assert (found.host, found.user, found.port) == parts


@pytest.mark.parametrize(
    "text",
    [
        "Host lewi\n  HostName %h.example.org\n  Port 2222\n",
        'Host le*\n  User bob\nMatch user bob exec "true"\n  IdentityFile "~/.ssh/a key"\n',
        "Match originalhost lewi\n  ProxyJump a@b:22,c\nHost *\n  ServerAliveInterval 1m30s\n",
        "Host *\n  IdentityFile ${HOME}/.ssh/id_%r\n  Ciphers aes256-ctr\n  SetEnv A=b\n",
        "Include /nowhere/*.conf\nHost *\n  ConnectTimeout=7\n",
    ],
)
def test_it_is_what_openssh_reads(text: str, home: Home) -> None:
    found = read(text, home=home)

    argv = ["ssh", "-G", "-T", "-F", str(home.ssh / "config"), "lewi"]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    theirs = configuration.parse(output)
    ours = dict(found.values)
    for known in (theirs, ours):  # the account's home there, HOME here
        known.pop("userknownhostsfile")
    assert ours == {**theirs, "sendenv": ours.get("sendenv", ()), "hashknownhosts": ours["hashknownhosts"]} | {
        name: ours[name]
        for name in ("gssapiauthentication",)  # of /etc/ssh/ssh_config, which -F leaves out
    }


def test_tokens_variables_and_the_home_folder_are_replaced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "/keys")
    account = pwd.getpwuid(os.getuid()).pw_name
    text = "Host lewi\n  HostName 192.0.2.7\n  Port 2222\n  User bob\n  HostKeyAlias other\n"

    found = read(text, home=home)

    assert found.expand("~/%h/%n/%p/%r/%u/%k/%%/%i/%L") == str(
        home.path / f"192.0.2.7/lewi/2222/bob/{account}/other/%/{os.getuid()}/{socket.gethostname().partition('.')[0]}"
    )
    assert found.expand("${KEYS}%d") == f"/keys{home.path}"
    assert found.tokens("nc %h %p ~ ${KEYS}") == "nc 192.0.2.7 2222 ~ ${KEYS}"


def test_known_hosts_with_spaces_are_found(home: Home) -> None:
    for name in ("plain", "two words"):
        (home.ssh / name).touch()

    found = read(f'UserKnownHostsFile {home.ssh}/gone "{home.ssh}/two words" {home.ssh}/plain\n', home=home)

    assert found.existing("userknownhostsfile") == [home.ssh / "two words", home.ssh / "plain"]


def test_known_hosts_are_those_of_home(home: Home) -> None:
    (home.ssh / "known_hosts").touch()

    assert read("", home=home).existing("userknownhostsfile") == [home.ssh / "known_hosts"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "/run/agent"),
        ("IdentityAgent SSH_AUTH_SOCK", "/run/agent"),
        ("IdentityAgent none", ""),
        ("IdentityAgent $OTHER", "/run/other"),
        ("IdentityAgent ${OTHER}.sock", "/run/other.sock"),
        ("IdentityAgent /run/%n", "/run/lewi"),
    ],
)
def test_the_agent_is_the_one_that_is_set(text: str, path: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")

    assert options.agent_socket(read(f"Host lewi\n {text}\n", home=home)) == path


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("BindInterface eth0", "BindAddress"),
        ("RevokedHostKeys /etc/ssh/revoked", "@revoked"),
        ("KnownHostsCommand /usr/bin/keys %H", "UserKnownHostsFile"),
        ("ProxyUseFdpass yes\n  ProxyCommand nc -F %h %p", "without ProxyUseFdpass"),
        ("Ciphers 3des-cbc", ""),
    ],
)
def test_what_cannot_be_followed_is_named_where_it_stands(line: str, remedy: str, home: Home) -> None:
    (home.ssh / "more").write_text(f"Host lewi\n  HostName 192.0.2.7\n  {line}\n")
    found = read("# mine\nInclude more_than_this\n", home=home)
    assert options.connection_options(found)["host"] == "lewi"

    found = read(f"# mine\nInclude {home.ssh}/mor*\n", home=home)
    if line.startswith("Ciphers"):
        assert options.connection_options(found)["encryption_algs"] == ["3des-cbc"]
        return
    with pytest.raises(ConfigurationError) as caught:
        options.connection_options(found)

    assert caught.value.message.startswith(f"~/.ssh/more:3: {line.split()[0]} is not supported")
    assert remedy in caught.value.hint


def test_the_cheapest_cipher_comes_first_unless_ciphers_are_set(home: Home) -> None:
    unset = options.connection_options(read("Host lewi\n", home=home))
    chosen = options.connection_options(read("Host lewi\n  Ciphers aes128-ctr,aes256-ctr\n", home=home))

    assert unset["encryption_algs"][0] == "aes256-gcm@openssh.com"
    assert "chacha20-poly1305@openssh.com" in unset["encryption_algs"]
    assert chosen["encryption_algs"] == ["aes128-ctr", "aes256-ctr"]


def test_what_openssh_refuses_is_told_in_its_words(home: Home) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read("Host lewi\n  Fort 22\n", home=home)

    assert f"{home.ssh}/config: line 2: Bad configuration option: fort" in caught.value.message
    assert "terminating" not in caught.value.message


@pytest.mark.parametrize("destination", ["-oProxyCommand=true", "two words"])
def test_a_name_that_is_none_is_refused(destination: str, home: Home) -> None:
    with pytest.raises(ConfigurationError):
        read("", home=home, destination=destination)


def test_a_file_for_another_home_is_removed(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    read("Host lewi\n  Port 7\n", home=home)

    assert list(folder.iterdir()) == []
