"""What verdicts on a client depend on besides the traffic.

ClientTerms     the settings of the certification, and what the client declares
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Offer
from conformance.journal import Record


@dataclass(frozen=True, slots=True)
class ClientTerms:
    """What verdicts depend on besides the traffic.

    `key`, `secret`: the credential that the client was given. `offered`: what the client declares, by `Offer`;
    `callbacks`: the commands whose notifications it receives, and `unsolicited`, what it gets without an invocation.
    `settled_at`: until when the witness watched, None when the run was cut off. `gave_up`: why the driver was not
    started again. `obstacle`: why the run was not held. `observed`: nobody drove the client, it was watched.
    `greeted`: a driver said hello. `lacks`: what its API does not expose. `proxies`: variables of its environment that
    name one. `out_of_time`: why not everything was reached.
    """

    commands: tuple[str, ...] = ()
    declared: frozenset[str] = frozenset()
    callbacks: frozenset[str] = frozenset()
    offered: frozenset[Offer] = frozenset()
    key: str = ""
    secret: str = ""
    timeout_s: float = 0.0
    resend_window_s: float = 0.0
    advised_delay_s: float = 0.0
    settled_at: float | None = None
    gave_up: str | None = None
    obstacle: str | None = None
    observed: bool = False
    greeted: bool = False
    lacks: frozenset[str] = frozenset()
    proxies: tuple[str, ...] = ()
    out_of_time: str | None = None
    contract: Contract = field(default_factory=statum)
    unsolicited: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Self:
        """Those of a recorded run, judged by `contract`."""
        settings = record.settings
        notes = {note.kind: note.detail for note in record.notes}
        hello = notes.get("hello", {})
        credential = settings.get("credential", {})
        own = settings["products"] if settings.get("callback_url") else ()
        products = {*hello.get("callback_urls", {}), *own}
        unsolicited = tuple(each.name for each in contract.unsolicited_among(settings["products"], products))
        return cls(
            commands=tuple(settings["commands"]),
            unsolicited=unsolicited,
            declared=frozenset(hello.get("commands", ())),
            callbacks=frozenset((*(c.name for c in contract.commands_of(products) if c.product), *unsolicited)),
            offered=_offered(settings, hello),
            key=credential.get("key", ""),
            secret=credential.get("secret", ""),
            timeout_s=float(settings.get("timeout_s", 0.0)),
            resend_window_s=float(settings.get("resend_window_s", 0.0)),
            advised_delay_s=float(settings.get("advised_delay_s", 0.0)),
            settled_at=notes.get("settled", {}).get("at"),
            gave_up=notes.get("gave-up", {}).get("detail"),
            obstacle=notes.get("obstacle", {}).get("message"),
            greeted="hello" in notes,
            observed=bool(settings.get("observe")),
            lacks=frozenset(hello.get("lacks", ())),
            proxies=tuple(notes.get("environment", {}).get("proxies", ())),
            out_of_time=notes.get("out-of-time", {}).get("detail"),
            contract=contract,
        )

    def lacking(self, offer: Offer, command: str | None) -> str | None:
        """In words, why an offer that a requirement needs is not there for `command`; None if it is."""
        if self.observed and offer not in _NOT_OBSERVED:
            return None  # what cannot be seen is inconclusive
        if offer not in self.offered and Offer.DRIVER not in self.offered:
            return _LACKING_WITHOUT_DRIVER.get(offer, _LACKING[offer])
        if offer is Offer.INVOCATIONS and command is not None and command not in self.declared:
            return f"the client does not declare {command}"
        if offer is Offer.CALLBACK and command is not None and command not in self.callbacks:
            return f"the client declares no callback for {command}"
        return None if offer in self.offered else _LACKING[offer]


# A client that is watched has neither, whatever it may be capable of.
_NOT_OBSERVED = frozenset({Offer.DRIVER, Offer.CALLBACK})

_LACKING_WITHOUT_DRIVER = {
    Offer.INVOCATIONS: "there is no driver that could have calls made",
    Offer.CALLBACK: "no callback URL is given",
    Offer.RESULTS: "there is no driver to ask what became of a request",
    Offer.APPLIED: "there is no driver to ask what became of a request",
}

_LACKING = {
    Offer.DRIVER: "there is no driver to judge",
    Offer.INVOCATIONS: "the client declares no command",
    Offer.CALLBACK: "the client does not declare the feature callback",
    Offer.RESULTS: "the client does not declare the feature results",
    Offer.APPLIED: "the client does not declare the feature results",
    Offer.ERROR_DETAILS: "the client's API does not expose the details of an error",
    Offer.REQUEST_ID: "the client's API does not expose the id of a request",
}


def _offered(settings: Mapping[str, Any], hello: Mapping[str, Any]) -> frozenset[Offer]:
    features, lacks = hello.get("features", ()), hello.get("lacks", ())
    offers = {
        Offer.DRIVER: bool(settings.get("driver")),
        Offer.INVOCATIONS: bool(hello.get("commands")),
        Offer.CALLBACK: bool(hello.get("callback_urls") or settings.get("callback_url")),
        Offer.RESULTS: "results" in features,
        Offer.APPLIED: "results" in features,
        Offer.ERROR_DETAILS: "error-details" not in lacks,
        Offer.REQUEST_ID: "request-id" not in lacks,
    }
    return frozenset(offer for offer, there in offers.items() if there)
