"""`hosts discover` on the command line: what is printed for a person and for a script."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as RichConsole

from aresmon.cli import discoveries
from aresmon.cli.console import Console
from aresmon.config.collector_options import SecretName
from aresmon.config.collectors import CollectorUse
from aresmon.config.model import Host
from aresmon.push.discovery import HostDiscovery
from aresmon.push.proposals import Discovered, Proposal, Remedy, Unfit
from aresmon.site.folder import find_site
from aresmon.site.project import Project
from aresmon.system.errors import AresmonError
from tests.unit.conftest import ARES

_COMMAND = "runuser -u postgres -- psql --set ON_ERROR_STOP=1 --no-psqlrc --port 5432 --dbname postgres"
_REMEDY = Remedy(
    "a role that may read statistics, which is no more than the names and numbers of what runs",
    "",
    (),
    (_COMMAND,),
    ("CREATE ROLE telegraf LOGIN;", "GRANT pg_monitor TO telegraf;"),
    is_checked=False,
)
_EVIDENCE = "postgres listens on /run/postgresql/.s.PGSQL.5432 (postgresql@15-main.service, package postgresql-15)"
FOUND = HostDiscovery(
    Host("lewi", "systemd", "lewi", (), ()),
    Discovered(
        (Proposal(CollectorUse("postgresql", (("password", SecretName("pg")),)), (_EVIDENCE,), (_REMEDY,)),),
        (Unfit("haproxy", "haproxy listens on 0.0.0.0:80", "it needs env.HAPROXY_STATS: where it shows them"),),
        (("nginx", "nginx listens on 0.0.0.0:80"),),
    ),
)


def printed(found: HostDiscovery, *, width: int, terminal: bool, diff: str = "", is_written: bool = False) -> str:
    console, out = Console(), io.StringIO()
    console.out = RichConsole(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False)
    project = Project.load(find_site(ARES.parent))
    discoveries.tell_all(console, project, [found], diff, is_written=is_written)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_sentences_fit_a_terminal_and_commands_stay_whole_to_be_copied(width: int) -> None:
    lines = printed(FOUND, width=width, terminal=True).splitlines()

    assert f"      $ {_COMMAND}" in lines
    assert "        > GRANT pg_monitor TO telegraf;" in lines
    assert max(len(line) for line in lines if not line.lstrip().startswith(("$ ", "> ", "Nothing"))) <= width
    assert lines[0] == "lewi: 1 collector to add"


def test_a_program_gets_each_sentence_in_one_line() -> None:
    lines = printed(FOUND, width=80, terminal=False).splitlines()

    assert f"    found: {_EVIDENCE}" in lines
    assert f"    needs: {_REMEDY.what}, if that was not done yet. On lewi:" in lines
    assert "      $ aresmon collectors secret pg" in lines
    assert "    haproxy: haproxy listens on 0.0.0.0:80; it needs env.HAPROXY_STATS: where it shows them" in lines
    assert lines[lines.index("  collected already") + 1] == "    nginx: nginx listens on 0.0.0.0:80"


def test_the_first_few_of_many_sensors_are_shown() -> None:
    sensors = tuple(f"/sys/class/hwmon/hwmon0/temp{number}_input exists" for number in range(1, 31))
    many = Discovered((Proposal(CollectorUse("temperature"), sensors),), present=(("disk", "a"), ("disk", "b")))

    lines = printed(HostDiscovery(FOUND.host, many), width=80, terminal=False).splitlines()

    assert lines[2:6] == [*(f"    found: {one}" for one in sensors[:3]), "    found: 27 more"]
    assert lines[6:9] == ["  collected already", "    disk: a", "    disk: b"]


@pytest.mark.parametrize(
    ("is_written", "said"),
    [
        (False, "Nothing was changed. `aresmon hosts discover lewi --apply` writes this."),
        (True, "aresmon.yml is written. When the hosts have what is needed: `aresmon push-config lewi`"),
    ],
)
def test_the_last_line_is_the_next_step(is_written: bool, said: str) -> None:
    assert printed(FOUND, width=80, terminal=False, is_written=is_written).splitlines()[-1] == said


def test_a_script_gets_the_entry_as_it_is_written_and_what_is_known_of_each_need() -> None:
    told = discoveries.described(FOUND)

    (proposal,) = told["proposals"]
    assert proposal["entry"] == {"postgresql": {"password": {"secret": "pg"}}}
    assert (proposal["secrets"], proposal["needs"][0]["missing"]) == (["pg"], None)
    assert told["not_proposed"][0]["collector"] == "haproxy"
    assert told["collected"] == [{"collector": "nginx", "evidence": "nginx listens on 0.0.0.0:80"}]
    unreachable = HostDiscovery(FOUND.host, error=AresmonError("lewi is unreachable"))
    assert discoveries.described(unreachable)["error"] == "lewi is unreachable"


def test_a_sentence_names_what_hosts_add_found() -> None:
    assert discoveries.summary(FOUND) == ("lewi can also collect postgresql: `aresmon hosts discover lewi` shows how")
    assert discoveries.summary(HostDiscovery(FOUND.host)) == ""


@pytest.mark.parametrize("secret", ["password: biere", 'password: "biere"', "api_token:   biere"])
def test_a_diff_shows_no_password_that_is_beside_it(secret: str) -> None:
    before = f"guests: [{{login: guest, {secret}}}]\nhosts:\n  lewi:\n    collect: [system]\n"

    diff = discoveries.difference(before, before.replace("[system]", "[system, nginx]"))

    assert "+    collect: [system, nginx]" in diff
    assert "biere" not in diff


def test_a_diff_shows_the_names_of_secrets() -> None:
    after = "hosts:\n  lewi:\n    collect: [{mysql: {password: {secret: mysql-lewi}}}]\n"

    assert "{password: {secret: mysql-lewi}}" in discoveries.difference("hosts:\n  lewi:\n", after)
