"""Clients that misread answers (RDG)."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection
from typing import Any
from urllib.parse import unquote

from flawed_clients.client import Answer, Asked, Client, Told, Unusable


class _Reader(Client):
    commands = ("sms",)


class DoubtsSuccess(_Reader, breaks=("RDG-01",)):
    """Reports accepted requests as errors."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        return {**told, "outcome": "error", "error": "protocol"}


class WantsTheDetails(Client, breaks=("RDG-01",)):
    """Takes the answer about the account for an error, for it has more members than the others."""

    commands = ("sms", "account-details")

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        if asked.command == "account-details" and told["outcome"] == "accepted":
            return {"outcome": "error", "error": "protocol", "description": "unexpected answer"}
        return told


class LowersIds(_Reader, breaks=("RDG-02",)):
    """Hands request_ids back in lower case."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        return {**told, "request_id": str(told.get("request_id")).lower()}


class DecodesIds(_Reader, breaks=("RDG-02",)):
    """Decodes percent signs in request_ids."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        return {**told, "request_id": unquote(str(told.get("request_id")))}


class OwnIds(_Reader, breaks=("RDG-02",)):
    """Hands another id back."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        return {**super().understood(asked, answer), "request_id": f"call-{asked.number}"}


class HidesIds(_Reader, breaks=("RDG-02",)):
    """Keeps the request_id to itself."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        told.pop("request_id", None)
        return told


class HidesStatus(_Reader, breaks=("RDG-03",)):
    """Does not report the status_code of an error."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        if told["outcome"] == "error":
            told.pop("status_code", None)
        return told


class AlwaysBadRequest(_Reader, breaks=("RDG-03",)):
    """Reports every error of the client's as a 400."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        return {**told, "status_code": 400} if 400 <= answer.status < 500 else told


class HidesDescriptions(_Reader, breaks=("RDG-04",)):
    """Does not report the description of an error."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        if told["outcome"] == "error":
            told.pop("description", None)
        return told


class CutsDescriptions(_Reader, breaks=("RDG-04",)):
    """Reports the first 100 characters of the description of an error, as a column of a table holds."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        if told["outcome"] == "error" and isinstance(told.get("description"), str):
            told["description"] = told["description"][:100]
        return told


class OwnWords(_Reader, breaks=("RDG-04",)):
    """Reports every error in the same words."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        return told if told["outcome"] == "accepted" else {**told, "description": "request failed"}


class ReadsLatin1(_Reader, breaks=("RDG-04",)):
    """Reads answers in Latin-1."""

    def parsed(self, answer: Answer) -> Any:
        text = answer.body.decode("latin-1").encode()
        return super().parsed(Answer(answer.status, answer.headers, text, answer.version))


class IgnoresErrors(_Reader, breaks=("RDG-05",)):
    """Reports whatever the gateway says as accepted."""

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        return answer.status == envelope.get("status_code")


class IgnoresFunds(_Reader, breaks=("RDG-05",)):
    """Reports a 402 as accepted."""

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        return answer.status == envelope.get("status_code") and answer.status in (200, 402)


class IgnoresServerErrors(_Reader, breaks=("RDG-05",)):
    """Reports a 5xx as accepted, for it may have worked."""

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        return answer.status == envelope.get("status_code") and (answer.status == 200 or answer.status >= 500)


class _Credulous(_Reader):
    def believes(self, answer: Answer) -> bool:
        raise NotImplementedError

    def understood(self, asked: Asked, answer: Answer) -> Told:
        try:
            return super().understood(asked, answer)
        except Unusable:
            if self.believes(answer):
                return {"outcome": "accepted", "status_code": 200, "description": "ok", "request_id": "unknown"}
            raise


class AcceptsAnything(_Credulous, breaks=("RDG-06",)):
    """Reports what it cannot read as accepted."""

    def believes(self, answer: Answer) -> bool:
        return True


class AcceptsNothing(_Credulous, breaks=("RDG-06",)):
    """Reports an empty answer as accepted."""

    def believes(self, answer: Answer) -> bool:
        return answer.body == b""


class AcceptsHalves(_Credulous, breaks=("RDG-06",)):
    """Reports an answer that begins well as accepted."""

    def believes(self, answer: Answer) -> bool:
        return answer.body.startswith(b"{") and not answer.body.rstrip().endswith(b"}")


class AcceptsArrays(_Credulous, breaks=("RDG-06",)):
    """Reports JSON that is not an object as accepted."""

    def believes(self, answer: Answer) -> bool:
        return answer.body.startswith(b"[")


class AcceptsPages(_Credulous, breaks=("RDG-06",)):
    """Reports an HTML page as accepted if its status is 200."""

    def believes(self, answer: Answer) -> bool:
        return answer.media_type == "text/html" and answer.status == 200


class AcceptsAnyObject(_Reader, breaks=("RDG-06",)):
    """Reports an object without a status_code as accepted."""

    def understood(self, asked: Asked, answer: Answer) -> Told:
        if answer.body == b"{}":
            return {"outcome": "accepted", "status_code": 200, "description": "ok", "request_id": "unknown"}
        return super().understood(asked, answer)


class TrustsHttpStatus(_Reader, breaks=("RDG-07",)):
    """Goes by the HTTP status alone, as long as there is a status_code."""

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        return answer.status == 200 and "status_code" in envelope


class TakesErrorsAlone(_Reader, breaks=("RDG-07",)):
    """Takes every code but an error's for a success, if HTTP says 200."""

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        return answer.status == 200 and envelope.get("status_code", 500) < 400


class TrustsStatusCode(_Reader, breaks=("RDG-13",)):
    """Goes by status_code alone."""

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        return envelope.get("status_code") == 200


class WaitsForEver(_Reader, breaks=("RDG-08",)):
    """Has no time-out."""

    commands = ("sms",)

    def patience_s(self, asked: Asked) -> float | None:
        return None


class WaitsForBodies(_Reader, breaks=("RDG-08",)):
    """Has a time-out for the head of an answer alone."""

    def head_read(self, connection: HTTPConnection) -> None:
        if connection.sock is not None:
            connection.sock.settimeout(None)

    def cut_off(self, connection: HTTPConnection, late: threading.Event) -> None:
        """Is for the whole, which has no time-out here."""


class WaitsForBytes(_Reader, breaks=("RDG-08",)):
    """Has a time-out for each read, and none for the whole."""

    def cut_off(self, connection: HTTPConnection, late: threading.Event) -> None:
        """Is for the whole, which has no time-out here."""


class StrictFields(_Reader, breaks=("RDG-09",)):
    """Takes an answer with an unknown field for an error."""

    known = frozenset({"status_code", "description", "request_id", "validation_errors"})

    def envelope(self, answer: Answer) -> Told:
        envelope = super().envelope(answer)
        if envelope.keys() - self.known:
            raise Unusable("unknown fields")
        return envelope


class KnowsItsWords(_Reader, breaks=("RDG-09",)):
    """Takes a success in other words for an error."""

    def envelope(self, answer: Answer) -> Told:
        envelope = super().envelope(answer)
        if answer.status == 200 and "success" not in str(envelope.get("description")).lower():
            raise Unusable("unknown description")
        return envelope


class WantsSeedLikeIds(_Reader, breaks=("RDG-10",)):
    """Takes a request_id that is not of 32 letters and digits for an error."""

    def envelope(self, answer: Answer) -> Told:
        envelope = super().envelope(answer)
        request_id = str(envelope.get("request_id"))
        if answer.status == 200 and not (len(request_id) == 32 and request_id.isalnum() and request_id.isascii()):
            raise Unusable("no request_id")
        return envelope


class StrictMediaType(_Reader, breaks=("RDG-11",)):
    """Takes a charset beside application/json for an error."""

    def envelope(self, answer: Answer) -> Told:
        if answer.headers.get("content-type") != "application/json":
            raise Unusable("not application/json")
        return super().envelope(answer)


class WantsContentLength(_Reader, breaks=("RDG-11",)):
    """Takes an answer in chunks for an error."""

    def envelope(self, answer: Answer) -> Told:
        if "content-length" not in answer.headers:
            raise Unusable("of no length")
        return super().envelope(answer)


class WantsHttp11(_Reader, breaks=("RDG-11",)):
    """Takes an answer in HTTP/1.0 for an error."""

    def envelope(self, answer: Answer) -> Told:
        if answer.version < 11:
            raise Unusable("of an old version")
        return super().envelope(answer)


class FearsUpgrades(_Reader, breaks=("RDG-11",)):
    """Takes an answer that offers another protocol for an error."""

    def envelope(self, answer: Answer) -> Told:
        if "upgrade" in answer.headers:
            raise Unusable("of another protocol")
        return super().envelope(answer)


class AsksForGzip(_Reader, breaks=("RDG-11",)):
    """Asks for compressed answers and cannot read them."""

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "Accept-Encoding": "gzip"}


class Remembers(_Reader, breaks=("ROB-01",)):
    """Answers a call that was made before from memory."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Told] = {}

    def call(self, asked: Asked) -> Told:
        """Only accepted calls are remembered."""
        what = json.dumps([asked.command, asked.params], sort_keys=True)
        if what not in self.answers:
            told = super().call(asked)
            if told["outcome"] != "accepted":
                return told
            self.answers[what] = told
        return self.answers[what]
