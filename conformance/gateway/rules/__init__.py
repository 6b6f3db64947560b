"""The rules by which a gateway is judged.

    answers         answers, and the ids that they give
    acceptance      lawful requests are accepted, alone, in sequences and at once
    refusals        unlawful requests are refused
    notifications   notifications of requests, and those that no request precedes
    partwise        a run judged part by part
    checks          the check of each requirement: by place in a schema, by probe, by written rule; what judges a run

Checks are pure: they read what they are given and yield judgements.
"""
