"""The calls of the client: the bench, with the tools of a certification, and the part that has the calls made.

Every call is valid, so one that leads to no request is examined at once: the same scenario is repeated with parameters
that the client has sent before (IN_PLACE). If these are sent, the client has refused the others, which are tried again
at the end (ASKED_AGAIN). If not, the client sends nothing at all for the moment, as with an open circuit breaker, and
the suite waits for it. The journal records the outcome, and the rules judge it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.client.driver import Death, Driver, How
from conformance.client.driver_messages import DriverLog, Hello
from conformance.client.needed_calls import needed
from conformance.client.plan import Cases, OutOfTime, Patience, PlannedCall, again, calls_of, spread
from conformance.client.rules.calls import ASKED_AGAIN, EXTRA, IN_PLACE, PROBE
from conformance.client.settings import ClientSettings
from conformance.client.witness import SENDING, Stage, Witness, played
from conformance.contract.requirements import Actor
from conformance.contract.tables import ScenarioRow
from conformance.journal import Journal
from conformance.mock.account import Account
from conformance.mock.gateway import Gateway, Reaction
from conformance.model.errors import SuiteError, UsageError
from conformance.model.process import Progress, is_interrupted
from conformance.model.traffic import Case

MOST_DEATHS = 3
"""Deaths in a row that end the run (interfaces, "Driver protocol")."""

# A driver has a result at hand when it is asked.
RESULT_WITHIN_S = 10.0


class GivenUp(Exception):
    """The driver died too often in a row."""


@dataclass(slots=True)
class Bench:
    """The tools of a certification; `driver` is None where a receiver is judged alone."""

    settings: ClientSettings
    journal: Journal
    log: DriverLog
    witness: Witness
    cases: Cases
    account: Account
    hello: Hello
    driver: Driver | None
    progress: Progress
    patience: Patience
    planned: int = 0
    done: int = 0
    _deaths: int = field(default=0, repr=False)
    _deaths_before: int = field(default=0, repr=False)
    _sent: set[str] = field(default_factory=set, repr=False)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands to call: those that are judged and that the client declares."""
        return tuple(name for name in self.settings.commands if name in self.hello.commands)

    @property
    def callbacks(self) -> Mapping[str, str]:
        """The callback URLs by command: those that the client declares now, or the user's."""
        given = self.settings.callback_url
        urls = dict.fromkeys(self.settings.products, given) if given else self.hello.callback_urls
        contract, products = self.settings.contract, self.settings.products
        of_commands = {
            c.name: urls[c.product] for c in contract.commands_of(products) if c.product and c.product in urls
        }
        return of_commands | {each.name: urls[each.name] for each in contract.unsolicited_among(products, urls)}

    def plan(self, cases: Sequence[Case]) -> None:
        """Record cases before they are done."""
        self.planned += len(cases)
        self.journal.plan(cases)

    def invoke(
        self, call: PlannedCall, before_answer: Callable[[Reaction], None] | None = None
    ) -> dict[str, Any] | None:
        """Have the client make a call; return the driver's answer, None if it died over the call.

        `before_answer` is called in a thread before each answer of the witness goes out. Raises GivenUp and OutOfTime.
        """
        settings, command, patience = self.settings, call.case.command or "", self.patience
        elsewhere = f"{self.witness.base_url(call.nonce, elsewhere=True)}/{command}"
        behaviour = played(call.scenario, call.nonce, elsewhere, patience.timeout_s(call))
        gateway = Gateway(self.account, behaviour, int(call.nonce, 16))
        watch_s = (
            settings.advised_delay_s if settings.contract.commands[command].moves_money else settings.resend_window_s
        )
        self.witness.open(call.nonce, Stage(call.case.id, gateway, before_answer, watch_s, patience.holds_s(call)))
        message = {
            "cmd": "invoke",
            "id": call.message_id,
            "command": call.case.command,
            "base_url": self.witness.base_url(call.nonce),
            "consumer_key": self.account.consumer_key,
            "consumer_secret": self.account.consumer_secret,
            "timeout_s": patience.timeout_s(call),
            "params": dict(call.params),
        }
        astray, begun = self.witness.astray, time.monotonic()
        try:
            answer = self._asked(message, call.case.id, patience.allows_s(call))
        except Death as death:
            if death.how is How.HANG:
                patience.hung(call)
            answer = None
        if self.witness.arrivals(call.case.id) or self.witness.astray > astray:
            self._sent.add(call.case.id)
        if answer is not None:
            patience.took(call, time.monotonic() - begun, sent=self.sent(call))
        self.tick()
        return answer

    def tick(self, count: int = 1) -> None:
        """Count planned cases as done."""
        self.done += count
        self.progress.exchanged(self.done, self.planned)

    def result(self, request_id: str, case_id: str) -> dict[str, Any] | None:
        """Ask the client about a request; None if its driver died over the question.

        Raises GivenUp and OutOfTime.
        """
        message = {"cmd": "result", "id": self.cases.name("message"), "request_id": request_id}
        try:
            return self._asked(message, case_id, RESULT_WITHIN_S)
        except Death:
            return None

    def sent(self, call: PlannedCall) -> bool:
        """Whether a call led to a request, at any address."""
        return call.case.id in self._sent

    def note_out_of_time(self, reason: OutOfTime) -> None:
        """Note that the rest of the plan is left out."""
        self.journal.note("out-of-time", {"detail": str(reason), "left": self.planned - self.done})

    def restart(self) -> None:
        """Start the driver again although it owes no answer: its client's receiver has died. Raises Death."""
        if self.driver is None:
            raise SuiteError("there is no driver to start again")
        self.driver.kill()
        self.hello = self._greeted_again(self.driver, self.patience.left_s)

    def close(self) -> None:
        """Tell the driver to stop."""
        if self.driver is not None and self.driver.running:
            try:
                self.driver.stop()
            except Death as death:
                self._note(death)

    def _asked(self, message: dict[str, Any], case_id: str, within_s: float) -> dict[str, Any]:
        """The driver's answer. Raises Death, which is noted, GivenUp and OutOfTime."""
        if is_interrupted():
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
            # When an answer came twice, the first one had reset the count.
            self._deaths = 1 + (self._deaths_before if death.how is How.TWICE else self._deaths)
            if self._deaths >= MOST_DEATHS:
                raise GivenUp from death
            raise
        self._deaths, self._deaths_before = 0, self._deaths
        return answer

    def _greeted_again(self, driver: Driver, within_s: float) -> Hello:
        """Start it again; its receivers may listen at other addresses now. Raises Death for any failure."""
        self.log.hold()
        try:
            hello = driver.start(within_s)
        except UsageError as error:
            raise Death(How.GARBAGE, f"started again, {error.message}", None) from error
        finally:
            self.log.release(self.journal)
        self.journal.note("hello", hello.recorded())
        return hello

    def _note(self, death: Death) -> None:
        detail = {"case": death.case_id, "how": death.how.value, "detail": death.detail, "at": death.at}
        self.journal.note("death", detail)


# --- Having the calls made

# Most circuit breakers let a call through again after 30 s.
RECOVERS_WITHIN_S = 35.0
PROBE_EVERY_S = 2.5

# Time for refused parameters to be tried again: most are refused within a millisecond, some wait for a time-out.
AGAIN_WITHIN_S = 8.0


@dataclass(slots=True)
class Caller:
    """Has the client make its calls. `sendable`: by command, the parameters that the client has sent."""

    bench: Bench
    sendable: dict[str, list[Mapping[str, str]]] = field(default_factory=lambda: defaultdict(list))
    _first: PlannedCall | None = None
    _went_well: PlannedCall | None = None
    _postponed: list[PlannedCall] = field(default_factory=list)
    _refused: list[PlannedCall] = field(default_factory=list)
    _waiting: list[PlannedCall] = field(default_factory=list)
    _silent: bool = False
    _recovered_s: float = 0.0
    _turns: Counter[str] = field(default_factory=Counter)

    def call_everything(self) -> None:
        """Make every call of the plan, one after the other, except those that may take a minute."""
        bench, settings = self.bench, self.bench.settings
        names = bench.commands
        if focus := settings.focus:
            asked_for = focus.commands(settings.contract.catalogue, Actor.CLIENT)
            names = tuple(name for name in names if name in asked_for or None in asked_for)
        calls = calls_of(bench.cases, names, settings.max_examples, settings.seed, bench.hello.lacks)
        if focus:
            calls = needed(calls, focus, settings.contract)
        if not calls:
            return
        if "timeout" in bench.hello.lacks:
            self._postponed = [call for call in calls if call.waits]
            calls = [call for call in calls if not call.waits]
        bench.plan([each.case for call in calls for each in call.in_order])
        bench.journal.flush()
        bench.progress.phase("send", f"{len(calls)} calls")
        self._first = calls[0]
        self._make_all(calls)
        self._catch_up()
        self._ask_again()

    def call_first_again(self) -> None:
        """Repeat the first call that went well, after everything else."""
        first, bench = self._went_well or self._first, self.bench
        if first is None:
            return
        for _ in range(2):
            call = again(bench.cases, first)
            bench.plan([call.case])
            answer = bench.invoke(call)
            if bench.sent(call) or answer is None or answer.get("outcome") == "accepted":
                return
            if not self.sendable[call.case.command or ""]:
                return
            if not self._in_place(call) and not self._sends_again():
                return

    def call_postponed(self) -> None:
        """Make the calls for which a client whose time-out cannot be set may take all the rest of the time."""
        for call in self._postponed:
            self.bench.plan([call.case])
            self.bench.invoke(call)

    def _make_all(self, calls: Iterable[PlannedCall]) -> None:
        """Make the calls for which there is time."""
        patience, left = self.bench.patience, list(calls)
        receives, hurries = bool(self.bench.callbacks), False
        while left:
            if patience.hurries:
                # Payloads first, the slow ones last; reversed, because neighbours are alike.
                left = sorted(
                    left if hurries else reversed(left),
                    key=lambda call: (call.troubles, patience.expects_s(call), call.scenario.once),
                )
                hurries = True
            if not patience.spares(left[0], receives=receives):
                self.bench.note_out_of_time(patience.out_of_time)
                return
            for each in left.pop(0).in_order:
                self._make(each)

    def _make(self, call: PlannedCall) -> None:
        answer = self.bench.invoke(call)
        known = self.sendable[call.case.command or ""]
        if self.bench.sent(call):
            self._silent = False
            known.append(call.params)
            if self._went_well is None and answer is not None and answer.get("outcome") == "accepted":
                self._went_well = call
        elif answer is None:
            if call.scenario is not SENDING and known:
                self._in_place(call)
        elif answer.get("outcome") == "accepted":
            pass  # SND-01
        elif self._silent or not known:
            self._waiting.append(call)
        elif self._in_place(call):
            self._refused.append(call)
        elif call.scenario is SENDING or not self._extra(call, IN_PLACE, SENDING, self._params(call)):
            self._silent = True
            self._waiting.append(call)

    def _in_place(self, call: PlannedCall) -> bool:
        """Repeat its scenario with parameters that the client has sent before; whether it sends them now."""
        return self._extra(call, IN_PLACE, call.scenario, self._params(call))

    def _params(self, call: PlannedCall) -> Mapping[str, str]:
        """Parameters of the command that were sent; others each time, for a client may hold back a repetition."""
        command = call.case.command or ""
        known = self.sendable[command]
        self._turns[command] += 1
        return known[self._turns[command] % len(known)]

    def _extra(self, call: PlannedCall, why: str, scenario: ScenarioRow, params: Mapping[str, str]) -> bool:
        """Make a further call because of this one; whether it led to a request."""
        command, aspect = call.case.command or "", call.case.aspect
        cases, opening = self.bench.cases, call.opening if scenario is call.scenario else None
        if opening is not None:  # the same again, at another base URL
            opening = cases.call(command, opening.scenario, opening.case.aspect, self._params(call))
        extra = cases.call(command, scenario, aspect, params, opening)
        for each in extra.in_order:
            self._make_extra(each, why if each is extra else IN_PLACE, call.case.id)
        return self.bench.sent(extra)

    def _make_extra(self, call: PlannedCall, why: str, of: str | None) -> None:
        self.bench.plan([call.case])
        self.bench.journal.note(EXTRA, {"case": call.case.id, "why": why, "of": of})
        self.bench.invoke(call)

    def _catch_up(self) -> None:
        """Make the undecided calls again, as soon as the client sends anything."""
        waiting, self._waiting = spread(self._waiting), []
        while waiting and (not self._silent or self._sends_again()):
            call = waiting.pop(0)
            if not self.sendable[call.case.command or ""]:
                continue  # it has not sent any call of the command
            sent = self._extra(call, ASKED_AGAIN, call.scenario, call.params) or self._in_place(call)
            if not sent and not self._extra(call, IN_PLACE, SENDING, self._params(call)):
                self._silent = True  # once more
                waiting.insert(0, call)

    def _ask_again(self) -> None:
        """Try refused parameters again: those that the client sends now were not the reason."""
        refused, self._refused = self._refused, []
        ends = time.monotonic() + AGAIN_WITHIN_S
        for call in refused:
            if time.monotonic() > ends:
                return
            if not self._extra(call, ASKED_AGAIN, SENDING, call.params) and not self._extra(
                call, IN_PLACE, SENDING, self._params(call)
            ):
                return

    def _sends_again(self) -> bool:
        """Wait until a silent client sends again; whether it does."""
        command = next((name for name, known in self.sendable.items() if known), None)
        if command is None:
            return False
        sample = self.sendable[command][0]
        while self._recovered_s < RECOVERS_WITHIN_S:
            self.bench.progress.phase("wait", "until the client sends again")
            pause = min(PROBE_EVERY_S, self.bench.patience.left_s)
            time.sleep(pause)  # only a call shows that a breaker has closed
            self._recovered_s += pause
            probe = self.bench.cases.call(command, SENDING, PROBE, sample)
            self._make_extra(probe, PROBE, None)
            if self.bench.sent(probe):
                self._silent = False
                return True
        return False
