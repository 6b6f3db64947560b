"""`schemas/formats/configuration.json`: what `statum-conformance.toml` may hold, for editors; made of the options.

`python docs/regenerate.py` writes it. The file itself is judged by the options (`conformance.cli.configuration`), which
say more of a value that cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from conformance.cli.command import Named
from conformance.cli.configuration import ENV, FILE, TABLE, Switch, switches
from conformance.contract.schema_set import BASE_URI

NAME = "configuration"


def configuration_schema(commands: Iterable[click.Command]) -> dict[str, Any]:
    """The schema, with a property for each option of the `commands`."""
    options: dict[str, dict[str, Any]] = {}
    for command in commands:
        for switch in switches(command.params):
            options[switch.name] = _either(options.get(switch.name), _property(switch))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{BASE_URI}formats/{NAME}.json",
        "title": "Configuration",
        "description": f"{FILE}, or the table [tool.{TABLE}] of pyproject.toml: options of the commands, and tables of "
        "them for named environments.",
        "examples": [
            {
                "product": ["sms"],
                ENV: {"sandbox": {"gateway": "https://sandbox.example/api/v2", "phone-number": "254712345678"}},
            }
        ],
        "type": "object",
        "properties": {
            **{name: {"$ref": f"#/$defs/{name}"} for name in options},
            ENV: {
                "title": "Environments",
                "description": "What counts only where the environment of that name is chosen with --env.",
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {name: {"$ref": f"#/$defs/{name}"} for name in options},
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
        "$defs": options,
    }


def _either(first: dict[str, Any] | None, second: dict[str, Any]) -> dict[str, Any]:
    """Commands may have options of one name that are not alike: what one of them takes is lawful."""
    if first is None or first == second:
        return second
    told = {word: first[word] for word in ("title", "description")}
    rules = [{word: rule for word, rule in each.items() if word not in told} for each in (first, second)]
    return first if rules[0] == rules[1] else {**told, "anyOf": rules}


def _property(switch: Switch) -> dict[str, Any]:
    told = {
        "title": switch.name.replace("-", " ").capitalize(),
        "description": " ".join((switch.option.help or "").split()),
    }
    value = _value(switch)
    if not switch.option.multiple:
        return {**told, **value}
    return {**told, "anyOf": [value, {"type": "array", "items": value}]}


def _value(switch: Switch) -> Mapping[str, Any]:
    kind = switch.option.type
    if switch.option.is_flag:
        return {"type": "boolean"}
    if isinstance(kind, click.types.IntParamType):
        return {"type": "integer"}
    if isinstance(kind, click.types.FloatParamType):
        return {"type": "number"}
    if isinstance(kind, click.Choice):
        return {"type": "string", "enum": [str(choice) for choice in kind.choices]}
    if not isinstance(kind, Named):
        return {"type": "string"}
    # What names there are depends on the contract; an editor may propose those of the one that comes with the suite.
    return {"type": "string", "examples" if kind.of_contract else "enum": list(kind.names_in(None))}
