"""The faults of notifications: whether one comes, when, where to, and what it holds."""

from __future__ import annotations

from conformance.mock_gateway.fault_answers import VALIDATION
from conformance.mock_gateway.fault_changes import Fault, deliveries, fails, notifications, together
from conformance.mock_gateway.fault_deliveries import (
    FAILURE,
    LATE_S,
    after_refusal,
    as_get,
    by_chance,
    charge_as_text,
    contradicted,
    contradicted_in,
    is_failure,
    is_internal,
    is_success,
    late,
    lost,
    off_the_registered_url,
    on,
    probe_before,
    put,
    to_another_product,
    unasked,
    without_body,
)
from conformance.mock_gateway.fault_messages import (
    behind_a_mark,
    changing,
    cut_short,
    declared_as,
    edited,
    in_an_array,
    naming_twice,
    setting,
    without,
)

ARRIVAL = (
    Fault("no-notifications", "No notification is ever sent", ("NTF-01",), deliveries(lost(1))),
    Fault("notifications-lost", "One notification in three is never sent", ("NTF-01",), deliveries(lost(3))),
    Fault(
        "one-notification-in-twenty-lost",
        "One notification in twenty is never sent",
        ("NTF-01",),
        deliveries(lost(20)),
    ),
    Fault(
        "notifications-late",
        f"One notification in five comes {LATE_S:g} s later than it could",
        ("NTF-02",),
        notifications(late, every=5),
    ),
    Fault("notification-by-put", "Notifications are sent with PUT", ("NTF-03",), notifications(put)),
    Fault(
        "notification-by-get",
        "Notifications are sent with GET, and tell all that they tell in the query",
        ("NTF-03",),
        notifications(as_get),
    ),
    Fault(
        "some-callbacks-only-probed",
        "Each callback is tried with a GET first, and one notification in three is then never sent",
        ("NTF-01",),
        deliveries(probe_before("GET", 3)),
    ),
    Fault(
        "some-callbacks-only-probed-by-post",
        "Each callback is tried with a POST of nothing first, and one notification in three is then never sent",
        ("NTF-01",),
        deliveries(probe_before("POST", 3)),
    ),
    Fault(
        "notification-to-another-product",
        "One notification in five goes to the callback of another product",
        ("NTF-17",),
        deliveries(to_another_product(5)),
    ),
    Fault(
        "notification-off-the-registered-url",
        "Notifications go to the callback URL without its query, or with one that it does not have",
        ("NTF-18",),
        notifications(off_the_registered_url),
    ),
)

CONTENT = (
    Fault(
        "one-notification-in-ten-cut-short",
        "One notification in ten lacks the end of its body",
        ("NTF-04",),
        notifications(cut_short(), every=10),
    ),
    Fault(
        "notification-behind-a-byte-order-mark",
        "Notifications begin with a byte order mark",
        ("NTF-04",),
        notifications(behind_a_mark()),
    ),
    Fault(
        "notification-without-body",
        "Notifications have no body",
        ("NTF-04",),
        notifications(without_body),
    ),
    Fault(
        "notification-declared-as-text",
        "Notifications are JSON, but declared as text/plain",
        ("NTF-05",),
        notifications(declared_as("text/plain")),
    ),
    Fault(
        "notification-in-an-array",
        "Notifications are wrapped in an array",
        ("NTF-06",),
        notifications(in_an_array()),
    ),
    Fault(
        "notification-without-result-code",
        "Notifications lack result_code",
        ("NTF-07",),
        notifications(without("result_code")),
    ),
    Fault(
        "result-code-as-number",
        "result_code is a number, as status_code is in an answer",
        ("NTF-08",),
        notifications(changing("result_code", int)),
    ),
    Fault(
        "result-code-in-words",
        'result_code is "OK" on success',
        ("NTF-09",),
        notifications(on(is_success, setting("result_code", "OK"))),
    ),
    Fault(
        "result-code-of-four-digits",
        'result_code has a leading zero ("0200")',
        ("NTF-09",),
        notifications(changing("result_code", lambda code: f"0{code}")),
    ),
    Fault(
        "notification-without-result-desc",
        "Notifications lack result_desc",
        ("NTF-10",),
        notifications(without("result_desc")),
    ),
    Fault(
        "result-desc-in-an-array",
        "result_desc is an array of strings",
        ("NTF-11",),
        notifications(changing("result_desc", lambda text: [text])),
    ),
    Fault(
        "success-result-without-text",
        "result_desc is empty on success",
        ("NTF-12",),
        notifications(on(is_success, setting("result_desc", ""))),
    ),
    Fault(
        "failure-result-without-reason",
        "Some transactions fail, with an empty result_desc",
        ("NTF-13",),
        together(fails(0.1), notifications(on(is_failure, setting("result_desc", "")))),
    ),
    Fault(
        "some-failure-results-without-reason",
        "Half of the transactions fail, one in five of them, by chance, with an empty result_desc",
        ("NTF-13",),
        together(fails(0.5), notifications(on(is_failure, by_chance(0.2, setting("result_desc", ""))))),
    ),
    Fault(
        "internal-error-results-without-reason",
        "Half of the transactions fail, those with result_code 500 with an empty result_desc",
        ("NTF-13",),
        together(fails(0.5), notifications(on(is_internal, setting("result_desc", "")))),
    ),
    Fault(
        "airtime-charge-as-string",
        "Airtime notifications tell the charge as a string",
        ("NTF-22",),
        notifications(charge_as_text),
    ),
    Fault(
        "notification-names-a-member-twice",
        "An undocumented member of every notification is there twice",
        ("NTF-24",),
        notifications(naming_twice("attempt", 1, 1)),
    ),
    Fault(
        "notifications-empty",
        "Notifications are empty objects",
        ("NTF-07", "NTF-10", "NTF-14"),
        notifications(edited(lambda _: {})),
    ),
)

CORRELATION = (
    Fault(
        "notification-without-request-id",
        "Notifications lack request_id",
        ("NTF-14",),
        notifications(without("request_id")),
    ),
    Fault(
        "notification-id-in-an-array",
        "The request_id of a notification is an array",
        ("NTF-15",),
        notifications(changing("request_id", lambda request_id: [request_id])),
    ),
    Fault(
        "notification-id-in-upper-case",
        "The request_id of a notification is that of the answer in upper case",
        ("NTF-16",),
        notifications(changing("request_id", str.upper)),
    ),
    Fault(
        "notification-id-cut-short",
        "The request_id of a notification lacks the last character",
        ("NTF-16",),
        notifications(changing("request_id", lambda request_id: request_id[:-1])),
    ),
    Fault(
        "notification-id-padded",
        "The request_id of a notification ends with a blank",
        ("NTF-16",),
        notifications(changing("request_id", lambda request_id: f"{request_id} ")),
    ),
    Fault(
        "notification-contradicted",
        "One notification in five is followed by one that tells the opposite",
        ("NTF-19",),
        deliveries(contradicted(5)),
    ),
    Fault(
        "notification-contradicted-in-its-amount",
        "One notification of a payment in five is followed by one with another amount",
        ("NTF-19",),
        deliveries(contradicted_in("amount", "1234567", 5)),
    ),
    Fault(
        "notification-contradicted-in-its-receipt",
        "One notification of a payment in five is followed by one with another receipt of the operator",
        ("NTF-19",),
        deliveries(contradicted_in("third_party_trans_id", "RKTQDM7W6S", 5)),
    ),
    Fault(
        "notification-contradicted-in-its-customer",
        "One notification of a payment in five is followed by one with another customer",
        ("NTF-19",),
        deliveries(contradicted_in("customer_name", "Otieno Odhiambo", 5)),
    ),
    Fault(
        "notification-after-a-refusal",
        "One request in five that fails validation is followed by a notification all the same",
        ("NTF-20",),
        deliveries(after_refusal(VALIDATION, every=5, **FAILURE)),
    ),
    Fault(
        "notification-nobody-asked-for",
        "One notification in five is followed by one about a request that nobody made",
        ("NTF-21",),
        deliveries(unasked(5)),
    ),
)

FAULTS_OF_NOTIFICATIONS: tuple[Fault, ...] = (*ARRIVAL, *CONTENT, *CORRELATION)
