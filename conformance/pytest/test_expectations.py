"""The expectations file as one test, which is collected only where there is one."""

from __future__ import annotations

import pytest

from conformance.reports.remarks import told_stale
from conformance.reports.result import Result


def test_expectations(gateway_result: Result) -> None:
    """What is listed as known falls short as listed, and has not expired."""
    if gateway_result.judged.stale:
        pytest.fail("\n".join(told_stale(gateway_result.document)), pytrace=False)
