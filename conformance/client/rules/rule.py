"""How the checks of clients are built: of written rules, each a function of the evidence and a command.

ClientRule      a written rule, which a requirement names in the catalogue
kept, broken    judgements on one call
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from conformance.client.rules.calls import Call, SentRequest
from conformance.client.rules.evidence import ClientEvidence
from conformance.judging.judgement import Finding, Judgement, Passed

UNHEARD = "what the client tells its caller cannot be seen without a driver"
"""Why rules on the client's reports cannot be judged of a client that is only observed."""

ClientCheck = Callable[[ClientEvidence, str | None], Iterator[Judgement]]

T = TypeVar("T")


def kept(sent: SentRequest) -> Passed:
    """The requirement held for this request."""
    return Passed(sent.number)


def broken(call: Call, message: str, sent: SentRequest | None = None) -> Finding:
    """The requirement did not hold for this call; `sent` shows it, else the last request of the call."""
    shows = sent or (call.sent[-1] if call.sent else None)
    return Finding(
        message,
        case=call.case.id,
        exchange=shows.number if shows else None,
        request_id=shows.answer.request_id if shows else None,
    )


@dataclass(frozen=True, slots=True)
class ClientRule:
    """A written rule: `make` makes its check of the parameters that a requirement gives beside the rule's name.

    `unseen`: why it cannot be judged of a client that is observed, and not driven; None if it can.
    """

    make: Callable[..., ClientCheck]
    unseen: str | None = None

    @classmethod
    def plain(cls, check: ClientCheck, unseen: str | None = None) -> ClientRule:
        """A rule that is one check, without parameters."""
        return cls(lambda: check, unseen)

    def check(self, parameters: Mapping[str, Any]) -> ClientCheck:
        """Its check with these parameters. Raises ValueError for an unknown one, or an unknown value of one."""
        signature = inspect.signature(self.make)
        try:
            signature.bind(**parameters)
        except TypeError as error:
            raise ValueError(f"{error}; expected {', '.join(signature.parameters) or 'none'}") from error
        return self.make(**parameters)


def one_of(values: Mapping[str, T], name: str, chosen: str) -> T:
    """The value of a parameter by its name. Raises ValueError, with those that there are, for another one."""
    if chosen not in values:
        raise ValueError(f"{name} is {chosen!r}; expected one of {', '.join(values)}")
    return values[chosen]
