"""The requirements catalogue: readable, valid against its schema, and true to the words that it quotes."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from conformance.contract.contract import statum
from conformance.contract.requirements import Actor, Basis, Level, Requirement
from conformance.contract.schemas import FORMATS, built_in

COMMANDS = statum().commands

ENTRIES: list[dict[str, Any]] = tomllib.loads((built_in("statum") / "requirements.toml").read_text(encoding="utf-8"))[
    "requirement"
]

# How the file was made is told in it: the guide's prose is not ours to publish, its digests are enough to check by.
SEED_DIGESTS = frozenset(
    json.loads((Path(__file__).parents[1] / "data" / "seed_sentences.json").read_text(encoding="utf-8"))["digests"]
)

ENTRY: dict[str, Any] = {
    "id": "ABC-01",
    "level": "MUST",
    "actor": "gateway",
    "title": "Something holds.",
    "source": "docs",
    "basis": "docs",
    "fact": "The documents say so.",
    "commands": "all",
}

# What nobody has to write down for it to bind.
LOSSES = {Basis.MONEY, Basis.CREDENTIALS}


def digest(quote: str) -> str:
    """The digest of a quote, as the seed's sentences were digested."""
    return hashlib.sha256(" ".join(quote.split()).encode()).hexdigest()


def test_catalogue_loads_every_entry_in_order() -> None:
    """Nothing is dropped between the file and the values."""
    assert [entry["id"] for entry in ENTRIES] == [requirement.id for requirement in statum().catalogue.requirements]
    assert ENTRIES


def test_every_quote_is_verbatim() -> None:
    """A quote is one to three whole sentences, a table row or a sample line of the seed, letter by letter.

    The digests tell it from something like it: cut short, with one word changed, in another case, empty.
    """
    quotes = [(entry["id"], entry["quote"]) for entry in ENTRIES if entry["source"] == "seed"]
    altered = (
        "The request_id field uniquely identifies the request",
        "The request_id field uniquely identifies a request within the gateway.",
        "the request_id field uniquely identifies the request within the gateway.",
        "",
    )

    assert quotes
    assert [] == [(id_, quote) for id_, quote in quotes if digest(quote) not in SEED_DIGESTS]
    assert [] == [quote for quote in altered if digest(quote) in SEED_DIGESTS]


def test_every_must_rests_on_a_source_or_on_a_loss() -> None:
    """A MUST has a sentence of the seed, a documented fact with its place, or money and credentials at stake."""
    unfounded = [
        r.id
        for r in statum().catalogue.requirements
        if r.level is Level.MUST
        and not (r.quote or (r.basis in LOSSES and r.fact) or (r.basis is Basis.DOCS and r.section))
    ]

    assert [] == unfounded


def test_every_gateway_requirement_that_is_not_excluded_is_judged() -> None:
    """One verdict for each of its commands, none for an excluded one."""
    catalogue, commands = statum().catalogue, (*COMMANDS.values(), *statum().unsolicited.values())
    of_gateways = [r for r in catalogue.requirements if r.actor is Actor.GATEWAY and not r.excluded]

    assert [(r.id, command) for r in of_gateways for command in r.commands] == [
        (requirement.id, command) for requirement, command in catalogue.judged(Actor.GATEWAY, commands)
    ]


def test_every_area_has_a_name() -> None:
    """Which reports and the register show instead of letters."""
    lettered = {requirement.id.partition("-")[0] for requirement in statum().catalogue.requirements}

    assert lettered == set(statum().areas)


def test_every_judged_requirement_tells_how_to_mend_its_usual_causes() -> None:
    """In one to three sentences: whoever broke it reads them beside the finding."""
    ends = re.compile(r"[.](?= [A-Z`]|$)")
    amiss = [
        requirement.id
        for requirement in statum().catalogue.requirements
        if not requirement.excluded and len(ends.findall(requirement.mend or "")) not in range(1, 4)
    ]

    assert [] == amiss


def test_digest_names_the_edition() -> None:
    """Reports name the catalogue by the digest of its file."""
    raw = (built_in("statum") / "requirements.toml").read_bytes()

    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == statum().catalogue.digest


# what is wrong, the change, a word of the violation
SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"colour": "red"}, "colour"),
    "unknown level": ({"level": "MAY"}, "MAY"),
    "unknown shared level": ({"shared_level": "MAY"}, "MAY"),
    "unknown actor": ({"actor": "operator"}, "operator"),
    "unknown group of commands": ({"commands": "some"}, "some"),
    "unknown basis": ({"basis": "habit"}, "habit"),
    "a MUST that rests on practice": ({"basis": "practice"}, "SHOULD"),
    "the same for a shared account": ({"basis": "practice", "level": "SHOULD", "shared_level": "MUST"}, "SHOULD"),
    "basis seed without quote": ({"basis": "seed"}, "quote"),
    "source seed beside another basis": ({"source": "seed"}, "/source"),
    "quote without seed": ({"quote": "Words that are not of the seed."}, "quote"),
    "fact beside a quote": ({"source": "seed", "basis": "seed", "quote": "Words of the seed."}, "fact"),
    "a mend without an end": ({"mend": "Look for it"}, "Look for it"),
    "docs without a fact": ({"fact": None}, "fact"),
}


def test_spoilt_entry_breaks_the_schema() -> None:
    """And the violation names the fault; the entry that is spoilt is itself good."""
    assert "ABC-01" == Requirement.from_entry(ENTRY, COMMANDS, {}).id
    assert [] == FORMATS.violations("requirement", ENTRY)
    unnoticed = []
    for name, (change, word) in SPOILT.items():
        broken = FORMATS.violations("requirement", ENTRY | change)
        if not any(word in f"{each.pointer} {each.message}" for each in broken):
            unnoticed.append((name, broken))

    assert [] == unnoticed


def test_an_entry_without_a_required_key_or_with_an_id_of_another_form_breaks_the_schema() -> None:
    """No key has a silent default that changes what is judged; ids are three capitals, a dash and two digits."""
    required = ["id", "level", "actor", "title", "source", "basis", "commands"]
    without = {key: {name: value for name, value in ENTRY.items() if name != key} for key in required}
    named = {id_: ENTRY | {"id": id_} for id_ in ("abc-01", "ABC-1", "ABCD-01", "ABC_01", "ABC-01\n")}
    told = {
        key: [(v.pointer, v.keyword) for v in FORMATS.violations("requirement", entry)]
        for key, entry in (without | named).items()
    }

    assert {key: [(f"/{key}", "required")] for key in without} | {id_: [("/id", "pattern")] for id_ in named} == told
