"""The options of a collector, and the values that aresmon.yml gives.

A collector's file declares each option in a table (`option_declarations`), with its type and description. From these
come the checks of aresmon.yml, its JSON Schema, the reference, the completion and `aresmon collectors show`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from aresmon.config import go_regex
from aresmon.config.masks import may_have_secret
from aresmon.system.errors import any_of
from aresmon.system.json_schema import did_you_mean

SECRET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DURATION = re.compile(r"(?:[0-9]+(?:ms|s|m|h))+")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_LONGEST = 86400.0  # seconds, of a duration that declares no maximum
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REVEALING = "has a login or a secret in it, which diffs and the data would show"
_LOGINS = ("user", "dn")
# A login before an address, or what names itself a secret, as in `host=db password=…`: no message repeats it.
_MAY_BE_SECRET = re.compile(r"@|pass|secret|token|key=", re.IGNORECASE)
_URL_FORM = "an address with a scheme, as https://host/path"

TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "duration": "a time, as 30s, 5m or 1h",
    "url": _URL_FORM,
    "regex": "a text or a regular expression",
}
"""The types of a value, in words."""
LIST_TYPES = {
    "string": "a list of texts",
    "integer": "a list of whole numbers",
    "number": "a list of numbers",
    "duration": "a list of times",
    "url": f"a list of addresses, each {_URL_FORM}",
    "regex": "a list of texts or regular expressions",
}
"""The types of which there can be lists."""
_JSON_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean"}


@dataclass(frozen=True, slots=True, order=True)
class SecretName:
    """The value of an option that is a secret: the name under which the site keeps it."""

    name: str

    @property
    def path(self) -> str:
        """Where it is in the folder of the site's secrets, which is its name among them."""
        return f"collectors/{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable in which an agent finds it."""
        return f"ARESMON_SECRET_{self.name.upper().replace('-', '_')}"


OptionValue = str | int | float | bool | SecretName | tuple[str | int | float, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `type` is that of its value, or of each value where it `is_list`; `form` names a `pattern` in words;
    `excludes` and `needs` are other options that may not, and must, be given with it. With `has_files`, paths in it are
    those of the host, whatever its agent runs in. A required one may be missing where one of `unless` is given."""

    name: str
    type: str
    description: str
    is_list: bool = False
    is_required: bool = False
    is_secret: bool = False
    has_files: bool = False
    default: OptionValue | None = None
    example: Any = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    form: str = ""
    minimum: float | None = None
    maximum: float | None = None
    schemes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """What its value must be, in words."""
        if self.is_secret:
            return "{secret: NAME}"
        if self.choices:
            return f"{'a list of these: ' if self.is_list else ''}{any_of(self.choices)}"
        if self.form:
            return f"a list, each {self.form}" if self.is_list else self.form
        if self.schemes and self.type == "url":
            schemes = " or ".join(f"{one}://..." for one in self.schemes)
            return f"a list of {schemes}" if self.is_list else schemes
        return f"{(LIST_TYPES if self.is_list else TYPES)[self.type]}{self._bounds}"

    @property
    def _bounds(self) -> str:
        if self.type == "duration":
            least = "" if self.minimum is None else f" from {_span(self.minimum)}"
            return f",{least} up to {_span(self._most)}"
        if self.minimum is not None and self.maximum is not None:
            return f" from {self.minimum:g} to {self.maximum:g}"
        return "" if self.minimum is None else f" from {self.minimum:g} on"

    @property
    def _most(self) -> float:
        """The largest number, or the longest duration in seconds."""
        if self.maximum is not None:
            return self.maximum
        return _LONGEST if self.type == "duration" else 2**63 - 1

    def find_faults(self, value: Any) -> Iterator[tuple[int | None, str]]:
        """Why this cannot be its value, as `must be a whole number, not 'x'`, and the index of what is wrong in a list.
        No secret is in it."""
        if self.is_secret:
            if not _is_secret_name(value):
                yield None, "must be {secret: NAME}; the secret itself goes in with `aresmon collectors secret NAME`"
        elif not self.is_list:
            if fault := self._fault(value):
                yield None, fault
        elif not isinstance(value, list):
            yield None, f"must be {self.wanted}, not {_shown(value)}"
        elif not value:
            yield None, "is an empty list; leave it out, or name something"
        else:
            yield from self._faults_of_list(value)

    def find_fault(self, value: Any) -> str:
        """The first of its faults; empty if it has none."""
        return next((fault for _, fault in self.find_faults(value)), "")

    def _faults_of_list(self, values: list[Any]) -> Iterator[tuple[int, str]]:
        single = replace(self, is_list=False)
        for index, one in enumerate(values):
            if fault := single._fault(one):
                yield index, fault
            elif one in values[:index]:
                yield index, f"is there twice: {_shown(one)}"

    def value(self, given: Any) -> OptionValue:
        """A value that has no fault, as it is kept."""
        if self.is_secret:
            return SecretName(given["secret"])
        return tuple(given) if isinstance(given, list) else given

    def _fault(self, value: Any) -> str:
        """What is wrong with one value."""
        is_text = self.type in ("string", "url")
        if is_text and isinstance(value, str) and may_have_secret(value):
            return _REVEALING
        if not self._is_good(value):
            return f"must be {self.wanted}, not {_shown(value)}"
        if self.type == "regex" and (fault := go_regex.find_fault(value)):
            return f"is no regular expression of Go, which Telegraf uses: it {fault}"
        return ""

    def _is_good(self, value: Any) -> bool:
        if self.type == "boolean":
            return isinstance(value, bool)
        if self.type in ("integer", "number"):
            kinds = (int,) if self.type == "integer" else (int, float)
            is_number = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
            return is_number and (-(2**63) if self.minimum is None else self.minimum) <= value <= self._most
        if not isinstance(value, str) or not value.strip() or _CONTROL.search(value):
            return False
        if self.type == "duration" and not self._is_duration(value):
            return False
        if self.type == "url" and not _is_url(value, self.schemes):
            return False
        return not (self.choices and value not in self.choices) and not (
            self.pattern and not re.fullmatch(self.pattern, value)
        )

    def _is_duration(self, value: str) -> bool:
        return bool(DURATION.fullmatch(value)) and (self.minimum or 0.001) <= seconds(value) <= self._most

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema, for editors."""
        described = {"description": self.description}
        examples = {} if self.example is None else {"examples": [self.example]}
        if self.is_secret:
            name = {"type": "string", "pattern": f"^{SECRET_NAME.pattern}$"}
            whole = {
                "type": "object",
                "properties": {"secret": name},
                "required": ["secret"],
                "additionalProperties": False,
            }
            return described | whole | examples
        one: dict[str, Any] = {"type": _JSON_TYPES.get(self.type, "string")}
        one |= {"enum": list(self.choices)} if self.choices else {}
        one |= {"pattern": f"^(?:{self.pattern})$"} if self.pattern else {}
        one |= {"pattern": f"^{DURATION.pattern}$"} if self.type == "duration" else {}
        if self.type != "duration":
            bounds = {"minimum": self.minimum, "maximum": self.maximum}
            one |= {key: bound for key, bound in bounds.items() if bound is not None}
        whole = {"type": "array", "items": one, "minItems": 1, "uniqueItems": True} if self.is_list else one
        default = {} if self.default is None else {"default": plain(self.default)}
        return described | whole | default | examples


def plain(value: OptionValue | None) -> Any:
    """A value as YAML and JSON write it."""
    if isinstance(value, SecretName):
        return {"secret": value.name}
    return list(value) if isinstance(value, tuple) else value


Place = tuple[str | int, ...]
"""Where something is wrong: an option, with the index in its list; empty for the collector itself."""


def find_problems(options: Mapping[str, Option], given: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with the options given to a collector: where, and what."""
    for name, value in given.items():
        option = options.get(name)
        if option is None:
            known = f"; known: {', '.join(options)}" if options else "; this collector has none"
            yield (), f"unknown option {str(name)!r}{did_you_mean(str(name), options) or known}"
            continue
        for index, fault in option.find_faults(value):
            place: Place = (name,) if index is None else (name, index)
            yield place, f"{fault}; {_instead(options)}" if fault == _REVEALING else fault
        yield from (((name,), f"cannot be combined with {other}") for other in option.excludes if other in given)
        for other in option.needs:
            if other not in given:
                yield (name,), f"needs {other} beside it: {options[other].description}"
    is_misspelt = any(name not in options for name in given)
    for option in options.values():
        if option.is_required and given.keys().isdisjoint((option.name, *option.unless)) and not is_misspelt:
            instead = f" (or {', or '.join(option.unless)})" if option.unless else ""
            yield (), f"needs the option {option.name}{instead}: {option.description} It is {option.wanted}"


def _instead(options: Mapping[str, Option]) -> str:
    """What to do instead of a secret in an address."""
    secrets = [one for one in options.values() if one.is_secret]
    if not secrets:
        return (
            "this collector has no option for a login: let the service answer this host without one, or write a "
            "collector of your own with `secret = true` (docs/own-collectors.md)"
        )
    logins = [one.name for one in options.values() if one.name in _LOGINS or _is_login(one, secrets)]
    names = [*logins, *(f"{one.name}: {{secret: NAME}}" for one in secrets)]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"give {listed} instead, and set the secret with `aresmon collectors secret NAME`"


def _is_login(option: Option, secrets: list[Option]) -> bool:
    return not option.is_secret and any(option.name in one.needs for one in secrets)


def seconds(duration: str) -> float:
    """The seconds of `1m30s`."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h)", duration))


def _span(length: float) -> str:
    """Seconds as a duration, as `1m`."""
    for unit in ("h", "m", "s"):
        if length >= _SECONDS[unit] and length % _SECONDS[unit] == 0:
            return f"{length / _SECONDS[unit]:g}{unit}"
    return f"{length * 1000:g}ms"


def secret_name(text: str) -> str:
    """The name of a secret that is most like a text of lower-case letters: names of hosts and collectors can have other
    characters in them, and be longer."""
    found = SECRET_NAME.match(re.sub(r"[^a-z0-9]+", "-", text))
    return found[0] if found else text


def _is_secret_name(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"secret"}
        and isinstance(value["secret"], str)
        and SECRET_NAME.fullmatch(value["secret"]) is not None
    )


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value) or (schemes and parts.scheme not in schemes):
        return False
    return " " not in value and bool(parts.netloc or parts.path)


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = "nothing" if value is None else repr(value)
    return "what is there (it may have a password in it)" if _MAY_BE_SECRET.search(text) else text
