"""Judging, as both faces share it: from a journal to evidence, observations and verdicts.

    terms               the settings that verdicts depend on, and the state of the way of notifications
    reading             the form of messages, their content and their ids, as the contract reads them
    transactions        details of requests, compared with those of their notifications
    messages            answers and notifications as the contract reads them, and their summaries
    evidence            the summaries of a run of a gateway, correlated
    judgement           the results and the types of checks, and their tallies
    facts               the facts of a whole run that judging a part of it needs
    load_facts          the times of requests under load
    excuses             reasons for a refusal or a missing notification that are not the gateway's fault
    gathering           the facts of a part, from its evidence; requests sorted by their notifications
    parts               a run in parts that can be judged one by one
    passage             all checks in one pass through a run, or through a part of it
    coverage            the classes of payloads that a run has exercised
    expectations        known failures, and the file that lists them
    verdicts            from judgements to verdicts, and the conclusion; the protocol of a face

The rules are part of the faces: `conformance.gateway.rules` and `conformance.client.rules`.
"""
