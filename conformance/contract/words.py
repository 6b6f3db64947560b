"""The words that the contract itself puts into messages: a secret that is one of them cannot be told from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from conformance.contract.contract import Contract

OF_HTTP = (
    "content-type",
    "accept",
    "application/json",
    "application",
    "json",
    "http",
    "post",
)


@cache
def contract_words(contract: Contract) -> frozenset[str]:
    """Names of members, commands and products of a contract, and what every header has; in lower case."""
    folders = [f"{command.folder}/" for command in contract.commands.values()]
    folders += [f"{row.folder}/" for row in contract.unsolicited.values()]
    messages = [name for name in contract.schemas.names if name.startswith((*folders, "response."))]
    named = (word for name in messages for word in _members(contract.schemas.resolved(name)))
    commands = (part for command in contract.commands for part in (command, *command.split("/")))
    words = (*OF_HTTP, contract.authentication.header, contract.authentication.scheme, contract.notification.method)
    return frozenset(word.casefold() for word in (*words, *named, *commands, *contract.callbacks))


def is_of_contract(value: str, contract: Contract) -> bool:
    """Whether `value`, in whatever case, is one of these words or stands within one."""
    return any(value.casefold() in word for word in contract_words(contract))


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
