"""The checks: what judges each requirement of a gateway.

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
    form            what the schemas say of a message, and which requirement each violation belongs to
    envelope        rules of answers
    request_ids     rules of ids
    refusals        what must become of probes that are to be refused, and rules of refusals
    acceptance      what must become of requests that are to be accepted, and rules of the window
    notifications   rules of notifications
    unsolicited     rules of what no request precedes
    details         what a notification tells of its transaction
    sequences       rules of what depends on what went before, or on what happens at the same time
    making          the checks of a catalogue: by place in a schema, by probe, by written rule

Checks are pure: they read what they are given and yield judgements.
"""

from __future__ import annotations

from conformance.judging.making import (
    asks_for_acceptance,
    checks_of,
    is_about_lateness,
    is_about_notifications,
    requirements_of_probe,
)

__all__ = ["asks_for_acceptance", "checks_of", "is_about_lateness", "is_about_notifications", "requirements_of_probe"]
