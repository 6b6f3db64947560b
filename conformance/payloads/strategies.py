"""JSON Schema to Hypothesis strategy, for exactly the keywords that the strict request schemas use.

`BUILDERS` holds a builder for each type of schema, with the keywords that it honours. A schema with any other keyword
is refused: to ignore it would mislabel values. To add a keyword: honour it in a builder, name it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from struct import iter_unpack
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.model.errors import UnknownKeyword
from conformance.payloads.alphabets import ALPHABETS, UNIT, Speller, spell
from conformance.payloads.patterns import OPEN_REPETITIONS, matching, parsed

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
