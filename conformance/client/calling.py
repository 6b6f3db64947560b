"""The part of a certification that has the client make its calls, and finds out why one became no request.

    call_everything         every call of the plan, one after the other
    call_first_again        after all of it, the first call once more
    call_what_waits         what a client whose time-out cannot be set may take a minute for

Every call is valid, so one that leads to no request is looked into at once. The same scenario goes on with parameters
that the client was seen to send (IN_PLACE). Are these sent, the client has refused the others; they are tried once more
at the end (ASKED_AGAIN). Are they not sent either, the client sends nothing at all at that time, as one with an open
circuit breaker does; it is waited for. What came of it stands in the journal, and the checks judge it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance.client.plan import Call, again, calls_of, spread
from conformance.client.rules.calls import ASKED_AGAIN, EXTRA, IN_PLACE, PROBE
from conformance.client.scenarios import SENDING
from conformance.contract.behaviours import ScenarioRow

if TYPE_CHECKING:
    from conformance.client.certification import Bench

# Most circuit breakers let a call through again after 30 s.
RECOVERS_WITHIN_S = 35.0
PROBE_EVERY_S = 2.5

# Refused parameters are tried once more for so long: most are refused within a millisecond, some wait for a time-out.
AGAIN_WITHIN_S = 8.0


def call_everything(bench: Bench) -> None:
    """The part that calls, and looks into what was not sent."""
    settings = bench.settings
    calls = calls_of(bench.cases, bench.commands, settings.max_examples, settings.seed, bench.hello.lacks)
    if not calls:
        return
    if "timeout" in bench.hello.lacks:
        bench.postponed = [call for call in calls if call.waits]
        calls = [call for call in calls if not call.waits]
    bench.plan([each.case for call in calls for each in call.in_order])
    bench.journal.flush()
    bench.progress.phase("send", f"{len(calls)} calls")
    bench.first = calls[0]
    bench.caller.make(calls)


def call_first_again(bench: Bench) -> None:
    """The part after all others: the first call that went well once more."""
    first = bench.caller.first or bench.first
    if first is None:
        return
    for _ in range(2):
        call = again(bench.cases, first)
        bench.plan([call.case])
        answer = bench.invoke(call)
        if bench.sent(call) or answer is None or answer.get("outcome") == "accepted":
            return
        if not bench.caller.taken[call.case.command or ""]:
            return
        if not bench.caller.in_place(call) and not bench.caller.sends_again():
            return


def call_what_waits(bench: Bench) -> None:
    """The last part: each of these calls may take all the time that is left."""
    for call in bench.postponed:
        bench.plan([call.case])
        bench.invoke(call)


@dataclass(slots=True)
class Caller:
    """Has calls made. `taken`: by command, the parameters that the client was seen to send; `first`: what went well."""

    bench: Bench
    taken: dict[str, list[Mapping[str, str]]] = field(default_factory=lambda: defaultdict(list))
    first: Call | None = None
    _refused: list[Call] = field(default_factory=list)
    _waiting: list[Call] = field(default_factory=list)
    _silent: bool = False
    _recovered_s: float = 0.0
    _turns: Counter[str] = field(default_factory=Counter)

    def make(self, calls: Iterable[Call]) -> None:
        """Make all of them that there is time for, then what was left open by some."""
        patience, left = self.bench.patience, list(calls)
        receives, hurries = bool(self.bench.callbacks), False
        while left:
            if patience.hurries:
                # From the other end, for what stands together there is alike; what is known to take long comes last.
                left = sorted(left if hurries else reversed(left), key=self._cost)
                hurries = True
            if not patience.spares(left[0], receives=receives):
                self.bench.note_out_of_time(patience.out_of_time)
                break
            for each in left.pop(0).in_order:
                self._make(each)
        self._catch_up()
        self._ask_again()

    def _cost(self, call: Call) -> tuple[bool, float, bool]:
        """What comes first when time is short: first of all, the payloads."""
        return call.troubles, self.bench.patience.expects_s(call), call.scenario.once

    def _make(self, call: Call) -> None:
        answer = self.bench.invoke(call)
        if self.bench.sent(call):
            self._silent = False
            self._note_sent(call, answer)
        elif answer is None:
            if call.scenario is not SENDING and self.taken[call.case.command or ""]:
                self.in_place(call)
        elif answer.get("outcome") == "accepted":
            pass  # it says that there was one; SND-01
        elif self._silent or not self.taken[call.case.command or ""]:
            self._waiting.append(call)
        else:
            self._look_into(call)

    def _note_sent(self, call: Call, answer: Mapping[str, Any] | None) -> None:
        self.taken[call.case.command or ""].append(call.params)
        if self.first is None and answer is not None and answer.get("outcome") == "accepted":
            self.first = call

    def _look_into(self, call: Call) -> None:
        if self.in_place(call):
            self._refused.append(call)
        elif call.scenario is SENDING or not self._extra(call, IN_PLACE, SENDING, self._params(call)):
            self._silent = True
            self._waiting.append(call)

    def in_place(self, call: Call) -> bool:
        """Go on in its scenario with parameters that the client has sent before; whether they are sent now."""
        return self._extra(call, IN_PLACE, call.scenario, self._params(call))

    def _params(self, call: Call) -> Mapping[str, str]:
        """Parameters of the command that were sent; others each time, for a client may hold a repetition back."""
        command = call.case.command or ""
        known = self.taken[command]
        self._turns[command] += 1
        return known[self._turns[command] % len(known)]

    def _extra(self, call: Call, why: str, scenario: ScenarioRow, params: Mapping[str, str]) -> bool:
        """A further call that is made because of that one; whether it became a request."""
        command, aspect = call.case.command or "", call.case.aspect
        cases, opening = self.bench.cases, call.opening if scenario is call.scenario else None
        if opening is not None:  # the same once more, at another base URL
            opening = cases.call(command, opening.scenario, opening.case.aspect, self._params(call))
        extra = cases.call(command, scenario, aspect, params, opening)
        for each in extra.in_order:
            self.bench.plan([each.case])
            reason = why if each is extra else IN_PLACE
            self.bench.journal.note(EXTRA, {"case": each.case.id, "why": reason, "of": call.case.id})
            self.bench.invoke(each)
        return self.bench.sent(extra)

    def _catch_up(self) -> None:
        """Make the calls once more that nothing could be told of, as soon as the client sends anything."""
        waiting, self._waiting = spread(self._waiting), []
        while waiting and (not self._silent or self.sends_again()):
            call = waiting.pop(0)
            if not self.taken[call.case.command or ""]:
                continue  # it has not sent any call of the command
            sent = self._extra(call, ASKED_AGAIN, call.scenario, call.params) or self.in_place(call)
            if not sent and not self._extra(call, IN_PLACE, SENDING, self._params(call)):
                self._silent = True  # once more
                waiting.insert(0, call)

    def _ask_again(self) -> None:
        """Try refused parameters once more: what is sent now was not refused for itself."""
        refused, self._refused = self._refused, []
        ends = time.monotonic() + AGAIN_WITHIN_S
        for call in refused:
            if time.monotonic() > ends:
                return
            if not self._extra(call, ASKED_AGAIN, SENDING, call.params) and not self._extra(
                call, IN_PLACE, SENDING, self._params(call)
            ):
                return

    def sends_again(self) -> bool:
        """Wait until a client that sends nothing sends again; whether it does."""
        command = next((name for name, known in self.taken.items() if known), None)
        if command is None:
            return False
        sample = self.taken[command][0]
        while self._recovered_s < RECOVERS_WITHIN_S:
            self.bench.progress.phase("wait", "until the client sends again")
            pause = min(PROBE_EVERY_S, self.bench.patience.left_s)
            time.sleep(pause)  # nothing tells when a breaker closes but a call
            self._recovered_s += pause
            probe = self.bench.cases.call(command, SENDING, PROBE, sample)
            self.bench.plan([probe.case])
            self.bench.journal.note(EXTRA, {"case": probe.case.id, "why": PROBE, "of": None})
            self.bench.invoke(probe)
            if self.bench.sent(probe):
                self._silent = False
                return True
        return False
