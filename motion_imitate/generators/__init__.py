"""Generators, which draw a person: each implements `types.Generator`."""
