"""Checks of the rows, settings and notes of a journal that somebody else may have made.

SQLite lets a column hold any type, whatever was declared for it. Members that are not named here come from another
release, and nothing of this one reads them. All checks raise ValueError in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product
from math import isfinite
from typing import Any

# --- Rows

_NULL = type(None)
_TEXT, _BYTES, _WHOLE, _REAL = (str,), (bytes,), (int,), (float,)
_TEXT_OR_NULL = (str, _NULL)
_REQUEST = (_TEXT, _TEXT, _TEXT, _BYTES)
_Types = tuple[tuple[type, ...], ...]

_CASE: _Types = (_WHOLE, _TEXT, _TEXT_OR_NULL, _TEXT, _TEXT, _TEXT, *_REQUEST, *(_TEXT_OR_NULL,) * 4)
_SENT: _Types = (_WHOLE, _TEXT, _WHOLE, *_REQUEST, _REAL, _REAL)
_ANSWER: _Types = (_WHOLE, _TEXT, _TEXT, _BYTES, (_NULL,), _REAL)
_FAILURE: _Types = ((_NULL,), (_NULL,), _TEXT, _BYTES, _TEXT, _REAL)
_NO_END: _Types = ((_NULL,),) * len(_ANSWER)
_NO_CASE: _Types = ((_NULL,),) * len(_CASE)

# Seconds that no clock of a run has reached: the year 5138, or an uptime of three thousand years.
LATEST_S = 1e11
# Characters of a value that are shown.
LONGEST_SHOWN = 60
HIGHEST_STATUS = 999


@dataclass(frozen=True, slots=True)
class Columns:
    """The types in rows of one kind, looked up all at once, for there may be a million rows.

    `times` and `status` are the places of such values.
    """

    combinations: frozenset[tuple[type, ...]]
    times: tuple[int, ...] = ()
    status: int | None = None

    @classmethod
    def of(cls, *alternatives: _Types, times: tuple[int, ...] = (), status: int | None = None) -> Columns:
        """For each of the `alternatives` and each of its columns the types that it may have."""
        return cls(frozenset(each for types in alternatives for each in product(*types)), times, status)

    def check(self, row: tuple[Any, ...]) -> None:
        """ValueError for a row that no run writes."""
        if (types := tuple(map(type, row))) not in self.combinations:
            names = ", ".join("NULL" if each is _NULL else each.__name__ for each in types)
            raise ValueError(f"row {row[0]!r:.40} holds {names}, which no run writes")
        for place in self.times:
            at = row[place]
            if at is not None and not -LATEST_S < at < LATEST_S:
                raise ValueError(f"row {row[0]!r:.40} has the time {at!r}")
        if self.status is not None and not 0 <= (row[self.status] or 0) <= HIGHEST_STATUS:
            raise ValueError(f"row {row[0]!r:.40} has the status {row[self.status]!r}")


ROW_OF: Mapping[str, Columns] = {
    "case": Columns.of(_CASE),
    "exchange": Columns.of(
        *((*_SENT, *end) for end in (_ANSWER, _FAILURE, _NO_END)), times=(7, 8, 14), status=len(_SENT)
    ),
    "attempt": Columns.of(
        *((*_SENT, *end, *case) for end in (_ANSWER, _FAILURE, _NO_END) for case in (_CASE, _NO_CASE)),
        times=(7, 8, 14),
        status=len(_SENT),
    ),
    "notification": Columns.of((_WHOLE, _TEXT_OR_NULL, *_REQUEST, _REAL, _REAL), times=(6, 7)),
    "note": Columns.of((_WHOLE, _TEXT, _TEXT, _REAL, _REAL), times=(3, 4)),
    "message": Columns.of((_WHOLE, _TEXT_OR_NULL, _TEXT, _TEXT, _REAL, _REAL), times=(4, 5)),
    "setting": Columns.of((_TEXT, _TEXT)),
}


# --- Settings and notes


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of value in `words`, and a test for it. An optional one may be missing."""

    words: str
    fits: Callable[[Any], bool]
    optional: bool = False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value) and 0 <= value < LATEST_S


def _parses(parse: Callable[[str], object]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            parse(value)
        except (TypeError, ValueError):
            return False
        return True

    return fits


def _or_null(shape: Shape) -> Shape:
    return Shape(f"{shape.words} or null", lambda value: value is None or shape.fits(value))


def _list(of: Shape) -> Shape:
    return Shape(f"a list of each {of.words}", lambda value: isinstance(value, list) and all(map(of.fits, value)))


def _map(to: Shape) -> Shape:
    return Shape(
        f"an object of each {to.words}", lambda value: isinstance(value, dict) and all(map(to.fits, value.values()))
    )


def _object(**members: Shape) -> Shape:
    return Shape(
        f"an object of {', '.join(members)}", lambda value: isinstance(value, dict) and _fault(value, members) is None
    )


def _maybe(shape: Shape) -> Shape:
    return Shape(shape.words, shape.fits, optional=True)


_text = Shape("text", lambda value: isinstance(value, str))
_instant = Shape("moment in seconds", lambda value: _is_number(abs(value) if isinstance(value, float) else value))
_flag = Shape("true or false", lambda value: isinstance(value, bool))
_number = Shape("number of 0 or more", _is_number)
_whole = Shape(
    "whole number of 0 or more", lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0
)
_moment = Shape("moment in ISO 8601", _parses(lambda text: datetime.fromisoformat(text).astimezone()))
_day = Shape("day in ISO 8601", _parses(date.fromisoformat))
_anything = Shape("anything", lambda _: True)
_optional_text = _or_null(_text)

_ENTRY = _object(
    requirement=_text,
    verdict=Shape("FAIL, WARN or INCONCLUSIVE", lambda value: value in ("FAIL", "WARN", "INCONCLUSIVE")),
    issue=_text,
    owner=_text,
    expires=_day,
    command=_maybe(_text),
    message=_maybe(_text),
)

_OF_EVERY_RUN: Mapping[str, Shape] = {
    "subject_name": _text,
    "started_at": _moment,
    "seed": _whole,
    "contract": _maybe(_object(name=_text, digest=_text, folder=_maybe(_optional_text))),
    "products": _list(_text),
    "commands": _list(_text),
    "phone_numbers": _list(_text),
    "max_examples": _whole,
    "expectations": _maybe(_or_null(_object(file=_text, digest=_text, entries=_list(_ENTRY)))),
    "strict": _maybe(_flag),
    "catalogue_url": _maybe(_optional_text),
    "callback_url": _maybe(_optional_text),
    "shrink_requests": _maybe(_whole),
    "show_phone_numbers": _maybe(_flag),
    "only": _maybe(_list(_text)),
}
_OF_A_GATEWAY: Mapping[str, Shape] = {
    "gateway": _text,
    "consumer_key": _text,
    "callback_listen": _maybe(_text),
    "callback_tls": _maybe(_flag),
    "sender_ids": _maybe(_list(_text)),
    "short_codes": _maybe(_list(_text)),
    "notify_within_s": _number,
    "exclusive_account": _flag,
    "loopback": _flag,
    "callback_targets": _map(_text),
    "callback_paths": _maybe(_map(_text)),
    "own_gateway": _maybe(_flag),
    "network_back": _maybe(_flag),
    "over_network": _maybe(_or_null(_flag)),
    "load": _maybe(
        _object(rate=_number, for_s=_number, workers=_whole, receivers=_whole, slo=_maybe(_or_null(_map(_anything))))
    ),
    **dict.fromkeys(("corpus", "cases"), _maybe(_optional_text)),
    **dict.fromkeys(("max_accepted", "max_spend", "concurrency"), _maybe(_or_null(_whole))),
    **dict.fromkeys(("rate_per_s", "connect_timeout_s", "read_timeout_s"), _maybe(_or_null(_number))),
}
_OF_A_CLIENT: Mapping[str, Shape] = {
    "driver": _maybe(_optional_text),
    "observe": _maybe(_optional_text),
    "credential": _maybe(_object(key=_maybe(_text), secret=_maybe(_text))),
    "timeout_s": _number,
    **dict.fromkeys(("resend_window_s", "advised_delay_s", "patience_s"), _maybe(_number)),
}
_KINDS_OF_SUBJECT = Shape("gateway or client", lambda value: value in ("gateway", "client"))

_SILENCE = {"silent_since": _instant, "until": _instant}
_LIMITS = {"max_accepted": _or_null(_number), "max_spend": _or_null(_number), "accepted_at_most": _number}
NOTES: Mapping[str, Mapping[str, Shape]] = {
    "settled": {"at": _instant, "waited_s": _maybe(_or_null(_instant))},
    "finished": {"duration_s": _number},
    "obstacle": {"message": _text, "hint": _maybe(_optional_text)},
    "planned": {"alone": _list(_text), "last": _list(_text)},
    "planned-anew": {"stands_for": _map(_text)},
    "left-out": {"case": _text, "why": _text},
    "allowance": {**_LIMITS, "spent_at_most": _number, "not_planned": _map(_whole), "withheld": _map(_whole)},
    "way-back": {
        "lost": _maybe(_map(_text)),
        "canaries": _maybe(
            _map(Shape("pair of numbers", lambda pair: _list(_whole).fits(pair) and len(pair) == 2))  # noqa: PLR2004 - a pair
        ),
    },
    "heartbeat": {"sent_at": _instant, "arrived": _flag},
    "resumed": _SILENCE,
    "listened": _SILENCE,
    "unreadable": {"where": _text, "product": _optional_text, "error": _text, "head": _maybe(_text)},
    "undecodable": {"exchange": _whole, "remark": _text},
    "beyond-answer": {"exchange": _whole, "sent": _text},
    "unsent": {"exchange": _whole},
    "refused-here": {"why": _text, "lasting": _flag},
    "left-behind": {"processes": _or_null(_list(_object(pid=_whole, command=_text, ended=_flag)))},
    "strays": {"left_out": _whole, "with_id": _maybe(_whole), "without_id": _maybe(_map(_whole))},
    "load": {
        **dict.fromkeys(("began", "ended"), _instant),
        **dict.fromkeys(("sent", "accepted", "withheld"), _whole),
        "behind_s": _number,
        **dict.fromkeys(("receivers_p99_s", "receivers_most_s"), _maybe(_number)),
    },
    "shard": {"name": _text, "sha256": _text, "exchanges": _whole, "notifications": _whole},
    "lost": {
        "what": Shape("worker or receiver", lambda value: value in ("worker", "receiver")),
        "name": _text,
        **dict.fromkeys(("since", "until"), _instant),
        "handed_out": _map(_whole),
        "shipped": _flag,
    },
    "clock": {"shard": _text, "offset_s": _instant, "within_s": _number},
    "shrink-begins": dict.fromkeys(("cases", "exchanges", "notifications"), _whole),
    "shrink": {
        **dict.fromkeys(("requests", "rounds"), _maybe(_whole)),
        "seconds": _maybe(_number),
        "stopped": _maybe(_optional_text),
    },
    "cause": {
        **dict.fromkeys(("requirement", "kind", "pattern"), _text),
        "command": _optional_text,
        "cases": _list(_text),
        "minimal": _maybe(_optional_text),
        "differs": _maybe(_or_null(_map(_anything))),
        "finished": _maybe(_flag),
        "exchange": _maybe(_or_null(_whole)),
    },
    "hello": {
        "implementation": _maybe(_or_null(_object(name=_text, version=_optional_text, language=_optional_text))),
        **dict.fromkeys(("commands", "features", "lacks"), _maybe(_list(_text))),
        "callback_urls": _maybe(_map(_text)),
    },
    "death": {"case": _optional_text, "detail": _text},
    "receiver-died": {"case": _optional_text, "commands": _list(_text)},
    "left-alone": {"command": _text, "why": _maybe(_text)},
    "extra-call": {"case": _text, "why": _text, "of": _optional_text},
    "gave-up": {"deaths": _whole, "detail": _text},
    "environment": {"proxies": _list(_text)},
    "out-of-time": {"detail": _text},
}
# Other members of a cause are an error, for it is read as a whole.
_CLOSED = frozenset({"cause"})


def check_settings(settings: Any, *, whole: bool = False) -> None:
    """ValueError for settings that no run has; `whole`: also for a missing one that judging needs."""
    if not isinstance(settings, dict):
        raise ValueError("its settings are not a JSON object")  # noqa: TRY004 - damage, whatever it is
    kind = settings.get("subject_kind", "gateway")
    of_the_kind = _OF_A_CLIENT if kind == "client" else _OF_A_GATEWAY
    shapes = {"subject_kind": _maybe(_KINDS_OF_SUBJECT), **_OF_EVERY_RUN, **of_the_kind}
    if (fault := _fault(settings, shapes, whole=whole)) is not None:
        raise ValueError(f"its settings are not those of a run: {fault}")


def check_note(kind: str, detail: Any) -> None:
    """ValueError for the detail of a note that no run writes."""
    if not isinstance(detail, dict):
        raise ValueError(f"a note {kind!r:.40} is not a JSON object")  # noqa: TRY004 - damage, whatever it is
    shapes = NOTES.get(kind)
    if shapes is None:
        return
    fault = _fault(detail, shapes)
    if fault is None and kind in _CLOSED and (more := detail.keys() - shapes.keys()):
        fault = f"it has {min(more)!r:.40}"
    if fault is not None:
        raise ValueError(f"a note {kind!r} is not as a run writes it: {fault}")


def _fault(value: Mapping[str, Any], shapes: Mapping[str, Shape], *, whole: bool = True) -> str | None:
    """The first fault of the members of an object, in words; None if there is none."""
    for name, shape in shapes.items():
        if name not in value:
            if whole and not shape.optional:
                return f"{name} is missing"
        elif not shape.fits(value[name]):
            return f"{name} is {_shown(value[name])}, expected {shape.words}"
    return None


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "nested deeply"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
