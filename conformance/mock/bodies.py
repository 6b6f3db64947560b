"""The rules about the body as a whole: declared as JSON, UTF-8, JSON, complete, an object.

    content_type_breach     what is wrong with how the body is declared
    read_body               the payload, or what is wrong with the body and the best reading of it all the same

The best reading is for a gateway whose rule is waived: it takes what it can get out of the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from conformance.model.traffic import Headers, header
from conformance.model.untrusted import parse_json

FORM_TYPE = "application/x-www-form-urlencoded"
FORM = re.compile(r"""[^\s{}\[\]"=&]+=[^\s{}\[\]"]*""")
# Possessive, and it matches an unterminated string too: what clients send must not make it look twice at a byte.
STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(")?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Body:
    """A body as read: `breach` is the tag of what is wrong with it (None: nothing), `payload` its best reading."""

    breach: str | None
    payload: Mapping[str, Any] = field(default_factory=dict)


def content_type_breach(headers: Headers, body: bytes) -> str | None:
    """The tag of what is wrong with the Content-Type, None if the body is declared as JSON.

    A form that is declared as one breaks the rule about forms; JSON declared as a form breaks that about the type.
    """
    value = header(headers, "content-type")
    if value is None:
        return "malformed.absent-content-type"
    media_type = value.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return None
    if media_type == FORM_TYPE and not body.lstrip().startswith((b"{", b"[", b'"')):
        return "malformed.form-encoded"
    return "malformed.other-content-type"


def read_body(body: bytes) -> Body:
    """The body as a payload. Raises nothing, whatever the bytes."""
    if not body.strip():
        return Body("malformed.empty-body")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        cut = body.lstrip().startswith(b"{") and error.reason == "unexpected end of data"
        return Body("malformed.cut-short" if cut else "malformed.not-utf8", _object_in(body.decode("latin-1")))
    if FORM.fullmatch(text.strip()):
        return Body("malformed.form-encoded", _form(text))
    try:
        value = parse_json(body)
    except (ValueError, RecursionError):
        return Body("malformed.cut-short" if _ends_too_soon(text) else "malformed.not-json", _object_in(text))
    if isinstance(value, list):
        return Body("malformed.array")
    return Body(None, value) if isinstance(value, dict) else Body("malformed.scalar")


def _ends_too_soon(text: str) -> bool:
    """Whether the text begins like an object that it never closes."""
    if not text.lstrip().startswith("{"):
        return False
    # A string that does not end counts as a brace that does not close.
    outside_strings = STRING.sub(lambda string: "" if string[1] else "{", text)
    return outside_strings.count("{") > outside_strings.count("}")


def _object_in(text: str) -> Mapping[str, Any]:
    """What a parser that minds less would read: an object, or nothing."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _form(text: str) -> Mapping[str, Any]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=100))
    except ValueError:
        return {}
