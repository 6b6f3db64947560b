"""The transcript of a client on the page: each line in its scene, by the clock, and nothing of it obeyed."""

from __future__ import annotations

from dataclasses import replace

from client_records import ACCEPTED, Certification, Examined, Sent, notification, refused
from made_result import result_of
from test_page import EVIL, Page

from conformance.contract.contract import statum
from conformance.journal import Note, Record
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Direction, DriverLine
from conformance.reports.page import html
from conformance.reports.page.transcript import GREETING, MOST_LINES, STRAY, Scene, Transcript
from conformance.reports.report import ReportedFinding
from conformance.reports.result import Reportable, Result
from conformance.reports.text import Masking

REPORT = result_of().report


def transcript(record: Record, masking: Masking | None = None) -> Transcript:
    """That of a record of which nothing is judged."""
    return Transcript.of(Reportable(replace(REPORT, requirements=()), statum(), record, masking or Masking()), record)


def who(scene: Scene) -> list[str]:
    """The speakers of a scene, line by line."""
    return [line.who for line in scene.lines]


def with_settings(record: Record) -> Record:
    """The record with all settings that a certification records."""
    return replace(record, settings={**Certification().record().settings, **record.settings})


def test_a_call_is_told_from_the_question_to_the_answer() -> None:
    """The suite asks, the client sends, the witness answers, the driver tells."""
    run = Certification()
    run.call(Sent(status=402), said=refused(402))
    (scene,) = transcript(run.record()).scenes

    assert ["The suite asks the driver", "The client sends", "The witness answers", "The driver says"] == who(scene)
    assert ["invoke", "POST /n/0000000000000001/api/v2/sms", "HTTP/1.1 402", "error, http, 402"] == [
        line.what for line in scene.lines
    ]
    assert "1 request · the driver says error, http, 402" == scene.summary


def test_an_answer_that_was_lost_is_told_as_the_witness_lost_it() -> None:
    """And what the client sent after it."""
    run = Certification()
    run.call(Sent(failure="the connection was closed before the answer"), Sent())
    (scene,) = transcript(run.record()).scenes

    assert "nothing: the connection was closed before the answer" == scene.lines[2].what
    assert "2 requests · the driver says accepted" == scene.summary


def test_a_scene_has_the_words_of_its_scenario() -> None:
    """Those with which the suite announces it; what is none is told by its aspect."""
    run = Certification()
    case = run.call(Sent())
    run.cases[-1] = replace(case, aspect="answer-402")
    other = run.call(Sent())
    run.cases[-1] = replace(other, aspect="right-to-left")

    assert ["answered 402", "accepted: right to left"] == [scene.title for scene in transcript(run.record()).scenes]


def test_what_was_notified_of_a_call_stands_in_its_scene() -> None:
    """With what the receiver answered and what the driver says became of the request."""
    run = Examined().known("R-1").sent(notification("R-1"))
    call, notice = run.cases
    run.cases[1] = replace(notice, earlier=call.id)
    (scene,) = transcript(run.told("R-1", "succeeded").record()).scenes

    assert ["The suite notifies", "The receiver answers", "The suite asks the driver", "The driver says"] == who(scene)[
        4:
    ]
    assert "1 request · 1 notification · the driver says accepted" == scene.summary
    assert "succeeded" == scene.lines[-1].what


def test_notifications_of_no_call_are_together_by_kind() -> None:
    """A receiver that is seen from outside has no calls."""
    run = Examined(driver=False).sent(notification("R-1"), notification("R-2"))
    (scene,) = transcript(run.record()).scenes

    assert ("notifications of no call: x", "2 notifications") == (scene.title, scene.summary)


def test_latencies_of_a_client_are_those_of_its_receivers() -> None:
    """What the suite's own witness did says nothing of it."""
    run = Examined().known("R-1", "R-2")
    calls = Result.of(with_settings(run.record()))
    received = Result.of(with_settings(run.sent(notification("R-1"), notification("R-2")).record()))

    assert "answers of" not in Page(html(calls)).text
    assert "answers of the receiver of sms" in Page(html(received)).text


def test_what_is_said_outside_of_any_case_has_a_scene() -> None:
    """The greeting, and what arrived where nobody was told to send to."""
    run = Certification()
    run.call(Sent())
    run.stray("/elsewhere")
    run.messages.append(DriverLine(99, None, Direction.TO, '{"cmd": "stop"}', 999.0, 999.0))

    assert [STRAY, GREETING] == [scene.title for scene in transcript(run.record()).scenes if scene.command is None]


def test_a_driver_that_dies_is_told_where_it_died() -> None:
    """With the words of the journal."""
    run = Certification()
    run.call(Sent(), said=None, death="crash")
    (scene,) = transcript(run.record()).scenes

    assert ("The driver failed", "it did crash") == (scene.lines[-1].who, scene.lines[-1].what)


def test_a_finding_stands_beside_its_scene_and_links_lead_both_ways() -> None:
    """From the requirement to the scene, and back."""
    run = Certification()
    run.call(Sent())
    run.call(Sent(status=402, code=200), said=ACCEPTED)
    result = Result.of(run.record())
    page = Page(html(result))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    (scene,) = [
        scene for scene in Transcript.of(replace(result, masking=Masking()), result.record).scenes if scene.failures
    ]

    assert "RDG-13" in [id_ for id_, *_ in scene.failures]
    assert f"#scene-{scene.number}" in links
    assert f"Failures in scene {scene.number}" in [attributes.get("aria-label") for _, attributes in page.elements]


def test_a_finding_about_a_client_shows_what_its_driver_said() -> None:
    """And what it wrote to standard error meanwhile, beside what was sent and answered."""
    run = Certification()
    run.call(Sent())
    case = run.call(Sent(status=402, code=200), said=ACCEPTED)
    run.messages.append(DriverLine(98, case.id, Direction.STDERR, "trace of mine", 101.0, 101.0))
    result = Result.of(run.record())
    findings, _, _ = Page(html(result)).text.partition("The calls of the client")

    assert "The client sends" in findings
    assert 'The driver says { "id" : "m2" , "outcome" : "accepted"' in findings
    assert "The driver writes to standard error trace of mine" in findings


def test_what_a_client_says_is_shown_and_not_obeyed() -> None:
    """Neither in what it sends, nor in what its driver answers or writes to standard error."""
    run = Certification()
    run.call(Sent(target=f"/{EVIL}", headers=((EVIL, EVIL),), body=EVIL.encode()), said={"outcome": EVIL, EVIL: EVIL})
    run.messages.append(DriverLine(98, run.cases[-1].id, Direction.STDERR, EVIL, 101.0, 101.0))
    run.messages.append(DriverLine(99, run.cases[-1].id, Direction.FROM, EVIL, 102.0, 102.0))
    run.notes.append(Note(1, "death", {"case": run.cases[-1].id, "how": "crash", "detail": EVIL}, 103.0, 103.0))
    result = Result.of(run.record())
    page = Page(html(result))

    assert 2 == sum(tag == "script" for tag, _ in page.elements)
    assert [] == [tag for tag, attributes in page.elements if tag == "img" or "onerror" in attributes]


def test_phone_numbers_that_are_masked_elsewhere_are_masked_here() -> None:
    """In requests, answers and messages."""
    run = Certification()
    run.call(Sent(body=b'{"phone_number": "254712345678"}'))
    scenes = transcript(run.record(), Masking(["254712345678"])).scenes
    shown = [str(line.body) for scene in scenes for line in scene.lines]

    assert [] == [text for text in shown if "712345678" in text]
    assert any("2547*****678" in text for text in shown)


def test_a_client_that_sends_without_end_does_not_fill_the_page() -> None:
    """So many lines are shown, and the number of the others."""
    run = Certification()
    run.call(*(Sent() for _ in range(MOST_LINES)))
    (scene,) = transcript(run.record()).scenes

    assert MOST_LINES == len(list(scene.shown))
    assert MOST_LINES + 2 == scene.left_out


def test_where_there_is_no_room_scenes_without_findings_go() -> None:
    """Those with failures come first, and the others are counted."""
    run = Certification()
    for _ in range(400):
        run.call(Sent(raw=b"x" * 6000))
    last = run.call(Sent(status=402, code=200))
    finding = ReportedFinding("it did", case=last.id)
    entry = replace(REPORT.requirements[0], id="RDG-07", command="sms", verdict=Verdict.FAIL, findings=(finding,))
    report = replace(REPORT, requirements=(entry,))
    told = Transcript.of(Reportable(report, statum(), run.record()), run.record())

    assert 401 == len(told.scenes) + told.left_out
    assert [("RDG-07", "sms", "FAIL", "it did")] == told.scenes[0].failures
    assert "scene-1" == told.place(last.id)
    assert None is told.place(run.cases[-2].id)
