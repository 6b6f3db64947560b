"""The facts of a whole run that judging a part of it needs: small, and the same however the run is cut.

    Share       which part of a run is judged, and facts that have to be known before it is read
    PartFacts   what one part adds to the facts; those of all parts add up, in any order
    RunFacts    the facts of the run, as rules and excuses ask for them

Texts and values are kept only as far as another part may ask for them. Of what a faulty gateway may say in as many ways
as it has requests, only a digest is kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

from conformance.judging.load_facts import LoadFacts
from conformance.judging.terms import Terms
from conformance.model.traffic import Kind

# Longer texts are compared by a digest of so many bytes.
LONGEST_KEPT, DIGEST = 40, 16
# The lengths of the beginnings of a phone number: country and network, or the operator's range.
NETWORK, RANGE = 4, 5
# So many refusals of one kind (numbers of a range, payloads of one aspect) are not chance.
ENOUGH = 3
# An account with a list of allowed numbers accepts no more than this part of random ones.
LISTED = 0.1
# Requests that are compared with a notification that contradicts its own request. A run has few that ask for the same
# amount, or none that ask for another; and then the comparison proves nothing.
MOST_COMPARED = 100
# Two different words of refusals show that not all are the same.
MOST_WORDS = 2

Words = tuple[int | None, Any]
"""Status and description of a refusal."""

Kept = str | bytes
"""A text, or the digest of a long one."""

KeptWords = tuple[int | None, Kept | None]
Values = Mapping[str, frozenset[str]]
"""Values by the name of their member."""


def kept(text: str) -> Kept:
    """The text, or a digest in place of a long one."""
    if len(text) <= LONGEST_KEPT:
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()


def kept_words(words: Words) -> KeptWords:
    """Status and description, the latter as `kept` has it."""
    status, said = words
    return status, None if said is None else kept(said)


class TwinReply(NamedTuple):
    """How the case of that number was answered, for those that refer to it."""

    status: int | None
    accepted: bool
    said: str | None


class AskedFor(NamedTuple):
    """An accepted request, by its exchange and case, and its details."""

    number: int
    case_id: str
    details: str


Amounts = dict[Decimal, list[AskedFor]]


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a run; the whole by default.

    `leads`: it judges what belongs to no exchange. `readable`: the products to whose callbacks something came that is
    certainly a notification; None: as the part itself shows. `repeated`: its exchanges before which an equal request
    got an id in another part. `twins`: the ids of cases that others refer to from outside their group. `denied`: by
    command, the values of requests that were answered 403; None: those of the part. `missing`: by callback, how many
    notifications are missing in all parts; None: those of the part. `served`: command, kind and aspect of requests that
    were not answered with a 5xx; None: those of the part.
    """

    leads: bool = True
    readable: frozenset[str | None] | None = None
    repeated: frozenset[int] = frozenset()
    twins: frozenset[str] = frozenset()
    denied: Mapping[str | None, Values] | None = None
    missing: Mapping[str | None, int] | None = None
    served: Collection[tuple[str | None, Kind, str]] | None = None


WHOLE_RUN = Share()


class Staircase:
    """Prices of accepted requests and when they were sent: only those that no later one is as dear as."""

    __slots__ = ("_prices", "_times")

    def __init__(self) -> None:
        # The later, the cheaper.
        self._times: array[float] = array("d")
        self._prices: array[int] = array("q")

    def add(self, sent_at: float, price: int) -> None:
        """Add one accepted request."""
        place = bisect_left(self._times, sent_at)
        if place < len(self._times) and self._prices[place] >= price:
            return
        end = bisect_right(self._times, sent_at)
        begin = place
        while begin and self._prices[begin - 1] <= price:
            begin -= 1
        self._times[begin:end] = array("d", [sent_at])
        self._prices[begin:end] = array("q", [price])

    def merge(self, other: Staircase) -> None:
        """Add all requests of another one."""
        for sent_at, price in zip(other._times, other._prices, strict=True):
            self.add(sent_at, price)

    def paid_as_much_since(self, at: float, price: int) -> bool:
        """Whether a request with this price, or a higher one, was sent after that moment."""
        place = bisect_right(self._times, at)
        return place < len(self._times) and self._prices[place] >= price


@dataclass(slots=True)
class FirstWords:
    """The words of the refusal with the lowest number."""

    number: int | None = None
    words: Words | None = None

    def add(self, number: int, words: Words) -> None:
        """Add one refusal."""
        if self.number is None or number < self.number:
            self.number, self.words = number, words

    def merge(self, other: FirstWords) -> None:
        """Add all refusals of another one."""
        if other.number is not None and other.words is not None:
            self.add(other.number, other.words)


def _add(one: Any, other: Any) -> None:
    """Add the fields of `other` to those of `one`."""
    for each in fields(one):
        setattr(one, each.name, _sum(getattr(one, each.name), getattr(other, each.name)))


def _sum(mine: Any, its: Any) -> Any:
    """The sum of two values, by their type; a collection is added to in place."""
    match mine:
        case Counter():
            mine.update(its)
        case set():
            mine |= its
        case array():
            mine.extend(its)
        case dict():
            for key, value in its.items():
                mine[key] = _sum(mine[key], value) if key in mine else value
        case bool():
            return mine or its
        case int():
            return mine + its
        case TwinReply():
            pass  # a case is in one part
        case _:
            mine.merge(its)
    return mine


@dataclass(slots=True)
class PartOfCommand:
    """What the requests of one command in a part add to the facts.

    `served`: one was accepted. `named`: by member, the denied values that an accepted one had; `reached`: the
    beginnings of accepted numbers; `drawn`: accepted numbers beside the samples, only as many as matter;
    `denied_numbers`: those of requests that were answered 403. `statuses`: how often each status was given to an aspect
    of usual requests. `ordinary`: the words in which ordinary requests were refused; `asked`: those of refusals that
    may be compared with them. `valid_accepted`, `always`: the words of requests that every run sends; `repeats` and
    `after_accepted`: the first refusal of a repeat, and of one whose first request was accepted; `deserved`: the
    descriptions of deserved refusals.

    `missing`: numbers of the exchanges whose notification is missing without an excuse; `cut`: others are missing
    because of an outage; `comparable`: how many had theirs outside of outages. `in_time` and `late`: how many came so.
    `faithful` and `contradicting`: how many notifications repeat the details of their requests, or contradict them;
    `told`: the amounts in the latter.
    """

    served: bool = False
    dearest: Staircase = field(default_factory=Staircase)
    named: dict[str, set[str]] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    drawn: set[str] = field(default_factory=set)
    denied_numbers: set[str] = field(default_factory=set)
    statuses: Counter[tuple[int | None, str]] = field(default_factory=Counter)
    ordinary: set[KeptWords] = field(default_factory=set)
    asked: set[KeptWords] = field(default_factory=set)
    valid_accepted: bool = False
    always: set[KeptWords] = field(default_factory=set)
    repeats: FirstWords = field(default_factory=FirstWords)
    after_accepted: FirstWords = field(default_factory=FirstWords)
    deserved: set[Kept] = field(default_factory=set)
    missing: array[int] = field(default_factory=lambda: array("q"))
    cut: bool = False
    comparable: int = 0
    in_time: int = 0
    late: int = 0
    faithful: int = 0
    contradicting: int = 0
    told: set[Decimal] = field(default_factory=set)

    def merge(self, other: PartOfCommand) -> None:
        """Add those of another part."""
        _add(self, other)

    def settled(self, explained: int, recipient: str) -> CommandFacts:
        """The facts about the command; `explained`: how many missing notifications others explain."""
        denied = self.denied_numbers - self.named.get(recipient, set())
        begun = Counter(number[:digits] for number in denied for digits in (NETWORK, RANGE))
        common = frozenset(begins for begins, count in begun.items() if count >= ENOUGH)
        words = (self.after_accepted if self.valid_accepted else self.repeats).words
        return CommandFacts(
            self.served,
            self.dearest,
            {member: frozenset(values) for member, values in self.named.items()},
            len(self.drawn) <= LISTED * len(denied),
            common - self.reached,
            self.statuses,
            frozenset(self.ordinary & self.asked),
            words,
            words is not None and words[1] is not None and kept(words[1]) not in self.deserved,
            words is not None and self.always == {kept_words(words)},
            MissingFacts.of(self.missing, explained, self.comparable, cut=self.cut),
            self.in_time,
            self.late,
            self.faithful,
            self.contradicting,
        )


@dataclass(slots=True)
class PartFacts:
    """What a part adds to the facts of its run. By product, or by callback, as in `Evidence`.

    `accepted`: the number of accepted requests that count. `said_of_success`: descriptions of accepted requests,
    `said_of_errors`: those of others. `heard`: the products at whose callbacks notifications came; `attributed`: one
    belongs to a request. `orphans`: the numbers of those with an id that nobody was given. `missing`: by callback, how
    many notifications did not come while the suite listened. `replies`: to cases that others refer to.
    """

    accepted: int = 0
    unreadable_answers: Counter[str | None] = field(default_factory=Counter)
    unreadable_notices: Counter[str | None] = field(default_factory=Counter)
    without_content: Counter[str | None] = field(default_factory=Counter)
    of_anybody: Counter[str | None] = field(default_factory=Counter)
    missing: Counter[str | None] = field(default_factory=Counter)
    said_of_success: set[Kept] = field(default_factory=set)
    said_of_errors: set[Kept] = field(default_factory=set)
    paid_in: bool = False
    heard: set[str | None] = field(default_factory=set)
    attributed: bool = False
    orphans: dict[str | None, array[int]] = field(default_factory=dict)
    replies: dict[str, TwinReply] = field(default_factory=dict)
    load: LoadFacts = field(default_factory=LoadFacts)
    commands: dict[str | None, PartOfCommand] = field(default_factory=dict)

    def merge(self, other: PartFacts) -> None:
        """Add those of another part."""
        _add(self, other)

    @property
    def told(self) -> Mapping[str | None, frozenset[Decimal]]:
        """By command, the amounts in notifications that contradict their own requests."""
        return {name: frozenset(each.told) for name, each in self.commands.items() if each.told}

    def settled(self, terms: Terms, amounts: Mapping[str | None, Amounts]) -> RunFacts:
        """The facts of the run; `amounts`: by command, the accepted requests that asked for the amounts in `told`."""
        recipient = terms.contract.members.recipient or ""
        return RunFacts(
            self.accepted,
            self.unreadable_answers,
            self.unreadable_notices,
            self.without_content,
            self.of_anybody,
            frozenset(self.said_of_success & self.said_of_errors),
            self.paid_in,
            frozenset(self.heard),
            self.attributed,
            {name: _until(numbers, self.unreadable_answers[name]) for name, numbers in self.orphans.items()},
            self.replies,
            self.load,
            {name: each.settled(self._explained(name, terms), recipient) for name, each in self.commands.items()},
            amounts,
        )

    def _explained(self, command: str | None, terms: Terms) -> int:
        """How many missing notifications of a command unreadable ones explain."""
        callback = terms.callback_of(terms.contract.product_of(command) or "")
        explained = self.unreadable_notices[callback or None]
        return explained + terms.left_out.get(callback, 0) if explained else 0  # of these no more were kept


def _until(numbers: array[int], count: int) -> int:
    """The highest of the first `count` numbers; 0 without any."""
    return sorted(numbers)[: max(count, 0)][-1] if count > 0 and numbers else 0


@dataclass(frozen=True, slots=True)
class MissingFacts:
    """The requests of a command whose notification is missing without an excuse, beside outages.

    `unexplained`: how many others do not explain; those numbered up to `explained_until` they may explain. `cut`: an
    outage explains further ones. `comparable`: how many requests had their notification outside of outages.
    """

    unexplained: int = 0
    explained_until: int = 0
    cut: bool = False
    comparable: int = 0

    @classmethod
    def of(cls, numbers: array[int], explained: int, comparable: int, *, cut: bool) -> MissingFacts:
        """From the numbers of their exchanges."""
        return cls(max(0, len(numbers) - explained), _until(numbers, explained), cut, comparable)


@dataclass(frozen=True, slots=True)
class CommandFacts:
    """The facts about the requests of one command; names as in `PartOfCommand`.

    `hardly_any_number`: hardly any phone number was accepted, compared with those that were denied. `denied_ranges`:
    the beginnings of enough denied numbers, and of no accepted one. `words_for_a_repeat`: in which a repeat was
    refused, if the first request was accepted, or none was; `for_repeats_alone`: no refusal that another request
    deserves has that description; `all_sent_before`: all that every run sends was refused in these words.
    """

    served: bool = False
    dearest: Staircase = field(default_factory=Staircase)
    named: Values = field(default_factory=dict)
    hardly_any_number: bool = True
    denied_ranges: frozenset[str] = frozenset()
    statuses: Mapping[tuple[int | None, str], int] = field(default_factory=Counter)
    ordinary_refusals: frozenset[KeptWords] = frozenset()
    words_for_a_repeat: Words | None = None
    for_repeats_alone: bool = False
    all_sent_before: bool = False
    missing: MissingFacts = field(default_factory=MissingFacts)
    in_time: int = 0
    late: int = 0
    faithful: int = 0
    contradicting: int = 0

    def had(self, member: str, value: str) -> bool:
        """Whether an accepted request had that value, which a denied one has."""
        return value in self.named.get(member, ())


NO_REQUESTS = CommandFacts()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The facts of a run; names as in `PartFacts`.

    `said_of_success`: those that errors have, too. `explained_orphans`: by product, up to which number unreadable
    answers explain the notifications with an unknown id.
    """

    accepted: int = 0
    unreadable_answers: Mapping[str | None, int] = field(default_factory=Counter)
    unreadable_notices: Mapping[str | None, int] = field(default_factory=Counter)
    without_content: Mapping[str | None, int] = field(default_factory=Counter)
    of_anybody: Mapping[str | None, int] = field(default_factory=Counter)
    said_of_success: frozenset[Kept] = frozenset()
    paid_in: bool = False
    heard: frozenset[str | None] = frozenset()
    attributed: bool = False
    explained_orphans: Mapping[str | None, int] = field(default_factory=dict)
    replies: Mapping[str, TwinReply] = field(default_factory=dict)
    load: LoadFacts = field(default_factory=LoadFacts)
    commands: Mapping[str | None, CommandFacts] = field(default_factory=dict)
    amounts: Mapping[str | None, Amounts] = field(default_factory=dict)

    def of(self, command: str | None) -> CommandFacts:
        """The facts about a command."""
        return self.commands.get(command, NO_REQUESTS)


def add_amounts(amounts: dict[str | None, Amounts], more: Mapping[str | None, Amounts]) -> None:
    """Add accepted requests by the amounts that they asked for; the first MOST_COMPARED of each are kept."""
    for command, found in more.items():
        known = amounts.setdefault(command, {})
        for amount, asked in found.items():
            known[amount] = sorted([*known.get(amount, ()), *asked])[:MOST_COMPARED]
