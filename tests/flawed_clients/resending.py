"""Clients that send requests again that they must not (RTY)."""

from __future__ import annotations

import json
import os
import threading
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from flawed_clients.client import MONEY, Answer, Asked, Client, Outgoing, Unusable

AT_ONCE_S = 0.05


def says(answer: Answer | str, code: int) -> bool:
    """Whether HTTP says 200, and status_code something else."""
    if isinstance(answer, str) or answer.status != 200:
        return False
    try:
        envelope = json.loads(answer.body.decode())
    except ValueError:
        return False
    return isinstance(envelope, dict) and envelope.get("status_code") == code


class _Resender(Client):
    commands = ("airtime",)
    attempts = 2
    pause_s = AT_ONCE_S
    after: int | str = 0

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        """Whether it sends the request again: after that status, or that word for a lost answer."""
        return (answer if isinstance(answer, str) else answer.status) == self.after

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        return self.pause_s if attempt < self.attempts and self.due(asked, answer) else None


class ResendsClientErrors(_Resender, breaks=("RTY-01",)):
    """Sends everything again that was refused, but for a 429."""

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and 400 <= answer.status < 500 and answer.status != 429


class ResendsUnauthorized(_Resender, breaks=("RTY-01",)):
    """Sends again after a 401."""

    after = 401


class ResendsUnfunded(_Resender, breaks=("RTY-01",)):
    """Sends airtime again after a 402, hoping for funds."""

    after = 402


class IgnoresRetryAfter(_Resender, breaks=("RTY-02",)):
    """Sends once more after a 429, sooner than Retry-After allows."""

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 429 and "retry-after" in answer.headers


class WaitsASecond(Client, breaks=("RTY-02",)):
    """Sends once more a second after a 429, whatever Retry-After says."""

    commands = ("sms",)

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        return 1.0 if isinstance(answer, Answer) and answer.status == 429 and attempt == 1 else None


class Hammers(_Resender, breaks=("RTY-03",)):
    """Sends again and again after a 429 that does not say when."""

    attempts = 15

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 429 and "retry-after" not in answer.headers


class ResendsAfter500(_Resender, breaks=("RTY-04",)):
    """Sends again at once after a 500, whatever it costs."""

    after = 500


class ResendsPaymentsAfter500(_Resender, breaks=("RTY-04",)):
    """Sends payments again at once after a 500, and messages later."""

    commands = ("sms", "mpesa/online")

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return asked.command in MONEY and isinstance(answer, Answer) and answer.status == 500


class QueuesAfter500(_Resender, breaks=("RTY-04",)):
    """Reports a 500 as an error, and sends again all the same, without its caller."""

    def attempt(self, asked: Asked) -> Answer | str:
        answer = super().attempt(asked)
        if isinstance(answer, Answer) and answer.status == 500:
            threading.Timer(AT_ONCE_S, super().attempt, [asked]).start()
        return answer


class ResendsAfterBody500(_Resender, breaks=("RTY-04",)):
    """Sends a payment again at once when HTTP says 200 and status_code says 500."""

    commands = ("mpesa-wallet",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return says(answer, 500)


class ResendsAfterBody402(_Resender, breaks=("RTY-01",)):
    """Sends again when HTTP says 200 and status_code says 402."""

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return says(answer, 402)


class ResendsAfterLoss(_Resender, breaks=("RTY-05",)):
    """Sends a payment again at once when the connection was closed before the answer was there."""

    commands = ("mpesa/online",)
    after = "lost"


class ResendsAfterTimeOut(_Resender, breaks=("RTY-05",)):
    """Sends a payment again at once when no answer came in time."""

    commands = ("mpesa-wallet",)
    after = "timeout"


class ResendsUnreadable(_Resender, breaks=("RTY-05",)):
    """Sends a payment again at once when HTTP says 200 and the body cannot be read."""

    commands = ("mpesa/online",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        if isinstance(answer, str) or answer.status != 200:
            return False
        try:
            self.envelope(answer)
        except Unusable:
            return True
        return False


class ResendsOnNewConnection(_Resender, breaks=("RTY-05",)):
    """Keeps a connection open; where it dies under a payment, sends that again at once on a new one."""

    commands = ("mpesa/online",)

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, HTTPConnection] = {}

    def exchange(self, request: Outgoing, patience_s: float | None) -> Answer:
        base = request.url.partition("/api/")[0]
        connection = self.kept.pop(base, None)
        if connection is not None:
            try:
                return self.exchanged(connection, request)
            except (ConnectionError, HTTPException):
                pass  # "it was stale"
        connection = HTTPConnection(urlsplit(request.url).netloc, timeout=patience_s)
        answer = self.exchanged(connection, request)
        if answer.version > 10 and answer.headers.get("connection") != "close":
            self.kept[base] = connection
        return answer


class ResendsLostAirtime(_Resender, breaks=("RTY-06",)):
    """Sends airtime again at once when its answer was lost: the gateway refuses the second, if it remembers."""

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, str)


class ResendsLostSms(_Resender, breaks=("RTY-06",)):
    """Sends a message again at once when its answer was lost."""

    commands = ("sms",)
    after = "lost"


class _Impatient(_Resender):
    pause_s = 0.65


class ResendsSoonAfter500(_Impatient, breaks=("RTY-07",)):
    """Sends again after a 500, not at once, and sooner than is advised."""

    after = 500


class ResendsSoonAfterLoss(_Impatient, breaks=("RTY-07",)):
    """Sends a payment again when its answer was lost, not at once, and sooner than is advised."""

    commands = ("mpesa-wallet",)
    after = "lost"


class IgnoresDates(_Resender, breaks=("RTY-02",)):
    """Sends again at once after a 429 whose Retry-After is a date."""

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 429 and ":" in answer.headers.get("retry-after", "")


class CrashesOnDates(_Resender, breaks=("DRV-01",)):
    """Ends when Retry-After is not a number."""

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        if isinstance(answer, Answer) and answer.status == 429 and not answer.headers.get("retry-after", "0").isdigit():
            os._exit(1)
        return None
