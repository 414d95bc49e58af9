"""What Telegraf calls deprecated in a configuration that it reads.

Telegraf logs a warning for a setting that it is going to remove. From the version on that was to remove it, this is an
error, also while Telegraf still takes the setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NOTICE = re.compile(
    r"""(?: Option\ "(?P<option>[^"]+)"\ of\ plugin
          | Value\ (?:".*"\ )?for\ option\ "(?P<valued>[^"]+)"\ of\ plugin
          | Plugin )
        \ "(?P<plugin>[^"]+)"\ deprecated\ since\ version\ (?P<since>\S+)
        \ and\ will\ be\ removed\ in\ (?P<removal>[\d.]+) (?: :\ (?P<advice>.+) )?""",
    re.VERBOSE,
)
_LOGGED = re.compile(r"[EW]! Deprecation(?:Warning|Error): (?P<notice>.+)")
_ERRORS = re.compile(r"^.*E! DeprecationError: .*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A deprecated plug-in, such as `inputs.sflow`, or one of its settings; the plug-in of [agent] is `agent`.

    `removal` is the version of Telegraf that is to remove it.
    """

    plugin: str
    setting: str
    removal: str
    text: str

    def is_near(self, version: str) -> bool:
        """Whether this version of Telegraf was to remove it, or the next minor one is; so too if it is not known."""
        release, removal = _numbers(version), _numbers(self.removal)
        return not release or removal[:2] <= (release[0], release[1] + 1)


def parse(notice: str) -> Deprecation | None:
    """Parse a notice of Telegraf; None if it is none. Values are left out, and advice on them, which repeats them."""
    found = _NOTICE.match(notice)
    if found is None:
        return None
    plugin, setting = found["plugin"], found["option"] or found["valued"] or ""
    what = f"{setting} of {plugin}" if setting else plugin
    what = f"the value of {what}" if found["valued"] else what
    advice = f": {found['advice'].strip()}" if found["advice"] and not found["valued"] else ""
    when = f"since Telegraf {found['since']}, and is to be removed in {found['removal']}"
    return Deprecation(plugin, setting, found["removal"], f"{what} is deprecated {when}{advice}")


def logged(output: str) -> Iterator[Deprecation]:
    """What the output of Telegraf calls deprecated, each once."""
    notices = (parse(found["notice"]) for found in _LOGGED.finditer(output))
    yield from dict.fromkeys(one for one in notices if one is not None)


def without_notices(output: str) -> str:
    """The output of Telegraf without the errors that are only such a notice."""
    return _ERRORS.sub("", output)


def _numbers(version: str) -> tuple[int, ...]:
    """`1.39.3-1` as (1, 39); empty where there is none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else ()
