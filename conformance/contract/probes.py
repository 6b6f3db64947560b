"""The probes of a contract: requests that are wrong, or unusual, in one way each. The rows of `probes.toml`.

`schemas/formats/probes.json` describes a row. The makers are code: those of credentials, headers, methods and paths in
`conformance.payloads.probes`, of bodies in `conformance.payloads.json_defects`, of members in
`conformance.payloads.invalid`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from conformance.contract.requirements import ANY


class Outcome(StrEnum):
    """The outcome that the contract demands for a request; OPEN: it does not say."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OPEN = "open"


MAKERS: Mapping[str, Mapping[str, frozenset[str]]] = {
    kind: {maker: frozenset(parameters.split()) for maker, parameters in makers.items()}
    for kind, makers in {
        "credential": {"credential": "key secret token otherwise", "header": "value"},
        "headers": {"header": "name value without methods"},
        "malformed": {
            "header": "name value",
            "text": "text shows",
            "behind": "text shows",
            "around": "before after shows",
            "every-value": "text shows",
            "stray-bytes": "bytes shows",
            "cut": "",
            **dict.fromkeys(("tags", "single-quotes", "last-comma", "twice", "form"), "shows"),
        },
        "method": {"method": "method"},
        "unknown-command": {"path": "path method"},
        "broken": dict.fromkeys(
            ("absent", "null", "other-types", "empty", "other-texts", "other-numbers", "out-of-range"), ""
        ),
        "open": {
            **dict.fromkeys(("as-number", "other-spellings", "open-lengths", "beyond-caution", "open-texts"), ""),
            **dict.fromkeys(("long-texts", "unknown-member", "huge-text", "huge-beside", "careful-number"), ""),
            "body": "shows",
        },
    }.items()
}
"""The makers of each kind of probe, and the parameters of each maker."""


@dataclass(frozen=True, slots=True)
class Making:
    """One entry of `made`: the maker's name, its parameters, and the aspect of the cases that it makes."""

    by: str
    aspect: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any], aspect: str) -> Self:
        """One table of `made`, of a probe with this aspect."""
        parameters = {name: value for name, value in entry.items() if name not in {"by", "aspect"}}
        return cls(entry["by"], entry.get("aspect", aspect), parameters)

    def fault(self, kind: str) -> str | None:
        """The fault of this making for that kind of probes, in words; None if it has none."""
        makers = MAKERS[kind]
        if self.by not in makers:
            return f"made has by = {self.by!r}; expected one of {', '.join(makers)} for kind {kind}"
        if unknown := sorted(self.parameters.keys() - makers[self.by]):
            known = ", ".join(sorted(makers[self.by])) or "none"
            return f"made has {unknown[0]} for {self.by}; expected of its parameters ({known})"
        if self.aspect == ANY:
            return f"made has no aspect for {self.by}; expected one where the probe's is {ANY!r}"
        return None

    def text(self, name: str) -> str:
        """The value of a parameter that is a text; KeyError without it."""
        return str(self.parameters[name])

    @property
    def shows(self) -> str:
        """The defect of a body, by its name in `conformance.payloads.json_defects`."""
        return self.text("shows")


@dataclass(frozen=True, slots=True)
class Probe:
    """A row of `probes.toml`.

    `kind` and `aspect` are those of its cases in journals. A probe that must be refused goes out beside its positive
    control, which has to be accepted. `keywords`: of the tolerated schema, those that the broken member may violate;
    `at_random`: whether further ones are made at random. `again`: the aspect of the same request, sent once more with
    the right credential. `reason` and `status`: how the mock gateway refuses it; None: as it does others.
    """

    kind: str
    aspect: str
    outcome: Outcome
    made: tuple[Making, ...]
    keywords: frozenset[str] = frozenset()
    at_random: bool = False
    again: str | None = None
    reason: str | None = None
    status: int | None = None

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[probe]]` table."""
        return cls(
            **{
                **entry,
                "outcome": Outcome(entry["outcome"]),
                "made": tuple(Making.from_entry(each, entry["aspect"]) for each in entry["made"]),
                "keywords": frozenset(entry.get("keywords", ())),
            }
        )

    @property
    def name(self) -> str:
        """Its name in requirements, faults and the mock gateway: `credential.absent`."""
        return f"{self.kind}.{self.aspect}"


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a contract, in the order of the file."""

    all: tuple[Probe, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """The content of a `probes.toml`."""
        return cls(tuple(map(Probe.from_entry, tomllib.loads(text).get("probe", ()))))

    def __iter__(self) -> Iterator[Probe]:
        return iter(self.all)

    def of(self, kind: str) -> tuple[Probe, ...]:
        """Those of a kind."""
        return tuple(probe for probe in self.all if probe.kind == kind)

    def get(self, name: str) -> Probe | None:
        """The probe of that name (`credential.absent`), else the one of its kind for any aspect; None for neither."""
        kind = name.partition(".")[0]
        by_name = {probe.name: probe for probe in self.of(kind)}
        return by_name.get(name) or by_name.get(f"{kind}.{ANY}")

    def aspects(self, kind: str) -> tuple[str, ...]:
        """The aspects of the cases of a kind, each once."""
        return tuple(dict.fromkeys(making.aspect for probe in self.of(kind) for making in probe.made))
