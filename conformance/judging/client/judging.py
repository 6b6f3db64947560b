"""What a check of a client yields for a call, as `conformance.judging.judgement` has it, and how checks are made.

kept, broken    what a check says of one call
Rule            a written rule by which a requirement is judged
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from conformance.judging.client.evidence import Call, ClientEvidence, Seen
from conformance.judging.judgement import Finding, Judgement, Kept

UNHEARD = "what the client tells its caller cannot be seen without a driver"
"""Why a client that is watched does not show whether it keeps a rule on what it says."""

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


@dataclass(frozen=True, slots=True)
class Rule:
    """A written rule: `make` makes its check of the parameters that a requirement states beside the rule's name.

    `unseen`: why a client that is watched, and not driven, does not show whether it keeps it; None if it does.
    """

    make: Callable[..., ClientCheck]
    unseen: str | None = None

    @classmethod
    def plain(cls, check: ClientCheck, unseen: str | None = None) -> Rule:
        """A rule that is one check, without parameters."""
        return cls(lambda: check, unseen)

    def check(self, parameters: Mapping[str, Any]) -> ClientCheck:
        """Its check with these parameters; ValueError for one that it does not have, or an unknown value of one."""
        known = inspect.signature(self.make).parameters
        try:
            inspect.signature(self.make).bind(**parameters)
        except TypeError as error:
            raise ValueError(f"{error}; expected {', '.join(known) or 'none'}") from error
        return self.make(**parameters)


T = TypeVar("T")


def one_of(values: Mapping[str, T], name: str, chosen: str) -> T:
    """The value of a parameter that is chosen by its name; ValueError, with those that there are, for another one."""
    if chosen not in values:
        raise ValueError(f"{name} is {chosen!r}; expected one of {', '.join(values)}")
    return values[chosen]
