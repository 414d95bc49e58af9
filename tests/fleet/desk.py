"""The desk that an operator pushes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import Popen
from typing import Any

from tests.engine.sites import Result, Site
from tests.fleet.operators import Operator
from tests.fleet.servers import Server
from tests.fleet.standing import Kept, Standing, kept, standing

# Reads and sends every second: a push is proven in two rather than twelve.
QUICK = """[agent]
  interval = "1s"
  flush_interval = "1s"
  precision = "1s"

[[inputs.mem]]
  fieldinclude = ["available_percent"]
"""

OTHER = QUICK + "[[inputs.swap]]\n"
"""The same and a little more: something new to push."""


_OUTPUT = """
[[outputs.influxdb]]
  urls = ["http://edge:8086"]
  database = "{database}"
  username = "agent-{host}"
  password = "{password}"
  skip_database_creation = true
"""


@dataclass(frozen=True)
class Pushed:
    """A push that has ended, and what it told of each host."""

    code: int
    hosts: Mapping[str, dict[str, Any]]
    result: Result

    @property
    def outcomes(self) -> dict[str, str]:
        return {host: str(told["outcome"]) for host, told in self.hosts.items()}

    def why(self, host: str) -> str:
        return str(self.hosts[host]["why"])

    def next(self, host: str) -> str:
        return str(self.hosts[host]["next"])

    def notes(self, host: str) -> list[str]:
        return [str(note) for note in self.hosts[host]["notes"]]


@dataclass
class Desk:
    """A site and who operates it. `env` are variables of their programs, besides their own."""

    site: Site
    operator: Operator
    env: dict[str, str] = field(default_factory=dict)

    def own(self, *servers: Server, text: str = OTHER) -> None:
        """Give hosts a whole configuration of the site's own, in place of their collectors."""
        for one in servers:
            self.site.override(f"agents/{one.name}.conf", text)

    def configure(self, host: str, **settings: Any) -> None:
        """Change settings of one host in aresmon.yml."""
        hosts = self.site.settings["hosts"]
        self.site.configure(hosts={**hosts, host: {**hosts[host], **settings}})

    def run(self, *arguments: str) -> Result:
        """Run aresmon as this operator."""
        return self.site.run(*arguments, env={**self.operator.env(), **self.env})

    def start(self, *arguments: str) -> Popen[str]:
        """Start aresmon as this operator, and leave it running."""
        return self.site.start(*arguments, env={**self.operator.env(), **self.env})

    def push(self, *arguments: str) -> Pushed:
        """Push to these hosts in one wave, whatever happens to one of them, and read what is told of each."""
        return pushed(self.run("push-config", "--canary", "0", "--json", *arguments))

    def verified(self, *servers: Server, text: str = QUICK) -> list[Standing]:
        """Bring a configuration to these servers; what stands there then is the old one of a test."""
        self.own(*servers, text=text)
        done = self.push(*(one.name for one in servers))
        assert done.outcomes == dict.fromkeys((one.name for one in servers), "verified"), done
        return [standing(one) for one in servers]

    def by_hand(self, server: Server, *, name: str = "") -> Standing:
        """Start an agent as somebody does who never heard of aresmon: no variables, no mark, maybe another name."""
        if name:
            server.write("/etc/telegraf/telegraf.d/name.conf", f'[agent]\n  hostname = "{name}"\n')
        password = self.site.secret(f"agent-{server.name}")
        server.write("/etc/telegraf/telegraf.conf", QUICK + output(server.name, literal=password))
        server.run("systemctl restart telegraf")
        return standing(server)

    def kept(self, *before: Standing) -> dict[str, Kept]:
        """Hold servers to the promise, side by side; what each of them runs now."""
        with ThreadPoolExecutor() as pool:
            words = list(pool.map(lambda one: kept(self.site, one), before))
        return {one.server.name: word for one, word in zip(before, words, strict=True)}


def output(host: str, *, database: str = "telegraf", literal: str = "") -> str:
    """A host's own output, in place of aresmon's; maybe with a password that stands in it in clear."""
    return _OUTPUT.format(host=host, database=database, password=literal or "${ARESMON_PASSWORD}")


def heard(process: Popen[str], *lines: str) -> None:
    """Wait until a push that was started has said all of these lines."""
    left = set(lines)
    while left:
        said = process.stdout.readline() if process.stdout else ""
        assert said, (left, process.communicate())
        left.discard(said.strip())


def pushed_by(process: Popen[str]) -> Pushed:
    """The end of a push that was started with --json."""
    out, err = process.communicate(timeout=240)
    return pushed(Result(process.returncode, out, err))


def pushed(result: Result) -> Pushed:
    """What a push with --json printed."""
    assert result.out.startswith("{"), result
    hosts = {one["host"]: one for one in json.loads(result.out)["hosts"]}
    return Pushed(result.code, hosts, result)


@contextmanager
def desk_of(site: Site, operator: Operator) -> Iterator[Desk]:
    """A desk; its own files and secrets of the site are as they were afterwards."""
    folder = site.state / "secrets"
    secrets = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    try:
        yield Desk(site, operator)
    finally:
        for file in (site.folder / "overrides").rglob("*.conf"):
            file.unlink()
        for file, content in secrets.items():
            file.write_bytes(content)
