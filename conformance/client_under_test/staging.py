"""How the gateway behaves that a client meets: each way one small function from what is known of a case.

    Setting         what a way of behaving may depend on: the case's nonce and the host that redirects lead to
    accepting … lost        makers of behaviours, of which `conformance.client_under_test.scenarios` is made

Whatever the client sends, the witness plays its scenario: no rule about requests is enforced here, so that one
misbehaviour in sending leaves all else to be seen. What was wrong with a request is for the checks to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from conformance.mock_gateway import chosen
from conformance.mock_gateway.behaviour import Behaviour, Ending, Moment, Reply, Wire
from conformance.mock_gateway.refusals import REFUSALS

LENIENT = Behaviour(waived=frozenset(REFUSALS))

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Setting:
    """`nonce` is the case's own, for texts that no client can know; `elsewhere`: its base URL at another host."""

    nonce: str
    elsewhere: str


Staging = Callable[[Setting], Behaviour]


def accepting(**changes: Any) -> Staging:
    """Accepts; further members of the answer, or other ones, are `changes`."""
    return _replying(chosen.adding(**changes))


def with_id(request_id: str) -> Staging:
    """Accepts, with a request_id that is this and, for uniqueness, the digits of the nonce in its place of `{}`."""
    return lambda setting: replace(
        LENIENT, new_id=lambda _moment, _random: request_id.format(str(int(setting.nonce, 16)))
    )


def on_wire(**wire: Any) -> Staging:
    """Accepts, and puts the answer on the wire in another lawful way."""
    return lambda _: replace(LENIENT, wire=Wire(**wire))


def declared_as(content_type: str) -> Staging:
    """Accepts, with another Content-Type."""
    return _replying(chosen.declared_as(content_type))


def refusing(status: int, description: str, *headers: tuple[str, str], **members: Any) -> Staging:
    """Answers with an error in the envelope; the description ends with the nonce, so that it has to be read."""

    def staging(setting: Setting) -> Behaviour:
        said = f"{description} [{setting.nonce}]"

        def refused(_reply: Reply, moment: Moment) -> Reply:
            content = {"status_code": status, "description": said, "request_id": moment.request_id, **members}
            return Reply(status, (("Content-Type", JSON), *headers), content)

        return replace(LENIENT, reply=(refused,))

    return staging


def disagreeing(http_status: int, status_code: int, description: str) -> Staging:
    """Answers with an HTTP status and a status_code that contradict each other."""
    return _replying(chosen.disagreeing(http_status, status_code, description))


def unusable(status: int, content_type: str, body: bytes) -> Staging:
    """Answers with something that is not the envelope."""
    return _replying(chosen.unusable(status, content_type, body))


def cut_short() -> Staging:
    """Answers with the first half of the JSON text, and says that this is all."""
    return _replying(chosen.cut_short)


def lost(ending: Ending) -> Staging:
    """Takes the request, and loses the answer."""
    return _replying(chosen.lost(ending))


def redirecting(status: int) -> Staging:
    """Sends the client to another host."""

    def staging(setting: Setting) -> Behaviour:
        def redirected(_reply: Reply, moment: Moment) -> Reply:
            target = moment.request.url.partition("/api/v2")[2]
            return Reply(status, (("Location", setting.elsewhere + target),), None, b"")

        return replace(LENIENT, reply=(redirected,))

    return staging


def _replying(change: chosen.Change) -> Staging:
    return lambda _: replace(LENIENT, reply=(change,))
