"""The faults of answers: whether one comes, how it is written, what its envelope and its body hold.

Each breaks one requirement alone, unless its `breaks` says otherwise: the answer to an accepted request and that to a
refused one are reshaped separately where the catalogue judges them separately.
"""

from __future__ import annotations

from conformance.mock_gateway.fault_admission import international
from conformance.mock_gateway.fault_answers import (
    VALIDATION,
    accounts_by_name,
    any_answer,
    balance_as_text,
    both,
    dropped,
    error,
    followed_by_another,
    from_request,
    html_page,
    http_status,
    nameless_organization,
    organization_without,
    posted,
    refused_as,
    status,
    success,
)
from conformance.mock_gateway.fault_changes import Fault, answers, refuses, renames, together
from conformance.mock_gateway.fault_messages import (
    as_python_text,
    changing,
    cut_short,
    declared_as,
    falsely_encoded_as,
    in_an_array,
    naming_twice,
    numbered,
    setting,
    without,
)
from conformance.mock_gateway.fault_request_ids import repeating, same_for_equals, telling_the_phone_number

ENCODING = (
    Fault(
        "drops-some-refusals",
        "One in five requests that fail validation gets no answer: the connection closes",
        ("ANS-01",),
        answers(posted(refused_as(*VALIDATION)), dropped, every=5),
    ),
    Fault(
        "drops-one-answer-in-ten",
        "One in ten requests gets no answer, accepted or not",
        ("ANS-01",),
        answers(posted(any_answer), dropped, every=10),
    ),
    Fault(
        "success-in-python-text",
        "Successes are written with single quotes, which is not JSON",
        ("ENC-01",),
        answers(success, as_python_text()),
    ),
    Fault(
        "error-in-python-text",
        "Errors are written with single quotes, which is not JSON",
        ("ENC-02",),
        answers(error, as_python_text()),
    ),
    Fault(
        "success-declared-as-html",
        "Successes are JSON, but declared as text/html",
        ("ENC-03",),
        answers(success, declared_as("text/html")),
    ),
    Fault(
        "error-declared-as-html",
        "Errors are JSON, but declared as text/html",
        ("ENC-04",),
        answers(error, declared_as("text/html")),
    ),
    Fault(
        "success-falsely-declared-as-gzip",
        "Successes are plain JSON under Content-Encoding: gzip",
        ("ENC-01",),
        answers(success, falsely_encoded_as("gzip")),
    ),
    Fault(
        "error-falsely-declared-as-gzip",
        "Errors are plain JSON under Content-Encoding: gzip",
        ("ENC-02",),
        answers(error, falsely_encoded_as("gzip")),
    ),
    Fault("error-pages-in-html", "Errors are HTML pages", ("ENC-02", "ENC-04"), answers(error, html_page)),
    Fault(
        "one-answer-in-ten-cut-short",
        "One answer in ten lacks the end of its body",
        ("ENC-01", "ENC-02"),
        answers(any_answer, cut_short(), every=10),
    ),
    Fault(
        "answer-names-a-member-twice",
        "An undocumented member of every answer is there twice",
        ("ENC-05",),
        answers(any_answer, naming_twice("trace", "ke-1", "ke-2")),
    ),
    Fault(
        "answers-twice",
        "Every third answer is followed by a second one on the same connection",
        ("ENC-06",),
        answers(any_answer, followed_by_another, every=3),
    ),
    Fault(
        "one-success-in-ten-cut-short",
        "One success in ten lacks the end of its body",
        ("ENC-01",),
        answers(success, cut_short(), every=10),
    ),
)

ENVELOPE = (
    Fault("success-in-an-array", "Successes are wrapped in an array", ("RSP-01",), answers(success, in_an_array())),
    Fault("error-in-an-array", "Errors are wrapped in an array", ("RSP-02",), answers(error, in_an_array())),
    Fault(
        "status-code-as-string",
        'status_code is a string ("200")',
        ("RSP-03",),
        answers(any_answer, changing("status_code", str)),
    ),
    Fault(
        "success-without-status-code",
        "Successes lack status_code",
        ("RSP-04",),
        answers(success, without("status_code")),
    ),
    Fault("error-without-status-code", "Errors lack status_code", ("RSP-05",), answers(error, without("status_code"))),
    Fault(
        "status-code-out-of-range",
        "A phone number with a plus sign is answered 399, in the body and in the status line",
        ("RSP-06",),
        together(
            refuses(international),
            answers(both(international, error), status(399, "The phone number has a plus sign")),
        ),
    ),
    Fault(
        "success-over-http-202", "Successes come with HTTP status 202", ("RSP-07",), answers(success, http_status(202))
    ),
    Fault("error-over-http-200", "Errors come with HTTP status 200", ("RSP-08",), answers(error, http_status(200))),
    Fault(
        "success-without-description",
        "Successes lack description",
        ("RSP-09",),
        answers(success, without("description")),
    ),
    Fault(
        "success-without-description-after-fifteen-requests",
        "Successes lack description from the sixteenth request on",
        ("RSP-09",),
        answers(from_request(16, success), without("description")),
    ),
    Fault("error-without-description", "Errors lack description", ("RSP-10",), answers(error, without("description"))),
    Fault(
        "description-in-an-array",
        "description is an array of strings",
        ("RSP-11",),
        answers(any_answer, changing("description", lambda text: [text])),
    ),
    Fault(
        "success-with-empty-description",
        "Successes have an empty description",
        ("RSP-12",),
        answers(success, setting("description", "")),
    ),
    Fault(
        "error-with-empty-description",
        "Errors have an empty description",
        ("RSP-13",),
        answers(error, setting("description", "")),
    ),
    Fault(
        "one-description-for-all",
        "Errors are described in the words used for successes",
        ("RSP-14",),
        answers(any_answer, setting("description", "Request processed")),
    ),
    Fault(
        "success-without-request-id", "Successes lack request_id", ("RSP-15",), answers(success, without("request_id"))
    ),
    Fault("error-without-request-id", "Errors lack request_id", ("RSP-16",), answers(error, without("request_id"))),
    Fault("request-id-as-number", "request_id is a number", ("RSP-17",), answers(any_answer, numbered("request_id"))),
    Fault("request-id-empty", "request_id is empty", ("RSP-18",), answers(any_answer, setting("request_id", ""))),
)

REQUEST_IDS = (
    Fault(
        "request-id-repeats-every-tenth-time",
        "One accepted request in ten gets the request_id of an earlier one",
        ("RID-01",),
        renames(repeating),
    ),
    Fault(
        "request-id-equal-for-equal-requests",
        "Equal requests get equal request_ids",
        ("RID-02",),
        renames(same_for_equals),
    ),
    Fault(
        "request-id-holds-phone-number",
        "request_id is the phone number and a counter",
        ("RID-03",),
        renames(telling_the_phone_number),
    ),
)

ORGANIZATION = (
    Fault(
        "organization-without-name",
        "account-details leaves out the organization's name",
        ("ACT-01",),
        answers(success, nameless_organization()),
    ),
    Fault(
        "organization-without-website",
        "account-details leaves out the website",
        ("ACT-02",),
        answers(success, organization_without("website")),
    ),
    Fault(
        "balance-as-string",
        "account-details tells available_balance as a string",
        ("ACT-03",),
        answers(success, balance_as_text()),
    ),
    Fault(
        "accounts-as-object",
        "account-details tells accounts as an object instead of an array",
        ("ACT-04",),
        answers(success, accounts_by_name()),
    ),
)

FAULTS_OF_ANSWERS: tuple[Fault, ...] = (*ENCODING, *ENVELOPE, *REQUEST_IDS, *ORGANIZATION)
