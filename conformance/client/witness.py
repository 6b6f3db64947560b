"""The witness: the mock gateway with a base URL for each case, which records what the client really sent.

    Stage       one base URL: the case that it belongs to, and the gateway that is met there
    Witness     serves all stages, and the elsewhere that redirects lead to

A base URL is `http://127.0.0.1:PORT/n/NONCE/api/v2`, with the path of the contract; neither nonce nor address tells
what is expected. Whatever arrives is in the journal before it is answered: under the case of its nonce, or under the
case STRAY, of which so much is kept.
A stage goes on being watched until the end of the run.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from conformance.client.rules.calls import OUTLASTED, REUSED, STRAY, UNUSED, speaks_of_a_call
from conformance.client.scenarios import says_accepted
from conformance.contract.contract import Contract
from conformance.journal import Journal
from conformance.judging.terms import REFUSED_HERE
from conformance.mock.account import Account
from conformance.mock.answering import AnswerProtocol, Channel, json_bytes, put, received, was_used
from conformance.mock.behaviour import Ending, Reply, Wire
from conformance.mock.gateway import JSON_HEADER, Gateway, Reaction
from conformance.model.progress import Progress
from conformance.model.traffic import Request, Response
from conformance.wire.accepting import Refused
from conformance.wire.address import Address
from conformance.wire.asgi_thread import AsgiThread, Receive, Send
from conformance.wire.guarding import Limits, guarded
from conformance.wire.reading_protocol import tell_unfinished
from conformance.wire.receiver import MOST_UNREAD
from conformance.wire.request_reader import Unreadable
from conformance.wire.strays import Strays, Taken

_TARGET = re.compile(r"/n/(?P<nonce>[0-9a-f]+)(?P<rest>/.*)")

# By this name the same machine is another host to a client, which must not send its credential there.
ELSEWHERE_HOST = "localhost"


ANY_ADDRESS = Address("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Stage:
    """What is met under one base URL. `before_answer` is called with each answer before it goes out, in a thread.

    `watch_s`: for how long after a failure something may come again that must not. `hold_s`: for how long a connection
    stays open without a whole answer; None: until the client closes it.
    """

    case_id: str
    gateway: Gateway
    before_answer: Callable[[Reaction], None] | None = None
    watch_s: float = 0.0
    hold_s: float | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that is to be answered, with its number in the journal; `watch_s` and `hold_s` as its stage has them.

    `connection`: what the journal says of it beside the way in which an answer is lost.
    """

    number: int
    request: Request
    channel: Channel
    watch_s: float = 0.0
    hold_s: float | None = None
    connection: str = ""


class Witness:
    """Serves from `start` to `stop`; a context manager. Stages are opened at any time."""

    def __init__(self, journal: Journal, contract: Contract, listen: Address = ANY_ADDRESS) -> None:
        """Claim the addresses. Raises EnvironmentFailure if they cannot be had."""
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
        self._refused_told = False
        self._account: Account | None = None
        http = guarded(Limits.of_clients(), self._not_read, self._refused, AnswerProtocol)
        self._here = AsgiThread(
            self._serve_here, listen, http=http, name="witness", purpose="witness", on_refused=self._refused
        )
        self._elsewhere = AsgiThread(self._serve_elsewhere, ANY_ADDRESS, http=http, name="elsewhere", purpose="witness")

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, below which all base URLs are."""
        return self._here.address.url

    @property
    def elsewhere(self) -> str:
        """The same of the other host, which belongs to nobody whom the client knows."""
        return f"http://{ELSEWHERE_HOST}:{self._elsewhere.address.port}"

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What serving has raised: a bug of ours."""
        return self._here.errors + self._elsewhere.errors

    @property
    def troubled_at(self) -> float | None:
        """When (monotonic seconds) something else than a 200 was last answered, or an answer last lost."""
        return self._troubled_at

    @property
    def watch_until(self) -> float:
        """Until when (monotonic seconds) something may come again that its stage has watched for."""
        return self._watch_until

    def base_url(self, nonce: str) -> str:
        """The base URL of a nonce."""
        return f"{self.url}/n/{nonce}{self._contract.base_path}"

    def redirect_of(self, nonce: str) -> str:
        """Where the other host has what that base URL has here."""
        return f"{self.elsewhere}/n/{nonce}{self._contract.base_path}"

    def open(self, nonce: str, stage: Stage) -> None:
        """From here on the stage is met under the nonce's base URL."""
        self._account = stage.gateway.account
        self._stages[nonce] = stage

    def arrivals(self, case_id: str) -> int:
        """How many requests of a case have arrived."""
        with self._lock:
            return self._attempts[case_id]

    @property
    def astray(self) -> int:
        """How many requests have arrived under no base URL that evidently are of the client."""
        with self._lock:
            return self._astray

    def note_left_out(self) -> None:
        """Note how much of what is nobody's call was not kept."""
        if self._strays.left_out:
            self._journal.note("strays", self._strays.described())

    def tell_unfinished(self) -> None:
        """Note now which requests have begun and are not there in full."""
        self._here.look(tell_unfinished)
        self._elsewhere.look(tell_unfinished)

    def start(self) -> None:
        """Serve from here on."""
        self._here.start()
        self._elsewhere.start()

    def stop(self) -> None:
        """Serve no more; once stopped, does nothing."""
        self._here.stop()
        self._elsewhere.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    async def _serve_here(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        channel = Channel(scope, receive, send)
        request = await received(channel)
        if request is None:
            return
        found = _TARGET.fullmatch(request.url)
        stage = self._stages.get(found["nonce"]) if found else None
        if stage is None or found is None:
            await self._turn_away(request, request, channel, self._refusal(404, "There is nothing at this address"))
            return
        number = self._arrived(stage.case_id, request)
        inner = Request(request.method, found["rest"], request.headers, request.body)
        answer = stage.gateway.answer(inner, time.monotonic())
        if stage.before_answer is not None:
            await asyncio.to_thread(stage.before_answer, answer)
        connection = self._connection(found["nonce"], channel)
        visit = Visit(number, request, channel, stage.watch_s, stage.hold_s, connection)
        if answer.reply.ending is Ending.WHOLE:
            self._kept_open.add(found["nonce"])
        await self._reply(visit, answer.reply, stage.gateway.behaviour.wire)

    async def _serve_elsewhere(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        channel = Channel(scope, receive, send)
        request = await received(channel)
        if request is None:
            return
        found = _TARGET.fullmatch(request.url)
        stage = self._stages.get(found["nonce"]) if found else None
        whole = Request(request.method, self.elsewhere + request.url, request.headers, request.body)
        reply = self._refusal(401, "Nobody is known here")
        if stage is None:
            await self._turn_away(whole, request, channel, reply)
        else:
            await self._reply(Visit(self._arrived(stage.case_id, whole), request, channel), reply, Wire())

    async def _turn_away(self, whole: Request, request: Request, channel: Channel, reply: Reply) -> None:
        """Reaction what belongs to no stage; what is not evidently the client's is kept within bounds."""
        account = self._account
        kept: Request | None = whole
        credential = None if account is None else (account.consumer_key, account.consumer_secret)
        if credential is not None and speaks_of_a_call(whole, self._contract, *credential):
            with self._lock:
                self._astray += 1
        else:
            kept = self._strays.kept(Taken(None, whole, time.monotonic(), time.time()), None)
        if kept is None:
            await put(reply, Wire(), request, channel)
        else:
            await self._reply(Visit(self._arrived(STRAY, kept), request, channel), reply, Wire())

    def _refused(self, refused: Refused) -> None:
        """Note that a client was turned away; one such note tells of all."""
        with self._lock:
            told, self._refused_told = self._refused_told, True
        if not told:
            self._journal.note(REFUSED_HERE, asdict(refused))

    def _not_read(self, unreadable: Unreadable) -> None:
        """Note what is no request, as far as there is not too much of it."""
        with self._lock:
            self._unread += 1
            if self._unread > MOST_UNREAD:
                return
        self._journal.unreadable("witness", None, unreadable.error, self._shown_head(unreadable.head))

    def _shown_head(self, head: bytes) -> bytes:
        """The first bytes of what is no request, as the journal may have them."""
        return head

    def _arrived(self, case_id: str, request: Request) -> int:
        with self._lock:
            self._attempts[case_id] += 1
            attempt = self._attempts[case_id]
        return self._journal.sent(case_id, attempt, request, time.monotonic(), time.time())

    def _connection(self, nonce: str, channel: Channel) -> str:
        """What the journal says of the connection; nothing of a new one where the base URL had none to use again."""
        if was_used(channel):
            return REUSED
        return UNUSED if nonce in self._kept_open else ""

    async def _reply(self, visit: Visit, reply: Reply, wire: Wire) -> None:
        ending = reply.ending
        if ending is Ending.WHOLE:
            at = time.monotonic() if says_accepted(reply, self._contract) else self._troubled(visit)
            self._journal.answered(visit.number, _as_sent(reply, wire), at)
            await put(reply, wire, visit.request, visit.channel)
        elif ending.stays_open:
            self._troubled(visit)
            closed_at = None
            try:
                closed_at = await put(reply, wire, visit.request, visit.channel, visit.hold_s)
            finally:  # it is lost when the client gives up, when it has waited for too long, or with the run's end
                words = ending.value + visit.connection + ("" if closed_at is None else OUTLASTED)
                at = self._troubled(visit)
                self._journal.failed(visit.number, words, at if closed_at is None else closed_at)
        else:
            self._journal.failed(visit.number, ending.value + visit.connection, self._troubled(visit))
            await put(reply, wire, visit.request, visit.channel)

    def _refusal(self, status: int, reason: str) -> Reply:
        """What a request is answered that belongs to no stage."""
        roles = self._contract.answer
        return Reply(status, (JSON_HEADER,), {roles.code: status, roles.reason: reason, roles.id: STRAY})

    def _troubled(self, visit: Visit) -> float:
        """Something went wrong that may have the client send again: when that was."""
        at = time.monotonic()
        self._troubled_at = at
        self._watch_until = max(self._watch_until, at + visit.watch_s)
        return at


def _as_sent(reply: Reply, wire: Wire) -> Response:
    """The answer as the journal keeps it: the body before it was compressed or cut into chunks."""
    body = reply.raw if reply.raw is not None else json_bytes(reply.content, pretty=wire.pretty)
    extra = {
        "Content-Encoding": "gzip" if wire.gzip else None,
        "Transfer-Encoding": "chunked" if wire.chunked and not wire.http_1_0 else None,
        "Connection": "close" if wire.close or wire.http_1_0 else "Upgrade" if wire.upgrade else None,
        "Upgrade": "h2c" if wire.upgrade and not wire.close and not wire.http_1_0 else None,
    }
    headers = (*reply.headers, *((name, value) for name, value in extra.items() if value))
    return Response(reply.status, headers, body, "HTTP/1.0" if wire.http_1_0 else "HTTP/1.1")


def wait_for_resends(witness: Witness, window_s: float, progress: Progress) -> float | None:
    """Wait until `window_s` after the last answer that could have something sent again; when that was, if ever.

    Where a stage has to be watched for longer, until then. What is waited for is that nothing comes, so there is no
    condition that could end it sooner.
    """
    since = witness.troubled_at
    if since is not None and (left := max(since + window_s, witness.watch_until) - time.monotonic()) > 0:
        progress.phase("listen", f"{left:.1f} s")
        progress.until(time.monotonic() + left)
        time.sleep(left)
    return since
