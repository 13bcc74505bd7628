"""Photos: reading, headers and the people in them."""
