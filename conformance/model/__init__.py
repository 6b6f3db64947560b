"""Values and primitives that every other part rests on."""
