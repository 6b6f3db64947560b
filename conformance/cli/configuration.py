"""Options that are not on the command line: from the environment, else from a file of the current directory.

    configured      the values for one command's options, environment before file
    file_values     what `statum-conformance.toml`, or `[tool.statum-conformance]` in `pyproject.toml`, holds
    variable        the environment variable of an option

Of the two files the first that there is counts, as with pytest. A list gives a repeatable option several times; in the
environment its values are separated by commas. An empty variable counts as none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from conformance.errors import UsageError

PREFIX = "STATUM_CONFORMANCE_"
FILE = "statum-conformance.toml"
PYPROJECT = "pyproject.toml"
TABLE = "statum-conformance"

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
        if not isinstance(option, click.Option) or option.is_eager:
            continue
        yield from (Switch(name[2:], option) for name in option.opts if name.startswith("--"))
        yield from (Switch(name[2:], option, inverted=True) for name in option.secondary_opts)


def configured(
    options: Sequence[click.Parameter], known: Sequence[str], environment: Mapping[str, str], directory: Path
) -> dict[str, Any]:
    """The values that are configured for `options`, by the options' own names.

    `known` are the long names of all commands' options; what the file gives for another command is left alone. Raises
    UsageError for a file that cannot be read, a key that is none of `known`, and a value of the wrong type.
    """
    values: dict[str, Any] = {}
    given, where = file_values(directory)
    for key in given:
        if key not in known:
            raise UsageError(
                f"{key!r} in {where} is no option; expected the long name of one, as in --help",
                hint=did_you_mean(key.replace("_", "-"), known),
            )
    for switch in switches(options):
        if switch.name in given:
            values[switch.option.name or ""] = _from_file(switch, given[switch.name], where)
    for switch in switches(options):
        if text := environment.get(variable(switch.name)):
            values[switch.option.name or ""] = _from_environment(switch, text)
    return values


def did_you_mean(name: str, known: Sequence[str]) -> str | None:
    """A hint at what of `known` may have been meant; None if nothing is near."""
    near = get_close_matches(name, list(dict.fromkeys(known)), n=2)
    return f"did you mean {' or '.join(near)}?" if near else None


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
