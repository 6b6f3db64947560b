"""Payloads: made from the schemas and a seed.

addressees           the given values of an account, and the people whom a request may reach
alphabets            the characters of messages; sms_segments: the length of a message to an operator
patterns             strings that match a pattern; strategies: schema → strategy
hypothesis_backend   values from strategies, the same on every machine
classes              the classes of values that a campaign must send, by member
valid, invalid       payloads inside the strict schema; outside the tolerated one, and between the two
json_defects         the ways to break a body as JSON, and bodies that are broken
probes               wrong or unusual credentials, headers, methods and paths
labels               the kind of a payload, proved on its bytes
uniqueness           payloads that differ from all earlier ones
simpler              shrinking a failing payload; simplicity: the simplicity of a value
notifications        request ids of every form, and bodies that no receiver has to take
"""
