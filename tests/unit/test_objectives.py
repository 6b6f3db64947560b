"""The figures of --slo: read, written again, and refused with one clear line."""

from __future__ import annotations

import pytest

from conformance.judging.objectives import SLO, Objective, Timed
from conformance.model.errors import UsageError


def test_figures_are_read_and_written_again() -> None:
    """Times have units, errors are a percentage; blanks do not matter, and the order is that of the names."""
    slo = SLO.parse("errors=0.1%, notification-p95=10s,answer-p99=500ms")

    assert SLO((Objective(Timed.ANSWER, "p99", 0.5), Objective(Timed.NOTIFICATION, "p95", 10.0)), 0.001) == slo
    assert "answer-p99=500ms,notification-p95=10s,errors=0.1%" == str(slo)
    assert SLO.parse(str(slo)) == slo == SLO.of(slo.recorded())
    assert {"answer-p99": 0.5, "notification-p95": 10.0, "errors": 0.001} == slo.recorded()


def test_without_figures_there_are_no_objectives() -> None:
    """As of a journal whose run had no --slo."""
    assert not SLO.of(None)
    assert SLO.parse("errors=0%")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "--slo has no figure ''; expected one of answer-p50"),
        ("answer-p98=1s", "did you mean answer-p9"),
        ("answer-p99", "--slo answer-p99='' is not a time with its unit (ms, s or m), of 3,600 s at most"),
        ("answer-p99=500", "(hint: for example answer-p99=500ms)"),
        ("answer-p99=0s", "is not a time"),
        ("answer-p99=61m", "is not a time"),
        ("answer-p99=-1s", "is not a time"),
        ("answer-p99=\u0661s", "is not a time"),
        ("errors=1", "--slo errors='1' is not a percentage from 0% to 100%"),
        ("errors=101%", "is not a percentage"),
        ("errors=1%,errors=2%", "--slo gives errors twice; expected one figure for each"),
        ("errors=1%,", "--slo has no figure ''"),
    ],
)
def test_any_other_text_is_refused_in_a_line(text: str, words: str) -> None:
    """With the given value, the expected one and a hint."""
    with pytest.raises(UsageError) as refused:
        SLO.parse(text)

    assert words in str(refused.value)
