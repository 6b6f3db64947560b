"""The schema of the configuration file, for editors, as `schemas/formats/configuration.json` has it."""

from __future__ import annotations

from typing import Any

from conformance.cli.configuration import ENV, FILE, KINDS, TABLE, TEXT, Switch, switches
from conformance.cli.parameters import VALUES, Named, help_of
from conformance.contract.contract import statum
from conformance.contract.schemas import BASE_URI
from conformance.options import Option, table

# ruff: noqa: INP001 - beside a script, not a module of a package

NAME = "configuration"


def configuration_schema() -> dict[str, Any]:
    """The schema, with a property for each option of the table; the file itself is judged by `configured`."""
    options: dict[str, dict[str, Any]] = {}
    for switch in switches(table()):
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
    about = {word: first[word] for word in ("title", "description")}
    rules = [{word: rule for word, rule in each.items() if word not in about} for each in (first, second)]
    return first if rules[0] == rules[1] else {**about, "anyOf": rules}


def _property(switch: Switch) -> dict[str, Any]:
    about = {"title": switch.name.replace("-", " ").capitalize(), "description": help_of(switch.option)}
    value = _value(switch.option)
    return {**about, "anyOf": [value, {"type": "array", "items": value}]} if switch.option.repeatable else about | value


def _value(option: Option) -> dict[str, Any]:
    value: dict[str, Any] = {"type": KINDS.get(option.type, TEXT)[1]}
    kind = VALUES.get(option.type)
    if option.choices:
        value["enum"] = list(option.choices)
    if isinstance(kind, Named):
        # What names there are depends on the contract; an editor may propose those of the one that is built in.
        value["examples" if kind.of_contract else "enum"] = list(kind.names_in(statum()))
    return value
