"""The OpenAPI document: valid, complete, and true to the schemas that it is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from command_line import call
from openapi_spec_validator import OpenAPIV31SpecValidator
from other_contracts import json_edited, parcel

from conformance.contract.command import Command
from conformance.contract.contract import Contract, statum
from conformance.contract.openapi import component_name, contract_schemas, openapi_document

Capsys = pytest.CaptureFixture[str]

DOCUMENT = openapi_document(statum())
COMMANDS = statum().commands
STATUSES = {"200", "400", "401", "402", "403", "422", "429", "500"}


def operation(command: Command) -> dict[str, Any]:
    """The only operation of a command."""
    (found,) = DOCUMENT["paths"][f"/{command.name}"].values()
    return found


def callback(command: Command) -> dict[str, Any]:
    """The only callback of a command that a notification follows."""
    (by_url,) = operation(command)["callbacks"].values()
    (by_method,) = by_url.values()
    return by_method["post"]


def nodes(node: Any, place: str = "#") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of the document with its pointer."""
    if isinstance(node, Mapping):
        yield place, node
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from nodes(child, f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}")


def referred(reference: str) -> Any:
    """What a reference of the document points to; KeyError if that does not exist."""
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def self_contained(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of the document that a plain JSON Schema validator can judge by."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"], **rule}


def test_it_is_openapi() -> None:
    """By the validator of others, which also tries examples and defaults."""
    for contract in (statum(), parcel()):
        assert [] == list(OpenAPIV31SpecValidator(openapi_document(contract)).iter_errors())


def test_it_is_about_the_contract() -> None:
    """Of another one it has the base URL, title, method of notifications and credential."""
    document = openapi_document(parcel())
    ((_, answered),) = document["paths"]["/parcels"]["post"]["callbacks"]["result"].items()

    assert [{"url": parcel().base_url}] == document["servers"]
    assert (parcel().title, parcel().version) == (document["info"]["title"], document["info"]["version"])
    assert ["put"] == list(answered)
    assert "202" in document["paths"]["/parcels"]["post"]["responses"]
    assert "bearer" == document["components"]["securitySchemes"]["credential"]["scheme"]


def test_every_schema_of_the_contract_is_in_it() -> None:
    """Files and definitions alike."""
    schemas = statum().schemas
    definitions = {f"{name}#{key}" for name in schemas.names for key in schemas.schema(name).get("$defs", ())}

    assert {*statum().schemas.names} == {*contract_schemas(statum()), "common"}
    assert DOCUMENT["components"]["schemas"].keys() == {
        component_name(name) for name in (*contract_schemas(statum()), *definitions)
    }


def test_a_component_equals_its_schema() -> None:
    """With its references followed, keyword by keyword, extensions included."""

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(each) for each in node]
        if not isinstance(node, dict):
            return node
        here = {key: inlined(value) for key, value in node.items() if key != "$ref"}
        return inlined(referred(node["$ref"])) | here if "$ref" in node else here

    components = {
        name: inlined(DOCUMENT["components"]["schemas"][component_name(name)]) for name in contract_schemas(statum())
    }
    assert [] == [name for name, said in components.items() if statum().schemas.resolved(name) != said]


def test_it_refers_to_its_own_components_alone() -> None:
    """Each reference leads somewhere, so the file can be moved."""
    references = {node["$ref"] for _, node in nodes(DOCUMENT) if "$ref" in node}

    assert [] == [reference for reference in references if not reference.startswith("#/components/")]
    assert [] == [reference for reference in references if not isinstance(referred(reference), dict)]


def test_every_command_is_in_it() -> None:
    """And nothing else: its method alone, its statuses, its request by the strict schema beside the tolerated one."""
    assert [f"/{name}" for name in COMMANDS] == list(DOCUMENT["paths"])
    for command in COMMANDS.values():
        said = operation(command)

        assert [command.method.lower()] == list(DOCUMENT["paths"][f"/{command.name}"])
        assert said["responses"].keys() == STATUSES | {"4XX", "5XX"}
        if command.method == "GET":
            assert ([], False) == (said["parameters"], "requestBody" in said)
        else:
            content = said["requestBody"]["content"]["application/json"]
            assert {"$ref": f"#/components/schemas/{command.folder}.request"} == content["schema"]
            assert {"$ref": f"#/components/schemas/{command.folder}.request.tolerated"} == said["x-tolerated"]


def test_a_notification_is_the_callback_of_its_command() -> None:
    """By the product's schema, posted, answered with a 2xx; a command without a product has none."""
    for command in COMMANDS.values():
        if command.product is None:
            assert "callbacks" not in operation(command)
            continue
        said = callback(command)
        content = said["requestBody"]["content"]["application/json"]

        assert {"$ref": f"#/components/schemas/{command.product}.notification"} == content["schema"]
        assert (["2XX"], []) == (list(said["responses"]), said["security"])


def test_members_of_a_get_travel_in_the_url(tmp_path: Path) -> None:
    """None has any today; one that had would have a parameter of the query for each."""
    phone = {"$ref": "../common.json#/$defs/phone_number"}
    asked = {
        "properties": {"phone_number": phone, "page": {"type": "string"}},
        "required": ["page"],
        "examples": [{"page": "2"}],
    }
    folder = json_edited(tmp_path, "account-details/request.json", lambda document: document | asked)

    document = openapi_document(Contract.load(folder))

    assert [
        {
            "name": "phone_number",
            "in": "query",
            "required": False,
            "schema": {"$ref": "#/components/schemas/phone_number"},
        },
        {"name": "page", "in": "query", "required": True, "schema": {"type": "string"}},
    ] == document["paths"]["/account-details"]["get"]["parameters"]
    assert [] == list(OpenAPIV31SpecValidator(document).iter_errors())


def test_the_window_of_similar_requests_is_described() -> None:
    """Where there is one."""
    assert "within the last 300 seconds" in operation(COMMANDS["airtime"])["description"]
    assert "seconds" not in operation(COMMANDS["sms"])["description"]


def test_basic_authentication_guards_every_command() -> None:
    """By default; only the callbacks, which the gateway sends, say otherwise."""
    ((name, scopes),) = DOCUMENT["security"][0].items()

    assert ("http", "basic") == tuple(
        DOCUMENT["components"]["securitySchemes"][name][key] for key in ("type", "scheme")
    )
    assert [] == scopes
    assert [] == [command.name for command in COMMANDS.values() if "security" in operation(command)]


def test_an_error_is_in_the_envelope_with_its_own_status() -> None:
    """The body's status_code agrees with the status line (RSP-08), by any validator."""
    for status in STATUSES - {"200"}:
        response = DOCUMENT["components"]["responses"][status]
        content = response["content"]["application/json"]
        judge = jsonschema_rs.validator_for(self_contained(content["schema"]))
        example = content["examples"]["example-1"]["value"]

        assert judge.is_valid(example)
        assert not judge.is_valid(example | {"status_code": 418})
        assert not judge.is_valid({"status_code": int(status)})
        assert example["description"] == response["description"]


EXAMPLES = [
    (f"{place}/{name}", node["schema"], example["value"])
    for place, node in nodes(DOCUMENT)
    if "schema" in node and "examples" in node
    for name, example in node["examples"].items()
]


def test_an_example_keeps_its_schema() -> None:
    """By a validator that knows nothing of ours, and by ours."""
    names = {f"#/components/schemas/{component_name(name)}": name for name in contract_schemas(statum())}
    wrong: list[tuple[str, Any]] = []
    for place, rule, value in EXAMPLES:
        if not jsonschema_rs.validator_for(self_contained(rule)).is_valid(value):
            wrong.append((place, value))
        references = [each["$ref"] for each in (rule, *rule.get("allOf", ())) if "$ref" in each]
        wrong += [(place, v) for each in references for v in statum().schemas.violations(names[each], value)]

    assert EXAMPLES
    assert [] == wrong


# --- The command


def test_the_command_prints_the_document(capsys: Capsys) -> None:
    """As ASCII, so that no terminal or file can spoil it."""
    called = call(capsys, "openapi")

    assert (0, "") == (called.code, called.err)
    assert json.loads(called.out) == DOCUMENT
    assert called.out.isascii()
    assert statum().schemas.digest == DOCUMENT["info"]["x-schemas"]


def test_server_and_callbacks_can_be_named(capsys: Capsys) -> None:
    """Those that are not named are placeholders nobody owns."""
    url = "http://127.0.0.1:8080/callbacks/sms?token=t"
    said = json.loads(call(capsys, "openapi", "--server", "http://127.0.0.1:9/api", "--callback", f"sms={url}").out)
    urls = [
        list(each["callbacks"]["result"])
        for path in said["paths"].values()
        for each in path.values()
        if "callbacks" in each
    ]

    assert [{"url": "http://127.0.0.1:9/api"}] == said["servers"]
    assert [{"url": statum().base_url}] == DOCUMENT["servers"]
    assert [
        [url],
        *([f"https://your-application.invalid/callbacks/{product}"] for product in statum().products[1:]),
    ] == urls


def test_invalid_options_are_errors(capsys: Capsys) -> None:
    """In one line, and nothing is printed."""
    rows = {
        ("--server", "example.com"): "gateway 'example.com' is not a URL",
        ("--callback", "sms"): "callback 'sms' is not PRODUCT=URL",
        ("--callback", "mail=http://x"): "there is no product 'mail'",
    }
    for arguments, complaint in rows.items():
        called = call(capsys, "openapi", *arguments)
        assert (2, "") == (called.code, called.out)
        assert complaint in called.only_line


def test_callbacks_without_a_request_are_webhooks() -> None:
    """Each of its callbacks, the inquiry before the notification that it decides on."""
    assert ["mpesa-c2b/validation", "mpesa-c2b"] == list(DOCUMENT["webhooks"])
    asked = DOCUMENT["webhooks"]["mpesa-c2b/validation"]["post"]
    content = asked["requestBody"]["content"]["application/json"]
    assert {"$ref": "#/components/schemas/mpesa-c2b.inquiry"} == content["schema"]
    assert "within 8 seconds" in asked["responses"]["2XX"]["description"]
