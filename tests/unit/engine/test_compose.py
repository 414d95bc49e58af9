"""`docker compose` as a program: the command line, the shell's variables, and what its failures mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aresmon.engine.compose import Compose
from aresmon.system import process
from aresmon.system.errors import AresmonError
from aresmon.system.process import Completed, ProcessError

Answer = Callable[..., list[tuple[str, ...]]]


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    (tmp_path / ".env").write_text(
        "# ours\nCOMPOSE_FILE='compose.yml:/srv/overrides/compose.yml'\nARESMON_PROJECT='ares'\n"
    )
    return Compose(tmp_path, Path("/srv/bundle"))


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Let programs answer this; the command lines that were run."""

    def answer(code: int = 0, out: str = "", err: str = "", version: str = "") -> list[tuple[str, ...]]:
        ran: list[tuple[str, ...]] = []

        def run(argv: Sequence[Any], *, env: Mapping[str, str | None] | None = None, **_: Any) -> Completed:
            ran.append(tuple(map(str, argv)))
            if "version" in argv:
                return Completed(ran[-1], 0 if version else 1, version, "")
            return Completed(ran[-1], code, out, err)

        monkeypatch.setattr(process, "run", run)
        return ran

    return answer


def test_the_files_and_variables_are_the_bundles_and_relative_paths_start_at_the_project(compose: Compose) -> None:
    argv = compose.argv("config")

    assert argv == [
        *("docker", "compose", "--project-name", "ares", "--project-directory", "/srv/bundle"),
        *("--env-file", f"{compose.folder}/.env"),
        *("--file", f"{compose.folder}/compose.yml", "--file", "/srv/overrides/compose.yml"),
        *("--progress", "plain", "config"),
    ]


def test_the_callers_variables_do_not_win_over_the_bundles(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROFILES", "all")

    taken_out = compose.environment()

    assert {"COMPOSE_FILE", "ARESMON_PROJECT", "COMPOSE_PROFILES"} <= set(taken_out)
    assert set(taken_out.values()) == {None}


def test_the_hash_of_each_service_is_read(compose: Compose, answer: Answer) -> None:
    answer(out="edge abc\ninfluxdb def\n\n")

    assert compose.hashes() == {"edge": "abc", "influxdb": "def"}


def test_services_are_started_alone_and_only_those_that_are_named(compose: Compose, answer: Answer) -> None:
    ran = answer()

    compose.up(["edge", "grafana"])
    compose.up(["edge"], recreate=True)
    compose.up([])

    plain, anew = (argv[argv.index("up") :] for argv in ran)
    assert (plain[-2:], anew[-1]) == (("edge", "grafana"), "edge")
    assert {"--detach", "--no-deps", "--no-build"} <= set(plain) & set(anew)
    assert set(anew) - set(plain) == {"--force-recreate"}


def test_a_failure_carries_composes_own_words(compose: Compose, answer: Answer) -> None:
    answer(1, err="services.edge: bad port")

    with pytest.raises(ProcessError, match=r"docker compose up failed with code 1: services\.edge: bad port"):
        compose.up(["edge"])


def test_an_engine_without_a_free_address_range_is_told_with_what_to_do(compose: Compose, answer: Answer) -> None:
    # As engine 20.10 says it; 28 says "all predefined address pools have been fully subnetted".
    said = "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"
    answer(1, err=f"failed to create network ares_front: Error response from daemon: {said}")

    with pytest.raises(ProcessError) as caught:
        compose.up(["edge"])

    assert "address ranges" in caught.value.hint
    assert {"`docker network prune`", "`default-address-pools`"} <= set(re.findall(r"`[^`]+`", caught.value.hint))


@pytest.mark.parametrize(
    ("err", "version", "what"),
    [
        ("docker: 'compose' is not a docker command.", "", "Docker Compose v2 is not installed"),
        ("unknown shorthand flag: 'f' in -f", "", "Docker Compose v2 is not installed"),
        ("unknown flag: --progress", "v2.6.0", "Docker Compose 2.6.0 is too old; 2.17 is the oldest supported version"),
    ],
)
def test_a_compose_that_is_missing_or_too_old_is_told_as_that(
    compose: Compose, answer: Answer, err: str, version: str, what: str
) -> None:
    answer(1, err=err, version=version)

    with pytest.raises(AresmonError) as caught:
        compose.up(["edge"])

    assert caught.value.message.startswith(what)
    assert "docker-compose-v2" in caught.value.hint


def test_a_compose_that_was_interrupted_interrupts_us(compose: Compose, answer: Answer) -> None:
    answer(130)

    with pytest.raises(KeyboardInterrupt):
        compose.up(["edge"])
