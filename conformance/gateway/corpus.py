"""Case files as part of a plan: fitted to the account, given their twins, grouped.

    placed      case files → groups of cases, and why some were left out
    Ground      what they are placed on: the account, the base URL, how the run makes requests of its own

Nothing is sent that the run was not told to send: a file that names a phone number, a sender id or a short code which
this run may not use is left out, and so is one for which a window leaves no phone number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from conformance.contract.command import Key
from conformance.contract.contract import Contract
from conformance.gateway.casefiles import CaseFile, numbered
from conformance.gateway.credentials import credential_value, with_credential
from conformance.gateway.steps import Step, marker
from conformance.model.traffic import Case, Headers, Kind, Request
from conformance.model.untrusted import parse_json
from conformance.payloads.addressees import GIVEN_BY, Addressees, Constraints

Group = tuple[Case, ...]


def in_order(*cases: Case) -> Group:
    """One group of cases, named after its first."""
    return tuple(replace(case, group=cases[0].id) for case in cases)


# What the ids of cases from files begin with: those of a corpus, and those that alone are sent.
CORPUS, CASES = "corpus", "cases"

# Refusals that count only beside a request that was accepted.
NEGATIVE = frozenset({Kind.BROKEN, Kind.MALFORMED, Kind.CREDENTIAL, Kind.METHOD, Kind.UNKNOWN_COMMAND})
# Repeats that say nothing unless a request of their command is accepted beside them.
BESIDE_TWIN = frozenset({"after-refusal", "after-rejection", "other-product"})

# Digits of a recipient that are drawn at most: those before tell country and operator.
MOST_DIGITS = 8
# Draws of phone numbers tried before it is said that none is free: with one left among two hundred, still found.
MOST_TRIES = 1_000


@dataclass(frozen=True, slots=True)
class Ground:
    """`addressees`: whom it may reach. `headers`: those of an ordinary request.

    `twin`: makes a positive twin for a command (None: for any).
    """

    contract: Contract
    constraints: Constraints
    addressees: Addressees
    consumer_key: str
    consumer_secret: str
    base_url: str
    seed: int
    commands: tuple[str, ...]
    headers: Headers
    twin: Callable[[str | None], Case]


@dataclass(frozen=True, slots=True)
class Placed:
    """Groups, in the order of the files; `left_out` says of each file that was, by its id, why."""

    groups: tuple[Group, ...]
    left_out: Mapping[str, str]


class _LeftOut(Exception):
    """Why a file is not sent."""


def placed(files: Sequence[CaseFile], prefix: str, ground: Ground, planned: Iterable[Case]) -> Placed:
    """The files as groups whose cases are called `prefix/NAME`; none meets one of `planned` within a window.

    A file with a command that the run does not exercise is passed over.
    """
    contract = ground.contract
    windowed = any(_has_window(contract, file.step.command) for file in files)
    taken = set(_keys(contract, planned)) if windowed else set()
    groups: list[Group] = []
    left_out: dict[str, str] = {}
    for file in files:
        if any(step.command is not None and step.command not in ground.commands for step in file.steps):
            continue
        try:
            groups.append(_group(file, f"{prefix}/{file.name}", ground, taken))
        except _LeftOut as reason:
            left_out[f"{prefix}/{file.name}"] = str(reason)
    return Placed(tuple(groups), left_out)


def _group(file: CaseFile, name: str, ground: Ground, taken: set[Key]) -> Group:
    steps = _fitted(file, ground, taken)
    for step in steps:
        _check_names(step, ground)
        _check_numbers(step, ground)
    taken.update(_keys_of_steps(ground.contract, steps))
    needs_twin = any(_wants_twin(step) for step in steps)
    twins = [ground.twin(file.step.command)] if needs_twin else []
    cases = list(twins)
    for place, step in enumerate(steps, start=1):
        label = name if step is steps[-1] else f"{name}/before-{place}"
        cases.append(_case(step, label, ground, twins, cases))
    return in_order(*cases)


def _case(step: Step, name: str, ground: Ground, twins: list[Case], before: list[Case]) -> Case:
    headers = ground.headers if step.headers is None else step.headers
    value = credential_value(ground.contract, step.credential, ground.consumer_key, ground.consumer_secret)
    request = Request(
        step.method, f"{ground.base_url}/{step.path}", with_credential(ground.contract, headers, value), step.body
    )
    # Which of several wrong credentials it is, is told by the end of the id, as everywhere.
    case_id = f"{name}/{step.credential.rpartition('/')[2]}" if step.kind is Kind.CREDENTIAL else name
    return Case(
        case_id,
        step.command,
        step.kind,
        step.aspect,
        name,
        request,
        member=step.member,
        keyword=step.keyword,
        twin=twins[0].id if _wants_twin(step) else None,
        earlier=_earlier(step, before),
    )


def _wants_twin(step: Step) -> bool:
    return step.kind in NEGATIVE or step.aspect in BESIDE_TWIN


def _earlier(step: Step, before: Sequence[Case]) -> str | None:
    """What a repeat repeats is the step before it; a burst goes by the name of its first."""
    if step.kind is Kind.BURST:
        return next((case.id for case in before if case.kind is Kind.BURST), None)
    return before[-1].id if step.kind is Kind.REPEAT else None


# --- Fitting


def _fitted(file: CaseFile, ground: Ground, taken: set[Key]) -> tuple[Step, ...]:
    """The steps with every marker filled, so that no request is similar to one of `taken` within a window."""
    markers = tuple(dict.fromkeys(each for step in file.steps for each in step.markers(ground.contract)))
    digest = hashlib.sha256(f"{ground.seed}/{file.name}/{file.digest}".encode()).digest()
    chance = Random(int.from_bytes(digest[:8]))
    for _ in range(MOST_TRIES):
        values = {each: _value(each, ground, chance) for each in markers}
        numbers = [value for each, value in values.items() if _is_of_recipient(each, ground)]
        steps = tuple(step.filled(ground.contract, values) for step in file.steps)
        if len(numbers) == len(set(numbers)) and taken.isdisjoint(_keys_of_steps(ground.contract, steps)):
            return steps
    raise _LeftOut("no phone number that may be used is free for it within the command's window")


def _is_of_recipient(text: bytes, ground: Ground) -> bool:
    found = marker(ground.contract).fullmatch(text)
    return found is not None and found["registered"] is None


def _value(text: bytes, ground: Ground, chance: Random) -> str:
    found = marker(ground.contract).fullmatch(text)
    if found is None or found["registered"] is not None:
        return ground.constraints.registered[found["registered"].decode() if found else ""][0]
    prefix = (found["prefix"] or b"").decode()
    if given := ground.constraints.phone_numbers:
        return chance.choice([number for number in given if number.startswith(prefix)] or given)
    digits = len(ground.contract.examples_of(ground.contract.members.recipient or "")[0]) - len(prefix)
    return numbered(ground.contract, prefix, chance.randrange(10 ** min(digits, MOST_DIGITS)))


def _has_window(contract: Contract, command: str | None) -> bool:
    return command is not None and contract.commands[command].window_s is not None


def _key(contract: Contract, command: str | None, body: bytes) -> Key | None:
    """What makes two requests similar within a window; None where there is none."""
    window = None if command is None else contract.commands[command].window
    return None if window is None else window.key(_members(body))


def _keys(contract: Contract, cases: Iterable[Case]) -> Iterator[Key]:
    yield from filter(None, (_key(contract, case.command, case.request.body) for case in cases))


def _keys_of_steps(contract: Contract, steps: Iterable[Step]) -> Iterator[Key]:
    yield from filter(None, (_key(contract, step.command, step.body) for step in steps))


def _members(body: bytes) -> dict[str, Any]:
    try:
        value = parse_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# --- What may be sent


def _check_names(step: Step, ground: Ground) -> None:
    """Raises _LeftOut if the step names what this run was not told of."""
    members, values = _members(step.body), ground.constraints.values(ground.contract)
    for name in ground.contract.members.registered:
        given, value = values.get(name), members.get(name)
        if not given or name == step.member or value is None or value in given:
            continue
        if _could_be(ground.contract, step, name, value):
            raise _LeftOut(f"it names the {name} {value!r}, which is none of --{name.replace('_', '-')}")


def _check_numbers(step: Step, ground: Ground) -> None:
    """Raises _LeftOut if somebody is found in the step who was not given."""
    request = Request(step.method, f"{ground.base_url}/{step.path}", step.headers or (), step.body)
    if (number := ground.addressees.stranger_in(request)) is not None:
        raise _LeftOut(f"a gateway may find the phone number {number} in it, which is none of {GIVEN_BY}")


def _could_be(contract: Contract, step: Step, member: str, value: object) -> bool:
    """Whether the value is one that an account may have, so that not being registered is what is wrong with it."""
    any_command = next(command.name for command in contract.commands.values() if command.product)
    schema = contract.commands[step.command or any_command].request_schema
    return not any(fault.pointer == f"/{member}" for fault in contract.schemas.violations(schema, {member: value}))
