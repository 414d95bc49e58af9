"""Has Graphviz's `dot` draw the picture, as SVG or PNG, and leaves in the SVG only what a picture needs."""

from __future__ import annotations

import shutil
import struct
import tempfile
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

from aresmon.system import files, process
from aresmon.system.errors import AresmonError
from aresmon.topology.graph import MARK

INSTALL = "install Graphviz, such as with `apt install graphviz` or `dnf install graphviz`"

_WITHIN = 60.0  # seconds
_PNG_HEADER = 33  # bytes of the signature and of the first chunk, IHDR
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_ELEMENTS = {"svg", "g", "a", "title", "text", "path", "polygon", "polyline", "ellipse"}
_ATTRIBUTES = {
    *("id", "class", "width", "height", "viewBox", "transform", "d", "points", "x", "y", "cx", "cy", "rx", "ry"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity"),
    *("text-anchor", "font-family", "font-size", "font-weight", "font-style", "target"),
}
_SCHEMES = ("http://", "https://", "/")


class NoGraphvizError(AresmonError):
    """`dot` is not installed."""


def require_graphviz() -> None:
    """Raise NoGraphvizError where `dot` is not installed."""
    if shutil.which("dot") is None:
        raise NoGraphvizError("the picture cannot be drawn without Graphviz: `dot` is not on the PATH", hint=INSTALL)


def svg(dot: str) -> str:
    """Draw a picture described in DOT. Raises NoGraphvizError, or AresmonError if `dot` fails."""
    require_graphviz()
    return sanitised(process.run(["dot", "-Tsvg"], given=dot, timeout=_WITHIN).out)


def write_png(dot: str, path: Path) -> None:
    """Draw a picture into a file, which is the old one or the new one at any moment.

    Raises NoGraphvizError, or AresmonError if `dot` fails or the file cannot be written.
    """
    require_graphviz()
    with tempfile.TemporaryDirectory(prefix="aresmon-") as folder:
        drawn = Path(folder) / "map.png"
        process.run(["dot", "-Tpng", "-Gdpi=144", "-o", drawn], given=dot, timeout=_WITHIN)
        files.write(path, _marked(drawn.read_bytes()))


def sanitised(text: str) -> str:
    """The same picture with nothing in it but shapes, texts and links to web pages: no script, style or image."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(text)  # noqa: S314 (what `dot` wrote, from our own text)
    _clean(root)
    return f"<!-- {MARK} -->\n{ET.tostring(root, encoding='unicode')}\n"


def _marked(png: bytes) -> bytes:
    """The same picture with the mark as a comment after its header (https://www.w3.org/TR/png-3/#11tEXt)."""
    chunk = b"tEXtComment\0" + MARK.encode()
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:_PNG_HEADER] + framed + png[_PNG_HEADER:]


def _clean(element: ET.Element) -> None:
    for name, value in list(element.attrib.items()):
        is_link = name == f"{{{_XLINK}}}href" and value.startswith(_SCHEMES)
        if name not in _ATTRIBUTES and not is_link and name != f"{{{_XLINK}}}title":
            del element.attrib[name]
    for child in list(element):
        if child.tag.removeprefix(f"{{{_SVG}}}") in _ELEMENTS:
            _clean(child)
        else:
            element.remove(child)
