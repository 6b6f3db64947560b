"""The validator of the contract: JSON Schema 2020-12 with `x-characters` and `x-integer`, strict where Python is lax.

jsonschema follows Python in two places where JSON does not: patterns here are those of ECMA-262
(`conformance.contract.ecma`), and NaN and the infinities are no numbers. Each member that is missing or not allowed is
an error of its own, at that member's path, and errors come in an order that does not change from run to run.

To add a keyword: a generator of errors, and its row in `KEYWORDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from conformance.contract import ecma
from conformance.contract.assigned import is_assigned, is_blank
from conformance.model.errors import SuiteError


def _is_integer(_checker: object, instance: object) -> bool:
    return (isinstance(instance, int) and not isinstance(instance, bool)) or (
        isinstance(instance, float) and instance.is_integer()
    )


def _is_number(_checker: object, instance: object) -> bool:
    return (isinstance(instance, int) and not isinstance(instance, bool)) or (
        isinstance(instance, float) and math.isfinite(instance)
    )


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
    # A number of more digits than the maximum has is greater; converting it could take for ever.
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

_CHECKER = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
ContractValidator = cast(
    "Callable[[Mapping[str, Any]], Validator]",
    extend(Draft202012Validator, validators=KEYWORDS, type_checker=_CHECKER),  # type: ignore[no-untyped-call]
)
