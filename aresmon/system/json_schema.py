"""Holds data against a JSON Schema, and says what is wrong as a person would."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from aresmon.system.errors import any_of
from aresmon.system.yaml_document import Document, Keys, YamlProblem, dotted

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator


_MOST_NAMED = 20  # choices that are all named in a message
_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_CREDENTIALS = re.compile(r"://.*@", re.DOTALL)
_SETTING = re.compile(r"[a-z_]{1,20}")


@cache
def _validator() -> type[Validator]:
    """The class that checks; imported when it is needed, since a file that was checked once is not again."""
    from jsonschema import Draft202012Validator, ValidationError, validators

    def pattern(checker: Validator, expression: str, instance: Any, _: Any) -> Iterator[ValidationError]:
        # `$` is the end of the text, as the standard has it, and not before its last newline as in Python.
        if checker.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", expression), instance):
            yield ValidationError(f"does not match {expression}")

    extended: type[Validator] = validators.extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    return extended


def problems(document: Document, schema: Mapping[str, Any]) -> list[YamlProblem]:
    """Everything in the document that the schema does not allow."""
    found: list[YamlProblem] = []
    for error in _validator()(schema).iter_errors(document.data):
        found.extend(_told(error, document))
    return found


def without_errors(data: Any, schema: Mapping[str, Any]) -> tuple[Any, set[Keys]]:
    """The data less what the schema does not allow, so that the rest can still be looked at, and what went."""
    clean = copy.deepcopy(data)
    dropped: set[Keys] = set()
    for error in _validator()(schema).iter_errors(data):
        path: Keys = tuple(error.absolute_path)
        instance: Any = error.instance
        if error.validator == "additionalProperties" and isinstance(error.schema, dict):
            dropped |= {(*path, key) for key in set(instance) - set(error.schema.get("properties", {}))}
        elif "propertyNames" in error.absolute_schema_path:
            dropped.add((*path, instance))
        else:
            dropped.add(path)
    for keys in dropped:
        clean = _drop(clean, keys)
    return clean, dropped


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'system'?)`, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def unused(data: Any, schema: Mapping[str, Any], keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Settings that stand in the data but have no effect in this release, with the reason."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        below = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        if isinstance(below, dict):
            if "x-later" in below:
                yield (*keys, key), below["x-later"]
            yield from unused(value, below, (*keys, key))


def _drop(data: Any, keys: Keys) -> Any:
    """The data without what is at these keys; a list goes as a whole."""
    if not keys:
        return None
    if isinstance(data, dict) and keys[0] in data:
        below = data.pop(keys[0])
        if len(keys) > 1 and isinstance(below, dict):
            data[keys[0]] = _drop(below, keys[1:])
    return data


def _told(error: ValidationError, document: Document) -> Iterator[YamlProblem]:
    keys: Keys = tuple(error.absolute_path)
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        instance: Any = error.instance
        for key in instance:
            if key not in known:
                is_told = _SETTING.fullmatch(key) or not _is_secret(key, schema)
                at = (*keys, key) if is_told else keys
                message = f"unknown setting{did_you_mean(key, known) or '; known: ' + ', '.join(known)}"
                yield YamlProblem(document.line(at), dotted(at), message)
        return
    if "propertyNames" in error.absolute_schema_path:
        at = (*keys, error.instance)
        yield document.problem(at, f"the name {_shown(error.instance)} must be {schema['x-form']}")
        return
    yield document.problem(keys, _message(error, schema))


def _message(error: ValidationError, schema: Mapping[str, Any]) -> str:
    wanted: Any = error.validator_value
    found: Any = error.instance
    is_secret = _is_secret(found, schema)
    match error.validator:
        case "type" | "maxProperties" if "x-form" in schema and (error.validator != "type" or "object" in wanted):
            return f"must be {schema['x-form']}"
        case "type" if "boolean" in wanted and "x-form" in schema:
            return f"must be {schema['x-form']}, not {_kind(found, is_secret=is_secret)}"
        case "type":
            return f"must be {_kinds(wanted)}, not {_kind(found, is_secret=is_secret)}"
        case "enum":
            return _of_these([str(value) for value in wanted], found, is_secret=is_secret)
        case "pattern":
            form = schema.get("x-form", wanted)
            return f"must be {form}" if is_secret else f"must be {form}, not {_shown(found)}"
        case "required":
            missing = [key for key in wanted if key not in found]
            return f"misses {', '.join(missing)}"
        case "minProperties" | "minItems":
            return "is empty; at least one is needed"
        case "minLength":
            return f"is too short; {wanted} characters at least"
        case "uniqueItems":
            return "has the same one twice"
        case _:
            return error.message.replace(repr(found), "it") if is_secret else error.message


def _is_secret(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether what stands there must not be repeated: where secrets belong, and what is an address with a password."""
    return bool(schema.get("x-secret")) or _CREDENTIALS.search(str(value)) is not None


def _of_these(known: list[str], found: Any, *, is_secret: bool) -> str:
    named = any_of(known) if len(known) <= _MOST_NAMED else f"one of {len(known)} words, as {', '.join(known[:4])}"
    return f"must be {named}" if is_secret else f"must be {named}, not {_shown(found)}{did_you_mean(str(found), known)}"


def _kinds(types: str | list[str]) -> str:
    names = [types] if isinstance(types, str) else types
    return " or ".join(_KINDS[name] for name in names if name != "null")


def _kind(value: Any, *, is_secret: bool) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (put it in quotes if a text is meant)"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if is_secret:
        return "a text" if isinstance(value, str) else "a number (put it in quotes if a text is meant)"
    return _shown(value) if isinstance(value, str) else f"the number {value} (put it in quotes if a text is meant)"


def _shown(value: Any) -> str:
    """In quotes and on one line."""
    return repr(str(value))
