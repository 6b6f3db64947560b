"""`openapi`: the contract as an OpenAPI document, for tools that know no other."""

from __future__ import annotations

import json
from typing import Any

import click

from conformance.cli.command import ConformanceCommand, Registration, contract_option, option
from conformance.contract.openapi import DEFAULT_SERVER, openapi_document
from conformance.gateway_under_test.settings import check_gateway_url


@click.command("openapi", cls=ConformanceCommand, short_help="Print the contract as OpenAPI 3.1.")
@option(
    "Document",
    "--server",
    metavar="URL",
    default=DEFAULT_SERVER,
    show_default=True,
    help="Base URL of the gateway that the document names.",
)
@option(
    "Document",
    "--callback",
    type=Registration(),
    multiple=True,
    metavar="PRODUCT=URL",
    help="Where a product's notifications go. Repeatable; by default a placeholder.",
)
@contract_option
def openapi(**options: Any) -> int:
    """Print the contract as an OpenAPI 3.1 document in JSON (which is YAML, too).

    It has every command and its callback, every schema with its examples, and is made from what `run` judges by.
    """
    check_gateway_url(options["server"])
    click.echo(json.dumps(openapi_document(options["server"], dict(options["callback"])), indent=2))
    return 0
