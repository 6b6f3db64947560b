"""A schema as a function that says whether it takes a value, many times as fast as jsonschema.

    compiled(schema)    the function; None for a schema with a keyword that is not known here

It knows the keywords of answers and notifications, of which a run has hundreds of thousands, and nearly all are valid.
How a value breaks its schema is told by `ContractValidator` alone; a test puts the two side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from conformance.contract import ecma

Takes = Callable[[Any], bool]
Schema = Mapping[str, Any]

_SAYING_NOTHING = frozenset({"title", "description", "examples", "$comment", "then", "else"})


class _UnknownError(Exception):
    """A keyword, or what one says, is not known here."""


def compiled(schema: Schema) -> Takes | None:
    """Whether `schema` (without references) takes a value, as a function; None where only jsonschema can tell."""
    try:
        return _takes(schema)
    except _UnknownError:
        return None


def _takes(schema: Any) -> Takes:
    if isinstance(schema, bool):
        return lambda _: schema
    tests = []
    for keyword, rule in schema.items():
        if keyword in _SAYING_NOTHING:
            continue
        if keyword not in _KEYWORDS:
            raise _UnknownError(keyword)
        tests.append(_KEYWORDS[keyword](rule, schema))
    if len(tests) == 1:
        return tests[0]

    def takes(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - all() takes twice as long, and this is called for every value of a run
            if not test(value):
                return False
        return True

    return takes


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


_TYPES: Mapping[str, Takes] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _type(rule: Any, _: Schema) -> Takes:
    kinds = [rule] if isinstance(rule, str) else rule
    if not _TYPES.keys() >= set(kinds):
        raise _UnknownError("type")
    tests = [_TYPES[kind] for kind in kinds]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _const(rule: Any, _: Schema) -> Takes:
    return _enum([rule], _)


def _enum(rule: Any, _: Schema) -> Takes:
    if not all(isinstance(each, str) or _is_number(each) for each in rule):
        raise _UnknownError("enum")
    return lambda value: not isinstance(value, bool | dict | list) and value in rule


def _pattern(rule: str, _: Schema) -> Takes:
    search = ecma.compiled(rule).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _whole_multiple(rule: Any, _: Schema) -> Takes:
    if not isinstance(rule, int):
        raise _UnknownError("multipleOf")
    return lambda value: not _is_number(value) or not value % rule


def _required(rule: list[str], _: Schema) -> Takes:
    wanted = frozenset(rule)
    return lambda value: not isinstance(value, dict) or value.keys() >= wanted


def _properties(rule: Mapping[str, Any], _: Schema) -> Takes:
    members = {name: _takes(each) for name, each in rule.items()}

    def takes(value: Any) -> bool:
        if isinstance(value, dict):
            for name, test in members.items():
                if name in value and not test(value[name]):
                    return False
        return True

    return takes


def _additional_properties(rule: Any, schema: Schema) -> Takes:
    known, test = schema.get("properties", {}).keys(), _takes(rule)
    return lambda value: not isinstance(value, dict) or all(test(value[name]) for name in value.keys() - known)


def _items(rule: Any, _: Schema) -> Takes:
    test = _takes(rule)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def _any_of(rule: list[Any], _: Schema) -> Takes:
    tests = [_takes(each) for each in rule]
    return lambda value: any(test(value) for test in tests)


def _all_of(rule: list[Any], _: Schema) -> Takes:
    tests = [_takes(each) for each in rule]
    return lambda value: all(test(value) for test in tests)


def _if(rule: Any, schema: Schema) -> Takes:
    asked, then, otherwise = (_takes(each) for each in (rule, schema.get("then", True), schema.get("else", True)))
    return lambda value: then(value) if asked(value) else otherwise(value)


def _compared(applies: Takes, keeps: Callable[[Any, Any], bool]) -> Callable[[Any, Schema], Takes]:
    return lambda rule, _: lambda value: not applies(value) or keeps(value, rule)


_KEYWORDS: Mapping[str, Callable[[Any, Schema], Takes]] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "minLength": _compared(_TYPES["string"], lambda value, least: len(value) >= least),
    "maxLength": _compared(_TYPES["string"], lambda value, most: len(value) <= most),
    "minimum": _compared(_is_number, lambda value, least: value >= least),
    "maximum": _compared(_is_number, lambda value, most: value <= most),
    "multipleOf": _whole_multiple,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "items": _items,
    "minItems": _compared(_TYPES["array"], lambda value, least: len(value) >= least),
    "maxItems": _compared(_TYPES["array"], lambda value, most: len(value) <= most),
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": _if,
}
