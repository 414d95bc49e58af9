"""The answers that follow from others, held against the real `ssh -G`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aresmon.ssh import configuration
from aresmon.ssh.alike import Configurations
from aresmon.ssh.configuration import ConfigurationError, SshDestination
from tests.unit.ssh.conftest import Home

HOSTS = [f"web{number}" for number in range(1, 7)]
FLEET = "".join(
    f"Host {name}\n  HostName 192.0.2.{number}\n  Port {2200 + number}\n  User u{number}\n"
    for number, name in enumerate(HOSTS)
)


Answers = Mapping[str, Mapping[str, object] | str]


def answers(destinations: Sequence[str]) -> Answers:
    """All answers of one command, without what aresmon does not use; an error's text where it is one."""

    async def read() -> list[configuration.HostConfiguration | BaseException]:
        shared = Configurations()
        asking = (shared.read(SshDestination.parse(one)) for one in destinations)
        return await asyncio.gather(*asking, return_exceptions=True)

    return {name: used(one) for name, one in zip(destinations, asyncio.run(read()), strict=True)}


def theirs(destinations: Sequence[str]) -> Answers:
    found = dict[str, Mapping[str, object] | str]()
    for name in destinations:
        try:
            found[name] = used(configuration.read(SshDestination.parse(name)))
        except ConfigurationError as error:
            found[name] = used(error)
    return found


def used(answer: configuration.HostConfiguration | BaseException) -> Mapping[str, object] | str:
    if isinstance(answer, configuration.HostConfiguration):
        return {**answer.values, "controlpath": ()}
    assert isinstance(answer, ConfigurationError), answer
    return re.sub(r"/tmp/\S+", "", answer.message)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The destinations that OpenSSH is asked about."""
    found, read = list[str](), configuration.read

    def reading(destination: SshDestination, **options: Sequence[str]) -> configuration.HostConfiguration:
        found.append(str(destination))
        return read(destination, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(configuration, "read", reading)
    return found


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        pytest.param(FLEET, 2, id="entries"),
        pytest.param(f"{FLEET}Host *\n  ControlPath ~/.ssh/%C\n  IdentityFile ~/.ssh/%h\n", 2, id="general entry"),
        pytest.param(f"Host web*\n  ServerAliveInterval 7\n{FLEET}", 2, id="pattern"),
        pytest.param("", 2, id="no entries"),
        pytest.param(f"Host * !web2\n  ConnectTimeout 7\n{FLEET}", 3, id="exception"),
        pytest.param(f"{FLEET}Host web3\n  Compression yes\n", 3, id="entry with more"),
        pytest.param(f"Host web1\n  User root\n{FLEET}", 3, id="two entries"),
        pytest.param(f"Host *\n  Port 7\n{FLEET}", 6, id="set before"),
        pytest.param("Host web*\n  HostName %h.example.org\n", 6, id="token in the name"),
        pytest.param(f"{FLEET}Host *\n  UserKnownHostsFile ~/.ssh/%h\n", 6, id="token"),
        pytest.param(f'{FLEET}Match exec "true"\n  Compression yes\n', 6, id="match"),
        pytest.param(f"{FLEET}Host *\n  CanonicalizeHostname yes\n", 6, id="canonical names"),
        pytest.param(f"{FLEET}Host *\n  ProxyJump web1\n", 3, id="jump host"),
        pytest.param("Host web1\n  HostName 010.1\nHost *\n  Port 7\n", 3, id="unusual address"),
    ],
)
def test_openssh_is_asked_about_two_hosts_that_are_alike(
    text: str, questions: int, home: Home, asked: list[str]
) -> None:
    home.configure(text)

    found = answers(HOSTS)

    assert len(asked) == questions
    assert found == theirs(HOSTS)


def test_hosts_with_another_user_or_port_on_the_command_line_are_not_alike(home: Home, asked: list[str]) -> None:
    destinations = ["a", "b", "bob@c", "d", "bob@e", "f:22", "bob@g"]
    home.configure("")

    found = answers(destinations)

    assert len(asked) == 5
    assert found == theirs(destinations)


def test_a_jump_host_of_all_hosts_is_asked_about_once(home: Home, asked: list[str]) -> None:
    home.configure("Host bastion\n  ProxyJump none\nHost *\n  ProxyJump bastion\n")

    answers(["bastion"] * 5)

    assert asked == ["bastion"]


def test_included_files_count(home: Home, asked: list[str]) -> None:
    (home.ssh / "more").write_text("Host web1\n  IdentitiesOnly yes\n")
    home.configure(f"Include {home.ssh}/mor*\n{FLEET}")

    found = answers(HOSTS)

    assert len(asked) == 3
    assert found == theirs(HOSTS)


def test_an_error_is_that_of_each_host(home: Home) -> None:
    home.configure(f"{FLEET}Host *\n  ConnectTimeout never\n")

    found = answers(HOSTS)

    assert all(isinstance(one, str) for one in found.values())
    assert found == theirs(HOSTS)


def test_a_question_that_failed_is_asked_again(home: Home) -> None:
    async def read() -> None:
        shared = Configurations()
        home.configure("Host *\n  ConnectTimeout never\n")
        with pytest.raises(ConfigurationError):
            await shared.read(SshDestination.parse("web1"))
        home.configure("Host *\n  ConnectTimeout 7\n")
        assert (await shared.read(SshDestination.parse("web1"))).seconds("connecttimeout") == 7

    asyncio.run(read())


_PATTERNS = st.lists(st.sampled_from([*HOSTS, "*", "web?", "!web2", "w*3", "other"]), min_size=1, max_size=3)
_LINES = st.lists(
    st.sampled_from(
        [
            *("HostName 192.0.2.9", "HostName=web1", "HostName %h.example.org", "Port 2222", "Port = 22", "User bob"),
            *("User root", "Compression yes", "ProxyJump web1", "IdentityFile ~/.ssh/%r", "SendEnv A B", "# Port 9"),
            *("UserKnownHostsFile ~/.ssh/known", "HostKeyAlias other", "ConnectTimeout 7", "ControlPath ~/%C"),
        ]
    ),
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=st.lists(st.tuples(_PATTERNS, _LINES), max_size=6), is_fleet_first=st.booleans())
def test_every_answer_is_the_one_of_openssh(
    blocks: Sequence[tuple[Sequence[str], Sequence[str]]], is_fleet_first: bool, home: Home
) -> None:
    text = "".join(f"Host {' '.join(names)}\n" + "".join(f"  {line}\n" for line in lines) for names, lines in blocks)
    home.configure(FLEET + text if is_fleet_first else text + FLEET)
    destinations = [*HOSTS, "bob@web3", "other"]

    assert answers(destinations) == theirs(destinations)
