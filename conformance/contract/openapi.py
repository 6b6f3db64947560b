"""The contract as an OpenAPI 3.1 document, for tools that know no other: made of `schemas/` and the table of commands.

    openapi_document(server, callbacks)     the document
    component_name(name)                    what a schema is called in it

Each schema of the contract is a component, its references turned into references to components; `x-characters` and
`x-integer` stay, as the extensions that they are. Operations, responses and callbacks are put together from those, and
every example is one of a schema. Said here alone is how HTTP carries the contract: JSON, Basic, headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urldefrag, urljoin

from conformance.contract.commands import COMMANDS, PRODUCTS, Command
from conformance.contract.contract import statum
from conformance.contract.schemas import BASE_URI, schema, schema_names, schemas_digest
from conformance.errors import SuiteError

__all__ = ["DEFAULT_SERVER", "component_name", "contract_schemas", "openapi_document"]

DEFAULT_SERVER = "https://api.statum.co.ke/api/v2"
# The host stands for whatever was registered; `.invalid` is nobody's, by RFC 2606.
UNREGISTERED = "https://your-application.invalid/callbacks"

JSON = "application/json"
CREDENTIAL = "credential"
SUCCESS, ERROR, DEFINITIONS = "response.success", "response.error", "common"
_OWN_TO_A_FILE = frozenset({"$schema", "$id", "$defs"})

# Headers that belong to an answer by RFC 2616 (10.4.2) and RFC 6585 (4). Neither is a MUST of the contract.
HEADERS: Mapping[int, tuple[str, str, str]] = {
    401: ("WWW-Authenticate", "The challenge; RFC 2616 has every 401 carry one.", 'Basic realm="gateway"'),
    429: ("Retry-After", "Seconds to wait before the next request.", "1"),
}

# The statuses that the examples of an error name are those in use. These two say what others may come: "The status_code
# field, can be either "200", "400s" or "500s"".
RANGES: Mapping[str, str] = {
    "4XX": "Another refusal; whatever its status, it is in the envelope.",
    "5XX": "Another error of the gateway or an operator; whatever its status, it is in the envelope.",
}


def openapi_document(server: str = DEFAULT_SERVER, callbacks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The document, JSON that can be written out.

    `server` is the base URL; `callbacks` has the callback URL that is registered for a product, and a placeholder
    stands for those that it lacks. SuiteError if a schema refers to what is not part of the contract.
    """
    registered = {product: f"{UNREGISTERED}/{product}" for product in PRODUCTS} | dict(callbacks or {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Statum gateway",
            "version": "2",
            "description": "What a gateway of this kind promises, as statum-conformance judges it. Request schemas are "
            "what every gateway accepts; x-tolerated names the widest that one may accept, and what lies between is "
            "not contract. Results follow as callbacks, to the URL that is registered for the product on a dashboard.",
            "x-schemas": schemas_digest(),
        },
        "servers": [{"url": server}],
        "security": [{CREDENTIAL: []}],
        "paths": {f"/{c.name}": {c.method.lower(): _operation(c, registered)} for c in COMMANDS.values()},
        "webhooks": dict(_webhooks()),
        "components": {
            "schemas": dict(_component_schemas()),
            "responses": dict(_component_responses()),
            "securitySchemes": {
                CREDENTIAL: {
                    "type": "http",
                    "scheme": "basic",
                    "description": "base64 of consumerKey:consumerSecret.",
                }
            },
        },
    }


# --- Schemas


def contract_schemas() -> tuple[str, ...]:
    """The names of the schemas that are the contract's, not the suite's own: of commands, and of responses."""
    folders = {command.folder for command in COMMANDS.values()} | {row.folder for row in statum().unsolicited.values()}
    return tuple(n for n in schema_names() if n.partition("/")[0] in folders or n in (SUCCESS, ERROR))


def component_name(name: str) -> str:
    """What the schema `name` is called in the document: `sms/request` is `sms.request`, `common#message` `message`."""
    path, _, definition = name.partition("#")
    return definition or path.replace("/", ".")


def _component_schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    definitions = (f"{DEFINITIONS}#{key}" for key in schema(DEFINITIONS)["$defs"])
    for name in (*contract_schemas(), *definitions):
        own = {keyword: value for keyword, value in schema(name).items() if keyword not in _OWN_TO_A_FILE}
        yield component_name(name), _rewritten(own, f"{BASE_URI}{name.partition('#')[0]}.json")


def _rewritten(node: Any, base: str) -> Any:
    """`node` of the file at `base` with each reference pointing to a component."""
    if isinstance(node, list):
        return [_rewritten(each, base) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _component_of(value, base) if key == "$ref" else _rewritten(value, base) for key, value in node.items()
    }


def _component_of(reference: str, base: str) -> str:
    url, fragment = urldefrag(urljoin(base, reference))
    path = url.removeprefix(BASE_URI).removesuffix(".json")
    definition = fragment.removeprefix("/$defs/")
    name = f"{path}#{definition}" if definition else path
    if path != DEFINITIONS and name not in contract_schemas():
        raise SuiteError(f"{base} refers to {reference!r}, which is no part of the contract")
    return _schema_reference(name)["$ref"]


def _schema_reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{component_name(name)}"}


def _content(name: str) -> dict[str, Any]:
    """A body of the schema `name`, with that schema's examples."""
    return {JSON: {"schema": _schema_reference(name), "examples": _examples(schema(name)["examples"])}}


def _examples(values: list[Any]) -> dict[str, Any]:
    return {f"example-{number}": {"value": value} for number, value in enumerate(values, start=1)}


# --- Responses


def _component_responses() -> Iterator[tuple[str, dict[str, Any]]]:
    """One for each status in use, and one for each range: all errors, the same for every command."""
    by_status: dict[int, list[dict[str, Any]]] = {}
    for example in schema(ERROR)["examples"]:
        by_status.setdefault(example["status_code"], []).append(example)
    for status, examples in by_status.items():
        # A status of its own: the body's agrees with it. `allOf`, for not every tool heeds what is beside a reference.
        said = {"allOf": [_schema_reference(ERROR), {"properties": {"status_code": {"const": status}}}]}
        response = {
            "description": examples[0]["description"],
            "content": {JSON: {"schema": said, "examples": _examples(examples)}},
        }
        if status in HEADERS:
            header, meaning, sample = HEADERS[status]
            response["headers"] = {header: {"description": meaning, "schema": {"type": "string"}, "example": sample}}
        yield str(status), response
    for statuses, meaning in RANGES.items():
        yield statuses, {"description": meaning, "content": {JSON: {"schema": _schema_reference(ERROR)}}}


def _responses(command: Command) -> dict[str, Any]:
    own = f"{command.folder}/response"
    success = own if own in schema_names() else SUCCESS
    return {
        "200": {"description": schema(success)["description"], "content": _content(success)},
        **{name: {"$ref": f"#/components/responses/{name}"} for name, _ in _component_responses()},
    }


# --- Operations


def _operation(command: Command, registered: Mapping[str, str]) -> dict[str, Any]:
    name = f"{command.folder}/request"
    request = schema(name)
    operation: dict[str, Any] = {
        "operationId": command.folder,
        "summary": request["title"].partition(":")[0],
        "description": _told_of(command),
        "x-source": command.source,
    }
    if command.method == "GET":
        operation["parameters"] = _parameters(request, name)
    else:
        operation["requestBody"] = {"required": True, "content": _content(name)}
        operation["x-tolerated"] = _schema_reference(f"{name}.tolerated")
    operation["responses"] = _responses(command)
    if command.product:
        operation["callbacks"] = {"result": {registered[command.product]: {"post": _callback(command)}}}
    return operation


def _told_of(command: Command) -> str:
    if command.window_s is None:
        return str(schema(f"{command.folder}/request")["description"])
    return (
        f"A request similar to one accepted within the last {command.window_s:g} seconds (same phone number, same "
        "amount) is refused."
    )


def _parameters(request: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Those of a GET travel in the URL."""
    required = request.get("required", ())
    return [
        {
            "name": member,
            "in": "query",
            "required": member in required,
            "schema": _rewritten(rule, f"{BASE_URI}{name}.json"),
        }
        for member, rule in request.get("properties", {}).items()
    ]


def _callback(command: Command) -> dict[str, Any]:
    name = f"{command.folder}/notification"
    return {
        "operationId": f"{command.folder}-result",
        "summary": schema(name)["title"],
        "description": "Sent when the transaction has succeeded or failed; request_id is that of the answer.",
        "security": [],  # none is documented: the URL itself may hold a token
        "requestBody": {"required": True, "content": _content(name)},
        "responses": {"2XX": {"description": "Taken. Answer quickly; what is sent again is applied once."}},
    }


# --- What no request precedes


def _webhooks() -> Iterator[tuple[str, dict[str, Any]]]:
    """What comes to the callbacks of a product without an invocation: what is asked first, and notifications."""
    for row in statum().unsolicited.values():
        for callback in reversed(row.callbacks):
            name = row.schema_at(callback)
            asked = row.inquiry if row.inquiry and callback == row.inquiry.callback else None
            answer = (
                f"It may go through. Answer within {asked.seconds:g} seconds; another status refuses it."
                if asked
                else "Taken. Answer quickly; what is sent again is applied once."
            )
            yield (
                callback,
                {
                    "post": {
                        "operationId": callback.replace("/", "-"),
                        "summary": schema(name)["title"],
                        "description": schema(name)["description"],
                        "x-source": row.source,
                        "security": [],
                        "requestBody": {"required": True, "content": _content(name)},
                        "responses": {"2XX": {"description": answer}},
                    }
                },
            )
