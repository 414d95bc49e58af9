"""The rights that a collector says it needs, given to Telegraf's account as its reference tells people to."""

from __future__ import annotations

import re

from tests.harness.catalogue import SHIPPED
from tests.services.host import Host

_FILE = re.compile(r"/etc/sudoers\.d/[a-z0-9-]+")
_RULE = re.compile(r"`((?:Cmnd_Alias|telegraf|Defaults)[^`]*)`")


def give_sudo(host: Host, collector: str, *, program: str = "", instead: str = "") -> None:
    """Write the rules for sudo that a collector needs; with `program`, for another one `instead` of this one."""
    needs = SHIPPED[collector].needs
    lines, (file,) = _RULE.findall(needs), _FILE.findall(needs)
    assert len(lines) == 3
    rules = "".join(f"{line}\n" for line in lines)
    host.write(file, rules.replace(program, instead) if program else rules, mode="0440")
    host.run(f"visudo --check --file={file}")
