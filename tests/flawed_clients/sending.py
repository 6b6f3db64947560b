"""Clients whose requests break the contract (SND)."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from flawed_clients.client import Answer, Asked, Client, Outgoing, Told


class _Sender(Client):
    commands = ("sms",)


class ClaimsWithoutSending(_Sender, breaks=("SND-01",)):
    """Says that everything was accepted and sends nothing."""

    def call(self, asked: Asked) -> Told:
        return {"outcome": "accepted", "status_code": 200, "description": "ok", "request_id": f"made-up-{asked.number}"}


class ClaimsNowAndThen(_Sender, breaks=("SND-01",)):
    """Sends no message that is longer than a segment, and says that it was accepted."""

    def call(self, asked: Asked) -> Told:
        if len(asked.params.get("message", "")) > 160:
            return {"outcome": "accepted", "status_code": 200, "description": "ok", "request_id": f"no-{asked.number}"}
        return super().call(asked)


class Puts(_Sender, breaks=("SND-02",)):
    """Uses PUT where POST is due."""

    def method(self, asked: Asked) -> str:
        return "PUT"


class PostsForDetails(Client, breaks=("SND-02",)):
    """Asks for the account's details with POST."""

    commands = ("sms", "account-details")

    def method(self, asked: Asked) -> str:
        return "POST"


class JoinsUrls(_Sender, breaks=("SND-03",)):
    """Joins base URL and command as a browser does, which takes the last part of the base away."""

    def url(self, asked: Asked) -> str:
        return urljoin(asked.base_url, asked.command)


class ForgetsThePrefix(_Sender, breaks=("SND-03",)):
    """Keeps only the host of the base URL."""

    def url(self, asked: Asked) -> str:
        return urljoin(asked.base_url, f"/api/v2/{asked.command}")


class TrailingSlash(_Sender, breaks=("SND-03",)):
    """Ends the path with a slash."""

    def url(self, asked: Asked) -> str:
        return f"{asked.base_url}/{asked.command}/"


class EscapesTheSlash(Client, breaks=("SND-03",)):
    """Asks for mpesa%2Fonline."""

    commands = ("mpesa/online",)

    def url(self, asked: Asked) -> str:
        return f"{asked.base_url}/{quote(asked.command, safe='')}"


class Bearer(_Sender, breaks=("SND-04",)):
    """Sends the credential as a bearer token."""

    def credential(self, asked: Asked) -> str:
        return super().credential(asked).replace("Basic", "Bearer")


class NoCredential(_Sender, breaks=("SND-04",)):
    """Sends no credential."""

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        headers = super().headers(asked, body)
        del headers["Authorization"]
        return headers


class FoldsTheCredential(_Sender, breaks=("SND-04",)):
    """Ends the base64 with a blank, as a shell's base64 with its line feed does."""

    def credential(self, asked: Asked) -> str:
        return super().credential(asked).rstrip("=") + "Cg=="


class DeclaresText(_Sender, breaks=("SND-05",)):
    """Declares the body as text/plain."""

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "Content-Type": "text/plain; charset=utf-8"}


class DeclaresNothing(_Sender, breaks=("SND-05",)):
    """Leaves Content-Type out."""

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        headers = super().headers(asked, body)
        headers.pop("Content-Type", None)
        return headers


class FormBody(_Sender, breaks=("SND-06",)):
    """Writes the members as a form, and declares JSON."""

    def body(self, asked: Asked) -> bytes:
        return urlencode(asked.params).encode()


class Utf16(_Sender, breaks=("SND-06",)):
    """Writes the body in UTF-16."""

    def body(self, asked: Asked) -> bytes:
        return super().body(asked).decode().encode("utf-16")


class ByteOrderMark(_Sender, breaks=("SND-06",)):
    """Begins the body with a byte order mark."""

    def body(self, asked: Asked) -> bytes:
        return b"\xef\xbb\xbf" + super().body(asked)


class Batches(_Sender, breaks=("SND-06",)):
    """Wraps the object in an array."""

    def members(self, asked: Asked) -> Any:
        return [asked.params]


class EncodesTwice(_Sender, breaks=("SND-06",)):
    """Writes a string that holds the JSON."""

    def members(self, asked: Asked) -> Any:
        return json.dumps(asked.params)


class Latin1(_Sender, breaks=("SND-06",)):
    """Writes the body in Latin-1 where that has the characters, in UTF-8 otherwise."""

    def body(self, asked: Asked) -> bytes:
        text = super().body(asked).decode()
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return text.encode()


class AddsMembers(_Sender, breaks=("SND-07",)):
    """Adds a member with the origin of the request."""

    def members(self, asked: Asked) -> Any:
        return {**asked.params, "source": "sdk"}


class DropsTheReference(Client, breaks=("SND-07",)):
    """Leaves the optional bill_ref_number out."""

    commands = ("mpesa/online",)

    def members(self, asked: Asked) -> Any:
        return {name: value for name, value in asked.params.items() if name != "bill_ref_number"}


class AsciiOnly(_Sender, breaks=("SND-07",)):
    """Replaces characters beyond ASCII by question marks."""

    def members(self, asked: Asked) -> Any:
        return {name: value.encode("ascii", "replace").decode() for name, value in asked.params.items()}


class CutsMessages(_Sender, breaks=("SND-07",)):
    """Sends the first 160 characters of a message."""

    def members(self, asked: Asked) -> Any:
        return {name: value[:160] for name, value in asked.params.items()}


class StripsMessages(_Sender, breaks=("SND-07",)):
    """Takes white space away from both ends, and line breaks from within."""

    def members(self, asked: Asked) -> Any:
        return {name: " ".join(value.split()) for name, value in asked.params.items()}


class EscapesHtml(_Sender, breaks=("SND-07",)):
    """Writes characters that mean something in HTML as entities."""

    def members(self, asked: Asked) -> Any:
        return {name: value.replace("&", "&amp;").replace("<", "&lt;") for name, value in asked.params.items()}


class PlainPunctuation(_Sender, breaks=("SND-07",)):
    """Writes typographic quotes and dashes as the plain ones, for one SMS to hold more."""

    def members(self, asked: Asked) -> Any:
        plain = str.maketrans("“”\u2018’–—", "\"\"''--")
        return {name: value.translate(plain) for name, value in asked.params.items()}


class DropsTheLastLineBreak(_Sender, breaks=("SND-07",)):
    """Takes one line break away from the end of a message, as a reader of lines does."""

    def members(self, asked: Asked) -> Any:
        return {name: value.removesuffix("\n") for name, value in asked.params.items()}


class ReferencesAsNumbers(Client, breaks=("SND-07",)):
    """Reads a bill_ref_number of digits as a number, whose leading zeros are gone."""

    commands = ("mpesa/online",)

    def members(self, asked: Asked) -> Any:
        return {
            name: str(int(value)) if name == "bill_ref_number" and value.isdigit() else value
            for name, value in asked.params.items()
        }


class PlusPrefix(_Sender, breaks=("SND-07",)):
    """Puts a plus sign before phone numbers."""

    def members(self, asked: Asked) -> Any:
        return {n: f"+{value}" if n == "phone_number" else value for n, value in asked.params.items()}


class NumberAmount(Client, breaks=("SND-08",)):
    """Sends amounts as JSON numbers."""

    commands = ("airtime",)

    def members(self, asked: Asked) -> Any:
        return {n: int(value) if n == "amount" else value for n, value in asked.params.items()}


class SendsTwice(_Sender, breaks=("SND-09",)):
    """Makes each request twice and reports the first answer."""

    def attempt(self, asked: Asked) -> Answer | str:
        first = super().attempt(asked)
        if self.told(asked, first)["outcome"] == "accepted":
            super().attempt(asked)
        return first


class ConfirmsLater(_Sender, breaks=("SND-09",)):
    """Makes each accepted request again, behind the caller's back."""

    def attempt(self, asked: Asked) -> Answer | str:
        first = super().attempt(asked)
        if self.told(asked, first)["outcome"] == "accepted":
            threading.Timer(0.1, super().attempt, [asked]).start()
        return first


class CredentialInUrl(_Sender, breaks=("SND-10",)):
    """Puts the consumer secret into the query, too."""

    def url(self, asked: Asked) -> str:
        return f"{super().url(asked)}?{urlencode({'consumer_secret': asked.consumer_secret})}"


class CredentialInHeader(_Sender, breaks=("SND-10",)):
    """Sends the secret in another header, too."""

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "X-Api-Key": asked.consumer_secret}


class CredentialInBody(_Sender, breaks=("SND-07", "SND-10")):
    """Sends the secret as a member that nobody asked for, too."""

    def members(self, asked: Asked) -> Any:
        return {**asked.params, "consumer_secret": asked.consumer_secret}


class CarriesTheCredential(_Sender, breaks=("SND-11",)):
    """Follows redirects to wherever they lead, with all headers."""

    def answered(self, asked: Asked, request: Outgoing) -> Answer:
        answer = super().answered(asked, request)
        if 300 <= answer.status < 400 and "location" in answer.headers:
            there = Outgoing(request.method, answer.headers["location"], request.headers, request.body)
            return self.exchange(there, self.patience_s(asked))
        return answer


class AcceptsHtml(_Sender, breaks=("SND-12",)):
    """Asks for HTML."""

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "Accept": "text/html"}
