"""Options that are not on the command line: from the environment, else from a file of the current directory.

    configured              the values of a command's options, with their origins
    file_values             what `statum-conformance.toml`, or `[tool.statum-conformance]` in `pyproject.toml`, holds
    variable                the environment variable of an option

Of the two files the first that there is counts, as with pytest. In it, `[env.NAME]` holds what counts only where that
environment is chosen, by `--env NAME` or its variable. A list gives a repeatable option several times; in the
environment its values are separated by commas. An empty variable counts as none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.model.errors import UsageError, did_you_mean
from conformance.options import Option, table

PREFIX = "STATUM_CONFORMANCE_"
FILE = "statum-conformance.toml"
PYPROJECT = "pyproject.toml"
TABLE = "statum-conformance"
# The option that chooses a named environment, and the table that holds them.
ENV = "env"

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})

# Type of an option → the type of its value in Python and in JSON Schema, and its name.
KINDS: Mapping[str, tuple[type, str, str]] = {
    "flag": (bool, "boolean", "true or false"),
    "whole": (int, "integer", "a whole number"),
    "number": (float, "number", "a number"),
}
TEXT = (str, "string", "a text")


@dataclass(frozen=True, slots=True)
class Switch:
    """One long name of an option, without its dashes; `inverted`: the name of a flag's opposite."""

    name: str
    option: Option
    inverted: bool = False

    @property
    def expected(self) -> str:
        """The kind of its value, in words."""
        return KINDS.get(self.option.type, TEXT)[2]


def variable(name: str) -> str:
    """The environment variable of the option with the long name `name`."""
    return PREFIX + name.upper().replace("-", "_")


def switches(options: Iterable[Option]) -> Iterator[Switch]:
    """The long names of the options that can be configured."""
    for option in options:
        if option.is_configurable:
            yield Switch(option.name, option)
            if option.opposite:
                yield Switch(option.opposite, option, inverted=True)


@dataclass(frozen=True, slots=True)
class Configured:
    """The value of an option, and its origin; `in_file`: the file of the current directory."""

    value: Any
    origin: str
    in_file: bool = False


def configured(
    options: Iterable[Option], environment: Mapping[str, str], directory: Path, env: str | None = None
) -> dict[str, Configured]:
    """The configured values of `options`, by their keys; `env`: the named environment that was chosen.

    Options of other commands are ignored. Raises UsageError for a file that cannot be read, a key that
    is not an option of any command (also in an environment that was not chosen), a value of the wrong type, and an
    environment that the file does not have.
    """
    values: dict[str, Configured] = {}
    own = list(switches(options))
    for where, given in _tables(directory, env or environment.get(variable(ENV))).items():
        for switch in own:
            if switch.name in given:
                value = _from_file(switch, given[switch.name], where)
                values[switch.option.key] = Configured(value, where, in_file=True)
    for switch in own:
        if text := environment.get(variable(switch.name)):
            values[switch.option.key] = Configured(_from_environment(switch, text), variable(switch.name))
    return values


def _tables(directory: Path, env: str | None = None) -> Mapping[str, Mapping[str, Any]]:
    """The tables of the file that count, by their names in messages, the stronger last."""
    given, where = file_values(directory)
    environments = _environments(given, where)
    place = f"[{ENV}.{{}}] of {FILE}" if where == FILE else f"[tool.{TABLE}.{ENV}.{{}}] of {PYPROJECT}"
    general = {where: {key: value for key, value in given.items() if key != ENV}}
    known = [switch.name for switch in switches(table())]
    for name, own in {**general, **{place.format(each): own for each, own in environments.items()}}.items():
        for key in own:
            if key not in known:
                raise UsageError(
                    f"{key!r} in {name} is not an option; expected the long name of one, as in --help",
                    hint=did_you_mean(key.replace("_", "-"), known),
                )
    if not env:
        return general
    if env not in environments:
        names = ", ".join(environments) or f"none, for it has no table [{ENV}.{env}]"
        raise UsageError(
            f"there is no environment {env!r} in {where}; it has {names}", hint=did_you_mean(env, environments)
        )
    return {**general, place.format(env): environments[env]}


def environment_names(directory: Path) -> list[str]:
    """The environments that the file in `directory` has. Raises UsageError for one that cannot be used."""
    return list(_environments(*file_values(directory)))


def _environments(given: Mapping[str, Any], where: str) -> Mapping[str, Mapping[str, Any]]:
    tables = given.get(ENV, {})
    if not isinstance(tables, dict):
        raise UsageError(f"{ENV} in {where} is {_named(tables)}; expected tables", hint=f"such as [{ENV}.sandbox]")
    for name, own in tables.items():
        if not isinstance(own, dict):
            raise UsageError(
                f"{ENV}.{name} in {where} is {_named(own)}; expected a table of options",
                hint=f"put the options of an environment under [{ENV}.NAME]",
            )
    return tables


def file_values(directory: Path) -> tuple[Mapping[str, Any], str]:
    """The keys and values of the file in `directory`, and how to call it; none if there is no such file.

    Raises UsageError if it cannot be read, or is not valid TOML.
    """
    own = directory / FILE
    if own.exists():
        return _parsed(own), FILE
    project = directory / PYPROJECT
    if not project.exists():
        return {}, FILE
    where = f"[tool.{TABLE}] of {PYPROJECT}"
    tool = _parsed(project).get("tool", {})
    table = tool.get(TABLE, {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{where} is {_named(table)}; expected a table of options")
    return table, where


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"configuration file {path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"configuration file {path.name} is not valid TOML: {error}") from error


def _from_file(switch: Switch, value: Any, where: str) -> Any:
    option = switch.option
    values = value if option.repeatable and isinstance(value, list) else [value]
    for each in values:
        if not _fits(option, each):
            # A number may be a text of digits that lacks its quotes, such as a phone number.
            lacks_quotes = switch.expected == TEXT[2] and isinstance(each, int) and not option.secret
            raise UsageError(
                f"{switch.name} in {where} is {_named(each)}{'' if option.secret else f' ({each!r})'}; expected "
                f"{switch.expected}{', or a list of them' if option.repeatable else ''}",
                hint=f'write {switch.name} = "{each}"' if lacks_quotes else None,
            )
    if option.repeatable:
        return tuple(values)
    return value is not switch.inverted if option.is_flag else value


def _fits(option: Option, value: Any) -> bool:
    kind = KINDS.get(option.type, TEXT)[0]
    if isinstance(value, bool):  # which is an integer to Python
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


# A boolean is an integer to Python, so it comes first.
_NAMES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _named(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return next((name for kind, name in _NAMES.items() if isinstance(value, kind)), "a date or time")


def _from_environment(switch: Switch, text: str) -> Any:
    if switch.option.repeatable:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    kind = KINDS.get(switch.option.type, TEXT)[0]
    try:
        return _truth(text) is not switch.inverted if kind is bool else kind(text)
    except ValueError:
        raise UsageError(f"{variable(switch.name)} is {text!r}; expected {switch.expected}") from None


def _truth(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)
