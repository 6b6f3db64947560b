"""Values from a schema and a seed: JSON Schema → Hypothesis strategy → values that are the same on every machine.

`strategy_for` knows exactly the keywords that the strict request schemas use. `BUILDERS` holds a builder for each type
of schema, with the keywords that it honours. A schema with any other keyword is refused: to ignore it would mislabel
values. To add a keyword: honour it in a builder, name it there.

`draw` takes values from a strategy. Hypothesis by itself mixes its surroundings into its values: constants from modules
of the current directory, caches under `.hypothesis`, mutations of earlier examples. A campaign must depend on its seed
alone, so a backend of our own (`settings(backend=…)`, a documented extension point) makes the choices, from a
`random.Random` and nothing else. Still, `st.characters`, `st.text` and `st.from_regex` read the Unicode tables of the
running Python and cache them in a file, so no builder uses them. And another version of Hypothesis may ask for the same
choices in another order: a journal keeps the bytes beside the seed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from math import ceil, inf, nan
from random import Random
from struct import iter_unpack
from typing import Any, ClassVar, Literal, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, currently_in_test_context, given, settings
from hypothesis import seed as engine_seed
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, Unsatisfiable
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, PrimitiveProvider
from hypothesis.internal.intervalsets import IntervalSet
from hypothesis.strategies import SearchStrategy

from conformance.model.errors import SuiteError, UnknownKeyword
from conformance.payloads.patterns import OPEN_REPETITIONS, matching, parsed
from conformance.payloads.texts import ALPHABETS, UNIT, Speller, spell

# --- Strategies


Schema = Mapping[str, Any]

# They describe values and restrict none.
ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples"})

# A text without a maxLength: one SMS segment.
OPEN_TEXT = 160


def strategy_for(schema: Schema, instead: Mapping[str, SearchStrategy[Any]] | None = None) -> SearchStrategy[Any]:
    """The values that `schema` (without references) allows; `instead` gives members a strategy of their own.

    Raises UnknownKeyword for a keyword, or a value of one, that no builder honours.
    """
    of_type = (each for each in BUILDERS if each.type == schema.get("type"))
    builder = next((each for each in of_type if each.deciding is None or each.deciding in schema), None)
    if builder is None:
        raise UnknownKeyword(f"a schema of type {schema.get('type')!r} cannot be generated: {dict(schema)!r}")
    unknown = sorted(schema.keys() - builder.honours - ANNOTATIONS - {"type"})
    if unknown:
        raise UnknownKeyword(
            f"the keyword {', '.join(map(repr, unknown))} is not known to generation beside {builder.deciding!r}",
            hint="honour it in a builder of conformance.payloads.strategies, or leave it out of the schema",
        )
    return builder.build(schema, instead or {})


def text(alphabets: Iterable[Speller], least: int, most: int) -> SearchStrategy[str]:
    """Texts of one of `alphabets` each, `least` to `most` code points long, each with a visible character.

    The backend decides on lengths: that of `draw` mixes the whole range with its two ends.
    """
    data = st.binary(min_size=UNIT * least, max_size=UNIT * most)
    return st.one_of([data.map(partial(spell, alphabet)) for alphabet in alphabets])


# --- Builders


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds the schemas of one type that have the keyword `deciding` (None: any), honouring `honours`."""

    type: str
    deciding: str | None
    honours: frozenset[str]
    build: Callable[[Schema, Mapping[str, SearchStrategy[Any]]], SearchStrategy[Any]]


def _object(schema: Schema, instead: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[dict[str, Any]]:
    if schema.get("additionalProperties", True) not in (True, False):
        raise UnknownKeyword(f"additionalProperties is {schema['additionalProperties']!r}, known are true and false")
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if loose := sorted(required - properties.keys()):
        raise UnknownKeyword(f"{', '.join(loose)} is required, and no property says what it looks like")
    members = {name: instead[name] if name in instead else strategy_for(rule) for name, rule in properties.items()}
    return st.fixed_dictionaries(
        {name: strategy for name, strategy in members.items() if name in required},
        optional={name: strategy for name, strategy in members.items() if name not in required},
    )


def _integer_text(schema: Schema, _instead: object) -> SearchStrategy[str]:
    """The range is enough; the pattern beside it is for validators that do not know `x-integer` (a test compares)."""
    bounds = schema["x-integer"]
    return st.integers(bounds["minimum"], bounds["maximum"]).map(str)


def _characters(schema: Schema, _instead: object) -> SearchStrategy[str]:
    if schema["x-characters"] != "text":
        raise UnknownKeyword(f"x-characters is {schema['x-characters']!r}, known is 'text'")
    least = max(1, schema.get("minLength", 0))
    return text(ALPHABETS.values(), least, schema.get("maxLength", least + OPEN_TEXT))


def _patterned(schema: Schema, _instead: object) -> SearchStrategy[str]:
    tree = parsed(schema["pattern"])
    longest = schema.get("maxLength")
    # A number for each character, and as many again for the choices between them.
    size = 2 * UNIT * (tree.shortest + OPEN_REPETITIONS if longest is None else longest)
    numbers = st.binary(min_size=size, max_size=size)
    return numbers.map(lambda data: matching(tree, longest, (number for (number,) in iter_unpack("<I", data))))


BUILDERS: tuple[Builder, ...] = (
    Builder("object", None, frozenset({"properties", "required", "additionalProperties"}), _object),
    Builder("string", "x-integer", frozenset({"x-integer", "pattern"}), _integer_text),
    Builder("string", "x-characters", frozenset({"x-characters", "minLength", "maxLength"}), _characters),
    Builder("string", "pattern", frozenset({"pattern", "maxLength"}), _patterned),
)


# --- Drawing


T = TypeVar("T")

BACKEND = "statum-conformance"

# An example costs the engine about 0.3 ms whatever its content, so several values share one. It may hold 8 KiB of
# choices: four payloads with the longest messages (459 characters of 4 bytes) still fit.
VALUES_PER_EXAMPLE = 4

# Within one test the engine remembers every example, at 10 KB each; in a new one it goes on from the same choices.
MOST_EXAMPLES = 250

# How often a bounded integer or length is one of the two ends of its range: most defects are there, and a uniform
# choice from 10 000 would hit them once in a campaign at best.
END_RATE = 0.15

# The limits for a strategy without its own (Hypothesis then says 10**10): larger values gain nothing.
OPEN_END = 10**6
OPEN_LENGTH = 64
OPEN_BITS = 64


@dataclass(slots=True)
class _Session:
    """One call of `draw`: the source of its choices, and whether the current example comes from them."""

    random: Random
    drawing: bool = False


_session: ContextVar[_Session] = ContextVar("statum-conformance draw")


class SeededProvider(PrimitiveProvider):
    """Makes every choice from the seed of the current `draw`, and often picks the ends of ranges."""

    lifetime: ClassVar[Literal["test_case", "test_function"]] = "test_function"

    def __init__(self, conjecturedata: object, /) -> None:
        super().__init__(None)
        session = _session.get(None)
        if session is None:
            raise SuiteError(f"the Hypothesis backend {BACKEND!r} was used outside draw(), where it has no seed")
        self._session = session
        self._random = session.random.random

    @contextmanager
    def per_test_case_context_manager(self) -> Iterator[None]:
        """Marks the example as ours: the engine makes its first one (the simplest) by itself."""
        self._session.drawing = True
        try:
            yield
        finally:
            self._session.drawing = False

    def _below(self, limit: int) -> int:
        # Python promises the same values for a seed only of random() and getrandbits().
        if limit < 1 << 32:
            return int(self._random() * limit)
        return self._session.random.getrandbits(limit.bit_length() + 64) % limit

    def _length(self, low: int, high: int) -> int:
        return self._within(low, high if high < OPEN_END else low + OPEN_LENGTH)

    def _within(self, low: int, high: int) -> int:
        chance = self._random()
        if chance < END_RATE:
            return low if chance < END_RATE / 2 else high
        return low + self._below(high - low + 1)

    def draw_boolean(self, p: float = 0.5) -> bool:
        """True with probability `p`."""
        return self._random() < p

    def draw_integer(
        self,
        min_value: int | None = None,
        max_value: int | None = None,
        *,
        weights: dict[int, float] | None = None,
        shrink_towards: int = 0,
    ) -> int:
        """An integer within the bounds; now and then one of them."""
        if weights:
            chance = self._random()
            for value, weight in weights.items():
                chance -= weight
                if chance < 0:
                    return value
        if min_value is not None and max_value is not None:
            return self._within(min_value, max_value)
        distance = self._session.random.getrandbits(1 + self._below(OPEN_BITS))
        if min_value is not None:
            return min_value + distance
        if max_value is not None:
            return max_value - distance
        return distance if self.draw_boolean() else -distance

    def draw_float(
        self,
        *,
        min_value: float = -inf,
        max_value: float = inf,
        allow_nan: bool = True,
        smallest_nonzero_magnitude: float,
    ) -> float:
        """A float within the bounds; now and then one of them, or NaN where that is allowed."""
        chance = self._random()
        if allow_nan and chance < END_RATE / 4:
            return nan
        if chance < END_RATE:
            return min_value if chance < END_RATE / 2 else max_value
        low, high = max(min_value, -(2.0**OPEN_BITS)), min(max_value, 2.0**OPEN_BITS)
        value = min(max(low + (high - low) * self._random(), min_value), max_value)
        least = smallest_nonzero_magnitude
        return (least if least <= max_value else -least) if 0 < abs(value) < least else value

    def draw_string(self, intervals: IntervalSet, *, min_size: int = 0, max_size: int = 10**10) -> str:
        """A string of code points from `intervals`, each as likely as any other."""
        if not len(intervals):
            return ""
        size = self._length(min_size, max_size)
        return "".join(chr(intervals[self._below(len(intervals))]) for _ in range(size))

    def draw_bytes(self, min_size: int = 0, max_size: int = 10**10) -> bytes:
        """Bytes, each as likely as any other."""
        size = self._length(min_size, max_size)
        return self._session.random.getrandbits(8 * size).to_bytes(size, "little")


AVAILABLE_PROVIDERS[BACKEND] = SeededProvider


def draw(strategy: SearchStrategy[T], count: int, seed: int) -> list[T]:
    """Exactly `count` values of `strategy`, decided by `seed` alone.

    Leaves no `.hypothesis` folder; works inside a test, a thread and another Hypothesis test. Raises SuiteError if the
    strategy yields fewer: silence would mean weak tests.
    """
    if not currently_in_test_context():
        return _drawn(strategy, count, seed)
    # The settings of the outer test make Hypothesis refuse an inner one. They are known to the thread alone.
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(_drawn, strategy, count, seed).result()


def _drawn(strategy: SearchStrategy[T], count: int, seed: int) -> list[T]:
    session = _Session(Random(seed))
    values: list[T] = []
    chunk = VALUES_PER_EXAMPLE
    token = _session.set(session)
    try:
        while len(values) < count:
            chunk = min(chunk, count - len(values))
            before = len(values)
            _generate(strategy, session, chunk, min(ceil((count - before) / chunk), MOST_EXAMPLES), values)
            if len(values) == before:
                if chunk == 1:
                    raise SuiteError(f"{strategy!r} gave {len(values)} values, {count} are needed")
                chunk = 1
    except InvalidArgument as error:
        raise SuiteError(f"{strategy!r} can generate nothing: {error}") from error
    finally:
        _session.reset(token)
    return values[:count]


def _generate(strategy: SearchStrategy[T], session: _Session, chunk: int, examples: int, values: list[T]) -> None:
    """Append `examples` times `chunk` values, or fewer if the strategy does not give them."""

    # One more example than needed: the engine makes the first, the simplest one, and it does not count. The integer is
    # for strategies without a choice: the engine would stop after the first. Without a seed the engine would compute
    # one, from the tokens of this function's source, each time.
    @engine_seed(0)
    @settings(
        backend=BACKEND,
        max_examples=examples + 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(st.lists(strategy, min_size=chunk, max_size=chunk), st.integers())
    def collect(drawn: list[T], _: int) -> None:
        if session.drawing:
            values.extend(drawn)

    # Hypothesis adds callbacks to the garbage collector to tell pauses from slowness. Python drops an exception that is
    # raised in one: a Ctrl-C during a collection would be lost, until the process ends.
    before = list(gc.callbacks)
    try:
        with suppress(Unsatisfiable):
            collect()
    finally:
        gc.callbacks[:] = [callback for callback in gc.callbacks if callback in before]
