"""What a plug-in really sends on this machine: Telegraf reads it for some seconds, and prints what it read."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aresmon.agents import line_protocol, plugin_names
from aresmon.agents.line_protocol import Point
from aresmon.config import masks, telegraf_toml
from aresmon.config.telegraf_toml import TelegrafTomlError
from aresmon.engine.docker import Engine
from aresmon.engine.images import tar_of
from aresmon.system import process
from aresmon.system.errors import AresmonError
from aresmon.system.json_schema import did_you_mean

SECONDS = 9
"""The time for the readings, one every two seconds."""

_FOLDER = "etc/telegraf"
_AGENT = """\
[agent]
  interval = "2s"
  flush_interval = "1s"
  flush_jitter = "0s"
  omit_hostname = true
[[outputs.file]]
  files = ["stdout"]
  data_format = "influx"
"""
_INTERVAL = re.compile(r"^[ \t]*interval[ \t]*=[^\n]*\n?", re.MULTILINE)
_SECRET = re.compile(masks.NAMES, re.IGNORECASE)
_SAID = re.compile(r" E! (?:\[inputs\.[^\]]*\] (?:Error in plugin: )?|\[telegraf\] )?(.*)")
# As compose/agent.yml gives a container the machine.
_HOST_MOUNT = "/hostfs"
_IN_CONTAINER = {"HOST_MOUNT_PREFIX": _HOST_MOUNT} | {
    f"HOST_{name.upper()}": f"{_HOST_MOUNT}/{name}" for name in ("proc", "sys", "etc", "var", "run", "dev")
}

Run = Callable[[Sequence[str], Mapping[str, str]], str]
"""Runs a command with these files, by their names below the root, and returns all that it prints."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a plug-in sent, `settings` being the lines of its table."""

    plugin: str
    settings: str = field(repr=False)
    points: tuple[Point, ...] = field(repr=False)


def on_machine(*, program: str = "telegraf") -> Run | None:
    """Run the Telegraf that is installed here; None without one."""
    if shutil.which(program) is None:
        return None

    def run(command: Sequence[str], files: Mapping[str, str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)  # it may have a secret in it
                path.write_text(text, encoding="utf-8")
            argv = [word.replace("/" + _FOLDER, f"{folder}/{_FOLDER}") for word in command]
            done = process.run(argv, timeout=SECONDS + 20, check=False)
            return done.out + done.err

    return run


def in_image(engine: Engine, image: str, project: str) -> Run:
    """Run the Telegraf of an image, with the network of this machine, and its files below /hostfs."""

    def run(command: Sequence[str], files: Mapping[str, str]) -> str:
        contents = tar_of({name: text.encode() for name, text in files.items()})
        environment = [f"{name}={value}" for name, value in _IN_CONTAINER.items()]
        return engine.run_beside(
            image, command, project=project, files=contents, environment=environment, root=_HOST_MOUNT
        )[1]

    return run


def take(run: Run, plugin: str, given: Sequence[str], text: str = "") -> Sample:
    """Read a plug-in several times. `given` are settings as `urls=http://127.0.0.1/status`; a name that is given
    several times is a list, and so is one that is a list in Telegraf's example. `text` are lines of its table.

    Raises AresmonError with what Telegraf says where it sends nothing.
    """
    plugin = plugin.removeprefix("inputs.")
    known = plugin_names.whole()["inputs"]
    if plugin not in known:
        raise AresmonError(
            f"Telegraf has no input {plugin}{did_you_mean(plugin, known)}",
            hint="`telegraf plugins inputs` lists the inputs of a Telegraf",
        )
    usage = run(["telegraf", "--usage", plugin], {})
    if f"[[inputs.{plugin}]]" not in usage:
        raise AresmonError(
            f"this Telegraf has no input {plugin}",
            hint="an image that was built here has some inputs only; install Telegraf's package on this machine",
        )
    settings = "".join(f"  {line}\n" for line in _lines(given, usage)) + text
    _check(settings, plugin)
    body = f"{_AGENT}[[inputs.{plugin}]]\n{_INTERVAL.sub('', settings)}"
    command = ["timeout", "--signal=INT", "--kill-after=3", str(SECONDS), "telegraf"]
    said = run([*command, "--config", f"/{_FOLDER}/telegraf.conf"], {f"{_FOLDER}/telegraf.conf": body})
    points = tuple(line_protocol.parse(said))
    if not points:
        raise _nothing(plugin, said, usage)
    return Sample(plugin, settings, points)


def _lines(given: Sequence[str], usage: str) -> list[str]:
    """Settings as lines of TOML, each value of the type that it has in Telegraf's example."""
    values: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise AresmonError(f"--set {name} is no setting", hint="write it as --set urls=http://127.0.0.1/status")
        if _SECRET.search(name):
            raise AresmonError(
                f"--set {name} would show a secret in the list of processes",
                hint="write the settings into a file that only you can read, and give it with --settings FILE",
            )
        values.setdefault(name, []).append(value)
    return [f"{name} = {_value(name, several, usage)}" for name, several in values.items()]


def _value(name: str, several: Sequence[str], usage: str) -> str:
    example = re.search(rf"^[ \t#]*{name}[ \t]*=[ \t]*(\S)", usage, re.MULTILINE)
    kind = example[1] if example else '"'
    if len(several) == 1 and several[0].lstrip().startswith(("[", '"', "'", "{")):
        return several[0]
    if kind == "[" or len(several) > 1:
        return f"[{', '.join(_quoted(one) for one in several)}]"
    is_plain = kind != '"' and re.fullmatch(r"-?[0-9.]+|true|false", several[0])
    return several[0] if is_plain else _quoted(several[0])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _check(settings: str, plugin: str) -> None:
    try:
        telegraf_toml.parse(f"[[inputs.{plugin}]]\n{settings}")
    except TelegrafTomlError as error:
        raise AresmonError(
            f"the settings of {plugin} are not TOML: line {error.line - 1}: {error.what}",
            hint="write them as in the example that `telegraf --usage` prints, without the heading of the table",
        ) from None


def _nothing(plugin: str, said: str, usage: str) -> AresmonError:
    errors = list(dict.fromkeys(found[1] for found in map(_SAID.search, said.splitlines()) if found))
    example = [line.strip() for line in usage.splitlines() if re.match(r"  [a-z_]+ = ", line)]
    hint = "give its settings with --set NAME=VALUE or --settings FILE"
    if example:
        hint += f"; those of Telegraf's example: {'; '.join(example[:3])}"
    why = f": {errors[0][:400]}" if errors else f" within {SECONDS} s"
    return AresmonError(f"inputs.{plugin} sent nothing{why}", hint=hint)
