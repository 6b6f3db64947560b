"""The answers and notifications of a run while it goes on.

A refusal makes room for another request. If a notification then reports a success, the gateway carried the request out
all the same, and its other refusals cannot be trusted: from there on each refusal counts as accepted. A success under
an id that no answer gave may be that of a refusal without an id, so it counts as one of those. Any others belong to
other users of the account; if it has none, they count as refusals all the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from conformance.contract.contract import Contract
from conformance.gateway.settings import Settings
from conformance.journal import Journal
from conformance.judging.excuses import NETWORK_HOLDS_S
from conformance.judging.messages import Answer, as_over_a_network
from conformance.judging.reading import Content, told_id
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Progress
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Request, Response
from conformance.model.untrusted import parse_with_repeats
from conformance.wire import Allowance, Pace
from conformance.wire.allowance import amount_of, is_refused
from conformance.wire.ledger import Arrival, Ledger, Settled, Strays, request_id_of
from conformance.wire.sender import in_words

# The run still awaits a notification for so long after its time is over: "late" says more than "missing".
LATE_S = 2.0
# Accepted requests whose notification is still to come. Beside 16 busy senders the receiver may take fewer than come
# (some 600 of 1,000 a second, on two cores), and a gateway whose deliveries wait for our answers would seem
# late. With so many for each second that a notification may take, it is in time if the receiver takes 100 a second; and
# a gateway that uses all of its time still gets 100 requests a second.
MOST_AWAITED_PER_S = 100
# However long a notification may take: more than a default run has (300), which so waits once, after its last request.
MOST_AWAITED = 500
# No notification is as large: of a larger one, an unusual form of its id is only read when it is judged.
LARGE = 64 * 1024
# Over a network chance does not explain so many in a row without an answer, and each may take the whole --read-timeout.
MOST_SILENT = 32
# On this machine no answer is a failure, and so many in a row show enough if each takes the whole --read-timeout.
MOST_HANGING = 64
HANGING_S = 1.0
# Ids that no answer gave so far. Anybody who finds the receiver may send any number of them.
MOST_UNKNOWN = 10_000
# No gateway's ids are longer; a longer one is a stranger's.
LONGEST_ID = 1_000


def id_at_a_glance(request: Request, contract: Contract) -> str | None:
    """The id in a request, read in short time whatever anybody sends.

    A request without the name of the id, an escape or a zero byte that might hide it is not parsed.
    """
    member = contract.notification.id
    named = member.encode() in request.body or b"\\u" in request.body or b"\0" in request.body
    if not named and member not in request.url:
        return None
    return told_id(request, contract) if len(request.body) <= LARGE else request_id_of(request.body, member)


class Listening:
    """Keeps the ledger of owed notifications, from both sides: answers as they are read, notifications as they come.

    `pace` holds requests back while too many notifications are awaited.
    """

    def __init__(self, settings: Settings, journal: Journal, progress: Progress) -> None:
        most = max(MOST_AWAITED, int(settings.notify_within_s * MOST_AWAITED_PER_S))
        # The same seed gives the same jitter.
        self.pace = Pace(
            settings.bounds.rate_per_s,
            held_until=lambda: self.ledger.full_until(most),
            jitter=Random(f"jitter {settings.seed}").random,
        )
        # Seconds after its answer that a notification is awaited for.
        self.patience_s = settings.notify_within_s + (NETWORK_HOLDS_S if settings.network_back else LATE_S)
        self.ledger = Ledger(self.patience_s, on_change=lambda _: self.pace.look_again())
        self.strays = Strays()
        self._contract = settings.contract
        self._journal = journal
        self.progress = progress
        self._planned = 0
        self._lock = threading.Lock()
        self._done = 0
        self._arrived = 0
        # The cases that prove nothing, for which the gateway is not to blame: others replace them.
        self.unanswered: set[str] = set()
        self._silent_in_a_row = 0
        self._over_network = settings.network_there
        self._callback_of = settings.callback_of
        # Called with the request_id of each answer.
        self.on_id: Callable[[str], None] = lambda _: None
        # Counts requests against the limits of the run, if it has any.
        self.successes: Successes | None = None
        # What other processes sent, and the notifications of it that came; whether they are at it.
        self.beside = Settled(0, 0, 0, 0.0)
        self.others_send = False
        self._owed_before = 0

    def is_awaiting(self) -> bool:
        """Whether a notification is awaited, or was since this was asked last."""
        owed, before = self.ledger.owed, self._owed_before
        self._owed_before = owed
        return self.others_send or owed > before or self.ledger.outstanding > 0

    def in_all(self, settled: Settled) -> Mapping[str, Any]:
        """The numbers of a note `settled`, with those of what other processes sent."""
        owed, arrived, missing, waited_s = (a + b for a, b in zip(settled, self.beside, strict=True))
        return {"owed": owed, "arrived": arrived, "missing": missing, "waited_s": round(waited_s, 3)}

    @property
    def arrived(self) -> int:
        """How many requests reached the receiver and were recorded."""
        with self._lock:
            return self._arrived

    def expect(self, more: int) -> None:
        """So many more cases are going to be sent."""
        with self._lock:
            self._planned += more

    def begin_again(self, notify_within_s: float) -> None:
        """Forget the notifications that were owed before."""
        self.ledger = Ledger(notify_within_s, on_change=lambda _: self.pace.look_again())
        self.progress.notified(self._arrived, 0)

    def on_exchange(self, case: Case, exchange: Exchange) -> None:
        """An attempt has its answer; called by the sender's workers."""
        answer = Answer.of(case, as_over_a_network(exchange) if self._over_network else exchange, self._contract)
        if answer.request_id is not None:
            self.on_id(answer.request_id)
            for taken in self.strays.given(answer.request_id):
                self._keep(taken.product, taken.request, answer.request_id, taken.at, taken.wall)
        if answer.owes_notification and exchange.answered_at is not None:
            self.ledger.owe(self._callback_of(answer.product or ""), answer.request_id or "", exchange.answered_at)
        if self.successes is not None:
            self.successes.answered(exchange)
        with self._lock:
            self._done += exchange.attempt == 1
            if answer.status is not None:
                self.unanswered.discard(case.id)
            elif self._over_network or exchange.failure == CLOSED_ON_REUSE:
                self.unanswered.add(case.id)
            self._silent_in_a_row = 0 if answer.status is not None else self._silent_in_a_row + 1
            hung = (exchange.answered_at or exchange.sent_at) - exchange.sent_at > HANGING_S
            most = MOST_SILENT if self._over_network else MOST_HANGING
            silent = self._silent_in_a_row >= most and (self._over_network or hung)
            if answer.owes_notification:
                self.progress.notified(self._arrived, self.ledger.outstanding)
            self.progress.exchanged(self._done, self._planned)
        if silent:
            raise EnvironmentFailure(
                f"the gateway answers no more: {most} requests in a row are without an answer, the last one: "
                f"{exchange.failure}",
                "is the network up, and the gateway running?",
            )

    def on_proof(self, request_id: str) -> None:
        """A notification of success has come for a request that was refused."""
        self._journal.note("refusals-distrusted", {"request_id": request_id})
        self.progress.remark(
            f"request {request_id} was refused, and a notification says that it succeeded: from here on each refusal "
            "counts as accepted"
        )

    def on_pause(self, status: int, seconds: float) -> None:
        """Nothing goes out for a while; called by the sender's workers."""
        self.progress.remark(f"the gateway answered {status}: nothing is sent for {in_words(seconds)}")

    def on_arrival(self, product: str | None, request: Request, at: float, wall: float) -> None:
        """A notification has come; called by the receiver's threads."""
        if self.successes is not None:
            self.successes.notified(request)
        request_id = id_at_a_glance(request, self._contract)
        stored = self.strays.kept(Arrival(product, request, at, wall), request_id)
        if stored is not None:
            self._keep(product, stored, request_id, at, wall)

    def _keep(self, product: str | None, request: Request, request_id: str | None, at: float, wall: float) -> None:
        self._journal.notified(product, request, at, wall)
        self.ledger.arrived(product, request_id, at)
        with self._lock:
            self._arrived += 1
            self.progress.notified(self._arrived, self.ledger.outstanding)


class Successes:
    """Counts against `allowance` the requests that were accepted in spite of their answers. Thread-safe.

    `on_proof` is called once, with the request_id of the first such refusal. `alone`: nobody else uses the account.
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
        # Successes whose id no answer gave: the answer may still be on its way.
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
        """A request has reached a callback; only the first of a success proves anything."""
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
        """Count the dearest of the refusals without an id, one for each success without another explanation."""
        count = max(0, len(self._unknown) - self._counted_nameless)
        amounts = sorted(self._nameless, reverse=True)[:count]
        self._allowance.count_beside(len(amounts), sum(amounts))


def is_success(request: Request, contract: Contract) -> bool:
    """Whether it reports a success, read as leniently as possible; of a repeated code either counts."""
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
    # A number may be written as a float.
    plain = (str(int(code)) if isinstance(code, float) and code.is_integer() else str(code).strip() for code in codes)
    return roles.success in plain


def _id_in(response: Response | None, name: str) -> str | None:
    """The id of an answer, its member of that name, as text; None without one."""
    try:
        content: Any = parse_with_repeats(response.body)[0] if response is not None else None
    except (ValueError, RecursionError):
        return None
    found = content.get(name) if isinstance(content, Mapping) else None
    if isinstance(found, str):
        return found or None
    return str(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
