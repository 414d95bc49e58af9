"""Rendering the bundle of 3, 100 and 1,000 hosts, beside the same files made with Jinja2 and with Ansible.

In process: reading the site, rendering, writing; and the whole command `aresmon render --output` into an empty
folder. The Jinja2 script writes the telegraf.conf and agent.env of every host but the server, the Ansible `template`
loop on localhost the telegraf.conf alone, byte for byte the same (verified). Ansible takes so long that it is
measured at 3 and 10 hosts; `--ansible 100` measures it once at any other number.
Run it: `.venv/bin/python -m bench.render` (two minutes; ansible-core goes into a virtual environment of its own in
the user's cache folder the first time, and is left out where it cannot be had).
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aresmon.config import package_data
from aresmon.render import telegraf
from aresmon.render.telegraf import TelegrafTemplates
from aresmon.site.project import Project
from bench.measure import ARESMON, ROOT, Median, Run, count, mib, run, seconds, side_by_side, table, verdict

AIM = 2.0
"""Seconds for 1,000 hosts."""
_REPETITIONS = 5
_BUDGET = 15.0
"""Seconds after which no further repetition of one size begins."""
_SIZES = (3, 100, 1000)
_ANSIBLE_SIZES = (3, 10)
_ANSIBLE = "ansible-core==2.19.14"
_COLLECT = ("system", "disk", "diskio", "net", "docker")
_MEMORY_DISK = Path("/dev/shm")
_OURS, _AGAIN, _IN_MEMORY = "`aresmon render --output`", "the same again, nothing to write", "the same on a tmpfs"
_HEADER = ("hosts", "command", "median", "ratio", "peak memory", "runs")
_JINJA, _PLAYBOOK = "Jinja2 script", "Ansible `template` loop"


@dataclass(frozen=True, slots=True)
class Phases:
    """One rendering in process: seconds of each phase, what came out, and the peak memory, in bytes."""

    load: float
    render: float
    write: float
    files: int
    size: int
    peak: int


def measure() -> str:
    """The tables and the verdict, as Markdown."""
    folder = Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
    in_memory = Path(tempfile.mkdtemp(prefix="aresmon-bench-", dir=_MEMORY_DISK if _MEMORY_DISK.is_dir() else None))
    try:
        for size in _SIZES:
            make_site(folder / str(size), size)
        return _in_process(folder, in_memory) + "\n" + _as_commands(folder, in_memory)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(in_memory, ignore_errors=True)


# In process ------------------------------------------------------------------------------------------


def _in_process(folder: Path, in_memory: Path) -> str:
    rows: list[tuple[object, ...]] = []
    each: dict[tuple[int, str], float] = {}
    for size in _SIZES:
        for where, runs in _in_turns(folder, in_memory, size).items():
            load, render, write = (
                statistics.median(getattr(one, phase) for one in runs) for phase in ("load", "render", "write")
            )
            whole = load + render + write
            each[size, where] = 1000 * whole / size
            rows.append(
                (
                    f"{count(size)}, {where}",
                    *(seconds(part) for part in (load, render, write, whole)),
                    f"{each[size, where]:.2f} ms",
                    count(runs[0].files),
                    mib(runs[0].size),
                    mib(statistics.median(one.peak for one in runs)),
                    len(runs),
                )
            )
    header = ("hosts", "load", "render", "write", "together", "a host", "files", "bytes", "peak memory", "runs")
    return (
        table(header, rows)
        + f"\nFrom 100 to 1,000 hosts a host goes from {each[100, 'disk']:.2f} to {each[1000, 'disk']:.2f} ms on the "
        f"disk and from {each[100, 'tmpfs']:.2f} to {each[1000, 'tmpfs']:.2f} ms on a tmpfs, where a sync costs "
        "nothing: what lies between the two is the waiting for the disk.\n"
    )


def _in_turns(folder: Path, in_memory: Path, size: int) -> dict[str, list[Phases]]:
    runs: dict[str, list[Phases]] = {"disk": [], "tmpfs": []}
    begun = time.monotonic()
    for turn in range(_REPETITIONS):
        if turn < 2 or time.monotonic() - begun < _BUDGET:
            for where, base in (("disk", folder), ("tmpfs", in_memory)):
                runs[where].append(render_phases(folder / str(size), base / "in-process"))
    return runs


def render_phases(site: Path, output: Path) -> Phases:
    """A fresh process each time: what a first rendering costs, not a second."""
    shutil.rmtree(output, ignore_errors=True)
    worker = [sys.executable, "-m", "bench.render", "--worker", str(site), str(output)]
    said = subprocess.run(worker, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shutil.rmtree(output, ignore_errors=True)
    return Phases(**json.loads(said))


def _work(folder: Path, output: Path) -> None:
    """The worker: load, render and write one site, and print how long each took."""
    from aresmon.engine.docker import Engine
    from aresmon.site import bundle as site_bundle
    from aresmon.site import folder as site_folder
    from aresmon.stack import plan

    here = site_folder.find_site(folder)
    begun = time.perf_counter()
    project = Project.load(here)
    loaded = time.perf_counter()
    files = plan.render_site(project, Engine(), {})
    rendered = time.perf_counter()
    site_bundle.write(site_bundle.read(output), files)
    written = time.perf_counter()
    phases = {
        "load": loaded - begun,
        "render": rendered - loaded,
        "write": written - rendered,
        "files": len(files),
        "size": sum(map(len, files.values())),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(phases))


# As commands -----------------------------------------------------------------------------------------


def _as_commands(folder: Path, in_memory: Path) -> str:
    tools = _tools()
    found = {size: _sizes_commands(folder, in_memory, size, tools) for size in _SIZES}
    rows: list[tuple[object, ...]] = []
    for size, commands in found.items():
        for name, one in commands.items():
            ratio = f"{one.seconds / commands[_OURS].seconds:.2f}"
            rows.append((count(size), name, seconds(one.seconds), ratio, mib(one.peak), one.runs))
    largest = found[_SIZES[-1]][_OURS].seconds
    text = f"\nTarget: under {AIM:.0f} s for 1,000 hosts; {verdict(measured=largest, aim=AIM)}."
    if not tools:
        return table(_HEADER, rows) + f"{text} {_ANSIBLE} could not be installed here: no Jinja2, no Ansible.\n"
    sizes = {size: _ansible(folder, size, tools) for size in _ANSIBLE_SIZES}
    for size, (ours, ansible) in sizes.items():
        for name, one in ((_OURS, ours), (_PLAYBOOK, ansible)):
            ratio = f"{one.seconds / ours.seconds:.2f}"
            rows.append((count(size), f"{name}, beside Ansible", seconds(one.seconds), ratio, mib(one.peak), one.runs))
    (few, (_, first)), (many, (_, second)) = sizes.items()
    more = (second.seconds - first.seconds) / (many - few)
    text += (
        f" Each further host costs Ansible {more:.2f} s, from {few} to {many} hosts; it was not measured at 1,000. The "
        "Jinja2 script checks nothing, and neither it nor Ansible waits for the disk."
    )
    return table(_HEADER, rows) + text + "\n"


def _ansible(folder: Path, size: int, tools: Path) -> tuple[Median, Median]:
    """aresmon and Ansible in turns at this size."""
    site, kept, fresh = folder / f"ansible-{size}", folder / f"ansible-{size}-kept", folder / "fresh"
    make_site(site, size)
    run(_render(site, kept))
    _make_peers(site / "peer", kept, size)
    candidates: dict[str, Callable[[], Run]] = {
        _OURS: partial(_into_empty, fresh, _render(site, fresh)),
        _PLAYBOOK: partial(_into_empty, fresh, _playbook(tools, site / "peer", fresh), same_as=kept),
    }
    found = side_by_side(candidates, repetitions=3, warm_up=False, budget=_BUDGET)
    return found[_OURS], found[_PLAYBOOK]


def _sizes_commands(folder: Path, in_memory: Path, size: int, tools: Path | None) -> dict[str, Median]:
    site = folder / str(size)
    fresh, kept, memory = folder / "fresh", folder / "kept", in_memory / "fresh"
    candidates: dict[str, Callable[[], Run]] = {
        _OURS: partial(_into_empty, fresh, _render(site, fresh)),
        _AGAIN: partial(run, _render(site, kept)),
        _IN_MEMORY: partial(_into_empty, memory, _render(site, memory)),
    }
    shutil.rmtree(kept, ignore_errors=True)
    run(_render(site, kept))
    if tools:
        peer = site / "peer"
        _make_peers(peer, kept, size)
        script = (str(tools / "python"), str(ROOT / "bench/peers/jinja.py"), str(peer / "hosts.json"), str(fresh))
        candidates[_JINJA] = partial(_into_empty, fresh, script, same_as=kept)
    return side_by_side(candidates, repetitions=_REPETITIONS, warm_up=False, budget=_BUDGET)


def _render(site: Path, output: Path) -> tuple[str, ...]:
    return (*ARESMON, "--site", str(site), "render", "--output", str(output))


def _playbook(tools: Path, peer: Path, output: Path) -> tuple[str, ...]:
    where = f"output={output} templates={peer} ansible_python_interpreter={tools / 'python'}"
    told = ("--extra-vars", f"@{peer / 'hosts.json'}", "--extra-vars", where)
    return (str(tools / "ansible-playbook"), "-i", "localhost,", *told, str(ROOT / "bench/peers/playbook.yml"))


def _into_empty(output: Path, argv: tuple[str, ...], *, same_as: Path | None = None) -> Run:
    """Run a command that writes into a folder which is empty at its start, and hold the files against a bundle's."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    done = run(argv)
    if same_as is not None:
        _check_same(same_as / "agents", output)
    shutil.rmtree(output, ignore_errors=True)
    return done


# What is rendered ------------------------------------------------------------------------------------


def make_site(folder: Path, size: int, collect: str = ", ".join(_COLLECT)) -> None:
    """A site of so many hosts; `collect` is what is between the brackets of each one's `collect`."""
    folder.mkdir(parents=True)
    hosts = "".join(f"  host-{number:04}: {{collect: [{collect}]}}\n" for number in range(size))
    text = f'site: aresmon-bench-render\nedge: {{agents: "127.0.2.22:18086"}}\nhosts:\n{hosts}'
    (folder / "aresmon.yml").write_text(text, encoding="utf-8")


def _make_peers(peer: Path, bundle: Path, size: int) -> None:
    """Templates and variables that give the very files of the bundle, the name and the collectors put in."""
    peer.mkdir()
    name = "host-0001"
    agents = {path.name: (path / "telegraf.conf").read_text(encoding="utf-8") for path in (bundle / "agents").iterdir()}
    shipped = TelegrafTemplates.of(package_data.package_files())
    body = telegraf.without_config_id(agents[name], shipped).rstrip("\n")
    parts = {
        one: (ROOT / f"telegraf/collectors/{one}.conf").read_text().rstrip("\n") for one in (*_COLLECT, "internal")
    }
    for text in parts.values():
        body = body.replace("\n\n" + text, "")
    choices = "".join(
        f"{{% {'if' if number == 0 else 'elif'} collector == '{one}' %}}\n\n{{% raw %}}{text}{{% endraw %}}"
        for number, (one, text) in enumerate(parts.items())
    )
    frame = body.replace(name, "{{ item.name }}")
    loop = "{% for collector in item.collect %}" + choices + "{% endif %}{% endfor %}\n"
    marker = telegraf.with_config_id("", "{{ item.config_id }}", shipped)
    (peer / "telegraf.conf.j2").write_text(frame + loop + marker, encoding="utf-8")
    variables = (bundle / "agents" / name / "agent.env").read_text(encoding="utf-8")
    (peer / "agent.env.j2").write_text(variables.replace(name, "{{ item.name }}"), encoding="utf-8")
    names = [f"host-{number:04}" for number in range(1, size)]
    marks = {
        name: telegraf.config_id_in(agents[name], shipped) for name in names
    }  # a hash, which a template cannot make
    hosts = [{"name": name, "collect": [*_COLLECT, "internal"], "mark": marks[name]} for name in names]
    (peer / "hosts.json").write_text(json.dumps({"fleet": hosts}), encoding="utf-8")


def _check_same(agents: Path, output: Path) -> None:
    """Raise RuntimeError unless the other hosts' telegraf.conf, and what else was written, are byte for byte ours."""
    for folder in (path for path in agents.iterdir() if path.name != "host-0000"):
        flat, nested = output / f"{folder.name}.conf", output / folder.name
        pairs = (
            {folder / "telegraf.conf": flat}
            if flat.exists()
            else {path: nested / path.name for path in folder.iterdir()}
        )
        for ours, theirs in pairs.items():
            if not theirs.exists() or theirs.read_bytes() != ours.read_bytes():
                raise RuntimeError(f"{ours.relative_to(agents)} is not what aresmon renders")


def _tools() -> Path | None:
    """The programs of a virtual environment with Ansible and Jinja2; None where they cannot be had."""
    folder = Path.home() / ".cache" / "aresmon-bench" / _ANSIBLE.replace("==", "-")
    if not (folder / "bin" / "ansible-playbook").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", _ANSIBLE]
            subprocess.run(pip, check=True, capture_output=True, timeout=180)
        except (subprocess.SubprocessError, OSError):
            return None
    return folder / "bin"


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        _work(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--ansible"]:
        tools, folder = _tools(), Path(tempfile.mkdtemp(prefix="aresmon-bench-"))
        if tools:
            print(*_ansible(folder, int(sys.argv[2]), tools), sep="\n")
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(measure())


if __name__ == "__main__":
    main()
