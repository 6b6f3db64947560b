"""What is judged of a record made by hand: a `Run`, or the records of another builder.

verdict   the verdict on one requirement × command
failures  the ids of what failed or warns
"""

from __future__ import annotations

from typing import Protocol

from conformance.journal import Record
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.reports.result import judge


class Recorded(Protocol):
    """Something of which a record can be made."""

    def record(self) -> Record:
        """The record."""


def verdict(run: Recorded, requirement: str, command: str | None = "sms") -> RequirementVerdict:
    """The verdict on one requirement × command."""
    verdicts = judge(run.record()).verdicts
    return next(v for v in verdicts if (v.requirement.id, v.command) == (requirement, command))


def failures(run: Recorded) -> set[str]:
    """The ids of what failed or warns."""
    return {v.requirement.id for v in judge(run.record()).verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)}
