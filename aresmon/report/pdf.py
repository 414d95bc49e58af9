"""The page as PDF, by WeasyPrint or a browser, if one of them is installed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from aresmon.system import files, process
from aresmon.system.errors import AresmonError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_WITHIN = 120.0  # seconds


def write(page: str, path: Path, *, mark: str) -> None:
    """Write a page as PDF with a mark as a comment at its end; the file is the old one or the new one at any moment.

    Raises AresmonError if neither WeasyPrint nor a browser is installed, or if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="aresmon-") as folder:
        source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        done = process.run(_command(source, made), timeout=_WITHIN, env={"HOME": folder})
        if not made.is_file():
            raise AresmonError(f"{done.argv[0]} wrote no PDF: {done.err.strip()[-500:] or 'it said nothing'}")
        files.write(path, made.read_bytes() + f"\n% {mark}\n".encode())


def _command(source: Path, made: Path) -> list[str | Path]:
    if weasyprint := shutil.which("weasyprint"):
        return [weasyprint, source, made]
    if browser := next(filter(None, map(shutil.which, _BROWSERS)), None):
        # A browser's own sandbox does not start as root. It loads nothing but this page, which has no script.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        return [browser, "--headless", "--disable-gpu", *sandbox, f"--print-to-pdf={made}", source.as_uri()]
    raise AresmonError(
        "a PDF needs WeasyPrint or Chromium, and neither is installed",
        hint="`apt install weasyprint`, or write HTML (--output report.html) and print it from a browser",
    )
