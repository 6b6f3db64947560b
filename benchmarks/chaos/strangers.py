"""Plans with given phone numbers, read as leniently as gateways do: nobody else is found in them.

strangers   whole plans, of other seeds, numbers and products each
"""

from __future__ import annotations

from random import Random

from lenient_readers import dialled

from benchmarks.chaos.figures import Figures
from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings

BASE = "http://127.0.0.1:9/api/v2"


def strangers(figures: Figures, plans: int, first: int = 0) -> None:
    """So many plans, beginning with that seed; each case in them is read in every way."""
    for seed in range(first, first + plans):
        chance = Random(seed)
        numbers = tuple({f"254{chance.choice('17')}{chance.randrange(10**8):08}" for _ in range(chance.randint(1, 3))})
        settings = Settings(
            "key",
            "secret-3P0R4q",
            BASE,
            products=(chance.choice(statum().products),),
            phone_numbers=numbers,
            max_examples=chance.randrange(12),
            seed=seed,
        )
        given = {number.removeprefix("254") for number in numbers}
        for case in Plan.of(settings, BASE).cases:
            found = dialled(case.request, BASE) - given
            figures.add(
                "strangers found in plans", len(found), f"{case.id} of seed {seed}: {case.request.body[:200]!r}"
            )
        figures.add("plans read", 1)
