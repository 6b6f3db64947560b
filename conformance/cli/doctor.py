"""`doctor`: does the set-up work, before anything is judged?"""

from __future__ import annotations

from typing import Any

import click

from conformance.cli.command import ConformanceCommand, option
from conformance.cli.options import (
    NOTIFICATIONS,
    driver_options,
    gateway_options,
    product_options,
    receiver_options,
    settings_from,
)
from conformance.client_under_test.preflight import examine_driver
from conformance.errors import EnvironmentFailure
from conformance.gateway_under_test.preflight import examine, to_register
from conformance.gateway_under_test.rig import rigged
from conformance.reporting.console import print_line, results
from conformance.reporting.escaping import for_terminal


@click.command("doctor", cls=ConformanceCommand, short_help="Check that the set-up works.")
@gateway_options
@driver_options
@receiver_options
@product_options
@option(
    NOTIFICATIONS,
    "--show-callback-token",
    is_flag=True,
    help="Show callback URLs with the values in their query, as they are to be registered.",
)
def doctor(**options: Any) -> int:
    """Check the set-up: gateway reachable, credential accepted, each callback path leading back here.

    Only account-details is called, so no money moves. With --driver it is the driver of a client that is checked: it is
    started, greeted and stopped. Exit code: 0 if all is well, 3 if not.
    """
    if options["driver"] is not None:
        return _driver(options["driver"])
    settings = settings_from(options, looks_only=True)
    whole = options["show_callback_token"]
    console = results()
    probed = 0
    with rigged(settings) as rig:
        if (settings.gateway is not None and settings.callback_url) or settings.callback_listen.port:
            print_line(console, "callback URLs to register with the gateway, one for each product:")
            for product, url in to_register(rig, settings.products, whole=whole).items():
                print_line(console, f"  {product}: {url}")
        for probe in examine(settings, rig):
            probed += 1
            if not probe.ok:
                print_line(console, f"failed  {probe.name}", "red")
                raise EnvironmentFailure(probe.detail, probe.hint)
            print_line(console, f"{'warning' if probe.warning else 'ok     '} {probe.name}: {probe.detail}")
    print_line(console, f"{probed} of {probed} checks are well; `statum-conformance run` can begin")
    return 0


def _driver(command_line: str) -> int:
    console = results()
    probed = 0
    for name, detail in examine_driver(command_line):
        probed += 1
        print_line(console, f"ok      {name}: {for_terminal(detail)}")
    print_line(console, f"{probed} of {probed} checks are well; `statum-conformance certify` can begin")
    return 0
