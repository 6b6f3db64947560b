"""Correlation and the rules that keep one fault from breaking several requirements, on hand-made records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from run_records import Run, failures, verdict

from conformance.journal import Note
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.model.traffic import Kind
from conformance.reports.result import judge

A, B, C = "a" * 32, "b" * 32, "c" * 32
SEED_ID = "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"
DASHED = f"{SEED_ID[:8]}-{SEED_ID[8:]}"
CONTRADICTING = {"result_code": "500", "result_desc": "Operator error"}
NO_JSON = b"<xml/>"


def answered(*ids: str | None, of: Run | None = None, **known: Any) -> Run:
    """A run whose requests were given these ids."""
    run = of or Run()
    for request_id in ids:
        run.invoke(request_id, **known)
    return run


def notified(run: Run, *ids: str | None, **members: Any) -> Run:
    """The run, with a notification of each of these ids."""
    for request_id in ids:
        run.notify(request_id, **members)
    return run


def whole(request_id: str, **members: Any) -> Run:
    """One request and its notification."""
    return notified(answered(request_id), request_id, **members)


def unreadable(run: Run, raw: bytes = NO_JSON, **members: Any) -> Run:
    """The run, with a notification that is not JSON."""
    return notified(run, None, raw=raw, **members)


def probed(status: int, kind: Kind, aspect: str, *, twin: int = 200, **known: Any) -> Run:
    """A request and its notification, and a probe of which it is the twin."""
    run = answered(A, status=twin)
    if twin == 200:
        run.notify(A)
    return answered(B, of=run, status=status, kind=kind, aspect=aspect, twin="case-1", **known)


def refused_with_200() -> Run:
    """A broken request that is refused in the envelope alone."""
    return probed(422, Kind.BROKEN, "null", member="message", http_status=200)


def equal_with_one_id() -> Run:
    """Two equal requests with one id."""
    run = answered(A, payload=b"{}")
    return notified(answered(A, of=run, payload=b"{}", kind=Kind.REPEAT, aspect="equal", earlier="case-1"), A)


def slowed_down() -> Run:
    """The gateway asked to slow down first."""
    run = Run()
    run.answer_again(run.invoke(A, 429), 200, B)
    return notified(run, B)


def one_id_for_two_commands() -> Run:
    """Each is notified of at its own callback, in its own form."""
    run = Run(commands=("airtime", "mpesa/online"))
    for command in run.commands:
        answered(A, of=run, command=command)
    run.notify(A, product="airtime", account_balance=1204.5)
    run.notify(A, product="mpesa-online", account_balance="1204.50")
    return run


def in_its_query(method: str) -> Run:
    """A notification without a body, by this method."""
    members = "result_code=200&result_desc=Success&request_id=" + "a+b" * 12
    return unreadable(answered("a b" * 12), b"", method=method, target=f"/callbacks/sms?token=t&{members}")


def with_repeats(value: int) -> Run:
    """An answer and a notification that name members twice; the last value counts."""
    envelope = f'{{"status_code": 500, "status_code": 200, "description": "OK", "request_id": "{A}"'
    run = answered(None, raw=f'{envelope}, "x": 1, "x": {value}}}'.encode())
    return unreadable(run, f'{{{READABLE}, "x": 1, "x": {value}}}'.encode())


IN_QUERIES = (("GET", "NTF-03"), ("DELETE", "NTF-03"), ("POST", "NTF-04"))
READABLE = '"result_code": "200", "result_desc": "Success", "request_id": "' + A + '"'
NO_ID = {"RSP-15"}
COUNTED = ("20261122000000000017", "20261122000000000018")

FAULTS: tuple[tuple[str, Run, set[str]], ...] = (
    ("the samples of the seed", whole(SEED_ID), set()),
    ("one is missing", notified(answered(A, B), A), {"NTF-01"}),
    ("nothing is missing where one cannot be read", unreadable(answered(A)), {"NTF-04"}),
    ("more are missing than cannot be read", unreadable(answered(A, B)), {"NTF-04", "NTF-01"}),
    ("an answer without an id", notified(answered(None, envelope={"status_code": 200, "description": "OK"}), C), NO_ID),
    *(
        (f"no JSON, and readable: {raw!r}", unreadable(notified(answered(A, B), B), raw), {"NTF-04"})
        for raw in (
            f"\ufeff{{{READABLE}}}".encode(),
            f"{{{READABLE}}}".encode("utf-16"),
            f'{{{READABLE}, "x": NaN}}'.encode(),
        )
    ),
    *(
        (f"altered: {altered}", notified(answered(SEED_ID), altered), {"NTF-16"})
        for altered in (SEED_ID.upper(), f"{SEED_ID} ", SEED_ID[:-1], SEED_ID[2:], DASHED, f"{SEED_ID}00")
    ),
    ("counters that look alike", notified(answered(COUNTED[0]), COUNTED[1]), {"NTF-01", "NTF-21"}),
    ("one id for two requests", notified(notified(answered(A, A), A), A, **CONTRADICTING), {"RID-01"}),
    ("one id for two equal requests", equal_with_one_id(), {"RID-02"}),
    ("the same outcome again", notified(whole(A), A), set()),
    ("another outcome later", notified(whole(A), A, **CONTRADICTING), {"NTF-19"}),
    ("late", notified(answered(A, of=Run(notify_within_s=2)), A, at=4.0), {"NTF-02"}),
    ("before its answer", whole(A, at=0.5), set()),
    ("asked to slow down", slowed_down(), set()),
    ("of a rejected request", notified(answered(A, status=422, kind=Kind.OPEN, aspect="open"), A), {"NTF-20"}),
    ("at another callback", notified(answered(A, of=Run(("sms", "airtime"))), A, product="airtime"), {"NTF-17"}),
    ("one id for two commands", one_id_for_two_commands(), {"RID-01"}),
    ("without the registered query", whole(A, target="/callbacks/sms"), {"NTF-18"}),
    *(
        # the whole URL, or unreserved characters escaped (RFC 9112 §3.2.2, RFC 3986 §6.2.2)
        (f"the same target: {target}", whole(A, target=target), set())
        for target in (
            "/callbacks/sms?token=%74",
            "/c%61llbacks/sm%73?token=t",
            "http://here:8080/callbacks/sms?token=t",
            "HTTPS://HERE/callbacks/sms?%74oken=t",
        )
    ),
    *(
        # an escaped reserved character means something else
        (f"another target: {target}", whole(A, target=target), {"NTF-18"})
        for target in ("/callbacks%2Fsms?token=t", "/callbacks/sms?token%3Dt", "//here/callbacks/sms?token=t")
    ),
    ("an error in an answer with 200", refused_with_200(), {"RSP-08", "VAL-07"}),
    # a POST of nothing is a notification if nothing else comes; one of another method may be anybody's
    ("empty", unreadable(answered(A), b""), {"NTF-04"}),
    *((f"in its query: {method}", in_its_query(method), {id_}) for method, id_ in IN_QUERIES),
    ("no JSON, by another method", unreadable(answered(A), b"{", method="PUT"), {"NTF-04"}),
    *((f"members named twice: {value}", with_repeats(value), {"ENC-05", "NTF-24"}) for value in (1, 2)),
    ("anybody's GET beside it", unreadable(whole(A), b"", method="GET"), set()),
)


def test_each_fault_breaks_its_own_requirement_and_no_other() -> None:
    """An unreadable notification may be the missing one; a request_id of two requests tells nothing of either."""
    wrong = [(name, expected, found) for name, run, expected in FAULTS if (found := failures(run)) != expected]

    assert [] == wrong


def refused_as_repeat(run: Run, repeated: str) -> Run:
    """The run, in which an airtime request and then a repeat of that case are refused in the same words."""
    for request_id, known in ((B, {}), (C, {"kind": Kind.REPEAT, "aspect": "window", "earlier": repeated})):
        envelope = {"status_code": 400, "description": "similar request", "request_id": request_id}
        run.invoke(command="airtime", http_status=400, envelope=envelope, **known)
    return run


PASSED, FAILED = (Verdict.PASS, None), (Verdict.FAIL, None)
OPEN = (Verdict.INCONCLUSIVE, "precondition")
ABSENT = (Kind.CREDENTIAL, "absent")
OTHER_AMOUNT = notified(answered(A, of=Run(("airtime",)), command="airtime"), A, product="airtime")
LOST_ON_THE_WAY = answered(None, of=Run(loopback=False), failure="closed")

VERDICTS: tuple[tuple[str, Run, str, tuple[Verdict, str | None]], ...] = (
    ("all came", whole(A), "NTF-01", PASSED),
    ("readable, if no JSON", unreadable(answered(A), f"\ufeff{{{READABLE}}}".encode()), "NTF-01", PASSED),
    ("cut off before one came", answered(A, of=Run(settled=False)), "NTF-01", (Verdict.INCONCLUSIVE, "interrupted")),
    ("no transaction failed", whole(A), "NTF-13", (Verdict.INCONCLUSIVE, "no-traffic")),
    ("each in the form of its own product", one_id_for_two_commands(), "NTF-22", PASSED),
    ("each by the method of its own product", one_id_for_two_commands(), "NTF-03", PASSED),
    ("refused like its twin", probed(401, *ABSENT, twin=400), "AUT-02", OPEN),
    ("refused, and its twin accepted", probed(401, *ABSENT), "AUT-02", PASSED),
    *((f"wrong credential: {status}", probed(status, *ABSENT), "AUT-02", FAILED) for status in (403, 200, 500)),
    *((f"the account: {status}", answered(A, status=status), "ACC-02", OPEN) for status in (402, 403)),
    *((f"refused: {status}", answered(A, status=status), "ACC-02", FAILED) for status in (400, 404, 422, 500, 503)),
    ("after a 429", slowed_down(), "ACC-02", PASSED),
    # an earlier run with the same seed may have sent both; that is never green
    ("all refused as repeats", refused_as_repeat(Run(("airtime",)), "case-1"), "ACC-02", OPEN),
    ("the repeat of a refused one", refused_as_repeat(Run(("airtime",)), "case-1"), "IDM-01", OPEN),
    # another amount was accepted: these words are not for repeats
    ("the repeat of a refused amount", refused_as_repeat(OTHER_AMOUNT, "case-2"), "ACC-02", FAILED),
    ("lost here", answered(None, failure="closed"), "ANS-01", FAILED),
    ("lost on the way", LOST_ON_THE_WAY, "ANS-01", (Verdict.INCONCLUSIVE, "environment")),
    # the envelope's status_code is the outcome (seed)
    ("422 in an answer with 200", refused_with_200(), "VAL-02", PASSED),
)


def test_records_are_judged_by_all_that_they_hold() -> None:
    """A refusal beside its positive control, an absence once nothing more can come."""
    wrong = []
    for name, run, id_, expected in VERDICTS:
        of_each_command = [v for v in judge(run.record()).verdicts if v.requirement.id == id_]
        if {(v.verdict, v.reason) for v in of_each_command} != {expected}:
            wrong.append((name, expected, of_each_command))

    assert [] == wrong


def test_more_missing_than_unreadable_is_missing_all_the_same() -> None:
    """One unreadable notification explains one that is missing."""
    found = verdict(unreadable(answered(A, B)), "NTF-01")

    assert 1 == found.failed


def refused(run: Run, *unread: tuple[str | None, str]) -> Judged:
    """The run, whose receiver could not read these requests: the product and the error."""
    record = run.record()
    notes = [
        Note(number, "unreadable", {"where": "receiver", "product": product, "error": error, "head": ""}, 5.0, 5.0)
        for number, (product, error) in enumerate(unread, 10)
    ]
    return judge(replace(record, notes=(*record.notes, *notes)))


TLS = "a TLS handshake on a plain HTTP port"


def test_a_missing_notification_is_reported_with_the_unreadable_requests() -> None:
    """They excuse nothing, and show where to look; where nothing is missing they are anybody's."""
    unreadable = "to the callback receiver could not be read:"
    none = "; none at all came to the callback of sms: is it registered?"
    rows: list[tuple[list[tuple[str | None, str]], str]] = [
        ([(None, TLS)], f"; 1 request {unreadable} {TLS}"),
        ([(None, TLS)] * 3, f"; 3 requests {unreadable} {TLS}"),
        ([("sms", "bad"), *[(None, TLS)] * 2], f"; 3 requests {unreadable} {TLS} (2), bad (1)"),
        ([("sms", each) for each in "abcde"], "could not be read: a (1), b (1), c (1), and 2 other reasons"),
        ([("airtime", TLS)], none),
        ([], none),
    ]
    for unread, expected in rows:
        (failure,) = (v for v in refused(answered(A), *unread).by(Verdict.FAIL) if v.requirement.id == "NTF-01")
        assert failure.findings[0].message.endswith(expected)
        assert [] == refused(whole(A), *unread).by(Verdict.FAIL)


def test_no_status_code_makes_a_rule_stumble() -> None:
    """Whatever the envelope holds, the verdict comes, and it is not a good one."""
    for code in ("true", "null", '"200"', "[]", "{}", "1e400", "-1", "1" * 400, "200.5", "0.1e-400"):
        run = Run()
        body = f'{{"status_code": {code}, "description": 1, "request_id": []}}'
        run.invoke(raw=body.encode(), http_status=200)
        assert Conclusion.NON_CONFORMANT == judge(run.record()).conclusion, code
