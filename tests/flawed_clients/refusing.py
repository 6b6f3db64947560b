"""Clients that never send some valid calls (SND-13, SND-14), or report so of calls that they have sent (RDG-12)."""

from __future__ import annotations

from http.client import HTTPConnection

from flawed_clients.client import Answer, Asked, Client, Outgoing, Told

ONE_SMS = 160


def rejected(why: str) -> Told:
    """The report of a client that has sent nothing."""
    return {"outcome": "error", "error": "rejected-locally", "description": why}


class _Refuser(Client, breaks=("SND-13",)):
    commands = ("sms",)


class AsciiAlone(_Refuser):
    """Refuses messages with anything that is not ASCII."""

    def refusal(self, asked: Asked) -> str | None:
        return None if asked.params.get("message", "").isascii() else "message has to be ASCII"


class OldNumbersAlone(_Refuser):
    """Refuses phone numbers that begin with 2541, as if they were no mobile ones."""

    commands = ("sms", "airtime")

    def refusal(self, asked: Asked) -> str | None:
        return "no mobile number" if asked.params.get("phone_number", "").startswith("2541") else None


class TakesZeroForNothing(_Refuser):
    """Takes the text 0 for no text, as PHP's empty() does."""

    def refusal(self, asked: Asked) -> str | None:
        return "message is required" if asked.params.get("message") == "0" else None


class OneLineAlone(_Refuser):
    """Refuses messages with line breaks."""

    def refusal(self, asked: Asked) -> str | None:
        return "message has to be one line" if set(asked.params.get("message", "")) & set("\r\n") else None


class SmallAmountsAlone(_Refuser):
    """Refuses amounts above 5000, which the gateway takes."""

    commands = ("airtime",)

    def refusal(self, asked: Asked) -> str | None:
        return "amount is too great" if int(asked.params.get("amount", "0")) > 5000 else None


class WantsTheReference(_Refuser):
    """Refuses payments without the optional bill_ref_number."""

    commands = ("mpesa/online",)

    def refusal(self, asked: Asked) -> str | None:
        missing = asked.command == "mpesa/online" and "bill_ref_number" not in asked.params
        return "bill_ref_number is required" if missing else None


class KnowsNoReference(_Refuser):
    """Does not support bill_ref_number, and does not say that it lacks it."""

    commands = ("mpesa/online",)

    def invoke(self, message: Told) -> Told:
        return {"unsupported": True} if "bill_ref_number" in message["params"] else super().invoke(message)


class RefusesAllMessages(_Refuser):
    """Sends no message at all, whatever is in it."""

    commands = ("sms", "account-details")

    def refusal(self, asked: Asked) -> str | None:
        return "messages are switched off" if asked.command == "sms" else None


class DropsEachThird(_Refuser):
    """Loses each third call on its way into a queue, whatever is in it."""

    def call(self, asked: Asked) -> Told:
        if asked.number % 3 == 0:
            return {"outcome": "error", "error": "network", "description": "the queue is full"}
        return super().call(asked)


class CountsTooMuch(_Refuser):
    """Announces a body that is longer than the one that it sends, where a message has an ñ."""

    def written_and_read(self, connection: HTTPConnection, request: Outgoing) -> Answer:
        body = request.body or b""
        if "ñ".encode() not in body:
            return super().written_and_read(connection, request)
        headers = {**request.headers, "Content-Length": str(len(body) + 10)}
        connection.request(request.method, request.url, body, headers)
        connection.getresponse()
        raise TimeoutError


class OneSmsAlone(_Refuser, breaks=("SND-14",)):
    """Refuses messages of more than one SMS."""

    def refusal(self, asked: Asked) -> str | None:
        return "message is too long" if len(asked.params.get("message", "")) > ONE_SMS else None


class SaysNothingWasSent(_Refuser, breaks=("RDG-12",)):
    """Says that nothing was sent where the answer was lost."""

    def told(self, asked: Asked, answer: Answer | str) -> Told:
        return rejected(answer) if isinstance(answer, str) else super().told(asked, answer)


class TakesPagesForRejections(_Refuser, breaks=("RDG-12",)):
    """Says that nothing was sent where the answer could not be understood."""

    def told(self, asked: Asked, answer: Answer | str) -> Told:
        told = super().told(asked, answer)
        return rejected(told["description"]) if told.get("error") == "protocol" else told
