"""The checks of clients and of receivers of notifications, as `conformance.checks` has those of gateways.

`CLIENT_CHECKS` maps each requirement whose actor is a client or a receiver to its check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.checks.judgement import Judgement, Reason, Unobserved
from conformance.contract.requirements import Actor, catalogue


def not_judged_yet(evidence: Any, command: str | None) -> Iterator[Judgement]:  # noqa: ARG001 - a check's signature
    """Stands where a requirement has no check yet: it is never green."""
    yield Unobserved(Reason.NO_TRAFFIC, "this version has no check for it yet")


CLIENT_CHECKS: dict[str, Callable[[Any, str | None], Iterator[Judgement]]] = {
    r.id: not_judged_yet for r in catalogue().requirements if r.actor is not Actor.GATEWAY and r.excluded is None
}

__all__ = ["CLIENT_CHECKS"]
