"""The plan of a run: all its requests, before anything is sent.

The same settings give the same bytes. Where a command has an idempotency window, every request that should be judged on
its own has a payload of its own, so that no refusal is mistaken for another.

Case files are part of it: fitted to the account, given their positive controls, grouped. A file that names a phone
number, a sender id or a short code which this run may not use is left out, and so is one for which a window leaves no
phone number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from random import Random

from conformance.contract.command import Key
from conformance.contract.contract import Contract
from conformance.gateway import command_plan
from conformance.gateway.case_files import CASES, CORPUS, CaseFile, numbered
from conformance.gateway.command_plan import NEGATIVE, CommandPlan, Group, in_order, repeats, unknown_paths
from conformance.gateway.focused_plan import focused
from conformance.gateway.request_templates import RequestTemplate, marker
from conformance.gateway.selection import selected
from conformance.gateway.sequences import across, balance, sequences
from conformance.gateway.settings import Settings
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Headers, Kind, Request
from conformance.model.untrusted import json_object
from conformance.payloads.addressees import GIVEN_BY, Addressees

AREAS: Sequence[Callable[[CommandPlan], Iterator[Group]]] = (
    repeats,
    command_plan.wrong_credentials,
    command_plan.malformed,
    command_plan.wrong_methods,
    command_plan.broken,
    command_plan.left_open,
    command_plan.lawful_headers,
    command_plan.valid_cases,
    sequences,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The groups of a run: cases of a group are sent in order, groups side by side, after those that are sent `alone`.

    `last` are those that are sent when all others are answered. `left_out`: the ids that the cases of files would have
    that are not sent → why. `beyond_limits`: the option that keeps cases out → how many; with given phone numbers, also
    those in which a gateway might find another number.
    """

    contract: Contract = field(repr=False)
    groups: tuple[Group, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    alone: tuple[Group, ...] = ()
    last: tuple[Group, ...] = ()
    beyond_limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, base_url: str, taken: Collection[Key] = ()) -> Plan:
        """Plan a run against the gateway at `base_url`, within the limits that hold for it.

        `taken`: the keys (`Window.key`) of earlier requests, which a window might confuse with those of the plan.
        Raises UsageError if the phone numbers given do not suffice for payloads that a window does not confuse, and if
        of the case files that alone are to be sent none can be.
        """
        # Nearly all cases have the same headers, which are there once.
        headers: dict[Headers, Headers] = {}
        addressees = Addressees.of(settings.contract, settings.constraints, base_url)
        commands = map(settings.contract.commands.__getitem__, settings.commands)
        plans = [CommandPlan(command, settings, base_url, headers, taken) for command in commands]
        if settings.cases is not None:
            only, left_out = placed(settings.cases.files, CASES, plans, ())
            if not only:
                why = next((f"{name}: {reason}" for name, reason in left_out.items()), "none is for its products")
                raise UsageError(f"--cases {settings.cases.path} holds no case that this run can send ({why})")
            # The words in which a gateway refuses a repeat show a lawful refusal of these cases, sent again too soon.
            valid = {case.command for group in only for case in group if case.kind is Kind.VALID}
            windowed = [plan for plan in plans if plan.command.window is not None and plan.command.name in valid]
            return cls._within(
                settings, addressees, (), (*only, *chain.from_iterable(map(repeats, windowed))), left_out
            )
        areas = [list(chain.from_iterable(area(plan) for area in AREAS)) for plan in plans]
        areas += [[unknown_paths(plans[0])], list(across(plans))]
        # A group of each command in turn, so that all are under way from the start.
        generated = tuple(filter(None, chain.from_iterable(zip_longest(*areas, fillvalue=()))))
        # On an account that others use as well, a balance shows nothing.
        alone = tuple(balance(plans)) if settings.exclusive_account or settings.gateway is None else ()
        # Drawn last, sent first: the generated cases are the same with a corpus and without.
        corpus = settings.corpus.files if settings.corpus is not None else ()
        first, left_out = placed(corpus, CORPUS, plans, chain.from_iterable((*alone, *generated)))
        return cls._within(settings, addressees, alone, (*first, *generated), left_out)

    @classmethod
    def _within(
        cls,
        settings: Settings,
        addressees: Addressees,
        alone: Sequence[Group],
        groups: Sequence[Group],
        left_out: Mapping[str, str],
    ) -> Plan:
        if settings.focus:
            alone, groups = (focused(settings.contract, settings.focus, part) for part in (alone, groups))
        first, others = (tuple(filter(None, map(addressees.harmless, part))) for part in (alone, groups))
        chosen = selected(settings.contract, first, others, settings.bounds)
        strangers = sum(map(len, (*alone, *groups))) - sum(map(len, (*first, *others)))
        beyond = {**chosen.left_out, **({GIVEN_BY: strangers} if strangers else {})}
        return cls(settings.contract, chosen.groups, left_out, chosen.alone, chosen.last, beyond)

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """All groups, in the order of their sending."""
        return (*self.alone, *self.groups, *self.last)

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases, group after group."""
        return tuple(chain.from_iterable(self.all_groups))


# --- Case files


# Repeats that show nothing unless a request of their command is accepted beside them.
BESIDE_TWIN = frozenset({"after-refusal", "after-rejection", "other-product"})

# Digits of a recipient that are drawn at most: those before them name country and operator.
MOST_DIGITS = 8
# Draws of phone numbers before the file is left out: one left among two hundred is still found.
MOST_TRIES = 1_000


class _LeftOut(Exception):
    """Why a file is not sent."""


def placed(
    files: Sequence[CaseFile], prefix: str, plans: Sequence[CommandPlan], planned: Iterable[Case]
) -> tuple[list[Group], Mapping[str, str]]:
    """The files as groups, in their order, whose cases are called `prefix/NAME`; and why some were left out, by id.

    No case meets one of `planned` within a window. A file with a command that the run does not exercise is passed over.
    """
    placing = _Placing(plans, planned if files else ())
    groups: list[Group] = []
    left_out: dict[str, str] = {}
    for file in files:
        if all(step.command is None or step.command in placing.plans for step in file.steps):
            try:
                groups.append(placing.group(file, f"{prefix}/{file.name}"))
            except _LeftOut as reason:
                left_out[f"{prefix}/{file.name}"] = str(reason)
    return groups, left_out


class _Placing:
    """Places one file after the other among the planned cases."""

    def __init__(self, plans: Sequence[CommandPlan], planned: Iterable[Case]) -> None:
        self.plans = {plan.command.name: plan for plan in plans}
        self._any = plans[0]
        self._contract = self._any.contract
        self._settings = self._any.settings
        self._constraints = self._settings.constraints
        self._taken = set(_keys(self._contract, ((case.command, case.request.body) for case in planned)))

    def group(self, file: CaseFile, name: str) -> Group:
        """The cases of a file. Raises _LeftOut if this run may not send it."""
        steps = self._fitted(file)
        for step in steps:
            self._check_names(step)
            self._check_numbers(step)
        self._taken.update(_keys(self._contract, ((step.command, step.body) for step in steps)))
        by_file = self.plans.get(file.step.command or "", self._any)
        twins = [by_file.twin()] if any(map(_wants_twin, steps)) else []
        cases = list(twins)
        for place, step in enumerate(steps, start=1):
            label = name if step is steps[-1] else f"{name}/before-{place}"
            cases.append(self._case(step, label, twins, cases))
        return in_order(*cases)

    def _case(self, step: RequestTemplate, name: str, twins: list[Case], before: list[Case]) -> Case:
        key, secret = self._settings.consumer_key, self._settings.consumer_secret
        # As everywhere, the end of the id says which of several wrong credentials it is.
        case_id = f"{name}/{step.credential.rpartition('/')[2]}" if step.kind is Kind.CREDENTIAL else name
        return Case(
            case_id,
            step.command,
            step.kind,
            step.aspect,
            name,
            step.request(self._contract, self._any.base_url, key, secret),
            member=step.member,
            keyword=step.keyword,
            twin=twins[0].id if _wants_twin(step) else None,
            earlier=_earlier(step, before),
        )

    # --- Fitting

    def _fitted(self, file: CaseFile) -> tuple[RequestTemplate, ...]:
        """The steps with every marker filled, so that no request is similar to an earlier one within a window."""
        contract = self._contract
        markers = {each: marker(contract).fullmatch(each) for step in file.steps for each in step.markers(contract)}
        digest = hashlib.sha256(f"{self._settings.seed}/{file.name}/{file.digest}".encode()).digest()
        chance = Random(int.from_bytes(digest[:8]))
        for _ in range(MOST_TRIES):
            values = {each: self._value(found, chance) for each, found in markers.items() if found}
            numbers = [values[each] for each, found in markers.items() if found and found["registered"] is None]
            steps = tuple(step.filled(contract, values) for step in file.steps)
            keys = _keys(contract, ((step.command, step.body) for step in steps))
            if len(numbers) == len(set(numbers)) and self._taken.isdisjoint(keys):
                return steps
        raise _LeftOut("no phone number that may be used is free for it within the command's window")

    def _value(self, found: re.Match[bytes], chance: Random) -> str:
        """The value for a marker: one that is registered to the account, or a recipient."""
        if found["registered"] is not None:
            return self._constraints.registered[found["registered"].decode()][0]
        prefix = (found["prefix"] or b"").decode()
        if given := self._constraints.phone_numbers:
            return chance.choice([number for number in given if number.startswith(prefix)] or given)
        example = self._contract.examples_of(self._contract.members.recipient or "")[0]
        digits = len(example) - len(prefix)
        return numbered(self._contract, prefix, chance.randrange(10 ** min(digits, MOST_DIGITS)))

    # --- Permission

    def _check_names(self, step: RequestTemplate) -> None:
        """Raises _LeftOut if the step names a value that was not given to this run."""
        members, values = json_object(step.body) or {}, self._constraints.values(self._contract)
        for name in self._contract.members.registered:
            given, value = values.get(name), members.get(name)
            if not given or name == step.member or value is None or value in given:
                continue
            if _could_be(self._contract, step, name, value):
                raise _LeftOut(f"it names the {name} {value!r}, which is none of --{name.replace('_', '-')}")

    def _check_numbers(self, step: RequestTemplate) -> None:
        """Raises _LeftOut if the step may reach a phone number that was not given."""
        request = Request(step.method, f"{self._any.base_url}/{step.path}", step.headers or (), step.body)
        if (number := self._any.addressees.stranger_in(request)) is not None:
            raise _LeftOut(f"a gateway may find the phone number {number} in it, which is none of {GIVEN_BY}")


def _wants_twin(step: RequestTemplate) -> bool:
    return step.kind in NEGATIVE or step.aspect in BESIDE_TWIN


def _earlier(step: RequestTemplate, before: Sequence[Case]) -> str | None:
    """A repeat repeats the step before it; a burst is named after its first."""
    if step.kind is Kind.BURST:
        return next((case.id for case in before if case.kind is Kind.BURST), None)
    return before[-1].id if step.kind is Kind.REPEAT else None


def _keys(contract: Contract, requests: Iterable[tuple[str | None, bytes]]) -> Iterator[Key]:
    """The keys by which requests, each a command and a body, are similar to others within a window."""
    for command, body in requests:
        window = None if command is None else contract.commands[command].window
        if window is not None and (key := window.key(json_object(body) or {})) is not None:
            yield key


def _could_be(contract: Contract, step: RequestTemplate, member: str, value: object) -> bool:
    """Whether an account may have the value, so that its only fault is that it is not registered."""
    any_command = next(command.name for command in contract.commands.values() if command.product)
    schema = contract.commands[step.command or any_command].request_schema
    return not any(fault.pointer == f"/{member}" for fault in contract.schemas.violations(schema, {member: value}))
