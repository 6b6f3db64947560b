"""The JSON Schemas of `schemas/`, and judging values by them: the one reading of the contract that all parts share.

    schema_names()              every schema there is
    schema(name)                one schema as it is written
    resolved(name)              the same with every reference replaced by what it refers to
    validator(name)             a validator of it, built once
    violations(name, instance)  where and by what keyword a value breaks it; violation(…) the first of them
    parse_json(data)            bytes to a value, without the leniencies of `json.loads`
    parse_with_repeats(data)    the same of a text that may name a member twice, and whether it does
    schemas_digest()            names this edition of the schemas

A name is the path below `schemas/` without `.json` (`sms/request`); `journal#case` names a definition in a file.

What the validator knows beyond JSON Schema 2020-12, and where it is stricter than jsonschema: see
`conformance.contract.keywords`.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, Schema, SchemaRegistry

from conformance.contract.keywords import ContractValidator
from conformance.contract.strict_json import parse_json, parse_with_repeats
from conformance.errors import SuiteError

__all__ = [
    "BASE_URI",
    "ROOT",
    "Violation",
    "parse_json",
    "parse_with_repeats",
    "registry",
    "resolved",
    "schema",
    "schema_names",
    "schemas_digest",
    "validator",
    "violation",
    "violations",
]

BASE_URI = "https://statum-conformance.invalid/schemas/"

# A violation is shown in one line of a report; the value itself is kept in full in the journal.
LONGEST_MESSAGE = 300


def _root() -> Traversable:
    installed = files("conformance") / "schemas"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "schemas"


ROOT: Traversable = _root()


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a value breaks a schema.

    `pointer` is the JSON pointer of the value at fault (of the absent member for `required`), `keyword` the keyword
    that is broken, `message` says it in words.
    """

    pointer: str
    keyword: str
    message: str


# --- Reading schemas


@cache
def schema_names() -> tuple[str, ...]:
    """The names of all schemas, in alphabetical order."""
    return tuple(sorted(_names_below(ROOT, "")))


def _names_below(folder: Traversable, prefix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".json"):
            yield prefix + entry.name.removesuffix(".json")


@cache
def schemas_digest() -> str:
    """`sha256:` and the digest of all schema files with their names."""
    digest = hashlib.sha256()
    for name in schema_names():
        data = (ROOT / f"{name}.json").read_bytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return f"sha256:{digest.hexdigest()}"


def schema(name: str) -> dict[str, Any]:
    """The schema `name` as it is written, a copy that the caller may change; SuiteError if there is none."""
    path, _, definition = name.partition("#")
    document = _document(path)
    return copy.deepcopy(_definition(name, document, definition) if definition else document)


@cache
def _document(path: str) -> dict[str, Any]:
    try:
        document = parse_json((ROOT / f"{path}.json").read_bytes())
    except OSError as error:
        raise _absent(path, schema_names()) from error
    except ValueError as error:
        raise SuiteError(f"the schema {path!r} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise SuiteError(f"the schema {path!r} is no JSON object")
    return document


def _definition(name: str, document: dict[str, Any], definition: str) -> dict[str, Any]:
    definitions: dict[str, dict[str, Any]] = document.get("$defs", {})
    if definition not in definitions:
        raise _absent(name, tuple(f"{name.partition('#')[0]}#{key}" for key in definitions))
    return definitions[definition]


def _absent(name: str, known: tuple[str, ...]) -> SuiteError:
    close = difflib.get_close_matches(name, known, n=1)
    return SuiteError(f"there is no schema {name!r}", hint=f"did you mean {close[0]!r}?" if close else None)


# --- References


def _retrieve(uri: str) -> Resource[Schema]:
    if not uri.startswith(BASE_URI):
        raise SuiteError(f"a schema refers to {uri!r}, which is not below {BASE_URI}")
    return DRAFT202012.create_resource(_document(uri.removeprefix(BASE_URI).removesuffix(".json")))


@cache
def registry() -> SchemaRegistry:
    """All schemas by their `$id`, read when they are first referred to."""
    return Registry(retrieve=_retrieve)  # type: ignore[call-arg]  # an attrs alias that mypy does not see


# Where schemas are inside of a schema. What is in other keywords (examples, const, enum …) is data.
_ONE_SCHEMA = frozenset({"items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"})
_SCHEMA_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMA_MAP = frozenset({"properties", "dependentSchemas"})
_ANNOTATIONS = frozenset({"title", "description", "examples", "$comment"})
_IDENTITY = frozenset({"$schema", "$id", "$defs"})


@cache
def _resolved(name: str) -> Mapping[str, Any]:
    path, _, definition = name.partition("#")
    node = _definition(name, _document(path), definition) if definition else _document(path)
    resolver = registry().resolver(f"{BASE_URI}{path}.json")
    inlined: dict[str, Any] = _inlined(node, resolver, ())
    return inlined


def resolved(name: str) -> dict[str, Any]:
    """The schema `name` without any reference: what it refers to stands in its place, and no `$defs` are left.

    A copy that the caller may change. Raises SuiteError for a schema that does not exist, a reference that leads
    nowhere or into itself, and for a keyword beside a reference that what is referred to has too.
    """
    return copy.deepcopy(dict(_resolved(name)))


def _inlined(node: Any, resolver: Any, trail: tuple[str, ...]) -> Any:
    if not isinstance(node, dict):
        return node
    here = {
        keyword: _inlined_keyword(keyword, value, resolver, trail)
        for keyword, value in node.items()
        if keyword != "$ref" and keyword not in _IDENTITY
    }
    if "$ref" not in node:
        return here
    target = _target(node["$ref"], resolver, trail)
    both = {keyword for keyword in here.keys() & target.keys() if keyword not in _ANNOTATIONS}
    if both:
        raise SuiteError(f"{', '.join(sorted(both))} stands beside {node['$ref']!r} and in it; one place is enough")
    return target | here


def _inlined_keyword(keyword: str, value: Any, resolver: Any, trail: tuple[str, ...]) -> Any:
    if keyword in _ONE_SCHEMA:
        return _inlined(value, resolver, trail)
    if keyword in _SCHEMA_LIST:
        return [_inlined(each, resolver, trail) for each in value]
    if keyword in _SCHEMA_MAP:
        return {member: _inlined(each, resolver, trail) for member, each in value.items()}
    return value


def _target(reference: str, resolver: Any, trail: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = resolver.lookup(reference)
    except Unresolvable as error:
        raise SuiteError(f"the reference {reference!r} in a schema leads nowhere") from error
    # What is found again below itself is the same object, since every document is read once.
    step = f"{id(found.contents)}"
    if step in trail:
        raise SuiteError(f"the reference {reference!r} in a schema leads into itself")
    target: dict[str, Any] = _inlined(found.contents, found.resolver, (*trail, step))
    return target


# --- Validating


@cache
def validator(name: str) -> Validator:
    """The validator of the schema `name`, built once; SuiteError if there is no such schema.

    It judges by the resolved schema: references cost nothing then, and jsonschema, which goes on with its own
    validator class behind a reference to a document with a `$schema`, cannot lose our keywords.
    """
    return ContractValidator(_resolved(name))


def violations(name: str, instance: Any) -> list[Violation]:
    """Every violation of the schema `name` by `instance`, in the order of the schema; empty if it is valid."""
    return list(_violations(name, instance))


def violation(name: str, instance: Any) -> Violation | None:
    """The first violation; None if it is valid. What breaks a schema a million times is looked at no further."""
    return next(_violations(name, instance), None)


def _violations(name: str, instance: Any) -> Iterator[Violation]:
    for error in validator(name).iter_errors(instance):
        yield Violation(_pointer(error), str(error.validator), _shortened(error.message))


def _pointer(error: ValidationError) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)


def _shortened(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"
