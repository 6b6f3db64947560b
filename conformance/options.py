"""The table of options, `options.toml`, which also describes its keys.

    options_of      the rows of a command, in the order of the table
    arguments       recorded settings → the arguments that repeat them
    spelled         the value of an option → the arguments that give it
    resumed         recorded settings → the values of the options that they came from

Command line, help, environment, configuration file and its schema, the options of pytest, the line to repeat a run with
and resuming are all made from it. It needs nothing but Python itself: the pytest plugin, which is always loaded, reads
it as well.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("options.toml")
EVERY = "every"

# The types of options that name files: the file may have changed, so a journal does not give their values.
FILES = frozenset({"path", "contract", "expectations"})


@dataclass(frozen=True, slots=True)
class Option:
    """A row of the table; `section` is its heading in the help."""

    section: str
    name: str
    commands: str
    help: str
    type: str = "text"
    metavar: str | None = None
    opposite: str | None = None
    short: str | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None
    repeatable: bool = False
    required: bool = False
    secret: bool = False
    recorded: str | None = None
    setting: str | None = None
    on_resume: bool = False

    @property
    def key(self) -> str:
        """Its name as Python has it."""
        return self.name.replace("-", "_")

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.type in ("flag", "listing")

    @property
    def is_configurable(self) -> bool:
        """Whether environment and file may give it; not an option that chooses among them, or only lists something."""
        return self.type not in ("environment", "listing") and self.commands not in ("config", "init")


@cache
def table() -> tuple[Option, ...]:
    """All rows."""
    sections = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return tuple(
        Option(section, **{**row, "choices": tuple(row.get("choices", ()))})
        for section, rows in sections.items()
        for row in rows
    )


@cache
def options_of(command: str) -> tuple[Option, ...]:
    """The rows of a command."""
    return tuple(option for option in table() if command in option.commands.split() or option.commands == EVERY)


def arguments(command: str, recorded: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """The arguments that repeat a command with the `recorded` settings, the seed last.

    `defaults`: of each setting that is named only where it differs from one.
    """
    for option in sorted(options_of(command), key=lambda option: option.name == "seed"):
        value = recorded.get(option.recorded or "")
        if value in (None, "") or value == defaults.get(option.recorded or ""):
            continue
        if option.is_flag:
            if name := option.name if value else option.opposite:
                yield f"--{name}"
            continue
        for each in _values(value):
            yield from (f"--{option.name}", f"{each:g}" if isinstance(each, float) else str(each))


def spelled(name: str, value: Any) -> Iterator[str]:
    """The arguments by which the option of that long name has a value, or each of several; none for None and False."""
    if isinstance(value, bool):
        yield from [f"--{name}"] if value else []
    elif value is not None:
        yield from (f"--{name}={each}" for each in _values(value))


def _values(value: Any) -> list[Any]:
    """The values of a repeatable option, as they are given one by one; else the only one."""
    if isinstance(value, Mapping):
        return [f"{name}={each}" for name, each in value.items()]
    return [*value] if isinstance(value, list | tuple | AbstractSet) else [value]


def resumed(command: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The recorded values of the command's options, by their keys; options that name files are left out."""
    given: dict[str, Any] = {}
    for option in options_of(command):
        if option.recorded and option.recorded in recorded and option.type not in FILES:
            value = recorded[option.recorded]
            pairs = list(value.items()) if isinstance(value, Mapping) else value
            given[option.key] = tuple(pairs) if isinstance(pairs, list) else value
    return given
