"""The reports for CI as a whole: Markdown, SARIF, JUnit and annotations look as they are meant to."""

from __future__ import annotations

import pytest
from golden_files import CASES, FOLDER, comparable, golden
from made_result import result_of


@pytest.mark.parametrize("name", CASES)
def test_a_report_looks_as_it_is_meant_to(name: str) -> None:
    """To the byte; what is meant to change is written anew by `python tests/support/golden_files.py`, and looked at."""
    assert golden(name) == comparable(CASES[name](result_of()))


def test_no_golden_file_is_left_over() -> None:
    """Each is that of a report that is made."""
    assert set(CASES) == {path.name for path in FOLDER.iterdir()}
