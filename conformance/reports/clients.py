"""What the reports tell of a client under test besides the verdicts: what it declared, and how its driver fared.

client_of               the member `client` of `report.json`
about_client            the same as lines for a person
not_applicable          what was not judged for want of it, a line for each reason
in_ranges               ids of requirements in short
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.journal import Record
from conformance.judging.client.calls import REUSED, UNUSED
from conformance.judging.client.resending import NO_CONNECTION_KEPT
from conformance.model.traffic import Direction, last_lines
from conformance.reports.escaping import for_terminal

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
