"""A folder of JSON Schemas, read on demand, and validation by them (`conformance.contract.validation`).

The name of a schema is its path below the folder without `.json` (`sms/request`); `common#message` names a definition
in a file. A reference is a path relative to its file; an `$id` is only where a file is published.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, Schema, SchemaRegistry

from conformance.contract.validation import ContractValidator, Takes, compiled
from conformance.model.errors import SuiteError, did_you_mean
from conformance.model.untrusted import parse_json

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
        self._resources: dict[str, Resource[Schema]] = {}
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
                raise SuiteError(f"the schema {path!r} is no JSON object")
            self._documents[path] = document
        return self._documents[path]

    # --- References

    @cached_property
    def registry(self) -> SchemaRegistry:
        """All schemas by their URI, read at the first reference."""
        return Registry(retrieve=self._retrieve)  # type: ignore[call-arg]  # an attrs alias that mypy does not see

    def _retrieve(self, uri: str) -> Resource[Schema]:
        if not uri.startswith(self.base_uri):
            raise SuiteError(f"a schema refers to {uri!r}, which is not below {self.base_uri}")
        path = uri.removeprefix(self.base_uri).removesuffix(".json")
        if path not in self._resources:
            unnamed = {key: value for key, value in self._document(path).items() if key != "$id"}
            self._resources[path] = DRAFT202012.create_resource(unnamed)
        return self._resources[path]

    def resolved(self, name: str) -> dict[str, Any]:
        """A copy of the schema `name`, each reference replaced by its target and without `$defs`.

        Raises SuiteError for an unknown schema, a reference that leads nowhere or into itself, and for a keyword beside
        a reference that the target has, too.
        """
        return copy.deepcopy(dict(self._without_references(name)))

    def _without_references(self, name: str) -> Mapping[str, Any]:
        if name not in self._resolved:
            resolver = self.registry.resolver(f"{self.base_uri}{name.partition('#')[0]}.json")
            self._resolved[name] = _inlined(self._written(name), resolver, ())
        return self._resolved[name]

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
        return list(islice(self._violations(name, instance), most))

    def violation(self, name: str, instance: Any) -> Violation | None:
        """The first violation, without a search for others; None if it is valid."""
        return next(self._violations(name, instance), None)

    def _violations(self, name: str, instance: Any) -> Iterator[Violation]:
        for error in self.validator(name).iter_errors(instance):
            yield Violation(_pointer(error), str(error.validator), _shortened(error.message))


def _names_below(folder: Traversable, prefix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".json"):
            yield prefix + entry.name.removesuffix(".json")


def _absent(name: str, known: tuple[str, ...]) -> SuiteError:
    return SuiteError(f"there is no schema {name!r}", did_you_mean(name, known))


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
    if keyword in SINGLE_SCHEMA:
        return _inlined(value, resolver, trail)
    if keyword in SCHEMA_LIST:
        return [_inlined(each, resolver, trail) for each in value]
    if keyword in SCHEMA_MAP:
        return {member: _inlined(each, resolver, trail) for member, each in value.items()}
    return value


def _target(reference: str, resolver: Any, trail: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = resolver.lookup(reference)
    except Unresolvable as error:
        raise SuiteError(f"the reference {reference!r} in a schema leads nowhere") from error
    # A schema found again below itself is the same object, because every document is read once.
    step = f"{id(found.contents)}"
    if step in trail:
        raise SuiteError(f"the reference {reference!r} in a schema leads into itself")
    target: dict[str, Any] = _inlined(found.contents, found.resolver, (*trail, step))
    return target


def _pointer(error: ValidationError) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)


def _shortened(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"


# The schemas of the suite's own files and messages.
FORMATS = SchemaSet(built_in("formats"), f"{BASE_URI}formats/")
