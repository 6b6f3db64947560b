"""The checks of receivers, on records made by hand: what each finds, what it lets pass, what it cannot tell."""

from __future__ import annotations

import json

from client_records import JSON_TYPE, Examined, notification

from conformance.client.rules.inbox import CROWD, HUGE, THRONG
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict
from conformance.reports.result import judge

MINE = notification("a")
OMBI = "Ombi – 👍"
TIMED_OUT = "no answer within 30.5 s"


def started() -> Examined:
    """A client that understands a success and a failure."""
    return Examined().taken("s").taken("f", "500")


def called(*request_ids: str) -> Examined:
    """The same, which has made these requests too."""
    return started().known(*request_ids)


def applied(request_id: str) -> Examined:
    """The same, which has received the notification of this request."""
    return started().taken(request_id)


def outside() -> Examined:
    """A receiver without a driver, which takes what it does not know."""
    return Examined(driver=False).sent(notification("u"))


def crowd(*known: str, size: int = CROWD) -> list[dict[str, object]]:
    """So many notifications, of these requests and of unknown ones."""
    return [*map(notification, known), *(notification(f"crowd-{size}-{number}") for number in range(size - len(known)))]


def verdicts(examined: Examined) -> dict[str, RequirementVerdict]:
    """The verdicts on it by id."""
    return {v.requirement.id: v for v in judge(examined.record()).verdicts if v.requirement.id.startswith("RCV")}


def failures(examined: Examined) -> set[str]:
    """The ids of what failed or warns."""
    return {name for name, v in verdicts(examined).items() if v.verdict in (Verdict.FAIL, Verdict.WARN)}


FLAWED: tuple[tuple[str, str, Examined], ...] = (
    ("refused", "RCV-01", called("a").sent(MINE, status=400)),
    ("server error", "RCV-01", called("a").sent(MINE, status=500)),
    ("redirected", "RCV-01", called("a").sent(MINE, status=302)),
    ("not there", "RCV-01", called("a").sent(MINE, status=None)),
    ("late", "RCV-20", called("a").sent(MINE, took_s=5.1)),
    ("too late", "RCV-02", called("a").sent(MINE, took_s=30.1)),
    ("never", "RCV-02", called("a").sent(MINE, status=None, failure=TIMED_OUT, took_s=30.5)),
    ("one form of ids", "RCV-01", called("a", "b-1").sent(MINE).sent(notification("b-1"), status=400)),
    ("some failures", "RCV-01", called("a").sent(notification("a", "404"), status=422)),
    ("extra field", "RCV-03", called("a").sent(notification("a", x_new=1), status=400)),
    ("other text", "RCV-03", called("a").sent(notification("a", text=OMBI), status=500)),
    ("other text is a failure", "RCV-03", called("a").sent(notification("a", text=OMBI)).told("a", "failed", OMBI)),
    ("500 is a success", "RCV-04", called("a").sent(notification("a", "500")).told("a", "succeeded")),
    ("200 is a failure", "RCV-04", called("a").sent(MINE).told("a", "failed")),
    ("no reason", "RCV-05", called("a").sent(notification("a", "402")).told("a", "failed")),
    ("other reason", "RCV-05", called("a").sent(notification("a", "402")).told("a", "failed", "it failed")),
    ("repeat refused", "RCV-06", applied("a").sent(MINE, status=409)),
    ("repeat refused at the same moment", "RCV-06", called("a").sent(MINE).sent(MINE, MINE, status=409)),
    ("repeat is a server error", "RCV-21", applied("a").sent(MINE, status=500)),
    ("repeat is not answered", "RCV-21", applied("a").sent(MINE, status=None, failure="connection closed")),
    ("applied twice", "RCV-07", applied("a").sent(MINE).told("a", "succeeded", applied=2)),
    ("raced", "RCV-08", called("a").sent(MINE, MINE).told("a", "succeeded", applied=2)),
    ("last one wins", "RCV-09", applied("a").sent(notification("a", "500")).told("a", "failed", "500 of a")),
    (
        "results swapped",
        "RCV-10",
        called("a", "b").sent(notification("b")).sent(MINE).told("a", "succeeded", "200 of b"),
    ),
    ("lost", "RCV-10", called("a").sent(MINE).told("a", "pending")),
    ("unknown id is a server error", "RCV-12", started().sent(notification("u"), status=500)),
    ("unknown id is not answered", "RCV-12", started().sent(notification("u"), status=None)),
    ("unknown id goes to another", "RCV-13", called("a").sent(notification("u")).told("a", "succeeded", "200 of u")),
    ("no JSON is a server error", "RCV-22", started().sent(b"{", status=500)),
    ("no JSON is fine", "RCV-14", started().sent(b"{", status=200)),
    ("no JSON is not answered", "RCV-22", started().sent(b"{", status=None, failure="connection closed")),
    ("no JSON hangs", "RCV-14", started().sent(b"{", status=None, failure="no answer within 5 s", took_s=5)),
    ("a gap is fine", "RCV-15", started().sent({"result_code": "200"})),
    ("a number is a server error", "RCV-23", started().sent({**MINE, "result_code": 200}, status=500)),
    ("an array is a server error", "RCV-23", started().sent(b"[]", status=500)),
    ("nothing is fine", "RCV-16", started().sent(b"")),
    ("nothing is a server error", "RCV-24", started().sent(b"", status=500)),
    ("a mebibyte is a server error", "RCV-24", started().sent(b" " * HUGE + b"{}", status=507)),
    ("GET is a server error", "RCV-17", started().sent(b"", method="GET", status=500)),
    ("HEAD is not answered", "RCV-17", started().sent(b"", method="HEAD", status=None, failure="connection closed")),
    ("no result_code is applied", "RCV-25", called("a").claimed("a", {"request_id": "a"}, 400).told("a", "succeeded")),
    ("PUT is applied", "RCV-17", called("a").claimed("a", MINE, 200, "PUT").told("a", "succeeded")),
    ("jammed", "RCV-18", started().sent(b"{", status=400).known("a").sent(MINE, status=503)),
    ("gone", "RCV-18", started().sent(b"{", status=400).known("a").sent(MINE, status=None)),
    ("crowd turned away", "RCV-19", called("a").sent(*crowd("a"), status=503)),
    ("crowd lost", "RCV-19", called("a").sent(*crowd("a")).told("a", "pending")),
    ("throng turned away", "RCV-26", called("a").sent(*crowd()).sent(*crowd("a", size=THRONG), status=503)),
    ("throng lost", "RCV-26", called("a").sent(*crowd()).sent(*crowd("a", size=THRONG)).told("a", "pending")),
    (
        "even a crowd",
        "RCV-19",
        called("a", "b").sent(*crowd("a"), status=503).sent(*crowd("b", size=THRONG), status=503),
    ),
    ("from outside: server error", "RCV-01", Examined(driver=False).sent(MINE, status=500)),
    ("from outside: repeat refused", "RCV-06", outside().sent(MINE).sent(MINE, status=409)),
    ("from outside: extra field", "RCV-03", outside().sent(notification("a", x_new=1), status=400)),
    ("from outside: no JSON", "RCV-22", outside().sent(b"{", status=500)),
    ("from outside: one form of ids", "RCV-01", outside().sent(notification("b-1"), status=400)),
    ("from outside: crowd", "RCV-19", outside().sent(*crowd(), status=429)),
)


def test_early_results_that_are_lost_break_a_requirement_of_their_own() -> None:
    """A result may come while the answer to its request is on its way."""
    examined = started()
    at = examined.now
    examined.known("a", answered_after_s=0.5)
    examined.now = at + 0.2
    examined.sent(MINE)
    examined.now = at + 2
    examined.told("a", "pending")

    assert {"RCV-11"} == failures(examined)


LAWFUL: tuple[tuple[str, Examined], ...] = (
    ("202", called("a").sent(MINE, status=202)),
    ("slow", called("a").sent(MINE, took_s=4.9)),
    ("slow where many come", called("a").sent(*[MINE] * 8, took_s=6)),
    ("text/plain", started().sent(notification("u"), headers=(("Content-Type", "text/plain"),), status=500)),
    ("GET is fine", started().sent(b"", method="GET", status=200)),
    ("PUT is not implemented", started().sent(MINE, method="PUT", status=501)),
    ("chunks need a length", called("a").sent(MINE, status=411, headers=(JSON_TYPE, ("Transfer-Encoding", "chunked")))),
    ("upgrades", called("a").sent(MINE, status=101, headers=(JSON_TYPE, ("Upgrade", "h2c")))),
    ("a gap fails", called("a").claimed("a", {"request_id": "a"}, 400).told("a", "failed")),
    ("unknown id turned away", started().sent(notification("u"), status=404)),
    ("crowd of unknown ones turned away as one is", started().sent(notification("u"), status=404)),
    ("contradiction refused", applied("a").sent(notification("a", "500"), status=409).told("a", "succeeded")),
    (
        "does not count",
        Examined().taken("s", applied=None).sent(notification("s")).told("s", "succeeded", applied=None),
    ),
    ("a mebibyte is not read", started().sent(b" " * HUGE + b"{}", status=None, failure="connection closed")),
    ("junk refused", started().sent(b"{", b"[]", b"", status=400).sent(MINE, method="PUT", status=405)),
    ("forgets with its process", called("a").sent(MINE).died().told("a", "unknown", applied=0)),
    ("a late crowd", called("a").sent(*crowd("a"), took_s=20).told("a", "succeeded", "200 of a")),
)


def test_a_flaw_breaks_its_requirement_and_no_other() -> None:
    """A lawful receiver breaks none, however it differs from others."""
    flawed = ((name, {id_}, examined) for name, id_, examined in FLAWED)
    lawful = ((name, set[str](), examined) for name, examined in LAWFUL)
    wrong = [(name, breaks, found) for name, breaks, it in (*flawed, *lawful) if (found := failures(it)) != breaks]

    assert [] == wrong


def test_refusing_junk_counts_only_beside_accepted_notifications() -> None:
    """A refusal counts beside its positive control."""
    examined = Examined().known("a").sent(MINE, status=400).sent(b"{", b"[]", b"", status=400)
    found = verdicts(examined)

    assert {"RCV-01"} == failures(examined)
    assert {Verdict.INCONCLUSIVE} == {found[f"RCV-{number}"].verdict for number in (14, 15, 16, 22, 23, 24)}


def test_from_outside_a_receiver_may_refuse_unknown_requests() -> None:
    """Then nothing shows whether it accepts known ones."""
    examined = Examined(driver=False).sent(MINE, status=404).sent(b"{", status=400)
    found = verdicts(examined)

    assert set() == failures(examined)
    assert Verdict.PASS == found["RCV-12"].verdict
    assert Verdict.INCONCLUSIVE == found["RCV-01"].verdict
    assert "request that it does not know" in str(found["RCV-01"].detail)
    assert Conclusion.INCONCLUSIVE == judge(examined.record()).conclusion


def test_from_outside_requirements_on_the_client_are_not_applicable() -> None:
    """With the reason."""
    found = verdicts(outside())
    details = {name: v.detail for name, v in found.items() if v.verdict is Verdict.NOT_APPLICABLE}

    results = {"RCV-04", "RCV-05", "RCV-07", "RCV-08", "RCV-09", "RCV-10", "RCV-11", "RCV-13", "RCV-25"}
    assert results == set(details)
    assert "there is no driver to ask what became of a request" == details["RCV-04"]


def test_results_are_judged_only_where_they_are_declared() -> None:
    """A client that cannot be asked is judged by its receiver's answers."""
    found = verdicts(Examined(features=("callback",)).known("a").sent(MINE))

    assert (Verdict.PASS, Verdict.NOT_APPLICABLE) == (found["RCV-01"].verdict, found["RCV-04"].verdict)
    assert "the client does not declare the feature results" == found["RCV-04"].detail


def test_a_receiver_that_is_left_alone_has_an_inconclusive_verdict() -> None:
    """Nothing more was sent to it, and the report says why."""
    found = verdicts(Examined().known("a").sent(MINE, took_s=6).left_alone("the time was up"))

    assert (Verdict.WARN, Verdict.INCONCLUSIVE) == (found["RCV-20"].verdict, found["RCV-19"].verdict)
    assert "the time was up" == found["RCV-19"].detail


def test_a_receiver_that_dies_fails_for_its_last_request() -> None:
    """And not for silence afterwards; a later answer may be that of another process."""
    examined = started().sent(b"{", status=None, failure="connection closed without an answer")
    examined.sent(b"[]", status=None).receiver_died(examined.cases[-2].id)
    found = verdicts(examined.known("a").sent(MINE))

    assert {"RCV-22"} == failures(examined)
    assert "no longer there afterwards" in found["RCV-22"].findings[0].message
    assert {Verdict.INCONCLUSIVE} == {found[name].verdict for name in ("RCV-18", "RCV-23")}


def test_a_receiver_that_is_gone_fails_once() -> None:
    """Whatever is sent to it: of two under way at the same moment it was one that it died of."""
    examined = called("a", "b").sent(MINE, notification("b"), status=None)

    assert {"RCV-01"} == failures(examined)
    assert set() == failures(examined.receiver_died("elsewhere"))


def test_a_throng_that_would_take_long_is_not_sent() -> None:
    """The verdict says why."""
    found = verdicts(called("a").sent(*crowd("a"), took_s=2))

    assert (Verdict.PASS, Verdict.INCONCLUSIVE) == (found["RCV-19"].verdict, found["RCV-26"].verdict)
    assert "20 at once were answered within 2.0 s" in str(found["RCV-26"].detail)


def test_results_out_of_order_are_observed() -> None:
    """A result of the later call that comes first."""
    examined = called("a", "b").sent(notification("b")).sent(MINE)
    examined.told("a", "succeeded", MINE["result_desc"]).told("b", "succeeded", "200 of b")

    assert set() == failures(examined)
    assert 1 == verdicts(examined)["RCV-10"].observations


def test_a_finding_shows_where() -> None:
    """Case, exchange and request_id, and what was sent."""
    examined = called("a").sent(MINE, status=500)
    finding = verdicts(examined)["RCV-01"].findings[0]

    shown = next(e for e in examined.exchanges if e.number == finding.exchange)
    assert examined.cases[-1].id == finding.case
    assert "a" == finding.request_id == json.loads(shown.request.body)["request_id"]
    assert "a valid notification was answered 500" == finding.message


def test_a_client_that_makes_no_calls_is_judged_by_its_notifications() -> None:
    """Its result of a request must be the one that it accepted."""
    other = notification("b", "500")
    alone = Examined(commands=()).sent(MINE, other).told("a", "succeeded", MINE["result_desc"])
    found = verdicts(alone.told("b", "failed", other["result_desc"]))

    assert {Verdict.PASS} == {found[name].verdict for name in ("RCV-01", "RCV-04", "RCV-05", "RCV-10")}
    assert {"RCV-10"} == failures(alone.sent(notification("c")).told("c", "unknown"))


def test_a_client_that_makes_no_calls_may_refuse_or_forget_unknown_requests() -> None:
    """Then nothing shows how it treats known ones."""
    refusing = Examined(commands=()).sent(MINE, status=404).told("a", "unknown")
    forgetful = Examined(commands=()).sent(MINE).told("a", "unknown")

    assert set() == failures(refusing) | failures(forgetful)
    assert "it knew no result" in str(verdicts(forgetful)["RCV-04"].detail)
    assert Conclusion.INCONCLUSIVE == judge(forgetful.record()).conclusion


def test_an_empty_body_and_a_large_one_break_no_requirement_of_others() -> None:
    """The one is not JSON, the other lacks the members of a notification."""
    large = b'{"x_padding": "' + b"x" * HUGE + b'"}'

    assert {"RCV-22"} == failures(started().sent(b"{", b"", status=500))
    assert {"RCV-23"} == failures(started().sent(b"{}", large, status=500))
    assert {"RCV-24"} == failures(started().sent(b"", large, status=500).sent(b"{", b"{}", status=400))


def test_an_undocumented_result_code_is_not_a_success() -> None:
    """What else a client makes of it is not judged."""
    odd = notification("b", "201")

    assert {"RCV-04"} == failures(called("b").claimed("b", odd, 204).told("b", "succeeded"))
    for state in ("failed", "pending"):
        assert set() == failures(called("b").claimed("b", odd, 204).told("b", state))
    assert set() == failures(called("b").claimed("b", odd, 500).told("b", "pending"))
