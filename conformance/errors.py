"""The suite's own errors; what the subject does wrong is a finding, never an exception.

ConformanceError                    says what was given, what is expected, and a hint
├── UsageError          exit 2      an option, a file or a value that cannot be used
├── EnvironmentFailure  exit 3      the run cannot be made: unreachable, refused, port taken
└── SuiteError          exit 4      the suite contradicts itself (a bug in it)
    └── UnknownKeyword              a schema keyword that generation does not know

did_you_mean                        a hint at the name that was mistyped
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class ConformanceError(Exception):
    """One clear line: `message` (what was given, what is expected) and, if there is one, a `hint`.

    `lines` are what another program has said of it, to be shown below.
    """

    exit_code = 4

    def __init__(self, message: str, hint: str | None = None, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.lines = tuple(lines)

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message


class UsageError(ConformanceError):
    """What the user gave cannot be used."""

    exit_code = 2


class EnvironmentFailure(ConformanceError):
    """The surroundings do not let the run begin or go on."""

    exit_code = 3


class SuiteError(ConformanceError):
    """The suite is at fault."""


class UnknownKeyword(SuiteError):
    """A schema uses a keyword that generation cannot honour; generating anyway would mislabel payloads."""


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint at what of `known` may have been meant; None if nothing is near."""
    near = get_close_matches(name, list(dict.fromkeys(known)), n=2)
    return f"did you mean {' or '.join(near)}?" if near else None
