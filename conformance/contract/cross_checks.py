"""What the files of a contract folder say of each other, and where it does not go together.

contradictions      the faults of a well-formed folder
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from conformance.contract.command import Command, Unsolicited
from conformance.contract.folder import BEHAVIOURS, CONTRACT, PROBES, REQUIREMENTS, ContractFolder, FolderFault, hinted
from conformance.contract.places import places_of
from conformance.contract.probes import MAKERS, Probes
from conformance.contract.requirements import ANY, ByPlace, ByProbe, ByRule, Judge, judge_of
from conformance.contract.schema_checks import members_of
from conformance.contract.validation import ContractValidator
from conformance.model.traffic import Kind

Place = tuple[str | int, ...]
# Name of a written rule → what takes its parameters, or raises TypeError, KeyError or ValueError for others.
Rules = Mapping[str, Callable[[Mapping[str, Any]], object]]


def contradictions(folder: ContractFolder, rules: Rules | None) -> Iterator[FolderFault]:
    """All of them; `rules`: the written rules that there are, None if they are not known."""
    said = _Said(folder)
    for check in (
        said.commands,
        said.messages,
        said.roles_of_answers,
        said.roles_of_notifications,
        said.roles_of_requests,
        said.account,
        said.behaviours,
    ):
        yield from check()
    yield from said.requirements(rules)
    yield from said.judged(rules)


class _Said:
    """What the files of a well-formed folder say, and where it does not go together."""

    def __init__(self, folder: ContractFolder) -> None:
        self.folder = folder
        self.schemas = folder.schemas
        self.stated = folder.tables[CONTRACT]
        self.rows = {row["name"]: Command.from_entry(row) for row in self.stated["command"]}
        self.unasked = [Unsolicited.from_entry(row) for row in self.stated.get("unsolicited", ())]
        self._known_places: dict[str, frozenset[tuple[str, str]]] = {}
        self.entries: list[Mapping[str, Any]] = list(folder.tables[REQUIREMENTS]["requirement"])

    # --- The rows of behaviours.toml

    def behaviours(self) -> Iterator[FolderFault]:
        """What falls with a fault is in the catalogue."""
        known = tuple(entry["id"] for entry in self.entries)
        for number, row in enumerate(self.folder.tables[BEHAVIOURS].get("behaviour", ())):
            for name in row.get("breaks", ()):
                if name not in known:
                    told = hinted(f"breaks names {name!r}; expected a requirement of {REQUIREMENTS}", name, known)
                    yield self.folder.fault(BEHAVIOURS, ("behaviour", number, "breaks"), told)

    # --- The tables of contract.toml

    def commands(self) -> Iterator[FolderFault]:
        """Each name has one use."""
        names: set[str] = set()
        products: set[str] = set()
        for number, row in enumerate(self.stated["command"]):
            for key, taken in (("name", names), ("product", products)):
                if (name := row.get(key)) in taken:
                    told = f"{key} {name!r} is taken by a row before; expected another"
                    yield self._at(("command", number, key), told)
                taken.update([name] if name else [])
        taken = names | products
        for number, unasked in enumerate(self.unasked):
            for name in unasked.callbacks:
                if name in taken:
                    place = ("unsolicited", number, "product" if name == unasked.product else "inquiry")
                    yield self._at(place, f"callback {name!r} has another use already; expected a name of its own")
                taken.add(name)

    def messages(self) -> Iterator[FolderFault]:
        """Each message has its schema."""
        for name in ("response.success", "response.error"):
            yield from self._needed(name, ("command", 0), "for the answers of every command")
        for number, row in enumerate(self.stated["command"]):
            command = self.rows[row["name"]]
            place = ("command", number, "product" if command.product else "name")
            yield from self._needed(command.request_schema, place, f"for the requests of {command.name}")
            if command.method != "GET":
                yield from self._needed(command.tolerated_schema, place, "for the widest that a gateway may accept")
            if command.product:
                told = f"for the notifications of {command.product}"
                yield from self._needed(command.notification_schema, place, told)
        for number, unasked in enumerate(self.unasked):
            for callback in unasked.callbacks:
                place = ("unsolicited", number, "product" if callback == unasked.product else "inquiry")
                yield from self._needed(unasked.schema_at(callback), place, f"for what comes to {callback}")

    def _needed(self, name: str, place: Place, use: str) -> Iterator[FolderFault]:
        if name not in self.schemas:
            told = f"there is no {name}.json; expected that schema {use}"
            yield self._at(place, hinted(told, name, self.schemas.names))

    def roles_of_answers(self) -> Iterator[FolderFault]:
        """The members of an answer are members of its schemas, and its success is one of theirs."""
        roles = self.stated["answer"]
        for role in ("id", "code", "reason", "errors"):
            if role in roles:
                wanted = ("response.error",) if role == "errors" else ("response.success", "response.error")
                yield from self._member(("answer", role), roles[role], wanted, every=True)
        yield from self._value(("answer", "success"), roles["success"], "response.success", roles["code"])

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
        named = [command.notification_schema for command in self.rows.values() if command.product]
        named += [unasked.schema_at(unasked.product) for unasked in self.unasked]
        return tuple(name for name in named if name in self.schemas)

    def roles_of_requests(self) -> Iterator[FolderFault]:
        """What a role, a window or an amount names is a member of requests."""
        roles = self.stated.get("members", {})
        requests = tuple(c.request_schema for c in self.rows.values() if c.request_schema in self.schemas)
        for role in ("recipient", "text"):
            if role in roles:
                yield from self._member(("members", role), roles[role], requests)
        for member in roles.get("registered", {}):
            yield from self._member(("members", "registered", member), member, requests)
        for number, row in enumerate(self.stated["command"]):
            command = self.rows[row["name"]]
            own = (command.request_schema,) if command.request_schema in self.schemas else ()
            for member in command.window.members if command.window and own else ():
                yield from self._member(("command", number, "window"), member, own)
            if command.money and own:
                yield from self._member(("command", number, "money"), command.money.member, own)
        for number, unasked in enumerate(self.unasked):
            name = unasked.schema_at(unasked.product)
            if unasked.money and name in self.schemas:
                yield from self._member(("unsolicited", number, "money"), unasked.money.member, (name,))

    def account(self) -> Iterator[FolderFault]:
        """The command is one, and its answer has the balance."""
        account = self.stated.get("account")
        if account is None:
            return
        command = self.rows.get(account["command"])
        if command is None:
            told = f"command {account['command']!r} is none of this contract; expected {', '.join(self.rows)}"
            yield self._at(("account", "command"), hinted(told, account["command"], self.rows))
            return
        name = command.answer_schema if command.answer_schema in self.schemas else "response.success"
        if "balance" in account and name in self.schemas:
            schema: Any = self.schemas.resolved(name)
            for step in account["balance"].split("/")[1:]:
                if step not in schema.get("properties", {}):
                    told = f"{name} has no {step!r} at {account['balance']}; expected a pointer to a member of it"
                    yield self._at(("account", "balance"), hinted(told, step, schema.get("properties", ())))
                    return
                schema = schema["properties"][step]

    def _member(
        self, place: Place, member: str, schemas: Collection[str], *, every: bool = False
    ) -> Iterator[FolderFault]:
        """It is a member of one of the schemas, or of `every` one."""
        known = {name: members_of(self.schemas.resolved(name)) for name in schemas if name in self.schemas}
        lacking = [name for name, members in known.items() if member not in members]
        if lacking and (every or len(lacking) == len(known)):
            where = lacking[0] if every or len(known) == 1 else "none of " + ", ".join(known)
            has = "has no" if every or len(known) == 1 else "has the"
            told = f"{where} {has} member {member!r}; expected one of its members"
            yield self._at(place, hinted(told, member, sorted({each for name in lacking for each in known[name]})))

    def _value(self, place: Place, value: Any, name: str, member: str) -> Iterator[FolderFault]:
        """It is a value that the schema allows that member."""
        if name not in self.schemas:
            return
        rule = self.schemas.resolved(name).get("properties", {}).get(member)
        if rule is not None and (broken := next(ContractValidator(rule).iter_errors(value), None)) is not None:
            yield self._at(place, f"{value!r} is no {member} of {name}, for {broken.message}; expected one")

    def _at(self, place: Place, told: str) -> FolderFault:
        return self.folder.fault(CONTRACT, place, told)

    # --- The requirements

    def requirements(self, rules: Rules | None) -> Iterator[FolderFault]:
        """Ids are unique, commands are known, and each is judged or excluded."""
        first: dict[str, int] = {}
        known = (*self.rows, *(unasked.product for unasked in self.unasked))
        for number, entry in enumerate(self.entries):
            place = ("requirement", number)
            if (before := first.setdefault(entry["id"], number)) != number:
                line = self.folder.fault(REQUIREMENTS, ("requirement", before), "").line
                told = f"{entry['id']} is also at line {line}; expected an id of its own"
                yield self._in_catalogue((*place, "id"), told)
            for name in entry["commands"] if isinstance(entry["commands"], list) else ():
                if name not in known:
                    told = f"command {name!r} is none of this contract; expected {', '.join(known)}"
                    yield self._in_catalogue((*place, "commands"), hinted(told, name, known))
            if ("judge" in entry) == ("excluded" in entry) and rules is not None:
                there = "both judge and excluded" if "judge" in entry else "neither judge nor excluded"
                yield self._in_catalogue(place, f"{entry['id']} has {there}; expected one of them")
        yield from self._quotes()

    def _quotes(self) -> Iterator[FolderFault]:
        """Every quote stands in the source, where that is in the folder."""
        file = self.stated.get("sources", {}).get("seed", {}).get("file")
        if file is None:
            return
        if not (self.folder.root / file).is_file():
            yield self._at(("sources", "seed", "file"), f"there is no file {file!r} in the folder; expected the source")
            return
        text = " ".join((self.folder.root / file).read_text("utf-8").split())
        for number, entry in enumerate(self.entries):
            if "quote" in entry and " ".join(entry["quote"].split()) not in text:
                told = f"the quote of {entry['id']} is not in {file}; expected the words as they are there"
                yield self._in_catalogue(("requirement", number, "quote"), told)

    def judged(self, rules: Rules | None) -> Iterator[FolderFault]:
        """What each requirement is judged by exists."""
        for number, entry in enumerate(self.entries):
            if "judge" in entry:
                for told in self._misjudged(judge_of(entry["judge"]), rules):
                    yield self._in_catalogue(("requirement", number, "judge"), f"{entry['id']}: {told}")

    def _misjudged(self, judge: Judge, rules: Rules | None) -> Iterator[str]:
        if isinstance(judge, ByRule) and rules is not None:
            yield from _unknown_rule(judge, rules)
        if isinstance(judge, ByProbe):
            yield from self._unknown_probes(judge)
        if isinstance(judge, ByPlace):
            yield from self._unknown_places(judge)

    def _unknown_probes(self, judge: ByProbe) -> Iterator[str]:
        """Probes have rows; of the other kinds of cases every run has some."""
        probes = Probes.read(self.folder.texts[PROBES])
        for name in judge.probes:
            kind, _, aspect = name.partition(".")
            if kind in MAKERS and probes.get(name) is None and aspect not in (ANY, *probes.aspects(kind)):
                known = [probe.name for probe in probes]
                yield hinted(f"there is no probe {name!r}; expected one of {PROBES}", name, known)
            elif kind not in set(Kind):
                yield hinted(f"there is no probe {name!r}; expected a kind of cases before the point", kind, Kind)

    def _unknown_places(self, judge: ByPlace) -> Iterator[str]:
        groups = self._groups()
        for message in judge.messages:
            if message not in groups:
                known = sorted(groups)
                yield hinted(f"there is no message {message!r}; expected one of {', '.join(known)}", message, known)
        if any(message not in groups for message in judge.messages):
            return
        named = {name for message in judge.messages for name in groups[message] if name in self.schemas}
        places = [each for name in sorted(named) for each in self._places(name)]
        missed = False
        for pointer in judge.at:
            there = {keyword for each, keyword in places if _same(pointer, each)}
            told = f"{', '.join(judge.messages)} has no {' or '.join(judge.keywords)} at {pointer or 'the whole'}"
            if not there:
                yield hinted(f"{told}; expected a place of it", pointer, {each for each, _ in places})
            elif there.isdisjoint(judge.keywords):
                yield f"{told}; expected one of {', '.join(sorted(there))}"
            missed |= there.isdisjoint(judge.keywords)
        for keyword in () if missed else judge.keywords:
            if not any(keyword == its and any(_same(at, each) for at in judge.at) for each, its in places):
                yield f"{', '.join(judge.messages)} has no {keyword} at any of these places; expected one that it has"

    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        """The messages that a requirement may name, each with its schemas."""
        own = tuple(c.answer_schema for c in self.rows.values() if c.answer_schema in self.schemas)
        accepted = ("response.success", *own)
        notifications = self._notifications()
        requests = tuple(c.request_schema for c in self.rows.values())
        inquiries = tuple(each.schema_at(name) for each in self.unasked for name in each.callbacks[1:])
        return {
            "response": (*accepted, "response.error"),
            "response.success": accepted,
            "response.error": ("response.error",),
            **dict.fromkeys(("notification", "notification.success", "notification.failure"), notifications),
            "request": requests,
            **{name: (name,) for name in (*own, *notifications, *requests, *inquiries)},
        }

    def _places(self, name: str) -> frozenset[tuple[str, str]]:
        if name not in self._known_places:
            found = places_of(self.schemas.resolved(name))
            self._known_places[name] = frozenset((place.pointer, place.keyword) for place in found)
        return self._known_places[name]

    def _in_catalogue(self, place: Place, told: str) -> FolderFault:
        return self.folder.fault(REQUIREMENTS, place, told)


def _unknown_rule(judge: ByRule, rules: Rules) -> Iterator[str]:
    if judge.rule not in rules:
        yield hinted(f"there is no rule {judge.rule!r}; expected a written one", judge.rule, rules)
        return
    try:
        rules[judge.rule](judge.parameters)
    except (KeyError, TypeError, ValueError) as error:
        yield f"the rule {judge.rule!r} does not take this: {error}; expected the parameters that docs/extend.md tells"


def _same(pattern: str, pointer: str) -> bool:
    """Whether a pattern of a requirement, where `*` is any step, is the pointer of a place."""
    wanted, steps = pattern.split("/"), pointer.split("/")
    return len(wanted) == len(steps) and all(w == s or "*" in (w, s) for w, s in zip(wanted, steps, strict=True))
