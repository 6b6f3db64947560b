"""Lines about a run that stand beside its verdicts, the same in every format.

coverage_lines      how many classes of payloads were exercised, and which were not
limit_lines         what limits kept the run from sending
stranger_lines      what reached the suite's servers without being of the subject
about_client        who was judged, and how its driver fared
not_applicable      what was not judged because the client does not offer it
told_stale          entries of the expectations file that hold no more
entries_to_paste    entries of that file, in TOML, for what was not expected
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from conformance.client.rules.calls import REUSED, UNUSED
from conformance.client.rules.resending import NO_CONNECTION_KEPT
from conformance.contract.requirements import Level
from conformance.journal import Record
from conformance.judging.expectations import Expectation
from conformance.judging.expectations_file import TABLE
from conformance.judging.judgement import Reason
from conformance.judging.terms import REFUSED_HERE
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict
from conformance.model.traffic import Direction, last_lines
from conformance.reports.escaping import for_terminal

WHOLE_BODY = "body"


def coverage_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Lines about the `coverage` of a result's document; none where there is none.

    Commands of which the same was not exercised share a line. Of a run that exercised nothing, nothing is listed.
    """
    coverage = document.get("coverage", ())
    if not coverage:
        return
    sent = sum(one["sent"] > 0 for one in coverage)
    if sent:
        yield from _of_commands("not exercised", (one for one in coverage if not one["sent"]))
    if not of_client(document):
        yield f"coverage: {sent:,} of {len(coverage):,} classes of payloads exercised"
        return
    arrived = sum(one["accepted"] > 0 for one in coverage)
    if arrived:
        lost = (one for one in coverage if one["sent"] and not one["accepted"])
        yield from _of_commands("called and never sent", lost)
    yield f"coverage: calls of {sent:,} of {len(coverage):,} classes of payloads, requests of {arrived:,}"


def of_client(document: Mapping[str, Any]) -> bool:
    """Whether the classes are those of a client: `sent` are its calls then, `accepted` those that became a request."""
    return "client" in document


def exercised(one: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a class was exercised: by a client, if a request of it arrived."""
    return bool(one["accepted"] if of_client(document) else one["sent"])


def _of_commands(what: str, coverage: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    by_member: dict[tuple[str, str, str], list[str]] = {}
    for one in coverage:
        by_member.setdefault((one["kind"], one["member"] or WHOLE_BODY, one["command"]), []).append(one["class"])
    commands: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, member, command), classes in by_member.items():
        commands.setdefault((kind, member, tuple(classes)), []).append(command)
    for (kind, member, names), several in commands.items():
        yield f"{what}: {kind} {member} of {', '.join(several)}: {' · '.join(names)}"


# Option → what a run was held to by it, as the document has it.
_GIVEN = {"--max-accepted": "max_accepted", "--max-spend": "max_spend"}
# What is kept back for these may be read as somebody else's.
_NUMBERS = "--phone-number"


def limit_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """One line for a run that was limited: what may have been accepted of it, and how much was not sent and why."""
    limits = document.get("limits")
    if limits is None:
        return
    told = f"accepted at most: {limits['accepted_at_most']:,} {_noun(limits['accepted_at_most'])}"
    told += f", KES {limits['spent_at_most']:,}"
    for option, given in _GIVEN.items():
        kept = limits["not_planned"].get(option, 0) + limits["withheld"].get(option, 0)
        if kept:
            told += f" · {kept:,} not sent for {option} {limits[given]}"
    if kept := limits["not_planned"].get(_NUMBERS, 0) + limits["withheld"].get(_NUMBERS, 0):
        told += f" · {kept:,} not sent, for others than {_NUMBERS} might be found in them"
    yield told


def _noun(number: int) -> str:
    return "request" if number == 1 else "requests"


def strangers_of(record: Record, of_anybody: int) -> Mapping[str, Any] | None:
    """How much came that may be anybody's and was judged by nothing; None if nothing did, and all was taken."""
    not_kept = sum(note.detail["left_out"] for note in record.notes if note.kind == "strays")
    refused = [note.detail["why"] for note in record.notes if note.kind == REFUSED_HERE]
    if not (of_anybody or not_kept or refused):
        return None
    return {"not_judged": of_anybody, "not_kept": not_kept, "refused": list(dict.fromkeys(refused))}


def stranger_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each of these."""
    told = document.get("strangers")
    if told is None:
        return
    if told["not_judged"]:
        yield (
            f"{told['not_judged']:,} requests to the callbacks carry no id of the run and may be anybody's: they are "
            "not judged; with --callback-token only the gateway knows the address"
        )
    if told["not_kept"]:
        yield f"{told['not_kept']:,} more requests that carry no id of the run were too many to be kept in the journal"
    excused = "; what is missing for that is held against nobody" if document["subject"]["kind"] == "gateway" else ""
    for why in told["refused"]:
        yield f"the suite's own server did not take everything: {why}{excused}"


# The last lines of standard error tell why a driver died; the journal has all.
SHOWN_STDERR = 50
# Those that follow mostly have the same cause.
SHOWN_DEATHS = 3


def client_of(record: Record) -> Mapping[str, Any]:
    """The member `client` of `report.json`."""
    notes = {note.kind: note.detail for note in record.notes}
    hello = notes.get("hello", {})
    failures = [exchange.failure or "" for exchange in record.exchanges]
    stderr = [message.line for message in record.messages if message.direction is Direction.STDERR]
    return {
        "implementation": hello.get("implementation"),
        "commands": hello.get("commands", []),
        "features": hello.get("features", []),
        "lacks": hello.get("lacks", []),
        "deaths": list(_deaths(record)),
        "connections": {
            "reused": sum(failure.endswith(REUSED) for failure in failures),
            "new": sum(failure.endswith(UNUSED) for failure in failures),
        },
        "waited_s": notes.get("settled", {}).get("waited_s"),
        "stderr": stderr[-SHOWN_STDERR:],
        **({"left_behind": notes["left-behind"]["processes"]} if "left-behind" in notes else {}),
    }


def _deaths(record: Record) -> Iterator[Mapping[str, Any]]:
    """Each time that the driver failed, with the last lines that it had written to standard error since the last."""
    since = 0.0
    for note in record.notes:
        if note.kind == "death":
            written = [m for m in record.messages if m.direction is Direction.STDERR and since < m.at <= note.noted_at]
            yield {**note.detail, "stderr": list(last_lines(message.line for message in written))}
            since = note.noted_at


def about_client(document: Mapping[str, Any]) -> Iterator[str]:
    """Who was judged, how often its driver died, and how long was waited; nothing about a gateway."""
    client = document.get("client")
    if not client:
        return
    if client["implementation"] is None:
        yield for_terminal(f"{document['subject']['name']}, seen from outside")
    else:
        commands = ", ".join(client["commands"]) or "no commands"
        features = "".join(f", {feature}" for feature in client["features"])
        yield for_terminal(f"client: {document['subject']['name']}: {commands}{features}")
    for number, death in enumerate(client["deaths"]):
        yield for_terminal(f"the driver failed over {death['case'] or 'no case'}: {death['detail']}")
        lines = death.get("stderr", ()) if number < SHOWN_DEATHS else ()
        yield from (for_terminal(f"  | {line}") for line in lines)
    yield from map(for_terminal, _left_behind(client))
    connections = client.get("connections", {"reused": 0, "new": 0})
    if connections["new"] and not connections["reused"]:
        yield f"{NO_CONNECTION_KEPT}: what it does when a kept-alive connection dies was not seen"
    if client["waited_s"] is not None:
        yield f"watched for {client['waited_s']:.1f} s after the last error or lost answer for what is sent again"


def _left_behind(client: Mapping[str, Any]) -> Iterator[str]:
    if "left_behind" not in client:
        return
    if client["left_behind"] is None:
        yield "whether the driver has left processes behind was not looked at: this system does not tell"
        return
    for left in client["left_behind"]:
        fate = "it was ended" if left["ended"] else "it could not be ended, and goes on"
        yield f"the driver has left a process behind: {left['command']} (pid {left['pid']}); {fate}"


def not_applicable(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each reason; requirements by their ids, each once."""
    reasons: dict[str, dict[str, None]] = {}
    for entry in document["requirements"]:
        if why := entry.get("not_applicable"):
            reasons.setdefault(why, {})[entry["id"]] = None
    for why, ids in reasons.items():
        yield f"not applicable: {for_terminal(why)} ({in_ranges(list(ids))})"


def in_ranges(ids: list[str]) -> str:
    """`SND-01 … SND-12, RDG-01 …`: the ids that follow each other as their first and last."""
    runs: list[list[str]] = []
    for name in ids:
        if runs and _next(runs[-1][-1]) == name:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in runs)


def _next(name: str) -> str:
    area, _, number = name.partition("-")
    return f"{area}-{int(number) + 1:02}"


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
