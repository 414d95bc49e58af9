"""Looks that may hang, all at once and each within its time: a disk that does not answer must not stop the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aresmon.errors import AresmonError


@dataclass(frozen=True, slots=True)
class Failed:
    """A look that told nothing, and why; `error` is the kind of error that it was."""

    why: str
    next: str = ""
    error: str = ""


def gather(looks: Mapping[str, Callable[[], Any]], *, within: float, at_once: int = 32) -> dict[str, Any]:
    """What each look tells, or a Failed, by name. After `within` seconds the rest is left behind.

    In threads that end with the process: one that hangs in the kernel cannot be ended.
    """
    told: dict[str, Any] = {}
    places = threading.Semaphore(at_once)

    def run(name: str, look: Callable[[], Any]) -> None:
        with places:
            told[name] = _told(name, look)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in looks.items()]
    deadline = time.monotonic() + within
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    known = dict(told)
    return {name: known.get(name, Failed(f"no answer within {within:.0f} s")) for name in looks}


def _told(name: str, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except AresmonError as error:
        return Failed(error.message.replace("\n", "; "), error.hint, type(error).__name__)
    except OSError as error:
        return Failed(f"{error.filename or name}: {error.strerror or error}")
    except Exception as error:  # one look's fault must not hide what the others saw
        return Failed(f"the check itself failed: {type(error).__name__}: {error}", "please report it")
