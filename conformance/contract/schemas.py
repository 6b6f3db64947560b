"""Folders of JSON Schemas, and validation by them: JSON Schema 2020-12 with `x-characters` and `x-integer`.

    SchemaSet               the schemas of a folder, read on demand; FORMATS: those of the suite's own files
    ContractValidator       finds every violation
    compiled                only decides whether a value is valid, many times as fast

The name of a schema is its path below the folder without `.json` (`sms/request`); `common#message` names a definition
in a file. A reference is a path relative to its file; an `$id` is only where a file is published.

Validation is strict where jsonschema follows Python: patterns are those of ECMA-262 (`conformance.model.text`), and NaN
and the infinities are not numbers. Each missing or forbidden member is an error of its own, at its path, and the order
of errors is the same in every run. To add a keyword: a generator of errors, and its row in `KEYWORDS`.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from conformance.model.errors import SuiteError, did_you_mean
from conformance.model.text import ecma_pattern, is_assigned, is_blank
from conformance.model.untrusted import parse_json

Takes = Callable[[Any], bool]
Schema = Mapping[str, Any]


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


# --- How a value breaks a schema


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not ecma_pattern(pattern).search(instance):
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
        yield ValidationError(f"{instance!r} holds a character that Unicode 14 does not assign to text")
    elif is_blank(instance):
        yield ValidationError(f"{instance!r} is white space alone")


def _integer_text(_validator: Any, bounds: Mapping[str, int], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """`x-integer: {"minimum": 5, "maximum": 10000}`: a string of ASCII digits without a leading zero, in that range."""
    if not isinstance(instance, str):
        return
    digits = instance.isascii() and instance.isdigit() and (instance == "0" or instance[0] != "0")
    # A number with more digits than the maximum is greater; its conversion could take for ever.
    if not digits or len(instance) > len(str(bounds["maximum"])):
        yield ValidationError(f"{instance!r} is not a whole number of {bounds['minimum']} to {bounds['maximum']}")
    elif not bounds["minimum"] <= int(instance) <= bounds["maximum"]:
        yield ValidationError(f"{instance!r} is not within {bounds['minimum']} to {bounds['maximum']}")


KEYWORDS = {
    "pattern": _pattern,
    "required": _required,
    "additionalProperties": _additional_properties,
    "x-characters": _characters,
    "x-integer": _integer_text,
}

ContractValidator: Callable[[Schema], Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators=KEYWORDS,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "number": lambda _, value: _is_number(value),
            "integer": lambda _, value: _is_number(value) and value == int(value),
        }
    ),
)


# --- Whether a schema takes a value


def compiled(schema: Schema) -> Takes | None:
    """A function that decides whether `schema` (without references) takes a value, many times as fast as a validator.

    None if it has other keywords than those of answers and notifications: a run has hundreds of thousands of these,
    nearly all valid. A test compares both.
    """
    try:
        return _takes(schema)
    except _UnknownError:
        return None


class _UnknownError(Exception):
    """`compiled` does not know a keyword, or its value."""


# They restrict nothing by themselves.
_IDLE = frozenset({"title", "description", "examples", "$comment", "then", "else"})
_OF_TEXT = frozenset({"type", "minLength", "maxLength", "pattern"})

_TYPES: Mapping[str, Takes] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _takes(schema: Any) -> Takes:
    if isinstance(schema, bool):
        return lambda _: schema
    if schema.get("type") == "string" and schema.keys() - _IDLE <= _OF_TEXT:
        return _takes_text(schema)
    tests = [_test(keyword, rule, schema) for keyword, rule in schema.items() if keyword not in _IDLE]
    if len(tests) == 1:
        return tests[0]

    def takes(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - all() takes twice as long, and this is called for every value of a run
            if not test(value):
                return False
        return True

    return takes


def _takes_text(schema: Schema) -> Takes:
    """The same for the schema of a text, with one check of the type: messages hold little else."""
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if "pattern" not in schema:
        return lambda value: isinstance(value, str) and least <= len(value) <= most
    search = ecma_pattern(schema["pattern"]).search
    return lambda value: isinstance(value, str) and least <= len(value) <= most and search(value) is not None


def _test(keyword: str, rule: Any, schema: Schema) -> Takes:  # noqa: C901, PLR0911, PLR0912 - a case for each keyword
    match keyword:
        case "type":
            tests = [_TYPES[kind] for kind in ([rule] if isinstance(rule, str) else rule) if kind in _TYPES]
            if len(tests) != (1 if isinstance(rule, str) else len(rule)):
                raise _UnknownError(keyword)
            return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)
        case "const" | "enum":
            allowed = [rule] if keyword == "const" else rule
            if not all(isinstance(each, str) or _is_number(each) for each in allowed):
                raise _UnknownError(keyword)
            return lambda value: not isinstance(value, bool | dict | list) and value in allowed
        case "pattern":
            search = ecma_pattern(rule).search
            return lambda value: not isinstance(value, str) or search(value) is not None
        case "minLength":
            return lambda value: not isinstance(value, str) or len(value) >= rule
        case "maxLength":
            return lambda value: not isinstance(value, str) or len(value) <= rule
        case "minimum":
            return lambda value: not _is_number(value) or value >= rule
        case "maximum":
            return lambda value: not _is_number(value) or value <= rule
        case "multipleOf" if isinstance(rule, int):
            return lambda value: not _is_number(value) or not value % rule
        case "required":
            wanted = frozenset(rule)
            return lambda value: not isinstance(value, dict) or value.keys() >= wanted
        case "properties":
            return _takes_members({name: _takes(each) for name, each in rule.items()})
        case "additionalProperties":
            known, other = schema.get("properties", {}).keys(), _takes(rule)
            return lambda value: not isinstance(value, dict) or all(other(value[name]) for name in value.keys() - known)
        case "items":
            item = _takes(rule)
            return lambda value: not isinstance(value, list) or all(map(item, value))
        case "minItems":
            return lambda value: not isinstance(value, list) or len(value) >= rule
        case "maxItems":
            return lambda value: not isinstance(value, list) or len(value) <= rule
        case "anyOf":
            ways = [_takes(each) for each in rule]
            return lambda value: any(test(value) for test in ways)
        case "allOf":
            parts = [_takes(each) for each in rule]
            return lambda value: all(test(value) for test in parts)
        case "if":
            asked, then, otherwise = map(_takes, (rule, schema.get("then", True), schema.get("else", True)))
            return lambda value: then(value) if asked(value) else otherwise(value)
        case _:
            raise _UnknownError(keyword)


def _takes_members(tests: Mapping[str, Takes]) -> Takes:
    def takes(value: Any) -> bool:
        if isinstance(value, dict):
            for name, test in tests.items():
                if name in value and not test(value[name]):
                    return False
        return True

    return takes


# --- Folders


BASE_URI = "https://statum-conformance.invalid/schemas/"

# A violation takes one line of a report; the journal has the whole value.
LONGEST_MESSAGE = 300


def built_in(folder: str) -> Traversable:
    """The folder of that name in `schemas/`, installed or in a checkout."""
    installed = files("conformance") / "schemas"
    root: Traversable = installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "schemas"
    return root / folder


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a value breaks a schema.

    `pointer` is the JSON pointer of the wrong value (of the absent member for `required`), which breaks `keyword`;
    `message` is the same in words.
    """

    pointer: str
    keyword: str
    message: str


# The keywords that hold schemas. Other keywords (examples, const, enum …) hold data.
SINGLE_SCHEMA = frozenset({"items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"})
SCHEMA_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SCHEMA_MAP = frozenset({"properties", "dependentSchemas"})
_ANNOTATIONS = frozenset({"title", "description", "examples", "$comment"})
_IDENTITY = frozenset({"$schema", "$id", "$defs"})


class SchemaSet:
    """The schemas below `folder`; `base_uri` is where they are published."""

    def __init__(self, folder: Traversable, base_uri: str) -> None:
        self.folder = folder
        self.base_uri = base_uri
        self._documents: dict[str, dict[str, Any]] = {}
        self._resolved: dict[str, Mapping[str, Any]] = {}
        self._validators: dict[str, Validator] = {}
        self._compiled: dict[str, Takes | None] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all schemas, in alphabetical order."""
        return tuple(sorted(_names_below(self.folder, "")))

    @cached_property
    def digest(self) -> str:
        """`sha256:` and the digest of all schema files with their names."""
        digest = hashlib.sha256()
        for name in self.names:
            data = (self.folder / f"{name}.json").read_bytes()
            digest.update(f"{name} {len(data)}\n".encode() + data)
        return f"sha256:{digest.hexdigest()}"

    # --- Reading

    def schema(self, name: str) -> dict[str, Any]:
        """A copy of the schema `name` as written; SuiteError if there is none."""
        return copy.deepcopy(self._written(name))

    def _written(self, name: str) -> dict[str, Any]:
        path, _, definition = name.partition("#")
        document = self._document(path)
        if not definition:
            return document
        definitions: dict[str, dict[str, Any]] = document.get("$defs", {})
        if definition not in definitions:
            raise _absent(name, tuple(f"{path}#{key}" for key in definitions))
        return definitions[definition]

    def _document(self, path: str) -> dict[str, Any]:
        if path not in self._documents:
            try:
                document = parse_json((self.folder / f"{path}.json").read_bytes())
            except OSError as error:
                raise _absent(path, self.names) from error
            except ValueError as error:
                raise SuiteError(f"the schema {path!r} cannot be read: {error}") from error
            if not isinstance(document, dict):
                raise SuiteError(f"the schema {path!r} is not a JSON object")
            self._documents[path] = document
        return self._documents[path]

    # --- References

    def target(self, reference: str, name: str) -> tuple[str, str]:
        """The file that a reference in the schema `name` leads to, as the name of a schema, and the pointer in it."""
        url, pointer = urldefrag(urljoin(f"{self.base_uri}{name.partition('#')[0]}.json", reference))
        return url.removeprefix(self.base_uri).removesuffix(".json"), pointer

    def resolved(self, name: str) -> dict[str, Any]:
        """A copy of the schema `name`, each reference replaced by its target and without `$defs`.

        Keywords beside a reference are kept (their annotations win). Raises SuiteError for a reference that leads
        nowhere or into itself, and for a keyword on both sides: JSON Schema would apply both.
        """
        return copy.deepcopy(dict(self._without_references(name)))

    def _without_references(self, name: str) -> Mapping[str, Any]:
        if name not in self._resolved:
            self._resolved[name] = self._inlined(self._written(name), name, ())
        return self._resolved[name]

    def _inlined(self, node: Any, name: str, trail: tuple[tuple[str, str], ...]) -> Any:
        """`node` of the schema `name` without references; `trail`: the references that led to it."""
        if not isinstance(node, dict):
            return node
        here: dict[str, Any] = {}
        for keyword, value in node.items():
            if keyword in SINGLE_SCHEMA:
                here[keyword] = self._inlined(value, name, trail)
            elif keyword in SCHEMA_LIST:
                here[keyword] = [self._inlined(each, name, trail) for each in value]
            elif keyword in SCHEMA_MAP:
                here[keyword] = {member: self._inlined(each, name, trail) for member, each in value.items()}
            elif keyword != "$ref" and keyword not in _IDENTITY:
                here[keyword] = value
        if "$ref" not in node:
            return here
        target = self._inlined_target(node["$ref"], name, trail)
        if both := {keyword for keyword in here.keys() & target.keys() if keyword not in _ANNOTATIONS}:
            raise SuiteError(f"{', '.join(sorted(both))} is beside {node['$ref']!r} and in it; one place is enough")
        return target | here

    def _inlined_target(self, reference: str, name: str, trail: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        path, pointer = step = self.target(reference, name)
        if step in trail:
            raise SuiteError(f"the reference {reference!r} in a schema leads into itself")
        try:
            found = value_at(self._document(path), unquote(pointer))
        except (SuiteError, LookupError, TypeError, ValueError) as error:
            raise SuiteError(f"the reference {reference!r} in a schema leads nowhere") from error
        target: dict[str, Any] = self._inlined(found, path, (*trail, step))
        return target

    # --- Validating

    def validator(self, name: str) -> Validator:
        """The validator of the schema `name`, built once; SuiteError if there is no such schema.

        It uses the resolved schema: references cost nothing, and jsonschema, which switches to its own validator class
        behind a reference to a document with a `$schema`, cannot lose our keywords.
        """
        if name not in self._validators:
            self._validators[name] = ContractValidator(self._without_references(name))
        return self._validators[name]

    def takes(self, name: str, instance: Any) -> bool:
        """Whether `instance` is valid by the schema `name`: the same as no violation, and faster."""
        if name not in self._compiled:
            self._compiled[name] = compiled(self._without_references(name))
        test = self._compiled[name]
        return self.validator(name).is_valid(instance) if test is None else test(instance)

    def violations(self, name: str, instance: Any, most: int | None = None) -> list[Violation]:
        """Every violation of the schema `name` by `instance`, in the order of the schema; empty if it is valid.

        At most `most`, for an instance that breaks a schema a million times.
        """
        return list(map(_violation, islice(self.validator(name).iter_errors(instance), most)))

    def violation(self, name: str, instance: Any) -> Violation | None:
        """The first violation, without a search for others; None if it is valid."""
        return next(iter(self.violations(name, instance, 1)), None)


def _names_below(folder: Traversable, prefix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".json"):
            yield prefix + entry.name.removesuffix(".json")


def _absent(name: str, known: tuple[str, ...]) -> SuiteError:
    return SuiteError(f"there is no schema {name!r}", did_you_mean(name, known))


def value_at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer; KeyError, IndexError, TypeError or ValueError without one."""
    value = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def _violation(error: ValidationError) -> Violation:
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
    message, half = error.message, LONGEST_MESSAGE // 2
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:half]} … {message[-half:]}"
    return Violation(pointer, str(error.validator), message)


# The schemas of the suite's own files and messages.
FORMATS = SchemaSet(built_in("formats"), f"{BASE_URI}formats/")
