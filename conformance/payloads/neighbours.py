"""Values near a value: what tells requests apart without changing what they ask for.

respelled       other texts of the same form, counted on from the end of one
near            the values next to one
recipient_of    the member of a command's requests that names a person
amount_of       the member that tells how much money they move
cheap_amounts   amounts that are next to nothing
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.model import ecma

# What a text is counted on with: each of its last characters among those of its kind.
KINDS = (digits, ascii_uppercase, ascii_lowercase)
COUNTED, MOST = 4, 10_000

# So many different amounts tell requests apart.
AMOUNTS = 400


def respelled(rule: Mapping[str, Any], text: str) -> Iterator[str]:
    """Other texts that `rule`, the schema of a string, allows: `ORDER4711` is followed by `ORDER4712`.

    At most MOST, none twice; nothing for a text that has no letter or digit among its last characters.
    """
    pattern = ecma.compiled(rule.get("pattern", ""))
    begin = max(0, len(text) - COUNTED)
    kinds = [next((kind for kind in KINDS if c in kind), c) for c in text[begin:]]
    room = 1
    for kind in kinds:
        room *= len(kind)
    for step in range(1, min(room, MOST)):
        other = text[:begin] + _counted(text[begin:], kinds, step)
        if pattern.search(other):
            yield other


def _counted(text: str, kinds: list[str], step: int) -> str:
    """The text as a number whose digits are of these kinds, and so many more."""
    made = ""
    for character, kind in zip(reversed(text), reversed(kinds), strict=True):
        step, place = divmod(kind.index(character) + step, len(kind))
        made = kind[place] + made
    return made


def near(rule: Mapping[str, Any], text: str) -> Iterator[str]:
    """The values next to one: a number more and less, or the next texts of its form."""
    if "x-integer" in rule:
        yield from (str(int(text) + 1), str(int(text) - 1))
    else:
        yield from islice(respelled(rule, text), 2)


def recipient_of(contract: Contract, command: Command) -> str | None:
    """The member of a command's requests that names a person; None where none does."""
    recipient = contract.members.recipient
    return recipient if recipient in _rules(contract, command) else None


def amount_of(contract: Contract, command: Command) -> str | None:
    """The member that tells how much money a request moves, if that is a whole number; None for a command without."""
    amount = command.money.member if command.money else None
    return amount if "x-integer" in _rules(contract, command).get(amount or "", {}) else None


@cache
def cheap_amounts(contract: Contract) -> range:
    """Amounts that are next to nothing, and that each command which moves money takes.

    Those at the ends of what one takes are left out: they are tried by themselves.
    """
    amounts = ((command, amount_of(contract, command)) for command in contract.commands.values())
    bounds = [_rules(contract, command)[amount]["x-integer"] for command, amount in amounts if amount]
    least = max((each["minimum"] for each in bounds), default=0) + 2
    return range(least, min((each["maximum"] - 1 for each in bounds), default=least + AMOUNTS))[:AMOUNTS]


def _rules(contract: Contract, command: Command) -> Mapping[str, Any]:
    rules: Mapping[str, Any] = contract.schemas.resolved(command.request_schema).get("properties", {})
    return rules
