"""The table of options: what it names exists, and what is made from it agrees."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

from conformance.cli import COMMANDS
from conformance.cli.parameters import VALUES
from conformance.client.settings import ClientSettings as CertificationSettings
from conformance.contract.contract import statum
from conformance.gateway.settings import RunLimits, Settings
from conformance.options import EVERY, Option, arguments, options_of, resumed, table
from conformance.wire.listening import Address

NAMES = [command.name or "" for command in COMMANDS]
# Of a certification, whose receiver and client are told otherwise; of a run, whose contract tells what is registered.
OBSERVED = {"observe"}


def fields_of(option: Option) -> set[str]:
    """What the settings of its commands have."""
    kinds = (CertificationSettings,) if "run" not in option.commands.split() else (Settings, RunLimits)
    registered = {f"{member}s" for member in statum().members.registered}
    return registered | {field.name for kind in kinds for field in fields(kind)}


def test_types_commands_and_settings_of_rows_exist() -> None:
    """Its type, its commands, and the setting that it makes."""
    unknown = []
    for option in table():
        named = {
            "type": {option.type} - {*VALUES, "choice"},
            "command": set(option.commands.split()) - {*NAMES, EVERY},
            "setting": {option.recorded, option.setting} - {None, *OBSERVED, *fields_of(option)},
        }
        unknown += [(option.name, option.commands, what, which) for what, which in named.items() if which]

    assert [] == unknown


def test_a_command_has_an_option_once() -> None:
    """Rows of one name are of different commands."""
    names = [(command, option.name) for command in NAMES for option in options_of(command)]

    assert [] == [each for each, count in Counter(names).items() if count > 1]


def test_only_options_of_a_run_are_taken_on_resuming() -> None:
    """A row that no run has would be taken nowhere."""
    assert [] == [option.name for option in table() if option.on_resume and option not in options_of("run")]


def test_a_run_is_repeated_and_resumed_with_its_options() -> None:
    """What differs from a default is in the line to repeat it with, and all of it comes back when it is resumed."""
    told = replace(
        Settings("key", "secret", gateway="http://127.0.0.1:9000/api/v2", seed=4),
        callback_listen=Address("127.0.0.1", 8080),
        products=("sms",),
        callback_paths={"airtime": "sms"},
        notify_within_s=2.5,
        exclusive_account=True,
        over_network=False,
        limits=RunLimits(max_accepted=3, rate_per_s=1.5),
        report_dir=Path("elsewhere"),
    )
    recorded = {**told.recorded(), "gateway": told.gateway, "contract": None, "expectations": None}
    defaults = {"concurrency": 16, "connect_timeout_s": 5.0, "read_timeout_s": 10.0, "max_examples": 40}

    line = " ".join(arguments("run", recorded, {**defaults, "strict": False}))
    assert (
        "--gateway http://127.0.0.1:9000/api/v2 --consumer-key key --no-network --sender-id Statum --short-code 174379 "
        "--exclusive-account --callback-listen 127.0.0.1:8080 --callback-path airtime=sms --notify-within 2.5 "
        "--product sms --max-accepted 3 --rate 1.5 --seed 4"
    ) == line
    again = resumed("run", recorded)
    expected = ("127.0.0.1:8080", ("sms",), (("airtime", "sms"),), 2.5, True, False, 3, 1.5)
    names = ("callback_listen", "product", "callback_path", "notify_within", "exclusive_account", "over_network")
    assert expected == tuple(again[name] for name in (*names, "max_accepted", "rate"))
    assert {"contract", "corpus", "cases", "expectations", "report_dir"}.isdisjoint(again)
