"""`notify`: one notification to a URL, what is printed of it, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import call
from pytest_httpserver import HTTPServer
from sockets import quiet_port

from conformance.mock.notifications import kinds

Capsys = pytest.CaptureFixture[str]
PARCEL = Path(__file__).parents[1] / "contracts" / "parcel"


def test_a_notification_is_sent_and_its_answer_printed(capsys: Capsys, httpserver: HTTPServer) -> None:
    """What was sent, byte for byte, and status, time and body of the answer; the token of the URL is not shown."""
    httpserver.expect_request("/hooks").respond_with_data("thanks\nagain", status=202)
    called = call(capsys, "notify", f"{httpserver.url_for('/hooks')}?token=canary", "--product=sms", "--request-id=R1")

    ((received, _),) = httpserver.log
    method, content_type, body, answer, *said = called.out.splitlines()
    assert (0, "") == (called.code, called.err)
    assert (f"POST {httpserver.url_for('/hooks')}?…", "Content-Type: application/json") == (method, content_type)
    assert received.data == body.encode()
    assert {"result_code": "200", "result_desc": "Success", "request_id": "R1"} == json.loads(body)
    assert answer.startswith("→ 202 ")
    assert ["  thanks", "  again"] == said
    assert b"token=canary" == received.query_string


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (302, 1), (400, 1), (500, 1)])
def test_the_exit_code_says_how_it_was_answered(capsys: Capsys, httpserver: HTTPServer, status: int, code: int) -> None:
    """Only a 2xx is 0."""
    httpserver.expect_request("/hooks").respond_with_data("", status=status)

    assert code == call(capsys, "notify", httpserver.url_for("/hooks"), "--product", "airtime").code


def test_a_url_that_does_not_answer_is_said(capsys: Capsys) -> None:
    """With the reason; it is inconclusive."""
    called = call(capsys, "notify", f"http://127.0.0.1:{quiet_port()}/", "--product", "sms", "--kind", "failure")

    assert (3, "→ not taken: connection refused") == (called.code, called.out.splitlines()[-1])


def test_a_notification_is_changed_as_is_asked_for(capsys: Capsys, httpserver: HTTPServer) -> None:
    """Kinds in their order, members by their names with texts or JSON, and some left out; as JSON for a script."""
    httpserver.expect_request("/hooks").respond_with_data("")
    changes = (
        "--kind=declared-as-text",
        "--kind=repeated",
        "--set=amount:=70",
        "--set=till=Kibanda",
        "--remove=customer_name",
    )
    called = call(capsys, "notify", httpserver.url_for("/hooks"), "--product=mpesa-c2b", "--format=json", *changes)

    first, again = json.loads(called.out)
    assert (0, first["body"]) == (called.code, again["body"])
    content = json.loads(first["body"])
    assert (70, "Kibanda", False) == (content["amount"], content["till"], "customer_name" in content)
    assert ({"Content-Type": "text/plain"}, 200) == (first["headers"], first["status"])
    assert [first["body"], again["body"]] == [received.data.decode() for received, _ in httpserver.log]


def test_every_kind_is_listed(capsys: Capsys) -> None:
    """One line each, and whether it is lawful; no URL is needed."""
    called = call(capsys, "notify", "--list")

    assert (0, "") == (called.code, called.err)
    told = [line.split()[:2] for line in called.out.splitlines()]
    assert [[each.name, "lawful:" if each.lawful else "unlawful:"] for each in kinds().values()] == told


def test_the_same_seed_gives_the_same_id(capsys: Capsys, httpserver: HTTPServer) -> None:
    """Another one gives another."""
    httpserver.expect_request("/hooks").respond_with_data("")
    for seed in (1, 1, 2):
        call(capsys, "notify", httpserver.url_for("/hooks"), "--product=sms", f"--seed={seed}")

    first, same, other = (json.loads(received.data)["request_id"] for received, _ in httpserver.log)
    assert first == same != other


def test_another_contract_has_its_own_notification(capsys: Capsys, httpserver: HTTPServer) -> None:
    """Method, members and products are those of its folder."""
    httpserver.expect_request("/hooks", method="PUT").respond_with_data("")
    called = call(capsys, "notify", httpserver.url_for("/hooks"), "--contract", str(PARCEL), "--product=parcel")

    assert (0, "DELIVERED") == (called.code, json.loads(httpserver.log[0][0].data)["state"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("http://127.0.0.1:1/",), "missing option '--product'"),
        (("nowhere", "--product=sms"), "URL 'nowhere' is not a URL; expected http:// or https://"),
        (("http://127.0.0.1:1/", "--product=smss"), "there is no product 'smss'"),
        (("http://127.0.0.1:1/", "--product=sms", "--product=airtime"), "--product names sms, airtime; expected one"),
        (("http://127.0.0.1:1/", "--product=sms", "--kind=failur"), "did you mean failure?"),
        (("http://127.0.0.1:1/", "--product=sms", "--set=amount"), "--set 'amount' is not MEMBER=VALUE"),
        (("http://127.0.0.1:1/", "--product=sms", "--set=amount:=x"), "what follows := is not JSON"),
        (("http://127.0.0.1:1/", "--product=sms", "--remove=result_dsc"), "did you mean result_desc"),
        (("http://127.0.0.1:1/", "--product=sms", "--after=-1"), "--after is -1; expected seconds, 0 or more"),
        (("http://127.0.0.1:1/", "--product=mpesa-c2b", "--kind=failure"), "no notification of mpesa-c2b is about a"),
    ],
)
def test_what_cannot_be_sent_is_said_in_one_line(capsys: Capsys, arguments: tuple[str, ...], words: str) -> None:
    """Nothing is sent."""
    called = call(capsys, "notify", *arguments)

    assert 2 == called.code
    assert words in called.only_line
