"""Clients that send what they should not (SND)."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from flawed_clients.client import Answer, Asked, Client, Outgoing, Told


class _Sender(Client):
    commands = ("sms",)


class ClaimsWithoutSending(_Sender):
    """Says that everything was accepted and sends nothing."""

    breaks = ("SND-01",)

    def call(self, asked: Asked) -> Told:
        return {"outcome": "accepted", "status_code": 200, "description": "ok", "request_id": f"made-up-{asked.number}"}


class ClaimsNowAndThen(_Sender):
    """Sends no message that is longer than a segment, and says that it was accepted."""

    breaks = ("SND-01",)

    def call(self, asked: Asked) -> Told:
        if len(asked.params.get("message", "")) > 160:
            return {"outcome": "accepted", "status_code": 200, "description": "ok", "request_id": f"no-{asked.number}"}
        return super().call(asked)


class Puts(_Sender):
    """Uses PUT where POST is due."""

    breaks = ("SND-02",)

    def method(self, asked: Asked) -> str:
        return "PUT"


class PostsForDetails(Client):
    """Asks for the account's details with POST."""

    breaks = ("SND-02",)
    commands = ("sms", "account-details")

    def method(self, asked: Asked) -> str:
        return "POST"


class JoinsUrls(_Sender):
    """Joins base URL and command as a browser does, which takes the last part of the base away."""

    breaks = ("SND-03",)

    def url(self, asked: Asked) -> str:
        return urljoin(asked.base_url, asked.command)


class ForgetsThePrefix(_Sender):
    """Keeps only the host of the base URL."""

    breaks = ("SND-03",)

    def url(self, asked: Asked) -> str:
        return urljoin(asked.base_url, f"/api/v2/{asked.command}")


class TrailingSlash(_Sender):
    """Ends the path with a slash."""

    breaks = ("SND-03",)

    def url(self, asked: Asked) -> str:
        return f"{asked.base_url}/{asked.command}/"


class EscapesTheSlash(Client):
    """Asks for mpesa%2Fonline."""

    breaks = ("SND-03",)
    commands = ("mpesa/online",)

    def url(self, asked: Asked) -> str:
        return f"{asked.base_url}/{quote(asked.command, safe='')}"


class Bearer(_Sender):
    """Sends the credential as a bearer token."""

    breaks = ("SND-04",)

    def credential(self, asked: Asked) -> str:
        return super().credential(asked).replace("Basic", "Bearer")


class NoCredential(_Sender):
    """Sends no credential."""

    breaks = ("SND-04",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        headers = super().headers(asked, body)
        del headers["Authorization"]
        return headers


class FoldsTheCredential(_Sender):
    """Ends the base64 with a blank, as a shell's base64 with its line feed does."""

    breaks = ("SND-04",)

    def credential(self, asked: Asked) -> str:
        return super().credential(asked).rstrip("=") + "Cg=="


class DeclaresText(_Sender):
    """Declares the body as text/plain."""

    breaks = ("SND-05",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "Content-Type": "text/plain; charset=utf-8"}


class DeclaresNothing(_Sender):
    """Leaves Content-Type out."""

    breaks = ("SND-05",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        headers = super().headers(asked, body)
        headers.pop("Content-Type", None)
        return headers


class FormBody(_Sender):
    """Writes the members as a form, and declares JSON."""

    breaks = ("SND-06",)

    def body(self, asked: Asked) -> bytes:
        return urlencode(asked.params).encode()


class Utf16(_Sender):
    """Writes the body in UTF-16."""

    breaks = ("SND-06",)

    def body(self, asked: Asked) -> bytes:
        return super().body(asked).decode().encode("utf-16")


class ByteOrderMark(_Sender):
    """Begins the body with a byte order mark."""

    breaks = ("SND-06",)

    def body(self, asked: Asked) -> bytes:
        return b"\xef\xbb\xbf" + super().body(asked)


class Batches(_Sender):
    """Wraps the object in an array."""

    breaks = ("SND-06",)

    def members(self, asked: Asked) -> Any:
        return [asked.params]


class EncodesTwice(_Sender):
    """Writes a string that holds the JSON."""

    breaks = ("SND-06",)

    def members(self, asked: Asked) -> Any:
        return json.dumps(asked.params)


class Latin1(_Sender):
    """Writes the body in Latin-1 where that has the characters, in UTF-8 otherwise."""

    breaks = ("SND-06",)

    def body(self, asked: Asked) -> bytes:
        text = super().body(asked).decode()
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return text.encode()


class AddsMembers(_Sender):
    """Tells where the request comes from."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {**asked.params, "source": "sdk"}


class DropsTheReference(Client):
    """Leaves the optional bill_ref_number out."""

    breaks = ("SND-07",)
    commands = ("mpesa/online",)

    def members(self, asked: Asked) -> Any:
        return {name: value for name, value in asked.params.items() if name != "bill_ref_number"}


class AsciiOnly(_Sender):
    """Replaces what is not ASCII by question marks."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {name: value.encode("ascii", "replace").decode() for name, value in asked.params.items()}


class CutsMessages(_Sender):
    """Sends the first 160 characters of a message."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {name: value[:160] for name, value in asked.params.items()}


class StripsMessages(_Sender):
    """Takes white space away from both ends, and line breaks from within."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {name: " ".join(value.split()) for name, value in asked.params.items()}


class EscapesHtml(_Sender):
    """Writes characters that mean something in HTML as entities."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {name: value.replace("&", "&amp;").replace("<", "&lt;") for name, value in asked.params.items()}


class PlainPunctuation(_Sender):
    """Writes typographic quotes and dashes as the plain ones, for one SMS to hold more."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        plain = str.maketrans("“”\u2018’–—", "\"\"''--")
        return {name: value.translate(plain) for name, value in asked.params.items()}


class DropsTheLastLineBreak(_Sender):
    """Takes one line break away from the end of a message, as a reader of lines does."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {name: value.removesuffix("\n") for name, value in asked.params.items()}


class ReferencesAsNumbers(Client):
    """Reads a bill_ref_number of digits as a number, whose leading zeros are gone."""

    breaks = ("SND-07",)
    commands = ("mpesa/online",)

    def members(self, asked: Asked) -> Any:
        return {
            name: str(int(value)) if name == "bill_ref_number" and value.isdigit() else value
            for name, value in asked.params.items()
        }


class PlusPrefix(_Sender):
    """Puts a plus sign before phone numbers."""

    breaks = ("SND-07",)

    def members(self, asked: Asked) -> Any:
        return {n: f"+{value}" if n == "phone_number" else value for n, value in asked.params.items()}


class NumberAmount(Client):
    """Sends amounts as JSON numbers."""

    breaks = ("SND-08",)
    commands = ("airtime",)

    def members(self, asked: Asked) -> Any:
        return {n: int(value) if n == "amount" else value for n, value in asked.params.items()}


class SendsTwice(_Sender):
    """Makes each request twice and reports the first answer."""

    breaks = ("SND-09",)

    def attempt(self, asked: Asked) -> Answer | str:
        first = super().attempt(asked)
        if self.told(asked, first)["outcome"] == "accepted":
            super().attempt(asked)
        return first


class ConfirmsLater(_Sender):
    """Makes each accepted request again, behind the caller's back."""

    breaks = ("SND-09",)

    def attempt(self, asked: Asked) -> Answer | str:
        first = super().attempt(asked)
        if self.told(asked, first)["outcome"] == "accepted":
            threading.Timer(0.1, super().attempt, [asked]).start()
        return first


class CredentialInUrl(_Sender):
    """Puts the consumer secret into the query, too."""

    breaks = ("SND-10",)

    def url(self, asked: Asked) -> str:
        return f"{super().url(asked)}?{urlencode({'consumer_secret': asked.consumer_secret})}"


class CredentialInHeader(_Sender):
    """Sends the secret in a header of its own, too."""

    breaks = ("SND-10",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "X-Api-Key": asked.consumer_secret}


class CredentialInBody(_Sender):
    """Sends the secret as a member that nobody asked for, too."""

    breaks = ("SND-07", "SND-10")

    def members(self, asked: Asked) -> Any:
        return {**asked.params, "consumer_secret": asked.consumer_secret}


class CarriesTheCredential(_Sender):
    """Follows redirects to wherever they lead, with all headers."""

    breaks = ("SND-11",)

    def answered(self, asked: Asked, request: Outgoing) -> Answer:
        answer = super().answered(asked, request)
        if 300 <= answer.status < 400 and "location" in answer.headers:
            there = Outgoing(request.method, answer.headers["location"], request.headers, request.body)
            return self.exchange(there, self.patience_s(asked))
        return answer


class AcceptsHtml(_Sender):
    """Asks for HTML."""

    breaks = ("SND-12",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        return {**super().headers(asked, body), "Accept": "text/html"}
