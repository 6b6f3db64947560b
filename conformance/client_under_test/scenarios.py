"""What is put before every client, as data: a name, what happens, and how the gateway behaves.

    SCENARIOS       each is played once for each command that the client declares, with a payload of its own
    SENDING         the one that all other valid payloads are sent under
    OPENING         the one of a call that leaves a connection open for the next one

To add one: a row here. What it is judged by follows from the traffic, not from its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.client_under_test.staging import (
    Staging,
    accepting,
    cut_short,
    declared_as,
    disagreeing,
    dripping,
    lost,
    on_wire,
    recovering,
    redirecting,
    refusing,
    slowing,
    unusable,
    with_id,
)
from conformance.mock_gateway.behaviour import Ending


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that a client may meet. `watched`: whether it is one after which something may be sent again.

    `reuses`: the call comes after an accepted one at the same base URL, which has left a connection open. `once`: it is
    played for one command alone, for it takes long, or tells nothing more when it is seen again. `for_payments`: it is
    played only where money moves, for what it tells beside its likes is not worth the time of a client that waits.
    """

    name: str
    summary: str
    staging: Staging
    watched: bool = False
    reuses: bool = False
    once: bool = False
    for_payments: bool = False


SENDING = Scenario("accepted", "accepted", accepting())
OPENING = Scenario("opening", "accepted; the next call has the same base URL", accepting())

HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
ENVELOPE = (
    b'{"status_code": 200, "description": "Operation successful", "request_id": "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"}'
)


def _failing(name: str, summary: str, staging: Staging, **played: bool) -> Scenario:
    """A failure of one request, after which something may be sent again; `played`: further members."""
    return Scenario(name, summary, recovering(staging), watched=True, **played)


LONG_TEXT = "Ombi limepokelewa – asante, karibu tena. " * 50

LONG_REASON = "The request is malformed" + ": phone_number is expected in the international format" * 5

SCENARIOS: tuple[Scenario, ...] = (
    # Accepted in another way than usual
    Scenario(
        "extra-fields",
        "accepted; the answer has fields that nobody knows",
        accepting(balance=12.5, operator={"name": "Mfano", "codes": [1, None, True]}, validation_errors={}),
    ),
    Scenario("other-text", "accepted; the description is another one", accepting(description="Ombi limepokelewa 👍")),
    Scenario("long-text", "accepted; the description is long", accepting(description=LONG_TEXT)),
    Scenario("empty-text", "accepted; the description is a single character", accepting(description=".")),
    Scenario("id-uuid", "accepted; the request_id is a UUID", with_id("9f1b6d7e-52c4-4f0e-8a3b-{:0>12.12}")),
    Scenario("id-digits", "accepted; the request_id has digits alone", with_id("00{:0>30.30}")),
    Scenario("id-signs", "accepted; the request_id has signs in it", with_id("Req/{}+a=b&c_%2F~.x:y")),
    Scenario("id-short", "accepted; the request_id is short", with_id("{:.6}")),
    Scenario("id-long", "accepted; the request_id has 255 characters", with_id("{:x<255.255}")),
    Scenario("charset", "accepted; Content-Type has a charset", declared_as("application/json; charset=utf-8")),
    Scenario("chunked", "accepted; the answer comes in chunks", on_wire(chunked=True)),
    Scenario("closing", "accepted; the connection is closed after the answer", on_wire(close=True)),
    Scenario("http-1.0", "accepted; the answer is HTTP/1.0", on_wire(http_1_0=True)),
    Scenario("gzip", "accepted; the answer is compressed where the client asks for it", on_wire(gzip=True)),
    Scenario("upgrade", "accepted; the answer offers another protocol", on_wire(upgrade=True)),
    Scenario("pretty", "accepted; the JSON text is indented", on_wire(pretty=True)),
    # Refused
    Scenario("answer-400", "answered 400 with a long description", refusing(400, LONG_REASON), watched=True),
    Scenario(
        "answer-401",
        "answered 401",
        refusing(401, "Authentication failed", ("WWW-Authenticate", "Basic")),
        watched=True,
    ),
    Scenario("answer-402", "answered 402", refusing(402, "Insufficient funds"), watched=True),
    Scenario("answer-403", "answered 403", refusing(403, "Access denied"), watched=True),
    Scenario("answer-404", "answered 404", refusing(404, "There is no such command"), watched=True),
    Scenario(
        "answer-422",
        "answered 422 with validation_errors",
        refusing(422, "Uthibitishaji umeshindwa – “phone_number”", validation_errors={"phone_number": ["Too short"]}),
        watched=True,
    ),
    Scenario(
        "answer-429",
        "answered 429 with Retry-After, until it has passed",
        slowing("Too many requests"),
        watched=True,
    ),
    Scenario(
        "answer-429-date",
        "answered 429 with a date in Retry-After, until it has come",
        slowing("Too many requests", as_date=True),
        watched=True,
        once=True,
    ),
    Scenario("answer-429-bare", "answered 429, each time", refusing(429, "Too many requests"), watched=True),
    # One gap that is short may be chance; two are none.
    Scenario("answer-429-again", "the same once more", refusing(429, "Too many requests"), watched=True, once=True),
    _failing("answer-500", "answered 500", refusing(500, "Internal error")),
    _failing("answer-503", "answered 503", refusing(503, "Not available")),
    # No answer
    _failing("lost-before", "the connection closes before the answer", lost(Ending.BEFORE)),
    _failing(
        "lost-reset", "the connection is reset before the answer", lost(Ending.RESET), once=True, for_payments=True
    ),
    _failing("lost-middle", "the connection closes in the middle of the answer", lost(Ending.MIDDLE)),
    _failing("lost-after", "the connection closes at the end of the answer", lost(Ending.AFTER)),
    _failing("kept-alive-closed", "a kept-alive connection closes before the answer", lost(Ending.BEFORE), reuses=True),
    _failing(
        "kept-alive-reset",
        "a kept-alive connection is reset before the answer",
        lost(Ending.RESET),
        reuses=True,
        once=True,
        for_payments=True,
    ),
    _failing("never", "never answered", lost(Ending.NEVER)),
    _failing("stalled", "the answer stops in the middle, the connection stays open", lost(Ending.STALLED), once=True),
    _failing("dripping", "the answer comes a byte at a time, without an end", dripping(), once=True),
    # An answer that cannot be used
    _failing("html-502", "answered with an HTML page and 502", unusable(502, "text/html", HTML)),
    _failing("html-200", "answered with an HTML page and 200", unusable(200, "text/html", HTML)),
    _failing("empty-200", "answered with 200 and nothing", unusable(200, "application/json", b"")),
    _failing("cut-200", "answered with half a JSON text", cut_short()),
    _failing("other-media-type", "answered in the envelope, declared as HTML", unusable(200, "text/html", ENVELOPE)),
    _failing("array-200", "answered with a JSON array", unusable(200, "application/json", b"[" + ENVELOPE + b"]")),
    _failing("text-200", "answered with a JSON string", unusable(200, "application/json", b'"Operation successful"')),
    _failing("null-200", "answered with null", unusable(200, "application/json", b"null")),
    _failing("no-envelope", "answered with an object of something else", unusable(200, "application/json", b"{}")),
    # An answer that contradicts itself
    Scenario("body-says-402", "HTTP 200, status_code 402", disagreeing(200, 402, "Insufficient funds"), watched=True),
    Scenario(
        "body-says-202",
        "HTTP 200, status_code 202",
        disagreeing(200, 202, "Queued for approval"),
        watched=True,
        once=True,
    ),
    _failing("body-says-500", "HTTP 200, status_code 500", disagreeing(200, 500, "Internal error")),
    Scenario("body-says-200", "HTTP 402, status_code 200", disagreeing(402, 200, "Operation successful"), watched=True),
    _failing("500-says-200", "HTTP 500, status_code 200", disagreeing(500, 200, "Operation successful"), once=True),
    # Sent away
    Scenario("redirect", "sent to another host with 307", redirecting(307), watched=True),
    Scenario("redirect-302", "sent to another host with 302", redirecting(302), watched=True),
)
