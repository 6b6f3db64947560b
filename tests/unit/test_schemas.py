"""The schemas of the contract and their loader: what they take, what they refuse, and what by.

Each named bad value breaks its schema in one place. jsonschema-rs is the second opinion: another implementation, in
another language, has to agree on everything but our own `x-` keywords.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS, SchemaSet, Violation

COMMANDS = statum().commands
SCHEMAS = statum().schemas
NAMES = (*FORMATS.names, *SCHEMAS.names)

POSTS = tuple(command.folder for command in COMMANDS.values() if command.product)

SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}
AIRTIME = {"phone_number": "254721553678", "amount": "50"}
ONLINE = {"short_code": "174379", "phone_number": "254721553678", "amount": "50", "bill_ref_number": "QWERT"}
WALLET = {"short_code": "174379", "phone_number": "254721553678", "amount": "50"}
VALID = {"sms": SMS, "airtime": AIRTIME, "mpesa-online": ONLINE, "mpesa-wallet": WALLET}

ENVELOPE = {"status_code": 200, "description": "Operation successful", "request_id": "9V7N"}
REFUSAL = {"status_code": 422, "description": "Validation failed", "request_id": "9V7N"}
RESULT = {"result_code": "200", "result_desc": "Success", "request_id": "9V7N"}
ACCOUNT = SCHEMAS.schema("account-details/response")["examples"][0]
REPORT = FORMATS.schema("report")["examples"][0]
JOURNAL = {kind: row for example in FORMATS.schema("journal")["examples"] for kind, row in example.items()}

LEFT_OUT = object()
PAYMENTS = ("mpesa-online", "mpesa-wallet")
# Of every payload, with its folder.
REQUIRED = [(folder, member) for folder, payload in VALID.items() for member in payload if member != "bill_ref_number"]
NO_TEXT_AND_NO_NUMBER: tuple[object, ...] = (None, True, [], {}, ["254712345678"])


def changed(base: dict[str, Any], pointer: str, value: object) -> dict[str, Any]:
    """A copy of `base` with the value at `pointer` replaced, added or (LEFT_OUT) taken away."""
    result = copy.deepcopy(base)
    *path, last = (int(step) if step.isdigit() else step for step in pointer.removeprefix("/").split("/"))
    place: Any = result
    for step in path:
        place = place[step]
    if value is LEFT_OUT:
        del place[last]
    else:
        place[last] = value
    return result


# Folder, member, value, keyword.
REFUSED_EVERYWHERE: list[tuple[str, str, object, str]] = [
    *((folder, member, LEFT_OUT, "required") for folder, member in REQUIRED),
    *((folder, member, value, "type") for folder, member in REQUIRED for value in NO_TEXT_AND_NO_NUMBER),
    *(
        (folder, "phone_number", number, "pattern")
        for folder in POSTS
        for number in ("", "254", "071234567", "2547123456780000", "25471234567a", "phone", "\n")
    ),
    ("sms", "message", "", "minLength"),
    ("sms", "sender_id", "", "minLength"),
    ("sms", "sender_id", "TwelveLetter", "maxLength"),
    ("sms", "sender_id", "Benki\u00a0ya", "pattern"),
    *(
        ("airtime", "amount", amount, "pattern")
        for amount in ("", "4", "10001", "0", "-50", "5.5", "50.01", "fifty", "50 KES", "9" * 20, "5 0", ".")
    ),
    ("airtime", "amount", 4, "minimum"),
    ("airtime", "amount", 10001, "maximum"),
    ("airtime", "amount", 5.5, "multipleOf"),
    *(
        (folder, "amount", amount, "pattern")
        for folder in PAYMENTS
        for amount in ("", "-1", "0.5", "50.01", "ten", "1 000", ".")
    ),
    *((folder, "amount", -1, "minimum") for folder in PAYMENTS),
    *((folder, "amount", 10.5, "multipleOf") for folder in PAYMENTS),
    *(
        (folder, "short_code", code, "pattern")
        for folder in PAYMENTS
        for code in ("", "1234", "12345678", "17437a", "shop")
    ),
]

REFUSED_BY_THE_STRICT: list[tuple[str, str, object, str]] = [
    ("sms", "extra", "x", "additionalProperties"),
    ("sms", "phone_number", "+254712345678", "pattern"),
    ("sms", "phone_number", "254212345678", "pattern"),
    ("sms", "phone_number", "254712345678\n", "pattern"),
    ("sms", "phone_number", "25471234567\u0668", "pattern"),
    ("sms", "phone_number", 254712345678, "type"),
    ("sms", "sender_id", "1234", "pattern"),
    ("sms", "sender_id", "1234567", "pattern"),
    ("sms", "sender_id", "My Shop", "pattern"),
    ("sms", "message", "a" * 460, "maxLength"),
    ("sms", "message", " \t\n", "x-characters"),
    ("sms", "message", "bell\x07", "x-characters"),
    ("sms", "message", "next line\x85", "x-characters"),
    ("sms", "message", "surrogate\ud800", "x-characters"),
    ("sms", "message", "private\ue000", "x-characters"),
    ("sms", "message", "noncharacter\uffff", "x-characters"),
    ("sms", "message", "unassigned\u0378", "x-characters"),
    ("sms", "message", "of Unicode 15 \U0001fae8", "x-characters"),
    ("airtime", "amount", "050", "pattern"),
    ("airtime", "amount", "50\n", "pattern"),
    ("airtime", "amount", 50, "type"),
    ("mpesa-online", "amount", "9", "x-integer"),
    ("mpesa-online", "amount", "70001", "x-integer"),
    ("mpesa-online", "bill_ref_number", "", "pattern"),
    ("mpesa-online", "bill_ref_number", "THIRTEENCHARS", "pattern"),
    ("mpesa-wallet", "bill_ref_number", "QWERT", "additionalProperties"),
]

# Schema, base, pointer, value, keyword.
BAD_ANSWERS: list[tuple[str, dict[str, Any], str, object, str]] = [
    *(
        (name, base, f"/{member}", LEFT_OUT, "required")
        for name, base in (
            ("response.success", ENVELOPE),
            ("response.error", REFUSAL),
            ("account-details/response", ACCOUNT),
            *((f"{folder}/notification", RESULT) for folder in POSTS),
        )
        for member in base
    ),
    ("response.success", ENVELOPE, "/status_code", "200", "type"),
    ("response.success", ENVELOPE, "/status_code", True, "type"),
    ("response.success", ENVELOPE, "/status_code", 201, "const"),
    ("response.success", ENVELOPE, "/description", "", "minLength"),
    ("response.success", ENVELOPE, "/description", None, "type"),
    ("response.success", ENVELOPE, "/request_id", 17, "type"),
    ("response.success", ENVELOPE, "/request_id", "", "minLength"),
    ("response.error", REFUSAL, "/status_code", "422", "type"),
    ("response.error", REFUSAL, "/status_code", 200, "minimum"),
    ("response.error", REFUSAL, "/status_code", 600, "maximum"),
    ("response.error", REFUSAL, "/status_code", 422.5, "multipleOf"),
    ("response.error", REFUSAL, "/validation_errors", ["amount"], "type"),
    ("response.error", REFUSAL | {"validation_errors": {}}, "/validation_errors/amount", "too small", "type"),
    ("response.error", REFUSAL | {"validation_errors": {"amount": [""]}}, "/validation_errors/amount/0", 5, "type"),
    ("account-details/response", ACCOUNT, "/organization/name", LEFT_OUT, "required"),
    ("account-details/response", ACCOUNT, "/organization/details/website", None, "type"),
    ("account-details/response", ACCOUNT, "/organization/details/location", LEFT_OUT, "required"),
    ("account-details/response", ACCOUNT, "/organization/details/available_balance", "1204.50", "type"),
    ("account-details/response", ACCOUNT, "/organization/accounts", {}, "type"),
    ("account-details/response", ACCOUNT, "/organization/accounts/0/service_name", LEFT_OUT, "required"),
    ("sms/notification", RESULT, "/result_code", 200, "type"),
    *(
        ("sms/notification", RESULT, "/result_code", code, "pattern")
        for code in ("201", "600", "20", "0200", "200\n", "OK")
    ),
    ("sms/notification", RESULT, "/result_desc", "", "minLength"),
    ("sms/notification", RESULT, "/request_id", 17, "type"),
    ("airtime/notification", RESULT, "/charge", "48.50", "type"),
    ("airtime/notification", RESULT, "/account_balance", "1204.50", "type"),
    ("mpesa-online/notification", RESULT, "/account_balance", 1204.5, "type"),
    ("mpesa-online/notification", RESULT, "/transaction_time", "27/07/2024 14:05", "pattern"),
    ("mpesa-wallet/notification", RESULT, "/amount", 50, "type"),
    ("account-details/request", {}, "/page", "1", "additionalProperties"),
]

BAD_FILES: list[tuple[str, dict[str, Any], str, object, str]] = [
    ("report", REPORT, "/schema_version", 2, "const"),
    ("report", REPORT, "/verdict", "fine", "enum"),
    ("report", REPORT, "/counts/accepted", -1, "minimum"),
    ("report", REPORT, "/seed", 0.5, "type"),
    ("report", REPORT, "/started_at", "yesterday", "pattern"),
    ("report", REPORT, "/tool/catalogue", "sha256:x", "pattern"),
    ("report", REPORT, "/requirements/0/verdict", "GREEN", "enum"),
    ("report", REPORT, "/requirements/0/command", 5, "type"),
    ("report", REPORT, "/requirements/0/findings/0/message", LEFT_OUT, "required"),
    ("report", REPORT, "/requirements/0/findings/0/pointer", "status_code", "pattern"),
    ("report", REPORT, "/requirements/1/reason", LEFT_OUT, "required"),
    ("report", REPORT, "/requirements/1/reason", "tired", "enum"),
    *(("report", REPORT, f"/{member}", LEFT_OUT, "required") for member in FORMATS.schema("report")["required"]),
    ("journal#case", JOURNAL["case"], "/kind", "curious", "enum"),
    ("journal#case", JOURNAL["case"], "/colour", "red", "additionalProperties"),
    ("journal#request", JOURNAL["request"], "/attempt", 0, "minimum"),
    ("journal#request", JOURNAL["request"], "/body", "{}", "pattern"),
    ("journal#request", JOURNAL["request"], "/headers/0", ["Accept"], "minItems"),
    ("journal#answer", JOURNAL["answer"], "/status", "200", "type"),
    ("journal#note", JOURNAL["note"], "/detail", "done", "type"),
    ("journal", {"note": JOURNAL["note"]}, "/row", {}, "additionalProperties"),
]

BAD: list[tuple[str, dict[str, Any], str, object, str]] = [
    *((f"{folder}/request.tolerated", VALID[folder], f"/{m}", value, k) for folder, m, value, k in REFUSED_EVERYWHERE),
    *((f"{folder}/request", VALID[folder], f"/{m}", value, k) for folder, m, value, k in REFUSED_BY_THE_STRICT),
    *BAD_ANSWERS,
    *BAD_FILES,
]


def named(case: tuple[str, dict[str, Any], str, object, str]) -> str:
    """What a bad value is called in the list of tests."""
    name, _, pointer, value, keyword = case
    return f"{name}{pointer}-{keyword}-{'left out' if value is LEFT_OUT else ascii(value)[:30]}"


def owner(name: str) -> SchemaSet:
    """The set that the schema `name` belongs to."""
    return FORMATS if name.partition("#")[0] in FORMATS else SCHEMAS


def examples() -> Iterator[tuple[str, Any]]:
    """Every example of every schema and of every definition, with the name to judge it by."""
    for name in NAMES:
        document = owner(name).schema(name)
        yield from ((name, example) for example in document["examples"])
        for definition, part in document.get("$defs", {}).items():
            yield from ((f"{name}#{definition}", example) for example in part.get("examples", ()))


def address_of(name: str) -> str:
    """The URI of a schema, or of a definition in one."""
    path, _, definition = name.partition("#")
    return f"{owner(path).base_uri}{path}.json" + (f"#/$defs/{definition}" if definition else "")


@cache
def second_opinion(name: str) -> jsonschema_rs.Draft202012Validator:
    """The validator of jsonschema-rs for a schema, made from the files as they are, references and all."""
    schemas = owner(name)
    return jsonschema_rs.Draft202012Validator(
        {"$ref": address_of(name)},
        retriever=lambda uri: schemas.schema(uri.removeprefix(schemas.base_uri).removesuffix(".json")),
    )


def pairs(found: list[Violation]) -> list[tuple[str, str]]:
    """Pointer and keyword of each violation."""
    return [(violation.pointer, violation.keyword) for violation in found]


# --- What is written


def enums(described: Any) -> Iterator[list[Any]]:
    """The lists of values in a schema, in whatever depth; its examples left out."""
    if isinstance(described, dict):
        yield from (held for name, held in described.items() if name == "enum" and isinstance(held, list))
        yield from (enum for name, held in described.items() if name != "examples" for enum in enums(held))
    elif isinstance(described, list):
        yield from (enum for held in described for enum in enums(held))


def test_there_are_schemas_for_every_command() -> None:
    """A command without its schemas could not be judged."""
    expected = {f"{command.folder}/request" for command in COMMANDS.values()}
    expected |= {f"{folder}/{what}" for folder in POSTS for what in ("request.tolerated", "notification")}

    assert set() == expected - set(NAMES)


def test_no_format_lists_commands_or_products() -> None:
    """Our own files and messages are the same for every contract."""
    listed = [
        name for name in NAMES for enum in enums(owner(name).schema(name)) if {*COMMANDS, *statum().products} & {*enum}
    ]

    assert [] == listed


def test_every_schema_is_valid_and_says_what_it_is() -> None:
    """Each file is a JSON Schema of draft 2020-12, also to the second opinion, with address, title and examples."""
    metaschema = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    opinions = {"jsonschema": metaschema.is_valid, "jsonschema-rs": jsonschema_rs.meta.is_valid}
    wrong = []
    for name in NAMES:
        document = owner(name).schema(name)
        says = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{owner(name).base_uri}{name}.json"}
        wrong += [f"{name}, to {who}" for who, is_valid in opinions.items() if not is_valid(document)]
        wrong += [f"{name}: {key}" for key, value in says.items() if value != document[key]]
        wrong += [f"{name}: {key}" for key in ("title", "description", "examples") if not document.get(key)]

    assert [] == wrong


def parts_of(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every schema inside of a resolved schema, itself first."""
    if not isinstance(node, dict):
        return
    yield node
    for keyword, value in node.items():
        if keyword in ("properties", "$defs"):
            for part in value.values():
                yield from parts_of(part)
        elif keyword in ("items", "additionalProperties", "if", "then", "else"):
            yield from parts_of(value)
        elif keyword in ("prefixItems", "allOf", "anyOf", "oneOf"):
            for part in value:
                yield from parts_of(part)


def test_each_violation_of_a_payload_can_be_named() -> None:
    """The contract's schemas have no keyword that hides which member is at fault, or reads patterns as Python does."""
    hiding = {"anyOf", "oneOf", "allOf", "not", "patternProperties", "propertyNames", "unevaluatedProperties", "format"}
    found = [
        f"{name}: {keyword}"
        for name in NAMES
        if "/" in name
        for part in parts_of(owner(name).resolved(name))
        for keyword in part
        if keyword in hiding
    ]

    assert [] == found


def test_every_example_is_valid() -> None:
    """The seed's and the docs' samples, and those of our own files, to both implementations."""
    invalid = [
        (name, example)
        for name, example in examples()
        if owner(name).violations(name, example) or not second_opinion(name).is_valid(example)
    ]

    assert [] == invalid


def test_samples_of_the_seed_are_examples() -> None:
    """Its sample request, response and notification are valid as they stand there."""
    request_id = "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"
    request = {"sender_id": "Statum", "phone_number": "254712345678"}
    request |= {"message": "This is a test Message through our API"}
    response = {"status_code": 200, "description": "Operation successful", "request_id": request_id}
    notification = {"result_code": "200", "result_desc": "Success", "request_id": request_id}

    assert request in SCHEMAS.schema("sms/request")["examples"]
    assert response in SCHEMAS.schema("response.success")["examples"]
    assert notification in SCHEMAS.schema("sms/notification")["examples"]


# --- What is refused


def test_a_bad_value_is_refused_by_keyword_and_member() -> None:
    """The violation names the keyword and the pointer, as a report will."""
    missed = [
        named(bad)
        for bad in BAD
        for name, base, pointer, value, keyword in [bad]
        if (pointer, keyword) not in pairs(owner(name).violations(name, changed(base, pointer, value)))
    ]

    assert [] == missed


def test_a_broken_value_breaks_one_keyword() -> None:
    """A broken payload is labelled by one keyword and one member, and is outside the strict set too."""
    wrong = []
    for folder, member, value, keyword in REFUSED_EVERYWHERE:
        payload = changed(VALID[folder], f"/{member}", value)
        tolerated = pairs(SCHEMAS.violations(f"{folder}/request.tolerated", payload))
        strict = SCHEMAS.violations(f"{folder}/request", payload)
        if [(f"/{member}", keyword)] != tolerated or not strict:
            wrong.append((folder, member, value, keyword, tolerated, strict))

    assert [] == wrong


def test_the_second_opinion_agrees_that_it_is_bad() -> None:
    """jsonschema-rs finds a violation of the same keyword at the same place."""
    missed = []
    for bad in BAD:
        name, base, pointer, value, keyword = bad
        if keyword.startswith("x-"):
            continue
        at = pointer.rpartition("/")[0] if keyword in ("required", "additionalProperties") else pointer
        found = [
            ("".join(f"/{step}" for step in error.instance_path), error.schema_path[-1])
            for error in second_opinion(name).iter_errors(changed(base, pointer, value))
        ]
        if (at, keyword) not in found:
            missed.append(f"{named(bad)}: {found}")

    assert [] == missed


def test_open_values_are_tolerated() -> None:
    """What lies between the two schemas is not contract: no gateway fails over it."""
    wrong = []
    for folder, member, value, _ in REFUSED_BY_THE_STRICT:
        payload = changed(VALID[folder], f"/{member}", value)
        tolerated = SCHEMAS.violations(f"{folder}/request.tolerated", payload)
        if tolerated or not SCHEMAS.violations(f"{folder}/request", payload):
            wrong.append((folder, member, value, tolerated))

    assert [] == wrong


def test_resolved_judges_as_the_references_do() -> None:
    """To a plain validator of JSON Schema, replacing references changes nothing."""

    def errors(name: str, schema: Mapping[str, Any], instance: Any) -> list[str]:
        def published(uri: str) -> Resource[Any]:
            written = schemas.schema(uri.removeprefix(schemas.base_uri).removesuffix(".json"))
            return DRAFT202012.create_resource(written)

        schemas = owner(name)
        validator = Draft202012Validator(schema, registry=Registry(retrieve=published))  # type: ignore[call-arg]
        return [error.message for error in validator.iter_errors(instance)]

    differing = [
        (name, instance)
        for name, instance in (*((n, changed(b, p, v)) for n, b, p, v, _ in BAD), *examples())
        if errors(name, {"$ref": address_of(name)}, instance) != errors(name, owner(name).resolved(name), instance)
    ]

    assert [] == differing
