"""The settings of a load run beside those of an ordinary run, checked once.

Load on a gateway beyond this machine is refused without the limits that a run there has as well, given in words: a
default of 25 requests would be no load, and a load by default would be paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from conformance.gateway.settings import LEAST_RATE, MOST_RATE, Settings
from conformance.judging.objectives import SLO
from conformance.model.errors import UsageError
from conformance.wire.listening import Address

DEFAULT_RATE_PER_S = 100.0
DEFAULT_FOR_S = 30.0
# A week: soak tests last days, and longer waits are mistakes.
LEAST_FOR_S, MOST_FOR_S = 0.1, 7 * 86_400.0
DEFAULT_WORKERS = 2
DEFAULT_RECEIVERS = 1
# Each is a process; more on one machine are a typing error.
MOST_PROCESSES = 256


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How much load, and by whom.

    `rate` is that of requests to be accepted, per second over all workers, for `for_s` seconds. `workers` are the
    processes on this machine, `expect_workers` those of others that join at `listen_workers`; `receivers` the processes
    that take notifications. `web`: where Locust's web page is served, None for none. `slo`: figures to judge by.
    Raises UsageError for numbers out of range, and for no worker at all.
    """

    rate: float = DEFAULT_RATE_PER_S
    for_s: float = DEFAULT_FOR_S
    workers: int = DEFAULT_WORKERS
    expect_workers: int = 0
    listen_workers: Address | None = None
    receivers: int = DEFAULT_RECEIVERS
    web: Address | None = None
    slo: SLO | None = None

    def __post_init__(self) -> None:
        """Refuse unusable values."""
        if not LEAST_RATE <= self.rate <= MOST_RATE:
            raise UsageError(f"--rate is {self.rate:g}; expected from {LEAST_RATE:g} to {MOST_RATE:,.0f} a second")
        if not LEAST_FOR_S <= self.for_s <= MOST_FOR_S:
            raise UsageError(
                f"--for is {self.for_s:g}; expected from {LEAST_FOR_S:g} to {MOST_FOR_S:,.0f} seconds, a week"
            )
        counts = {"workers": self.workers, "expect-workers": self.expect_workers}
        for name, count in counts.items():
            if not 0 <= count <= MOST_PROCESSES:
                raise UsageError(f"--{name} is {count}; expected from 0 to {MOST_PROCESSES}")
        if not 1 <= self.receivers <= MOST_PROCESSES:
            raise UsageError(f"--receivers is {self.receivers}; expected from 1 to {MOST_PROCESSES}")
        if self.expect_workers and self.listen_workers is None:
            raise UsageError(
                "--expect-workers is given without --listen-workers; expected the address at which they join",
                hint="for example --listen-workers 0.0.0.0:5557",
            )
        if self.listen_workers is not None and not self.expect_workers:
            raise UsageError("--listen-workers is given without --expect-workers; expected how many will join")
        if not self.workers + self.expect_workers:
            raise UsageError("--workers is 0, and no other workers are expected; expected one that sends")

    @property
    def accepted(self) -> int:
        """How many requests are to be accepted in all."""
        return max(1, round(self.rate * self.for_s))

    def recorded(self) -> dict[str, Any]:
        """The setting `load` of the journal."""
        return {
            "rate": self.rate,
            "for_s": self.for_s,
            "workers": self.workers + self.expect_workers,
            "receivers": self.receivers,
            "slo": None if self.slo is None else self.slo.recorded(),
        }


def check_installed() -> None:
    """Raise UsageError where Locust is not installed. It is looked for, never imported: it patches the interpreter."""
    if find_spec("locust") is None:
        raise UsageError("load needs Locust, which is not installed", hint="pip install locust")


def check_permitted(settings: Settings) -> None:
    """Raise UsageError for a gateway beyond this machine without --max-accepted.

    The settings of every run see to phone numbers and --max-spend.
    """
    if settings.beyond and settings.limits.max_accepted is None:
        raise UsageError(
            f"--max-accepted is missing; {settings.gateway} is not on this machine, so accepted requests cost money",
            hint="say how many requests may be accepted in all, as in --max-accepted 1000",
        )
