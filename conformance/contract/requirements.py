"""The catalogue of requirements, `requirements.toml`, and how each entry of it is judged.

Catalogue       all requirements; also those that cannot be observed from outside, `excluded` with the reason
Requirement     an entry, judged ByPlace (a schema), ByProbe (an outcome) or ByRule (code)
Focus           the requirements that a run is limited to
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from conformance.contract.command import Command, Notified, Unsolicited

# The groups of messages that a requirement may name, beside schemas (`account-details/response`): all answers; those
# to accepted requests, and the others. All notifications; those of a success, or a failure.
ANSWER, ACCEPTED, ERROR = "response", "response.success", "response.error"
NOTIFICATION, SUCCEEDED, FAILED = "notification", "notification.success", "notification.failure"
REQUEST = "request"  # of a client, by the schema of the command

# The aspect of all probes of a kind, except those that another requirement names. In probes.toml the aspect of a row
# whose makings have aspects of their own.
ANY = "*"


class Expected(StrEnum):
    """The outcome that a requirement demands for a probe."""

    ACCEPTED = "accepted"
    UNAUTHORIZED = "401"
    REFUSED = "refused"  # with any 4xx
    REFUSED_AS_INVALID = "refused-as-invalid"  # with a 4xx that blames the input
    NOT_ACCEPTED = "not-accepted"  # another requirement judges a 5xx
    NO_CRASH = "no-5xx"
    IN_ENVELOPE = "in-envelope"  # with any answer that its schema allows


@dataclass(frozen=True, slots=True)
class ByPlace:
    """Judged by the schemas of `messages`.

    `at`: JSON pointers, `*` for any item or member; `keywords`: those judged there. Without both, all that no other
    requirement names. `kinds`: only in answers to cases of these kinds; none: in all.
    """

    messages: tuple[str, ...]
    at: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In words."""
        places = f"{', '.join(self.at)}: {', '.join(self.keywords)}" if self.at else "what no other names"
        return f"{', '.join(self.messages)} {places}"

    def is_about_form_of(self, message: str) -> bool:
        """Whether it judges the form of that message."""
        return message in self.messages

    @property
    def takes_the_rest(self) -> bool:
        """Whether it judges the places that no other requirement names."""
        return not self.at

    def names(self, pointer: str, keyword: str) -> bool:
        """Whether it names this place, be it of a schema (`*` for any item) or of a message."""
        return keyword in self.keywords and any(_covers(each, pointer) for each in self.at)


@dataclass(frozen=True, slots=True)
class ByProbe:
    """Judged by the outcome of `probes`, each `kind.aspect` as in the cases of a journal; `*`: any other aspect."""

    probes: tuple[str, ...]
    expect: Expected

    def __str__(self) -> str:
        """In words."""
        return f"{', '.join(self.probes)}: {self.expect}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its probes, each once."""
        return tuple(dict.fromkeys(probe.partition(".")[0] for probe in self.probes))

    def is_about_form_of(self, message: str) -> bool:
        """Whether its probes demand the form of that message, which is one of an answer."""
        return self.expect is Expected.IN_ENVELOPE and message.startswith("response.")


@dataclass(frozen=True, slots=True)
class ByRule:
    """Judged by the Python rule of that name, with these parameters."""

    rule: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """In words."""
        parameters = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        return f"rule {self.rule}{f' ({parameters})' if parameters else ''}"

    def is_about_form_of(self, message: str) -> bool:
        """Whether its rule judges that message."""
        return self.parameters.get("of") == message


Judge = ByPlace | ByProbe | ByRule


def judge_of(table: Mapping[str, Any]) -> Judge:
    """The judge of the table `judge = …`, which `schemas/formats/requirement.json` describes."""
    if "rule" in table:
        return ByRule(table["rule"], {name: value for name, value in table.items() if name != "rule"})
    if "probe" in table:
        return ByProbe(_texts(table["probe"]), Expected(table["expect"]))
    return ByPlace(*(_texts(table.get(key, ())) for key in ("message", "at", "keyword", "kind")))


def _texts(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _covers(pattern: str, pointer: str) -> bool:
    wanted, steps = pattern.split("/"), pointer.split("/")
    return len(wanted) == len(steps) and all(each in (ANY, step) for each, step in zip(wanted, steps, strict=True))


class Level(StrEnum):
    """How binding a requirement is: a broken MUST fails the subject, a broken SHOULD warns."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Basis(StrEnum):
    """The basis of a requirement's level. Only a SHOULD rests on practice."""

    SEED = "seed"  # a sentence of the provider's guide, which `Requirement.quote` holds
    DOCS = "docs"  # a fact of the provider's reference pages and SDKs
    MONEY = "money"  # paying, or crediting, twice or for nothing
    CREDENTIALS = "credentials"  # handing the account to somebody else
    PRACTICE = "practice"  # this suite's reading, where the contract is silent


class Actor(StrEnum):
    """The party that has to meet a requirement."""

    GATEWAY = "gateway"
    CLIENT = "client"
    RECEIVER = "receiver"


class Offer(StrEnum):
    """A part of a client on which requirements depend (see `Requirement.needs`)."""

    DRIVER = "driver"  # it is driven, rather than watched from outside
    INVOCATIONS = "invocations"  # it calls the gateway; by command
    CALLBACK = "callback"  # it receives notifications; by command
    RESULTS = "results"  # it can be asked for the outcome of a request
    APPLIED = "applied"  # and how often that took effect
    ERROR_DETAILS = "error-details"  # it tells its caller status_code and description of an error
    REQUEST_ID = "request-id"  # it tells its caller the request_id


@dataclass(frozen=True, slots=True)
class Requirement:
    """One falsifiable statement of the contract.

    `commands` are the names that it is judged for, one verdict each: commands, callbacks of notifications without a
    request, or `(None,)` for neither. `basis` is the basis of its level: `quote`, the seed's wording, or else `fact`,
    one sentence. `section` is the part of docs/contract.md with more. `judge`: None if it is excluded. `needs`: the
    parts of a client without which it does not apply. `mend`: how to mend the usual causes of a failure.
    """

    id: str
    level: Level
    actor: Actor
    title: str
    source: str
    basis: Basis
    commands: tuple[str | None, ...]
    judge: Judge | None = None
    quote: str | None = None
    fact: str | None = None
    section: str | None = None
    shared_level: Level | None = None
    condition: str | None = None
    needs: frozenset[Offer] = frozenset()
    excluded: str | None = None
    mend: str | None = None

    @classmethod
    def from_entry(
        cls, entry: Mapping[str, Any], commands: Mapping[str, Command], unsolicited: Mapping[str, Unsolicited]
    ) -> Requirement:
        """One `[[requirement]]` table of the catalogue of a contract with these commands and unsolicited products."""
        return cls(
            **{
                **entry,
                "level": Level(entry["level"]),
                "actor": Actor(entry["actor"]),
                "basis": Basis(entry["basis"]),
                "shared_level": Level(entry["shared_level"]) if "shared_level" in entry else None,
                "commands": _commands(entry["commands"], commands, unsolicited),
                "judge": judge_of(entry["judge"]) if "judge" in entry else None,
                "needs": frozenset(map(Offer, entry.get("needs", ()))),
            }
        )

    def level_for(self, *, exclusive_account: bool) -> Level:
        """The level in a run: some are lower if others use the same account."""
        return self.level if exclusive_account or self.shared_level is None else self.shared_level


def _commands(
    named: str | list[str], commands: Mapping[str, Command], unsolicited: Mapping[str, Unsolicited]
) -> tuple[str | None, ...]:
    posts = tuple(c.name for c in commands.values() if c.product)
    groups: dict[str, tuple[str | None, ...]] = {
        "all": tuple(commands),
        "posts": posts,
        "callbacks": (*posts, *unsolicited),
        "unsolicited": tuple(unsolicited),
        "inquiries": tuple(row.inquiry.name for row in unsolicited.values() if row.inquiry),
        "none": (None,),
    }
    return groups[named] if isinstance(named, str) else tuple(named)


@dataclass(frozen=True, slots=True)
class Focus:
    """The requirements × commands that a run is limited to; all of them where there are no `entries`.

    An entry is a requirement's id with a command; None: every command that it is judged for. `failed_by`: for some of
    the pairs the cases by which they failed before, each an id, or its beginning up to a slash.
    """

    entries: tuple[tuple[str, str | None], ...] = ()
    failed_by: Mapping[tuple[str, str | None], tuple[str, ...]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, written: Iterable[str] | None) -> Focus:
        """From texts such as `RSP-03`, for every command, and `RSP-03:sms`, as journals record them."""
        pairs = (each.partition(":") for each in written or ())
        return cls(tuple((id_, command or None) for id_, _, command in pairs))

    @classmethod
    def on(cls, pairs: Collection[tuple[str, str | None]], catalogue: Catalogue) -> Focus:
        """The focus on these pairs, in few entries: without commands where all of a requirement's are among them."""
        entries: dict[tuple[str, str | None], None] = {}
        for id_, command in pairs:
            whole = all((id_, each) in pairs for each in catalogue[id_].commands)
            entries[id_, None if whole else command] = None
        return cls(tuple(entries))

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.entries)

    def written(self) -> list[str]:
        """As texts, from which `of` makes it again."""
        return [f"{id_}:{command}" if command else id_ for id_, command in self.entries]

    def covers(self, requirement: str, command: str | None) -> bool:
        """Whether a requirement is judged for a command."""
        return not self.entries or (requirement, command) in self.entries or (requirement, None) in self.entries

    def failing(self, requirement: str, command: str | None, cases: Iterable[str]) -> list[str]:
        """Those of the `cases` by which the requirement failed before; none where that is not known."""
        names = self.failed_by.get((requirement, command), ())
        return [each for each in cases if any(f"{each}/".startswith(f"{name}/") for name in names)]

    def commands(self, catalogue: Catalogue, actor: Actor) -> Collection[str | None]:
        """The commands that requirements on `actor` are judged for; None: one that belongs to no command."""
        own = (requirement for requirement in catalogue.requirements if requirement.actor is actor)
        return {name for each in own for name in each.commands if self.covers(each.id, name)}


WHOLE = Focus()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All requirements, in the catalogue's order, and the digest that names this edition of it."""

    requirements: tuple[Requirement, ...]
    digest: str
    by_id: Mapping[str, Requirement] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the requirements by their ids."""
        object.__setattr__(self, "by_id", {requirement.id: requirement for requirement in self.requirements})

    @classmethod
    def from_table(
        cls,
        table: Mapping[str, Any],
        digest: str,
        commands: Mapping[str, Command],
        unsolicited: Mapping[str, Unsolicited],
    ) -> Catalogue:
        """The content of a `requirements.toml`, of a contract with these commands and unsolicited products."""
        entries = (Requirement.from_entry(entry, commands, unsolicited) for entry in table["requirement"])
        return cls(tuple(entries), digest)

    def __getitem__(self, requirement_id: str) -> Requirement:
        """The requirement with that id; KeyError if there is none."""
        return self.by_id[requirement_id]

    def __contains__(self, requirement_id: object) -> bool:
        return requirement_id in self.by_id

    def judged_by(self, judge: Judge) -> tuple[str, ...]:
        """The ids of the requirements with exactly this judge."""
        return tuple(requirement.id for requirement in self.requirements if requirement.judge == judge)

    def aspects(self, kind: str) -> tuple[str, ...]:
        """The aspects of a kind of probes that requirements name, each once, in the order of the catalogue."""
        judges = (each.judge for each in self.requirements if isinstance(each.judge, ByProbe))
        probes = (probe.split(".", 1) for judge in judges for probe in judge.probes)
        return tuple(dict.fromkeys(aspect for named, aspect in probes if named == kind and aspect != ANY))

    def judged(
        self, actor: Actor, commands: Iterable[Notified], focus: Focus = WHOLE
    ) -> list[tuple[Requirement, str | None]]:
        """The pairs requirement × command that a run over `commands`, and unsolicited products, gives a verdict on."""
        names = {None, *(c.name for c in commands)}
        return [
            (requirement, command)
            for requirement in self.requirements
            if requirement.actor is actor and requirement.excluded is None
            for command in requirement.commands
            if command in names and focus.covers(requirement.id, command)
        ]
