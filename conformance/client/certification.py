"""The certification of a client: greet its driver, put everything before it, then watch once.

    certify         holds it and returns the path of the journal, in which everything is that happened
    Bench           what parts of a certification work with: witness, driver, journal, plan

Nothing is judged here. A driver that dies fails the case at hand and is started again; after three deaths in a row the
run ends, and when its time is used up. What a client might send again is watched for at the end, for all cases at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.client.calling import Caller, call_everything, call_first_again, call_what_waits
from conformance.client.driver import Death, Driver, How
from conformance.client.examiner import examine, trusted
from conformance.client.heard import Heard, tokens_in
from conformance.client.left_behind import can_look
from conformance.client.patience import OutOfTime, Patience
from conformance.client.plan import Call, Cases, Credential
from conformance.client.preflight import proxies_in, reachable
from conformance.client.protocol import Hello
from conformance.client.rules.calls import STRAY
from conformance.client.scenarios import Setting, played
from conformance.client.settings import Settings, program_of
from conformance.client.witness import Stage, Witness, wait_for_resends
from conformance.contract.contract import Contract
from conformance.journal import Journal, Redaction
from conformance.mock.account import Account
from conformance.mock.gateway import Gateway, Reaction
from conformance.model.errors import EnvironmentFailure, SuiteError, UsageError, lack_of
from conformance.model.interruption import Closing, held_back, let_through, wished
from conformance.model.progress import Progress, Silent
from conformance.model.traffic import Case, Kind, Request
from conformance.wire.trust import trusting

JOURNAL = "journal.sqlite"

MOST_DEATHS = 3
"""So many deaths in a row end the run (interfaces, "Driver protocol")."""

LEFT_BEHIND = "left-behind"
"""The kind of the note on processes that outlived the driver; `processes` is null where they cannot be looked for."""

# One for each call is told by a few.
MOST_LEFT_TOLD = 20

# A driver that is asked for what it knows already has it at hand.
RESULT_WITHIN_S = 10.0


class GivenUp(Exception):
    """The driver died too often in a row."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A call that the client says was accepted, with the request_id that it hands back."""

    request_id: str
    case_id: str


@dataclass(slots=True)
class Bench:
    """What a certification works with. `driver` is None where there is none to ask.

    `accepted`: by command, what the client that runs now knows of, in the order of the calls. `postponed`: calls that
    are made at the end.
    """

    settings: Settings
    journal: Journal
    heard: Heard
    witness: Witness
    cases: Cases
    credential: Credential
    hello: Hello
    driver: Driver | None
    progress: Progress
    patience: Patience
    first: Call | None = None
    accepted: dict[str, list[Accepted]] = field(default_factory=dict)
    postponed: list[Call] = field(default_factory=list)
    planned: int = 0
    done: int = 0
    caller: Caller = field(init=False, repr=False)
    _deaths: int = field(default=0, repr=False)
    _deaths_before: int = field(default=0, repr=False)
    _sent: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        """What has the calls made knows the bench."""
        self.caller = Caller(self)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands to call: those that are judged and that the client declares."""
        return tuple(name for name in self.settings.commands if name in self.hello.commands)

    @property
    def callbacks(self) -> Mapping[str, str]:
        """The callback URLs by command: those that the client declares now, or the one that the user gave."""
        given = self.settings.callback_url
        urls = dict.fromkeys(self.settings.products, given) if given else self.hello.callback_urls
        contract, products = self.settings.contract, self.settings.products
        of_commands = {
            c.name: urls[c.product] for c in contract.commands_of(products) if c.product and c.product in urls
        }
        return of_commands | {each.name: urls[each.name] for each in contract.unsolicited_among(products, urls)}

    def plan(self, cases: Sequence[Case]) -> None:
        """Record what is going to happen."""
        self.planned += len(cases)
        self.journal.plan(cases)

    def invoke(self, call: Call, before_answer: Callable[[Reaction], None] | None = None) -> dict[str, Any] | None:
        """Have the client make a call; what it said, None if its driver died over it.

        `before_answer` is called in a thread before each answer of the witness goes out. Raises GivenUp and OutOfTime.
        """
        settings, command = self.settings, call.case.command or ""
        contract, elsewhere = settings.contract, f"{self.witness.redirect_of(call.nonce)}/{command}"
        setting = Setting(call.nonce, elsewhere, self.patience.timeout_s(call))
        account = Account(self.credential.key, self.credential.secret, contract=contract)
        gateway = Gateway(account, played(call.scenario, setting), int(call.nonce, 16))
        watch_s = settings.advised_delay_s if contract.commands[command].moves_money else settings.resend_window_s
        self.witness.open(call.nonce, Stage(call.case.id, gateway, before_answer, watch_s, self.patience.holds_s(call)))
        message = {
            "cmd": "invoke",
            "id": call.message_id,
            "command": call.case.command,
            "base_url": self.witness.base_url(call.nonce),
            "consumer_key": self.credential.key,
            "consumer_secret": self.credential.secret,
            "timeout_s": self.patience.timeout_s(call),
            "params": dict(call.params),
        }
        astray, begun = self.witness.astray, time.monotonic()
        try:
            answer = self._asked(message, call.case.id, self.patience.allows_s(call))
        except Death as death:
            if death.how is How.HANG:
                self.patience.hung(call)
            answer = None
        if self.witness.arrivals(call.case.id) or self.witness.astray > astray:
            self._sent.add(call.case.id)
        if answer is not None:
            self.patience.took(call, time.monotonic() - begun, sent=self.sent(call))
        if answer is not None and answer.get("outcome") == "accepted" and isinstance(answer.get("request_id"), str):
            accepted = Accepted(answer["request_id"], call.case.id)
            self.accepted.setdefault(command, []).append(accepted)
        self.tick()
        return answer

    def tick(self, count: int = 1) -> None:
        """So many of the planned cases are done."""
        self.done += count
        self.progress.exchanged(self.done, self.planned)

    def result(self, request_id: str, case_id: str) -> dict[str, Any] | None:
        """What the client says became of a request; None if its driver died over the question.

        Raises GivenUp and OutOfTime.
        """
        message = {"cmd": "result", "id": self.cases.name("message"), "request_id": request_id}
        try:
            return self._asked(message, case_id, RESULT_WITHIN_S)
        except Death:
            return None

    def sent(self, call: Call) -> bool:
        """Whether a request came of a call, be it at another address than it was given."""
        return call.case.id in self._sent

    def note_out_of_time(self, reason: OutOfTime) -> None:
        """Not all that was planned is done."""
        self.journal.note("out-of-time", {"detail": str(reason), "left": self.planned - self.done})

    def restart(self) -> None:
        """Start the driver anew although it owes no answer: a receiver of its client has died. Raises Death."""
        if self.driver is None:
            raise SuiteError("there is no driver to start again")
        self.driver.kill()
        self.accepted.clear()
        self.hello = self._greeted_again(self.driver, self.patience.left_s)

    def close(self) -> None:
        """Stop the driver in good order."""
        if self.driver is not None and self.driver.running:
            try:
                self.driver.stop()
            except Death as death:
                self._note(death)

    def _asked(self, message: dict[str, Any], case_id: str, within_s: float) -> dict[str, Any]:
        """The driver's answer. Raises Death, which is noted, GivenUp and OutOfTime."""
        if wished():
            raise KeyboardInterrupt
        if self.driver is None:
            raise SuiteError("there is no driver to ask")
        left_s = self.patience.left_s
        try:
            if not self.driver.running:
                self.hello = self._greeted_again(self.driver, left_s)
            answer = self.driver.ask(message, case_id, min(within_s, left_s))
        except Death as death:
            if death.how is How.HANG and left_s < within_s:
                raise self.patience.out_of_time from death
            self._note(death)
            # Of an answer that came twice the first one had seemed to be well.
            self._deaths = 1 + (self._deaths_before if death.how is How.TWICE else self._deaths)
            if self._deaths >= MOST_DEATHS:
                raise GivenUp from death
            raise
        self._deaths, self._deaths_before = 0, self._deaths
        return answer

    def _greeted_again(self, driver: Driver, within_s: float) -> Hello:
        """Start it once more: its receivers may listen at other addresses now. Raises Death, whatever is wrong."""
        self.heard.hold()
        try:
            hello = driver.start(within_s)
        except UsageError as error:
            raise Death(How.GARBAGE, f"started again, {error.message}", None) from error
        finally:
            self.heard.tell(self.journal)
        self.journal.note("hello", hello.recorded())
        return hello

    def _note(self, death: Death) -> None:
        detail = {"case": death.case_id, "how": death.how.value, "detail": death.detail, "at": death.at}
        self.journal.note("death", detail)


# What a part of a certification does; it plans its own cases first.
Part = Callable[[Bench], None]


def certify(settings: Settings, progress: Progress | None = None) -> Path:
    """Hold a certification.

    Raises UsageError for a driver that cannot be used (not there, another protocol, nothing declared), and
    EnvironmentFailure for what keeps the run from beginning: a driver that does not say hello, a callback URL where
    nothing listens. What goes wrong later is a note in the journal.
    """
    progress = progress or Silent()
    progress.phase("prepare")
    if settings.driver is None and settings.callback_url is None:
        raise UsageError("nothing is given to certify; expected --driver 'CMD ARGS', --callback-url URL or --observe")
    if settings.callback_url is not None:
        with let_through():
            reachable(settings.callback_url, trusting(settings.ca_file))
    begun = time.monotonic()
    with held_back():
        greeted = _Greeted.by(settings) if settings.driver is not None else _Greeted.nobody(settings)
        with greeted.journal as journal:
            try:
                with Closing(greeted.end_at_once):
                    _held(settings, greeted, progress, begun)
            finally:
                if greeted.driver is not None:
                    greeted.driver.kill()  # before the journal is closed, for its last words belong there
                    note_left_behind(journal, greeted.driver)
            journal.note("finished", {"duration_s": round(time.monotonic() - begun, 3)})
    return settings.report_dir / JOURNAL


@dataclass(frozen=True, slots=True)
class _Greeted:
    """A driver that said hello, and the journal that has heard it; or a receiver, which says nothing of itself."""

    driver: Driver | None
    heard: Heard
    hello: Hello
    journal: Journal

    @classmethod
    def by(cls, settings: Settings) -> _Greeted:
        """Start the driver; the journal is made once it is known what is under test, and what must not be shown."""
        heard = Heard(settings.contract, settings.protected)
        driver = Driver(program_of(settings.driver or ""), heard.said, heard.redacted, settings.contract)
        try:
            with let_through(), Closing(driver.end_at_once):
                hello = driver.start()
        except Death as death:
            raise _without(
                [*settings.protected, *heard.tokens],
                f"driver {settings.driver!r} did not say hello: {death}",
                "docs/driver-protocol.md has what is expected",
                heard.last_lines,
            ) from None
        except BaseException:
            driver.kill()
            raise
        try:
            journal = Journal.create(settings.report_dir / JOURNAL, *_recorded(settings, hello))
        except BaseException:
            driver.kill()
            raise
        heard.tell(journal)
        journal.note("hello", hello.recorded())
        return cls(driver, heard, hello, journal)

    @classmethod
    def nobody(cls, settings: Settings) -> _Greeted:
        """There is a receiver alone, known by its URL."""
        hello = Hello(f"the receiver at {(settings.callback_url or '').partition('?')[0]}")
        journal = Journal.create(settings.report_dir / JOURNAL, *_recorded(settings, hello))
        return cls(None, Heard(settings.contract), hello, journal)

    def end_at_once(self) -> None:
        """End the driver for somebody who does not wait."""
        if self.driver is not None:
            self.driver.end_at_once()


def note_left_behind(journal: Journal, driver: Driver) -> None:
    """Which processes outlived the driver that had started them, or that nobody could look for them."""
    if not can_look():
        journal.note(LEFT_BEHIND, {"processes": None})
    elif driver.left_behind:
        left = [asdict(each) for each in driver.left_behind[:MOST_LEFT_TOLD]]
        journal.note(LEFT_BEHIND, {"processes": left, "count": len(driver.left_behind)})


def _without(values: Iterable[str], message: str, hint: str, lines: Iterable[str]) -> EnvironmentFailure:
    redaction = Redaction.of_values(*values)
    return EnvironmentFailure(redaction.text(message), redaction.text(hint), list(map(redaction.text, lines)))


def _recorded(settings: Settings, hello: Hello) -> tuple[dict[str, Any], Redaction]:
    credential = Credential.of(settings.seed)
    recorded = {
        **settings.recorded(),
        "subject_name": hello.subject,
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        # Made up for this run and worth nothing outside it: evidence, not a secret.
        "credential": {"key": credential.key, "secret": credential.secret},
    }
    tokens = tokens_in(settings.contract, *hello.callback_urls.values())
    return recorded, Redaction.of_values(*settings.protected, *tokens)


def _held(settings: Settings, greeted: _Greeted, progress: Progress, begun: float) -> None:
    journal = greeted.journal
    if greeted.driver is not None and (proxies := proxies_in(os.environ)):
        journal.note("environment", {"proxies": proxies})
    with _witness(journal, settings.contract) as witness:
        bench = Bench(
            settings,
            journal,
            greeted.heard,
            witness,
            Cases(settings.contract, settings.seed, witness.url),
            Credential.of(settings.seed),
            greeted.hello,
            greeted.driver,
            progress,
            Patience(settings, greeted.hello.lacks, begun),
        )
        journal.plan([Case(STRAY, None, Kind.INVOKE, STRAY, STRAY, Request("GET", witness.url))])
        try:
            with let_through():
                try:
                    for part in PARTS:
                        part(bench)
                except OutOfTime as out_of_time:
                    bench.note_out_of_time(out_of_time)
                watch(bench)
                bench.close()
        except KeyboardInterrupt:
            journal.note("interrupted", {})
        except GivenUp as given_up:
            journal.note("gave-up", {"deaths": MOST_DEATHS, "detail": str(given_up.__cause__)})
        except Exception as error:
            failure = error if isinstance(error, EnvironmentFailure) else lack_of(error)
            if failure is None:
                raise
            journal.note("obstacle", {"message": failure.message, "hint": failure.hint})


@contextmanager
def _witness(journal: Journal, contract: Contract) -> Iterator[Witness]:
    with Witness(journal, contract) as witness:
        yield witness
    if witness.errors:
        raise SuiteError(f"the witness failed: {witness.errors[0]!r}") from witness.errors[0]


def watch(bench: Bench) -> None:
    """Wait once, for all cases: what would be sent again within the window has arrived then.

    `waited_s` of the note: since when nothing was answered that could have had it sent again.
    """
    since = wait_for_resends(bench.witness, bench.settings.resend_window_s, bench.progress)
    bench.witness.tell_unfinished()
    bench.witness.note_left_out()
    at = time.monotonic()
    bench.journal.note("settled", {"at": at, "waited_s": None if since is None else round(at - since, 3)})


PARTS: tuple[Part, ...] = (trusted, call_everything, examine, call_first_again, call_what_waits)
"""The parts of a certification with a driver, in their order."""
