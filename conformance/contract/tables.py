"""The rows of two tables of a contract: probes and behaviours.

`probes.toml` has the requests that are wrong, or unusual, in one way each (`schemas/formats/probes.json` describes a
row). The makers that rows name are code: those of credentials, headers, methods and paths in
`conformance.payloads.probes`, of bodies in `conformance.payloads.json_defects`, of members in
`conformance.payloads.invalid`.

`behaviours.toml` has the behaviours of gateways, lawful or not. A change is a table such as `{to = "response.error",
every = 10, remove = "reason"}`; `schemas/formats/behaviours.json` explains its words: those of `Which` choose messages,
all others change them. A member is named by its role (`reason`), or by JSON pointer (`/operator/name`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from conformance.contract.command import Outcome
from conformance.contract.requirements import ANY

# --- Probes


MAKERS: Mapping[str, Mapping[str, frozenset[str]]] = {
    kind: {maker: frozenset(parameters.split()) for maker, parameters in makers.items()}
    for kind, makers in {
        "credential": {"credential": "key secret token otherwise", "header": "value"},
        "headers": {"header": "name value without methods"},
        "malformed": {
            "header": "name value",
            "text": "text shows",
            "behind": "text shows",
            "around": "before after shows",
            "every-value": "text shows",
            "stray-bytes": "bytes shows",
            "cut": "",
            **dict.fromkeys(("tags", "single-quotes", "last-comma", "twice", "form"), "shows"),
        },
        "method": {"method": "method"},
        "unknown-command": {"path": "path method"},
        "broken": dict.fromkeys(
            ("absent", "null", "other-types", "empty", "other-texts", "other-numbers", "out-of-range"), ""
        ),
        "open": {
            **dict.fromkeys(("as-number", "other-spellings", "open-lengths", "beyond-caution", "open-texts"), ""),
            **dict.fromkeys(("long-texts", "unknown-member", "huge-text", "huge-beside", "careful-number"), ""),
            "body": "shows",
        },
    }.items()
}
"""The makers of each kind of probe, and the parameters of each maker."""


@dataclass(frozen=True, slots=True)
class Making:
    """One entry of `made`: the maker's name, its parameters, and the aspect of the cases that it makes."""

    by: str
    aspect: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any], aspect: str) -> Self:
        """One table of `made`, of a probe with this aspect."""
        parameters = {name: value for name, value in entry.items() if name not in {"by", "aspect"}}
        return cls(entry["by"], entry.get("aspect", aspect), parameters)

    def fault(self, kind: str) -> str | None:
        """The fault of this making for that kind of probes, in words; None if it has none."""
        makers = MAKERS[kind]
        if self.by not in makers:
            return f"made has by = {self.by!r}; expected one of {', '.join(makers)} for kind {kind}"
        if unknown := sorted(self.parameters.keys() - makers[self.by]):
            known = ", ".join(sorted(makers[self.by])) or "none"
            return f"made has {unknown[0]} for {self.by}; expected of its parameters ({known})"
        if self.aspect == ANY:
            return f"made has no aspect for {self.by}; expected one where the probe's is {ANY!r}"
        return None

    def text(self, name: str) -> str:
        """The value of a parameter that is a text; KeyError without it."""
        return str(self.parameters[name])

    @property
    def shows(self) -> str:
        """The defect of a body, by its name in `conformance.payloads.json_defects`."""
        return self.text("shows")


@dataclass(frozen=True, slots=True)
class Probe:
    """A row of `probes.toml`.

    `kind` and `aspect` are those of its cases in journals. A probe that must be refused goes out beside its positive
    control, which has to be accepted. `keywords`: of the tolerated schema, those that the broken member may violate;
    `at_random`: whether further ones are made at random. `again`: the aspect of the same request, sent once more with
    the right credential. `reason` and `status`: how the mock gateway refuses it; None: as it does others.
    """

    kind: str
    aspect: str
    outcome: Outcome
    made: tuple[Making, ...]
    keywords: frozenset[str] = frozenset()
    at_random: bool = False
    again: str | None = None
    reason: str | None = None
    status: int | None = None

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[probe]]` table."""
        return cls(
            **{
                **entry,
                "outcome": Outcome(entry["outcome"]),
                "made": tuple(Making.from_entry(each, entry["aspect"]) for each in entry["made"]),
                "keywords": frozenset(entry.get("keywords", ())),
            }
        )

    @property
    def name(self) -> str:
        """Its name in requirements, faults and the mock gateway: `credential.absent`."""
        return f"{self.kind}.{self.aspect}"


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a contract, in the order of the file."""

    all: tuple[Probe, ...] = ()

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The content of a `probes.toml`."""
        return cls(tuple(map(Probe.from_entry, table.get("probe", ()))))

    def __iter__(self) -> Iterator[Probe]:
        return iter(self.all)

    def of(self, kind: str) -> tuple[Probe, ...]:
        """Those of a kind."""
        return tuple(probe for probe in self.all if probe.kind == kind)

    def get(self, name: str) -> Probe | None:
        """The probe of that name (`credential.absent`), else the one of its kind for any aspect; None for neither."""
        kind = name.partition(".")[0]
        by_name = {probe.name: probe for probe in self.of(kind)}
        return by_name.get(name) or by_name.get(f"{kind}.{ANY}")

    def aspects(self, kind: str) -> tuple[str, ...]:
        """The aspects of the cases of a kind, each once."""
        return tuple(dict.fromkeys(making.aspect for probe in self.of(kind) for making in probe.made))


# --- Behaviours


@dataclass(frozen=True, slots=True)
class Which:
    """The messages that a change applies to: those that agree with everything given."""

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
    busy: tuple[int, float] | None = None
    chance: float = 1.0
    every: int = 1

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """The words of a change that choose messages."""
        chosen = {word: value for word, value in entry.items() if word in CHOOSING}
        for word in ("refused", "command", "product", "lacks"):
            if word in chosen:
                chosen[word] = (chosen[word],) if isinstance(chosen[word], str) else tuple(chosen[word])
        for word in ("turn", "busy"):
            if word in chosen:
                chosen[word] = tuple(chosen[word])
        return cls(**chosen)


CHOOSING = tuple(each.name for each in fields(Which))


@dataclass(frozen=True, slots=True)
class Change:
    """Changes to messages: `actions` has the words that do not choose, in the order of the row."""

    which: Which
    actions: Mapping[str, Any]

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One table of `changes`."""
        actions = {word: value for word, value in entry.items() if word not in CHOOSING}
        return cls(Which.from_entry(entry), actions)


def _changes(row: Mapping[str, Any], which: Mapping[str, Any] | None = None) -> tuple[Change, ...]:
    return tuple(Change.from_entry({**(which or {}), **change}) for change in row.get("changes", ()))


def copies(stated: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The changes of each further message that `also` or `before` sends: one table, or a list of them."""
    return (stated,) if isinstance(stated, Mapping) else stated


@dataclass(frozen=True, slots=True)
class BehaviourRow:
    """A named behaviour of a gateway: `breaks` has the requirements that it breaks, none if it is `lawful`.

    Without `changes`, the fault is derived from the way the requirement is judged. `under_load`: a `run` is too
    short to meet it.
    """

    name: str
    summary: str
    changes: tuple[Change, ...]
    lawful: bool = False
    breaks: tuple[str, ...] = ()
    under_load: bool = False


@dataclass(frozen=True, slots=True)
class NumberRow:
    """The behaviour of the mock gateway for a valid request to a number with this `ending`.

    It refuses the request by the rule `refuse` (`once`: only the first to each number), or accepts it, and with an
    `outcome` the transaction fails with that; then it changes the messages.
    """

    ending: str
    summary: str
    refuse: str | None = None
    once: bool = False
    outcome: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioRow:
    """A scenario for a client: `changes` of the answers that it gets, whatever it sends.

    `watched`: the client may send again afterwards. `recovers`: only the first request meets it, later ones are
    accepted. `waits`: it lasts for the time of Retry-After, in `seconds` or as a `date`. `reuses`: the call follows an
    accepted one at the same base URL, which has left a connection open. `once`: for one command alone. `for_payments`:
    only where money moves.
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
        """One `[[scenario]]`."""
        which = {"to": "answer", **({"end": 1} if entry.get("recovers") else {})}
        return cls(**{**entry, "changes": _changes(entry, which)})


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of a transaction: the outcome and the reason in its notification."""

    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Behaviours:
    """The rows of a contract's `behaviours.toml`; a contract without the file has none."""

    failures: tuple[Failure, ...] = ()
    rows: tuple[BehaviourRow, ...] = ()
    numbers: tuple[NumberRow, ...] = ()
    scenarios: tuple[ScenarioRow, ...] = ()

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The content of a `behaviours.toml`."""
        return cls(
            tuple(Failure(**row) for row in table.get("failure", ())),
            tuple(
                BehaviourRow(**{**row, "changes": _changes(row), "breaks": tuple(row.get("breaks", ()))})
                for row in table.get("behaviour", ())
            ),
            tuple(NumberRow(**{**row, "changes": _changes(row)}) for row in table.get("number", ())),
            tuple(map(ScenarioRow.from_entry, table.get("scenario", ()))),
        )
