"""What sets failures apart: claimed with evidence, and hardly ever where chance spread them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.diagnosis.follow_ups import ERROR_RATE, FailureCount
from conformance.diagnosis.patterns import Classes, Observation, PatternContext, pattern_of_run, regular, set_apart
from conformance.judging.coverage import Label
from conformance.judging.excuses import chance_of_as_many
from conformance.judging.judgement import Dependence
from conformance.model.traffic import Kind

KINDS = (Kind.VALID, Kind.BROKEN, Kind.MALFORMED, Kind.CREDENTIAL)
ASPECTS = ("sample", "random", "unicode", "long", "boundary", "missing", "pattern", "no-json", "wrong-key", "absent")
CODES = ("200", "200", "200", "404", "408", "500")
STATUSES = (200, 400, 401, 422)
CLASSES: tuple[Label, ...] = tuple(("valid", "message", f"class {number}") for number in range(30))

Which = Callable[[Observation], bool]


def run_of(size: int, chance: Random) -> list[Observation]:
    """Observations of a run in which every trait varies."""
    return [
        Observation(
            number,
            f"case-{number}",
            chance.choice(KINDS),
            chance.choice(ASPECTS),
            chance.choice((None, "message", "phone_number", "amount")),
            failed=False,
            keyword=chance.choice((None, "pattern", "type")),
            command="sms",
            status=chance.choice(STATUSES),
            outcome=chance.choice(CODES),
        )
        for number in range(1, size + 1)
    ]


def classes_of(size: int, chance: Random) -> dict[int, tuple[Label, ...]]:
    """The classes of payloads of each: a few, as texts have them."""
    return {number: tuple(chance.sample(CLASSES, 4)) for number in range(1, size + 1)}


def of_form(classes: Classes) -> PatternContext:
    """The context of a requirement on the form of a message."""
    return PatternContext(is_of_form=True, classes=classes, outcome="result_code")


def failing(observations: list[Observation], which: Which) -> list[Observation]:
    """The same, of which those failed."""
    return [replace(o, failed=which(o)) for o in observations]


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.3])
def test_chance_is_hardly_ever_taken_for_a_cause(rate: float) -> None:
    """Of 200 runs whose failures are random none may claim a dependence, give or take the error rate."""
    claims = 0
    for seed in range(200):
        chance = Random(f"{rate}/{seed}")
        seen = failing(run_of(160, chance), lambda _, chance=chance: chance.random() < rate)  # type: ignore[misc]
        failed = sum(o.failed for o in seen)
        pattern = pattern_of_run(seen, failed, len(seen), of_form(classes_of(160, chance)))
        claims += bool(pattern.claim) or pattern.kind is not Dependence.UNTOLD
        assert f"{failed} of 160" in pattern.text
    # With one claim in a thousand runs, more than three of 200 are seen once in 10,000 such tests.
    assert claims <= 3


TOLD: dict[str, Which] = {
    "always where result_code is 500": lambda o: o.outcome == "500",
    "always where kind is malformed": lambda o: o.kind is Kind.MALFORMED,
    "always where aspect is unicode": lambda o: o.aspect == "unicode",
    "always where the broken member is amount": lambda o: o.member == "amount",
    "always where the broken keyword is type": lambda o: o.keyword == "type",
    "always where the HTTP status is 422": lambda o: o.status == 422,
    "always where kind is broken or malformed": lambda o: o.kind in (Kind.BROKEN, Kind.MALFORMED),
}


def test_a_certain_trait_is_claimed_with_its_numbers() -> None:
    """And with those elsewhere."""
    told, expected = [], []
    for words, which in TOLD.items():
        chance = Random(words)
        seen = failing(run_of(160, chance), which)
        failed = sum(o.failed for o in seen)
        told.append(pattern_of_run(seen, failed, 160, of_form(classes_of(160, chance))).text)
        expected.append(f"{words}: {failed} of {failed} (0 of {160 - failed} elsewhere)")

    assert expected == told


def test_a_class_of_payloads_is_claimed_and_followed_up() -> None:
    """It may be brought down to less."""
    chance = Random(1)
    classes = classes_of(160, chance)
    seen = failing(run_of(160, chance), lambda o: CLASSES[7] in classes[o.number])
    failed = sum(o.failed for o in seen)

    pattern = pattern_of_run(seen, failed, 160, PatternContext(classes=classes))

    words = f"always where message is of the class “class 7”: {failed} of {failed} (0 of {160 - failed} elsewhere)"
    assert (Dependence.PAYLOAD, words, True) == (pattern.kind, pattern.text, pattern.open)


def test_a_part_of_those_with_a_trait_is_intermittent() -> None:
    """That it is seen there alone is said, too."""
    chance = Random(2)
    seen = failing(run_of(160, chance), lambda o: o.outcome == "500" and o.number % 3 > 0)
    failed, inside = sum(o.failed for o in seen), sum(o.outcome == "500" for o in seen)

    pattern = pattern_of_run(seen, failed, 160, of_form({}))

    elsewhere = f"0 of {160 - inside} elsewhere"
    words = f"intermittent, only where result_code is 500: {failed} of {inside} ({elsewhere})"
    assert (Dependence.INTERMITTENT, words) == (pattern.kind, pattern.text)


def test_the_result_itself_explains_nothing() -> None:
    """A refused request fails because it was refused; a result_code is wrong where it is that."""
    refused = failing(run_of(160, Random(3)), lambda o: o.status == 422)
    failed = failing(run_of(160, Random(3)), lambda o: o.outcome == "500")

    assert set_apart(refused, PatternContext(outcome="result_code")) is None
    assert set_apart(failed, replace(of_form({}), pointer="/result_code")) is None


def test_few_observations_support_no_claim() -> None:
    """However well a trait fits them."""
    for size in (3, 4, 5, 8):
        for ill in range(1, size):
            seen = failing(run_of(size, Random(size)), lambda o, ill=ill: o.number <= ill)  # type: ignore[misc]
            assert set_apart(seen, PatternContext(is_of_form=True)) is None


# --- The tests behind it


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_the_chance_of_as_many_is_the_tail_of_the_hypergeometric_distribution(a: int, b: int, c: int, d: int) -> None:
    """Counted out; only for more than are to be expected."""
    inside, ill, of = a + b, a + c, a + b + c + d
    if a * of <= ill * inside:
        assert 1.0 == chance_of_as_many(a, inside, ill, of)
        return
    ways = sum(comb(inside, n) * comb(of - inside, ill - n) for n in range(a, min(inside, ill) + 1))
    assert chance_of_as_many(a, inside, ill, of) == pytest.approx(ways / comb(of, ill), rel=1e-6)


@given(st.integers(2, 5), st.integers(3, 14))
def test_regular_counts_the_rows_of_one_distance(hits: int, length: int) -> None:
    """Those that are complete, out of all that have as many."""
    rows = sum(len(range(first, length + 1, step)) == hits for step in range(2, length) for first in range(1, step + 1))
    if hits <= length:
        assert regular(hits, length) == pytest.approx(rows / comb(length, hits))


def test_the_chance_of_a_split_is_below_the_error_rate_where_a_find_is_confirmed() -> None:
    """Three and two of each are what an inquiry sends in the least: enough at any rate of the run."""
    assert all(FailureCount(failed, 1_000).chance_of(5, 5) <= ERROR_RATE for failed in range(1_001))
    assert ERROR_RATE < FailureCount(17, 160).chance_of(2, 3)
