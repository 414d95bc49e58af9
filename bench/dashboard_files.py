"""Rendering the dashboards and alert rules of 3, 100 and 1,000 hosts, beside Jinja2 and Grafana's own SDK.

In process: reading the views, the dashboards, the rules, each in a fresh process. Then whole programs that write the
dashboards of all hosts into an empty folder. The Jinja2 script's are byte for byte the same (verified), from a
template that somebody would have had to write; the SDK's have as many panels and queries of the same, with less on
them. The hosts are of four kinds, by turns.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from aresmon.config.names import uid_of_host
from bench.measure import ROOT, Run, count, mib, run, seconds, side_by_side, table

SIZES = (3, 100, 1000)
_KINDS = (
    ("system", "disk", "diskio", "net", "docker"),
    ("system", "disk", "net"),
    ("system", "disk", "diskio", "net", "docker", "haproxy"),
    ("system", "disk", "diskio", "net"),
)
_HAPROXY = ", env: {HAPROXY_STATS: /run/haproxy/admin.sock}"
_REPETITIONS, _BUDGET = 5, 20.0
_SDK = "grafana-foundation-sdk==0.0.21"
_OURS, _JINJA, _BUILDERS = "aresmon, its dashboards alone", "Jinja2 script", "Grafana's SDK"
_HOSTS = "grafana/dashboards/hosts"


@dataclass(frozen=True, slots=True)
class Phases:
    """One rendering: seconds of reading the views, of the dashboards and of the rules; files, bytes and rules that
    came out; peak memory in bytes."""

    views: float
    dashboards: float
    rules: float
    files: int
    size: int
    rules_size: int
    peak: int


def measure(sizes: Sequence[int] = SIZES) -> str:
    """The tables, as Markdown."""
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    try:
        for size in sizes:
            _make_site(folder / str(size), size)
        return _in_process(folder, sizes) + "\n" + _side_by_side(folder, sizes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_process(folder: Path, sizes: Sequence[int]) -> str:
    rows: list[tuple[object, ...]] = []
    each: dict[int, float] = {}
    for size in sizes:
        runs = [_phases(folder / str(size)) for _ in range(_REPETITIONS)]
        views, boards, rules = (median(getattr(one, name) for one in runs) for name in ("views", "dashboards", "rules"))
        each[size] = 1000 * (boards + rules) / size
        peak = mib(median(one.peak for one in runs))
        rows.append(
            (
                count(size),
                *map(seconds, (views, boards, rules)),
                f"{each[size]:.2f} ms",
                count(runs[0].files),
                mib(runs[0].size),
                mib(runs[0].rules_size),
                peak,
            )
        )
    header = ("hosts", "views read", "dashboards", "rules", "a host", "files", "bytes", "of them rules", "peak memory")
    few, many = sizes[-2:] if len(sizes) > 1 else (sizes[0], sizes[0])
    return table(header, rows) + (
        f"\nFrom {count(few)} to {count(many)} hosts a host goes from {each[few]:.2f} to {each[many]:.2f} ms.\n"
    )


def _phases(site: Path) -> Phases:
    worker = [sys.executable, "-m", "bench.dashboard_files", "--worker", str(site)]
    return Phases(**json.loads(run(worker, cwd=ROOT).said))


def _work(folder: Path) -> None:
    """The worker: everything Grafana is given for one site, and how long each part took."""
    from aresmon.config import collectors, model, view_files
    from aresmon.render.grafana import alert_rules
    from aresmon.render.grafana import dashboards as grafana_dashboards

    text = (folder / "aresmon.yml").read_text(encoding="utf-8")
    site = model.load(text, collectors.load(), checked=True)
    moments = [time.perf_counter()]
    views = view_files.load()
    moments.append(time.perf_counter())
    boards = grafana_dashboards.dashboards(site, views)
    moments.append(time.perf_counter())
    rules = alert_rules.render(site, views)
    moments.append(time.perf_counter())
    of_rules = sum(map(len, rules.values()))
    took = [after - before for before, after in zip(moments, moments[1:], strict=False)]
    phases = dict(zip(("views", "dashboards", "rules"), took, strict=True))
    sizes = {
        "files": len(boards) + len(rules),
        "size": sum(map(len, boards.values())) + of_rules,
        "rules_size": of_rules,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps({**phases, **sizes}))


def _write(folder: Path, output: Path) -> None:
    """The hosts' dashboards into a folder, as the others do it."""
    from aresmon.config import collectors, model, view_files
    from aresmon.render.grafana.dashboards import dashboards

    site = model.load((folder / "aresmon.yml").read_text(encoding="utf-8"), collectors.load(), checked=True)
    for path, content in dashboards(site, view_files.load()).items():
        if path.startswith(_HOSTS):
            (output / Path(path).name).write_bytes(content)


# Side by side ----------------------------------------------------------------------------------------


def _side_by_side(folder: Path, sizes: Sequence[int]) -> str:
    tools = _tools()
    rows: list[tuple[object, ...]] = []
    for size in sizes:
        site, output, kept = folder / str(size), folder / "fresh", folder / "kept"
        ours = (sys.executable, "-m", "bench.dashboard_files", "--write", str(site))
        _into_empty(kept, ours, keep=True)
        candidates: dict[str, Callable[[], Run]] = {_OURS: partial(_into_empty, output, ours)}
        if tools:
            peer = _make_peer(site, kept)
            for name, script in ((_JINJA, "dashboards_jinja.py"), (_BUILDERS, "dashboards_sdk.py")):
                argv = (str(tools / "python"), str(ROOT / "bench" / "peers" / script), str(peer))
                candidates[name] = partial(_into_empty, output, argv, same_as=kept, is_like=name == _BUILDERS)
        found = side_by_side(candidates, repetitions=_REPETITIONS, budget=_BUDGET)
        for name, one in found.items():
            ratio = f"{one.seconds / found[_OURS].seconds:.2f}"
            rows.append((count(size), name, seconds(one.seconds), ratio, mib(one.peak), one.runs))
    missing = "" if tools else f"\n{_SDK} could not be installed here: neither it nor Jinja2 was run.\n"
    return table(("hosts", "program", "median", "ratio", "peak memory", "runs"), rows) + missing


def _into_empty(
    output: Path, argv: Sequence[str], *, same_as: Path | None = None, is_like: bool = False, keep: bool = False
) -> Run:
    """Run a program that writes a file a host into a folder which is empty at its start; they must be the same as
    those of another folder, or at least have as many panels and queries."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    done = run((*argv, str(output)), cwd=ROOT)
    if not any(output.iterdir()):
        raise RuntimeError(f"{argv[1]} wrote nothing")
    for path in same_as.iterdir() if same_as else ():
        theirs = output / path.name
        if not is_like and theirs.read_bytes() != path.read_bytes():
            raise RuntimeError(f"{path.name} is not what aresmon renders")
        if is_like and _counts(theirs) != _counts(path):
            raise RuntimeError(f"{path.name} has not as many panels and queries")
    if not keep:
        shutil.rmtree(output)
    return done


def _counts(file: Path) -> tuple[int, int]:
    """How many panels and queries a dashboard has."""
    panels = _every_panel(json.loads(file.read_text(encoding="utf-8")))
    return len(panels), sum(len(one.get("targets", [])) for one in panels)


def _make_site(folder: Path, size: int) -> None:
    folder.mkdir(parents=True)
    lines = (
        f"  {name}: {{collect: [{', '.join(_KINDS[kind])}]{_HAPROXY if 'haproxy' in _KINDS[kind] else ''}}}\n"
        for name, kind in _hosts(size)
    )
    (folder / "aresmon.yml").write_text(f"site: aresmon-bench\nhosts:\n{''.join(lines)}", encoding="utf-8")


def _hosts(size: int) -> list[tuple[str, int]]:
    return [(f"host-{number:04}", number % len(_KINDS)) for number in range(size)]


def _make_peer(site: Path, rendered: Path) -> Path:
    """What the others need: the hosts, and for each kind a template and a list of panels."""
    hosts = [
        {"name": name, "uid": uid_of_host(name), "kind": f"kind-{kind}"}
        for name, kind in _hosts(len(list(rendered.iterdir())))
    ]
    kinds: dict[str, Any] = {}
    for host in hosts[: len(_KINDS)]:
        text = (rendered / f"{host['name']}.json").read_text(encoding="utf-8")
        kinds[host["kind"]] = _panels(json.loads(text))
        template = text.replace(host["uid"], "<<item.uid>>").replace(host["name"], "<<item.name>>")
        (site / f"{host['kind']}.j2").write_text(template, encoding="utf-8")
    file = site / "hosts.json"
    file.write_text(json.dumps({"hosts": hosts, "kinds": kinds}), encoding="utf-8")
    return file


def _panels(board: Any) -> list[dict[str, Any]]:
    return [
        {
            "title": one["title"],
            "description": one.get("description", ""),
            "unit": one["fieldConfig"]["defaults"].get("unit", ""),
            "targets": one.get("targets", []),
        }
        for one in _every_panel(board)
    ]


def _every_panel(board: Any) -> list[Any]:
    """Those of folded rows too, and not the rows."""
    rows = (panel["panels"] if panel["type"] == "row" else [panel] for panel in board["panels"])
    return [panel for row in rows for panel in row]


def _tools() -> Path | None:
    """The programs of a virtual environment with the SDK and Jinja2; None where they cannot be had."""
    folder = Path.home() / ".cache" / "aresmon-bench" / _SDK.replace("==", "-")
    if not (folder / "ready").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", _SDK, "jinja2"]
            subprocess.run(pip, check=True, capture_output=True, timeout=180)
            (folder / "ready").touch()
        except (subprocess.SubprocessError, OSError):
            return None
    return folder / "bin"


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        _work(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--write"]:
        _write(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        print(measure())


if __name__ == "__main__":
    main()
