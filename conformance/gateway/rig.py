"""The surroundings of a run: the callback receiver, and the built-in mock gateway where no other is given."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

from conformance.gateway.command_plan import Group
from conformance.gateway.listening import Listening, id_at_a_glance
from conformance.gateway.settings import MOCK_GATEWAY, Settings
from conformance.journal import Journal, Redaction
from conformance.journal.redaction import credential_text, is_own_word, tokens_of
from conformance.judging.terms import REFUSED_HERE
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.errors import SuiteError
from conformance.model.traffic import Request, header
from conformance.wire import Sender
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.ledger import Arrival, size_of
from conformance.wire.listening import OnRefused, Refused
from conformance.wire.receiver import CallbackPaths, OnArrival, OnUnread, Unread

# Marks a request of the suite's own to its own callback URL, by which the way back is proven.
CANARY_HEADER = "X-Statum-Conformance-Canary"
# Requests that come before the run is ready are kept up to so many bytes: the receiver is open to anybody by then.
MOST_EARLY = 32 * 1024 * 1024
MOST_EARLY_REQUESTS = 10_000
# The journal notes so many requests that the receiver could not take, and one in so many seconds.
MOST_REFUSALS = 1_000
REFUSAL_EACH_S = 1.0


class RunIntake:
    """Takes the requests that reach the receiver, in the receiver's threads.

    A request that says it is a canary is not a notification; only awaited ones are remembered. `id_of` reads the id of
    a notification.
    """

    def __init__(self, id_of: Callable[[Request], str | None] = lambda _: None) -> None:
        self._id_of = id_of
        self._own: dict[str, list[Arrival]] = {}
        self._awaited: dict[str, tuple[str | None, str] | None] = {}
        self._changed = threading.Condition()
        self._take: OnArrival | None = None
        self._early: list[Arrival] = []
        self._early_bytes = 0
        self._note: OnUnread | None = None
        self._early_unread: list[Unread] = []
        self._note_refused: OnRefused | None = None
        self._early_refused: list[Refused] = []
        self._refused = 0
        self._refused_at = -inf
        self._reasons: dict[str, None] = {}

    def on_arrival(self, product: str | None, request: Request, at: float, wall: float) -> None:
        """Take a request from the receiver; keep it if the run is not ready."""
        arrival, canary = Arrival(product, request, at, wall), header(request.headers, CANARY_HEADER)
        if canary is not None:
            self.on_canary(canary, product, request.url)
            return
        with self._changed:
            if self._take is None:
                self._early_bytes += size_of(request)
                if self._early_bytes <= MOST_EARLY and len(self._early) < MOST_EARLY_REQUESTS:
                    self._early.append(arrival)
                return
        if not self._is_own(arrival):
            self._take(*arrival)

    def on_canary(self, token: str, product: str | None, target: str) -> None:
        """Take a canary, which reached this receiver or another process."""
        with self._changed:
            if token in self._awaited:
                self._awaited[token] = (product, target)
                self._changed.notify_all()

    @property
    def disowned(self) -> tuple[str, ...]:
        """The ids whose notifications are held back."""
        with self._changed:
            return tuple(self._own)

    def disown(self, request_id: str) -> None:
        """Hold back notifications with this id: a request of the preflight was answered with it."""
        self._own.setdefault(request_id, [])

    def claim(self, request_id: str) -> None:
        """Hand over the notifications held back for this id: a request of the run was answered with it, too.

        Called after `hand_to`.
        """
        if request_id not in self._own:
            return
        with self._changed:
            arrivals, take = self._own.pop(request_id, ()), self._take
        for arrival in arrivals:
            if take is not None:
                take(*arrival)

    def _is_own(self, arrival: Arrival) -> bool:
        if not self._own or (request_id := self._id_of(arrival.request)) is None:
            return False
        with self._changed:
            held_back = self._own.get(request_id)
            if held_back is not None and len(held_back) < MOST_EARLY_REQUESTS:
                held_back.append(arrival)
        return held_back is not None

    def on_unread(self, unread: Unread) -> None:
        """Take bytes from the receiver that are not a request; keep them if the journal is not ready."""
        with self._changed:
            self._reasons[unread.error] = None
            if self._note is None:
                self._early_unread.append(unread)  # the receiver hands over no more than `MOST_UNREAD`
                return
        self._note(unread)

    def on_refused(self, refused: Refused) -> None:
        """Note that the receiver could not take a request; of many in a row one in each second counts."""
        with self._changed:
            now = time.monotonic()
            if not refused.lasting and (self._refused >= MOST_REFUSALS or now < self._refused_at + REFUSAL_EACH_S):
                return
            self._refused, self._refused_at = self._refused + 1, now
            if self._note_refused is None:
                self._early_refused.append(refused)
                return
        self._note_refused(refused)

    @property
    def unread(self) -> tuple[str, ...]:
        """The reasons why requests so far could not be read, each once."""
        with self._changed:
            return tuple(self._reasons)

    def note_unread(self, note: OnUnread) -> None:
        """From now on call `note` with bytes that are not a request, beginning with the earlier ones."""
        with self._changed:
            early, self._early_unread, self._note = self._early_unread, [], note
        for unread in early:
            note(unread)

    def note_refused(self, note: OnRefused) -> None:
        """From now on call `note` with requests that the receiver could not take, beginning with the earlier ones."""
        with self._changed:
            early, self._early_refused, self._note_refused = self._early_refused, [], note
        for refused in early:
            note(refused)

    def hand_to(self, take: OnArrival) -> None:
        """From now on hand notifications to `take`, beginning with the earlier ones."""
        with self._changed:
            early, self._early, self._take = self._early, [], take
        for arrival in early:
            if not self._is_own(arrival):
                take(*arrival)

    def new_canary(self) -> str:
        """A token that nobody knows, for one canary; from here on it is awaited."""
        token = secrets.token_hex(16)
        with self._changed:
            self._awaited[token] = None
        return token

    def canary(self, token: str, within_s: float) -> tuple[str | None, str] | None:
        """The product and the target at which a canary arrived; None if it has not within `within_s` seconds.

        After that it is not awaited any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._awaited.get(token) is not None, within_s)
            return self._awaited.pop(token, None)


@dataclass(frozen=True, slots=True)
class Rig:
    """A run's surroundings: `gateway` is the base URL under test, `callback_urls` are to be registered by product."""

    gateway: str
    subject_name: str
    receiver: AsgiReceiver
    paths: CallbackPaths
    callback_urls: dict[str, str]
    intake: RunIntake

    def note_in(self, journal: Journal) -> None:
        """From now on note in the journal what the receiver could not read or take."""
        self.intake.note_refused(lambda refused: journal.note(REFUSED_HERE, asdict(refused)))
        self.intake.note_unread(
            lambda unread: journal.unreadable("receiver", unread.product, unread.error, unread.head)
        )


@dataclass(frozen=True, slots=True)
class Campaign:
    """A run on its rig; `not_planned`: how many cases were left out, by the option that limits them."""

    settings: Settings
    rig: Rig
    journal: Journal
    listening: Listening
    sender: Sender
    not_planned: dict[str, int] = field(default_factory=dict)

    def send(self, alone: Sequence[Group], groups: Sequence[Group], last: Sequence[Group] = ()) -> None:
        """Send groups of cases: each of those `alone` with none beside it, the `last` ones when all went."""
        self.listening.expect(sum(map(len, (*alone, *groups, *last))))
        for group in alone:
            self.sender.send([group])
        self.sender.send(groups)
        self.sender.send(last)


@contextmanager
def rigged(settings: Settings, behaviour: Behaviour = BUILT_IN) -> Iterator[Rig]:
    """Start the receiver and, without `settings.gateway`, a mock gateway that behaves as `behaviour`.

    Raises EnvironmentFailure if an address is taken, UsageError for a callback URL that is none.
    """
    contract = settings.contract
    intake, callbacks = RunIntake(lambda request: id_at_a_glance(request, contract)), contract.callbacks
    public = base = settings.callback_url
    if public is None and settings.gateway is None and settings.callback_token is None:
        # The built-in mock gateway gets any URL registered, so let it prove that a query survives.
        base = f"http://unused.invalid/?token={secrets.token_hex(8)}"
    paths = CallbackPaths.of_url(base, callbacks, settings.callback_token, settings.callback_paths)
    receiver = AsgiReceiver(
        settings.callback_listen,
        callbacks,
        intake.on_arrival,
        paths.prefix,
        paths.query,
        token=paths.token,
        tls=settings.callback_tls,
        on_unread=intake.on_unread,
        on_refused=intake.on_refused,
    )
    with receiver:
        urls = paths.callback_urls(public or receiver.urls[callbacks[0]])
        if settings.gateway is not None:
            yield Rig(settings.gateway, settings.gateway, receiver, paths, urls, intake)
            return
        account = Account(
            consumer_key=settings.consumer_key,
            consumer_secret=settings.consumer_secret,
            registered=settings.constraints.registered,
            callbacks={name: url for name, url in urls.items() if name in settings.callbacks},
            contract=contract,
        )
        with serve_mock(account, behaviour, seed=settings.seed) as server:
            yield Rig(server.url, MOCK_GATEWAY, receiver, paths, urls, intake)
        if server.errors:
            raise SuiteError(f"the built-in mock gateway failed: {server.errors[0]!r}") from server.errors[0]


def redaction_of(settings: Settings, rig: Rig) -> Redaction:
    """The redaction that keeps the secrets of a run out of its journal."""
    return Redaction(*redacted_by(settings, rig))


def redacted_by(settings: Settings, rig: Rig) -> tuple[tuple[str, ...], str]:
    """The protected values and the credential of that redaction, for another process."""
    secret = settings.consumer_secret
    values = (secret, secret[:-1], *tokens_of(*rig.callback_urls.values()))
    uncommon = (value for value in values if not is_own_word(value, settings.contract))
    return (*uncommon, *settings.redact), credential_text(settings.consumer_key, secret)


def recorded(settings: Settings, rig: Rig) -> Mapping[str, Any]:
    """The settings of a run as its journal keeps them."""
    return {
        **settings.recorded(),
        "gateway": rig.gateway,
        "subject_name": rig.subject_name,
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "shrink_requests": settings.shrink_budget(rig.gateway),
        "callback_targets": {name: rig.paths.target(name) for name in settings.callbacks},
    }
