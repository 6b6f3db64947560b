"""The part of a certification in which the client makes its calls, and why a call led to no request.

Every call is valid, so one that leads to no request is examined at once: the same scenario is repeated with parameters
that the client has sent before (IN_PLACE). If these are sent, the client has refused the others, which are tried again
at the end (ASKED_AGAIN). If not, the client sends nothing at all for the moment, as with an open circuit breaker, and
the suite waits for it. The journal records the outcome, and the rules judge it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from conformance.client.bench import Bench
from conformance.client.plan import SENDING, PlannedCall, again, calls_of, spread
from conformance.client.rules.calls import ASKED_AGAIN, EXTRA, IN_PLACE, PROBE
from conformance.contract.tables import ScenarioRow

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
        calls = calls_of(bench.cases, bench.commands, settings.max_examples, settings.seed, bench.hello.lacks)
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
