"""asyncssh as it is imported."""

from __future__ import annotations

import subprocess
import sys

from aresmon.ssh import library

_IMPORT = """
import subprocess, os
class NoProgram:
    def __init__(self, command, *_, **__):
        print("started", command)
        raise OSError
subprocess.Popen = NoProgram
import aresmon.ssh.client, ctypes.util
print(ctypes.util.find_library.__module__)
"""


def test_no_program_is_started() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)

    assert done.stdout == "ctypes.util\n"


def test_a_library_is_found_by_its_name() -> None:
    assert "/libc.so" in (library.find_library("c") or "")
    assert library.find_library("libc") == library.find_library("c")
    assert library.find_library("not-a-library-of-this-machine") is None
