"""Latencies and result codes as reports tell them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from made_result import CASE, REQUEST, SETTINGS

from conformance.contract.contract import statum
from conformance.journal import Record
from conformance.model.traffic import Exchange, Notification, Request, Response
from conformance.reports.figures import MOST_CODES, Figures, Series, quantile
from conformance.reports.report import Latency, Measured

LATENCIES = st.lists(st.floats(0, 100), min_size=1, max_size=200)


def answered(number: int, sent: float, took: float) -> Exchange:
    """An exchange that was given the id `R-number`."""
    body = json.dumps({"status_code": 200, "request_id": f"R-{number}"}).encode()
    return Exchange(number, CASE.id, 1, REQUEST, sent, sent, Response(200, (), body), None, sent + took)


def notified(number: int, at: float, code: object = "200") -> Notification:
    """A notification of the request with that number."""
    body = json.dumps({"request_id": f"R-{number}", "result_code": code}).encode()
    return Notification(number, "sms", Request("POST", "/callbacks/sms", (), body), at, at)


def figures(*exchanges: Exchange, notifications: tuple[Notification, ...] = ()) -> Figures:
    """Those of a run."""
    return Figures.of(Record(SETTINGS, (CASE,), exchanges, notifications), statum())


def test_a_quantile_is_one_of_the_values() -> None:
    """By nearest rank."""
    rows = {0.5: 2.0, 0.95: 4.0, 0.25: 1.0, 0.0: 1.0, 1.0: 4.0}
    assert rows == {share: quantile([1.0, 2.0, 3.0, 4.0], share) for share in rows}


def test_a_notification_counts_from_the_answer() -> None:
    """One that overtook it took no time."""
    found = figures(
        answered(1, 10.0, 0.5), answered(2, 11.0, 0.5), notifications=(notified(1, 12.5), notified(2, 11.2))
    ).measured()
    assert Latency(2, p50=0.5, p95=0.5, p99=0.5, max=0.5) == found.answers["sms"]
    assert Latency(2, p50=0.0, p95=2.0, p99=2.0, max=2.0) == found.notifications["sms"]


def test_of_a_repeated_notification_the_first_counts() -> None:
    """Its codes count each time that they come."""
    found = figures(answered(1, 10.0, 0.5), notifications=(notified(1, 11.0), notified(1, 20.0))).measured()
    assert (1, 0.5) == (found.notifications["sms"].count, found.notifications["sms"].max)
    assert {"sms": {"200": 2}} == found.result_codes


def test_unusual_codes_are_counted_as_other() -> None:
    """Numbers, words, novels, and a code for each notification."""
    strange = (notified(1, 1.0, 200), notified(2, 1.0, "x" * 50), notified(3, 1.0, None))
    assert {"sms": {"200": 1, "null": 1, "other": 1}} == figures(notifications=strange).measured().result_codes
    many = tuple(notified(number, 1.0, f"{number}") for number in range(MOST_CODES + 5))
    assert 5 == figures(notifications=many).measured().result_codes["sms"]["other"]


def test_a_run_without_traffic_has_no_figures() -> None:
    """Nothing is made up."""
    assert Measured() == figures().measured()


@given(LATENCIES)
def test_each_latency_counts_once(latencies: list[float]) -> None:
    """In the histogram, and in each part of the run in their order, where the longest is not below the median."""
    series = Series()
    for at, took in enumerate(latencies):
        series.add(float(at), took)
    told, rows = series.described(), series.over_run()

    assert len(latencies) == sum(number for _, number in series.histogram())
    assert told.p50 <= told.p95 <= told.p99 <= told.max
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(median <= longest for _, median, longest in rows)
    assert max(latencies) == max(longest for _, _, longest in rows)
