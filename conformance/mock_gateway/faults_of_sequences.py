"""The faults of sequences: what goes wrong only after certain requests, or only for some at the same instant."""

from __future__ import annotations

from conformance.mock_gateway.fault_answers import refused_as
from conformance.mock_gateway.fault_changes import Fault, deliveries, renames, together, waives
from conformance.mock_gateway.fault_sequences import (
    airtime_alike,
    airtime_and_payments_alike,
    masked,
    noted_too_late,
    numbered_per_command,
    of_the_payment_before,
    one_at_a_time,
    only_the_last_amount,
    rejected_ones_too,
    sharing_ids_at_once,
    spends_on,
    swapped_at_once,
    third_of_equals,
    to_the_callback_of_the_number,
    without_last_digit,
)

NO_JSON = ("malformed.not-json",)

WINDOWS = (
    Fault(
        "airtime-window-knows-the-last-amount",
        "A similar airtime request is accepted if another amount went to its phone number in between",
        ("IDM-01",),
        together(waives("window"), only_the_last_amount()),
    ),
    Fault(
        "airtime-window-noted-too-late",
        "Equal airtime requests at the same moment are all accepted",
        ("IDM-01",),
        together(waives("window"), noted_too_late()),
    ),
    Fault(
        "airtime-window-by-masked-number",
        "Airtime is refused if its amount went to a phone number that only differs where it would be masked",
        ("IDM-02",),
        airtime_alike(masked),
    ),
    Fault(
        "airtime-window-without-the-last-digit",
        "Airtime is refused if its amount went to a phone number that differs in the last digit",
        ("IDM-02",),
        airtime_alike(without_last_digit),
    ),
    Fault(
        "airtime-window-counts-rejected-requests",
        "Airtime is refused if a similar request was rejected because something stood behind its JSON object",
        ("IDM-04",),
        rejected_ones_too(*NO_JSON),
    ),
    Fault(
        "airtime-window-across-products",
        "Airtime is refused after a payment with its phone number and amount, and the other way round",
        ("IDM-05",),
        airtime_and_payments_alike(),
    ),
    Fault(
        "refuses-a-third-equal-message",
        "An equal sms is accepted twice and refused the third time",
        ("REP-01",),
        third_of_equals("sms"),
    ),
)

AT_ONCE = (
    Fault(
        "refuses-all-but-one-at-once",
        "Of messages, or payments, to one phone number at the same instant, only one is accepted",
        ("CON-01",),
        one_at_a_time(),
    ),
    Fault(
        "request-ids-shared-at-once",
        "Messages, or payments, to one phone number at the same instant get the same request_id",
        ("RID-05",),
        renames(sharing_ids_at_once),
    ),
    Fault(
        "request-ids-numbered-per-command",
        "Each tenth accepted request gets its number within its command as request_id",
        ("RID-01",),
        renames(numbered_per_command(10)),
    ),
    Fault(
        "notifications-swapped-at-once",
        "Of two payments to one phone number at the same instant, each is notified of as the other",
        ("NTF-23",),
        deliveries(swapped_at_once),
    ),
    Fault(
        "notification-of-another-payment",
        "One notification of a payment in ten tells of the payment before",
        ("NTF-23",),
        deliveries(of_the_payment_before(10)),
    ),
    Fault(
        "notification-to-the-product-before",
        "A notification goes to the callback of the product that its phone number was used with just before",
        ("NTF-17",),
        deliveries(to_the_callback_of_the_number),
    ),
)

SPENDING = (
    Fault(
        "spends-on-rejected-requests",
        "A request whose body is not JSON is refused, and costs a shilling",
        ("BAL-01",),
        spends_on(refused_as(*NO_JSON)),
    ),
    Fault(
        "spends-on-402",
        "A request that is refused for lack of funds costs a shilling",
        ("BAL-02",),
        spends_on(refused_as("funds")),
    ),
)

FAULTS_OF_SEQUENCES: tuple[Fault, ...] = (*WINDOWS, *AT_ONCE, *SPENDING)
