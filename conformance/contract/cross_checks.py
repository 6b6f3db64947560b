"""Contradictions between the files of a well-formed contract folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from conformance.contract.command import Command, Unsolicited
from conformance.contract.folder import (
    BEHAVIOURS,
    CONTRACT,
    PROBES,
    REQUIREMENTS,
    ContractFolder,
    FolderFault,
    Place,
    hinted,
)
from conformance.contract.places import places_of
from conformance.contract.requirements import (
    ACCEPTED,
    ANSWER,
    ANY,
    ERROR,
    FAILED,
    NOTIFICATION,
    REQUEST,
    SUCCEEDED,
    ByPlace,
    ByProbe,
    ByRule,
    Judge,
    judge_of,
)
from conformance.contract.schemas import ContractValidator
from conformance.contract.tables import CHOOSING, MAKERS, Making, Probes
from conformance.model.traffic import Kind

# Name of a written rule → a function of its parameters, which raises TypeError, KeyError or ValueError for others.
Rules = Mapping[str, Callable[[Mapping[str, Any]], object]]


def contradictions(folder: ContractFolder, rules: Rules | None) -> Iterator[FolderFault]:
    """All contradictions; `rules`: the written rules, None if they are unknown."""
    checks = _CrossChecks(folder, rules)
    yield from chain(checks.names(), checks.messages())
    yield from chain(checks.roles_of_answers(), checks.roles_of_notifications(), checks.roles_of_requests())
    yield from chain(checks.account(), checks.probes(), checks.behaviours(), checks.requirements(), checks.quotes())


class _CrossChecks:
    """The checks of a well-formed folder, each of a statement that two places make."""

    def __init__(self, folder: ContractFolder, rules: Rules | None) -> None:
        self.folder = folder
        self.rules = rules
        self.schemas = folder.schemas
        self.stated = folder.tables[CONTRACT]
        self.commands = [Command.from_entry(row) for row in self.stated["command"]]
        self.unasked = [Unsolicited.from_entry(row) for row in self.stated.get("unsolicited", ())]
        self.entries: list[Mapping[str, Any]] = list(folder.tables[REQUIREMENTS]["requirement"])
        self._known_places: dict[str, frozenset[tuple[str, str]]] = {}

    def _at(
        self, place: Place, problem: str, given: str = "", known: Iterable[str] = (), *, file: str = CONTRACT
    ) -> FolderFault:
        """A fault there, with a hint at the `known` names that are near the `given` one."""
        return self.folder.fault(file, place, hinted(problem, given, known) if given else problem)

    # --- contract.toml

    def names(self) -> Iterator[FolderFault]:
        """Each name has one use."""
        names: set[str] = set()
        products: set[str] = set()
        for number, command in enumerate(self.commands):
            for key, name, taken in (("name", command.name, names), ("product", command.product, products)):
                if name in taken:
                    yield self._at(
                        ("command", number, key), f"{key} {name!r} is taken by a row before; expected another"
                    )
                taken.update([name] if name else [])
        taken = names | products
        for place, callback, _ in self._callbacks():
            if callback in taken:
                yield self._at(place, f"callback {callback!r} has another use already; expected a name of its own")
            taken.add(callback)

    def _callbacks(self) -> Iterator[tuple[Place, str, str]]:
        """The callbacks for notifications without a request: place, name, and schema."""
        for number, row in enumerate(self.unasked):
            for key, callback in zip(("product", "inquiry"), row.callbacks, strict=False):
                yield ("unsolicited", number, key), callback, row.schema_at(callback)

    def messages(self) -> Iterator[FolderFault]:
        """Each message has its schema."""
        wanted: list[tuple[Place, str, str]] = [
            (("command", 0), name, "for the answers of every command") for name in (ACCEPTED, ERROR)
        ]
        for number, command in enumerate(self.commands):
            place: Place = ("command", number, "product" if command.product else "name")
            wanted.append((place, command.request_schema, f"for the requests of {command.name}"))
            if command.method != "GET":
                wanted.append((place, command.tolerated_schema, "for the widest that a gateway may accept"))
            if command.product:
                wanted.append((place, command.notification_schema, f"for the notifications of {command.product}"))
        wanted += [(place, name, f"for what comes to {callback}") for place, callback, name in self._callbacks()]
        for place, name, use in wanted:
            if name not in self.schemas:
                problem = f"there is no {name}.json; expected that schema {use}"
                yield self._at(place, problem, name, self.schemas.names)

    def roles_of_answers(self) -> Iterator[FolderFault]:
        """The members of an answer are members of its schemas, which allow its success."""
        roles = self.stated["answer"]
        for role in ("id", "code", "reason", "errors"):
            if role in roles:
                wanted = (ERROR,) if role == "errors" else (ACCEPTED, ERROR)
                yield from self._member(("answer", role), roles[role], wanted, every=True)
        yield from self._value(("answer", "success"), roles["success"], ACCEPTED, roles["code"])

    def roles_of_notifications(self) -> Iterator[FolderFault]:
        """The members of a notification are members of every schema of one, those of some products of one of them."""
        roles = self.stated["notification"]
        schemas = self._notifications()
        for role in ("id", "outcome", "reason"):
            yield from self._member(("notification", role), roles[role], schemas, every=True)
        for role in ("balance", "charge", "time", "receipt"):
            if role in roles:
                yield from self._member(("notification", role), roles[role], schemas)
        for member in roles.get("transaction", ()):
            yield from self._member(("notification", "transaction", member), member, schemas)
        for name in schemas[:1]:
            yield from self._value(("notification", "success"), roles["success"], name, roles["outcome"])

    def _notifications(self) -> tuple[str, ...]:
        named = [command.notification_schema for command in self.commands if command.product]
        named += [row.notification_schema for row in self.unasked]
        return tuple(name for name in named if name in self.schemas)

    def roles_of_requests(self) -> Iterator[FolderFault]:
        """Roles, windows and amounts name members of requests."""
        roles = self.stated.get("members", {})
        requests = [command.request_schema for command in self.commands]
        for role in ("recipient", "text"):
            if role in roles:
                yield from self._member(("members", role), roles[role], requests)
        for member in roles.get("registered", {}):
            yield from self._member(("members", "registered", member), member, requests)
        for number, command in enumerate(self.commands):
            for member in command.window.members if command.window else ():
                yield from self._member(("command", number, "window"), member, [command.request_schema])
            if command.money:
                yield from self._member(("command", number, "money"), command.money.member, [command.request_schema])
        for number, row in enumerate(self.unasked):
            if row.money:
                yield from self._member(("unsolicited", number, "money"), row.money.member, [row.notification_schema])

    def account(self) -> Iterator[FolderFault]:
        """The command exists, and its answer has the balance."""
        account = self.stated.get("account")
        if account is None:
            return
        commands = {command.name: command for command in self.commands}
        command = commands.get(account["command"])
        if command is None:
            problem = f"command {account['command']!r} is none of this contract; expected {', '.join(commands)}"
            yield self._at(("account", "command"), problem, account["command"], commands)
            return
        name = command.answer_schema if command.answer_schema in self.schemas else ACCEPTED
        if "balance" in account and name in self.schemas:
            schema: Any = self.schemas.resolved(name)
            for step in account["balance"].split("/")[1:]:
                members = schema.get("properties", {})
                if step not in members:
                    problem = f"{name} has no {step!r} at {account['balance']}; expected a pointer to a member of it"
                    yield self._at(("account", "balance"), problem, step, members)
                    return
                schema = members[step]

    def _member(
        self, place: Place, member: str, schemas: Collection[str], *, every: bool = False
    ) -> Iterator[FolderFault]:
        """It is a member of one of the schemas, or of `every` one."""
        known = {name: _members(self.schemas.resolved(name)) for name in schemas if name in self.schemas}
        lacking = [name for name, members in known.items() if member not in members]
        if lacking and (every or len(lacking) == len(known)):
            one = every or len(known) == 1
            has = f"{lacking[0]} has no" if one else f"none of {', '.join(known)} has the"
            problem = f"{has} member {member!r}; expected one of its members"
            yield self._at(place, problem, member, sorted({each for name in lacking for each in known[name]}))

    def _value(self, place: Place, value: Any, name: str, member: str) -> Iterator[FolderFault]:
        """It is a value that the schema allows that member."""
        if name not in self.schemas:
            return
        rule = self.schemas.resolved(name).get("properties", {}).get(member)
        if rule is not None and (broken := next(ContractValidator(rule).iter_errors(value), None)) is not None:
            yield self._at(place, f"{value!r} is not a {member} of {name}: {broken.message}; expected one")

    # --- probes.toml and behaviours.toml

    def probes(self) -> Iterator[FolderFault]:
        """Each has another name, and is made by makers of its kind."""
        names: set[str] = set()
        for number, row in enumerate(self.folder.tables[PROBES].get("probe", ())):
            place = ("probe", number)
            name = f"{row['kind']}.{row['aspect']}"
            if name in names:
                problem = f"aspect of {name} is there twice; expected one row for each kind and aspect"
                yield self._at((*place, "aspect"), problem, file=PROBES)
            names.add(name)
            for making in row["made"]:
                if wrong := Making.from_entry(making, row["aspect"]).fault(row["kind"]):
                    yield self._at((*place, "made"), wrong, file=PROBES)

    def behaviours(self) -> Iterator[FolderFault]:
        """Names are unique, the catalogue has the broken requirements, and changes change something."""
        known = tuple(entry["id"] for entry in self.entries)
        for kind, rows in self.folder.tables[BEHAVIOURS].items():
            names: set[str] = set()
            for number, row in enumerate(rows):
                place = (kind, number)
                name = row.get("name", f"{place}")
                if name in names:
                    problem = f"name of a {kind} is {name!r} twice; expected another one"
                    yield self._at((*place, "name"), problem, file=BEHAVIOURS)
                names.add(name)
                for id_ in row.get("breaks", ()):
                    if id_ not in known:
                        problem = f"breaks names {id_!r}; expected a requirement of {REQUIREMENTS}"
                        yield self._at((*place, "breaks"), problem, id_, known, file=BEHAVIOURS)
                for change in row.get("changes", ()):
                    for problem in _idle(change):
                        yield self._at((*place, "changes"), problem, file=BEHAVIOURS)

    # --- requirements.toml

    def requirements(self) -> Iterator[FolderFault]:
        """Ids are unique, commands are known, and each is either excluded or judged by something that exists."""
        first: dict[str, int] = {}
        known = (*(command.name for command in self.commands), *(row.product for row in self.unasked))
        for number, entry in enumerate(self.entries):
            place = ("requirement", number)
            if (before := first.setdefault(entry["id"], number)) != number:
                line = self.folder.fault(REQUIREMENTS, ("requirement", before), "").line
                problem = f"{entry['id']} is also at line {line}; expected an id of its own"
                yield self._at((*place, "id"), problem, file=REQUIREMENTS)
            for name in entry["commands"] if isinstance(entry["commands"], list) else ():
                if name not in known:
                    problem = f"command {name!r} is none of this contract; expected {', '.join(known)}"
                    yield self._at((*place, "commands"), problem, name, known, file=REQUIREMENTS)
            if ("judge" in entry) == ("excluded" in entry):
                there = "both judge and excluded" if "judge" in entry else "neither judge nor excluded"
                yield self._at(place, f"{entry['id']} has {there}; expected one of them", file=REQUIREMENTS)
            elif "judge" in entry:
                for problem in self._misjudged(judge_of(entry["judge"])):
                    yield self._at((*place, "judge"), f"{entry['id']}: {problem}", file=REQUIREMENTS)

    def quotes(self) -> Iterator[FolderFault]:
        """Every quote is in the source, if the folder has it."""
        file = self.stated.get("sources", {}).get("seed", {}).get("file")
        if file is None:
            return
        if not (self.folder.root / file).is_file():
            yield self._at(("sources", "seed", "file"), f"there is no file {file!r} in the folder; expected the source")
            return
        text = " ".join((self.folder.root / file).read_text("utf-8").split())
        for number, entry in enumerate(self.entries):
            if "quote" in entry and " ".join(entry["quote"].split()) not in text:
                problem = f"the quote of {entry['id']} is not in {file}; expected the words as they are there"
                yield self._at(("requirement", number, "quote"), problem, file=REQUIREMENTS)

    def _misjudged(self, judge: Judge) -> Iterator[str]:
        match judge:
            case ByRule() if self.rules is not None:
                yield from _unknown_rule(judge, self.rules)
            case ByProbe():
                yield from self._unknown_probes(judge)
            case ByPlace():
                yield from self._unknown_places(judge)

    def _unknown_probes(self, judge: ByProbe) -> Iterator[str]:
        """Probes have rows; every run has cases of the other kinds."""
        probes = Probes.from_table(self.folder.tables[PROBES])
        for name in judge.probes:
            kind, _, aspect = name.partition(".")
            if kind in MAKERS and probes.get(name) is None and aspect not in (ANY, *probes.aspects(kind)):
                known = [probe.name for probe in probes]
                yield hinted(f"there is no probe {name!r}; expected one of {PROBES}", name, known)
            elif kind not in set(Kind):
                yield hinted(f"there is no probe {name!r}; expected a kind of cases before the point", kind, Kind)

    def _unknown_places(self, judge: ByPlace) -> Iterator[str]:
        groups = self._groups()
        if unknown := [message for message in judge.messages if message not in groups]:
            known = sorted(groups)
            for message in unknown:
                yield hinted(f"there is no message {message!r}; expected one of {', '.join(known)}", message, known)
            return
        named = {name for message in judge.messages for name in groups[message] if name in self.schemas}
        places = [each for name in sorted(named) for each in self._places(name)]
        missed = False
        for pointer in judge.at:
            there = {keyword for each, keyword in places if _same(pointer, each)}
            problem = f"{', '.join(judge.messages)} has no {' or '.join(judge.keywords)} at {pointer or 'the whole'}"
            if not there:
                yield hinted(f"{problem}; expected a place of it", pointer, {each for each, _ in places})
            elif there.isdisjoint(judge.keywords):
                yield f"{problem}; expected one of {', '.join(sorted(there))}"
            missed |= there.isdisjoint(judge.keywords)
        for keyword in () if missed else judge.keywords:
            if not any(keyword == its and any(_same(at, each) for at in judge.at) for each, its in places):
                yield f"{', '.join(judge.messages)} has no {keyword} at any of these places; expected one that it has"

    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        """The messages that a requirement may name, each with its schemas."""
        own = tuple(c.answer_schema for c in self.commands if c.answer_schema in self.schemas)
        notifications = self._notifications()
        requests = tuple(command.request_schema for command in self.commands)
        inquiries = tuple(row.inquiry.notification_schema for row in self.unasked if row.inquiry)
        return {
            ANSWER: (ACCEPTED, *own, ERROR),
            ACCEPTED: (ACCEPTED, *own),
            ERROR: (ERROR,),
            **dict.fromkeys((NOTIFICATION, SUCCEEDED, FAILED), notifications),
            REQUEST: requests,
            **{name: (name,) for name in (*own, *notifications, *requests, *inquiries)},
        }

    def _places(self, name: str) -> frozenset[tuple[str, str]]:
        if name not in self._known_places:
            found = places_of(self.schemas.resolved(name))
            self._known_places[name] = frozenset((place.pointer, place.keyword) for place in found)
        return self._known_places[name]


def _idle(change: Mapping[str, Any]) -> Iterator[str]:
    """The faults by which a change never does anything."""
    if not change.keys() - set(CHOOSING):
        yield "changes has a table that changes nothing; expected a word for the change"
    for member, pattern in change.get("matches", {}).items():
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"matches.{member} is {pattern!r}, which is not a regular expression: {error}; expected one"


def _unknown_rule(judge: ByRule, rules: Rules) -> Iterator[str]:
    if judge.rule not in rules:
        yield hinted(f"there is no rule {judge.rule!r}; expected a written one", judge.rule, rules)
        return
    try:
        rules[judge.rule](judge.parameters)
    except (KeyError, TypeError, ValueError) as error:
        yield f"the rule {judge.rule!r} does not take this: {error}; expected other parameters"


def _same(pattern: str, pointer: str) -> bool:
    """Whether a pattern of a requirement, in which `*` is any step, names the pointer of a place."""
    wanted, steps = pattern.split("/"), pointer.split("/")
    return len(wanted) == len(steps) and all(w == s or ANY in (w, s) for w, s in zip(wanted, steps, strict=True))


def _members(schema: Mapping[str, Any]) -> frozenset[str]:
    """The names of the members of a schema without references, also those that depend on others."""
    parts = [each for keyword in ("allOf", "anyOf", "oneOf") for each in schema.get(keyword, ())]
    parts += [schema[keyword] for keyword in ("if", "then", "else") if isinstance(schema.get(keyword), Mapping)]
    return frozenset(schema.get("properties", ())).union(*map(_members, parts))
