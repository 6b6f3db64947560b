"""Correlation and the rules that keep one fault from breaking several requirements, on hand-made records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from runs import Run

from conformance.journal import Note
from conformance.judging.verdicts import Conclusion, Judged, RequirementVerdict, Verdict
from conformance.model.traffic import Kind
from conformance.reports.result import judge

SEED_ID = "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"


def verdict(run: Run | Judged, requirement: str, command: str | None = "sms") -> RequirementVerdict:
    """The verdict on one requirement × command of a run."""
    judged = judge(run.record()) if isinstance(run, Run) else run
    return next(v for v in judged.verdicts if v.requirement.id == requirement and v.command == command)


def short(run: Run) -> set[str]:
    """What failed or warns."""
    return {v.requirement.id for v in judge(run.record()).verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)}


def test_an_accepted_request_with_its_notification_breaks_nothing() -> None:
    """The seed's own samples."""
    run = Run()
    run.invoke(SEED_ID)
    run.notify(SEED_ID)
    assert set() == short(run)
    assert Verdict.PASS == verdict(run, "NTF-01").verdict


def test_an_empty_run_is_inconclusive_throughout() -> None:
    """Nothing is green by accident."""
    judged = judge(Run().record())
    assert {Verdict.INCONCLUSIVE} == {v.verdict for v in judged.verdicts}
    assert Conclusion.INCONCLUSIVE == judged.conclusion


def test_an_obstacle_is_the_reason_of_every_verdict() -> None:
    """A run that could not be held says why, requirement by requirement."""
    judged = judge(Run(settled=False, obstacle="gateway unreachable").record())
    assert {("environment", "gateway unreachable")} == {(v.reason, v.detail) for v in judged.verdicts}


def test_a_missing_notification_is_found_once() -> None:
    """Absence breaks NTF-01 and nothing else."""
    run = Run()
    run.invoke("a" * 32)
    run.invoke("b" * 32)
    run.notify("a" * 32)
    assert {"NTF-01"} == short(run)
    assert ["case-2"] == [f.case for f in verdict(run, "NTF-01").findings]


def test_an_unreadable_notification_explains_a_missing_one() -> None:
    """A body that is no JSON breaks NTF-04; whose it was cannot be said, so nothing is missing."""
    run = Run()
    run.invoke("a" * 32)
    run.notify(raw=b"<xml/>")
    assert {"NTF-04"} == short(run)


def test_more_missing_than_unreadable_is_missing_all_the_same() -> None:
    """One unreadable notification does not explain two that are missing."""
    run = Run()
    run.invoke("a" * 32)
    run.invoke("b" * 32)
    run.notify(raw=b"<xml/>")
    assert {"NTF-04", "NTF-01"} == short(run)
    assert 1 == verdict(run, "NTF-01").failed


def test_an_unreadable_answer_explains_an_orphan() -> None:
    """An accepted answer without its id breaks RSP-15; its notification is not one that nobody asked for."""
    run = Run()
    run.invoke(envelope={"status_code": 200, "description": "OK"})
    run.notify("c" * 32)
    assert {"RSP-15"} == short(run)


def test_an_orphan_warns_on_a_shared_account_and_fails_on_an_exclusive_one() -> None:
    """Others may use a shared account; on an exclusive one nobody else can have asked."""
    for exclusive, expected in ((False, Verdict.WARN), (True, Verdict.FAIL)):
        run = Run(exclusive_account=exclusive)
        run.invoke("a" * 32)
        run.notify("a" * 32)
        run.notify("z" * 32)
        assert expected == verdict(run, "NTF-21", None).verdict


@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbf{"result_code": "200", "result_desc": "Success", "request_id": "%b"}' % (b"a" * 32),
        f'{{"result_code": "200", "result_desc": "Success", "request_id": "{"a" * 32}"}}'.encode("utf-16"),
        b'{"result_code": "200", "result_desc": "Success", "request_id": "%b", "charge": NaN}' % (b"a" * 32),
    ],
    ids=["a byte order mark", "UTF-16", "NaN"],
)
def test_what_is_no_json_and_can_be_read_all_the_same_is_not_missing(raw: bytes) -> None:
    """It breaks NTF-04 alone; whose it is can be told, so that nobody waits for another one."""
    run = Run()
    run.invoke("a" * 32)
    run.notify(raw=raw)
    run.invoke("b" * 32)
    run.notify("b" * 32)
    assert {"NTF-04"} == short(run)
    assert Verdict.PASS == verdict(run, "NTF-01").verdict


def refused(run: Run, *unread: tuple[str | None, str]) -> Judged:
    """The run, to whose receiver these came besides: the product and what is wrong."""
    record = run.record()
    notes = [
        Note(number, "unreadable", {"where": "receiver", "product": product, "error": error, "head": ""}, 5.0, 5.0)
        for number, (product, error) in enumerate(unread, 10)
    ]
    return judge(replace(record, notes=(*record.notes, *notes)))


TLS = "a TLS handshake on a plain HTTP port"


@pytest.mark.parametrize(
    ("unread", "expected"),
    [
        ([(None, TLS)], f"; 1 request to the callback receiver could not be read: {TLS}"),
        ([(None, TLS)] * 3, f"; 3 requests to the callback receiver could not be read: {TLS}"),
        (
            [("sms", "bad"), (None, TLS), (None, TLS)],
            f"; 3 requests to the callback receiver could not be read: {TLS} (2), bad (1)",
        ),
        ([("sms", each) for each in "abcde"], "could not be read: a (1), b (1), c (1), and 2 other reasons"),
        ([("airtime", TLS)], "; none at all came to the callback of sms: is it registered?"),
        ([], "; none at all came to the callback of sms: is it registered?"),
    ],
)
def test_where_notifications_are_missing_what_was_refused_is_told(
    unread: list[tuple[str | None, str]], expected: str
) -> None:
    """It excuses nothing, and says where to look."""
    run = Run()
    run.invoke("a" * 32)
    found = verdict(refused(run, *unread), "NTF-01")
    assert Verdict.FAIL == found.verdict
    assert found.findings[0].message.endswith(expected)


def test_what_was_refused_is_not_told_where_nothing_is_missing() -> None:
    """Scanners speak anything to anybody."""
    run = Run()
    run.invoke("a" * 32)
    run.notify("a" * 32)
    assert [] == refused(run, (None, TLS)).by(Verdict.FAIL)


@pytest.mark.parametrize(
    "altered",
    [SEED_ID.upper(), SEED_ID + " ", SEED_ID[:-1], SEED_ID[2:], f"{SEED_ID[:8]}-{SEED_ID[8:]}", SEED_ID + "00"],
)
def test_an_altered_id_is_recognised(altered: str) -> None:
    """It breaks NTF-16 alone: nothing is missing, nobody's notification came."""
    run = Run()
    run.invoke(SEED_ID)
    run.notify(altered)
    assert {"NTF-16"} == short(run)


def test_ids_that_merely_look_alike_are_not_taken_for_altered_ones() -> None:
    """Counters share their beginning; the next one is somebody else's."""
    run = Run()
    run.invoke("20261122000000000017")
    run.notify("20261122000000000018")
    assert {"NTF-01", "NTF-21"} == short(run)


def test_requests_that_share_an_id_are_not_failed_for_contradictions() -> None:
    """It cannot be said whose outcome is whose: that is RID-01's fault."""
    run = Run()
    run.invoke("d" * 32)
    run.invoke("d" * 32)
    run.notify("d" * 32)
    run.notify("d" * 32, result_code="500", result_desc="Operator error")
    assert {"RID-01"} == short(run)


def test_equal_requests_with_one_id_break_only_the_rule_for_equal_ones() -> None:
    """RID-02 is about equal requests, RID-01 about different ones."""
    run = Run()
    run.invoke("d" * 32, payload=b"{}")
    run.invoke("d" * 32, payload=b"{}", kind=Kind.REPEAT, aspect="equal", earlier="case-1")
    run.notify("d" * 32)
    assert {"RID-02"} == short(run)


def test_an_identical_repeat_is_tolerated_and_a_contradiction_is_not() -> None:
    """The same outcome may be told again; another one may not."""
    run = Run()
    run.invoke("e" * 32)
    run.notify("e" * 32)
    run.notify("e" * 32)
    assert set() == short(run)
    run.notify("e" * 32, result_code="500", result_desc="Operator error")
    assert {"NTF-19"} == short(run)


def test_a_late_notification_is_late_and_not_missing() -> None:
    """NTF-02 tells more than NTF-01."""
    run = Run(notify_within_s=2)
    run.invoke("f" * 32)
    run.notify("f" * 32, at=4.0)
    assert {"NTF-02"} == short(run)


def test_a_notification_before_its_answer_is_fine() -> None:
    """It may come before the answer was read."""
    run = Run()
    run.invoke("f" * 32)
    run.notify("f" * 32, at=0.5)
    assert set() == short(run)


def test_what_is_missing_when_the_run_was_cut_off_is_not_held_against_the_gateway() -> None:
    """Without a settled end, absence says nothing."""
    run = Run(settled=False)
    run.invoke("a" * 32)
    found = verdict(run, "NTF-01")
    assert (Verdict.INCONCLUSIVE, "interrupted") == (found.verdict, found.reason)


def test_a_refusal_without_an_accepted_twin_says_nothing() -> None:
    """A gateway that refuses everything has not been seen to tell right from wrong."""
    run = Run()
    twin = run.invoke("a" * 32, 400)
    run.invoke("b" * 32, 401, kind=Kind.CREDENTIAL, aspect="absent", twin=twin.id)
    found = verdict(run, "AUT-02")
    assert (Verdict.INCONCLUSIVE, "precondition") == (found.verdict, found.reason)


def test_a_refusal_beside_its_twin_passes_and_an_acceptance_fails() -> None:
    """The same negative case, both ways."""
    for status, expected in ((401, Verdict.PASS), (403, Verdict.FAIL), (200, Verdict.FAIL), (500, Verdict.FAIL)):
        run = Run()
        twin = run.invoke("a" * 32)
        run.notify("a" * 32)
        run.invoke("b" * 32, status, kind=Kind.CREDENTIAL, aspect="absent", twin=twin.id)
        assert expected == verdict(run, "AUT-02").verdict


@pytest.mark.parametrize("status", [402, 403])
def test_what_says_something_about_the_account_is_not_held_against_the_gateway(status: int) -> None:
    """No funds, no access: the valid request could not be exercised."""
    run = Run()
    run.invoke("a" * 32, status)
    found = verdict(run, "ACC-02")
    assert (Verdict.INCONCLUSIVE, "precondition") == (found.verdict, found.reason)


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_any_other_refusal_of_a_valid_request_fails(status: int) -> None:
    """Every valid request is accepted."""
    run = Run()
    run.invoke("a" * 32, status)
    assert Verdict.FAIL == verdict(run, "ACC-02").verdict


def test_a_refusal_in_the_words_for_a_repeat_is_not_held_against_the_gateway() -> None:
    """A run with the same seed within five minutes meets the window of the one before; it is never green for it."""
    run = Run(commands=("airtime",))
    refusal = {"status_code": 400, "description": "similar request"}
    run.invoke(command="airtime", http_status=400, envelope={**refusal, "request_id": "a" * 32})
    run.invoke(
        command="airtime",
        http_status=400,
        envelope={**refusal, "request_id": "b" * 32},
        kind=Kind.REPEAT,
        aspect="window",
        earlier="case-1",
    )
    found = verdict(run, "ACC-02", "airtime")
    assert (Verdict.INCONCLUSIVE, "precondition") == (found.verdict, found.reason)
    assert Verdict.INCONCLUSIVE == verdict(run, "IDM-01", "airtime").verdict


def test_a_lost_answer_fails_a_gateway_on_loopback_only() -> None:
    """Over a network it may be the network's doing."""
    for loopback, expected in ((True, Verdict.FAIL), (False, Verdict.INCONCLUSIVE)):
        run = Run(loopback=loopback)
        run.invoke(failure="connection closed without an answer")
        assert expected == verdict(run, "ANS-01").verdict


def test_being_told_to_slow_down_is_no_failure() -> None:
    """The attempt that counts is the last; a 429 before it is judged for its envelope only."""
    run = Run()
    case = run.invoke("a" * 32, 429)
    run.answer_again(case, 200, "b" * 32)
    run.notify("b" * 32)
    assert set() == short(run)
    assert Verdict.PASS == verdict(run, "ACC-02").verdict


def test_errors_sent_with_http_200_break_the_agreement_alone() -> None:
    """The outcome is the envelope's status_code (seed)."""
    run = Run()
    twin = run.invoke("a" * 32)
    run.notify("a" * 32)
    run.invoke("b" * 32, 422, http_status=200, kind=Kind.BROKEN, aspect="null", member="message", twin=twin.id)
    assert {"RSP-08", "VAL-07"} - short(run) == set()
    assert Verdict.PASS == verdict(run, "VAL-02").verdict


def test_a_conditional_requirement_does_not_hinder_where_its_condition_never_came() -> None:
    """No transaction failed, so no reason could be given."""
    run = Run()
    run.invoke("a" * 32)
    run.notify("a" * 32)
    found = verdict(run, "NTF-13")
    assert (Verdict.INCONCLUSIVE, False) == (found.verdict, found.hinders)


def test_a_notification_of_a_rejected_request_is_found() -> None:
    """A rejected request has no transaction."""
    run = Run()
    run.invoke("a" * 32, 422, kind=Kind.OPEN, aspect="open")
    run.notify("a" * 32)
    assert {"NTF-20"} == short(run)


def test_a_notification_at_another_products_callback_is_found_and_not_missing() -> None:
    """It breaks NTF-17 alone."""
    run = Run(commands=("sms", "airtime"))
    run.invoke("a" * 32)
    run.notify("a" * 32, product="airtime")
    assert {"NTF-17"} == short(run)


def test_a_request_id_shared_by_commands_does_not_mix_up_their_notifications() -> None:
    """It breaks RID-01; each notification is judged as one of the product whose callback it came to."""
    run = Run(commands=("airtime", "mpesa/online"))
    run.invoke("a" * 32, command="airtime")
    run.invoke("a" * 32, command="mpesa/online")
    run.notify("a" * 32, product="airtime", account_balance=1204.5)
    run.notify("a" * 32, product="mpesa-online", account_balance="1204.50")
    assert {"RID-01"} == short(run)
    assert [Verdict.PASS] * 2 == [verdict(run, "NTF-22", name).verdict for name in run.commands]
    assert [Verdict.PASS] * 2 == [verdict(run, "NTF-03", name).verdict for name in run.commands]


def test_a_lost_query_is_found() -> None:
    """The callback URL is used as registered."""
    run = Run()
    run.invoke("a" * 32)
    run.notify("a" * 32, target="/callbacks/sms")
    assert {"NTF-18"} == short(run)


@pytest.mark.parametrize(
    "target",
    [
        "/callbacks/sms?token=%74",
        "/c%61llbacks/sm%73?token=t",
        "http://here:8080/callbacks/sms?token=t",
        "HTTPS://HERE/callbacks/sms?%74oken=t",
    ],
)
def test_another_spelling_of_the_registered_url_is_that_url(target: str) -> None:
    """The whole URL, or unreserved characters escaped (RFC 9112 §3.2.2, RFC 3986 §6.2.2)."""
    run = Run()
    run.invoke("a" * 32)
    run.notify("a" * 32, target=target)
    assert set() == short(run)


@pytest.mark.parametrize(
    "target", ["/callbacks%2Fsms?token=t", "/callbacks/sms?token%3Dt", "//here/callbacks/sms?token=t"]
)
def test_what_only_looks_like_the_registered_url_is_another(target: str) -> None:
    """A reserved character means something else when it is escaped."""
    run = Run()
    run.invoke("a" * 32)
    run.notify("a" * 32, target=target)
    assert {"NTF-18"} == short(run)


def test_anothers_get_on_the_public_address_is_nobodys_notification() -> None:
    """Anybody may call a public address; only what carries a known id is judged for its method."""
    run = Run()
    run.invoke("a" * 32)
    run.notify("a" * 32)
    run.notify(raw=b"", method="GET")
    assert set() == short(run)


@pytest.mark.parametrize("code", ["true", "null", '"200"', "[]", "{}", "1e400", "-1", "1" * 400, "200.5", "0.1e-400"])
def test_no_status_code_makes_a_rule_stumble(code: str) -> None:
    """Whatever stands in the envelope, the verdict comes, and it is not a good one."""
    run = Run()
    body = f'{{"status_code": {code}, "description": 1, "request_id": []}}'
    run.invoke(raw=body.encode(), http_status=200)
    assert Conclusion.NON_CONFORMANT == judge(run.record()).conclusion


def test_the_words_for_a_repeat_are_learned_only_from_one_that_was_refused_as_such() -> None:
    """A gateway that refuses some amounts is not excused because the request that is repeated was one of them."""
    run = Run(commands=("airtime",))
    refusal = {"status_code": 400, "description": "refused"}
    run.invoke("a" * 32, command="airtime")
    run.notify("a" * 32, product="airtime")
    run.invoke(command="airtime", http_status=400, envelope={**refusal, "request_id": "b" * 32})
    run.invoke(
        command="airtime",
        http_status=400,
        envelope={**refusal, "request_id": "c" * 32},
        kind=Kind.REPEAT,
        aspect="window",
        earlier="case-2",
    )
    assert Verdict.FAIL == verdict(run, "ACC-02", "airtime").verdict
