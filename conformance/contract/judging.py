"""How a requirement is judged: the values of `judge = …` in a catalogue.

    ByPlace     by the schemas: a message that breaks these keywords at these places breaks the requirement
    ByProbe     by what became of a probe
    ByRule      by a rule that is written in Python, under its name
    judge_of    any of these, from its table

A message is a schema by its name (`account-details/response`) or one of the groups below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# All answers; those of accepted requests, and the others. All notifications; those that tell of a success, or not.
ANSWER, ACCEPTED, ERROR = "response", "response.success", "response.error"
NOTIFICATION, SUCCEEDED, FAILED = "notification", "notification.success", "notification.failure"
# What a client sends, by the schema of its command.
REQUEST = "request"

# The aspect of all probes of a kind; of those that another requirement names, that one judges.
ANY = "*"


class Expected(StrEnum):
    """What must become of a probe."""

    ACCEPTED = "accepted"
    UNAUTHORIZED = "401"
    REFUSED = "refused"  # with any 4xx
    REFUSED_AS_INVALID = "refused-as-invalid"  # with a 4xx that blames the input
    NOT_ACCEPTED = "not-accepted"  # a 5xx is another requirement's affair
    NO_CRASH = "no-5xx"
    IN_ENVELOPE = "in-envelope"  # answered by the schema of an answer, whatever it says


@dataclass(frozen=True, slots=True)
class ByPlace:
    """Judged by the schemas of `messages`.

    `at`: JSON pointers, `*` for any item or member; `keywords`: what of the schema is judged there. Without both, all
    that no other requirement names. `kinds`: only in answers to requests that are there to show this; none: in all.
    """

    messages: tuple[str, ...]
    at: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In words."""
        told = f"{', '.join(self.at)}: {', '.join(self.keywords)}" if self.at else "what no other names"
        return f"{', '.join(self.messages)} {told}"

    @property
    def takes_the_rest(self) -> bool:
        """Whether it judges what no other requirement names."""
        return not self.at

    def names(self, pointer: str, keyword: str) -> bool:
        """Whether it names this place, be it of a schema (`*` for any item) or of a message."""
        return keyword in self.keywords and any(_covers(each, pointer) for each in self.at)


@dataclass(frozen=True, slots=True)
class ByProbe:
    """Judged by what became of `probes`, each `kind.aspect` as in the cases of a journal; `*`: any other aspect."""

    probes: tuple[str, ...]
    expect: Expected

    def __str__(self) -> str:
        """In words."""
        return f"{', '.join(self.probes)}: {self.expect}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its probes, each once."""
        return tuple(dict.fromkeys(probe.partition(".")[0] for probe in self.probes))


@dataclass(frozen=True, slots=True)
class ByRule:
    """Judged by the written rule of that name, with these parameters."""

    rule: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """In words."""
        told = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        return f"rule {self.rule}{f' ({told})' if told else ''}"


Judge = ByPlace | ByProbe | ByRule


def judge_of(table: Mapping[str, Any]) -> Judge:
    """How `judge = …` of a requirement says that it is judged.

    Raises ValueError for a table that is none of the three.
    """
    named = [key for key in ("message", "probe", "rule") if key in table]
    if len(named) != 1:
        raise ValueError(f"judge has {' and '.join(named) or 'none of these'}; expected message, probe or rule")
    rest = {key: value for key, value in table.items() if key != named[0]}
    if named == ["rule"]:
        return ByRule(_text(table["rule"], "rule"), rest)
    allowed = {"at", "keyword", "kind"} if named == ["message"] else {"expect"}
    if unknown := sorted(rest.keys() - allowed):
        raise ValueError(f"judge has {', '.join(unknown)}; expected {', '.join(sorted(allowed))} beside {named[0]}")
    if named == ["probe"]:
        if rest.get("expect") not in set(Expected):
            raise ValueError(f"judge expects {rest.get('expect')!r}; expected one of {', '.join(Expected)}")
        probes = _texts(table["probe"], "probe")
        if wrong := [probe for probe in probes if not all(probe.partition("."))]:
            raise ValueError(f"judge has the probe {wrong[0]!r}; expected KIND.ASPECT")
        return ByProbe(probes, Expected(rest["expect"]))
    at, keywords = (_texts(rest.get(key, ()), key) for key in ("at", "keyword"))
    if bool(at) != bool(keywords) and rest.keys() & {"at", "keyword"}:
        raise ValueError("judge has one of at and keyword; expected both, or none for all that is left over")
    if wrong := [pointer for pointer in at if pointer and not pointer.startswith("/")]:
        raise ValueError(f"judge is at {wrong[0]!r}; expected a JSON pointer, such as /code")
    return ByPlace(_texts(table["message"], "message"), at, keywords, _texts(rest.get("kind", ()), "kind"))


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"judge has the {key} {value!r}; expected a text")  # noqa: TRY004 - a fault of the file
    return value


def _texts(value: Any, key: str) -> tuple[str, ...]:
    return tuple(_text(each, key) for each in ([value] if isinstance(value, str) else value))


def _covers(pattern: str, pointer: str) -> bool:
    wanted, steps = pattern.split("/"), pointer.split("/")
    return len(wanted) == len(steps) and all(each in (ANY, step) for each, step in zip(wanted, steps, strict=True))
