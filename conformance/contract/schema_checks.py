"""The schemas of a contract folder, checked: that they can be read, resolved, kept and generated from.

unreadable      files that are no JSON objects
malformed       references that lead nowhere, keywords that are unknown, examples that break their schema
members_of      the names of the members that a schema has
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urldefrag, urljoin

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from conformance.contract.folder import ContractFolder, FolderFault, hinted
from conformance.contract.validation import KEYWORDS
from conformance.model.errors import SuiteError, UnknownKeyword
from conformance.model.untrusted import parse_json

Place = tuple[str | int, ...]

_META = Draft202012Validator(Draft202012Validator.META_SCHEMA)

# What is said of a schema and restricts nothing, beside what the validator knows.
_SAID = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "then", "else"})
_KNOWN = frozenset(Draft202012Validator.VALIDATORS) | KEYWORDS.keys() | _SAID
_IN_ONE = frozenset({"items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"})
_IN_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_BY_NAME = frozenset({"properties", "dependentSchemas", "$defs", "patternProperties"})


def unreadable(folder: ContractFolder) -> Iterator[FolderFault]:
    """Files that are no JSON objects."""
    for name in folder.schemas.names:
        file = folder.file_of(name)
        data = (folder.root / file).read_bytes()
        try:
            document = parse_json(data)
        except ValueError as error:
            line = re.search(r"line (\d+)", str(error))
            yield FolderFault(file, int(line[1]) if line else 1, f"{error}; expected JSON, each member named once")
            continue
        if not isinstance(document, dict):
            yield FolderFault(file, 1, "it is no object; expected a JSON Schema")


def malformed(folder: ContractFolder, generates: Callable[[Mapping[str, Any]], object] | None) -> Iterator[FolderFault]:
    """What is wrong within the schemas; `generates` is that of `conformance.contract.checking.Engine`."""
    sound = True
    for name in folder.schemas.names:
        for place, told in _within(folder, name):
            sound = False
            yield folder.fault(name, place, told)
    if not sound:
        return
    for name in folder.schemas.names:
        found = list(_whole(folder, name))
        yield from found or _examples(folder, name)
        if not found and generates is not None and name.endswith("/request"):
            yield from _not_generated(folder, name, generates)


def _within(folder: ContractFolder, name: str) -> Iterator[tuple[Place, str]]:
    """Keywords that are unknown, or not as they have to be, and references that lead nowhere."""
    document = folder.schemas.schema(name)
    for place, schema in _schemas(document, ()):
        for keyword, rule in schema.items():
            if keyword not in _KNOWN:
                told = f"the keyword {keyword!r} is unknown; expected one of JSON Schema 2020-12 or of docs/extend.md"
                yield (*place, keyword), hinted(told, keyword, _KNOWN)
            elif keyword == "$ref" and (nowhere := _leads_nowhere(folder, name, rule)):
                yield (*place, keyword), nowhere
    for broken in _no_schema(json.dumps(document)):
        yield tuple(broken.absolute_path), f"{broken.message:.200}; expected a schema of JSON Schema 2020-12"


@lru_cache(maxsize=256)  # a folder that is checked again has changed in one place, if at all
def _no_schema(document: str) -> tuple[ValidationError, ...]:
    return tuple(_META.iter_errors(json.loads(document)))


def _schemas(node: Any, place: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Each schema within a schema, and where it is; what stands in examples and constants is data."""
    if not isinstance(node, Mapping):
        return
    yield place, node
    for keyword, value in node.items():
        if keyword in _IN_ONE:
            yield from _schemas(value, (*place, keyword))
        elif keyword in _IN_LIST and isinstance(value, list):
            for number, each in enumerate(value):
                yield from _schemas(each, (*place, keyword, number))
        elif keyword in _BY_NAME and isinstance(value, Mapping):
            for member, each in value.items():
                yield from _schemas(each, (*place, keyword, member))


def _leads_nowhere(folder: ContractFolder, name: str, reference: Any) -> str | None:
    schemas = folder.schemas
    url, fragment = urldefrag(urljoin(f"{schemas.base_uri}{name}.json", str(reference)))
    target = url.removeprefix(schemas.base_uri).removesuffix(".json")
    if not url.startswith(schemas.base_uri) or target not in schemas:
        told = f"$ref {reference!r} leads to no file of the folder; expected a path from this file"
        return hinted(told, target, schemas.names)
    found: Any = schemas.schema(target)
    for step in fragment.split("/")[1:]:
        known = found if isinstance(found, Mapping) else {}
        if step not in known:
            told = f"$ref {reference!r} leads nowhere, for {target}.json has no {step!r} there; expected a definition"
            return hinted(told, step, known)
        found = known[step]
    return None


def _whole(folder: ContractFolder, name: str) -> Iterator[FolderFault]:
    """A schema that cannot be written without its references."""
    try:
        folder.schemas.resolved(name)
    except SuiteError as error:
        yield folder.fault(name, (), f"{error.message}; expected a schema that can be written without references")


def _examples(folder: ContractFolder, name: str) -> Iterator[FolderFault]:
    """Every message has an example, and every example keeps its schema; one of a request also the tolerated one."""
    document = folder.schemas.schema(name)
    if not document.get("examples") and "$defs" not in document:
        yield folder.fault(name, (), "it has no examples; expected at least one, for documents and the mock gateway")
    bounds = [name, *([f"{name}.tolerated"] if f"{name}.tolerated" in folder.schemas else [])]
    for number, example in enumerate(document.get("examples", ()) if "$defs" not in document else ()):
        for bound in bounds:
            if (broken := folder.schemas.violation(bound, example)) is not None:
                yield folder.fault(name, ("examples", number), _broken(broken.pointer, broken.message, bound, name))
                break
    for definition, rule in document.get("$defs", {}).items():
        for number, example in enumerate(rule.get("examples", ())):
            if (broken := folder.schemas.violation(f"{name}#{definition}", example)) is not None:
                place = ("$defs", definition, "examples", number)
                yield folder.fault(name, place, _broken(broken.pointer, broken.message, name, name))


def _broken(pointer: str, message: str, bound: str, name: str) -> str:
    own = "its schema" if bound == name else f"{bound}.json"
    return f"the example breaks {own} at {pointer or 'the whole'}: {message}; expected one that keeps it"


def _not_generated(
    folder: ContractFolder, name: str, generates: Callable[[Mapping[str, Any]], object]
) -> Iterator[FolderFault]:
    try:
        generates(folder.schemas.resolved(name))
    except UnknownKeyword as error:
        yield folder.fault(name, (), f"no values can be made of it: {error.message}; expected what generation knows")


def members_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The names of the members of a schema without references, also those that depend on others."""
    named = set(schema.get("properties", ()))
    for keyword in ("allOf", "anyOf", "oneOf"):
        named.update(*(members_of(each) for each in schema.get(keyword, ())))
    for keyword in ("if", "then", "else"):
        if isinstance(schema.get(keyword), Mapping):
            named |= members_of(schema[keyword])
    return frozenset(named)
