"""What a subject is known to fall short of, listed by its implementers: the expectations file.

    entries     Expectation, Expectations: what is listed, as values, and as a journal keeps it
    reading     a TOML file → Expectations, or one line that says what is wrong in it
    meeting     what was listed beside what was seen: what is known, and what of the list is stale

What is listed is exercised and judged like anything else; only then is the verdict compared with the list.
"""

from conformance.judging.expectations.entries import Expectation, Expectations
from conformance.judging.expectations.meeting import Seen, Stale, Staleness, known, stale
from conformance.judging.expectations.reading import read_expectations

__all__ = ["Expectation", "Expectations", "Seen", "Stale", "Staleness", "known", "read_expectations", "stale"]
