"""The words that the contract itself puts into messages: a secret that is one of them cannot be told from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import resolved, schema_names

OF_HTTP = (
    "authorization",
    "basic",
    "content-type",
    "accept",
    "application/json",
    "application",
    "json",
    "http",
    "post",
)


@cache
def contract_words() -> frozenset[str]:
    """Names of members, commands and products, and what every header has; in lower case."""
    folders = tuple(f"{command.folder}/" for command in COMMANDS.values())
    messages = [name for name in schema_names() if name.startswith((*folders, "response."))]
    named = (word for name in messages for word in _members(resolved(name)))
    commands = (part for command in COMMANDS for part in (command, *command.split("/")))
    products = (command.product for command in COMMANDS.values() if command.product)
    return frozenset(word.casefold() for word in (*OF_HTTP, *named, *commands, *products))


def is_of_contract(value: str) -> bool:
    """Whether `value`, in whatever case, is one of these words or stands within one."""
    return any(value.casefold() in word for word in contract_words())


def _members(schema: Any) -> Iterator[str]:
    """The names of all members that a schema has, however deep."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        for part in schema.values():
            yield from _members(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _members(part)
