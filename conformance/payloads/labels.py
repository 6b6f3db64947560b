"""The label of a payload, proved on its bytes: valid, broken in one member by one keyword, or left open.

Only the kinds in `PROOFS` are about the payload; cases of other kinds have no label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object

Members = Mapping[str, Any]


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()
"""The value of a member that is left out."""

# The aspect of a valid payload with nothing unusual in it.
PLAIN = "random"
# The characters of one SMS; anything longer is a long message.
SINGLE_SMS = 160

# Four times the bytes of the contract's longest message with each character escaped.
LARGEST = 4 * 459 * len("\\ud83d\\udc4b")


@dataclass(frozen=True, slots=True)
class Label:
    """The label of a payload of `command`.

    The broken `member` violates `keyword`; `open_at` are the places (JSON pointers) where the contract is silent.
    """

    contract: Contract
    command: Command
    kind: Kind
    aspect: str
    member: str | None = None
    keyword: str | None = None
    open_at: frozenset[str] = frozenset()

    @classmethod
    def of(cls, case: Case, contract: Contract) -> Label | None:
        """The label of a case; None if the case is not about its payload, or if its bytes do not prove the label."""
        members = members_of(case.request.body)
        if case.kind not in PROOFS or case.command is None or members is None:
            return None
        command = contract.commands[case.command]
        label = cls(contract, command, case.kind, case.aspect, case.member, case.keyword)
        if case.kind is Kind.OPEN:
            label = replace(label, open_at=_pointers(label, command.request_schema, members))
        return label if PROOFS[case.kind](label, members) else None

    def holds(self, body: bytes) -> bool:
        """Whether `body` has this label."""
        members = members_of(body)
        return members is not None and PROOFS[self.kind](self, members)


def members_of(body: bytes, largest: int = LARGEST) -> Members | None:
    """The members of a body; None if it is not a JSON object, or larger than `largest`."""
    return None if len(body) > largest else json_object(body)


def _pointers(label: Label, schema: str, members: Members) -> frozenset[str]:
    return frozenset(fault.pointer for fault in label.contract.schemas.violations(schema, members))


def _broken(label: Label, members: Members) -> bool:
    """Whether that member alone breaks the tolerated schema, by that keyword and others of the probe."""
    faults = label.contract.schemas.violations(label.command.tolerated_schema, members)
    probe = label.contract.probes.get(f"{label.kind}.{label.aspect}")
    allowed = probe.keywords if probe else frozenset()
    same = label.keyword in {fault.keyword for fault in faults}
    return same and all(f.pointer == f"/{label.member}" and f.keyword in allowed for f in faults)


def _open(label: Label, members: Members) -> bool:
    """Whether the payload lies between the strict and the tolerated schema, in the same places."""
    open_at = _pointers(label, label.command.request_schema, members)
    return label.open_at == open_at and not _pointers(label, label.command.tolerated_schema, members)


PROOFS: Mapping[Kind, Callable[[Label, Members], bool]] = {
    Kind.VALID: lambda label, members: not _pointers(label, label.command.request_schema, members),
    Kind.BROKEN: _broken,
    Kind.OPEN: _open,
}


# --- Valid ones


def aspect_of(contract: Contract, command: Command, members: Mapping[str, Any]) -> str:
    """The aspect of a valid payload, by its members: PLAIN if it has nothing unusual.

    So a gateway that fails at emoji, say, fails that requirement in whatever case they turn up.
    """
    if not members:
        return PLAIN
    for name, member in rules_of(contract, command).items():
        if name not in members:
            return "optional"
        aspect = _aspect_of_member(member, members[name])
        if aspect is not None:
            return aspect
    return PLAIN


@cache
def rules_of(contract: Contract, command: Command) -> Mapping[str, Mapping[str, Any]]:
    """The strict schema of each member of a command's requests."""
    rules: Mapping[str, Mapping[str, Any]] = contract.schemas.resolved(command.request_schema).get("properties", {})
    return rules


@cache
def texts_of(contract: Contract, command: Command) -> tuple[str, ...]:
    """The members of a command's requests that are messages for people."""
    return tuple(name for name, rule in rules_of(contract, command).items() if "x-characters" in rule)


def documented_range(rule: Mapping[str, Any]) -> tuple[int, int] | None:
    """The range that the contract documents for a member with that schema; None if it has none, or a cautious one."""
    bounds = rule.get("x-integer", {})
    return (bounds["minimum"], bounds["maximum"]) if bounds.get("x-documented") else None


def _aspect_of_member(schema: Mapping[str, Any], value: str) -> str | None:
    if "x-characters" in schema:
        if not {*"\n\r\t"}.isdisjoint(value):
            return "line-breaks"
        if len(value) > SINGLE_SMS:
            return "long"
        return None if value.isascii() else "unicode"
    ends = documented_range(schema)
    return "boundary" if ends and int(value) in ends else None
