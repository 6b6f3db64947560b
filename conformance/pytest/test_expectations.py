"""The expectations file as one test, which is collected only where there is one."""

from __future__ import annotations

import pytest

from conformance.reports.remarks import stale_lines
from conformance.reports.result import Result


def test_expectations(gateway_result: Result) -> None:
    """What is listed as known falls short as listed, and has not expired."""
    if gateway_result.judged.stale:
        pytest.fail("\n".join(stale_lines(gateway_result.report)), pytrace=False)
