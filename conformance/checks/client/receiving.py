"""RCV: what a receiver of notifications does with them."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.client.evidence import ClientEvidence
from conformance.checks.client.judging import ClientCheck
from conformance.checks.judgement import Judgement, Reason, Unobserved


def not_judged_yet(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:  # noqa: ARG001
    """Stands where a requirement has no check yet: it is never green."""
    yield Unobserved(Reason.NO_TRAFFIC, "this version has no check for it yet")


CHECKS: dict[str, ClientCheck] = {f"RCV-{number:02}": not_judged_yet for number in range(1, 20)}
