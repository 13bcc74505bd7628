"""Trains the human parsing network on pictures of made-up people."""
