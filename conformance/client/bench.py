"""The tools of a certification: the bench, on which the client makes calls, and the patience with a slow client."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.client.driver import Death, Driver, How
from conformance.client.driver_log import DriverLog
from conformance.client.plan import Cases, Credential, PlannedCall, Setting, played
from conformance.client.protocol import Hello
from conformance.client.settings import ClientSettings
from conformance.client.witness import Stage, Witness
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

# Time to give up for a client whose time-out cannot be set (interfaces, "Driver protocol").
OWN_TIMEOUT_S = 90.0

# A request without an answer is held open for these time-outs and seconds, for a busy machine and for time-outs in
# whole seconds. A client that has not given up by then waits for ever.
HELD_TIMEOUTS, HELD_AFTER_S = 2, 1.0

# Once a client has waited for ever, it gets this beyond its time-out where it would do so again, or where there is
# nothing to wait for; after the second time less.
AFTER_A_HANG_S = 3.0
AFTER_HANGS_S = 1.0

# Where it may lawfully wait and ask again it gets more, but not for ever.
AFTER_HANGS_IN_TROUBLE_S = 5.0

# A client that has waited for its whole time-out once gets half of it where it would do so again, but not less than
# this: enough to send a request on a busy machine.
SHORTEST_TIMEOUT_S = 0.5

# After this number of calls that took their whole time-out and never became a request, the rest fail sooner.
SLOW_LOSSES = 3

# In the second half of the time, slow calls come last. A fifth is reserved for receivers; without any, enough for the
# first call again.
HURRIES_AT = 0.5
RESERVED_FOR_RECEIVERS = 0.2
RESERVED = 0.05


class OutOfTime(Exception):
    """The time that a certification may take is used up."""


class GivenUp(Exception):
    """The driver died too often in a row."""


@dataclass(slots=True)
class Patience:
    """The time for calls, which is shorter for a client that has waited for ever before.

    `lacks`: the features that the client's API does not expose.
    """

    settings: ClientSettings
    lacks: Collection[str] = ()
    begun: float = field(default_factory=time.monotonic)
    _hung: list[str] = field(default_factory=list)
    _waited: set[str] = field(default_factory=set)
    _longest_s: dict[str, float] = field(default_factory=dict)
    _slow_losses: int = 0

    @property
    def hurries(self) -> bool:
        """Whether the time is getting short."""
        return self.left_s < HURRIES_AT * self.settings.within_s

    def expects_s(self, call: PlannedCall) -> float:
        """The expected time of a call: the longest of its scenario."""
        return self._longest_s.get(call.scenario.name, 0.0)

    def spares(self, call: PlannedCall, *, receives: bool) -> bool:
        """Whether there is time for a call and the parts after the calls, with receivers if the client `receives`."""
        reserved = RESERVED_FOR_RECEIVERS if receives else RESERVED
        return self.left_s - self.expects_s(call) > reserved * self.settings.within_s

    @property
    def left_s(self) -> float:
        """The rest of the certification's time. Raises OutOfTime if there is none."""
        left = self.begun + self.settings.within_s - time.monotonic()
        if left <= 0:
            raise self.out_of_time
        return left

    @property
    def out_of_time(self) -> OutOfTime:
        """To be raised when no time is left."""
        return OutOfTime(f"the {self.settings.within_s:g} s for calls were used up; with --product there are fewer")

    def timeout_s(self, call: PlannedCall) -> float:
        """The client's time-out for a call."""
        whole = self.settings.timeout_s
        if call.scenario.name in self._waited:
            return max(whole / 2, min(whole, SHORTEST_TIMEOUT_S))
        if not call.troubles and self._slow_losses >= SLOW_LOSSES:
            return min(whole, SHORTEST_TIMEOUT_S)
        return whole

    def holds_s(self, call: PlannedCall) -> float:
        """The time after which the connection of a client that waits for the end of an answer is closed."""
        if "timeout" in self.lacks:
            return OWN_TIMEOUT_S
        return HELD_TIMEOUTS * self.timeout_s(call) + HELD_AFTER_S

    def allows_s(self, call: PlannedCall) -> float:
        """The driver's time for a call, if the certification had no end."""
        hangs, more_s = len(self._hung), self.settings.patience_s
        if call.waits and "timeout" in self.lacks:
            return OWN_TIMEOUT_S + more_s
        if hangs and (call.waits or not call.troubles or call.scenario.name in self._hung):
            more_s = min(more_s, AFTER_A_HANG_S if hangs == 1 else AFTER_HANGS_S)
        elif hangs > 1:
            more_s = min(more_s, AFTER_HANGS_IN_TROUBLE_S)
        return self.timeout_s(call) + more_s

    def took(self, call: PlannedCall, seconds: float, *, sent: bool) -> None:
        """Note the time of a call; `sent`: it led to a request."""
        self._longest_s[call.scenario.name] = max(seconds, self.expects_s(call))
        if seconds < 0.9 * self.timeout_s(call):
            return
        if not sent:
            self._slow_losses += 1
        elif call.waits:
            self._waited.add(call.scenario.name)

    def hung(self, call: PlannedCall) -> None:
        """Note that the client did not answer at all."""
        self._longest_s[call.scenario.name] = self.allows_s(call)
        self._hung.append(call.scenario.name)
        if call.waits:
            self._waited.add(call.scenario.name)


@dataclass(slots=True)
class Bench:
    """The tools of a certification; `driver` is None where a receiver is judged alone."""

    settings: ClientSettings
    journal: Journal
    log: DriverLog
    witness: Witness
    cases: Cases
    credential: Credential
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
        contract, elsewhere = settings.contract, f"{self.witness.base_url(call.nonce, elsewhere=True)}/{command}"
        setting = Setting(call.nonce, elsewhere, patience.timeout_s(call))
        account = Account(self.credential.key, self.credential.secret, contract=contract)
        gateway = Gateway(account, played(call.scenario, setting), int(call.nonce, 16))
        watch_s = settings.advised_delay_s if contract.commands[command].moves_money else settings.resend_window_s
        self.witness.open(call.nonce, Stage(call.case.id, gateway, before_answer, watch_s, patience.holds_s(call)))
        message = {
            "cmd": "invoke",
            "id": call.message_id,
            "command": call.case.command,
            "base_url": self.witness.base_url(call.nonce),
            "consumer_key": self.credential.key,
            "consumer_secret": self.credential.secret,
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
