"""A contract as an OpenAPI 3.1 document, made of its schemas and its tables.

Each schema of the contract is a component, its references lead to components; `x-characters` and `x-integer` stay as
extensions. Operations, responses and callbacks refer to them, and every example is one of a schema. Only this module
states how HTTP carries a contract: JSON, credential, headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.command import Command, Unsolicited
from conformance.contract.contract import Authentication, Contract
from conformance.model.errors import SuiteError
from conformance.model.traffic import JSON_MEDIA_TYPE

# A placeholder for the registered host; by RFC 2606, nobody owns `.invalid`.
UNREGISTERED = "https://your-application.invalid/callbacks"

CREDENTIAL = "credential"
SUCCESS, ERROR = "response.success", "response.error"
_OWN_TO_A_FILE = frozenset({"$schema", "$id", "$defs"})

TAKEN = "Taken. Answer quickly; what is sent again is applied once."

# The examples of an error have the statuses in use. These two are for all others.
RANGES: Mapping[str, str] = {
    "4XX": "Another refusal; whatever its status, it is in the envelope.",
    "5XX": "Another error of the gateway or an operator; whatever its status, it is in the envelope.",
}


def openapi_document(
    contract: Contract, server: str | None = None, callbacks: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The document, JSON that can be written out.

    `server` is the base URL, None for the contract's own; `callbacks` has the registered callback URL of a product, a
    placeholder by default. SuiteError if a schema refers to one outside the contract.
    """
    registered = {product: f"{UNREGISTERED}/{product}" for product in contract.products} | dict(callbacks or {})
    made = _Made(contract, contract_schemas(contract), registered)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract.title,
            "version": contract.version,
            "description": "What a gateway of this kind promises, as statum-conformance judges it. Request schemas are "
            "what every gateway accepts; x-tolerated names the widest that one may accept, and what lies between is "
            "not contract. Results follow as callbacks, to the URL that is registered for the product on a dashboard.",
            "x-schemas": contract.schemas.digest,
        },
        "servers": [{"url": server or contract.base_url}],
        "security": [{CREDENTIAL: []}],
        "paths": {f"/{c.name}": {c.method.lower(): made.operation(c)} for c in contract.commands.values()},
        **({"webhooks": dict(made.webhooks())} if contract.unsolicited else {}),
        "components": {
            "schemas": dict(made.schemas()),
            "responses": dict(made.responses()),
            "securitySchemes": {CREDENTIAL: _security(contract.authentication)},
        },
    }


def contract_schemas(contract: Contract) -> tuple[str, ...]:
    """The names of the schemas of messages: of commands, of responses, and of notifications without a request."""
    folders = {command.folder for command in contract.commands.values()}
    folders |= {row.folder for row in contract.unsolicited.values()}
    return tuple(n for n in contract.schemas.names if n.partition("/")[0] in folders or n in (SUCCESS, ERROR))


def component_name(name: str) -> str:
    """The name of a schema in the document: `sms/request` is `sms.request`, `common#message` is `message`."""
    path, _, definition = name.partition("#")
    return definition or path.replace("/", ".")


def _security(authentication: Authentication) -> dict[str, str]:
    if authentication.header.casefold() != "authorization":
        return {"type": "apiKey", "in": "header", "name": authentication.header}
    description = authentication.token.replace("(", " of ").rstrip(")")
    return {"type": "http", "scheme": authentication.scheme.lower(), "description": f"The credential: {description}."}


def _headers(status: int, contract: Contract) -> dict[str, Any]:
    """The headers of an answer by RFC 9110 (11.6.1) and RFC 6585 (4). Neither is a MUST of a contract."""
    found = {
        401: ("WWW-Authenticate", "The challenge.", f'{contract.authentication.scheme} realm="gateway"'),
        429: ("Retry-After", "Seconds to wait before the next request.", "1"),
    }.get(status)
    if found is None:
        return {}
    name, meaning, sample = found
    return {"headers": {name: {"description": meaning, "schema": {"type": "string"}, "example": sample}}}


@dataclass(frozen=True, slots=True)
class _Made:
    """The parts of the document of a `contract`; `messages` are its schemas of messages."""

    contract: Contract
    messages: Sequence[str]
    registered: Mapping[str, str]

    # --- Schemas

    def schemas(self) -> Iterator[tuple[str, dict[str, Any]]]:
        known = self.contract.schemas
        definitions = (f"{name}#{key}" for name in known.names for key in known.schema(name).get("$defs", ()))
        for name in (*self.messages, *definitions):
            own = {keyword: value for keyword, value in known.schema(name).items() if keyword not in _OWN_TO_A_FILE}
            yield component_name(name), self.rewritten(own, name)

    def rewritten(self, node: Any, name: str) -> Any:
        """`node` of the schema `name`, each reference replaced by one to a component."""
        if isinstance(node, list):
            return [self.rewritten(each, name) for each in node]
        if not isinstance(node, dict):
            return node
        return {
            key: self.component_of(value, name) if key == "$ref" else self.rewritten(value, name)
            for key, value in node.items()
        }

    def component_of(self, reference: str, name: str) -> str:
        path, pointer = self.contract.schemas.target(reference, name)
        definition = pointer.removeprefix("/$defs/")
        target = f"{path}#{definition}" if definition else path
        if target not in self.messages and not (definition and path in self.contract.schemas):
            raise SuiteError(f"{name} refers to {reference!r}, which is not part of the contract")
        return _reference(target)["$ref"]

    def content(self, name: str) -> dict[str, Any]:
        """A body of the schema `name`, with that schema's examples."""
        return {
            JSON_MEDIA_TYPE: {"schema": _reference(name), "examples": _examples(self.contract.schemas.schema(name))}
        }

    # --- Responses

    def responses(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """One for each status in use, and one for each range: all errors, the same for every command."""
        code, reason = self.contract.answer.code, self.contract.answer.reason
        by_status: dict[int, list[dict[str, Any]]] = {}
        for example in self.contract.schemas.schema(ERROR)["examples"]:
            by_status.setdefault(int(example[code]), []).append(example)
        for status, examples in by_status.items():
            # The status in the body agrees with this one. `allOf`, because some tools ignore keywords beside a $ref.
            schema = {"allOf": [_reference(ERROR), {"properties": {code: {"const": examples[0][code]}}}]}
            yield (
                str(status),
                {
                    "description": str(examples[0][reason]),
                    "content": {JSON_MEDIA_TYPE: {"schema": schema, "examples": _examples({"examples": examples})}},
                    **_headers(status, self.contract),
                },
            )
        for statuses, meaning in RANGES.items():
            yield statuses, {"description": meaning, "content": {JSON_MEDIA_TYPE: {"schema": _reference(ERROR)}}}

    def answers(self, command: Command) -> dict[str, Any]:
        own = f"{command.folder}/response"
        success = own if own in self.contract.schemas else SUCCESS
        schema = self.contract.schemas.schema(success)
        return {
            str(self.contract.answer.success): {"description": schema["description"], "content": self.content(success)},
            **{name: {"$ref": f"#/components/responses/{name}"} for name, _ in self.responses()},
        }

    # --- Operations

    def operation(self, command: Command) -> dict[str, Any]:
        name = f"{command.folder}/request"
        request = self.contract.schemas.schema(name)
        description = request["description"]
        if window := command.window:
            same = ", ".join(f"same {member}" for member in window.members)
            description = (
                f"A request similar to one accepted within the last {window.seconds:g} seconds ({same}) is refused."
            )
        operation: dict[str, Any] = {
            "operationId": command.folder.replace("/", "-"),
            "summary": request["title"].partition(":")[0],
            "description": description,
            "x-source": command.source,
        }
        if command.method == "GET":
            operation["parameters"] = self.parameters(request, name)
        else:
            operation["requestBody"] = {"required": True, "content": self.content(name)}
            operation["x-tolerated"] = _reference(f"{name}.tolerated")
        operation["responses"] = self.answers(command)
        if command.product:
            operation["callbacks"] = {"result": {self.registered[command.product]: self.result(command)}}
        return operation

    def parameters(self, request: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        """Those of a GET travel in the URL."""
        required = request.get("required", ())
        return [
            {"name": member, "in": "query", "required": member in required, "schema": self.rewritten(rule, name)}
            for member, rule in request.get("properties", {}).items()
        ]

    def result(self, command: Command) -> dict[str, Any]:
        """The notification of a command, at the product's callback."""
        roles = self.contract.notification
        same = "that" if roles.id == self.contract.answer.id else f"the {self.contract.answer.id}"
        description = f"Sent when the transaction has succeeded or failed; {roles.id} is {same} of the answer."
        return self.posted(f"{command.folder}/notification", f"{command.folder}-result", description)

    def webhooks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Inquiries and notifications without a request."""
        for row in self.contract.unsolicited.values():
            for callback in reversed(row.callbacks):
                yield callback, self.unasked(row, callback)

    def unasked(self, row: Unsolicited, callback: str) -> dict[str, Any]:
        name = row.schema_at(callback)
        answer = TAKEN
        if row.inquiry and callback == row.inquiry.callback:
            answer = f"It may go through. Answer within {row.inquiry.seconds:g} seconds; another status refuses it."
        description = str(self.contract.schemas.schema(name)["description"])
        return self.posted(name, callback.replace("/", "-"), description, answer, {"x-source": row.source})

    def posted(
        self, name: str, operation: str, description: str, answer: str = TAKEN, more: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A request from the gateway to a callback."""
        return {
            self.contract.notification.method.lower(): {
                "operationId": operation,
                "summary": self.contract.schemas.schema(name)["title"],
                "description": description,
                **(more or {}),
                "security": [],  # none is documented: the URL itself may hold a token
                "requestBody": {"required": True, "content": self.content(name)},
                "responses": {"2XX": {"description": answer}},
            }
        }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{component_name(name)}"}


def _examples(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {f"example-{number}": {"value": value} for number, value in enumerate(schema["examples"], start=1)}
