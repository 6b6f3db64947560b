"""What a run takes in while it goes on: answers as they are read, notifications as they come.

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
from conformance.gateway.settings import Settings
from conformance.journal import Journal
from conformance.judging.absence import NETWORK_HOLDS_S
from conformance.judging.reading import Answer, Content, as_over_a_network, told_id
from conformance.model.errors import EnvironmentFailure
from conformance.model.progress import Progress
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Request, Response
from conformance.model.untrusted import parse_with_repeats
from conformance.wire import Allowance
from conformance.wire.allowance import amount_of, is_refused
from conformance.wire.ledger import Ledger, Strays, Taken, request_id_of
from conformance.wire.sender import in_words

# Beyond the time that it may take, a notification is still awaited for so long: "late" says more than "missing".
LATE_S = 2.0
# Accepted requests whose notification is still to come. Beside 16 busy senders the receiver may take fewer than are
# caused (some 600 of 1,000 a second, on two cores), and a gateway whose deliveries wait for our answers would be found
# late. With so many for each second that a notification may take, it is in time if 100 a second are taken; and a
# gateway that uses all of its time is still sent 100 a second.
MOST_AWAITED_PER_S = 100
# Whatever the time: more than a default run has (300), which is to wait once, when everything was sent.
MOST_AWAITED = 500
# No notification is as large: of one that is, an id in an unusual form is looked for when it is judged.
LARGE = 64 * 1024
# Over a network so many in a row without an answer are no chance any more, and each may take as long as --read-timeout.
MOST_SILENT = 32
# On this machine no answer is a failure, and so many in a row show enough where each takes as long as --read-timeout.
MOST_HANGING = 64
HANGING_S = 1.0
# Ids that no answer told so far. Whoever finds the receiver may send it any number of them.
MOST_UNKNOWN = 10_000
# No gateway's ids are longer; a longer one is a stranger's.
LONGEST_ID = 1_000


def id_at_a_glance(request: Request, contract: Contract) -> str | None:
    """The id that a request tells, by which it is known what it is; in time, whatever anybody sends.

    What cannot hold one is not read: neither by its name, nor with an escape or a zero byte that might hide it.
    """
    member = contract.notification.id
    named = member.encode() in request.body or b"\\u" in request.body or b"\0" in request.body
    if not named and member not in request.url:
        return None
    return told_id(request, contract) if len(request.body) <= LARGE else request_id_of(request.body, member)


class Listening:
    """Keeps the ledger of what is owed, from both sides: answers as they are read, notifications as they come.

    `pace` holds requests back while too many are awaited.
    """

    def __init__(self, settings: Settings, journal: Journal, progress: Progress) -> None:
        most = max(MOST_AWAITED, int(settings.notify_within_s * MOST_AWAITED_PER_S))
        self.pace = settings.bounds.pace(settings.seed, lambda: self.ledger.full_until(most))
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
        # The cases that show nothing, and not by the gateway's doing: others are planned in their stead.
        self.unanswered: set[str] = set()
        self._silent_in_a_row = 0
        self._over_network = settings.network_there
        self._callback_of = settings.callback_of
        # Called with the request_id of each answer.
        self.on_id: Callable[[str], None] = lambda _: None
        # What counts against the limits of the run, where it has any.
        self.successes: Successes | None = None

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
        """What was owed before is not waited for any more."""
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
        kept = self.strays.kept(Taken(product, request, at, wall), request_id)
        if kept is not None:
            self._keep(product, kept, request_id, at, wall)

    def _keep(self, product: str | None, request: Request, request_id: str | None, at: float, wall: float) -> None:
        self._journal.notified(product, request, at, wall)
        self.ledger.arrived(product, request_id, at)
        with self._lock:
            self._arrived += 1
            self.progress.notified(self._arrived, self.ledger.outstanding)


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
