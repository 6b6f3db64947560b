"""One run after the other against a gateway that remembers, well within the window of its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from campaigns import judged, registered, shortfalls
from seeded import FAULTS, VARIANTS

from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import serve_mock


@pytest.fixture
def long_lived(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What runs are told about a gateway that outlives them, of a named behaviour if the test asks for one."""
    with ExitStack() as until:
        behaviour = request.param.change(BUILT_IN) if hasattr(request, "param") else BUILT_IN
        yield registered(lambda account: until.enter_context(serve_mock(account, behaviour)).url)


def test_runs_with_different_seeds_do_not_meet_each_others_window(long_lived: dict[str, Any], tmp_path: Path) -> None:
    """With seeds of their own both are conformant, well within five minutes."""
    for seed in (1, 2):
        judgement = judged(tmp_path / str(seed), seed=seed, products=("sms", "airtime"), **long_lived)
        assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


def test_the_same_run_twice_within_the_window_is_inconclusive(long_lived: dict[str, Any], tmp_path: Path) -> None:
    """The gateway may refuse what it has just done; the verdict says so."""
    first, second = (judged(tmp_path / n, products=("airtime",), **long_lived) for n in ("first", "second"))

    assert Conclusion.CONFORMANT == first.conclusion, shortfalls(first)
    assert Conclusion.INCONCLUSIVE == second.conclusion
    assert [] == second.by(Verdict.FAIL), shortfalls(second)
    valid = next(v for v in second.verdicts if (v.requirement.id, v.command) == ("ACC-02", "airtime"))
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (valid.verdict, valid.reason)
    assert "same seed" in (valid.detail or "")


@pytest.mark.parametrize(
    ("sizes", "numbers"), [((2, 6), ()), ((6, 2), ("254712345678",)), ((0, 30), ())], ids=["more", "fewer", "many more"]
)
def test_a_larger_or_smaller_run_within_the_window_has_no_failure(
    sizes: tuple[int, int], numbers: tuple[str, ...], long_lived: dict[str, Any], tmp_path: Path
) -> None:
    """With the same seed: the gateway refuses what the run before has sent, lawfully, and nothing else."""
    chosen = {"products": ("airtime",), "phone_numbers": numbers}
    for size in sizes:
        judgement = judged(tmp_path / str(size), max_examples=size, **chosen, **long_lived)
        assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)


@pytest.mark.parametrize("long_lived", [VARIANTS["one-text-for-refusals"]], indirect=True, ids=["one text"])
@pytest.mark.parametrize("sizes", [(0, 0), (2, 6)], ids=str)
def test_one_text_for_all_refusals_does_not_turn_a_window_into_a_failure(
    sizes: tuple[int, int], long_lived: dict[str, Any], tmp_path: Path
) -> None:
    """All that every run sends is refused, which shows that a run came before."""
    first, second = (
        judged(tmp_path / str(number), max_examples=size, products=("airtime",), **long_lived)
        for number, size in enumerate(sizes)
    )

    assert Conclusion.CONFORMANT == first.conclusion, shortfalls(first)
    assert [] == second.by(Verdict.FAIL), shortfalls(second)


@pytest.mark.parametrize(
    "long_lived", [FAULTS["refuses-numbers-in-the-words-for-a-repeat"]], indirect=True, ids=["refuses"]
)
def test_words_excuse_nothing_where_no_earlier_run_can_be_the_cause(long_lived: dict[str, Any], tmp_path: Path) -> None:
    """Some of what every run sends is accepted, so no run came before."""
    judgement = judged(tmp_path, products=("airtime",), max_examples=6, **long_lived)

    assert ["ACC-02"] == [v.requirement.id for v in judgement.by(Verdict.FAIL)], shortfalls(judgement)
