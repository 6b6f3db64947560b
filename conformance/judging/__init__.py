"""Judging, as both faces share it: from a journal to evidence, observations and verdicts.

    terms               the settings that verdicts depend on, and the state of the way of notifications
    form                the violations of a message, and the requirements that they belong to
    reading             an answer as the contract reads it
    transactions        details of requests, compared with those of their notifications
    summaries           summaries of responses and notifications; a notification as the contract reads it
    evidence            the summaries of a run of a gateway, correlated
    judgement           the results and the types of checks
    single_pass         all checks in one pass through a run
    excuses             reasons for a refusal that are not the gateway's fault
    absence             reasons for a missing notification that are not the gateway's fault
    coverage            the classes of payloads that a run has exercised
    expectations        known failures; expectations_file reads them
    verdicts            from judgements to verdicts, and the conclusion; the protocol of a face

The rules are part of the faces: `conformance.gateway.rules` and `conformance.client.rules`.
"""
