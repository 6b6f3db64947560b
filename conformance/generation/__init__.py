"""What is sent, made from the schemas and a seed.

draws        values from Hypothesis strategies, the same on every machine
alphabets    the characters of messages; patterns: strings that match a pattern
strategies   schema → strategy, for the keywords that the request schemas use
payloads     valid payloads: inside the strict schema
breakage     broken payloads: outside the tolerated schema in one place; open ones: between the two
probes       wrong or unusual credentials, bodies, headers, methods and paths
"""
