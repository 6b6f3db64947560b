"""What a run may cost, and at what pace it goes: limits that are given, and those that hold where none is.

    Limits          as they are given; .within(beyond) fills in what holds beyond this machine

Of a gateway on this machine nothing is lost, so nothing limits a run against it unless that is asked for. Any other
may be a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError
from conformance.wire import Allowance, Manners, Pace
from conformance.wire.allowance import PROBATION_S, check_limits
from conformance.wire.answers import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from conformance.wire.sender import CONCURRENCY

# Enough for a request of each kind that tells most, few enough to be paid for without a thought.
DEFAULT_MAX_ACCEPTED = 25
# Requests per second: what any gateway bears, and somebody who watches can follow.
DEFAULT_RATE_PER_S = 5.0
# More would be a load test, which this is not; each is a thread with a connection of its own.
MOST_CONCURRENCY = 256
# A request in a quarter of an hour, and more than any machine sends: what lies beyond either is a typing error.
LEAST_RATE, MOST_RATE = 0.001, 100_000.0
# A millisecond, and an hour: whatever takes longer is not waited for by anybody.
LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 0.001, 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is given by options; None: what holds for the gateway at hand. Raises UsageError for what cannot be used."""

    max_accepted: int | None = None
    max_spend: int | None = None
    rate_per_s: float | None = None
    concurrency: int = CONCURRENCY
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = ANSWER_TIMEOUT_S

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        check_limits(self.max_accepted, self.max_spend)
        if self.rate_per_s is not None and not self.rate_per_s > 0:
            raise UsageError(f"--rate is {self.rate_per_s:g}; expected more than 0 requests per second")
        if self.rate_per_s is not None and not LEAST_RATE <= self.rate_per_s <= MOST_RATE:
            raise UsageError(
                f"--rate is {self.rate_per_s:g}; expected from {LEAST_RATE:g} to {MOST_RATE:,.0f} requests per second"
            )
        if not 1 <= self.concurrency <= MOST_CONCURRENCY:
            raise UsageError(f"--concurrency is {self.concurrency}; expected 1 to {MOST_CONCURRENCY}")
        for name, seconds in (("--connect-timeout", self.connect_timeout_s), ("--read-timeout", self.read_timeout_s)):
            if 0 < seconds < LEAST_TIMEOUT_S:
                raise UsageError(f"{name} is {seconds:g}; expected a millisecond (0.001) or more")
            if not 0 < seconds <= MOST_TIMEOUT_S:
                raise UsageError(f"{name} is {seconds:g}; expected more than 0 and at most an hour (3600 seconds)")

    def check_sufficient(self, gateway: str, commands: Sequence[Command]) -> None:
        """UsageError if money would be moved by a gateway beyond this machine and nobody said how much may be.

        A message costs something as well, but the API does not say how much: --max-accepted limits that.
        """
        moving = [command.name for command in commands if command.moves_money]
        if self.max_spend is None and moving:
            raise UsageError(
                f"--max-spend is missing; {gateway} is not on this machine, and {', '.join(moving)} may move money",
                hint="say how many shillings a run may move, as in --max-spend 500, or leave them out: --product sms",
            )

    def within(self, *, beyond: bool) -> Self:
        """The limits that hold for a gateway; `beyond`: it is not on this machine."""
        if not beyond:
            return self
        accepted = DEFAULT_MAX_ACCEPTED if self.max_accepted is None else self.max_accepted
        return replace(self, max_accepted=accepted, rate_per_s=self.rate_per_s or DEFAULT_RATE_PER_S)

    @property
    def any(self) -> bool:
        """Whether there is anything that an accepted request counts against."""
        return self.max_accepted is not None or self.max_spend is not None

    def allowance(self, contract: Contract) -> Allowance:
        """What all that a run by that contract sends has to stay within."""
        return Allowance(contract, self.max_accepted, self.max_spend, PROBATION_S)

    def pace(self, seed: int, held_until: Callable[[], float]) -> Pace:
        """At which a run sends; the same seed gives the same jitter. `held_until`: as `Pace` has it."""
        return Pace(self.rate_per_s, held_until=held_until, jitter=Random(f"jitter {seed}").random)

    def manners(self, *, over_network: bool, recorded_first: bool, keep_alive: bool) -> Manners:
        """How a run sends."""
        return Manners(
            self.concurrency, self.read_timeout_s, self.connect_timeout_s, over_network, recorded_first, keep_alive
        )

    def recorded(self) -> Mapping[str, Any]:
        """As the journal keeps them."""
        return {
            "max_accepted": self.max_accepted,
            "max_spend": self.max_spend,
            "rate_per_s": self.rate_per_s,
            "concurrency": self.concurrency,
            "connect_timeout_s": self.connect_timeout_s,
            "read_timeout_s": self.read_timeout_s,
        }


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, so that no network lies between."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
