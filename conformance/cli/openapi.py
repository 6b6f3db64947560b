"""`openapi`: the contract as an OpenAPI document, for tools that know no other."""

from __future__ import annotations

import json
from typing import Any

import click

from conformance.cli.command import ConformanceCommand, Registration, contract_option, option
from conformance.contract.openapi import openapi_document
from conformance.gateway.settings import check_gateway_url


@click.command("openapi", cls=ConformanceCommand, short_help="Print the contract as OpenAPI 3.1.")
@contract_option
@option(
    "Document",
    "--server",
    metavar="URL",
    help="Base URL of the gateway that the document names. Default: that of the contract.",
)
@option(
    "Document",
    "--callback",
    type=Registration(),
    multiple=True,
    metavar="PRODUCT=URL",
    help="Where a product's notifications go. Repeatable; by default a placeholder.",
)
def openapi(**options: Any) -> int:
    """Print the contract as an OpenAPI 3.1 document in JSON (which is YAML, too).

    It has every command and its callback, every schema with its examples, and is made from what `run` judges by.
    """
    if options["server"] is not None:
        check_gateway_url(options["server"])
    document = openapi_document(options["contract"], options["server"], dict(options["callback"]))
    click.echo(json.dumps(document, indent=2))
    return 0
