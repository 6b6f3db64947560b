"""A gateway with six defects that teams have, judged as its team would: each is one problem, in words for its mend."""

from __future__ import annotations

import json

import pytest
from command_line import Called
from six_defects import judge_six_defects

from conformance.contract.contract import statum
from conformance.gateway.campaign import JOURNAL
from conformance.judging.verdicts import Verdict
from conformance.reports.files import read_saved
from conformance.reports.problems import problems
from conformance.reports.result import Reportable
from conformance.reports.terminal import MOST_LINES

# Some lines of remarks follow the problems.
REMARKS = 10

# Of each defect: the requirements that are shown for it, the first in the title, and words about the example.
DEFECTS = {
    "bodies of the framework": (
        ("RSP-05", "RSP-10", "RSP-16", "ENC-02", "ENC-04", "CMD-04", "CMD-02"),
        ("no error answer has status_code, description or request_id", '{"detail": "Not authenticated"}'),
    ),
    "a pattern without an end": (("VAL-05",), ("phone_number", "was answered 200")),
    "an emoji crash": (("ACC-03", "ACC-04"), ("symbols and emoji", "was answered 500", 'simplest so far: message "')),
    "an operator's own code": (("NTF-09",), ("result_code", '"0000"')),
    "null for a reason": (("NTF-11",), ("result_desc is not a string", "null")),
    "a recursion crash": (("OPN-01",), ("deep nesting", "was answered 500")),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Called, Reportable]:
    """What the command line shows in a log, and the report."""
    directory = tmp_path_factory.mktemp("six")
    called = judge_six_defects(directory)
    reports = directory / "reports"
    return called, read_saved(reports, reports / JOURNAL, statum())


def test_each_defect_is_one_problem(judged: tuple[Called, Reportable]) -> None:
    """And nothing else is; what could not be exercised for them comes last."""
    found = problems(judged[1].report)
    broken = [problem for problem in found if problem[0].verdict is not Verdict.INCONCLUSIVE]

    assert [ids for ids, _ in DEFECTS.values()] == [
        tuple(id_ for each in problem for id_ in each.ids) for problem in broken
    ]
    assert broken == found[: len(broken)]


def test_the_first_screen_names_each_in_words_for_who_mends_it(judged: tuple[Called, Reportable]) -> None:
    """Within one screen, in the order of gravity."""
    called = judged[0]
    lines = called.out.splitlines()
    places = [next(at for at, line in enumerate(lines) if f" {ids[0]} " in line) for ids, _ in DEFECTS.values()]
    texts = ["\n".join(lines[begin:end]) for begin, end in zip(places, [*places[1:], len(lines)], strict=True)]
    lacking = [
        word for text, (_, words) in zip(texts, DEFECTS.values(), strict=True) for word in words if word not in text
    ]

    assert 1 == called.code
    assert [] == lacking
    assert "6 problems, the gravest first" in lines[0]
    assert len(DEFECTS) == sum(line.lstrip().startswith("replay with: ") for line in lines)
    assert len(lines) <= MOST_LINES + REMARKS


def test_the_report_tells_where_a_requirement_passed(judged: tuple[Called, Reportable]) -> None:
    """The first exchange in which it did, which is one of the run."""
    document = json.loads(json.dumps(judged[1].document))
    passed = [entry for entry in document["requirements"] if entry["observations"] > entry["failed"]]
    record = judged[1].record
    assert record is not None
    numbers = {exchange.number: exchange.case_id for exchange in record.exchanges}
    examples = [entry["example"] for entry in passed if "example" in entry]

    assert [] == [each for each in examples if numbers[each["exchange"]] != each["case"]]
    assert len(examples) > 0.9 * len(passed)  # one about the whole run has none
