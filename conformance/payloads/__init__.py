"""What is sent, made from the schemas and a seed.

draws        values from Hypothesis strategies, the same on every machine
alphabets    the characters of messages; patterns: strings that match a pattern
strategies   schema → strategy, for the keywords that the request schemas use
classes      the classes of values that a campaign has to have sent, by member; text_classes: those of messages
segments     how long a message is to an operator
payloads     valid payloads: inside the strict schema
breakage     broken payloads: outside the tolerated schema in one place; open ones: between the two
bodies       what is broken as JSON; anatomy: how a body is broken, read off its bytes
probes       wrong or unusual credentials, headers, methods and paths
"""
