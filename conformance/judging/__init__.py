"""Judging, as both faces share it: from a journal to evidence, observations and verdicts.

    terms               the settings that verdicts depend on, and the state of the way of notifications
    reading             messages as the contract reads them: content, form, and answers
    transactions        details of requests, compared with those of their notifications
    summaries           summaries of responses and notifications; a notification as the contract reads it
    evidence            the summaries of a run of a gateway, correlated
    judgement           the results and the types of checks; all checks in one pass through a run
    excuses             reasons for a refusal or a missing notification that are not the gateway's fault
    coverage            the classes of payloads that a run has exercised
    expectations        known failures, and the file that lists them
    verdicts            from judgements to verdicts, and the conclusion; the protocol of a face

The rules are part of the faces: `conformance.gateway.rules` and `conformance.client.rules`.
"""
