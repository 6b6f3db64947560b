"""For the time of the move: the schemas of the Statum contract and of the suite's own files by one name."""

from __future__ import annotations

from typing import Any

from jsonschema.protocols import Validator
from referencing.jsonschema import SchemaRegistry

from conformance.contract.contract import statum
from conformance.contract.formats import FORMATS
from conformance.contract.schema_set import BASE_URI, LONGEST_MESSAGE, SchemaSet, Violation, built_in
from conformance.contract.strict_json import parse_json, parse_with_repeats

__all__ = [
    "BASE_URI",
    "LONGEST_MESSAGE",
    "ROOT",
    "Violation",
    "owner",
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

ROOT = built_in("")


def owner(name: str) -> SchemaSet:
    """See SchemaSet."""
    return FORMATS if name.partition("#")[0] in FORMATS else statum().schemas


def schema_names() -> tuple[str, ...]:
    """See SchemaSet."""
    return tuple(sorted((*FORMATS.names, *statum().schemas.names)))


def schemas_digest() -> str:
    """See SchemaSet."""
    return statum().schemas.digest


def schema(name: str) -> dict[str, Any]:
    """See SchemaSet."""
    return owner(name).schema(name)


def registry() -> SchemaRegistry:
    """See SchemaSet."""
    return statum().schemas.registry


def resolved(name: str) -> dict[str, Any]:
    """See SchemaSet."""
    return owner(name).resolved(name)


def validator(name: str) -> Validator:
    """See SchemaSet."""
    return owner(name).validator(name)


def violations(name: str, instance: Any) -> list[Violation]:
    """See SchemaSet."""
    return owner(name).violations(name, instance)


def violation(name: str, instance: Any) -> Violation | None:
    """See SchemaSet."""
    return owner(name).violation(name, instance)
