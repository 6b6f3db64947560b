"""Payloads: made from the schemas and a seed.

members         the members of payloads: given values, labels proved on the bytes, uniqueness
addressees      the people whom a request may reach
texts           the characters of messages, and their length in SMS segments
patterns        strings that match a pattern
strategies      schema → strategy → values, the same on every machine
classes         the classes of values that a campaign must send, by member
valid, invalid  payloads inside the strict schema; outside the tolerated one, and between the two
json_defects    the ways to break a body as JSON, and bodies that are broken
probes          wrong or unusual credentials, headers, methods, paths and notifications
shrinking       simpler payloads that fail alike
"""
