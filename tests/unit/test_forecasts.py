"""The model of the contract's state: what it forecasts, on what ground, and that it knows nothing else."""

from __future__ import annotations

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


def first(command: str = "airtime", pair: tuple[str, str] = PAIR, *, lawful: bool = True) -> tuple[Asked, ...]:
    """A history of one request."""
    return (ask("a", command, pair, lawful=lawful),)


TAKEN, REFUSED, WALLET = Outcome.ACCEPTED, Outcome.REFUSED, "mpesa-wallet"

# What was asked before, what of it was refused, what is asked; the forecast, the rule and because of which.
FORECASTS: dict[str, tuple[tuple[Asked, ...], tuple[str, ...], Asked, Outcome, Rule, str | None]] = {
    "nothing before": ((), (), ask("b"), TAKEN, Rule.FIRST, None),
    "the same": (first(), (), ask("b"), REFUSED, Rule.WINDOW, "a"),
    "one shilling apart": (first(), (), ask("b", pair=OTHER_AMOUNT), TAKEN, Rule.OTHER_AMOUNT, "a"),
    "another phone": (first(), (), ask("b", pair=OTHER_PHONE), TAKEN, Rule.OTHER_PHONE, "a"),
    "after a rejected one": (first(lawful=False), ("a",), ask("b"), TAKEN, Rule.AFTER_REJECTION, "a"),
    "after a refused repeat": ((*first(), ask("b")), ("b",), ask("c"), REFUSED, Rule.WINDOW, "a"),
    "after one refused for the account": (first(), ("a",), ask("b"), TAKEN, Rule.FIRST, None),
    "a payment of the same": (first(), (), ask("b", WALLET), TAKEN, Rule.OTHER_PRODUCT, "a"),
    "after a payment of the same": (first("mpesa/online"), (), ask("b"), TAKEN, Rule.OTHER_PRODUCT, "a"),
    "another payment of the same": (first("mpesa/online"), (), ask("b", WALLET), TAKEN, Rule.FIRST, None),
    "an equal message": (first("sms"), (), ask("b", "sms"), TAKEN, Rule.EQUAL, "a"),
    "an equal payment": (first(WALLET), (), ask("b", WALLET), Outcome.OPEN, Rule.EQUAL, "a"),
    "what is refused for itself": ((), (), ask("b", lawful=False), REFUSED, Rule.UNLAWFUL, None),
}


def test_a_forecast_has_outcome_rule_and_cause() -> None:
    """As far as the contract says anything."""
    told = {}
    for name, (past, refused, asked, *_) in FORECASTS.items():
        forecast = after(*past, refused=refused).forecast(asked, 1.0)
        told[name] = [forecast.outcome, forecast.rule, forecast.because.name if forecast.because else None]

    assert {name: row[3:] for name, row in FORECASTS.items()} == {name: tuple(each) for name, each in told.items()}


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
