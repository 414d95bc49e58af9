"""What each host should run, and the order that brings it there."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from aresmon.agents import lint
from aresmon.agents.readings import CPU_READER, NO_READINGS, ReadingTimes
from aresmon.config.model import Config, Host
from aresmon.config.package_data import package_files
from aresmon.push import order as push_order
from aresmon.push import protocol
from aresmon.push.agent_files import AgentFiles
from aresmon.push.order import PushOptions, Target
from aresmon.push.protocol import PushOrder
from aresmon.render import telegraf
from aresmon.render.bundle import render
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site import bundle, secrets
from aresmon.system import dotenv
from aresmon.system.errors import AresmonError
from tests.unit.conftest import SHIPPED, VIEWS, load, place
from tests.unit.push.request import split_request
from tests.unit.stacks import MemoryStack

FILES = package_files()
FRAME = TelegrafTemplates.of(FILES)
FLEET = load(
    """\
site: ares
hosts:
  biere: {agent: docker, collect: [system]}
  lewi: {collect: [system], env: {TOKEN: "a b"}}
  far.away: {agent: docker, collect: [system, docker]}
"""
)
WITH_SECRET = load(
    """\
site: ares
hosts:
  biere: {agent: docker, collect: [system, {redis: {password: {secret: cache}}}]}
  lewi: {collect: [system], env: {TOKEN: "a b"}}
  far.away: {agent: docker, collect: [{redis: {password: {secret: cache}}}]}
"""
)
PASSWORD = "pass=word-of-"


def bundle_of(config: Config = FLEET) -> Mapping[str, bytes]:
    """The files of a stack that runs."""
    files = render(config, SHIPPED, VIEWS, place(), shipped_files=FILES)
    hashes = {path: bundle.sha256(content) for path, content in files.items()}
    return {**files, bundle.MANIFEST: json.dumps({"files": hashes}).encode()}


def stack(**changes: Any) -> MemoryStack:
    return MemoryStack(**{"read_secret": lambda name: PASSWORD + name, "bundle": bundle_of(), **changes})


def body_of(name: str, config: Config = FLEET) -> str:
    return telegraf.configuration(config.host(name), SHIPPED, FRAME)


def made(
    name: str,
    *,
    config: Config = FLEET,
    body: str = "",
    where: MemoryStack | None = None,
    image: str = "telegraf:1",
    memory: str = "256m",
    **options: Any,
) -> PushOrder:
    """The order for a host."""
    where = where or stack()
    files = AgentFiles(config, where, FILES, image, memory)
    target = Target(config.host(name), body or body_of(name, config), password=options.pop("password", ""))
    return push_order.order(target, files, FRAME, PushOptions(**{"by": "ada", **options}))


def contents(order: PushOrder) -> dict[str, bytes]:
    return {one.path: one.content for one in order.files}


def modes(order: PushOrder) -> dict[str, tuple[str, str]]:
    return {one.path: (one.mode, one.owner) for one in order.files}


# Any host ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", FLEET.hosts, ids=lambda host: host.name)
def test_an_order_carries_a_configuration_with_its_own_mark(host: Host) -> None:
    order = made(host.name)

    text = contents(order)[order.agent.watched].decode()
    assert telegraf.config_id_in(text, FRAME) == order.config_id
    assert telegraf.without_config_id(text, FRAME) == body_of(host.name)
    assert order.config_id == f"{telegraf.fingerprint(body_of(host.name))}-{order.transaction}"
    assert tomllib.loads(text)["inputs"]["mock"]


@pytest.mark.parametrize("host", FLEET.hosts, ids=lambda host: host.name)
def test_an_order_can_be_sent_and_its_password_is_in_no_header(host: Host) -> None:
    order = made(host.name)

    header, _ = split_request(protocol.push_request(order))

    assert PASSWORD.encode() not in header
    assert PASSWORD not in repr(order)


def test_two_orders_for_the_same_are_told_apart_by_their_transaction_alone() -> None:
    one, other = made("lewi"), made("lewi")

    assert (one.content, one.output) == (other.content, other.output)
    assert one.transaction != other.transaction
    assert one.config_id != other.config_id


def test_an_order_tries_the_right_to_write_as_the_agent_will() -> None:
    access = made("lewi").access

    assert access
    assert (access.url, access.user, access.database) == ("http://biere:8086", "agent-lewi", "telegraf")
    assert access.password == f"{PASSWORD}agent-lewi"


def test_the_servers_own_agent_writes_by_way_of_the_machine_itself() -> None:
    access = made("biere").access

    assert access
    assert access.url == "http://127.0.0.1:8086"


def test_an_order_waits_as_long_as_the_agents_pace_asks_or_as_it_is_told() -> None:
    slow = body_of("lewi").replace('interval = "10s"', 'interval = "60s"', 1)

    assert made("lewi").deadline == 40
    assert made("lewi", body=slow).deadline == 90
    assert made("lewi", deadline=7).deadline == 7


def test_an_order_says_when_the_agent_reads_and_what_reads_the_cpu_meanwhile() -> None:
    order = made("lewi", body=body_of("lewi").replace('interval = "10s"', 'interval = "30s"', 1))

    assert order.readings == ReadingTimes(30)
    assert order.cpu_reader == CPU_READER
    assert b"\nreadings=30000 0 0\n" in protocol.push_request(order)


def test_without_verification_the_agent_is_restarted_at_once() -> None:
    order = made("lewi", verify=False)

    assert (order.readings, order.cpu_reader) == (NO_READINGS, "")


def test_an_order_says_how_it_is_to_be_done() -> None:
    order = made("lewi", verify=False, overwrite=True, force=True, break_lock=True)

    assert (order.verify, order.overwrite, order.force, order.break_lock) == (False, True, True, True)
    assert order.by == "ada"


def test_the_variables_that_are_aresmons_are_named() -> None:
    assert {"ARESMON_HOST", "ARESMON_PASSWORD", "TOKEN"} <= set(made("lewi").names)


# What tells whether there is anything to bring ---------------------------------------------------------


def other(change: str) -> PushOrder:
    """The order for a host of which one thing has changed."""
    text = "site: ares\nhosts: {biere: {agent: docker}, lewi: {collect: [system], env: {TOKEN: other}}}\n"
    if change == "variable":
        return made("lewi", config=load(text))
    if change == "password":
        return made("lewi", where=stack(read_secret=lambda _: "another"))
    return made("lewi", body=body_of("lewi") + "[[inputs.ping]]\n")


@pytest.mark.parametrize("change", ["variable", "password", "configuration"])
def test_another_content_is_another(change: str) -> None:
    assert other(change).content != made("lewi").content


def test_another_container_is_another_content_where_there_is_one() -> None:
    assert made("far.away", image="another").content != made("far.away").content
    assert made("far.away", memory="another").content != made("far.away").content
    assert made("lewi", image="another", memory="another").content == made("lewi").content


@pytest.mark.parametrize("name", ["agent.yml", "agent-health.sh"])
def test_another_compose_file_is_another_content(name: str) -> None:
    shipped = {**FILES, f"compose/{name}": b"another"}
    files = AgentFiles(FLEET, stack(), shipped, "telegraf:1", "256m")
    target = Target(FLEET.host("far.away"), body_of("far.away"))

    order = push_order.order(target, files, FRAME, PushOptions("ada"))

    assert order.content != made("far.away").content


def test_another_start_script_is_another_content_where_a_collector_has_secrets() -> None:
    def content(config: Config, files: Mapping[str, bytes]) -> str:
        target = Target(config.host("far.away"), body_of("far.away", config))
        agents = AgentFiles(config, stack(), files, "telegraf:1", "256m")
        return push_order.order(target, agents, FRAME, PushOptions("ada")).content

    another = {**FILES, "compose/agent-start.sh": b"another"}
    assert content(WITH_SECRET, another) != content(WITH_SECRET, FILES)
    assert content(FLEET, another) == content(FLEET, FILES)


def test_the_content_tells_nothing_of_the_password() -> None:
    order = made("lewi")

    assert hashlib.sha256(f"{PASSWORD}agent-lewi".encode()).hexdigest()[:12] not in order.content


def test_another_output_is_told_apart_from_another_input() -> None:
    same = made("lewi", body=body_of("lewi") + "[[inputs.ping]]\n")
    elsewhere = made("lewi", body=body_of("lewi") + '[[outputs.file]]\n  files = ["stdout"]\n')

    assert same.output == made("lewi").output
    assert elsewhere.output != made("lewi").output
    assert other("password").output != made("lewi").output, "a buffer on the disk is named after it too"


# A service of systemd's --------------------------------------------------------------------------------


def test_a_service_gets_its_environment_first_and_both_files_are_for_telegraf_alone() -> None:
    order = made("lewi")

    assert [one.path for one in order.files] == ["/etc/default/telegraf", "/etc/telegraf/telegraf.conf"]
    assert set(modes(order).values()) == {("0640", "root:telegraf")}
    assert b"ARESMON_PASSWORD=pass=word-of-agent-lewi\n" in contents(order)["/etc/default/telegraf"].replace(b"'", b"")
    assert (order.agent.state, order.agent.as_root) == ("/var/lib/aresmon/ares", True)


# A container of its own ---------------------------------------------------------------------------------


def test_an_agent_in_a_container_gets_a_project_of_its_own() -> None:
    order = made("far.away")

    folder = "/var/lib/aresmon/ares/agent"
    files = {path.removeprefix(f"{folder}/"): content for path, content in contents(order).items()}
    assert (order.agent.kind, order.agent.project, order.agent.folder) == ("docker", "ares-far-away", folder)
    assert sorted(files) == [
        *(".env", "agent-docker.yml", "agent-environment.yml", "agent.yml", "agents/far.away/health.sh"),
        *("agents/far.away/telegraf.conf", "secrets/agent"),
    ]
    env = dotenv.variables(files[".env"].decode())
    assert env["COMPOSE_FILE"] == "agent.yml:agent-docker.yml:agent-environment.yml"
    assert (env["TELEGRAF_IMAGE"], env["ARESMON_PROJECT"]) == ("telegraf:1", "ares-far-away")


def test_its_password_is_a_file_for_the_container_alone() -> None:
    order = made("far.away")

    path = "/var/lib/aresmon/ares/agent/secrets/agent"
    assert contents(order)[path] == f"{PASSWORD}agent-far.away".encode()
    assert modes(order)[path] == ("0400", "1510:1510")
    assert [one for one in order.files if PASSWORD.encode() in one.content and one.path != path] == []


def test_its_container_is_made_anew_for_another_configuration_and_another_password() -> None:
    def configuration(order: PushOrder) -> str:
        return dotenv.variables(contents(order)[f"{order.agent.folder}/.env"].decode())["TELEGRAF_CONFIGURATION"]

    assert configuration(made("far.away")) != configuration(made("far.away")), "each push has its own mark"
    assert configuration(made("far.away", where=stack(read_secret=lambda _: "x"))) != configuration(made("far.away"))


# The server's own ----------------------------------------------------------------------------------------


def test_the_servers_own_agent_is_changed_in_the_bundle_and_nothing_else_there() -> None:
    order = made("biere")

    folder = "/srv/ares/.aresmon/bundle"
    assert list(contents(order)) == [
        f"{folder}/{name}" for name in ("agents/biere/telegraf.conf", "agent-environment.yml", ".env", "manifest.json")
    ]
    before, after = (
        dotenv.variables(text.decode()) for text in (bundle_of()[".env"], contents(order)[f"{folder}/.env"])
    )
    assert {name for name in after if after[name] != before[name]} == {"TELEGRAF_CONFIGURATION"}
    assert order.overwrite, "what `up` wrote is no drift"


def test_the_manifest_knows_the_bundle_as_it_will_be() -> None:
    order = made("biere")

    folder = "/srv/ares/.aresmon/bundle"
    told = json.loads(contents(order)[f"{folder}/manifest.json"])["files"]
    there = {**bundle_of(), **{path.removeprefix(f"{folder}/"): one for path, one in contents(order).items()}}
    assert told == {path: bundle.sha256(content) for path, content in there.items() if path != bundle.MANIFEST}


@pytest.mark.parametrize("from_here", [True, False], ids=["here", "from elsewhere"])
def test_up_would_change_nothing_after_a_push_to_the_servers_own_agent(from_here: bool) -> None:
    order = made("biere")
    known = {"config_ids": {"biere": order.config_id}} if from_here else {"sidecar_config_id": order.config_id}

    wanted = render(
        FLEET,
        SHIPPED,
        VIEWS,
        place(**known, fingerprints={"agent-biere": secrets.fingerprint(stack().secret, "agent-biere")}),
        shipped_files=FILES,
    )

    pushed = {path.removeprefix("/srv/ares/.aresmon/bundle/"): one for path, one in contents(order).items()}
    assert pushed["agents/biere/telegraf.conf"] == wanted["agents/biere/telegraf.conf"]
    env = dotenv.variables(pushed[".env"].decode())["TELEGRAF_CONFIGURATION"]
    assert env == dotenv.variables(wanted[".env"].decode())["TELEGRAF_CONFIGURATION"]


@pytest.mark.parametrize(("before", "after"), [(FLEET, WITH_SECRET), (WITH_SECRET, WITH_SECRET), (WITH_SECRET, FLEET)])
def test_up_agrees_with_a_push_that_brings_or_takes_a_secret_of_a_collector(before: Config, after: Config) -> None:
    where = stack(bundle=bundle_of(before))
    order = made("biere", config=after, where=where)
    names = ["agent-biere", *(one.path for one in after.host("biere").secrets)]

    wanted = render(
        after,
        SHIPPED,
        VIEWS,
        place(
            config_ids={"biere": order.config_id},
            fingerprints={name: secrets.fingerprint(where.secret, name) for name in names},
        ),
        shipped_files=FILES,
    )

    pushed = dotenv.variables(contents(order)["/srv/ares/.aresmon/bundle/.env"].decode())
    expected = dotenv.variables(wanted[".env"].decode())
    for variable in ("TELEGRAF_CONFIGURATION", "COMPOSE_FILE"):
        assert pushed[variable] == expected[variable]


@pytest.mark.parametrize(("is_local", "owner"), [(True, "-"), (False, "ada:ada")])
def test_its_files_keep_their_owner(is_local: bool, owner: str) -> None:
    order = made("biere", where=stack(is_local=is_local, owner=owner))

    assert order.agent.as_root == (not is_local)
    assert order.agent.state == "/srv/ares/.aresmon/push"
    assert {one.owner for one in order.files} == {owner}


@pytest.mark.parametrize("missing", [".env", bundle.MANIFEST, "all"])
def test_a_stack_that_is_not_there_yet_is_told(missing: str) -> None:
    there = {} if missing == "all" else {name: one for name, one in bundle_of().items() if name != missing}

    with pytest.raises(AresmonError, match="biere: the stack is not there yet") as caught:
        made("biere", where=stack(bundle=there))

    assert "`aresmon up`" in caught.value.hint


def test_a_hosts_own_variables_reach_its_container() -> None:
    config = load("hosts: {biere: {env: {COST: '5 @ x'}}}\n")

    order = made("biere", config=config, where=stack(bundle=bundle_of(config)))

    environment = yaml.safe_load(contents(order)["/srv/ares/.aresmon/bundle/agent-environment.yml"])
    assert environment["services"]["telegraf"]["environment"]["COST"] == "5 @ x"


# The check ------------------------------------------------------------------------------------------------


def test_a_sound_configuration_passes() -> None:
    for host in FLEET.hosts:
        lint.check(host, body_of(host.name), FLEET)


def test_everything_that_is_wrong_is_told_with_its_file() -> None:
    wrong = body_of("lewi").replace('interval = "10s"', 'interval = "0s"') + '[[inputs.ping]]\n  urls = ["$NOPE"]\n'

    with pytest.raises(AresmonError) as caught:
        lint.check(FLEET.host("lewi"), wrong, FLEET)

    lines = caught.value.message.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("lewi.conf: ") for line in lines)
    assert "nothing was changed" in caught.value.hint


def test_a_secret_that_is_missing_is_told() -> None:
    def missing(name: str) -> str:
        raise AresmonError(f"no secret {name}")

    with pytest.raises(AresmonError, match="no secret agent-lewi"):
        made("lewi", where=stack(read_secret=missing))


# TLS --------------------------------------------------------------------------------------------------

PEM = "-----BEGIN CERTIFICATE-----\nof the site\n-----END CERTIFICATE-----\n"
HOSTS = "hosts:\n  biere: {agent: docker, collect: [system]}\n  lewi: {collect: [system]}\n  far: {agent: docker}\n"
WITH_TLS = load("site: ares\nedge: {tls: site}\n" + HOSTS)
WITH_A_PAIR = load(
    "site: ares\nedge: {tls: {certificate: c.pem, key: k.pem}, url: 'https://biere.example.org'}\n" + HOSTS
)


def with_tls(pem: str = PEM, config: Config = WITH_TLS) -> MemoryStack:
    files = render(config, SHIPPED, VIEWS, place(trusted=pem), shipped_files=FILES)
    hashes = {path: bundle.sha256(content) for path, content in files.items()}
    return stack(bundle={**files, bundle.MANIFEST: json.dumps({"files": hashes}).encode()})


@pytest.mark.parametrize(
    ("host", "on_host", "for_agent"),
    [
        ("lewi", "/etc/telegraf/aresmon-ca.pem", "/etc/telegraf/aresmon-ca.pem"),
        ("far", "/var/lib/aresmon/ares/agent/agents/far/aresmon-ca.pem", "/etc/aresmon/aresmon-ca.pem"),
    ],
)
def test_by_what_the_edge_is_known_is_brought_to_where_the_agent_looks_for_it(
    host: str, on_host: str, for_agent: str
) -> None:
    order = made(host, config=WITH_TLS, where=with_tls())

    assert contents(order)[on_host] == PEM.encode()
    assert modes(order)[on_host] == ("0644", "-")
    assert order.authority == on_host
    assert telegraf.variables(WITH_TLS.host(host), WITH_TLS)["ARESMON_CA"] == for_agent
    assert order.access
    assert order.access.url == "https://biere:8086"


def test_the_server_s_own_agent_has_it_in_its_bundle_already() -> None:
    order = made("biere", config=WITH_TLS, where=with_tls())

    assert order.authority == "/srv/ares/.aresmon/bundle/agents/biere/aresmon-ca.pem"
    assert order.authority not in contents(order)
    assert order.access
    assert order.access.url == "https://127.0.0.1:8086"


@pytest.mark.parametrize("host", ["biere", "lewi", "far"])
def test_another_authority_is_something_new_to_bring(host: str) -> None:
    one, other = (made(host, config=WITH_TLS, where=with_tls(pem)) for pem in (PEM, PEM * 2))

    assert one.content[:12] == other.content[:12]
    assert one.content != other.content


@pytest.mark.parametrize("host", ["biere", "lewi", "far"])
def test_before_the_first_up_with_tls_nothing_is_pushed(host: str) -> None:
    with pytest.raises(AresmonError, match="no certificate authority for its agents yet") as told:
        made(host, config=WITH_TLS, where=with_tls(""))

    assert "aresmon up" in told.value.hint


def test_a_certificate_that_hosts_know_already_needs_no_file_and_the_server_s_own_agent_its_name() -> None:
    where = with_tls(config=WITH_A_PAIR)
    lewi, biere = (made(name, config=WITH_A_PAIR, where=where) for name in ("lewi", "biere"))

    assert [path for order in (lewi, biere) for path in contents(order) if path.endswith(".pem")] == []
    assert lewi.access
    assert lewi.access.url == "https://biere.example.org"
    assert biere.access is None, "its certificate is not for the address that is asked here"
    variables = telegraf.variables(WITH_A_PAIR.host("biere"), WITH_A_PAIR)
    assert variables["ARESMON_EDGE"] == "biere.example.org"
    assert (variables["ARESMON_URL"], variables["ARESMON_CA"]) == ("https://127.0.0.1:8086", "")


def test_a_password_of_the_second_user_is_brought_with_that_user_to_every_kind_of_agent() -> None:
    for name in ("biere", "lewi", "far.away"):
        order = made(name, password=f"2~next-of-{name}")

        assert order.access is not None
        assert (order.access.user, order.access.password) == (f"agent-{name}~2", f"2~next-of-{name}")
        files = {file.path: file.content.decode() for file in order.files}
        assert [path for path in files if f"agent-{name}~2" in files[path]] != []
        assert [path for path in files if f"2~next-of-{name}" in files[path]] == [SECRETS[name]]


def test_the_servers_own_secret_is_a_file_of_the_push_only_while_it_is_replaced() -> None:
    assert SECRETS["biere"] not in [file.path for file in made("biere").files]


SECRETS = {
    "biere": "/srv/ares/.aresmon/secrets/agent-biere",
    "lewi": "/etc/default/telegraf",
    "far.away": "/var/lib/aresmon/ares/agent/secrets/agent",
}
