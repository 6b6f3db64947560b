"""Plans with given phone numbers, read as leniently as gateways do: nobody else is found in them.

strangers   whole plans, of other seeds, numbers, products and limits each
"""

from __future__ import annotations

from random import Random

from lenient_readers import dialled

from benchmarks.chaos.figures import Figures
from conformance.contract.commands import PRODUCTS
from conformance.gateway_under_test.limits import Limits
from conformance.gateway_under_test.plan import Plan
from conformance.gateway_under_test.settings import Settings

BASE = "https://gateway.invalid/api/v2"
PRODUCTS_AT_ONCE = 2


def strangers(figures: Figures, plans: int) -> None:
    """So many plans; each case in them is read in every way."""
    chance = Random(1)
    for seed in range(plans):
        numbers = tuple({f"254{chance.choice('17')}{chance.randrange(10**8):08}" for _ in range(chance.randint(1, 3))})
        settings = Settings(
            "key",
            "secret-3P0R4q",
            BASE,
            products=tuple(sorted(chance.sample(PRODUCTS, PRODUCTS_AT_ONCE), key=PRODUCTS.index)),
            phone_numbers=numbers,
            limits=Limits(10_000, 10**9),
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
