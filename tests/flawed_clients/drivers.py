"""Drivers that do not keep the protocol, or do not live through it (DRV)."""

from __future__ import annotations

import os
import sys
import time

from flawed_clients.client import Answer, Asked, Client, Told

# Longer than any certification waits.
FOR_EVER_S = 3600.0
# Not in many messages: each death costs time, and three in a row end the certification.
RARE = "<"


class _Refused(Client):
    commands = ("sms",)


class _Driver(Client, breaks=("DRV-01",)):
    commands = ("sms",)


class Silent(_Refused):
    """Never says a word."""

    refused = "did not answer hello"

    def started(self) -> None:
        time.sleep(FOR_EVER_S)


class CrashesAtStart(_Refused):
    """Ends before the first message."""

    refused = "ended with exit code 70"

    def started(self) -> None:
        os._exit(70)


class SpeaksAnotherProtocol(_Refused):
    """Says that it speaks version 2."""

    refused = "speaks version 2"

    def hello(self) -> Told:
        return {**super().hello(), "protocol": 2}


class HasNothing(_Refused):
    """Declares no command and no feature."""

    refused = "declares nothing to judge"
    commands = ()


class CrashesAfterHello(_Driver):
    """Ends once it has said hello."""

    dies = True

    def invoke(self, message: Told) -> Told:
        os._exit(70)


class Hangs(_Driver):
    """Never answers a call of a message that looks like HTML, and sends nothing."""

    def call(self, asked: Asked) -> Told:
        if RARE in asked.params.get("message", ""):
            time.sleep(FOR_EVER_S)
        return super().call(asked)


class CrashesBeforeSending(_Driver):
    """Ends in a call of a message that looks like HTML, before it is sent."""

    def call(self, asked: Asked) -> Told:
        if RARE in asked.params.get("message", ""):
            os._exit(70)
        return super().call(asked)


class CrashesAfterSending(_Driver):
    """Ends in a call of a message that looks like HTML, after it was sent."""

    def told(self, asked: Asked, answer: Answer | str) -> Told:
        if RARE in asked.params.get("message", ""):
            os._exit(70)
        return super().told(asked, answer)


class CrashesOnHtml(_Driver):
    """Ends when an answer is HTML."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        if answer.media_type == "text/html":
            os._exit(70)
        return super().understood(asked, answer)


class CrashesAtResult(_Driver):
    """Ends when it is asked for the result of a request."""

    dies = True
    features = ("callback", "results")

    def result(self, message: Told) -> Told:
        os._exit(70)


class CrashesAtStop(_Driver):
    """Ends with an exit code that is not 0 when told to stop."""

    def stopped(self) -> int:
        return 70


class IgnoresStop(_Driver):
    """Goes on when told to stop."""

    def stopped(self) -> int:
        time.sleep(FOR_EVER_S)
        return 0


class Chatters(_Driver):
    """Writes another line before each answer to a call."""

    dies = True

    def lines(self, message: Told, answer: Told) -> list[bytes]:
        chatter = [b"INFO sent a request"] if message["cmd"] == "invoke" else []
        return [*chatter, *super().lines(message, answer)]


class ChattersAtStart(_Refused):
    """Writes another line before the first answer."""

    refused = "which is not JSON"

    def started(self) -> None:
        sys.stdout.buffer.write(b"reference client 1.0.0\n")


class AnswersTwice(_Driver):
    """Writes each answer to a call twice."""

    dies = True

    def lines(self, message: Told, answer: Told) -> list[bytes]:
        return super().lines(message, answer) * (2 if message["cmd"] == "invoke" else 1)


class AnswersForAnother(_Driver):
    """Answers a call under another id."""

    dies = True

    def lines(self, message: Told, answer: Told) -> list[bytes]:
        return super().lines({**message, "id": "another"} if message["cmd"] == "invoke" else message, answer)


class InventsOutcomes(_Driver):
    """Answers calls with an outcome that the protocol does not have."""

    dies = True

    def invoke(self, message: Told) -> Told:
        return {**super().invoke(message), "outcome": "maybe"}


class EndsEarly(_Driver):
    """Ends with exit code 0 after an answer in HTML, before it is told to stop."""

    ending = False

    def understood(self, asked: Asked, answer: Answer) -> Told:
        self.ending = answer.media_type == "text/html"
        return super().understood(asked, answer)

    def invoke(self, message: Told) -> Told:
        if self.ending:
            os._exit(0)
        return super().invoke(message)
