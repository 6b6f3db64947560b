"""Judging, as both faces share it: from a journal to evidence, observations and verdicts.

    terms           the settings that verdicts depend on
    reading         an answer as the contract reads it
    form            what the schemas say of a message, and which requirement each violation belongs to
    notice          a notification as the contract reads it
    remembered      what is remembered of it, and of each notification
    details         what a notification tells of its transaction
    evidence        what happened, correlated
    payers          what requests ask of the account
    altered_ids     whose request_id is evidently meant
    missing         why a notification that did not come may have been sent
    outages         when the way of notifications was cut
    judgement       what a check yields, and the shapes that checks are built of
    hearing         all checks in one pass through a run
    excuses         why a refusal is not held against the gateway
    coverage        what a run has exercised
    expectations    what is known to fall short
    verdicts        from judgements to verdicts, and the conclusion

The rules stand with their faces: `conformance.gateway.rules`, `conformance.client`.
"""
