"""The settings of a run: what cannot be used is refused before anything is sent, and the secret stays inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns import SECRET, settings

from conformance.contract.contract import statum
from conformance.gateway.settings import SEED_BITS, RunLimits, Settings, fresh_seed, is_loopback
from conformance.model.errors import UsageError
from conformance.wire.asgi import Tls

HERE = Path("reports")
REGISTERED = statum().members.registered


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gateway": "api.statum.co.ke/api/v2"}, "expected http:// or https://"),
        ({"gateway": "//api.statum.co.ke/api/v2"}, "expected http:// or https://"),
        ({"gateway": "ftp://api.statum.co.ke/api/v2"}, "expected http:// or https://"),
        ({"gateway": "https:///api/v2"}, "a host"),
        ({"gateway": ""}, "expected http:// or https://"),
        ({"gateway": "http://gateway:99999/api/v2"}, "is not a URL"),
        ({"gateway": "http://[::1/api/v2"}, "is not a URL"),
        ({"gateway": "http://gateway/api/v2\n"}, "white space"),
        ({"gateway": "http://gate way/api/v2"}, "white space"),
        ({"gateway": "http://gateway/api/v2?version=2"}, "query"),
        ({"gateway": "http://gateway/api/v2#top"}, "fragment"),
        ({"products": ("sms", "fax")}, "fax is not one of sms, airtime, mpesa-online, mpesa-wallet"),
        ({"max_examples": -1}, "--max-examples is -1"),
        ({"notify_within_s": 0.0}, "--notify-within is 0.0"),
        ({"notify_within_s": -1.0}, "--notify-within is -1.0"),
        ({"notify_within_s": float("nan")}, "--notify-within is nan"),
        ({"notify_within_s": float("inf")}, "--notify-within is inf"),
        ({"notify_within_s": 1e10}, "at most a day"),
        ({"notify_within_s": 1e-300}, "--notify-within is 1e-300; expected a millisecond (0.001) or more"),
        ({"max_examples": 10**30}, "expected at most 100,000"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_invalid_settings_are_errors(changes: dict[str, Any], told: str) -> None:
    """In one line, with what was given and what is expected."""
    with pytest.raises(UsageError) as refused:
        settings(HERE, **changes)

    assert told in str(refused.value)
    assert 1 == len(str(refused.value).splitlines())


def test_a_credential_in_the_gateway_url_is_refused_and_not_repeated() -> None:
    """It would end up in every report, and be overruled by the one that is judged with."""
    with pytest.raises(UsageError) as refused:
        settings(HERE, gateway="https://somebody:hush-hush@gateway.example/api/v2")

    assert "--consumer-secret" in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_usable_gateway_url_is_not_changed() -> None:
    """Every report names it."""
    urls = [
        "http://127.0.0.1:9000/api/v2",
        "https://api.statum.co.ke/api/v2/",
        "HTTP://gateway",
        "http://[::1]:9000/api/v2",
        "https://lango.example/api/v2/~sandbox@2",
        "https://lango-é.example/api/v2",
    ]
    told = {"phone_numbers": ("254712345678",), "limits": RunLimits(max_spend=0)}
    assert urls == [settings(HERE, gateway=url, **told).gateway for url in urls]


def test_a_gateway_beyond_this_machine_needs_phone_numbers_and_how_much_may_be_spent() -> None:
    """By the commands that move money; none is called that was not given. What only looks needs to be told nothing."""
    there = {"gateway": "https://api.statum.co.ke/api/v2"}
    beyond = {**there, "phone_numbers": ("254712345678",)}

    with pytest.raises(UsageError, match="--phone-number is missing"):
        settings(HERE, **there)
    with pytest.raises(UsageError, match=r"--max-spend is missing.*airtime, mpesa/online, mpesa-wallet may move money"):
        settings(HERE, **beyond)
    with pytest.raises(UsageError, match=r"and mpesa/online may move money"):
        settings(HERE, **beyond, products=("sms", "mpesa-online"))
    assert 25 == settings(HERE, **beyond, products=("sms",)).bounds.max_accepted
    assert settings(HERE, **there, looks_only=True).looks_only


def test_the_commands_are_those_of_the_products_and_account_details() -> None:
    """Each once, in the order of the contract; a run without options judges everything."""
    rows: dict[tuple[str, ...], tuple[str, ...]] = {
        Settings("key", "secret").products: tuple(statum().commands),
        ("sms", "sms"): ("sms", "account-details"),
        ("mpesa-wallet", "airtime"): ("airtime", "mpesa-wallet", "account-details"),
    }

    assert rows == {products: settings(HERE, products=products).commands for products in rows}
    assert statum().products == Settings("key", "secret").products


def test_the_secret_is_neither_shown_nor_recorded() -> None:
    """Nor what else is to be redacted: not in what a debugger shows, not in what the journal keeps."""
    given = settings(HERE, redact=("canary42",))
    shown = f"{given!r}{json.dumps(given.recorded(), ensure_ascii=False)}"

    assert (SECRET, ("canary42",)) == (given.consumer_secret, given.redact)
    assert [] == [secret for secret in (SECRET, "canary42") if secret in shown]


def test_recorded_settings_suffice_to_repeat_the_run() -> None:
    """Everything that the plan depends on but the secret."""
    given = settings(
        HERE, phone_numbers=("254712345678",), registered={"sender_id": ("A", "B"), "short_code": ("60010",)}, seed=3
    )
    recorded = given.recorded()
    again = Settings(
        consumer_key=recorded["consumer_key"],
        consumer_secret=SECRET,
        report_dir=HERE,
        registered={member: tuple(recorded[f"{member}s"]) for member in REGISTERED},
        **{
            name: tuple(recorded[name]) if isinstance(recorded[name], list) else recorded[name]
            for name in ("products", "phone_numbers", "max_examples", "seed")
        },
    )

    assert json.loads(json.dumps(recorded)) == recorded
    assert given == again


def test_seeds_that_nobody_chose_differ() -> None:
    """So that runs in a row do not meet each other's window; each can be given as `--seed`."""
    seeds = {fresh_seed() for _ in range(20)}

    assert len(seeds) > 10
    assert all(0 <= seed < 2**SEED_BITS for seed in seeds)
    assert Settings("key", "secret").seed != Settings("key", "secret").seed


def test_this_machine_is_told_from_others() -> None:
    """A lost answer is the gateway's doing only where no network lies between (ANS-01)."""
    here = ["http://127.0.0.1:9000/api/v2", "http://127.8.9.10/", "http://[::1]:9000/api/v2"]
    here += ["http://localhost/api/v2", "http://LOCALHOST/api/v2", "http://gateway.localhost/api/v2"]
    elsewhere = ["https://api.statum.co.ke/api/v2", "http://10.0.0.1/api/v2"]
    elsewhere += ["http://localhost.example/api/v2", "http://127.0.0.1.example/api/v2"]

    assert here == [url for url in (*here, *elsewhere) if is_loopback(url)]


def test_the_built_in_mock_gateway_has_names_of_every_form() -> None:
    """They are nobody's; of a gateway that was given, and where names were given, no other name is used."""
    gateway = "http://127.0.0.1:9/api/v2"
    own = settings(HERE).constraints

    assert set(REGISTERED["sender_id"]) == set(own.registered["sender_id"])
    assert set(REGISTERED["short_code"]) == set(own.registered["short_code"])
    assert (("Statum",), ("174379",)) == _names(settings(HERE, gateway=gateway))
    assert (("Acme",), ("600000",)) == _names(
        settings(HERE, registered={"sender_id": ("Acme",), "short_code": ("600000",)})
    )


def _names(given: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return given.constraints.registered["sender_id"], given.constraints.registered["short_code"]


def test_a_secret_that_is_a_word_of_the_contract_is_refused() -> None:
    """Redacting it would take every answer apart, and verdicts with it."""
    for word in ("message", "Request_ID", "application/json", "mpesa-online"):
        with pytest.raises(UsageError, match="is a word of the contract") as refused:
            Settings(consumer_key="me", consumer_secret=word)
        assert word not in str(refused.value)


def test_a_value_too_short_to_be_redacted_is_refused() -> None:
    """It stands in every text by chance."""
    with pytest.raises(UsageError, match="--redact is given a value of 3 characters; expected 4 or more"):
        Settings("me", "S3cret", redact=("abc",))


def test_a_callback_token_that_could_be_guessed_or_escaped_is_refused() -> None:
    """Without showing it."""
    for token in ("short", "with spaces in it", "ünicode-token", ""):
        with pytest.raises(UsageError, match="expected 8 or more of A-Z a-z 0-9") as refused:
            Settings("me", "S3cret", callback_token=token)
        assert not token or token not in str(refused.value)


def test_https_callbacks_are_for_gateways_of_others(tmp_path: Path) -> None:
    """The mock gateway trusts no authority of the user's, and every notification would seem to be missing."""
    with pytest.raises(UsageError, match="notifies over plain HTTP"):
        Settings("me", "S3cret", callback_tls=Tls(tmp_path / "a.pem", tmp_path / "a.key"))
