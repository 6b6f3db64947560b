"""The model of the contract's state: what it forecasts, on what ground, and that it knows nothing else."""

from __future__ import annotations

import pytest

from conformance.contract.command import Asked, Forecast, History, Outcome, Rule
from conformance.contract.contract import statum

PAIR, OTHER_AMOUNT, OTHER_PHONE = ("254711000001", "50"), ("254711000001", "51"), ("254711000002", "50")
WINDOW_S = 300.0


def ask(name: str, command: str = "airtime", pair: tuple[str, str] = PAIR, *, lawful: bool = True) -> Asked:
    """A request; those of one command and pair are equal."""
    members = {"phone_number": pair[0], "amount": pair[1]}
    return Asked(name, command, members, f"{command} {pair}".encode(), lawful)


def after(*past: Asked, refused: tuple[str, ...] = ()) -> History:
    """A history of these requests at time 0, of which some were refused."""
    history = History(statum().commands)
    for one in past:
        history.answered(one, 0.0, accepted=one.name not in refused)
    return history


FORECASTS = {
    "nothing before": ((), (), ask("b"), Outcome.ACCEPTED, Rule.FIRST, None),
    "the same": ((ask("a"),), (), ask("b"), Outcome.REFUSED, Rule.WINDOW, "a"),
    "one shilling apart": ((ask("a"),), (), ask("b", pair=OTHER_AMOUNT), Outcome.ACCEPTED, Rule.OTHER_AMOUNT, "a"),
    "another phone": ((ask("a"),), (), ask("b", pair=OTHER_PHONE), Outcome.ACCEPTED, Rule.OTHER_PHONE, "a"),
    "after a rejected one": (
        (ask("a", lawful=False),),
        ("a",),
        ask("b"),
        Outcome.ACCEPTED,
        Rule.AFTER_REJECTION,
        "a",
    ),
    "after a refused repeat": ((ask("a"), ask("b")), ("b",), ask("c"), Outcome.REFUSED, Rule.WINDOW, "a"),
    "after one refused for the account": ((ask("a"),), ("a",), ask("b"), Outcome.ACCEPTED, Rule.FIRST, None),
    "a payment of the same": (
        (ask("a"),),
        (),
        ask("b", "mpesa-wallet"),
        Outcome.ACCEPTED,
        Rule.OTHER_PRODUCT,
        "a",
    ),
    "after a payment of the same": (
        (ask("a", "mpesa/online"),),
        (),
        ask("b"),
        Outcome.ACCEPTED,
        Rule.OTHER_PRODUCT,
        "a",
    ),
    "another payment of the same": (
        (ask("a", "mpesa/online"),),
        (),
        ask("b", "mpesa-wallet"),
        Outcome.ACCEPTED,
        Rule.FIRST,
        None,
    ),
    "an equal message": ((ask("a", "sms"),), (), ask("b", "sms"), Outcome.ACCEPTED, Rule.EQUAL, "a"),
    "an equal payment": ((ask("a", "mpesa-wallet"),), (), ask("b", "mpesa-wallet"), Outcome.OPEN, Rule.EQUAL, "a"),
    "what is refused for itself": ((), (), ask("b", lawful=False), Outcome.REFUSED, Rule.UNLAWFUL, None),
}


@pytest.mark.parametrize("name", FORECASTS)
def test_a_forecast_says_what_why_and_because_of_which(name: str) -> None:
    """As far as the contract says anything."""
    past, refused, asked, outcome, rule, because = FORECASTS[name]
    forecast = after(*past, refused=refused).forecast(asked, 1.0)

    assert (outcome, rule) == (forecast.outcome, forecast.rule)
    assert because == (forecast.because.name if forecast.because else None)


def test_a_window_closes() -> None:
    """To the second, and a refused repeat does not keep it open."""
    history = after(ask("a"))
    assert Outcome.REFUSED is history.forecast(ask("b"), WINDOW_S - 0.001).outcome
    history.answered(ask("b"), WINDOW_S - 0.001, accepted=False)

    assert Forecast(Outcome.ACCEPTED, Rule.FIRST) == history.forecast(ask("c"), WINDOW_S)


def test_an_id_is_new_once() -> None:
    """Whatever it was given to."""
    history = History(statum().commands)

    assert history.answered(ask("a"), 0.0, accepted=True, request_id="x")
    assert not history.answered(ask("b", "sms"), 0.0, accepted=False, request_id="x")
    assert 1 == history.accepted
