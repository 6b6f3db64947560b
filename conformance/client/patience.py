"""How long a client may take: for one call, and for all of a certification together.

Patience        counts down from the beginning, and is shorter with a client that has waited for ever before
OutOfTime       the time of the certification is used up
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from conformance.client.plan import Call
from conformance.client.settings import Settings

# A client whose time-out cannot be set has so long to give up (interfaces, "Driver protocol").
OWN_TIMEOUT_S = 90.0

# A request without an answer is held open for so many time-outs and so long after that, for a busy machine and for
# time-outs in whole seconds. A client that is still there waits for ever.
HELD_TIMEOUTS, HELD_AFTER_S = 2, 1.0

# Once a client has waited for ever, it is given so much more than its time-out where it would wait for ever again, or
# where there is nothing to wait for; then, as there is no doubt any more, less.
AFTER_A_HANG_S = 3.0
AFTER_HANGS_S = 1.0

# Where it may lawfully wait and ask again it is given more, but not for ever.
AFTER_HANGS_IN_TROUBLE_S = 5.0

# A client that has waited for its whole time-out once is given half of it where it would do so again, but not less than
# this: enough to send a request on a busy machine.
SHORTEST_TIMEOUT_S = 0.5

# After so many calls that have waited for their whole time-out and never became a request, the rest are to fail sooner.
SLOW_LOSSES = 3

# Once half of the time is gone, what takes long comes last. A fifth is kept for receivers; without any, enough for the
# first call again.
HURRIES_AT = 0.5
KEPT_FOR_RECEIVERS = 0.2
KEPT = 0.05


class OutOfTime(Exception):
    """The time that a certification may take is used up."""


@dataclass(slots=True)
class Patience:
    """Starts when it is made. `lacks`: what the client's API does not expose."""

    settings: Settings
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

    def expects_s(self, call: Call) -> float:
        """How long a call will take: what another of its scenario has taken."""
        return self._longest_s.get(call.scenario.name, 0.0)

    def spares(self, call: Call, *, receives: bool) -> bool:
        """Whether there is time for a call, and for what comes after all calls; `receives`: receivers among it."""
        kept = KEPT_FOR_RECEIVERS if receives else KEPT
        return self.left_s - self.expects_s(call) > kept * self.settings.within_s

    @property
    def left_s(self) -> float:
        """How much of the certification's time is left. Raises OutOfTime if none is."""
        left = self.begun + self.settings.within_s - time.monotonic()
        if left <= 0:
            raise self.out_of_time
        return left

    @property
    def out_of_time(self) -> OutOfTime:
        """To be raised when none is left."""
        return OutOfTime(f"the {self.settings.within_s:g} s for calls were used up; with --product there are fewer")

    def timeout_s(self, call: Call) -> float:
        """The time-out that the client is given for a call."""
        whole = self.settings.timeout_s
        if call.scenario.name in self._waited:
            return max(whole / 2, min(whole, SHORTEST_TIMEOUT_S))
        if not call.troubles and self._slow_losses >= SLOW_LOSSES:
            return min(whole, SHORTEST_TIMEOUT_S)
        return whole

    def holds_s(self, call: Call) -> float:
        """How long a client may wait for the end of an answer before its connection is closed."""
        if "timeout" in self.lacks:
            return OWN_TIMEOUT_S
        return HELD_TIMEOUTS * self.timeout_s(call) + HELD_AFTER_S

    def allows_s(self, call: Call) -> float:
        """How long the driver may take for a call, were there no end to the certification."""
        if call.waits and "timeout" in self.lacks:
            return OWN_TIMEOUT_S + self.settings.patience_s
        return self.timeout_s(call) + min(self.settings.patience_s, self._more_s(call))

    def _more_s(self, call: Call) -> float:
        hangs = len(self._hung)
        if not hangs:
            return self.settings.patience_s
        if call.waits or not call.troubles or call.scenario.name in self._hung:
            return AFTER_A_HANG_S if hangs == 1 else AFTER_HANGS_S
        return self.settings.patience_s if hangs == 1 else AFTER_HANGS_IN_TROUBLE_S

    def took(self, call: Call, seconds: float, *, sent: bool) -> None:
        """The client has answered after so long; `sent`: a request came of the call."""
        self._longest_s[call.scenario.name] = max(seconds, self.expects_s(call))
        if seconds < 0.9 * self.timeout_s(call):
            return
        if not sent:
            self._slow_losses += 1
        elif call.waits:
            self._waited.add(call.scenario.name)

    def hung(self, call: Call) -> None:
        """The client has not answered at all."""
        self._longest_s[call.scenario.name] = self.allows_s(call)
        self._hung.append(call.scenario.name)
        if call.waits:
            self._waited.add(call.scenario.name)
