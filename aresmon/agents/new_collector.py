"""The two files of a new collector, from what its plug-in sends: a draft to be read and shortened by a person."""

from __future__ import annotations

import functools
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from aresmon.agents import field_kinds
from aresmon.agents.field_kinds import SeenField, SeenMeasurement
from aresmon.agents.sampling import Sample
from aresmon.config import collectors, masks, view_files
from aresmon.config.collector_options import secret_name
from aresmon.config.collectors import Collector
from aresmon.system import files
from aresmon.system.errors import AresmonError

_KINDS = ("gauges", "peaks", "lows", "counters", "states")
_SHOWN = {"gauges": ("gauges", "peaks", "lows"), "counters": ("counters",)}
_SECRET = re.compile(
    rf"""^(?P<before>[ \t]*(?P<name>\w*(?:{masks.NAMES})\w*)[ \t]*=[ \t]*)
        (?P<quote>["'])(?!\$|\{{\{{).+(?P=quote)[ \t]*$""",
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_MANY = 10  # values of a tag
_SERIES = 6  # of a panel
_WIDTH = 116
# The unit of a field by its name, and of its increase a second.
_UNITS = (
    (re.compile(r"percent"), "percent", "percent"),
    (re.compile(r"(?:^|_)bytes(?:_|$)|(?:^|_)memory(?:_|$)"), "bytes", "Bps"),
    (re.compile(r"(?:_ms|milliseconds)(?:_|$)"), "ms", "ms"),
    (re.compile(r"(?:_s|seconds|uptime)(?:_|$)"), "s", "s"),
    (re.compile(r"(?:^|_)requests(?:_|$)"), "short", "reqps"),
    (re.compile(""), "short", "ops"),
)
_WORDS = {"percent": "percent", "bytes": "bytes", "ms": "milliseconds", "s": "seconds", "short": "values"}
_RATES = {
    "Bps": "bytes",
    "reqps": "requests",
    "ops": "events",
    "percent": "percent",
    "ms": "milliseconds",
    "s": "seconds",
}
_DESCRIPTION = "What is normal here, and what to do if it is not. Write it before you need it."


def write(folder: Path, name: str, sample: Sample) -> tuple[Path, Path]:
    """Write both files into a folder of collectors. Nothing is written if one of them cannot be made."""
    conf, yml = paths(folder, name)
    contents = {conf: configuration(name, sample).encode(), yml: view(name, sample).encode()}
    Collector(name, contents[conf].decode(), conf).check()
    view_files.read(contents[yml].decode(), name, file=str(yml))
    files.write_together(contents)
    return conf, yml


def paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where the files of a new collector are. Raises AresmonError for a name that is wrong, or taken."""
    conf, yml = folder / f"{name}.conf", folder / f"{name}.yml"
    collectors.check_name(conf)
    for path in (conf, yml):
        if path.exists():
            raise AresmonError(f"{path} exists already", hint="choose another name, or move that file away")
    shipped = collectors.load().get(name)
    if shipped is not None:
        raise AresmonError(
            f"there is a collector {name} already: {shipped.title}",
            hint=f"choose another name; `aresmon collectors show {name}` shows that one",
        )
    return conf, yml


def configuration(name: str, sample: Sample) -> str:
    """`NAME.conf`. A setting that is a password or a token becomes an option that is a secret.

    Raises AresmonError where a secret is in a setting that is not one itself, such as an address.
    """
    settings, secrets = _without_secrets(sample.settings, name)
    seen = field_kinds.measurements(sample.points, _known())
    options = "".join(
        f"[options.{one.lower()}]\n  secret = true\n  required = true\n"
        f'  example = {{secret = {json.dumps(secret_name(name))}}}\n  description = "What `{one}` of the plug-in is."\n'
        for one in secrets
    )
    return (
        f"# {name}: what the input {sample.plugin} sends. This line is the collector's title: say what it watches.\n"
        "# A draft of `aresmon collectors new`: shorten the lists, then run `aresmon check`.\n"
        "\n[collector]\n"
        "  # What must be there on the host; messages about an input that fails repeat it.\n"
        '  # needs = "a user who may read statistics"\n'
        f"{options and chr(10)}{options}\n"
        f"[[inputs.{sample.plugin}]]\n{settings}"
        f"{''.join(_about_tags(seen))}"
        "  # Leave only the fields that a panel or an alert shows: each costs space for as long as data is kept.\n"
        f"  fieldinclude = [\n{_listed(_field_names(seen))}  ]\n"
    )


def view(name: str, sample: Sample) -> str:
    """`NAME.yml`: the measurements with each field's kind and reason, and a panel for fields of each kind."""
    seen = field_kinds.measurements(sample.points, _known())
    parts = [
        f"# What inputs.{sample.plugin} sends, as seen on this machine. docs/views.md explains each setting.\n"
        f"title: {json.dumps(name)}\n"
        "measurements:\n",
        *(_measurement(one) for one in seen),
        "panels:\n",
        *_panels(name, seen),
        _alerts(name, seen),
    ]
    return "".join(parts)


@functools.cache
def _known() -> field_kinds.Known:
    """What the shipped views say of fields: two views must not say different things."""
    views = view_files.load().values()
    return {
        (one.name, name): (f"{kind}s", view.name)
        for view in views
        for one in view.measurements.values()
        for name, kind in one.fields.items()
    }


def _without_secrets(settings: str, name: str) -> tuple[str, list[str]]:
    lines = settings.splitlines(keepends=True)
    settings = "".join(masks.mask_secrets(line) if line.lstrip().startswith("#") else line for line in lines)
    secrets = [found["name"] for found in _SECRET.finditer(settings)]
    hidden = _SECRET.sub(lambda found: f'{found["before"]}"{{{{{found["name"].lower()}}}}}"', settings)
    without = _SECRET.sub(r'\g<before>"$"', settings)
    if masks.mask_secrets(without) != without:
        raise AresmonError(
            f"a setting of {name} has a password in an address or in a table, which would be in the collector's file",
            hint="give the login in settings of its own, if the plug-in has them (username, password): a password "
            "becomes an option that is a secret",
        )
    return hidden, secrets


def _field_names(seen: Sequence[SeenMeasurement]) -> list[str]:
    return list(dict.fromkeys(field.name for one in seen for field in one.fields))


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(json.dumps(one) for one in names)
    return (
        textwrap.fill(f"{text},", _WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
        + "\n"
    )


def _about_tags(seen: Sequence[SeenMeasurement]) -> Iterator[str]:
    """A comment for each tag with many values: each value is a series of its own."""
    many = {tag: len(values) for one in seen for tag, values in one.tags.items() if len(values) > _MANY}
    if many:
        counts = ", ".join(f"{tag} has {count} values" for tag, count in many.items())
        yield f"  # Each value of a tag is a series of its own: {counts}.\n"
        yield f"  # tagexclude = [{', '.join(json.dumps(one) for one in many)}]\n"


def _measurement(one: SeenMeasurement) -> str:
    lines = [f"  {_key(one.name)}:  # {one.series} series"]
    for tag, values in one.tags.items():
        shown = ", ".join(values[:3]) + (f" and {len(values) - 3} others" if len(values) > 3 else "")
        lines.append(f"    # the tag {tag} is {_comment(shown)}")
    lines.append(f"    tags: [{', '.join(map(_key, one.tags))}]")
    for kind in _KINDS:
        fields = [field for field in one.fields if field.kind == kind]
        if fields:
            lines.append(f"    {kind}:")
            lines += [f"      - {_key(field.name)}  # {_comment(field.value)}; {field.why}" for field in fields]
    return "\n".join(lines) + "\n"


def _panels(name: str, seen: Sequence[SeenMeasurement]) -> Iterator[str]:
    for one in seen:
        several = [tag for tag, values in one.tags.items() if len(values) > 1]
        for kind in ("gauges", "counters"):
            for unit, fields in _by_unit(one.fields, kind).items():
                subject = one.name if one.name.startswith(name) else f"{name} {one.name}"
                words = _WORDS[unit] if kind == "gauges" else f"{_RATES[unit]} a second"
                title = json.dumps(f"{subject}: {words}")
                yield f"  - title: {title}\n    unit: {unit}\n    description: {_DESCRIPTION}\n    series:\n"
                for field in fields[:_SERIES]:
                    yield f"      - {_series(one.name, field, several, is_rate=kind == 'counters')}\n"
                for field in fields[_SERIES:]:
                    yield f"      # - {_series(one.name, field, several, is_rate=kind == 'counters')}\n"


def _by_unit(fields: Sequence[SeenField], kind: str) -> dict[str, list[SeenField]]:
    found: dict[str, list[SeenField]] = {}
    for field in fields:
        if field.kind in _SHOWN[kind]:
            _, now, rate = next(one for one in _UNITS if one[0].search(field.name))
            found.setdefault(rate if kind == "counters" else now, []).append(field)
    return found


def _series(measurement: str, field: SeenField, tags: Sequence[str], *, is_rate: bool) -> str:
    rate = ", rate: 1s" if is_rate else ""
    by = f", by: [{', '.join(map(_key, tags))}]" if tags else ""
    label = " ".join([*(f"{{{tag}}}" for tag in tags), field.name])
    return f"{{from: {_key(measurement)}, field: {_key(field.name)}{rate}{by}, name: {json.dumps(label)}}}"


def _alerts(name: str, seen: Sequence[SeenMeasurement]) -> str:
    """An example in comments: no threshold can be known from some seconds."""
    measurement, field = next(
        ((one, field) for kind in ("gauges", "counters") for one in seen for field in one.fields if field.kind == kind),
        (seen[0], seen[0].fields[0]),
    )
    is_counter = ", rate: 1s" if field.kind == "counters" else ""
    return textwrap.dedent(
        f"""\
        # An alert: when somebody must know, and what to do then.
        # alerts:
        #   - id: {re.sub(r"[^a-z0-9]+", "-", f"{name}-{field.name}".lower())[:30].strip("-")}
        #     title: Too much of {field.name}
        #     series: {{from: {_key(measurement.name)}, field: {_key(field.name)}{is_counter}}}
        #     over: 5m
        #     for: 10m
        #     unit: short
        #     above: {{warning: 80, critical: 95}}
        #     summary: "{field.name} of {name} on {{host}} is {{value}}."
        #     next: What to look at first, as a command.
        """
    )


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) else json.dumps(text)


def _comment(text: str) -> str:
    """A value in a comment: on one line."""
    return " ".join(text.split()) or "empty"
