"""How likely it is that chance alone shows what was seen: the exact tests behind each claim on what a failure depends.

above       so many failures or more among some observations, if they were spread at random over all
regular     failures at one distance, if they were spread at random over a row
split       one payload fails each time and another never, if both failed at the rate of the run
"""

from __future__ import annotations

from math import comb, exp, lgamma

# A claim may be chance once in a thousand runs: people mend by what it says, and each run makes several.
ERROR_RATE = 0.001
# Requests that are sent for it alone are few, since each of them may cost money: one in a hundred.
ERROR_RATE_OF_A_ROW = 0.01
# Terms that add less than this do not change a sum.
NEGLIGIBLE = 1e-9


def above(ill_inside: int, inside: int, ill: int, of: int) -> float:
    """The chance of `ill_inside` failures or more among `inside` of the `of` observations, `ill` of which failed.

    Fisher's exact test, one-sided. Only for more than are to be expected there; 1 for fewer.
    """
    if ill_inside * of <= ill * inside:
        return 1.0
    total, every = 0.0, _log_comb(of, ill)
    for number in range(ill_inside, min(ill, inside) + 1):
        term = exp(_log_comb(inside, number) + _log_comb(of - inside, ill - number) - every)
        total += term
        if term < NEGLIGIBLE * total:
            break
    return min(1.0, total)


def regular(hits: int, length: int, step: int | None = None) -> float:
    """The chance that `hits` in a row of `length` all come at one distance, none missing; at `step`, if given."""
    steps = range(2, length) if step is None else (step,)
    rows = sum(max(0, min(each, length - (hits - 1) * each) - max(0, length - hits * each)) for each in steps)
    return rows / comb(length, hits)


def split(ill: int, well: int, failed: int, of: int) -> float:
    """The chance that one payload fails `ill` times in a row and another `well` times not, at the rate of a run.

    That rate is `failed` of `of`, with one failure and one success added: neither is certain.
    """
    rate = (failed + 1) / (of + 2)
    return float(rate**ill * (1 - rate) ** well)


def _log_comb(of: int, chosen: int) -> float:
    if not 0 <= chosen <= of:
        return float("-inf")
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)
