"""What is rendered is taken by the very programs that will read it."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from aresmon.agents import check
from aresmon.config import collectors, package_data
from aresmon.config.collectors import CollectorUse
from aresmon.config.model import Host, load
from aresmon.engine.docker import Engine
from aresmon.engine.images import pins
from aresmon.render import telegraf
from aresmon.system import process
from aresmon.system.errors import AresmonError
from tests.engine.conftest import MakeSite
from tests.engine.sites import Site, client
from tests.harness import names

IMAGE = pins()["telegraf"].build
SHIPPED = collectors.load()
ARES = load((package_data.ROOT / "examples/ares/aresmon.yml").read_text(), SHIPPED)
PROJECT = names.fresh()
EXAMPLE = {"HAPROXY_STATS": "http://127.0.0.1:8404/stats"}
PROGRAMS = {"fail2ban": "fail2ban-client"}
"""The program that an input looks for when it starts, and that the container of the check does not have."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered bundle of the example."""
    folder = tmp_path_factory.mktemp("ares")
    shutil.copy(package_data.ROOT / "examples/ares/aresmon.yml", folder)
    result = Site(folder).run("render", "--output", str(folder / "bundle"))
    assert result.code == 0, result
    return folder / "bundle"


def variables(name: str) -> dict[str, str]:
    """What an agent of the example reads, with a password where a person fills it in."""
    return {"ARESMON_PASSWORD": "filled-in"} | telegraf.variables(ARES.host(name), ARES)


@pytest.mark.parametrize("host", [host.name for host in ARES.hosts])
def test_telegraf_takes_each_agent_of_the_example(engine: Engine, bundle: Path, host: str) -> None:
    configuration = (bundle / f"agents/{host}/telegraf.conf").read_bytes()

    check.check(engine, IMAGE, host, configuration, variables(host), project=PROJECT)


@pytest.mark.parametrize("name", SHIPPED)
def test_telegraf_takes_each_collector_by_itself(engine: Engine, name: str) -> None:
    frame = telegraf.TelegrafTemplates.of(package_data.package_files())
    options = SHIPPED[name].options
    # Not those that name a file: it is on the host, and the container of the check does not have it.
    named = {one.name: one.example for one in options.values() if one.example is not None}
    excluded = {other for one in options.values() for other in one.excludes}
    examples = {
        name: options[name].value(example)
        for name, example in named.items()
        if not str(example).startswith("/") and name not in excluded
    }
    use = CollectorUse(name, tuple(sorted(examples.items())))
    host = Host("box", "systemd", "box", (use,), ())
    configuration = telegraf.with_config_id(telegraf.configuration(host, SHIPPED, frame), "mark", frame).encode()

    given = variables("lewi") | EXAMPLE | telegraf.placeholders(host)
    missing = f'"{PROGRAMS.get(name)}": executable file not found'
    with pytest.raises(AresmonError, match=missing) if name in PROGRAMS else nullcontext():
        check.check(engine, IMAGE, "box", configuration, given, project=PROJECT)


@pytest.mark.parametrize(
    "missing", ["ARESMON_HOST", "ARESMON_URL", "ARESMON_USER", "ARESMON_PASSWORD", "HAPROXY_STATS"]
)
def test_a_variable_that_is_missing_is_named(engine: Engine, bundle: Path, missing: str) -> None:
    configuration = (bundle / "agents/biere/telegraf.conf").read_bytes()
    given = {name: value for name, value in variables("biere").items() if name != missing}

    with pytest.raises(AresmonError, match=missing) as refused:
        check.check(engine, IMAGE, "biere", configuration, given, project=PROJECT)

    assert "nothing was changed" in refused.value.hint


@pytest.mark.parametrize(
    ("fragment", "word"),
    [
        ("[[inputs.cpus]]\n", "cpus"),
        ('[[inputs.cpu]]\n  perpcu = "x"\n', "perpcu"),
        ("[[inputs.cpu]\n", "line"),
        ('[[inputs.file]]\n  files = ["x"]\n  interval = "soon"\n', "soon"),
    ],
)
def test_what_telegraf_does_not_know_is_refused_in_its_words(
    engine: Engine, bundle: Path, fragment: str, word: str
) -> None:
    configuration = (bundle / "agents/biere/telegraf.conf").read_bytes() + fragment.encode()

    with pytest.raises(AresmonError, match=word) as refused:
        check.check(engine, IMAGE, "biere", configuration, variables("biere"), project=PROJECT)

    assert refused.value.message.startswith("biere: Telegraf rejects the configuration: ")
    assert len(refused.value.message) < 500


def test_what_only_the_built_image_lacks_is_a_warning_for_a_systemd_host(engine: Engine, tmp_path: Path) -> None:
    whole = "[[inputs.beanstalkd]]\n[[inputs.procstat]]\n  pattern = 'sshd'\n[[inputs.cpu]]\n"
    (tmp_path / "lewi.conf").write_text(f"{whole}[[processors.topk]]\n", encoding="utf-8")
    (tmp_path / "ronflex.conf").write_text(f"{whole}  perpcu = 1\n[[inputs.cpus]]\n", encoding="utf-8")

    (tmp_path / "lewi").mkdir()
    (tmp_path / "lewi.conf").rename(tmp_path / "lewi" / "lewi.conf")
    _, warnings = check.check_folder(tmp_path / "lewi", ARES, SHIPPED, engine=engine, image=IMAGE)
    with pytest.raises(AresmonError) as refused:
        check.check_folder(tmp_path, ARES, SHIPPED, engine=engine, image=IMAGE)

    names = [one.split(" ")[1] for one in warnings if "was not checked" in one]
    assert names == ["inputs.beanstalkd", "processors.topk", "inputs.procstat"], warnings
    assert "perpcu" in refused.value.message
    assert "undefined but requested input: cpus" in refused.value.message


def test_a_check_leaves_no_container(engine: Engine, bundle: Path) -> None:
    check.check(
        engine,
        IMAGE,
        "lewi",
        (bundle / "agents/lewi/telegraf.conf").read_bytes(),
        variables("lewi"),
        project=PROJECT,
    )

    label = f"com.docker.compose.project={PROJECT}"
    assert client().containers.list(all=True, filters={"label": label}, ignore_removed=True) == []


def test_compose_takes_the_example_in_its_own_folder(bundle: Path) -> None:
    """As a person would by hand: the files and variables come from the bundle's `.env`."""
    done = process.run(["docker", "compose", "config", "-q"], cwd=bundle, check=False)

    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize("collect", [["system"], ["system", "docker"], None], ids=["plain", "with docker", "no agent"])
def test_compose_takes_each_shape_of_a_site(make_site: MakeSite, collect: list[str] | None) -> None:
    host = {"collect": collect} if collect else {"agent": "systemd"}
    site = make_site(hosts={"box": host})
    assert site.run("render").code == 0

    done = process.run(["docker", "compose", "config", "--services"], cwd=site.bundle)

    services = {"influxdb", "edge", "grafana", *(["telegraf"] if collect else [])}
    assert set(done.out.split()) == services
    assert done.err == ""


def test_haproxy_takes_the_edge_s_configuration(bundle: Path) -> None:
    output = (
        client()
        .containers.run(
            pins()["edge"].build,
            ["-c", "-f", "/etc/aresmon/haproxy.cfg"],
            entrypoint=["haproxy"],
            network_mode="none",
            remove=True,
            stderr=True,
            volumes={str(bundle / "edge"): {"bind": "/etc/aresmon", "mode": "ro"}},
        )
        .decode()
    )

    assert "Configuration file is valid" in output
    warnings = [line for line in output.splitlines() if "[WARNING]" in line and "could not resolve" not in line]
    assert warnings == []


def test_haproxy_would_refuse_a_broken_one(tmp_path: Path) -> None:
    """So that the test above means something."""
    (tmp_path / "haproxy.cfg").write_text((package_data.COMPOSE / "haproxy.cfg").read_text() + "  nonsense\n")
    tmp_path.chmod(0o755)
    run = ["docker", "run", "--rm", "--network", "none", "-v", f"{tmp_path}:/c:ro", "--entrypoint", "haproxy"]

    done = process.run([*run, pins()["edge"].build, "-c", "-f", "/c/haproxy.cfg"], check=False)

    assert done.code == 1
    assert "nonsense" in done.err
