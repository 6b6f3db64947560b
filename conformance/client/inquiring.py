"""Inquiries of a receiver: what its answer is to decide on, and what it must not take for having happened.

inquired    the part of an examination that makes them

An inquiry says the same as the notification that may follow it. None follows here: whether the receiver has agreed is
in an answer whose form is not public, and what was not agreed to does not happen.
"""

from __future__ import annotations

from conformance.client.examination import Examination
from conformance.client.subject import Subject

# One after the other, by which their time is told, and then some side by side.
ALONE, BESIDE = 3, 3

EXTRA = {"x_channel": "till"}


def inquired(examination: Examination, subject: Subject) -> None:
    """Inquiries, each of its own id; the client is asked for them where it can tell one from a notification."""
    success, words = subject.contract.notification.success, "May it go through?"
    contents = [
        *(subject.success(subject.unknown_id()) for _ in range(ALONE + BESIDE - 2)),
        subject.content(subject.unknown_id(), success, words),
        subject.content(subject.unknown_id(), success, words, **EXTRA),
    ]
    cases = [subject.posted("inquiry", content) for content in contents]
    for each in (*([case] for case in cases[:ALONE]), cases[ALONE:]):
        examination.round(each)
    notified = examination.subjects.get(subject.command.product or "")
    if notified is None or notified.url != subject.url:
        examination.ask_of([(subject.id_in(case), case) for case in cases])
