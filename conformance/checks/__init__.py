"""The checks: what judges each requirement, in explicit tables, one module an area.

    terms           the settings that verdicts depend on
    reading         an answer as the contract reads it
    notice          a notification as the contract reads it
    remembered      what is remembered of it, and of each notification
    evidence        what happened, correlated
    payers          what requests ask of the account
    altered_ids     whose request_id is evidently meant
    judgement       what a check yields, and the shapes that checks are built of
    hearing         all checks in one pass through a run
    excuses         why a refusal is not held against the gateway
    watching        what a check saw that found something, exchange by exchange
    chance          exact tests: what chance alone would show
    traits          what sets the exchanges apart that fell short
    patterns        on what a failure depends, in words
    grouping        findings gathered by what was answered
    one_cause       requirements that fall short for one cause
    explaining      all of that for what fell short
    envelope        ANS, ENC, RSP
    request_ids     RID
    refusals        AUT, CTY, BOD, CMD, VAL
    acceptance      HDR, GET, ACC, LEN, OPN, IDM, REP, ACT
    notifications   NTF
    unsolicited     UNS: what no request precedes
    details         what a notification tells of its transaction
    sequences       IDM, CON, BAL, NTF: what depends on what went before, or on what happens at the same time

Checks are pure: they read what they are given and yield judgements. `CHECKS` maps each judged requirement to its check.
"""

from __future__ import annotations

from conformance.checks import acceptance, envelope, notifications, refusals, request_ids, sequences, unsolicited
from conformance.checks.judgement import Check

CHECKS: dict[str, Check] = {
    **envelope.CHECKS,
    **request_ids.CHECKS,
    **refusals.CHECKS,
    **acceptance.CHECKS,
    **notifications.CHECKS,
    **sequences.CHECKS,
    **unsolicited.CHECKS,
}

__all__ = ["CHECKS"]
