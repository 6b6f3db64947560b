"""The part of a plan that a run needs if it is limited to some requirements: as few cases as give the same verdicts.

A case is wanted if a requirement of the focus may be judged by it; after a failure, if the requirement failed by it, or
by one of its kind. With it goes all that it is compared with: its
positive twin, the requests before it on which it depends, and those that are sent at the same instant. The bytes of a
case are those that it has in the whole plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from conformance.contract.contract import Contract
from conformance.contract.requirements import (
    ACCEPTED,
    ANSWER,
    ERROR,
    Actor,
    ByPlace,
    ByProbe,
    ByRule,
    Catalogue,
    Focus,
    Requirement,
)
from conformance.gateway.command_plan import Group, in_order
from conformance.gateway.rules.checks import is_about_notifications, requirements_of_probe
from conformance.gateway.selection import RULES, has_to_be_refused
from conformance.model.traffic import Case, Kind

# Rules on notifications that are judged by requests without any.
OF_REFUSED = frozenset({"none-for-a-rejected-request", "refused-credential-has-no-effect"})
# Rules that are judged by the answers to one kind of cases.
OF_KIND = {
    "errors-name-the-member": Kind.BROKEN,
    "unauthorized-names-its-scheme": Kind.CREDENTIAL,
}
# Refused requests of every command leave the balance as it was.
OF_ALL = frozenset({"refusals-spend-nothing"})
# The others of the written rules that cases are there for are judged by these alone; a GET is its own repeat.
OF_SEQUENCES = (
    frozenset(rule for rules in RULES.values() for rule in rules) - OF_ALL - {"equal-requests-get-ids-of-their-own"}
)


def focused(contract: Contract, focus: Focus, groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups with only those cases that the focus needs, in their order; groups without any are left out."""
    cases = {case.id: case for group in groups for case in group}
    pairs = list(_pairs(contract.catalogue, focus))
    needed: set[str] = set()
    for requirement, command in pairs:
        bearing = [case.id for case in cases.values() if _bears_on(contract, case, requirement, command)]
        needed.update(focus.failing(requirement.id, command, bearing) or bearing)
    while True:
        beside = {name for id_ in needed for name in (cases[id_].twin, cases[id_].earlier) if name in cases}
        before = {case.id for group in groups for case in _chain(group, needed)}
        if needed >= beside | before:
            break
        needed |= {name for name in beside if name is not None} | before
    kept = (tuple(case for case in group if case.id in needed) for group in groups)
    return tuple(in_order(*group) for group in kept if group)


def _pairs(catalogue: Catalogue, focus: Focus) -> Iterator[tuple[Requirement, str | None]]:
    for requirement in catalogue.requirements:
        if requirement.actor is Actor.GATEWAY and requirement.excluded is None:
            yield from ((requirement, name) for name in requirement.commands if focus.covers(requirement.id, name))


def _chain(group: Group, needed: Collection[str]) -> Group:
    """The cases of a sequence up to the last needed one, and those of the same instant; none if independent."""
    places = [place for place, case in enumerate(group) if case.id in needed]
    if not places or not any(case.earlier for case in group):
        return ()
    end = places[-1] + 1
    while end < len(group) and group[end - 1].kind is Kind.BURST and group[end].kind is Kind.BURST:
        end += 1
    return group[:end]


def _bears_on(contract: Contract, case: Case, requirement: Requirement, command: str | None) -> bool:
    """Whether the requirement may be judged by the case for that command; None: for no command."""
    judge = requirement.judge
    if isinstance(judge, ByProbe):
        probed = requirements_of_probe(contract, case.kind, case.aspect, case.command)
        return case.command == command and requirement.id in probed
    if case.command != command and command is not None:
        return isinstance(judge, ByRule) and judge.rule in OF_ALL
    refused = has_to_be_refused(case)
    if is_about_notifications(requirement) and not (isinstance(judge, ByRule) and judge.rule in OF_REFUSED):
        return not refused
    answers = {ANSWER, ERROR if refused else ACCEPTED} if case.kind is not Kind.OPEN else {ANSWER, ERROR, ACCEPTED}
    if isinstance(judge, ByRule):
        return _is_for_rule(case, judge) and judge.parameters.get("of", ANSWER) in answers
    if isinstance(judge, ByPlace):
        # A schema of a command is that of its answer to an accepted request.
        groups = {message if message in {ANSWER, ERROR} else ACCEPTED for message in judge.messages}
        return not groups.isdisjoint(answers) and (not judge.kinds or case.kind in judge.kinds)
    return False


def _is_for_rule(case: Case, judge: ByRule) -> bool:
    if judge.rule in OF_SEQUENCES:
        return judge.rule in RULES.get((case.kind, case.aspect), ())
    return case.kind is OF_KIND.get(judge.rule, case.kind)
