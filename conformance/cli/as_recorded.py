"""The settings of an earlier run, from its journal: what is given now counts, and else what the run was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from conformance.cli.options import settings_from
from conformance.gateway.settings import Settings
from conformance.journal import Record
from conformance.journal.redaction import MARKS
from conformance.model.errors import UsageError
from conformance.wire.listening import Address


def as_recorded(
    record: Record,
    options: Mapping[str, Any],
    report_dir: Path,
    products: Sequence[str] = (),
    *,
    is_sent: bool = True,
) -> Settings:
    """Settings for the gateway of a recorded run; of all its products, unless some are named.

    The journal holds no secret, so that is one of the `options`; `is_sent`: to that gateway. Raises UsageError for what
    cannot be used, for a gateway that the secret is not known to be meant for, and for a callback URL whose token the
    journal keeps redacted.
    """
    recorded = record.settings
    # The built-in mock gateway has a name of its own; a gateway that was given is called by its URL.
    was_given = recorded["subject_name"] == recorded["gateway"]
    if "callback_listen" not in recorded:
        raise UsageError("the journal does not tell where notifications were taken", "begin a new run")
    wanted: Mapping[str, Any] = {
        "gateway": options["gateway"] or (recorded["gateway"] if was_given else None),
        "consumer_key": options["consumer_key"] or recorded["consumer_key"],
        "callback_listen": Address.parse(recorded["callback_listen"]),
        "callback_url": recorded["callback_url"],
        "notify_within": recorded["notify_within_s"],
        "max_examples": recorded["max_examples"],
        "seed": recorded["seed"],
        "shrink_requests": recorded.get("shrink_requests", 0),
        "over_network": recorded.get("over_network"),
        "exclusive_account": recorded["exclusive_account"],
        "strict": recorded.get("strict", False),
        **{member: tuple(recorded.get(f"{member}s", ())) for member in options["contract"].members.registered},
        "phone_number": tuple(recorded["phone_numbers"]),
        # What the run was allowed is allowed once more; of what it needed for all its cases a few need less.
        **{name: recorded.get(name) for name in ("max_accepted", "max_spend")},
        "rate": recorded.get("rate_per_s"),
        **{name: recorded.get(f"{name}_s", options.get(name)) for name in ("connect_timeout", "read_timeout")},
        "concurrency": recorded.get("concurrency", options.get("concurrency")),
        "product": tuple(products or recorded["products"]),
        "callback_path": tuple(recorded.get("callback_paths", {}).items()),
    }
    given = {name: value for name, value in options.items() if not _by_default(name) and value not in (None, ())}
    chosen = {**options, "consumer_secret": None, **wanted, **given, "report_dir": report_dir}
    url = chosen["callback_url"]
    if url is not None and any(mark in url for mark in MARKS):
        raise UsageError(
            f"--callback-url is missing; the journal keeps the token of {url} redacted",
            hint="give the URL as it is registered with the gateway",
        )
    return settings_from(chosen, is_sent=is_sent)


def _by_default(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.DEFAULT
