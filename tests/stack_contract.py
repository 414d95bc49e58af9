"""What every stack promises, wherever it runs. Unit tests run these for both kinds here, fleet tests over ssh."""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from aresmon.site import ca, tls_migration
from aresmon.stack.access import Stack
from aresmon.system.errors import AresmonError

T = TypeVar("T")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECRETS = {"agent-lewi": "secret-of-lewi", "influxdb-admin": "secret-of-admin"}
BLOCKED = {"lewi": "2026-11-24T10:00:00+00:00", "ronflex": "2026-11-24T11:00:00+00:00"}


class StackCase(Protocol):
    """A stack with these secrets. `state` is the site's `.aresmon` folder, which tests read and write themselves."""

    @property
    def stack(self) -> Stack: ...
    @property
    def state(self) -> Path: ...

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run one call of the stack's."""
        ...

    def received(self) -> bytes:
        """Everything that came over the transport so far, decoded too; nothing where there is none."""
        ...


def write_secrets(state: Path) -> None:
    """The secrets of a case, as `up` makes them."""
    (state / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name, value in SECRETS.items():
        (state / "secrets" / name).write_text(value)
        (state / "secrets" / name).chmod(0o600)


def files(case: StackCase) -> set[str]:
    """Every file in the folder, by its relative path."""
    return {str(path.relative_to(case.state)) for path in case.state.rglob("*") if path.is_file()}


class StackContract:
    """The tests; a subclass, or its module, has the fixture `case`."""

    def test_a_secret_is_read_and_a_missing_one_is_an_error(self, case: StackCase) -> None:
        assert case.stack.secret("agent-lewi") == SECRETS["agent-lewi"]
        with pytest.raises(AresmonError, match="agent-nobody"):
            case.stack.secret("agent-nobody")

    def test_a_secret_is_written_for_its_owner_alone_and_deleted(self, case: StackCase) -> None:
        case.run(case.stack.write_secret("agent-lewi~next", "2~another"))

        path = case.state / "secrets" / "agent-lewi~next"
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"2~another", 0o600)
        assert path.stat().st_uid == case.state.stat().st_uid
        assert case.stack.secret("agent-lewi~next") == "2~another"

        for _ in range(2):
            case.run(case.stack.delete_secret("agent-lewi~next"))
        assert not path.exists()
        with pytest.raises(AresmonError):
            case.stack.secret("agent-lewi~next")

    def test_a_secret_that_others_could_read_is_written_for_its_owner_alone(self, case: StackCase) -> None:
        path = case.state / "secrets" / "agent-lewi"
        path.chmod(0o644)

        case.run(case.stack.write_secret("agent-lewi", "another"))

        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"another", 0o600)
        assert case.stack.secret("agent-lewi") == "another"

    def test_no_host_is_blocked_where_there_is_no_list(self, case: StackCase) -> None:
        assert case.run(case.stack.blocked_hosts()) == {}

        case.run(case.stack.remove_block("lewi"))

        assert "blocked.json" not in files(case)

    def test_a_block_is_removed_and_the_other_hosts_and_the_file_s_mode_stay(self, case: StackCase) -> None:
        path = case.state / "blocked.json"
        path.write_text(json.dumps(BLOCKED))
        path.chmod(0o640)
        before = files(case)

        assert case.run(case.stack.blocked_hosts()) == BLOCKED
        for _ in range(2):
            case.run(case.stack.remove_block("lewi"))

        assert case.run(case.stack.blocked_hosts()) == {"ronflex": BLOCKED["ronflex"]}
        assert path.stat().st_mode & 0o777 == 0o640
        assert files(case) == before

    @pytest.mark.parametrize("content", ["", "{", "[]"])
    def test_a_list_that_cannot_be_parsed_is_an_error_and_stays(self, case: StackCase, content: str) -> None:
        path = case.state / "blocked.json"
        path.write_text(content)

        with pytest.raises(AresmonError, match=r"blocked\.json.*cannot be read"):
            case.run(case.stack.blocked_hosts())
        with pytest.raises(AresmonError, match=r"blocked\.json.*cannot be read"):
            case.run(case.stack.remove_block("lewi"))

        assert path.read_text() == content

    @pytest.mark.parametrize("before", [None, b"", b"one\n"])
    def test_a_file_is_swapped_only_while_it_is_as_expected(self, case: StackCase, before: bytes | None) -> None:
        path = case.state / "list"
        if before is not None:
            path.write_bytes(before)

        assert not case.run(case.stack.swap_file("list", b"something else", b"lost"))
        assert case.run(case.stack.swap_file("list", before, b"two\n"))
        assert not case.run(case.stack.swap_file("list", before, b"lost"))
        assert case.run(case.stack.read_file("list")) == b"two\n"
        assert case.run(case.stack.swap_file("list", b"two\n", b""))
        assert case.run(case.stack.read_file("list")) == b""
        assert path.stat().st_uid == case.state.stat().st_uid

    def test_a_host_that_is_blocked_during_an_update_stays_blocked(self, case: StackCase) -> None:
        path = case.state / "blocked.json"
        path.write_text(json.dumps(BLOCKED))
        tries = 0

        def change(content: bytes | None) -> bytes | None:
            nonlocal tries
            tries += 1
            known = json.loads(content or b"{}")
            if tries == 1:  # after our reading, and before our writing
                path.write_text(json.dumps({**known, "biere": "2026-11-24T12:00:00+00:00"}))
            return json.dumps({host: since for host, since in known.items() if host != "lewi"}).encode()

        case.run(case.stack.update_file("blocked.json", change))

        assert tries == 2
        assert set(case.run(case.stack.blocked_hosts())) == {"ronflex", "biere"}

    def test_a_file_that_changes_each_time_is_an_error_and_is_not_overwritten(self, case: StackCase) -> None:
        path, numbers = case.state / "list", iter(range(100))

        def change(_: bytes | None) -> bytes | None:
            path.write_text(str(next(numbers)))
            return b"ours"

        with pytest.raises(AresmonError, match=r"list.* was changed by another process"):
            case.run(case.stack.update_file("list", change))

        assert path.read_text().isdigit()

    def test_a_change_waits_while_another_process_changes_the_folder(self, case: StackCase) -> None:
        path = case.state / "list"
        path.write_text("one")
        handle = os.open(case.state, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)

        def finish() -> None:
            path.write_text("two")
            os.close(handle)

        timer = threading.Timer(1, finish)
        timer.start()
        swapped = case.run(case.stack.swap_file("list", b"one", b"ours"))
        timer.join()

        assert (swapped, path.read_text()) == (False, "two")

    @pytest.mark.parametrize("known", ["both", "the present one", "none"])
    def test_a_host_whose_data_arrives_by_tls_is_recorded(self, case: StackCase, known: str) -> None:
        folder = case.state / "authority"
        ca.ensure(folder, ["biere"], NOW)
        present = ca.trusted_certificates(folder)
        ca.prepare_next(folder, NOW)
        (folder / tls_migration.IN_CLEAR).write_text("biere\nbiere2\nlewi\n")
        (folder / tls_migration.WITH_NEXT).write_text("lewi\n")
        trusted = {"both": ca.trusted_certificates(folder), "the present one": present, "none": ""}[known]
        before = files(case)

        for _ in range(2):
            case.run(case.stack.record_tls("biere", trusted.encode()))

        assert (folder / tls_migration.IN_CLEAR).read_text() == "biere2\nlewi\n"
        expected = "biere\nlewi\n" if known == "both" else "lewi\n"
        assert (folder / tls_migration.WITH_NEXT).read_text() == expected
        assert files(case) == before

    def test_nothing_is_recorded_where_no_change_of_the_authority_is_under_way(self, case: StackCase) -> None:
        folder = case.state / "authority"
        ca.ensure(folder, ["biere"], NOW)
        before = files(case)

        case.run(case.stack.record_tls("biere", ca.trusted_certificates(folder).encode()))

        assert files(case) == before

    def test_the_private_key_of_the_next_authority_stays_where_it_is(self, case: StackCase) -> None:
        folder = case.state / "authority"
        ca.ensure(folder, ["biere"], NOW)
        ca.prepare_next(folder, NOW)

        case.run(case.stack.record_tls("biere", ca.trusted_certificates(folder).encode()))
        found = case.run(case.stack.read_certificates(f"authority/{ca.NEXT}"))

        assert found == ca.certificates(folder / ca.NEXT).encode()
        content = (folder / ca.NEXT).read_bytes()
        (key,) = re.findall(rb"PRIVATE KEY-----\n(.*?)\n-----END", content, re.DOTALL)
        assert [line for line in key.splitlines() if line in case.received()] == []
        assert b"PRIVATE KEY" not in found + case.received()
