"""The gateway as a face of the suite: which requirements it is judged by, and how its failures are explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor
from conformance.diagnosis.explanation import Explained, explain_gateway
from conformance.diagnosis.follow_ups import run_proper
from conformance.gateway.rules.checks import checks_of, is_about_lateness, is_about_notifications, is_of_form
from conformance.journal import Record
from conformance.judging.coverage import Coverage
from conformance.judging.judgement import Check, SinglePass, Tally
from conformance.judging.terms import Terms
from conformance.judging.verdicts import Evaluation, Listed, Standard, Verdicts, verdict_on


@dataclass(frozen=True, slots=True)
class GatewayFace:
    """`checks`: contract → the check of each requirement by its id; `scope`: the part of a record that is judged."""

    checks: Callable[[Contract], Mapping[str, Check]] = checks_of
    scope: Callable[[Record, Contract], Record] = run_proper

    def evaluate(self, record: Record, contract: Contract, standard: Standard, *, measured: bool) -> Evaluation:
        """Judge the run of a gateway in one pass."""
        part, checks = self.scope(record, contract), self.checks(contract)
        terms = Terms.of(part, contract)
        # A run that ended before it sent anything: notifications of that time do not count against the gateway.
        unproven = terms.obstacle is not None and terms.settled_at is None and not part.exchanges
        judged = [contract.notified(name) for name in (*terms.commands, *contract.unsolicited)]
        pairs = contract.catalogue.judged(Actor.GATEWAY, judged)
        coverage = Coverage(contract)
        hearing = SinglePass.of(
            part,
            contract,
            [(checks[r.id], command) for r, command in pairs],
            witnesses=[coverage.see] if measured else [],
            listed=[standard.beginnings(r, command, terms) for r, command in pairs],
        )
        tallies = tuple(Tally() for _ in pairs) if unproven else hearing.tallies

        def explain(verdicts: Verdicts, listed: Listed) -> Explained:
            return explain_gateway(verdicts, listed, record, part, contract, checks, is_of_form)

        return Evaluation(
            terms,
            tuple(verdict_on(*pair, terms, tally, standard) for pair, tally in zip(pairs, tallies, strict=True)),
            tallies,
            sum(outcome.accepted for outcome in hearing.evidence.final.values()),
            explain,
            coverage.of(terms.commands) if measured else (),
            of_anybody=hearing.evidence.of_anybody.total(),
        )

    is_about_notifications = staticmethod(is_about_notifications)
    is_about_lateness = staticmethod(is_about_lateness)


GATEWAY = GatewayFace()
