"""Payloads: made from the schemas and a seed.

addressees           the given values of an account, and who may be reached with them
alphabets            the characters of messages; sms_segments: how long a message is to an operator
patterns             strings that match a pattern; strategies: schema → strategy
hypothesis_backend   values from strategies, the same on every machine
classes              the classes of values that a campaign has to have sent, by member
valid, invalid       payloads inside the strict schema; outside the tolerated one, and between the two
json_defects         how a body is broken as JSON, and bodies that are
probes               wrong or unusual credentials, headers, methods and paths
labels               what a payload counts as, proved on its bytes
uniqueness           payloads that no earlier one is like
simpler              payloads simpler than one that a gateway fails at
notifications        request ids of every form, and bodies that no receiver has to take
"""
