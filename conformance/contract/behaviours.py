"""What a gateway may do, lawful or not: the rows of `behaviours.toml` in a contract.

    Behaviours      all of them
    BehaviourRow    a named behaviour: lawful, or one that breaks requirements
    NumberRow       the end of a recipient's number that brings changes about
    ScenarioRow     what a client is put before
    Failure         a way in which a transaction fails
    Change          what is done to which messages; the vocabulary of all rows
    Which           the messages of a change

A change is a table such as `{to = "response.error", every = 10, remove = "reason"}`: `Which` has the words that choose
messages, `ACTIONS` those that change them. Members are named by role (`reason`), or by JSON pointer (`/operator/name`).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

MESSAGES = (
    "request",
    "answer",
    "response",
    "response.success",
    "response.error",
    "notification",
    "notification.success",
    "notification.failure",
)
"""What `to` may name: the groups of messages that requirements are judged by, and beside them all requests, and every
answer, also one to what is no request for a command of the contract."""

ACTIONS: Mapping[str, str] = {
    # The content of a message
    "set": "members have these values, whether they were there or not",
    "remove": "members are left out",
    "keep": "only these members are left",
    "retype": "members are of another type: array, string, number, object",
    "respell": "members that are there are spelled otherwise, each in a word of SPELLINGS",
    "rename": "members have other names",
    "wrap": "the object is in an array",
    "empty": "the object has no members",
    "twice": "the object names a member twice, with these two values",
    # Its bytes
    "body": "these bytes instead of JSON",
    "cut": "JSON without its last byte (end), or its first half (half)",
    "quotes": "JSON with single quotes",
    "layout": "JSON indented, or with all but ASCII escaped (ascii)",
    "mark": "JSON behind a byte order mark",
    "page": "a page for people instead of JSON",
    "media_type": "another Content-Type",
    "header": "headers with these values; without a value, the header is left out",
    # An answer
    "status": "another HTTP status; the body stays",
    "ending": "how far the answer gets",
    "drip_every_s": "seconds between two bytes of an answer that drips",
    "followed": "another whole answer follows it on its connection",
    "after_s": "it takes so many seconds more",
    # A notification
    "drop": "it is not sent",
    "also": "it is sent once more, with these changes; a list of them for as many times",
    "before": "before it comes the same with these changes",
    "contradict": "it tells the opposite",
    "before_answer": "it comes before the answer",
    "method": "another method",
    "in_query": "all that it tells is in the query of a GET",
    "callback": "it goes to another address: a word of CALLBACKS",
    "inquiry": "the inquiry before it has these changes; false for none",
    "form": "it is put on the wire in another lawful way, in a word of FORMS",
    "notify": "a refused request is notified of, as a success or a failure",
    # A request, and the gateway
    "refuse": "an acceptable request is refused by the rule of that name",
    "waive": "these rules are not enforced",
    "crash": "these rules are answered with 500",
    "ids": "ids are of another form",
    "switch": "switches of the gateway",
    "wire": "answers are put on the wire in these lawful ways",
    "written": "a behaviour that is written in code, by its name; `with` has what it depends on",
    "with": "what a written behaviour depends on",
}
"""What may be done to a message, or to the gateway."""

CHOICES: Mapping[str, str] = {
    "to": "a group of messages: one of MESSAGES",
    "refused": "requests that one of these rules refused; `*` for any rule",
    "posted": "commands that a notification follows",
    "moves_money": "commands that move money and know no window",
    "command": "these commands",
    "product": "these products",
    "matches": "member of the request → a regular expression that is found in its text",
    "lacks": "members that the request has not",
    "has": "a member of the message itself",
    "outcome": "that of the notification",
    "unsolicited": "whether no request precedes the notification",
    "headers": "of the request; an empty text for none",
    "by": "the method of the request",
    "sample": "the documented sample of a command",
    "ordinary": "a request that is sent for the first time, and with a User-Agent",
    "long": "a member is longer than every gateway has to accept",
    "start": "requests from this number on, the first being 1",
    "end": "requests up to this number",
    "turn": "a place, from 0, in each round of so many accepted requests",
    "chance": "a share, drawn by the id",
    "every": "of what is left, each one of so many",
}
"""What each word means that chooses messages: the members of `Which`."""

ENDINGS = ("before", "reset", "middle", "after", "never", "stalled", "dripping")
TYPES = ("array", "string", "number", "object")
SPELLINGS = (
    "upper",
    "cut",
    "padded",
    "zero",
    "another",
    "again",
    "signs",
    "fraction",
    "money",
    "masked",
    "less",
    "tenfold",
)
FORMS = ("upgrade", "chunked", "expect", "http_1_0", "whole_url", "escaped")
CALLBACKS = ("another product", "unsolicited", "another query")


@dataclass(frozen=True, slots=True)
class Which:
    """Which messages a change is about: those that agree with everything given; CHOICES has what each word means."""

    to: str = "response"
    refused: tuple[str, ...] = ()
    posted: bool = False
    moves_money: bool = False
    command: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    matches: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    has: str | None = None
    outcome: str | None = None
    unsolicited: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None
    sample: bool = False
    ordinary: bool = False
    long: bool | None = None
    start: int = 1
    end: int | None = None
    turn: tuple[int, int] | None = None
    chance: float = 1.0
    every: int = 1

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """The part of a change that chooses; ValueError for a value that no message can have."""
        _one_of("to", entry.get("to", MESSAGES[0]), MESSAGES)
        for member, pattern in entry.get("matches", {}).items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"matches.{member} is {pattern!r}, which is no regular expression: {error}") from error
        lists = {name: _listed(entry[name]) for name in ("refused", "command", "product", "lacks") if name in entry}
        turn = {"turn": (entry["turn"][0], entry["turn"][1])} if "turn" in entry else {}
        return cls(**{**entry, **lists, **turn})


_CHOOSING = frozenset(each.name for each in fields(Which))


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to which messages: `actions` has words of ACTIONS, in the order of the row."""

    which: Which
    actions: Mapping[str, Any]

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One table of `changes`; ValueError that begins with the word at fault for one that is none."""
        for word in entry:
            if word not in _CHOOSING and word not in ACTIONS:
                raise ValueError(f"{word} is not known of a change; expected {_nearest(word, (*_CHOOSING, *ACTIONS))}")
        actions = {word: value for word, value in entry.items() if word in ACTIONS}
        if not actions:
            raise ValueError(f"changes has a table that changes nothing; expected one of {', '.join(ACTIONS)}")
        if "ending" in actions:
            _one_of("ending", actions["ending"], ENDINGS)
        if "callback" in actions:
            _one_of("callback", actions["callback"], CALLBACKS)
        for word, known in (("retype", TYPES), ("respell", SPELLINGS)):
            for member, value in actions.get(word, {}).items():
                _one_of(f"{word}.{member}", value, known)
        for word in ("also", "before"):
            for copy in filter(None, copies(actions.get(word, ()))):
                cls.from_entry(copy)
        return cls(Which.from_entry({word: value for word, value in entry.items() if word in _CHOOSING}), actions)


def copies(stated: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The changes of each further message that `also` or `before` sends: one table, or a list of them."""
    return (stated,) if isinstance(stated, Mapping) else stated


def _one_of(word: str, value: object, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{word} is {value!r}; expected one of {', '.join(known)}")


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return near[0] if near else f"one of {', '.join(sorted(known))}"


def _keys(entry: Mapping[str, Any], row: type, *needed: str) -> None:
    """ValueError for a key that a kind of row does not have, and for one that it needs and has not."""
    known = [each.name for each in fields(row)]
    if unknown := next((key for key in entry if key not in known), None):
        raise ValueError(f"{unknown} is no key of this table; expected {_nearest(unknown, known)}")
    if missing := next((key for key in needed if key not in entry), None):
        raise ValueError(f"{missing} is missing; expected it in each such table")


def _listed(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@dataclass(frozen=True, slots=True)
class BehaviourRow:
    """A named behaviour of a gateway: `breaks` has the requirements that fall with it, none if it is `lawful`.

    Without `changes` it is one of the faults that are derived from how the requirement is judged.
    """

    name: str
    summary: str
    changes: tuple[Change, ...]
    lawful: bool = False
    breaks: tuple[str, ...] = ()

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[behaviour]]`; ValueError, KeyError or TypeError for one that is none."""
        _keys(entry, cls, "name", "summary")
        if entry.get("lawful", False) == bool(entry.get("breaks")):
            raise ValueError("breaks has to name requirements where lawful is not true; expected one of both")
        changes = tuple(Change.from_entry(change) for change in entry.get("changes", ()))
        if not changes and len(entry.get("breaks", ())) != 1:
            raise ValueError("changes is missing; expected some, but where they follow from the one requirement broken")
        return cls(entry["name"], entry["summary"], changes, entry.get("lawful", False), tuple(entry.get("breaks", ())))


@dataclass(frozen=True, slots=True)
class NumberRow:
    """What becomes of a valid request to a number that ends with `ending`.

    It is refused by the rule `refuse` (`once`: only the first request to each number), or it is accepted and, with an
    `outcome`, its transaction fails with that; then its messages are changed.
    """

    ending: str
    summary: str
    refuse: str | None = None
    once: bool = False
    outcome: str | None = None
    changes: tuple[Change, ...] = ()

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[number]]`; ValueError, KeyError or TypeError for one that is none."""
        _keys(entry, cls, "ending", "summary")
        return cls(**{**entry, "changes": tuple(Change.from_entry(change) for change in entry.get("changes", ()))})


WAITS = ("seconds", "date")


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioRow:
    """What a client is put before: `changes` of the answers that it gets, whatever it sends.

    `watched`: something may be sent again after it. `recovers`: the first request alone meets it, what comes after that
    is accepted. `waits`: it lasts until what Retry-After tells has passed, in `seconds` or as a `date`. `reuses`: the
    call comes after an accepted one at the same base URL, which has left a connection open. `once`: it is played for
    one command alone. `for_payments`: only where money moves.
    """

    name: str
    summary: str
    changes: tuple[Change, ...] = ()
    watched: bool = False
    recovers: bool = False
    waits: str | None = None
    reuses: bool = False
    once: bool = False
    for_payments: bool = False

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[scenario]]`; ValueError, KeyError or TypeError for one that is none."""
        _keys(entry, cls, "name", "summary", "changes")
        if "waits" in entry:
            _one_of("waits", entry["waits"], WAITS)
        which = {"to": "answer", **({"end": 1} if entry.get("recovers") else {})}
        return cls(**{**entry, "changes": tuple(Change.from_entry({**which, **each}) for each in entry["changes"])})


@dataclass(frozen=True, slots=True)
class Failure:
    """How a transaction fails: the outcome and the reason that its notification tells."""

    outcome: str
    reason: str

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[failure]]`; ValueError for one that is none."""
        _keys(entry, cls, "outcome", "reason")
        return cls(**entry)


ROWS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "failure": Failure.from_entry,
    "behaviour": BehaviourRow.from_entry,
    "number": NumberRow.from_entry,
    "scenario": ScenarioRow.from_entry,
}
"""The tables of a file, and what reads one of each."""


@dataclass(frozen=True, slots=True)
class Behaviours:
    """The rows of a contract's `behaviours.toml`; a contract without the file has none."""

    failures: tuple[Failure, ...] = ()
    rows: tuple[BehaviourRow, ...] = ()
    numbers: tuple[NumberRow, ...] = ()
    scenarios: tuple[ScenarioRow, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """The rows of a file; ValueError, KeyError or TypeError for what is none."""
        stated = tomllib.loads(text)
        rows = tuple(BehaviourRow.from_entry(row) for row in stated.get("behaviour", ()))
        scenarios = tuple(ScenarioRow.from_entry(row) for row in stated.get("scenario", ()))
        for kind, names in (("behaviour", [r.name for r in rows]), ("scenario", [r.name for r in scenarios])):
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"name of a {kind} is {twice!r} twice; expected another one")
        return cls(
            tuple(Failure.from_entry(row) for row in stated.get("failure", ())),
            rows,
            tuple(NumberRow.from_entry(row) for row in stated.get("number", ())),
            scenarios,
        )
