"""What is listed in the expectations file, as reports tell of it, and what could be added to it.

followed_up         who answers for what is known, where, and until when
listed_in           the same, of an entry of a report
told_stale          entries that do not hold any more, and what to do about them
entries_to_paste    an entry of the file, in TOML, for each result that was not expected
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from conformance.contract.requirements import Level
from conformance.judging.expectations import Expectation
from conformance.judging.expectations_file import TABLE
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict

# Long enough to mend it, short enough not to be forgotten; whoever pastes the entry decides.
GRANTED = timedelta(days=30)

# What stands for the people and places that only the implementers know of.
NO_ISSUE, NO_OWNER = "not filed yet", "nobody yet"

# From here on a message tells of one request: a value, a name or a number.
_PARTICULAR = re.compile(r"""["'(\d]|[^ -~]""")
# A beginning that is shorter tells nothing apart.
SHORTEST_BEGINNING = 8


def followed_up(expected: Sequence[Expectation]) -> str:
    """`https://…/17 · messaging team · until 2027-01-31` for each entry."""
    return "; ".join(f"{entry.issue} · {entry.owner} · until {entry.expires}" for entry in expected)


def listed_in(entry: Mapping[str, Any]) -> str:
    """What `followed_up` says, from an entry of `report.json`; "" where nothing lists it."""
    expected = entry.get("expected", ())
    return "; ".join(f"{each['issue']} · {each['owner']} · until {each['expires']}" for each in expected)


def told_stale(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each stale entry of a result's document."""
    listed = document.get("expectations", {"stale": ()})
    for stale in listed["stale"]:
        place = f"entry {stale['entry']} of {listed['file']}"
        yield f"{place} ({subject_of(stale)} {stale['verdict']}): {stale['detail']}; {stale['advice']}"


def subject_of(stale: Mapping[str, Any]) -> str:
    """What a stale entry is about: `RSP-03 sms`."""
    return " ".join(filter(None, (stale["requirement"], stale["command"])))


def entries_to_paste(judged: Judged, day: date) -> Iterator[str]:
    """Lines of TOML; none where no expectations file was given.

    What the surroundings or an interruption kept from being exercised is nothing to expect of the subject.
    """
    if judged.expectations.file is None:
        return
    unexpected = [
        v for v in judged.verdicts if v.unexpected and v.reason not in (Reason.ENVIRONMENT, Reason.INTERRUPTED)
    ]
    if unexpected:
        yield f"# not expected: {len(unexpected):,}; to be known from now on, add to {judged.expectations.file}"
    for verdict in unexpected:
        same = [entry for entry in judged.expectations.entries if _in_the_way(entry, verdict)]
        if same:
            yield f"# {same[0].subject} is listed by entry {same[0].number} already, which has to be corrected"
            continue
        yield f"[[{TABLE}]]"
        yield from (f"{name} = {value}" for name, value in _members(verdict, day) if value)
        yield ""


def _in_the_way(entry: Expectation, verdict: RequirementVerdict) -> bool:
    """Whether an entry for the verdict could not be told from this one."""
    beginning = _beginning(verdict)
    same_message = entry.message is None or not beginning or entry.message == beginning
    return entry.concerns(verdict.requirement.id, verdict.command) and same_message


def _members(verdict: RequirementVerdict, day: date) -> Iterator[tuple[str, str]]:
    yield "requirement", _text(verdict.requirement.id)
    yield "command", _text(verdict.command or "")
    # A broken SHOULD is listed as WARN: so the entry serves a strict run and any other.
    fails_strictly = verdict.verdict is Verdict.FAIL and verdict.level is Level.SHOULD
    yield "verdict", _text(Verdict.WARN if fails_strictly else verdict.verdict)
    yield "message", _text(_beginning(verdict))
    yield "issue", _text(NO_ISSUE)
    yield "owner", _text(NO_OWNER)
    yield "expires", str(day + GRANTED)


def _text(text: str) -> str:
    """A basic string of TOML, which is one of JSON for what is in printable ASCII; nothing for no text."""
    return json.dumps(text) if text else ""


def _beginning(verdict: RequirementVerdict) -> str:
    """What all messages begin with, up to where they tell of one request; empty if that is next to nothing."""
    if verdict.verdict is Verdict.INCONCLUSIVE:
        return verdict.reason.value if verdict.reason else ""
    beginning = _PARTICULAR.split(_shared([f.message for f in verdict.findings]), maxsplit=1)[0].rstrip()
    return beginning if len(beginning) >= SHORTEST_BEGINNING else ""


def _shared(messages: Sequence[str]) -> str:
    """The words that all of them begin with."""
    # What the first and the last in order have in common, all between them have too.
    first, last = min(messages), max(messages)
    if first == last:
        return first
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind(" ", 0, same + 1) + 1]
