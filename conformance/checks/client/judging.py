"""What a check of a client says of a call, in the shapes of `conformance.checks.judgement`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.client.evidence import Call, ClientEvidence, Seen
from conformance.checks.judgement import Finding, Judgement, Kept

ClientCheck = Callable[[ClientEvidence, str | None], Iterator[Judgement]]


def kept(seen: Seen) -> Kept:
    """It held for this request."""
    return Kept(seen.number)


def broken(call: Call, message: str, seen: Seen | None = None) -> Finding:
    """It did not hold for this call; `seen` shows it, else the last request of the call."""
    shows = seen or (call.seen[-1] if call.seen else None)
    return Finding(
        message,
        case=call.case.id,
        exchange=shows.number if shows else None,
        request_id=shows.answer.request_id if shows else None,
    )
