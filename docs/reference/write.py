"""Write the reference pages from the schema, the command line and the catalogue.

`python -m docs.reference.write` writes the pages that changed. With `--check` it writes nothing, names the stale
pages, and exits with 1 if there are any.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from aresmon.cli.collector_page import collector_notes
from aresmon.cli.main import app
from aresmon.config import collector_options, collectors, view_files
from aresmon.config.collector_options import Option
from aresmon.config.package_data import site_schema
from aresmon.config.views import Alert
from aresmon.doctor.findings import kinds
from aresmon.system.errors import ExitCode, any_of

FOLDER = Path(__file__).parent
EXAMPLE = FOLDER.parents[1] / "examples" / "ares" / "aresmon.yml"
_GENERATED = "<!-- Written by `make reference`. Do not edit: change what it describes. -->\n\n"
_LATER = "**Not in this release.** "

EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.DONE: "Done, or nothing to do.",
    ExitCode.REFUSED: "Refused or failed. Nothing was changed, or the message says what was.",
    ExitCode.USAGE: "The command line is wrong.",
    ExitCode.ROLLED_BACK: "Rolled back: a host runs its previous configuration again.",
    ExitCode.BROKEN: "Broken or unknown. A person must look.",
    ExitCode.DEGRADED: (
        "Degraded: `status`, `doctor` or `drift` found problems, or only a part could be started or reached."
    ),
    ExitCode.INTERRUPTED: "Interrupted. Run the same command again to continue.",
}
OUTPUT = """\
If standard output cannot be written, because a disk is full or because it is closed, a command completes its work, says
so on standard error, and ends with 1 instead of 0. If the reader of a pipe is gone, as in `aresmon status | head -1`, a
command ends by SIGPIPE like other programs, after what was under way is handled as after ^C.
"""


def pages() -> dict[str, str]:
    """Every generated file, by its name in this folder."""
    return {
        "aresmon-yml.md": _GENERATED + settings_page(),
        "aresmon.schema.json": _schema(),
        "collectors.md": _GENERATED + collectors_page(),
        "commands.md": _GENERATED + commands_page(),
        "findings.md": _GENERATED + findings_page(),
    }


def _schema() -> str:
    return json.dumps(collectors.editor_schema(collectors.load()), indent=2, ensure_ascii=False) + "\n"


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of the files that differ from what would be written now."""
    return [name for name, text in pages().items() if _read(folder / name) != text]


# aresmon.yml -----------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every setting, its form, its default and an example."""
    schema = site_schema()
    parts = [
        "# aresmon.yml\n",
        f"{schema['description']} Only `hosts` is required; everything else has a default. An unknown key is an "
        "error. `aresmon check` reports all errors at once, with line numbers.\n",
        "For editors that support JSON Schema: [aresmon.schema.json](aresmon.schema.json), or `aresmon schema`.\n",
        f"```yaml\n{EXAMPLE.read_text(encoding='utf-8').rstrip()}\n```\n",
    ]
    for name, setting in schema["properties"].items():
        parts.append(f"## `{name}`\n")
        below = list(_below(name, setting))
        if below != [(name, setting)]:
            parts.append(_sentence(setting))
        if below:
            parts.append(_table("Setting", "Description", "Format", "Default", "Example", rows=map(_row, below)))
    return "\n".join(parts)


def settings() -> list[str]:
    """The dotted name of every setting; `<host>` stands for a host's name, `[]` for one of a list."""
    names = []
    for name, setting in site_schema()["properties"].items():
        names.append(name)
        names.extend(path for path, _ in _below(name, setting))
    return names


def _below(path: str, setting: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The settings inside this one, from the outside in; none for a plain value, which describes itself."""
    inner = _resolved(setting)
    if "properties" not in inner and inner.get("type") != "object" and "items" not in inner:
        yield path, setting
    for name, each in inner.get("properties", {}).items():
        yield from _listed(f"{path}.{name}", each)
    if isinstance(inner.get("additionalProperties"), dict) and "properties" in inner["additionalProperties"]:
        yield from _below(f"{path}.<{inner['additionalProperties']['title']}>", inner["additionalProperties"])
    if "properties" in inner.get("items", {}):
        yield from _below(f"{path}[]", inner["items"])


def _listed(path: str, setting: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, setting
    each = setting.get("additionalProperties")
    if "properties" in setting or "properties" in setting.get("items", {}):
        yield from _below(path, setting)
    elif isinstance(each, dict) and "properties" in each:
        yield from _below(f"{path}.<{each['title']}>", each)


def _row(named: tuple[str, Mapping[str, Any]]) -> tuple[str, ...]:
    path, setting = named
    default = _code(setting["default"]) if "default" in setting else ""
    examples = ", ".join(_code(one) for one in setting.get("examples", []))
    return f"`{path}`", _sentence(setting).rstrip(), _form(setting), default, examples


def _sentence(setting: Mapping[str, Any]) -> str:
    later = setting.get("x-later", "")
    told = f" {_LATER}{later[0].upper()}{later[1:]}." if later else ""
    return f"{setting.get('description', '')}{told}\n"


def _form(setting: Mapping[str, Any]) -> str:
    inner = _resolved(setting)
    if "enum" in inner:
        return " or ".join(f"`{value}`" for value in inner["enum"])
    if "x-form" in inner:
        return str(inner["x-form"])
    if inner.get("type") == "array":
        return "a list"
    if inner.get("type") == "object":
        values = inner.get("additionalProperties")
        form = values.get("x-form", "") if isinstance(values, dict) else ""
        return f"a mapping; each value is {form}" if form else "a mapping"
    return f"a text of {inner['minLength']} characters at least" if inner.get("minLength", 0) > 1 else "a text"


def _resolved(setting: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in setting:
        return setting
    shared = site_schema()["$defs"][setting["$ref"].rpartition("/")[2]]
    return {**shared, **{key: value for key, value in setting.items() if key != "$ref"}}


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


# The doctor ------------------------------------------------------------------------------------------


def findings_page() -> str:
    """Every kind of finding: the healthy state, why it matters, how to fix it."""
    parts = ["# Doctor findings\n", "[Diagnosis with doctor](../doctor.md) explains how to read them.\n"]
    for group, alike in groupby(kinds().values(), key=lambda kind: kind.group):
        parts.append(f"## {group}\n")
        rows = ((f"`{one.name}`", one.severity, one.good, one.why, one.next) for one in alike)
        parts.append(_table("Finding", "Severity", "Healthy state", "Why it matters", "How to fix it", rows=rows))
    return "\n".join(parts)


# The command line ------------------------------------------------------------------------------------


def commands_page() -> str:
    """The help of every command, as the terminal shows it, and the exit codes."""
    parts = ["# Commands\n", "The output of `--help` for each command. All commands use the same exit codes.\n"]
    rows = ((str(int(code)), meaning) for code, meaning in EXIT_CODES.items())
    parts.append(_table("Exit code", "Meaning", rows=rows))
    parts.append(OUTPUT)
    for words in commands():
        parts.append(f"## `{' '.join(['aresmon', *words])}`\n")
        parts.append(f"```text\n{help_of(words)}```\n")
    return "\n".join(parts)


def commands() -> list[tuple[str, ...]]:
    """Every command by its words after `aresmon`: `()` for itself, `("images", "pull")`."""
    return [(), *_walk(get_command(app), ())]


def _walk(command: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The commands below this one in the order of its help, without aliases."""
    if isinstance(command, TyperGroup):
        for name in command.list_commands(typer.Context(command)):
            if not command.commands[name].hidden:
                yield (*above, name)
                yield from _walk(command.commands[name], (*above, name))


def help_of(words: tuple[str, ...]) -> str:
    """The help of one command, 80 columns wide."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="aresmon", env={"COLUMNS": "80"})
    return "\n".join(line.rstrip() for line in result.output.splitlines()) + "\n"


# The catalogue ---------------------------------------------------------------------------------------


def collectors_page() -> str:
    """Every shipped collector: its purpose, the variables it requires, its inputs and the fields that they keep."""
    parts = [
        "# Shipped collectors and alerts\n",
        "A collector is one thing to monitor: [a file of Telegraf inputs, and a file of panels and alerts]"
        "(../collectors.md). `hosts.<host>.collect` lists the collectors of a host. A collector of your own in "
        "`overrides/collectors/NAME.conf` replaces the shipped one of the same name "
        "([tutorial](../tutorial.md#add-a-collector-of-your-own)). The inputs are described in "
        "[Telegraf's documentation](https://docs.influxdata.com/telegraf/v1/plugins/).\n",
    ]
    views = view_files.load()
    for name, collector in sorted(collectors.load().items()):
        parts.append(f"## `{name}`\n")
        parts.append(f"{collector.title}\n")
        for note in collector_notes(collector):
            parts.append(f"{note}\n")
        if collector.options:
            rows = map(_option, collector.options.values())
            parts.append(_table("Option", "Description", "Format", "Default", "Example", rows=rows))
        parts.append(_table("Input", "Fields kept", rows=_inputs(collector.text)))
        if name in views:
            parts.append(
                _table("Panel", "What it shows", rows=((one.title, one.description) for one in views[name].panels))
            )
            parts.append(_table("Alert", "Fires", "Next", rows=map(_alert, views[name].alerts)))
    return "\n".join(parts)


def _option(one: Option) -> tuple[str, ...]:
    plain = collector_options.plain(one.default)
    instead = f", or {any_of(one.unless)}" if one.unless else ""
    default = f"required{instead}" if one.is_required else "" if plain is None else _code(plain)
    return f"`{one.name}`", one.description, one.wanted, default, "" if one.example is None else _code(one.example)


def _alert(alert: Alert) -> tuple[str, str, str]:
    sign = "below" if alert.levels.falling else "above"
    levels = ", ".join(f"{value:g} {severity}" for severity, value in alert.levels.steps)
    lasting = f", for {_span(alert.lasting)}" if alert.lasting else ""
    fires = f"{sign} {levels} ({alert.unit}) over {_span(alert.over)}{lasting}: {alert.summary}"
    return f"`{alert.id}`", fires, alert.next


def _span(seconds: int) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _inputs(text: str) -> Iterator[tuple[str, str]]:
    for name, tables in tomllib.loads(text)["inputs"].items():
        for table in tables:
            kept = ", ".join(f"`{field}`" for field in table.get("fieldinclude", [])) or "all"
            yield f"`{name}`", kept


# Writing ---------------------------------------------------------------------------------------------


def _table(*columns: str, rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def main(arguments: list[str], say: Callable[[str], object]) -> int:
    """Write the stale files, or only name them with `--check`. Returns the exit code."""
    is_check = arguments == ["--check"]
    if arguments and not is_check:
        say("usage: python -m docs.reference.write [--check]\n")
        return ExitCode.USAGE
    wanted = pages()
    names = stale()
    for name in names:
        if not is_check:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        say(f"docs/reference/{name} {'is stale: run `make reference`' if is_check else 'is written'}\n")
    return ExitCode.REFUSED if is_check and names else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout.write))
