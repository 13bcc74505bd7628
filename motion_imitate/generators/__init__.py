"""What draws a person: each a `types.Generator`."""
