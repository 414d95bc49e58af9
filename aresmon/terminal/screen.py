"""The terminal: its alternate screen without echo and line by line input, and lines put on it by rich."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.text import Text

from aresmon.system import characters
from aresmon.terminal.pages import Size
from aresmon.terminal.text import ASCII, STYLES, UNICODE, Glyphs, Line

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"


class Screen:
    """Standard output, as far as it can be drawn on."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self.console = Console(highlight=False)
        self._ascii_only = ascii_only

    @property
    def size(self) -> Size:
        """The size now. Without a terminal, or in one that does not know its size, `COLUMNS` or 80.

        In a terminal `COLUMNS` is not asked: it stays as it is when the terminal is resized.
        """
        with suppress(OSError, ValueError):
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
            if columns and rows:
                self.console.width, self.console.height = columns, rows
        return Size(self.console.width, self.console.height)

    @property
    def glyphs(self) -> Glyphs:
        """The characters that it can show. The fonts of the Linux console have neither braille nor all blocks."""
        is_plain = self._ascii_only or os.environ.get("TERM") == "linux" or characters.is_ascii_locale()
        chosen = ASCII if is_plain or not self._takes(UNICODE.blocks) else UNICODE
        return chosen.with_letters() if self.console.no_color or not self.console.color_system else chosen

    def print(self, lines: Sequence[Line]) -> None:
        """Lines one below the other, as every other program prints them."""
        is_ascii = self.glyphs.is_ascii
        for one in lines:
            text = as_text(one, is_ascii=is_ascii)
            text.rstrip()
            self.console.print(text, no_wrap=True, overflow="ignore", crop=False)

    def draw(self, lines: Sequence[Line]) -> None:
        """Replace what is on the screen: as many lines as it has, each as long as it is wide, in one piece."""
        is_ascii = self.glyphs.is_ascii
        with self.console.capture() as captured:
            for number, one in enumerate(lines):
                end = "\r\n" if number < len(lines) - 1 else ""
                self.console.print(as_text(one, is_ascii=is_ascii), end=end, no_wrap=True, overflow="crop", crop=True)
        _write(_HOME + captured.get())

    @contextmanager
    def opened(self, returned: Callable[[], None]) -> Iterator[None]:
        """The alternate screen while the context lasts; however it ends, the terminal is as it was. A stop by ^Z leaves
        it too; `fg` comes back to it and calls `returned`, since all is to be drawn again."""
        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)

        def enter() -> None:
            tty.setcbreak(handle)
            _write(_ENTER)

        def leave() -> None:
            _write(_LEAVE)
            termios.tcsetattr(handle, termios.TCSADRAIN, before)

        def stop(kind: int, _: object) -> None:
            leave()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            # Here it goes on after `fg`.
            signal.signal(signal.SIGTSTP, stop)
            enter()
            returned()

        former = signal.signal(signal.SIGTSTP, stop)
        try:
            enter()
            yield
        finally:
            signal.signal(signal.SIGTSTP, former)
            leave()

    def _takes(self, text: str) -> bool:
        try:
            text.encode(self.console.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True


def as_text(line: Line, *, is_ascii: bool = False) -> Text:
    """A line as rich prints it. `is_ascii` writes what comes from elsewhere in ASCII too."""
    return Text.assemble(
        *((characters.in_ascii(span.text) if is_ascii else span.text, STYLES.get(span.style, "")) for span in line)
    )


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
