"""Options that are not on the command line: from the environment, else from a file of the current directory.

    configured      the values for one command's options, and where each comes from
    layers          what the file has for all, and what for the environment that was chosen
    file_values     what `statum-conformance.toml`, or `[tool.statum-conformance]` in `pyproject.toml`, holds
    variable        the environment variable of an option

Of the two files the first that there is counts, as with pytest. In it, `[env.NAME]` holds what counts only where that
environment is chosen, by `--env NAME` or its variable. A list gives a repeatable option several times; in the
environment its values are separated by commas. An empty variable counts as none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from conformance.model.errors import UsageError, did_you_mean

PREFIX = "STATUM_CONFORMANCE_"
FILE = "statum-conformance.toml"
PYPROJECT = "pyproject.toml"
TABLE = "statum-conformance"
# The option that chooses a named environment, and the table that holds them.
ENV = "env"
# The option that chooses a contract: it is read before the others, whose names may be the contract's.
CONTRACT = "contract"

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})

# Of these a value is never shown, not even one that cannot be used.
SECRETS = frozenset({"consumer-secret", "callback-token", "key-passphrase", "redact"})


@dataclass(frozen=True, slots=True)
class Switch:
    """One long name of an option, without its dashes; `inverted`: the name of a flag's opposite."""

    name: str
    option: click.Option
    inverted: bool = False

    @property
    def expected(self) -> str:
        """What its value is, in words."""
        if self.option.is_flag:
            return "true or false"
        if isinstance(self.option.type, click.types.IntParamType):
            return "a whole number"
        return "a number" if isinstance(self.option.type, click.types.FloatParamType) else "a text"


def variable(name: str) -> str:
    """The environment variable of the option with the long name `name`."""
    return PREFIX + name.upper().replace("-", "_")


def switches(options: Sequence[click.Parameter]) -> Iterator[Switch]:
    """The long names of the options that can be configured: not those that only show something and end."""
    for option in options:
        if not isinstance(option, click.Option) or (option.is_eager and option.name != CONTRACT):
            continue
        yield from (Switch(name[2:], option) for name in option.opts if name.startswith("--"))
        yield from (Switch(name[2:], option, inverted=True) for name in option.secondary_opts)


@dataclass(frozen=True, slots=True)
class Configured:
    """The value of an option, and where it stands; `in_file`: that is the file of the current directory."""

    value: Any
    origin: str
    in_file: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """What one table of the file gives; `where` is how to call it."""

    given: Mapping[str, Any]
    where: str


def configured(
    options: Sequence[click.Parameter],
    known: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    env: str | None = None,
) -> dict[str, Configured]:
    """What is configured for `options`, by the options' own names; `env`: the named environment that was chosen.

    `known` are the long names of all commands' options; what the file gives for another command is left alone. Raises
    UsageError for a file that cannot be read, a key that is none of `known` (also in an environment that was not
    chosen), a value of the wrong type, and an environment that the file does not have.
    """
    values: dict[str, Configured] = {}
    for layer in layers(directory, known, env or environment.get(variable(ENV))):
        for switch in switches(options):
            if switch.name in layer.given:
                value = _from_file(switch, layer.given[switch.name], layer.where)
                values[switch.option.name or ""] = Configured(value, layer.where, in_file=True)
    for switch in switches(options):
        if text := environment.get(variable(switch.name)):
            values[switch.option.name or ""] = Configured(_from_environment(switch, text), variable(switch.name))
    return values


def layers(directory: Path, known: Sequence[str], env: str | None = None) -> list[Layer]:
    """The tables of the file that count, the stronger last. Raises UsageError as `configured` does."""
    given, where = file_values(directory)
    environments = {name: Layer(table, _place(name, where)) for name, table in _environments(given, where).items()}
    everywhere = Layer({key: value for key, value in given.items() if key != ENV}, where)
    for layer in (everywhere, *environments.values()):
        _check_keys(layer, known)
    if not env:
        return [everywhere]
    if env not in environments:
        names = ", ".join(environments) or f"none, for it has no table [{ENV}.{env}]"
        raise UsageError(
            f"there is no environment {env!r} in {where}; it has {names}", hint=did_you_mean(env, environments)
        )
    return [everywhere, environments[env]]


def environment_names(directory: Path) -> list[str]:
    """The environments that the file in `directory` has. Raises UsageError for one that cannot be used."""
    return list(_environments(*file_values(directory)))


def _environments(given: Mapping[str, Any], where: str) -> Mapping[str, Mapping[str, Any]]:
    tables = given.get(ENV, {})
    if not isinstance(tables, dict):
        raise UsageError(f"{ENV} in {where} is {_named(tables)}; expected tables", hint=f"such as [{ENV}.sandbox]")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"{ENV}.{name} in {where} is {_named(table)}; expected a table of options",
                hint=f"put the options of an environment under [{ENV}.NAME]",
            )
    return tables


def _place(name: str, where: str) -> str:
    """How to call the table of an environment."""
    return f"[{ENV}.{name}] of {FILE}" if where == FILE else f"[tool.{TABLE}.{ENV}.{name}] of {PYPROJECT}"


def _check_keys(layer: Layer, known: Sequence[str]) -> None:
    for key in layer.given:
        if key not in known:
            raise UsageError(
                f"{key!r} in {layer.where} is no option; expected the long name of one, as in --help",
                hint=did_you_mean(key.replace("_", "-"), known),
            )


def file_values(directory: Path) -> tuple[Mapping[str, Any], str]:
    """The keys and values of the file in `directory`, and how to call it; none if there is no such file.

    Raises UsageError if it cannot be read, or is no TOML.
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
        raise UsageError(f"configuration file {path.name} is no TOML: {error}") from error


def _from_file(switch: Switch, value: Any, where: str) -> Any:
    values = value if switch.option.multiple and isinstance(value, list) else [value]
    for each in values:
        if not _fits(switch, each):
            shown = "" if switch.name in SECRETS else f" ({each!r})"
            expected = switch.expected + (", or a list of them" if switch.option.multiple else "")
            raise UsageError(
                f"{switch.name} in {where} is {_named(each)}{shown}; expected {expected}",
                hint=f'write {switch.name} = "{each}"' if _lacks_quotes(switch, each) else None,
            )
    if switch.option.multiple:
        return tuple(values)
    return value is not switch.inverted if switch.option.is_flag else value


def _fits(switch: Switch, value: Any) -> bool:
    if isinstance(value, bool) or switch.option.is_flag:
        return isinstance(value, bool) and switch.option.is_flag
    if isinstance(switch.option.type, click.types.IntParamType):
        return isinstance(value, int)
    if isinstance(switch.option.type, click.types.FloatParamType):
        return isinstance(value, int | float)
    return isinstance(value, str)


def _lacks_quotes(switch: Switch, value: Any) -> bool:
    """Whether the value is a number where a text of digits is meant, such as a phone number."""
    return switch.expected == "a text" and isinstance(value, int) and switch.name not in SECRETS


# A boolean is an integer to Python, so it comes first.
_NAMES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _named(value: Any) -> str:
    """What kind of TOML value it is, in words."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return next((name for kind, name in _NAMES.items() if isinstance(value, kind)), "a date or time")


def _from_environment(switch: Switch, text: str) -> Any:
    if switch.option.multiple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        if switch.option.is_flag:
            return _truth(text) is not switch.inverted
        if isinstance(switch.option.type, click.types.IntParamType):
            return int(text)
        if isinstance(switch.option.type, click.types.FloatParamType):
            return float(text)
    except ValueError:
        raise UsageError(f"{variable(switch.name)} is {text!r}; expected {switch.expected}") from None
    return text


def _truth(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)
