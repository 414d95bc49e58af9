"""The health check of InfluxDB's container, by a real bash on a folder in place of the container's."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from aresmon.system import process
from tests.unit.conftest import REPOSITORY

# A function wins over what ends processes: the check would end the first one of whatever machine this is.
_HARMLESS = 'kill() { echo "end $1"; }\n'
_DAY = 86400


class Database:
    """A data folder, and its health check."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "influxdb"
        self.shard = self.data / "data" / "telegraf" / "raw" / "7"
        self.shard.mkdir(parents=True)
        shipped = (REPOSITORY / "compose" / "influxdb-health.sh").read_text(encoding="utf-8")
        places = {
            "/var/lib/influxdb": str(self.data),
            "/tmp/full": str(folder / "full"),
            "127.0.0.1/8086": "127.0.0.1/1",
        }
        for inside, here in places.items():
            assert inside in shipped
            shipped = shipped.replace(inside, here)
        self.script = folder / "health.sh"
        self.script.write_text(_HARMLESS + shipped, encoding="utf-8")

    def is_ended(self) -> bool:
        """Run the check once: whether it ended InfluxDB. Nobody answers here, so it never finds it well."""
        done = process.run(["bash", self.script], check=False)
        assert done.code == 1, done
        return "end 1" in done.out

    def put_aside(self, number: int) -> Path:
        file = self.shard / f"{number:09}-000000001.tsm.bad"
        file.touch()
        return file


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path)


def test_influxdb_is_ended_once_for_each_file_that_was_put_aside(database: Database) -> None:
    assert not database.is_ended()
    database.put_aside(1)
    assert [database.is_ended() for _ in range(3)] == [True, False, False]
    database.put_aside(2)
    assert [database.is_ended() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("shift", [-_DAY, _DAY], ids=["was ahead", "was behind"])
def test_influxdb_is_ended_once_for_each_file_whatever_becomes_of_the_clock(database: Database, shift: int) -> None:
    """A clock that was ahead and is put right dates a mark before its file; one that was behind, after the next."""
    for number in (1, 2):
        database.put_aside(number)
        assert database.is_ended()
        for file in database.data.glob(".*"):
            os.utime(file, (time.time() + shift, time.time() + shift))

        assert [database.is_ended() for _ in range(3)] == [False, False, False]


def test_a_file_that_is_put_aside_again_under_its_former_name_is_another(database: Database) -> None:
    file = database.put_aside(1)
    assert database.is_ended()
    file.unlink()
    assert not database.is_ended()

    database.put_aside(1)

    assert [database.is_ended() for _ in range(2)] == [True, False]
