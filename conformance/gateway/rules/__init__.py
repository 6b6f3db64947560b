"""The rules by which a gateway is judged.

    envelope        rules of answers
    request_ids     rules of ids
    refusals        what must become of probes that are to be refused, and rules of refusals
    acceptance      what must become of requests that are to be accepted, and rules of the window
    notifications   rules of notifications
    unsolicited     rules of what no request precedes
    sequences       rules of what depends on what went before, or on what happens at the same time
    making          the check of each requirement: by place in a schema, by probe, by written rule

Checks are pure: they read what they are given and yield judgements.
"""
