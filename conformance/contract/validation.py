"""Validation by a schema: JSON Schema 2020-12 with `x-characters` and `x-integer`, strict where Python is lax.

jsonschema follows Python in two places where JSON differs: here, patterns are those of ECMA-262
(`conformance.model.ecma`), and NaN and the infinities are not numbers. Each missing or forbidden member is an error of
its own, at its path, and the order of errors is the same in every run.

`compiled` makes a function that only decides whether a value is valid, many times as fast. It knows the keywords of
answers and notifications: a run has hundreds of thousands, nearly all valid. A test compares both. To add a keyword:
a generator of errors, and its row in `KEYWORDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from conformance.model import ecma
from conformance.model.characters import is_assigned, is_blank
from conformance.model.errors import SuiteError

Takes = Callable[[Any], bool]
Schema = Mapping[str, Any]


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


# --- How a value breaks a schema


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not ecma.compiled(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _required(_validator: Any, required: list[str], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for member in required:
            if member not in instance:
                yield ValidationError(f"{member!r} is missing", path=(member,))


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    for member, value in instance.items():
        if member in known:
            continue
        if rule is False:
            yield ValidationError(f"{member!r} is not allowed here", path=(member,))
        else:
            yield from validator.descend(value, rule, path=member)


def _characters(_validator: Any, kind: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """`x-characters: "text"`: assigned characters, no controls but tab and line breaks, not white space alone."""
    if kind != "text":
        raise SuiteError(f"x-characters is {kind!r}, and only 'text' is known")
    if not isinstance(instance, str) or not instance:
        return
    if not is_assigned(instance):
        yield ValidationError(f"{instance!r} holds a character that is no assigned character of text")
    elif is_blank(instance):
        yield ValidationError(f"{instance!r} is white space alone")


def _integer_text(_validator: Any, bounds: Mapping[str, int], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """`x-integer: {"minimum": 5, "maximum": 10000}`: a string of ASCII digits without a leading zero, in that range."""
    if not isinstance(instance, str):
        return
    digits = instance.isascii() and instance.isdigit() and (instance == "0" or instance[0] != "0")
    # A number with more digits than the maximum is greater; its conversion could take for ever.
    if not digits or len(instance) > len(str(bounds["maximum"])):
        yield ValidationError(f"{instance!r} is no whole number of {bounds['minimum']} to {bounds['maximum']}")
    elif not bounds["minimum"] <= int(instance) <= bounds["maximum"]:
        yield ValidationError(f"{instance!r} is not within {bounds['minimum']} to {bounds['maximum']}")


KEYWORDS = {
    "pattern": _pattern,
    "required": _required,
    "additionalProperties": _additional_properties,
    "x-characters": _characters,
    "x-integer": _integer_text,
}

ContractValidator = cast(
    "Callable[[Mapping[str, Any]], Validator]",
    extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        validators=KEYWORDS,
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
            {"number": lambda _, value: _is_number(value), "integer": lambda _, value: _is_integer(value)}
        ),
    ),
)


# --- Whether a schema takes a value


def compiled(schema: Schema) -> Takes | None:
    """A function that decides whether `schema` (without references) takes a value; None if it has unknown keywords."""
    try:
        return _takes(schema)
    except _UnknownError:
        return None


class _UnknownError(Exception):
    """`compiled` does not know a keyword, or its value."""


def _takes(schema: Any) -> Takes:
    if isinstance(schema, bool):
        return lambda _: schema
    if schema.get("type") == "string" and {name for name in schema if _TESTS.get(name, name)} <= _OF_TEXT:
        return _takes_text(schema)
    tests = []
    for keyword, rule in schema.items():
        if keyword not in _TESTS:
            raise _UnknownError(keyword)
        if (made := _TESTS[keyword]) is not None:
            tests.append(made(rule, schema))
    if len(tests) == 1:
        return tests[0]

    def takes(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - all() takes twice as long, and this is called for every value of a run
            if not test(value):
                return False
        return True

    return takes


_OF_TEXT = frozenset({"type", "minLength", "maxLength", "pattern"})


def _takes_text(schema: Schema) -> Takes:
    """The same for the schema of a text, with one check of the type: messages hold little else."""
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if "pattern" not in schema:
        return lambda value: isinstance(value, str) and least <= len(value) <= most
    search = ecma.compiled(schema["pattern"]).search
    return lambda value: isinstance(value, str) and least <= len(value) <= most and search(value) is not None


_TYPES: Mapping[str, Takes] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _takes_type(rule: Any, _: Schema) -> Takes:
    kinds = [rule] if isinstance(rule, str) else rule
    if not _TYPES.keys() >= set(kinds):
        raise _UnknownError("type")
    tests = [_TYPES[kind] for kind in kinds]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _takes_one_of(rule: Any, _: Schema) -> Takes:
    if not all(isinstance(each, str) or _is_number(each) for each in rule):
        raise _UnknownError("enum")
    return lambda value: not isinstance(value, bool | dict | list) and value in rule


def _takes_pattern(rule: str, _: Schema) -> Takes:
    search = ecma.compiled(rule).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _takes_multiple(rule: Any, _: Schema) -> Takes:
    if not isinstance(rule, int):
        raise _UnknownError("multipleOf")
    return lambda value: not _is_number(value) or not value % rule


def _takes_required(rule: list[str], _: Schema) -> Takes:
    wanted = frozenset(rule)
    return lambda value: not isinstance(value, dict) or value.keys() >= wanted


def _takes_properties(rule: Mapping[str, Any], _: Schema) -> Takes:
    members = {name: _takes(each) for name, each in rule.items()}

    def takes(value: Any) -> bool:
        if isinstance(value, dict):
            for name, test in members.items():
                if name in value and not test(value[name]):
                    return False
        return True

    return takes


def _takes_other_members(rule: Any, schema: Schema) -> Takes:
    known, test = schema.get("properties", {}).keys(), _takes(rule)
    return lambda value: not isinstance(value, dict) or all(test(value[name]) for name in value.keys() - known)


def _takes_items(rule: Any, _: Schema) -> Takes:
    test = _takes(rule)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def _takes_any_of(rule: list[Any], _: Schema) -> Takes:
    tests = [_takes(each) for each in rule]
    return lambda value: any(test(value) for test in tests)


def _takes_all_of(rule: list[Any], _: Schema) -> Takes:
    tests = [_takes(each) for each in rule]
    return lambda value: all(test(value) for test in tests)


def _takes_if(rule: Any, schema: Schema) -> Takes:
    asked, then, otherwise = (_takes(each) for each in (rule, schema.get("then", True), schema.get("else", True)))
    return lambda value: then(value) if asked(value) else otherwise(value)


# None: the keyword restricts nothing by itself.
_TESTS: Mapping[str, Callable[[Any, Schema], Takes] | None] = {
    **dict.fromkeys(("title", "description", "examples", "$comment", "then", "else")),
    "type": _takes_type,
    "const": lambda rule, schema: _takes_one_of([rule], schema),
    "enum": _takes_one_of,
    "pattern": _takes_pattern,
    "minLength": lambda least, _: lambda value: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda most, _: lambda value: not isinstance(value, str) or len(value) <= most,
    "minimum": lambda least, _: lambda value: not _is_number(value) or value >= least,
    "maximum": lambda most, _: lambda value: not _is_number(value) or value <= most,
    "multipleOf": _takes_multiple,
    "required": _takes_required,
    "properties": _takes_properties,
    "additionalProperties": _takes_other_members,
    "items": _takes_items,
    "minItems": lambda least, _: lambda value: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda most, _: lambda value: not isinstance(value, list) or len(value) <= most,
    "anyOf": _takes_any_of,
    "allOf": _takes_all_of,
    "if": _takes_if,
}
