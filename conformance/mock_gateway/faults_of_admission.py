"""The faults of admission: what is accepted that must be refused, and refused (or answered with 500) that must not."""

from __future__ import annotations

from conformance.mock_gateway.fault_admission import (
    accepting,
    astral,
    at_an_end,
    bare_get,
    broken_into_lines,
    documented_sample,
    emoji,
    international,
    long,
    of_hundreds_to_2541,
    of_some_thousands,
    over_long,
    refuses_known,
    refuses_ordinary,
    unlucky,
    without_reference,
)
from conformance.mock_gateway.fault_answers import (
    CREDENTIAL,
    anything,
    as_success,
    both,
    error,
    fields_as_list,
    html_page,
    misnamed_fields,
    posted,
    refused,
    refused_as,
    status,
    without_challenge,
)
from conformance.mock_gateway.fault_changes import (
    UNEXCUSED,
    Fault,
    answers,
    crashes,
    deliveries,
    refuses,
    together,
    waives,
)
from conformance.mock_gateway.fault_deliveries import after_refusal
from conformance.mock_gateway.fault_messages import changing, setting, without
from conformance.mock_gateway.refusals import BODY_TAGS
from conformance.mock_gateway.variants import ONE_TEXT

CRASHED = status(500, "Internal error; try again later")


CREDENTIALS = (
    Fault(
        "right-credential-refused-at-times",
        "One valid request in fifteen is refused with 401",
        ("AUT-01",),
        refuses(posted(anything), tag="credential.wrong-key", every=15),
    ),
    Fault(
        "accepts-no-credential", "A request without Authorization is accepted", ("AUT-02",), waives("credential.absent")
    ),
    Fault("accepts-a-wrong-key", "A wrong consumer key is accepted", ("AUT-03",), waives("credential.wrong-key")),
    Fault(
        "accepts-a-wrong-secret", "A wrong consumer secret is accepted", ("AUT-04",), waives("credential.wrong-secret")
    ),
    Fault(
        "accepts-a-swapped-credential",
        "secret:key is accepted for key:secret",
        ("AUT-05",),
        waives("credential.swapped"),
    ),
    Fault(
        "accepts-another-case", "A credential in another case is accepted", ("AUT-06",), waives("credential.other-case")
    ),
    Fault("accepts-an-empty-credential", "An empty credential is accepted", ("AUT-07",), waives("credential.empty")),
    Fault(
        "accepts-no-base64", "A credential that is not base64 is accepted", ("AUT-08",), waives("credential.not-base64")
    ),
    Fault(
        "crashes-on-no-base64",
        "A credential that is not base64 is answered 500",
        ("AUT-08",),
        crashes("credential.not-base64"),
    ),
    Fault(
        "accepts-another-scheme",
        "Another scheme than Basic is accepted",
        ("AUT-09",),
        waives("credential.other-scheme"),
    ),
    Fault(
        "acts-without-credential",
        "A request refused with 401 is carried out, and a notification tells so",
        ("AUT-10",),
        deliveries(after_refusal(CREDENTIAL, result_code="200", result_desc="Success")),
    ),
    Fault(
        "no-challenge",
        "A 401 comes without WWW-Authenticate",
        ("AUT-11",),
        answers(refused_as(*CREDENTIAL), without_challenge),
    ),
)

HEADERS = (
    Fault(
        "needs-accept", "A request without Accept (and User-Agent) is refused", ("HDR-01",), refuses(accepting(None))
    ),
    Fault(
        "refuses-any-accept",
        "Accept: */* is refused from a client without User-Agent",
        ("HDR-02",),
        refuses(accepting("*/*")),
    ),
    Fault(
        "refuses-json-accept",
        "Accept: application/json is refused from a client without User-Agent",
        ("HDR-03",),
        refuses(accepting("application/json")),
    ),
    Fault(
        "accepts-no-content-type",
        "A body without Content-Type is accepted",
        ("CTY-01",),
        waives("malformed.absent-content-type"),
    ),
    Fault(
        "accepts-another-content-type",
        "A JSON body declared as something else is accepted",
        ("CTY-02",),
        waives("malformed.other-content-type"),
    ),
    Fault(
        "crashes-on-no-content-type",
        "A body without Content-Type is answered 500",
        ("CTY-03",),
        crashes("malformed.absent-content-type"),
    ),
    Fault(
        "crashes-on-another-content-type",
        "A JSON body declared as something else is answered 500",
        ("CTY-03",),
        crashes("malformed.other-content-type"),
    ),
    Fault(
        "get-needs-content-type",
        "A GET without Content-Type is refused",
        ("GET-01",),
        refuses(bare_get, tag="malformed.absent-content-type"),
    ),
)

BODIES = (
    Fault("accepts-no-json", "A body that is not JSON is accepted", ("BOD-01",), waives("malformed.not-json")),
    Fault("accepts-a-cut-body", "A body cut short is accepted", ("BOD-02",), waives("malformed.cut-short")),
    Fault("crashes-on-a-cut-body", "A body cut short is answered 500", ("BOD-02",), crashes("malformed.cut-short")),
    Fault("accepts-an-empty-body", "An empty body is accepted", ("BOD-03",), waives("malformed.empty-body")),
    Fault("accepts-an-array", "A body that is a JSON array is accepted", ("BOD-04",), waives("malformed.array")),
    Fault(
        "crashes-on-an-array", "A body that is a JSON array is answered 500", ("BOD-04",), crashes("malformed.array")
    ),
    Fault("accepts-a-scalar", "A body that is a JSON scalar is accepted", ("BOD-05",), waives("malformed.scalar")),
    Fault("accepts-a-form", "A form-encoded body is accepted", ("BOD-06",), waives("malformed.form-encoded")),
    Fault("accepts-no-utf8", "A body that is not UTF-8 is accepted", ("BOD-07",), waives("malformed.not-utf8")),
    Fault("crashes-on-no-utf8", "A body that is not UTF-8 is answered 500", ("BOD-08",), crashes("malformed.not-utf8")),
    Fault(
        "crashes-on-any-bad-body",
        "Every body that a strict reader takes for no JSON object is answered 500",
        ("BOD-01", "BOD-02", "BOD-03", "BOD-04", "BOD-05", "BOD-06", "BOD-08", "OPN-01"),
        crashes(*BODY_TAGS),
    ),
)

PATHS = (
    Fault(
        "accepts-an-unknown-command",
        "An unknown command is answered 200",
        ("CMD-01",),
        answers(refused_as("unknown-command.*"), as_success),
    ),
    Fault(
        "crashes-on-an-unknown-command",
        "An unknown command is answered 500",
        ("CMD-01",),
        crashes("unknown-command.*"),
    ),
    Fault(
        "unknown-command-in-html",
        "An unknown command is answered with an HTML page",
        ("CMD-02",),
        answers(refused_as("unknown-command.*"), html_page),
    ),
    Fault("accepts-any-method", "Every method is taken for the right one", ("CMD-03",), waives("method.*")),
    Fault("crashes-on-a-wrong-method", "A wrong method is answered 500", ("CMD-03",), crashes("method.*")),
    Fault(
        "wrong-method-in-html",
        "A wrong method is answered with an HTML page",
        ("CMD-04",),
        answers(refused_as("method.*"), html_page),
    ),
)

VALIDATIONS = (
    Fault("accepts-a-missing-field", "A required field may be missing", ("VAL-01",), waives("broken.missing")),
    Fault("crashes-on-a-missing-field", "A missing field is answered 500", ("VAL-01",), crashes("broken.missing")),
    Fault("accepts-null", "A required field may be null", ("VAL-02",), waives("broken.null")),
    Fault("crashes-on-null", "A field that is null is answered 500", ("VAL-02",), crashes("broken.null")),
    Fault("accepts-any-type", "A field may be of any type", ("VAL-03",), waives("broken.type")),
    Fault("accepts-empty-fields", "A required field may be empty", ("VAL-04",), waives("broken.empty")),
    Fault("accepts-any-form", "A field may have any form", ("VAL-05",), waives("broken.pattern")),
    Fault("accepts-any-amount", "An amount may be of any size", ("VAL-06",), waives("broken.range")),
    Fault(
        "validation-errors-as-list",
        "validation_errors is a list",
        ("VAL-07",),
        answers(error, changing("validation_errors", fields_as_list)),
    ),
    Fault(
        "no-validation-errors",
        "A 422 carries no validation_errors",
        ("VAL-07",),
        answers(error, without("validation_errors")),
    ),
    Fault(
        "validation-errors-misnamed",
        "validation_errors blames the body, not the field",
        ("VAL-08",),
        answers(error, changing("validation_errors", misnamed_fields)),
    ),
)

VALID_PAYLOADS = (
    Fault(
        "refuses-the-samples", "The documented samples are refused", ("ACC-01",), refuses_ordinary(documented_sample)
    ),
    Fault(
        "refuses-some-phone-numbers",
        "Four ordinary sms in ten are refused, by the last digit of the phone number",
        ("ACC-02",),
        refuses_ordinary(unlucky),
    ),
    Fault("refuses-emoji", "A message with a character above U+FFFF is refused", ("ACC-03",), refuses_ordinary(astral)),
    Fault(
        "crashes-on-emoji-and-on-other-planes",
        "A message with a character above U+FFFF is answered 500, in other words where the first of them is an emoji",
        ("ACC-03",),
        together(
            refuses_ordinary(astral),
            answers(both(refused_as(UNEXCUSED), astral), status(500, "Internal error: incorrect string value")),
            answers(both(both(refused_as(UNEXCUSED), astral), emoji), status(500, "Internal error: no such glyph")),
        ),
    ),
    Fault("refuses-long-messages", "More than 160 characters are refused", ("ACC-04",), refuses_ordinary(long)),
    Fault(
        "refuses-line-breaks",
        "A message of plain words with a line break or a tab is refused",
        ("ACC-05",),
        refuses_ordinary(broken_into_lines),
    ),
    Fault("refuses-both-ends", "An airtime amount of 5 or 10000 is refused", ("ACC-06",), refuses_ordinary(at_an_end)),
    Fault(
        "needs-a-reference",
        "mpesa/online is refused without bill_ref_number",
        ("ACC-07",),
        refuses_ordinary(without_reference),
    ),
    Fault(
        "denies-emoji",
        "A message with a character above U+FFFF is answered 403",
        ("ACC-03",),
        refuses_ordinary(astral, tag="unregistered"),
    ),
    Fault(
        "denies-long-messages",
        "More than 160 characters are answered 403",
        ("ACC-04",),
        refuses_ordinary(long, tag="unregistered"),
    ),
    Fault(
        "denies-line-breaks",
        "A message of plain words with a line break or a tab is answered 403",
        ("ACC-05",),
        refuses_ordinary(broken_into_lines, tag="unregistered"),
    ),
    Fault(
        "denies-some-amounts",
        "Airtime of 5000 to 9000 shillings is answered 403",
        ("ACC-02",),
        refuses_ordinary(of_some_thousands, tag="unregistered"),
    ),
    Fault(
        "wants-funds-for-emoji",
        "A message with a character above U+FFFF is answered 402, whatever the balance",
        ("ACC-03",),
        refuses_ordinary(astral, tag="funds"),
    ),
    Fault(
        "refuses-numbers-in-the-words-for-a-repeat",
        "All that is refused is described in the same words, and so is airtime to numbers that begin with 2541",
        ("ACC-02",),
        together(refuses_ordinary(of_hundreds_to_2541), answers(error, setting("description", ONE_TEXT))),
    ),
    Fault(
        "crashes-on-over-long-messages",
        "A message of more than 459 characters is answered 500",
        ("LEN-01",),
        together(refuses(over_long), answers(both(over_long, refused), CRASHED)),
    ),
    Fault(
        "crashes-on-a-plus-sign",
        "A phone number with a plus sign is answered 500",
        ("OPN-01",),
        together(refuses(international), answers(both(international, error), CRASHED)),
    ),
)

REPEATS = (
    Fault("no-airtime-window", "A similar airtime request is accepted again at once", ("IDM-01",), waives("window")),
    Fault(
        "airtime-window-per-phone-number",
        "A second airtime request to a phone number is refused, whatever the amount (the sample's is spared)",
        ("IDM-02",),
        refuses_known("airtime", "phone_number"),
    ),
    Fault(
        "refuses-an-equal-message",
        "An equal sms sent again is refused",
        ("REP-01",),
        refuses_known("sms", "phone_number", "sender_id", "message"),
    ),
)

FAULTS_OF_ADMISSION: tuple[Fault, ...] = (
    *CREDENTIALS,
    *HEADERS,
    *BODIES,
    *PATHS,
    *VALIDATIONS,
    *VALID_PAYLOADS,
    *REPEATS,
)
