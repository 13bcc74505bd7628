"""Train the human parsing network on pictures of synthetic people."""
