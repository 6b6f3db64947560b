"""The figures of a run under load, whole and in parts, and how reports show them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from load_records import Loaded, busy, loaded
from run_records import Run

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.journal import Record
from conformance.reports.figures import quantile
from conformance.reports.junit import junit
from conformance.reports.load_figures import MOST_MOMENTS, LoadFigures, TimeBuckets
from conformance.reports.page import html
from conformance.reports.remarks import load_lines
from conformance.reports.report import LoadReport, Report
from conformance.reports.result import Result
from conformance.reports.sarif import sarif
from conformance.reports.summary import summary


def figures(record: Record) -> LoadFigures:
    """The figures of a record of a load."""
    found = LoadFigures.of(record, statum())
    assert found is not None
    return found


def reported(record: Record) -> LoadReport:
    """As the report has them."""
    load = Result.of(record).report.load
    assert load is not None
    return load


# --- Buckets of times


def test_percentiles_are_within_one_percent_and_the_longest_time_is_exact() -> None:
    """Over seven orders of magnitude, of even and of uneven numbers of times."""
    times = [0.0001 * 1.017**number for number in range(900)]
    buckets = TimeBuckets()
    for seconds in times:
        buckets.see(seconds)

    for share in (0.01, 0.5, 0.9, 0.99, 0.999):
        assert pytest.approx(quantile(times, share), rel=0.01) == buckets.percentile(share)
    assert max(times) == buckets.percentile(1.0) == buckets.longest


def test_buckets_without_times_have_no_percentiles() -> None:
    """Rather than a time of 0."""
    assert TimeBuckets().percentile(0.5) is None
    assert TimeBuckets().times() is None


def test_a_time_of_zero_or_less_counts_as_the_shortest() -> None:
    """A notification may overtake the answer."""
    buckets = TimeBuckets()
    for seconds in (-0.5, 0.0, 0.00001):
        buckets.see(seconds)

    assert {0: 3} == buckets.counts


# --- Figures


def test_a_run_without_load_has_no_figures_of_load() -> None:
    """Nor one that was killed before it noted its load."""
    run = Run()
    run.invoke("a")

    assert LoadFigures.of(run.record(), statum()) is None
    assert LoadFigures.of(loaded([200], noted=False).record(), statum()) is None
    assert "load" not in Result.of(run.record()).document


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    """As a journal that is judged in parts: all of a request is in one part."""
    record = busy()
    parts = []
    for remainder in range(7):
        exchanges = tuple(each for each in record.exchanges if each.number % 7 == remainder)
        ids = {json.loads(each.response.body)["request_id"] for each in exchanges if each.response}
        notified = tuple(n for n in record.notifications if json.loads(n.request.body)["request_id"] in ids)
        parts.append(figures(replace(record, exchanges=exchanges, notifications=notified)))

    whole = figures(record).report(record.settings["load"])
    for order in (parts, parts[::-1]):
        total = figures(replace(record, exchanges=(), notifications=()))
        for part in order:
            total.add(part)
        assert whole == total.report(record.settings["load"])


def test_the_rate_is_that_of_valid_requests() -> None:
    """It is the rate that was asked for, which says nothing of requests that have to be refused."""
    load = reported(busy(seconds=30, rate=20))

    assert (20.0, 20.0, 20.0) == (load.rate, load.reached, load.sent_per_s)
    assert 600 == load.sent == load.accepted + load.refused + load.failed == sum(load.statuses.values())
    assert load.accepted == load.notified
    assert (load.refused, load.failed) == (load.statuses["429"], load.statuses["503"])


def test_moments_add_up_to_the_totals() -> None:
    """Each request is in one, by when it was sent; notifications after the load are in none."""
    load = reported(busy())

    for name in ("sent", "accepted", "refused", "failed"):
        assert getattr(load, name) == sum(getattr(moment, name) for moment in load.moments)
    assert 0 < load.notified - sum(moment.notified for moment in load.moments) < 20
    assert [load.moment_s] * (len(load.moments) - 1) == [b.at_s - a.at_s for a, b in pairwise(load.moments)]


@pytest.mark.parametrize(("seconds", "width"), [(1, 1.0), (119, 1.0), (120, 2.0), (3600, 31.0)])
def test_there_are_no_more_moments_than_a_plot_can_show(seconds: int, width: float) -> None:
    """Of a second at least."""
    load = reported(busy(seconds=seconds, rate=1))

    assert width == load.moment_s
    assert len(load.moments) <= MOST_MOMENTS


def test_what_was_sent_before_the_load_is_not_counted() -> None:
    """Its requests have no pace."""
    run = Loaded(before=2)
    for number in range(4):
        run.invoke(f"id-{number}")

    assert 2 == reported(run.record()).sent


@pytest.mark.parametrize(
    ("status", "raw", "outcome"),
    [(200, None, "accepted"), (422, None, "refused"), (500, None, "failed"), (200, b"<html>", "failed")],
)
def test_a_request_has_one_outcome(status: int, raw: bytes | None, outcome: str) -> None:
    """An answer outside the envelope is a failure, whatever its status says."""
    run = Loaded()
    run.invoke("a", status, raw=raw)
    load = reported(run.record())

    assert 1 == getattr(load, outcome) == load.accepted + load.refused + load.failed


# --- Reports


def test_the_report_has_them_as_its_schema_says_and_reads_them_again() -> None:
    """The same record gives the same report."""
    result = Result.of(busy(slo={"answer-p99": 0.5, "errors": 0.01}))

    assert [] == FORMATS.violations("report", result.document)
    assert result.report == Report.read(json.loads(json.dumps(result.document)))
    assert result.document == Result.of(busy(slo={"answer-p99": 0.5, "errors": 0.01})).document
    assert "answer-p99=500ms,errors=1%" == result.document["load"]["slo"]
    assert {"count", "p50", "p90", "p99", "p99.9", "max"} == set(result.document["load"]["answers"])


def test_the_lines_tell_rate_outcomes_and_times() -> None:
    """One line each."""
    lines = list(load_lines(Result.of(busy()).report))

    assert re.fullmatch(
        r"load: 20\.0 of 20 valid requests/s for 30\.0 s, 20\.0/s in all · 600 sent: \d+ accepted, \d+ refused, "
        r"\d+ failed · \d+ notified",
        lines[0],
    )
    times = r"p50 [\d.]+ m?s · p90 [\d.]+ m?s · p99 [\d.]+ m?s · p99\.9 [\d.]+ m?s · max [\d.]+ m?s"
    assert [
        re.fullmatch(f"{name} under load: {times}", line) is not None
        for name, line in zip(("answers", "notifications"), lines[1:], strict=True)
    ] == [True, True]


def test_a_load_generator_that_was_the_limit_is_said_to_be() -> None:
    """First of all, in every format for people."""
    words = "requests went out up to 1.2 s late: this machine is the limit, not the gateway"
    result = Result.of(busy(behind_s=1.24))

    assert words == next(load_lines(result.report))
    assert f"**{words}**" in summary(result).decode()
    assert f'<p class="late">R{words[1:]}.</p>' in html(result).decode()
    assert words[1:] not in html(Result.of(busy())).decode()


def test_the_page_has_plots_with_words_and_a_table_with_numbers() -> None:
    """For whoever does not see them."""
    page = html(Result.of(busy())).decode()

    words = re.findall(r'aria-label="([^"]+ over 30 s: [^"]+)"', page)
    assert 3 == len(words)
    assert words[0].startswith("requests and notifications per second over 30 s: sent up to 20/s, accepted up to 20/s")
    assert 30 == len(re.findall(r'<tr><th scope="row">\d+ s</th>', page))


def test_the_summary_has_a_table_of_times() -> None:
    """Below the counts."""
    text = summary(Result.of(busy())).decode()

    assert "| | count | p50 | p90 | p99 | p99.9 | max |" in text
    assert re.search(r"^\| answers \| 600 \| ", text, re.MULTILINE)


def test_files_for_machines_say_no_more_than_of_any_run() -> None:
    """JUnit and SARIF have requirements, and no figures."""
    result = Result.of(busy())
    without = replace(result, report=replace(result.report, load=None))

    assert junit(without) == junit(result)
    assert sarif(without) == sarif(result)
