"""Valid payloads: bodies that every gateway has to accept, proved on their bytes against the strict schema.

The schema of a command decides on its systematic payloads: `unicode`, `long` and `line-breaks` come from a member with
`x-characters`, `boundary` from a documented range, `optional` from a member that is not required. Payloads of the
aspect `class` cover the remaining classes of values (`conformance.payloads.classes`). A command with a window gets no
two similar payloads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, cycle, zip_longest
from math import prod
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.model.errors import SuiteError, UsageError
from conformance.model.untrusted import parse_json
from conformance.payloads.classes import WIDE_SCRIPTS, ValueClass, Written, classes_of
from conformance.payloads.members import Constraints, Members, documented_range, likeness, respelled
from conformance.payloads.strategies import draw, strategy_for, text
from conformance.payloads.texts import ALPHABETS, LINE_BREAKS, PLAIN, SCRIPTS, UCS_2, UNIT, Speller, spell

# A random message is one SMS segment at most: each is accepted, sent and paid for.
RANDOM_TEXT = 160

# Three SMS segments of GSM-7: the longest text that the contract speaks of, where a schema sets no other limit.
LONGEST_TEXT = 459
ALPHABET_SAMPLE = 24

WITH_LINE_BREAKS = ("Line one\nline two", "Line one\rline two", "Line one\r\nline two", "Column one\tcolumn two")

PLAIN_ONLY: tuple[Speller, ...] = (PLAIN,)

# Two or three batches are enough unless the allowed payloads are nearly used up.
MOST_BATCHES = 20


@dataclass(frozen=True, slots=True)
class ValidPayload:
    """A body (JSON in UTF-8), its parsed members, and its aspect."""

    aspect: str
    body: bytes
    members: Members


def valid_payloads(
    contract: Contract, command: Command, constraints: Constraints, count: int, seed: int
) -> list[ValidPayload]:
    """The systematic payloads of `command` and `count` random ones, no two alike; the same for the same seed.

    A GET has no body: one payload without bytes. Raises UsageError for a constraint that is not valid and if there
    are too few phone numbers for that many payloads; SuiteError if a payload does not prove to be valid.
    """
    if command.method == "GET":
        return [NO_BODY]
    planner = _Planner.of(contract, command, constraints, Random(f"{command.name} systematic {seed}"))
    systematic = [planner.placed(aspect, planner.apart(members)) for aspect, members in planner.systematic()]
    systematic += filter(None, map(planner.completed, planner.completing(systematic)))
    return [*systematic, *planner.random(count)]


def fresh_payloads(  # noqa: PLR0913, PLR0917 - as `valid_payloads`, and the taken ones
    contract: Contract,
    command: Command,
    constraints: Constraints,
    count: int,
    seed: int,
    taken: Iterable[ValidPayload],
) -> list[ValidPayload]:
    """`count` random payloads with nothing unusual in them, none like one of `taken` nor like each other.

    They are for cases that must not fail for their payload: the text is plain, every member is there, no amount is near
    the end of a documented range. Raises the errors of `valid_payloads`.
    """
    if command.method == "GET":
        return [NO_BODY] * count
    planner = _Planner.of(contract, command, constraints, Random(f"{command.name} fresh {seed}"))
    planner.taken.update(likeness(command, payload.members) for payload in taken)
    return planner.random(count, plain=True)


NO_BODY = ValidPayload("sample", b"", {})


def encoded(members: Members, *, ascii_only: bool) -> bytes:
    """The members as JSON; characters beyond ASCII are escaped, or else in UTF-8."""
    return json.dumps(members, ensure_ascii=ascii_only).encode("utf-8")


@dataclass(frozen=True, slots=True)
class _Planner:
    """Plans the payloads of one command; `taken` holds the likeness of each so far."""

    contract: Contract
    command: Command
    schema: dict[str, Any]
    given: dict[str, tuple[str, ...]]
    sample: dict[str, Any]
    chance: Random
    taken: set[bytes] = field(default_factory=set)
    # Escapes or UTF-8, in turn: both are JSON, and a gateway may fail at either.
    escapes: Iterator[bool] = field(default_factory=lambda: cycle((True, False)))

    @classmethod
    def of(cls, contract: Contract, command: Command, constraints: Constraints, chance: Random) -> _Planner:
        schema = contract.schemas.resolved(command.request_schema)
        members = schema["properties"]
        given = {member: values for member, values in constraints.values(contract).items() if member in members}
        documented = schema["examples"][0]
        check_given(contract, command, constraints)
        replaced = {
            member: values[0]
            for member, values in given.items()
            if member in documented and documented[member] not in values
        }
        return cls(contract, command, schema, given, {**documented, **replaced}, chance)

    # --- Planning

    def systematic(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Aspect and members of each systematic payload, in a fixed order."""
        yield "sample", self.sample
        for member, rule in self.schema["properties"].items():
            low, high = documented_range(rule) or (0, 0)
            ends = (low, low + 1, high - 1, high) if high else ()
            values = chain(self._texts(rule), (("boundary", str(value)) for value in ends))
            yield from ((aspect, {**self.sample, member: value}) for aspect, value in values)
            if member not in self.schema["required"]:
                (whole,) = self._drawn_plain(1)
                yield "optional", {name: value for name, value in whole.items() if name != member}
                yield "optional", whole

    def apart(self, members: dict[str, Any]) -> dict[str, Any]:
        """The members; for a command with a window, one that the window looks at gets a value of the run's own.

        Otherwise a second run within the window would repeat the samples of the first, and the gateway would lawfully
        refuse them. Given values stay, for there are no others.
        """
        own = next(iter(self._drawable()), None)
        if own is None:
            return members
        (drawn,) = self._drawn_plain(1)
        return {**members, own: drawn[own]}

    def _drawn_plain(self, count: int) -> list[dict[str, Any]]:
        """The members of that many payloads with nothing unusual in them."""
        return draw(self._strategy(_plain(self.schema), PLAIN_ONLY), count, self.chance.getrandbits(64))

    def _drawable(self) -> list[str]:
        """The members that a window looks at, without amounts and those whose values are given or the account's."""
        window = self.command.window
        rules, fixed = self.schema["properties"], {*self.given, *self.contract.members.registered}
        named = () if window is None else window.members
        return [name for name in named if name not in fixed and "x-integer" not in rules[name]]

    def _texts(self, rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if "x-characters" not in rule:
            return
        longest = min(rule.get("maxLength", LONGEST_TEXT), LONGEST_TEXT)
        # Some scripts also serve for the limits of segments up to the length of one SMS.
        limits = iter([length for length in UCS_2.limits(longest) if length <= RANDOM_TEXT])
        for alphabet in SCRIPTS:
            length = next(limits, ALPHABET_SAMPLE) if alphabet.name in WIDE_SCRIPTS else ALPHABET_SAMPLE
            yield "unicode", self._spelled(alphabet, length)
        yield "long", self._spelled(ALPHABETS["cjk-extension-b"], longest)
        yield from (("line-breaks", value) for value in WITH_LINE_BREAKS)
        yield "line-breaks", self._spelled(LINE_BREAKS, ALPHABET_SAMPLE)

    def completing(self, planned: Iterable[ValidPayload]) -> Iterator[dict[str, Any]]:
        """The members of further payloads, so that with `planned` each class of each member's values is covered.

        As few as possible: one value serves for all classes that it is in, and one payload for a value of each member.
        Only texts come alone, so that a refusal has one cause. Classes that no given value is in are left out.
        """
        apart: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}
        for member, rule in self.schema["properties"].items():
            seen = [Written(one.members[member], one.body) for one in planned if member in one.members]
            lacking = [each for each in classes_of(rule) if not any(map(each.holds, seen))]
            apart["x-characters" in rule][member] = list(self._meeting(member, lacking))
        for values in apart.values():
            rows = list(zip_longest(*values.values()))
            for members, row in zip(self._drawn_plain(len(rows)), rows, strict=True):
                chosen = {member: value for member, value in zip(values, row, strict=True) if value is not None}
                yield {**members, **chosen}

    def _meeting(self, member: str, lacking: Iterable[ValueClass]) -> Iterator[str]:
        """Values of `member` that together are in each class of `lacking`; given ones, where there are any."""
        chosen: list[Written] = []
        for each in lacking:
            if any(map(each.holds, chosen)):
                continue
            candidates = self.given.get(member) or (each.make(self.chance),)
            found = next(filter(each.holds, map(Written, candidates)), None)
            if found is not None:
                chosen.append(found)
                yield found.text

    def _spelled(self, alphabet: Speller, length: int) -> str:
        return spell(alphabet, self.chance.randbytes(UNIT * length))

    def random(self, count: int, *, plain: bool = False) -> list[ValidPayload]:
        """`count` random payloads that are like none so far; `plain` ones have nothing unusual in them."""
        schema = _plain(self.schema) if plain else self.schema
        strategy = self._strategy(schema, PLAIN_ONLY if plain else tuple(ALPHABETS.values()))
        payloads: list[ValidPayload] = []
        self._check_room(count)
        for _ in range(MOST_BATCHES):
            drawn = draw(strategy, count - len(payloads), self.chance.getrandbits(64))
            free = filter(None, (self._free(members, schema) for members in drawn))
            payloads += [self._proved("random", members) for members in free]
            if len(payloads) == count:
                return payloads
        raise UsageError(
            f"{count} different {self.command.name} payloads are wanted, only {len(payloads)} were found",
            hint="ask for fewer --max-examples",
        )

    def _strategy(self, schema: Mapping[str, Any], alphabets: tuple[Speller, ...]) -> SearchStrategy[dict[str, Any]]:
        given = {member: st.sampled_from(values) for member, values in self.given.items()}
        texts = {
            member: text(
                alphabets, max(1, rule.get("minLength", 1)), min(rule.get("maxLength", RANDOM_TEXT), RANDOM_TEXT)
            )
            for member, rule in schema["properties"].items()
            if "x-characters" in rule
        }
        return strategy_for(schema, {**texts, **given})

    # --- Keeping them apart

    def placed(self, aspect: str, members: Mapping[str, Any]) -> ValidPayload:
        """The payload, changed until it differs from those so far, except for a sample and a boundary."""
        fixed = aspect in ("sample", "boundary")
        found = self._claimed(members) if fixed else self._free(members, self.schema)
        if found is None:
            raise SuiteError(f"the {aspect} payload of {self.command.name} is like an earlier one: {members!r}")
        return self._proved(aspect, found)

    def completed(self, members: Mapping[str, Any]) -> ValidPayload | None:
        """The payload for the classes that it is in; None if all its values are given or taken."""
        found = self._free(members, self.schema)
        return None if found is None else self._proved("class", found)

    def _claimed(self, members: Mapping[str, Any]) -> Mapping[str, Any] | None:
        digest = likeness(self.command, members)
        if digest in self.taken:
            return None
        self.taken.add(digest)
        return members

    def _free(self, members: Members, schema: Mapping[str, Any]) -> Members | None:
        """The members, or the nearest in `schema` that no payload so far is like; None if there are none."""
        return next(filter(None, map(self._claimed, self._moves(members, schema))), None)

    def _moves(self, members: Members, schema: Mapping[str, Any]) -> Iterator[Members]:
        yield members
        window = self.command.window
        if window is None:
            return
        given = ({**members, name: value} for name in window.members for value in self.given.get(name, ()))
        for moved in (members, *given):
            for amount in self._amounts(window.members):
                low, size = _span(schema, amount)
                for step in range(size):
                    yield {**moved, amount: str(low + (int(members[amount]) - low + step) % size)}
            for name in self._drawable():
                yield from ({**moved, name: text} for text in respelled(schema["properties"][name], moved[name]))

    def _amounts(self, members: Iterable[str]) -> list[str]:
        return [name for name in members if "x-integer" in self.schema["properties"][name]]

    def _check_room(self, count: int) -> None:
        """Raise UsageError if given values leave room for fewer than `count` payloads that the window tells apart."""
        window = self.command.window
        if window is None or self._drawable() or not any(name in self.given for name in window.members):
            return
        amounts = self._amounts(window.members)
        given = {name: len(set(self.given.get(name, ()))) or 1 for name in window.members if name not in amounts}
        room = prod(given.values()) * prod(_span(self.schema, amount)[1] for amount in amounts) - len(self.taken)
        if count > room:
            values = " and ".join(f"{number} {name.replace('_', ' ')}(s)" for name, number in given.items())
            raise UsageError(
                f"{count} different {self.command.name} payloads are wanted, and {values} leave room for {room}: "
                f"a similar one is refused for {window.seconds:g} s",
                hint=f"give more --{next(iter(given)).replace('_', '-')}, or fewer --max-examples",
            )

    def _proved(self, aspect: str, members: Mapping[str, Any]) -> ValidPayload:
        body = encoded(members, ascii_only=False)
        if not body.isascii() and next(self.escapes):
            body = encoded(members, ascii_only=True)
        parsed = parse_json(body)
        broken = self.contract.schemas.violations(self.command.request_schema, parsed)
        if broken or parsed != members:
            raise SuiteError(f"the {aspect} payload {body!r} of {self.command.name} is not valid: {broken}")
        return ValidPayload(aspect, body, members)


def _span(schema: Mapping[str, Any], member: str) -> tuple[int, int]:
    """The least value of a member with `x-integer`, and how many it has."""
    bounds = schema["properties"][member]["x-integer"]
    return bounds["minimum"], bounds["maximum"] - bounds["minimum"] + 1


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every member required, and documented ranges without the values of `boundary`."""
    members = {
        member: {**rule, "x-integer": {"minimum": ends[0] + 2, "maximum": ends[1] - 2}}
        if (ends := documented_range(rule))
        else rule
        for member, rule in schema["properties"].items()
    }
    return {**schema, "properties": members, "required": list(members)}


def check_given(contract: Contract, command: Command, constraints: Constraints) -> None:
    """Raise UsageError for a given value that the schema of the request forbids; the hint respells a phone number."""
    schema = contract.schemas.resolved(command.request_schema)
    members, sample = schema.get("properties", {}), schema.get("examples", [{}])[0]

    def broken_by(member: str, value: str) -> str | None:
        violation = contract.schemas.violation(command.request_schema, {**sample, member: value})
        return None if violation is None else violation.message

    for member, values in constraints.values(contract).items():
        for value in values if member in members else ():
            if (broken := broken_by(member, value)) is not None:
                option = "--" + member.replace("_", "-")
                numbers = _numbers(value, contract.members.country_code) if member == contract.members.recipient else ()
                valid = (number for number in numbers if broken_by(member, number) is None)
                raise UsageError(
                    f"{option} {value!r} is not a value that every gateway takes: {broken}",
                    hint=next((f"write {number}" for number in valid), None),
                )


def _numbers(text: str, country_code: str | None) -> Iterator[str]:
    """The phone numbers in international format that a text in another spelling may mean."""
    digits = "".join(filter("0123456789".__contains__, text)).lstrip("0")
    code = country_code or ""
    yield from (digits, code + digits, code + digits.removeprefix(code).lstrip("0"))
