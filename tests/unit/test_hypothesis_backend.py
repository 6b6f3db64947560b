"""Drawing from a strategy: decided by the seed alone, wherever and beside whatever it happens."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.model.errors import SuiteError
from conformance.payloads.strategies import SeededProvider, draw

CHECKOUT = Path(__file__).parents[2]

SOME: SearchStrategy[object] = st.tuples(
    st.integers(5, 10_000),
    st.booleans(),
    st.binary(max_size=40),
    st.sampled_from("abc"),
    st.floats(0, 1),
    st.lists(st.integers()),
)

# Prints what is drawn from every request schema, in a directory that is full of things for Hypothesis to find.
PROGRAM = """
import hashlib, json, sys
sys.path.insert(0, "")
import bait
from conformance.contract.contract import statum
from conformance.payloads.invalid import broken_payloads, open_payloads
from conformance.payloads.members import Constraints
from conformance.payloads.valid import fresh_payloads, valid_payloads

bodies = []
for command in statum().commands.values():
    valid = valid_payloads(statum(), command, Constraints(), 40, 7)
    fresh = fresh_payloads(statum(), command, Constraints(), 10, 7, valid)
    broken = broken_payloads(statum(), command, fresh[0].members, 20, 7)
    open_ones = open_payloads(statum(), command, fresh[1].members)
    bodies += [each.body.hex() for each in (*valid, *fresh, *broken, *open_ones)]
print(len(bodies), hashlib.sha256(json.dumps(bodies).encode()).hexdigest())
"""


def run_in(directory: Path, hash_seed: str, bait: str) -> str:
    """What PROGRAM prints in `directory`, with `bait` as the code that lies there."""
    directory.mkdir()
    (directory / "bait.py").write_text(bait, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HYPOTHESIS")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=directory,
        env={**environment, "PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_processes_agree_and_leave_nothing_behind(tmp_path: Path) -> None:
    """Neither the hash seed, the directory nor the code in it changes a byte, and no folder stays."""
    first = run_in(tmp_path / "first", "1", "NUMBER = 254700000001\nWORD = 'Statum'\n")
    second = run_in(tmp_path / "second", "2", "NUMBER = 4711\nWORD = 'Jambo'\nOTHERS = [b'x', 2.5]\n")

    assert first == second
    assert ["bait.py"] == [path.name for path in (tmp_path / "first").iterdir()]
    assert ["bait.py"] == [path.name for path in (tmp_path / "second").iterdir()]


def test_a_seed_gives_the_same_values_again() -> None:
    """What was drawn before leaves no trace in what is drawn after; another seed gives other values."""
    before, other = draw(SOME, 50, 1), draw(SOME, 50, 2)

    assert before == draw(SOME, 50, 1) != other


def test_as_many_as_asked_for() -> None:
    """Neither more nor fewer, also where they do not fill an example, or can only be one thing."""
    counts = [0, 1, 3, 4, 5, 101]
    assert counts == [len(draw(SOME, count, 1)) for count in counts]
    assert [{}] * 9 == draw(st.fixed_dictionaries({}), 9, 1)


def test_the_simplest_value_does_not_come_first() -> None:
    """Hypothesis begins with the simplest example; that one is not the seed's."""
    firsts = {draw(st.integers(0, 10**9), 1, seed)[0] for seed in range(20)}

    assert len(firsts) > 10


def test_works_in_threads() -> None:
    """Draws side by side do not see each other."""
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda seed: draw(SOME, 20, seed), range(8)))

    assert [draw(SOME, 20, seed) for seed in range(8)] == drawn


EXPECTED_INSIDE = [draw(SOME, 6, seed) for seed in range(4)]


@given(st.integers(0, 3))
def test_works_inside_another_hypothesis_test(seed: int) -> None:
    """An outer test of Hypothesis neither disturbs a draw nor feeds it."""
    assert EXPECTED_INSIDE[seed] == draw(SOME, 6, seed)


def test_a_strategy_that_gives_nothing_is_an_error() -> None:
    """Silence would mean weak tests."""
    nothing = [st.nothing(), st.integers().filter(lambda _: False), st.binary(min_size=9_000, max_size=9_000)]
    for strategy in nothing:
        with pytest.raises(SuiteError):
            draw(strategy, 3, 1)


def test_large_values_are_drawn_one_by_one() -> None:
    """Values of which several do not fit into one example still come."""
    assert [5_000] * 5 == [len(value) for value in draw(st.binary(min_size=5_000, max_size=5_000), 5, 1)]


def test_an_error_in_a_strategy_is_seen() -> None:
    """What goes wrong while a value is made is not swallowed."""

    def broken(_: int) -> int:
        raise LookupError("broken strategy")

    with pytest.raises(LookupError, match="broken strategy"):
        draw(st.integers().map(broken), 3, 1)


def test_the_backend_is_of_no_use_without_a_draw() -> None:
    """Without a seed there is nothing to decide by."""
    with pytest.raises(SuiteError, match="outside draw"):
        SeededProvider(None)


def test_values_and_lengths_span_their_range() -> None:
    """Both ends of a wide range turn up, and most are within."""
    values = Counter(draw(st.integers(5, 10_000), 100, 1))
    lengths = Counter(len(value) for value in draw(st.binary(min_size=1, max_size=160), 200, 1))

    for drawn, ends in ((values, {5, 10_000}), (lengths, {1, 160})):
        assert ends <= drawn.keys()
        assert len(drawn) > 60


BOUNDED: list[tuple[SearchStrategy[Any], Callable[[Any], bool]]] = [
    (st.integers(min_value=3), lambda value: value >= 3),
    (st.integers(max_value=-3), lambda value: value <= -3),
    (st.integers(-5, 2**80), lambda value: -5 <= value <= 2**80),
    (st.floats(0.25, 0.5), lambda value: 0.25 <= value <= 0.5),
    (st.floats(-0.5, -0.25), lambda value: -0.5 <= value <= -0.25),
    (st.floats(2.0**70, 2.0**71), lambda value: 2.0**70 <= value <= 2.0**71),
    (st.floats(max_value=-(2.0**70), allow_infinity=False), lambda value: value <= -(2.0**70)),
    (st.floats(0, 5e-308, allow_subnormal=False), lambda value: value == 0 or value >= sys.float_info.min),
    (st.floats(-5e-308, 0, allow_subnormal=False), lambda value: value == 0 or value <= -sys.float_info.min),
    (st.floats(allow_nan=False, allow_infinity=False), math.isfinite),
    (st.text("ab", max_size=7), lambda value: set(value) <= set("ab") and len(value) <= 7),
    (st.text("ab"), lambda value: set(value) <= set("ab")),
    (st.binary(min_size=2, max_size=3), lambda value: len(value) in (2, 3)),
    (st.lists(st.booleans(), min_size=1, max_size=4), lambda value: 1 <= len(value) <= 4),
]


def test_values_stay_within_bounds() -> None:
    """Every kind of choice stays within what the strategy allows, and is not always the same."""
    for strategy, holds in BOUNDED:
        drawn = draw(strategy, 80, 1)
        assert [] == [value for value in drawn if not holds(value)], strategy
        assert len({json.dumps(value, default=repr) for value in drawn}) > 1, strategy


def test_nothing_is_left_with_the_garbage_collector() -> None:
    """A Ctrl-C that comes in one of its callbacks is dropped by Python, and the run would go on as if nothing were."""
    script = "import gc; from hypothesis import strategies as st; "
    script += "from conformance.payloads.strategies import draw; "
    script += "before = list(gc.callbacks); draw(st.integers(), 3, 1); print(before == gc.callbacks)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert "True" == done.stdout.strip()
