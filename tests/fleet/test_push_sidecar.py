"""The server's own agent, beside the stack: pushed to through the bundle, so that `up` and a push say the same."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.engine.conftest import MakeSite, make_site  # noqa: F401 (a fixture)
from tests.engine.sites import Site, eventually
from tests.fleet.desk import QUICK
from tests.fleet.station import OTHER, SECRET, STATION, give_secret, sent_secret

ELSEWHERE = QUICK + '[[outputs.influxdb]]\n  urls = ["http://127.0.0.1:9"]\n  skip_database_creation = true\n'


@pytest.fixture
def beside(make_site: MakeSite) -> Site:  # noqa: F811
    """A running site whose server has its agent beside the stack."""
    made = make_site(hosts={"box": {"collect": ["system"], "env": {"PRICE": "5 euros"}}})
    made.override("agents/box.conf", QUICK)
    made.up()
    return made


def outcome(site: Site, *options: str) -> tuple[int, str]:
    result = site.run("push-config", "box", "--json", *options)
    assert result.out.startswith("{"), result
    return result.code, json.loads(result.out)["hosts"][0]["outcome"]


def seen_inside(site: Site) -> str:
    """The configuration as the container sees it."""
    command = ["docker", "exec", site.ids()["telegraf"], "cat", "/etc/aresmon/telegraf.conf"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_push_and_up_leave_nothing_for_each_other_to_do(beside: Site) -> None:
    beside.override("agents/box.conf", QUICK + "[[inputs.swap]]\n")

    assert outcome(beside) == (0, "verified")

    before = beside.ids()
    assert "[[inputs.swap]]" in seen_inside(beside)
    assert beside.up().steps == []
    assert beside.ids() == before
    assert outcome(beside) == (0, "unchanged")
    assert beside.ids() == before


def test_only_the_agent_is_made_anew(beside: Site) -> None:
    before = beside.ids()
    beside.override("agents/box.conf", QUICK + "[[inputs.swap]]\n")

    assert outcome(beside) == (0, "verified")

    after = beside.ids()
    assert {name for name in after if after[name] != before[name]} == {"telegraf"}


def test_what_up_deployed_after_a_push_is_no_drift_and_an_edit_is_shown_against_it(beside: Site) -> None:
    fresh = beside.run("drift", "box")
    assert outcome(beside) == (0, "verified")
    beside.override("agents/box.conf", QUICK + "[[inputs.swap]]\n")
    beside.up()

    after_up = beside.run("drift", "box", "--json")
    live = beside.folder / ".aresmon" / "bundle" / "agents" / "box" / "telegraf.conf"
    live.write_text(live.read_text().replace("[[inputs.swap]]", "[[inputs.kernel]]"))
    edited = beside.run("drift", "box", "--json")

    assert (fresh.code, after_up.code, edited.code) == (0, 0, 5), (fresh, after_up, edited)
    assert "-[[inputs.swap]]\n+[[inputs.kernel]]\n" in json.loads(edited.out)[0]["diff"]
    beside.up()
    assert beside.run("drift", "box").code == 0


def test_what_does_not_deliver_is_rolled_back_and_up_agrees(beside: Site) -> None:
    assert outcome(beside) == (0, "verified")
    seen = seen_inside(beside)
    beside.override("agents/box.conf", ELSEWHERE)

    assert outcome(beside, "--deadline", "5") == (3, "rolled back")

    assert seen_inside(beside) == seen
    beside.override("agents/box.conf", QUICK)
    assert beside.up().steps == []


def test_what_telegraf_refuses_touches_nothing(beside: Site) -> None:
    before, seen = beside.ids(), seen_inside(beside)
    beside.override("agents/box.conf", "[[inputs.cpu]]\n  nonsense = 1\n")

    result = beside.run("push-config", "box")

    assert result.code == 1, result
    assert "nonsense" in result.out
    assert (beside.ids(), seen_inside(beside)) == (before, seen)


def test_a_configuration_that_was_mounted_as_a_file_is_read_anew(beside: Site) -> None:
    """A file that is replaced by a rename shows its old content to a container that has it mounted by itself."""
    alone = "{type: bind, source: ./agents/box/telegraf.conf, target: /etc/aresmon/telegraf.conf, read_only: true}"
    beside.override("compose.yml", f"services:\n  telegraf:\n    volumes:\n      - {alone}\n")
    beside.up()
    beside.override("agents/box.conf", QUICK + "[[inputs.swap]]\n")

    assert outcome(beside) == (0, "verified")

    assert "[[inputs.swap]]" in seen_inside(beside)


def test_a_dollar_in_a_configuration_means_itself(beside: Site) -> None:
    purse = '[[inputs.mock]]\n  metric_name = "purse"\n'
    price = '[[inputs.mock.constant]]\n    name = "price"\n    value = "$5 $$"\n'
    beside.override("agents/box.conf", QUICK + purse + price)

    assert outcome(beside) == (0, "verified")

    assert 'value = "$5 $$"' in seen_inside(beside)
    (series,) = beside.query('SELECT last("price") AS "price" FROM "purse"')
    assert series.rows[0]["price"] == "$5 $"  # Telegraf's own way to write one


def test_a_stack_that_is_not_there_is_started_by_up(make_site: MakeSite) -> None:  # noqa: F811
    site = make_site(hosts={"box": {"collect": ["system"]}})

    result = site.run("push-config", "box")

    assert result.code == 1, result
    assert "`aresmon up`" in result.err + result.out


def test_up_and_a_push_give_a_secret_to_the_servers_own_agent(make_site: MakeSite) -> None:  # noqa: F811
    site = make_site(hosts={"box": {"collect": ["system", {"station": {"password": {"secret": "station"}}}]}})
    site.override("collectors/station.conf", STATION)

    refused = site.run("up")

    assert refused.code == 1, refused
    assert "the secret station, which a collector needs, is not set" in refused.err
    assert "`aresmon up` brings it to box" in give_secret(site, SECRET)
    site.up()

    assert eventually(lambda: sent_secret(site, "box") == SECRET)
    assert site.up().steps == []
    give_secret(site, OTHER)
    pushed = site.run("push-config", "box")
    assert pushed.code == 0, pushed
    assert sent_secret(site, "box") == OTHER
    assert site.up().steps == []
    (agent,) = (one for name, one in site.containers().items() if name == "telegraf")
    assert SECRET not in str(agent.attrs)
    assert OTHER not in str(agent.attrs)
    # Without such a collector, nothing of it is left.
    site.configure(hosts={"box": {"collect": ["system"]}})
    site.up()
    assert not (site.folder / ".aresmon" / "bundle" / "agent-secrets.yml").exists()
