"""A contract: a folder of data with the duties of a gateway and its clients.

The engine knows roles, such as the member of an answer that holds its id; the names are in the folder:

    contract.toml       authentication, roles of members, commands, windows, money, notifications without a request
    requirements.toml   the catalogue of requirements
    probes.toml         requests that are wrong, or unusual, in one way each
    behaviours.toml     the behaviours of gateways, lawful or not
    …/*.json            the schemas of requests, answers and notifications
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from conformance.contract.checking import Engine, faults_of
from conformance.contract.command import Command, Inquiry, Money, Notified, Unsolicited, all_unsolicited
from conformance.contract.folder import BEHAVIOURS, CONTRACT, PROBES, REQUIREMENTS, ContractFolder, digest_of
from conformance.contract.places import without_idle
from conformance.contract.requirements import Catalogue
from conformance.contract.schemas import SchemaSet, built_in
from conformance.contract.tables import Behaviours, Probes
from conformance.model.errors import UsageError

# The most faults in one message.
MOST_FAULTS = 20

# The names of sources, if the contract gives none.
SOURCES = {"seed": "the provider's guide", "docs": "the provider's documentation"}

# The forms of a credential: see `Authentication.token`.
KEY_AND_SECRET, SECRET_ALONE = "base64(key:secret)", "secret"


@dataclass(frozen=True, slots=True)
class Authentication:
    """How a request carries the credential: `header`, its `scheme`, and the token behind that.

    `token`: `base64(key:secret)` (RFC 7617), or `secret`, the secret itself (RFC 6750).
    """

    header: str
    scheme: str
    token: str

    @property
    def names_key(self) -> bool:
        """Whether a credential has the consumer key beside the secret."""
        return self.token == KEY_AND_SECRET

    def value(self, key: str, secret: str) -> str:
        """The value of the header for an account."""
        token = encoded_pair(key, secret) if self.names_key else secret
        return f"{self.scheme} {token}" if self.scheme else token


# As curl, browsers and most libraries have it built in (RFC 7617).
BASIC = Authentication("Authorization", "Basic", KEY_AND_SECRET)


def encoded_pair(key: str, secret: str) -> str:
    """Key and secret as Basic authentication carries them."""
    return b64encode(f"{key}:{secret}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class AnswerRoles:
    """The members of an answer by their role, and the `success` code of accepted requests.

    `code` agrees with the HTTP status. `errors`: member of the request → messages; None if no answer has it.
    """

    id: str
    code: str
    success: int
    reason: str
    errors: str | None = None


class Telling(StrEnum):
    """The type of a member with details of the transaction, by which two values are compared."""

    AMOUNT = "amount"
    NUMBER = "number"  # of a phone, maybe masked
    NAME = "name"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class NotificationRoles:
    """The members of a notification by their role, its method, and the outcome for `success`.

    Only some products have the members with a default: the account's `balance` afterwards, the `charge` for the
    transaction, its `time`, and the operator's `receipt`. `transaction`: all details of the transaction, the same in
    each notification of a request.
    """

    method: str
    id: str
    outcome: str
    success: str
    reason: str
    balance: str | None = None
    charge: str | None = None
    time: str | None = None
    receipt: str | None = None
    transaction: Mapping[str, Telling] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountRoles:
    """The command that reads the account and changes nothing; `balance`: the pointer to the balance in its answer."""

    command: str
    balance: str | None = None


@dataclass(frozen=True, slots=True)
class MemberRoles:
    """Members of requests by their role.

    `recipient` names a person. `registered`: members whose values belong to the account, with examples; a run uses the
    first by default. `text` is charged by its length. `country_code`: the beginning of a recipient's number, which may
    be left out in a call.
    """

    recipient: str | None = None
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str | None = None
    country_code: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """A contract folder, read. Contracts are compared by identity, so that caches can use them as keys.

    `source`: the folder, or the name of the built-in contract; `folder`: the path that the user gave, None for the
    built-in one. `digest`: of all its files. `sources`: the names in reports for the `source` of a requirement.
    `areas`: the subjects of requirements, by the letters at the beginning of their ids. `page`: notes of its page in
    the documentation, by heading. `account`: None if no command reads the account.
    """

    source: str
    folder: Path | None
    digest: str
    sources: Mapping[str, str]
    areas: Mapping[str, str]
    page: Mapping[str, str]
    name: str
    title: str
    version: str
    base_url: str
    authentication: Authentication
    answer: AnswerRoles
    notification: NotificationRoles
    members: MemberRoles
    account: AccountRoles | None
    commands: Mapping[str, Command]
    unsolicited: Mapping[str, Unsolicited]
    catalogue: Catalogue
    schemas: SchemaSet
    behaviours: Behaviours
    probes: Probes

    @classmethod
    def load(cls, folder: Path, engine: Engine | None = None) -> Self:
        """The contract in that folder, checked; with an `engine` also its rules and the generation of values.

        Raises UsageError with a line for each fault of the folder, with its file and line.
        """
        if not folder.is_dir():
            raise UsageError(
                f"there is no contract folder {str(folder)!r}", "a folder with contract.toml and requirements.toml"
            )
        files = ContractFolder.at(folder)
        faults = [fault.in_folder(folder) for fault in faults_of(files, engine)]
        if len(faults) == 1:
            raise UsageError(faults[0])
        if faults:
            more = [f"… and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
            message = f"the contract folder {folder} has {len(faults)} faults"
            raise UsageError(message, lines=(*faults[:MOST_FAULTS], *more))
        return cls._made(files)

    @classmethod
    def _made(cls, folder: ContractFolder) -> Self:
        stated = folder.tables[CONTRACT]
        commands = {row["name"]: Command.from_entry(row) for row in stated["command"]}
        unsolicited = {row["product"]: Unsolicited.from_entry(row) for row in stated.get("unsolicited", ())}
        members = stated.get("members", {})
        account: Mapping[str, Any] | None = stated.get("account")
        transaction = {name: Telling(how) for name, how in stated["notification"].get("transaction", {}).items()}
        edition = digest_of([folder.texts[REQUIREMENTS]])
        catalogue = Catalogue.from_table(folder.tables[REQUIREMENTS], edition, commands, unsolicited)
        return cls(
            stated["name"] if folder.given is None else str(folder.given),
            folder.given,
            folder.digest,
            {**SOURCES, **{name: source["words"] for name, source in stated.get("sources", {}).items()}},
            stated.get("areas", {}),
            stated.get("page", {}),
            stated["name"],
            stated["title"],
            stated["version"],
            stated["base_url"],
            Authentication(**stated["authentication"]),
            AnswerRoles(**stated["answer"]),
            NotificationRoles(**{**stated["notification"], "transaction": transaction}),
            MemberRoles(
                members.get("recipient"),
                {name: tuple(values) for name, values in members.get("registered", {}).items()},
                members.get("text"),
                members.get("country_code"),
            ),
            None if account is None else AccountRoles(**account),
            commands,
            unsolicited,
            without_idle(catalogue, commands, folder.schemas),
            folder.schemas,
            Behaviours.from_table(folder.tables[BEHAVIOURS]),
            Probes.from_table(folder.tables[PROBES]),
        )

    def recorded(self) -> dict[str, str | None]:
        """The identity of the contract, for a journal."""
        return {
            "name": self.name,
            "digest": self.digest,
            "folder": None if self.folder is None else str(self.folder),
        }

    def check_recorded(self, settings: Mapping[str, Any], what: str) -> None:
        """Raise UsageError if `what` (a journal, a report) with these settings is of a run by another contract.

        Settings without a contract are from a time when there was only the built-in one.
        """
        recorded = settings.get("contract") or statum().recorded()
        if recorded["name"] == self.name:
            return
        built_in_one = recorded["name"] == statum().name
        raise UsageError(
            f"{what} is of a run by the contract {recorded['name']!r:.80}; expected one by {self.name!r}",
            hint="leave --contract out" if built_in_one else f"--contract {recorded.get('folder') or 'DIR'}",
        )

    @property
    def base_path(self) -> str:
        """The path of `base_url`, which a slash and a command follow."""
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def products(self) -> tuple[str, ...]:
        """The products that have a callback, in the order of their commands."""
        return tuple(c.product for c in self.commands.values() if c.product)

    @property
    def callbacks(self) -> tuple[str, ...]:
        """The names of all callbacks: of products, then of notifications without a request and inquiries."""
        return (*self.products, *(name for row in self.unsolicited.values() for name in row.callbacks))

    @property
    def names(self) -> tuple[str, ...]:
        """The names that verdicts are given on: commands, and callbacks of notifications without a request."""
        return (*self.commands, *(each.name for each in all_unsolicited(self.unsolicited)))

    @property
    def inquiries(self) -> tuple[str, ...]:
        """The names of the callbacks whose answer counts."""
        return tuple(row.inquiry.callback for row in self.unsolicited.values() if row.inquiry)

    def notified(self, name: str) -> Notified:
        """The command of that name, or the row of that callback without a request; KeyError for neither."""
        if name in self.commands:
            return self.commands[name]
        return {each.name: each for each in all_unsolicited(self.unsolicited)}[name]

    def unsolicited_among(
        self, products: Collection[str], callbacks: Collection[str]
    ) -> tuple[Unsolicited | Inquiry, ...]:
        """The rows without a request that have one of these callbacks and belong to the judged products.

        An inquiry belongs to its product. If all products of commands are judged, all rows belong to them.
        """
        whole = set(self.products) <= set(products)
        among = (each for each in all_unsolicited(self.unsolicited) if each.name in callbacks)
        return tuple(each for each in among if whole or each.name in products or each.product in products)

    def unsolicited_at(self, callback: str | None) -> Unsolicited | None:
        """The row of that callback for notifications without a request; None for another callback."""
        return next((row for row in self.unsolicited.values() if callback in row.callbacks), None)

    def commands_of(self, products: Iterable[str]) -> tuple[Command, ...]:
        """The commands that a run over `products` exercises: theirs, and those without a product."""
        chosen = frozenset(products)
        return tuple(c for c in self.commands.values() if c.product is None or c.product in chosen)

    def examples_of(self, member: str) -> tuple[str, ...]:
        """The texts in the schemas of all requests that are examples of a member, each once."""
        requests = (self.schemas.resolved(command.request_schema) for command in self.commands.values())
        stated = (request.get("properties", {}).get(member, {}).get("examples", ()) for request in requests)
        return tuple(dict.fromkeys(value for each in stated for value in each if isinstance(value, str)))

    def product_of(self, command: str | None) -> str | None:
        """The product whose callback gets the notifications of a command; None without one."""
        return None if command is None or command not in self.commands else self.commands[command].product

    def money_of(self, command: str | None) -> Money | None:
        """The money that an accepted request of a command moves; None without any."""
        return None if command is None or command not in self.commands else self.commands[command].money

    def command_of(self, product: str | None) -> str | None:
        """The command whose notifications come to the callback of a product; None for an unknown product."""
        return next((c.name for c in self.commands.values() if c.product is not None and c.product == product), None)


@cache
def statum() -> Contract:
    """The contract of the Statum gateway, which comes with the suite."""
    # Tests check it, so that no user waits for that.
    return Contract._made(ContractFolder(built_in("statum"), None, "statum"))  # noqa: SLF001 - its own module


def contract_at(folder: Path | None, engine: Engine | None = None) -> Contract:
    """The contract in that folder; None: the one that comes with the suite. Raises UsageError as `Contract.load`."""
    return statum() if folder is None else Contract.load(folder, engine)


OF_HTTP = ("content-type", "accept", "application/json", "application", "json", "http", "post")


@cache
def contract_words(contract: Contract) -> frozenset[str]:
    """The names of members, commands and products of a contract, and common words of headers; in lower case."""
    folders = [f"{command.folder}/" for command in contract.commands.values()]
    folders += [f"{row.folder}/" for row in contract.unsolicited.values()]
    messages = [name for name in contract.schemas.names if name.startswith((*folders, "response."))]
    named = (word for name in messages for word in _members(contract.schemas.resolved(name)))
    commands = (part for command in contract.commands for part in (command, *command.split("/")))
    words = (*OF_HTTP, contract.authentication.header, contract.authentication.scheme, contract.notification.method)
    return frozenset(word.casefold() for word in (*words, *named, *commands, *contract.callbacks))


def is_of_contract(value: str, contract: Contract) -> bool:
    """Whether `value`, in any case, is one of these words or a part of one."""
    return any(value.casefold() in word for word in contract_words(contract))


def _members(schema: Any) -> Iterator[str]:
    """The names of all members that a schema has, however deep."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        for part in schema.values():
            yield from _members(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _members(part)
