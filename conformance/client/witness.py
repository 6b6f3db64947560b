"""The witness: the mock gateway with a base URL for each case, which records the requests of the client.

A base URL is `http://127.0.0.1:PORT/n/NONCE/api/v2`, with the path of the contract; neither nonce nor address gives
away the scenario that the gateway plays. Every request is in the journal before it is answered: under the case of its
nonce, or under the case STRAY, which is limited. A stage is watched until the end of the run.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, replace
from email.utils import formatdate
from functools import partial
from types import TracebackType
from typing import Any, Self

from conformance.client.rules.calls import OUTLASTED, REUSED, STRAY, UNUSED, speaks_of_a_call
from conformance.contract.contract import Contract
from conformance.contract.tables import ScenarioRow
from conformance.journal import Journal
from conformance.judging.terms import REFUSED_HERE
from conformance.mock.account import Account
from conformance.mock.answering import AnswerProtocol, Channel, put, received, was_used
from conformance.mock.behaviour import Behaviour, Ending, Moment, Reply, ReplyChange, Wire, json_bytes
from conformance.mock.faults import changed_by
from conformance.mock.gateway import JSON_HEADER, Gateway, Reaction
from conformance.mock.rules import TAGS
from conformance.model.errors import SuiteError
from conformance.model.process import Progress
from conformance.model.traffic import JSON_MEDIA_TYPE, Request, Response, media_type
from conformance.wire.asgi import AsgiThread, Receive, Send
from conformance.wire.ledger import Arrival, Strays
from conformance.wire.listening import Address, Refused, Unreadable
from conformance.wire.protocol import Limits, guarded, tell_unfinished
from conformance.wire.receiver import MOST_UNREAD

SENDING = ScenarioRow("accepted", "accepted")
OPENING = ScenarioRow("opening", "accepted; the next call has the same base URL")

LENIENT = Behaviour(waived=TAGS)

# The seconds in Retry-After: longer than the pause that many clients make anyway.
RETRY_AFTER_S = 2

# How far ahead a date in Retry-After lies at least. It has no fractions of a second, so it may be one more.
DATE_AHEAD_S = 1.5

# The timer of a client may be early by this.
EARLY_S = 0.05

# Bytes of a dripping answer within a client's time-out: no single read takes too long.
DRIPS_IN_A_TIMEOUT = 4

_TARGET = re.compile(r"/n/(?P<nonce>[0-9a-f]+)(?P<rest>/.*)")

# By this name the same machine is another host to a client, which must not send its credential there.
ELSEWHERE_HOST = "localhost"

ANY_ADDRESS = Address("127.0.0.1", 0)

Answering = Callable[[Request, Channel], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One base URL. `before_answer` is called with each answer before it goes out, in a thread.

    `watch_s`: for how long after a failure a forbidden repetition may come. `hold_s`: for how long a connection stays
    open without a whole answer; None: until the client closes it.
    """

    case_id: str
    gateway: Gateway
    before_answer: Callable[[Reaction], None] | None = None
    watch_s: float = 0.0
    hold_s: float | None = None


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A request to be answered, with its number in the journal; `watch_s` and `hold_s` are its stage's.

    `connection`: how the journal describes the connection, after the way in which an answer was lost.
    """

    number: int
    request: Request
    channel: Channel
    watch_s: float = 0.0
    hold_s: float | None = None
    connection: str = ""


class Witness:
    """Serves from `start` to `stop`; a context manager, which raises SuiteError for bugs in serving.

    Stages are opened at any time.
    """

    def __init__(self, journal: Journal, contract: Contract, listen: Address = ANY_ADDRESS) -> None:
        """Bind the addresses. Raises EnvironmentFailure if that fails."""
        self._journal = journal
        self._contract = contract
        self._stages: dict[str, Stage] = {}
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._troubled_at: float | None = None
        self._watch_until = 0.0
        self._kept_open: set[str] = set()
        self._unread = 0
        self._strays = Strays()
        self._astray = 0
        self._refusal_noted = False
        self._account: Account | None = None
        http = guarded(Limits.of_clients(), self._not_read, self._refused, AnswerProtocol)
        here, elsewhere = partial(self._serve, self._answer_here), partial(self._serve, self._answer_elsewhere)
        self._here = AsgiThread(here, listen, http=http, name="witness", purpose="witness", on_refused=self._refused)
        self._elsewhere = AsgiThread(elsewhere, ANY_ADDRESS, http=http, name="elsewhere", purpose="witness")

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, below which all base URLs are."""
        return self._here.address.url

    @property
    def elsewhere(self) -> str:
        """The same at the other host, which must not get the client's credential."""
        return f"http://{ELSEWHERE_HOST}:{self._elsewhere.address.port}"

    @property
    def errors(self) -> tuple[Exception, ...]:
        """The errors in serving, which are bugs of ours."""
        return self._here.errors + self._elsewhere.errors

    def base_url(self, nonce: str, *, elsewhere: bool = False) -> str:
        """The base URL of a nonce, at this host or at the other one."""
        return f"{self.elsewhere if elsewhere else self.url}/n/{nonce}{self._contract.base_path}"

    def open(self, nonce: str, stage: Stage) -> None:
        """Serve the stage under the nonce's base URL from here on."""
        self._account = stage.gateway.account
        self._stages[nonce] = stage

    def arrivals(self, case_id: str) -> int:
        """How many requests of a case have arrived."""
        with self._lock:
            return self._attempts[case_id]

    @property
    def astray(self) -> int:
        """How many requests of the client have arrived under none of the base URLs."""
        with self._lock:
            return self._astray

    def note_rest(self) -> None:
        """Note how many requests of strangers were not recorded, and which requests are still incomplete."""
        self._here.look(tell_unfinished)
        self._elsewhere.look(tell_unfinished)
        if self._strays.left_out:
            self._journal.note("strays", self._strays.described())

    def wait_for_resends(self, window_s: float, progress: Progress) -> float | None:
        """Wait until `window_s` after the last answer that could make the client send again; return its time.

        Wait longer where a stage has to be watched for longer. No condition can end a wait for the absence of requests.
        """
        since = self._troubled_at
        if since is not None and (left := max(since + window_s, self._watch_until) - time.monotonic()) > 0:
            progress.phase("listen", f"{left:.1f} s")
            progress.until(time.monotonic() + left)
            time.sleep(left)
        return since

    def start(self) -> None:
        """Serve from here on."""
        self._here.start()
        self._elsewhere.start()

    def stop(self) -> None:
        """Stop serving; a second call does nothing."""
        self._here.stop()
        self._elsewhere.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if self.errors and kind is None:
            raise SuiteError(f"the witness failed: {self.errors[0]!r}") from self.errors[0]

    async def _serve(self, answer: Answering, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        channel = Channel(scope, receive, send)
        request = await received(channel)
        if request is not None:
            await answer(request, channel)

    async def _answer_here(self, request: Request, channel: Channel) -> None:
        found = _TARGET.fullmatch(request.url)
        stage = self._stages.get(found["nonce"]) if found else None
        if stage is None or found is None:
            await self._turn_away(request, channel, self._refusal(404, "There is nothing at this address"))
            return
        number = self._arrived(stage.case_id, request)
        answer = stage.gateway.answer(replace(request, url=found["rest"]), time.monotonic())
        if stage.before_answer is not None:
            await asyncio.to_thread(stage.before_answer, answer)
        connection = self._connection(found["nonce"], channel)
        visit = WitnessRequest(number, request, channel, stage.watch_s, stage.hold_s, connection)
        if answer.reply.ending is Ending.WHOLE:
            self._kept_open.add(found["nonce"])
        await self._reply(visit, answer.reply, stage.gateway.behaviour.wire)

    async def _answer_elsewhere(self, request: Request, channel: Channel) -> None:
        found = _TARGET.fullmatch(request.url)
        stage = self._stages.get(found["nonce"]) if found else None
        request, reply = replace(request, url=self.elsewhere + request.url), self._refusal(401, "Nobody is known here")
        if stage is None:
            await self._turn_away(request, channel, reply)
        else:
            await self._reply(WitnessRequest(self._arrived(stage.case_id, request), request, channel), reply, Wire())

    async def _turn_away(self, request: Request, channel: Channel, reply: Reply) -> None:
        """Answer a request to no stage; of strangers only a limited number is recorded."""
        account = self._account
        recorded: Request | None = request
        if account is not None and speaks_of_a_call(
            request, self._contract, account.consumer_key, account.consumer_secret
        ):
            with self._lock:
                self._astray += 1
        else:
            recorded = self._strays.kept(Arrival(None, request, time.monotonic(), time.time()), None)
        if recorded is None:
            await put(reply, Wire(), request, channel)
        else:
            await self._reply(WitnessRequest(self._arrived(STRAY, recorded), request, channel), reply, Wire())

    def _refused(self, refused: Refused) -> None:
        """Note that a client was turned away, the first time."""
        with self._lock:
            noted, self._refusal_noted = self._refusal_noted, True
        if not noted:
            self._journal.note(REFUSED_HERE, asdict(refused))

    def _not_read(self, unreadable: Unreadable) -> None:
        """Note an unreadable request, up to a limit."""
        with self._lock:
            self._unread += 1
            if self._unread > MOST_UNREAD:
                return
        self._journal.unreadable("witness", None, unreadable.error, self._shown_head(unreadable.head))

    def _shown_head(self, head: bytes) -> bytes:
        """The first bytes of an unreadable request, as the journal records them."""
        return head

    def _arrived(self, case_id: str, request: Request) -> int:
        with self._lock:
            self._attempts[case_id] += 1
            attempt = self._attempts[case_id]
        return self._journal.sent(case_id, attempt, request, time.monotonic(), time.time())

    def _connection(self, nonce: str, channel: Channel) -> str:
        """How the journal describes the connection: not at all if it is new and no other one was kept open."""
        if was_used(channel):
            return REUSED
        return UNUSED if nonce in self._kept_open else ""

    async def _reply(self, visit: WitnessRequest, reply: Reply, wire: Wire) -> None:
        ending = reply.ending
        if ending is Ending.WHOLE:
            at = time.monotonic() if says_accepted(reply, self._contract) else self._troubled(visit)
            self._journal.answered(visit.number, as_sent(reply, wire), at)
            await put(reply, wire, visit.request, visit.channel)
        elif ending.stays_open:
            self._troubled(visit)
            closed_at = None
            try:
                closed_at = await put(reply, wire, visit.request, visit.channel, visit.hold_s)
            finally:  # it is lost when the client gives up, when it has waited for too long, or when the run ends
                words = ending.value + visit.connection + ("" if closed_at is None else OUTLASTED)
                at = self._troubled(visit)
                self._journal.failed(visit.number, words, at if closed_at is None else closed_at)
        else:
            self._journal.failed(visit.number, ending.value + visit.connection, self._troubled(visit))
            await put(reply, wire, visit.request, visit.channel)

    def _refusal(self, status: int, reason: str) -> Reply:
        """The answer to a request that belongs to no stage."""
        roles = self._contract.answer
        return Reply(status, (JSON_HEADER,), {roles.code: status, roles.reason: reason, roles.id: STRAY})

    def _troubled(self, visit: WitnessRequest) -> float:
        """Note, and return, the time of an answer that may make the client send again."""
        at = time.monotonic()
        self._troubled_at = at
        self._watch_until = max(self._watch_until, at + visit.watch_s)
        return at


def as_sent(reply: Reply, wire: Wire) -> Response:
    """The answer as the journal has it: the body before it was compressed or cut into chunks."""
    body = reply.raw if reply.raw is not None else json_bytes(reply.content, pretty=wire.pretty)
    extra = {
        "Content-Encoding": "gzip" if wire.gzip else None,
        "Transfer-Encoding": "chunked" if wire.chunked and not wire.http_1_0 else None,
        "Connection": "close" if wire.close or wire.http_1_0 else "Upgrade" if wire.upgrade else None,
        "Upgrade": "h2c" if wire.upgrade and not wire.close and not wire.http_1_0 else None,
    }
    headers = (*reply.headers, *((name, value) for name, value in extra.items() if value))
    return Response(reply.status, headers, body, "HTTP/1.0" if wire.http_1_0 else "HTTP/1.1")


# --- Scenarios


def answered_with(request_id: str) -> ScenarioRow:
    """The scenario of the usual answer, with this id."""
    return ScenarioRow.from_entry({"name": SENDING.name, "summary": SENDING.summary, "changes": [{"ids": request_id}]})


def played(scenario: ScenarioRow, nonce: str, elsewhere: str, timeout_s: float) -> Behaviour:
    """The behaviour of the gateway in this scenario; `elsewhere`: the case's address at another host."""
    number = f"{int(nonce, 16):020}"
    texts = {
        "nonce": nonce,
        "number": number,
        "node": nonce.zfill(12)[-12:],
        "short": number[-6:],
        "elsewhere": elsewhere,
    }
    behaviour = changed_by(scenario.changes, texts)(LENIENT)
    if scenario.waits is not None:
        behaviour = replace(behaviour, reply=(_until_passed(behaviour.reply, as_date=scenario.waits == "date"),))
    every_s = timeout_s / DRIPS_IN_A_TIMEOUT

    def dripping(reply: Reply, _: Moment) -> Reply:
        return replace(reply, drip_every_s=min(reply.drip_every_s, every_s))

    return replace(behaviour, reply=(*behaviour.reply, dripping))


def _until_passed(changes: tuple[ReplyChange, ...], *, as_date: bool) -> ReplyChange:
    """The changes, with a Retry-After, until its time has passed."""
    until: float | None = None
    stated = ""

    def waited(reply: Reply, moment: Moment) -> Reply:
        nonlocal until, stated
        if until is None:
            now = time.time()
            date = math.ceil(now + DATE_AHEAD_S)
            stated = formatdate(date, usegmt=True) if as_date else str(RETRY_AFTER_S)
            until = moment.now + (date - now if as_date else RETRY_AFTER_S)
        if moment.now >= until - EARLY_S:
            return reply
        for change in changes:
            reply = change(reply, moment)
        return replace(reply, headers=(*reply.headers, ("Retry-After", stated)))

    return waited


def says_accepted(reply: Reply, contract: Contract) -> bool:
    """Whether a reply is whole, declared as JSON, and its envelope accepts the request."""
    roles = contract.answer
    if reply.ending is not Ending.WHOLE or reply.raw is not None or reply.status != roles.success:
        return False
    code = reply.content.get(roles.code) if isinstance(reply.content, dict) else None
    return media_type(reply.headers) == JSON_MEDIA_TYPE and code == roles.success
