"""Judging, as both faces share it: from a journal to evidence, observations and verdicts.

    terms               the settings that verdicts depend on, and what is known of the way of notifications
    form                what the schemas say of a message, and which requirement each violation belongs to
    reading             an answer as the contract reads it
    transactions        what requests ask for, and what their notifications say of it
    summaries           what is kept of each response and notification; a notification as the contract reads it
    evidence            what happened in a run of a gateway, correlated
    judgement           what a check yields, and the shapes that checks are built of
    single_pass         all checks in one pass through a run
    excuses             why a refusal is not held against the gateway
    absence             why a notification that did not come may have been sent
    coverage            what a run has exercised
    expectations        what is known to fall short; expectations_file reads it
    verdicts            from judgements to verdicts, and the conclusion; what a face is

The rules stand with their faces: `conformance.gateway.rules` and `conformance.client.rules`.
"""
