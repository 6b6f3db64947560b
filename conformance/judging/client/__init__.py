"""The checks of clients and of receivers of notifications, as `conformance.judging` has those of gateways.

terms           what verdicts depend on besides the traffic
evidence        what happened, correlated: calls, what was seen and said of them, deliveries
judging         what a check yields, and what a rule is
sending         what a client sends: DRV, SND, ROB
form            the same by the schema of the request
classes         what calls have in common
unsent          calls that never became a request: SND-13, SND-14, RDG-12
answers         what a client makes of answers: RDG
resending       what it sends again: RTY
kinds, notices, inboxes     what was sent to a receiver, and what became of it
receiving, results, malformed   how it answers: RCV

client_checks   each requirement on a client or a receiver with its check, made as its `judge` says
RULES           the written rules by name
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, wraps

from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, ByPlace, ByRule, Requirement
from conformance.judging.client import answers, inquiries, malformed, receiving, resending, results, sending, unsent
from conformance.judging.client.evidence import ClientEvidence
from conformance.judging.client.form import request_keeps
from conformance.judging.client.judging import ClientCheck, Rule, one_of
from conformance.judging.judgement import Judgement, Reason, Unobserved
from conformance.model.errors import SuiteError

RULES: Mapping[str, Rule] = {
    **sending.RULES,
    **unsent.RULES,
    **answers.RULES,
    **resending.RULES,
    **receiving.RULES,
    **results.RULES,
    **malformed.RULES,
    **inquiries.RULES,
}


@cache
def client_checks(contract: Contract) -> Mapping[str, ClientCheck]:
    """The check of each requirement of the contract on a client or a receiver that is judged at all, by its id.

    Raises SuiteError for a requirement whose `judge` names no rule, or gives it parameters that it does not have.
    """
    judged = [each for each in contract.catalogue.requirements if each.excluded is None]
    return {each.id: _check(each) for each in judged if each.actor is not Actor.GATEWAY}


def _check(requirement: Requirement) -> ClientCheck:
    judge = requirement.judge
    try:
        if isinstance(judge, ByPlace):
            return request_keeps(judge)
        if isinstance(judge, ByRule):
            rule = one_of(RULES, "rule", judge.rule)
            check = rule.check(judge.parameters)
            return check if rule.unseen is None else _unless_observed(check, rule.unseen)
    except ValueError as error:
        raise SuiteError(f"requirement {requirement.id} cannot be judged: {error}") from error
    raise SuiteError(f"requirement {requirement.id} cannot be judged: expected a rule, or a place in the request")


def _unless_observed(check: ClientCheck, unseen: str) -> ClientCheck:
    """The check, for clients that are driven; of one that is watched it cannot tell anything."""

    @wraps(check)
    def judged(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        if evidence.terms.observed:
            return iter([Unobserved(Reason.PRECONDITION, unseen)])
        return check(evidence, command)

    return judged


__all__ = ["RULES", "client_checks"]
