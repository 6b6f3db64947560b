"""Clients that send again what they should not (RTY)."""

from __future__ import annotations

import threading

from flawed_clients.client import MONEY, Answer, Asked, Client

AT_ONCE_S = 0.05


class _Resender(Client):
    commands = ("airtime",)
    attempts = 2

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        """Whether this is what it sends again."""
        raise NotImplementedError

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        return AT_ONCE_S if attempt < self.attempts and self.due(asked, answer) else None


class ResendsClientErrors(_Resender):
    """Sends everything again that was refused, but for a 429."""

    breaks = ("RTY-01",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and 400 <= answer.status < 500 and answer.status != 429


class ResendsUnauthorized(_Resender):
    """Sends again after a 401."""

    breaks = ("RTY-01",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 401


class ResendsUnfunded(_Resender):
    """Sends airtime again after a 402, hoping for funds."""

    breaks = ("RTY-01",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 402


class IgnoresRetryAfter(_Resender):
    """Sends once more after a 429, sooner than it was told to."""

    breaks = ("RTY-02",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 429 and "retry-after" in answer.headers


class Hammers(_Resender):
    """Sends again and again after a 429 that does not say when."""

    breaks = ("RTY-03",)
    attempts = 15

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 429 and "retry-after" not in answer.headers


class ResendsAfter500(_Resender):
    """Sends again at once after a 500, whatever it costs."""

    breaks = ("RTY-04",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return isinstance(answer, Answer) and answer.status == 500


class ResendsPaymentsAfter500(_Resender):
    """Sends payments again at once after a 500, and messages later."""

    breaks = ("RTY-04",)
    commands = ("sms", "mpesa/online")

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return asked.command in MONEY and isinstance(answer, Answer) and answer.status == 500


class QueuesAfter500(_Resender):
    """Tells that a 500 was an error, and sends again all the same, behind the caller's back."""

    breaks = ("RTY-04",)

    def attempt(self, asked: Asked) -> Answer | str:
        answer = super().attempt(asked)
        if isinstance(answer, Answer) and answer.status == 500:
            threading.Timer(AT_ONCE_S, super().attempt, [asked]).start()
        return answer

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return False


class ResendsAfterLoss(_Resender):
    """Sends again at once when the connection was closed before the answer was there."""

    breaks = ("RTY-05",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return answer == "lost"


class ResendsAfterTimeOut(_Resender):
    """Sends again at once when no answer came in time."""

    breaks = ("RTY-05",)

    def due(self, asked: Asked, answer: Answer | str) -> bool:
        return answer == "timeout"
