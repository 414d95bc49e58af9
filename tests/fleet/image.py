"""The servers' images: Debian with systemd and sshd, and Telegraf as its publisher's package lays it out."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from aresmon.engine import build
from aresmon.engine.docker import Engine
from aresmon.engine.images import pins
from tests.harness.locks import lock

_RECIPE = Path(__file__).parent / "server"
_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo"),
    *("e2fsprogs", "git", "iproute2", "nftables", "procps"),
)


def server_image(engine: Engine, *packages: str, telegraf: bool = True) -> str:
    """The reference of the image with these Debian packages besides; made if this machine does not have it.

    Takes seconds, about a minute where the root file system is not in aresmon's cache. The agent is the one of
    the project's own image, which must be there.
    """
    with lock("images"):
        return _image(engine, packages, has_telegraf=telegraf)


def _image(engine: Engine, packages: tuple[str, ...], *, has_telegraf: bool) -> str:
    bare = f"aresmon-test/server:{_mark('bare', *_PACKAGES, *packages, _distribution())}-bare"
    if not engine.image_id(bare):
        base = bare.replace("/server:", "/rootfs:")
        engine.import_tree(base, build.build_root_filesystem("server", *_PACKAGES, *packages))
        engine.build(bare, _context("bare", {"aresmon-test/base": base}))
    if not has_telegraf:
        return bare
    agent = pins()["telegraf"].build
    whole = f"aresmon-test/server:{_mark('telegraf', engine.image_id(bare), engine.image_id(agent))}"
    if not engine.image_id(whole):
        engine.build(whole, _context("telegraf", {"aresmon-test/base": bare, "aresmon-test/telegraf": agent}))
    return whole


def _mark(recipe: str, *ingredients: str) -> str:
    """A short hash of all that decides how the image turns out."""
    installed = sorted(path for path in (_RECIPE / recipe).rglob("*") if path.is_file())
    files = [_RECIPE / f"{recipe}.Dockerfile", *installed]
    named = [str(path.relative_to(_RECIPE)) for path in files]
    parts = [*ingredients, *named, *(path.read_text(encoding="utf-8") for path in files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def _distribution() -> str:
    """This machine's own, which the image is made of."""
    return Path("/etc/os-release").read_text(encoding="utf-8")


def _context(recipe: str, images: dict[str, str]) -> io.BytesIO:
    """The build context: the recipe's Dockerfile, with the images that its placeholders stand for, and its files."""
    dockerfile = (_RECIPE / f"{recipe}.Dockerfile").read_text(encoding="utf-8")
    for placeholder, image in images.items():
        dockerfile = dockerfile.replace(placeholder, image)
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        told = tarfile.TarInfo("Dockerfile")
        told.size = len(dockerfile.encode())
        tar.addfile(told, io.BytesIO(dockerfile.encode()))
        tar.add(_RECIPE / recipe, recipe, filter=_as_installed)
    context.seek(0)
    return context


def _as_installed(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Root's, and writable by nobody else: a checkout's umask must not decide whether sudo takes its file."""
    member.uid = member.gid = 0
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
