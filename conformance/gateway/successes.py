"""What notifications of success prove of requests whose answer said that they were refused.

    Successes       .answered(exchange) and .notified(request), in whatever order they come; the allowance is told
    is_success      whether a request to a callback tells of a success

A refusal makes room for another request. One whose notification then tells of a success was carried out all the same,
and what this gateway says of the others is worth no more: from there on each refusal counts as accepted. A success
under an id that no answer told may be that of a refusal without an id, so it counts as one of those. Whatever is left
over is somebody else's, where an account has other users; where it has none, it counts as a refusal all the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from conformance.contract.contract import Contract
from conformance.judging.reading import Content, told_id
from conformance.model.traffic import Exchange, Request, Response
from conformance.model.untrusted import parse_with_repeats
from conformance.wire import Allowance
from conformance.wire.allowance import amount_of, is_refused

# Ids that no answer told so far. Whoever finds the receiver may send it any number of them.
MOST_UNKNOWN = 10_000
# No gateway's ids are longer; a longer one is a stranger's.
LONGEST_ID = 1_000


class Successes:
    """Tells `allowance` what may have been accepted against the answer. Thread-safe.

    `on_proof` is called once, with the request_id of the first refusal that was none. `alone`: nobody else uses the
    account.
    """

    def __init__(
        self,
        contract: Contract,
        allowance: Allowance,
        on_proof: Callable[[str], None] = lambda _: None,
        *,
        alone: bool = False,
    ) -> None:
        self._contract = contract
        self._allowance = allowance
        self._on_proof = on_proof
        self._alone = alone
        self._lock = threading.Lock()
        self._accepted: set[str] = set()
        self._refused: set[str] = set()
        # Successes whose id no answer told: the answer may still be on its way.
        self._unknown: dict[str, None] = {}
        # Amounts of the refusals whose successes may have such an id, and how many requests without one count already.
        self._nameless: list[int] = []
        self._counted_nameless = 0

    def answered(self, exchange: Exchange) -> None:
        """An attempt has its answer, or was given up."""
        request_id = _id_in(exchange.response, self._contract.answer.id)
        refused = exchange.response is not None and is_refused(exchange.response, self._contract)
        with self._lock:
            if refused and (request_id is None or self._alone):
                self._nameless.append(amount_of(exchange.request, self._contract))
            if request_id is None:
                self._counted_nameless += not refused
            else:
                (self._refused if refused else self._accepted).add(request_id)
            proven = request_id is not None and request_id in self._unknown and refused
            self._unknown.pop(request_id or "", None)
            self._count_nameless()
        if proven:
            self._prove(request_id or "")

    def notified(self, request: Request) -> None:
        """A request has reached a callback; any but the first of a success proves nothing more."""
        if not is_success(request, self._contract):
            return
        request_id = told_id(request, self._contract)
        if request_id is None or len(request_id) > LONGEST_ID:
            return
        with self._lock:
            proven = request_id in self._refused and request_id not in self._accepted
            known = request_id in self._refused or request_id in self._accepted
            if not known and len(self._unknown) < MOST_UNKNOWN:
                self._unknown[request_id] = None
                self._count_nameless()
        if proven:
            self._prove(request_id)

    def _prove(self, request_id: str) -> None:
        if self._allowance.distrust_refusals():
            self._on_proof(request_id)

    def _count_nameless(self) -> None:
        """The dearest of the refusals without an id, as many as there are successes that nothing else explains."""
        count = max(0, len(self._unknown) - self._counted_nameless)
        amounts = sorted(self._nameless, reverse=True)[:count]
        self._allowance.count_beside(len(amounts), sum(amounts))


def is_success(request: Request, contract: Contract) -> bool:
    """Whether it tells of a success, read as kindly as can be; of a code that is there twice either counts."""
    codes: list[Any] = []
    roles = contract.notification

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        codes.extend(value for name, value in pairs if name == roles.outcome)
        return dict(pairs)

    try:
        json.loads(request.body, strict=False, object_pairs_hook=noted)
    except (ValueError, RecursionError):
        content = Content.of_notification(request, contract)
        codes.append((content.members or {}).get(roles.outcome) if content is not None else None)
    return any(_plain(code) == roles.success for code in codes)


def _plain(code: Any) -> str:
    """An outcome as text, however it is written: a number may be a float to whoever wrote it."""
    return str(int(code)) if isinstance(code, float) and code.is_integer() else str(code).strip()


def _id_in(response: Response | None, name: str) -> str | None:
    """The id of an answer, its member of that name, as text; None if it tells none."""
    try:
        said: Any = parse_with_repeats(response.body)[0] if response is not None else None
    except (ValueError, RecursionError):
        return None
    found = said.get(name) if isinstance(said, Mapping) else None
    if isinstance(found, str):
        return found or None
    return str(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
